--- The view of watch: runs in a table, curves of those that are marked, details of the one that is selected. Pure: from
--- a state and a size to lines, and from a key to a changed state.
local chart = require "perilune.terminal.chart"
local marks = require "perilune.terminal.marks"
local report = require "perilune.terminal.tables"
local runs = require "perilune.plot.runs"
local styles = require "perilune.terminal.style"
local text = require "perilune.base.format"

local M = {}
M.__index = M

--- sources: terminal/watch_source.lua's, or others with the same fields. options: metric, log.
function M.new(sources, options)
  options = options or {}
  return setmetatable({ sources = sources, selected = 1, marked = {}, filter = "", log = options.log or false,
    metric = options.metric, details = 1,
    first = 1, now = options.now or os.time }, M)
end

--- The sources that the filter lets through: their names, titles, states and tags contain each of its words.
function M:shown()
  if self.filter == "" then return self.sources end
  local list = {}
  for _, s in ipairs(self.sources) do
    local all = (s.name .. " " .. (s.title or "") .. " " .. s.state .. " " .. table.concat(s.tags or {}, " ")):lower()
    local fits = true
    for word in self.filter:lower():gmatch "%S+" do fits = fits and all:find(word, 1, true) ~= nil end
    if fits then list[#list + 1] = s end
  end
  return list
end

--- The selected source, or nil.
function M:current()
  local list = self:shown()
  self.selected = math.max(1, math.min(self.selected, #list))
  return list[self.selected]
end

local uninteresting = { epoch = true, step = true, seconds = true, skipped = true }

--- Metrics that some run has, the most telling first.
function M:metrics()
  local list, known = {}, {}
  local function add(name)
    if not known[name] and not uninteresting[name] then
      known[name] = true
      list[#list + 1] = name
    end
  end
  local all = runs.columns(self.sources)
  for _, pattern in ipairs { "^val_error$", "^test_error$", "^val_loss$", "^train_loss$", "_loss$", "_error$",
    "^lr$" } do
    for _, name in ipairs(all) do if name:find(pattern) then add(name) end end
  end
  for _, name in ipairs(all) do if not name:find "_accuracy$" then add(name) end end
  return list
end

local function next_of(list, value, step)
  local at = step > 0 and 0 or 1
  for i, item in ipairs(list) do if item == value then at = i end end
  return list[(at - 1 + step) % math.max(1, #list) + 1]
end

--- What a key does; returns "quit" when the view is to be left.
function M:key(key)
  if key == "interrupt" or key == "hangup" then return "quit" end
  if self.typing then
    if key == "enter" then self.typing = false
    elseif key == "escape" then self.typing, self.filter = false, ""
    elseif key == "backspace" then
      self.filter = self.filter:sub(1, (utf8.offset(self.filter, -1) or 1) - 1)
    elseif utf8.len(key) == 1 then self.filter = self.filter .. key end
    return
  end
  local n = #self:shown()
  if key == "q" then return "quit"
  elseif key == "/" then self.typing = true
  elseif key == "escape" then self.filter = ""
  elseif key == "l" then self.log = not self.log
  elseif key == "up" or key == "k" then self.selected = math.max(1, self.selected - 1)
  elseif key == "down" or key == "j" then self.selected = math.min(math.max(1, n), self.selected + 1)
  elseif key == "home" then self.selected = 1
  elseif key == "end" then self.selected = math.max(1, n)
  elseif key == "pageup" then self.selected = math.max(1, self.selected - 10)
  elseif key == "pagedown" then self.selected = math.min(math.max(1, n), self.selected + 10)
  elseif key == "tab" or key == "m" or key == "right" then self.metric = next_of(self:metrics(), self.metric, 1)
  elseif key == "backtab" or key == "left" then self.metric = next_of(self:metrics(), self.metric, -1)
  elseif key == "d" then self.details = self.details % 3 + 1
  elseif key == " " then
    local s = self:current()
    if s then self.marked[s] = not self.marked[s] or nil end
  end
end

-- The error by which a run is judged, of values their RMSE: its last value.
local function error_of(s)
  local last, test = s.history[#s.history], s.summary and s.summary.test or {}
  local final = { test_error = test.error, test_rmse = test.rmse }
  for _, name in ipairs { "test_error", "val_error", "train_error", "test_rmse", "val_rmse", "train_rmse" } do
    local v = final[name] or last and last[name]
    if v then return report.value(name, v) end
  end
  return last and last.train_loss and report.value("train_loss", last.train_loss) or "-"
end

-- Columns in order; need: the smaller the longer one is kept in a narrow terminal.
local columns = {
  { "run", need = 0, of = function(s, style) return styles.clean(s.name, style.utf8) end },
  { "state", need = 1, of = function(s) return s.state end },
  { "epoch", need = 2, align = "right", of = function(s)
    local last = s.history[#s.history]
    return ("%d%s"):format(last and last.epoch or 0, s.epochs and ("/%d"):format(s.epochs) or "")
  end },
  { "error", need = 3, align = "right", of = error_of },
  { "loss", need = 6, align = "right", of = function(s)
    local last = s.history[#s.history]
    return last and last.train_loss and report.value("train_loss", last.train_loss) or "-"
  end },
  { "lr", need = 7, align = "right", of = function(s)
    local last = s.history[#s.history]
    return last and last.lr and text.number(last.lr + 0.0) or "-"
  end },
  { "samples/s", need = 8, align = "right", of = function(s)
    local rate = s:rate()
    return rate and text.count(rate) or "-"
  end },
  { "left", need = 4, align = "right", of = function(s)
    local _, left = s:rate()
    return left and text.remaining(left) or "-"
  end },
  { "curve", need = 5, of = function(s, style, view)
    local column = view.metric and s.history[view.metric]
    local values = { n = #s.history }
    for i = 1, values.n do values[i] = column and column[i] end
    return marks.spark(values, 16, style.utf8, view.log)
  end },
  { "tags", need = 9, of = function(s, style) return styles.clean(table.concat(s.tags or {}, " "), style.utf8) end },
}

local function table_lines(self, list, style, width, room)
  local cells, widths, chosen = {}, {}, {}
  self.first = math.max(1, math.min(self.first, self.selected))
  if self.selected >= self.first + room then self.first = self.selected - room + 1 end
  self.first = math.max(1, math.min(self.first, #list - room + 1))
  local last = math.min(#list, self.first + room - 1)
  for c, column in ipairs(columns) do
    widths[c], chosen[c] = #column[1], true
    for i = self.first, last do
      cells[i] = cells[i] or {}
      cells[i][c] = column.of(list[i], style, self)
      widths[c] = math.max(widths[c], text.width(cells[i][c]))
    end
  end
  local any = false
  for i = self.first, last do any = any or cells[i][#columns] ~= "" end
  chosen[#columns] = any
  widths[1] = math.min(widths[1], math.max(12, width // 3))
  while true do
    local total, worst = 3, 1
    for c, column in ipairs(columns) do
      if chosen[c] then
        total = total + widths[c] + 2
        if column.need > columns[worst].need then worst = c end
      end
    end
    if total <= width or worst == 1 then break end
    local least = 0
    for c, column in ipairs(columns) do if chosen[c] and column.need > least then least, worst = column.need, c end end
    chosen[worst] = false
    if worst == 1 then break end
  end
  local function line(of, mark, colour)
    local out = {}
    for c, column in ipairs(columns) do
      if chosen[c] then out[#out + 1] = text.pad(text.clip(of(c), widths[c]), widths[c], column.align) end
    end
    local cut = text.clip(table.concat(out, "  "), width - 3):gsub(" +$", "")
    return text.clip(mark, width) == mark and style.paint256(mark, colour) .. (cut ~= "" and " " .. cut or "")
      or text.clip(mark, width)
  end
  local lines = { style.paint(line(function(c) return columns[c][1] end, "  "), "dim") }
  for i = self.first, last do
    local s = list[i]
    local mark = i == self.selected and ">" or " "
    local sign = self.marked[s] and (style.utf8 and "●" or "*") or " "
    local content = line(function(c) return cells[i][c] end, mark .. sign, self.colour_of[s])
    if i == self.selected then content = style.paint(content, "bold")
    elseif s.state == "gone" or s.state == "left off" then content = style.paint(content, "dim") end
    lines[#lines + 1] = content
  end
  return lines
end

-- Runs whose curves are drawn: the marked ones, else the selected one.
local function drawn(self, list)
  local found = {}
  for _, s in ipairs(list) do if self.marked[s] then found[#found + 1] = s end end
  if #found == 0 then found[1] = self:current() end
  return found
end

local function series_of(list, metric)
  local series, any = {}, false
  for _, s in ipairs(list) do
    local one = { name = s.name, n = #s.history, x = {}, y = {} }
    for i, row in ipairs(s.history.rows) do
      one.x[i], one.y[i] = row.epoch or i, row[metric]
      any = any or row[metric] ~= nil
    end
    series[#series + 1] = one
  end
  return series, any
end

-- The series of the chosen metric, or of the first that these runs have.
local function curves_of(self, list)
  local series, any = series_of(list, self.metric)
  if any then return series, self.metric end
  for _, metric in ipairs(self:metrics()) do
    local others, found = series_of(list, metric)
    if found then return others, metric end
  end
  return series, self.metric
end

-- The layers' statistics of the last epoch; or the mistakes; at most `room` lines.
local details = {}

details[1] = function(s, style, width, room)
  local e = s.record and s.record.evaluation or {}
  local which = e.val and e.val.mistakes and "val" or "test"
  local list = e[which] and e[which].mistakes
  if not list then return {} end
  local title = ("Worst mistakes, %s set: actual > predicted, probability, index"):format(which == "val"
    and "validation" or "test")
  local lines = { style.paint(text.clip(title, width), "dim") }
  local line = ""
  for _, m in ipairs(list) do
    local word = styles.clean(("%s > %s %.0f %% #%d"):format(text.label(s.labels, m.label),
      text.label(s.labels, m.prediction), 100 * m.probability, m.index), style.utf8)
    if text.width(line) + text.width(word) + 3 > width then
      lines[#lines + 1] = line
      line = ""
      if #lines >= room then break end
    end
    line = line .. (line ~= "" and "   " or "") .. word
  end
  if line ~= "" and #lines < room then lines[#lines + 1] = line end
  return lines
end

details[2] = function(s, style, width, room)
  local list = s.record and s.record.statistics
  local last = list and list[#list]
  if not last then
    return { style.paint(text.clip('No statistics: statistics = { every = "epoch" } in the experiment records them.',
      width), "dim") }
  end
  local rows = {}
  for i, layer in ipairs(last.layers) do
    if i >= room then break end
    local function std(h) return h and ("%.3g"):format(h.std) or "" end
    rows[i] = { layer.path, std(layer.weights), std(layer.gradients), std(layer.outputs), layer.dead
      and text.percent(layer.dead) or "",
      layer.update and ("%.2e"):format(layer.update) or "" }
  end
  local right = { align = "right" }
  local function column(name) return setmetatable({ name }, { __index = right }) end
  local lines = text.columns({ { "layer" }, column "std weights", column "gradients", column "outputs",
    column "dead", column "update" }, rows)
  for i, line in ipairs(lines) do lines[i] = style.paint(text.clip(line, width), i == 1 and "dim" or nil) end
  return lines
end

details[3] = function() return {} end

local function header(self, list, style, width)
  local training = 0
  for _, s in ipairs(self.sources) do if s.state == "training" then training = training + 1 end end
  local left = ("Perilune watch   %d run%s, %d training"):format(#self.sources, #self.sources == 1 and "" or "s",
    training)
  if self.filter ~= "" or self.typing then
    left = left .. ("   /%s%s (%d)"):format(styles.clean(self.filter, style.utf8), self.typing and "_" or "", #list)
  end
  local right = os.date("%H:%M:%S", self.now())
  if width < 30 then return style.paint(text.clip(left, width), "bold") end
  left = text.clip(left, width - #right - 1)
  return style.paint(left .. (" "):rep(width - text.width(left) - #right) .. right, "bold")
end

local keys = "q quit  j/k select  space mark  tab metric  l log  / filter  d details"

--- The lines of the whole view: exactly `height` of them, none wider than `width`.
function M:lines(width, height, style)
  style = setmetatable({ width = width }, { __index = style })
  if not self.metric then self.metric = self:metrics()[1] end
  local list = self:shown()
  local current = self:current()
  local curves = drawn(self, list)
  self.colour_of = {}
  for i, s in ipairs(curves) do
    self.colour_of[s] = style.colour and styles.series[(i - 1) % #styles.series + 1] or nil
  end
  local lines = { header(self, list, style, width) }
  if self.status then lines[2] = style.paint256(text.clip(self.status, width), styles.series[3]) end
  if not current then
    lines[#lines + 1] = #self.sources == 0 and "no runs here yet" or "no run fits the filter; escape clears it"
  else
    local room = math.max(1, math.min(#list, height // 3 - 1))
    for _, line in ipairs(table_lines(self, list, style, width, room)) do lines[#lines + 1] = line end
    local extra = {}
    local left = height - #lines - 1
    if left >= 18 then extra = details[self.details](current, style, width, math.max(2, left // 4)) end
    left = left - #extra
    if self.metric and left >= 8 and width >= 20 then
      local series, metric = curves_of(self, curves)
      local axis = runs.axis(metric)
      local legend = #series > 1 and 1 or 0
      local function draw(plot_height)
        return chart.lines(series, { width = width, height = plot_height, title = ("%s%s%s"):format(#series == 1
          and curves[1].name .. ": " or "",
          axis.label, self.log and ", logarithmic" or ""), x = { label = "epoch" }, y = { label = axis.label,
            log = self.log, unit = axis.unit } }, style)
      end
      local plot = draw(math.max(3, left - 4 - legend))
      if #plot > left then plot = draw(math.max(3, left - 4 - legend - (#plot - left))) end
      for i = 1, math.min(#plot, left) do lines[#lines + 1] = plot[i] end
    end
    for _, line in ipairs(extra) do lines[#lines + 1] = line end
  end
  while #lines < height - 1 do lines[#lines + 1] = "" end
  while #lines > math.max(1, height - 1) do lines[#lines] = nil end
  if height > 1 then lines[height] = style.paint(text.clip(keys, width), "dim") end
  return lines
end

return M
