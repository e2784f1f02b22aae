--- Curves in the terminal: axes, ticks, legend, in the width that there is.
local canvas = require "perilune.terminal.canvas"
local curves = require "perilune.plot.curves"
local styles = require "perilune.terminal.style"
local text = require "perilune.base.format"
local thin = require "perilune.plot.thin"

local M = {}

local function legend_lines(series, marks, style, width, dots)
  local lines, line, used = {}, {}, 0
  for i, s in ipairs(series) do
    if s.name then
      local sample = dots and (style.utf8 and "⣀⠤⠒⠉" or marks[i].letter) or marks[i].letter
      local name = text.clip(styles.clean(s.name, style.utf8), math.max(1, width - text.width(sample) - 3))
      local w = text.width(sample) + 1 + text.width(name)
      if used > 0 and used + 3 + w > width then
        lines[#lines + 1] = table.concat(line, "   ")
        line, used = {}, 0
      end
      line[#line + 1] = style.paint256(sample, marks[i].colour) .. " " .. name
      used = used + (used > 0 and 3 or 0) + w
    end
  end
  if #line > 0 then lines[#lines + 1] = table.concat(line, "   ") end
  return lines
end

-- Labels of the x axis in one line, none over another.
local function x_labels(ticks, scale, width, left)
  local line, last = (" "):rep(left), left - 2
  local out = line
  for _, tick in ipairs(ticks) do
    local label = tick.label
    local at = left + math.floor(scale:at(tick.value) * (width - 1) + 0.5) - #label // 2
    at = math.max(0, math.min(at, left + width - #label))
    if at > last + 1 then
      out = out .. (" "):rep(at - text.width(out)) .. label
      last = at + #label - 1
    end
  end
  return out
end

--- The lines of a chart. series: as plot/series.lua makes them; options: width, height (of the plot, in lines), title,
--- x and y = { label, log, unit }. style: terminal/style.lua's.
function M.lines(series, options, style)
  local x, y = options.x or {}, options.y or {}
  local width = math.max(20, options.width or style.width)
  local height = math.max(3, options.height or 16)
  y = setmetatable({ count = math.max(2, math.min(6, height // 3)) }, { __index = y })
  x = setmetatable({ count = math.max(2, width // 12) }, { __index = x })
  local sx, sy = curves.scales(series, x, y)
  local left = 0
  for _, tick in ipairs(sy.ticks) do left = math.max(left, #tick.label) end
  left = math.min(left, width - 12)
  local room = width - left - 2
  local shown = 0
  for _, s in ipairs(series) do if s.n > 0 then shown = shown + 1 end end
  local dots = style.utf8 and (style.colour or shown <= 1) and shown <= #styles.series
  local c, marks = canvas.new(room, height, dots), {}
  for i, s in ipairs(series) do
    marks[i] = styles.mark(i, style)
    local thinned = thin.series(s, room * 2)
    local px, py
    for _, edge in ipairs { "low", "high" } do      -- of a band, as dots
      for k = 1, thinned[edge] and thinned.n or 0 do
        local vx, vy = sx:at(thinned.x[k]), sy:at(thinned[edge][k])
        if vx and vy then c:point(vx, vy, marks[i]) end
      end
    end
    for k = 1, thinned.n do
      local vx, vy = sx:at(thinned.x[k]), sy:at(thinned.y[k])
      if vx and vy then
        if px and not s.points then c:line(px, py, vx, vy, marks[i]) else c:point(vx, vy, marks[i]) end
      end
      px, py = vy and vx, vx and vy
    end
  end
  local bar, corner, tick_left, dash, tick_down = "|", "+", "+", "-", "+"
  if style.utf8 then bar, corner, tick_left, dash, tick_down = "│", "└", "┤", "─", "┬" end
  local labels = {}
  for _, tick in ipairs(sy.ticks) do
    local row = math.floor((1 - sy:at(tick.value)) * (height - 1) + 0.5) + 1
    if row >= 1 and row <= height and not labels[row] then labels[row] = tick.label end
  end
  local lines = {}
  if options.title then lines[1] = style.paint(text.clip(styles.clean(options.title, style.utf8), width), "bold") end
  if #series > 1 or not options.title then
    for _, line in ipairs(legend_lines(series, marks, style, width, dots)) do lines[#lines + 1] = line end
  end
  local rows = c:rows(style.paint256)
  if sy.empty then
    local why = text.clip(options.empty or (y.log and "no values above 0" or "no values"), room)
    rows[height // 2 + 1] = (" "):rep((room - text.width(why)) // 2) .. why
  end
  for r, row in ipairs(rows) do
    lines[#lines + 1] = (style.paint(text.pad(text.clip(labels[r] or "", left), left, "right") .. " " .. (labels[r]
      and tick_left or bar), "dim") .. row)
      :gsub(" +$", "")
  end
  local axis, marked = {}, {}
  for _, tick in ipairs(sx.ticks) do marked[math.floor(sx:at(tick.value) * (room - 1) + 0.5)] = true end
  for i = 0, room - 1 do axis[i + 1] = marked[i] and tick_down or dash end
  lines[#lines + 1] = style.paint((" "):rep(left + 1) .. corner .. table.concat(axis), "dim")
  lines[#lines + 1] = style.paint(x_labels(sx.ticks, sx, room, left + 2), "dim")
  if x.label then
    local label = text.clip(styles.clean(x.label, style.utf8), room)
    lines[#lines + 1] = style.paint((" "):rep(left + 2 + (room - text.width(label)) // 2) .. label, "dim")
  end
  return lines
end

return M
