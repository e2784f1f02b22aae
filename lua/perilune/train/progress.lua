--- What a run shows while it works: on a terminal a line redrawn in place under one line an epoch, elsewhere only the
--- latter. Rows are aligned; columns that do not fit a narrow terminal are left out, the least needed first, never the
--- monitored one.
local system = require "perilune.core".system
local output = require "perilune.terminal.output"
local text = require "perilune.base.format"
local report = require "perilune.terminal.tables"

local Progress = {}
Progress.__index = Progress

-- Columns in the order they are shown, and their widths, until a row has a wider number.
local known = {
  { "epoch", 5 }, { "train_loss", 10 }, { "train_accuracy", 10, title = "train acc" }, { "val_loss", 8 },
  { "val_error", 9 }, { "val_rmse", 9 }, { "test_loss", 9 }, { "test_error", 10 }, { "test_rmse", 9 },
  { "test_r2", 8 }, { "lr", 9 }, { "seconds", 7 }, { "samples_per_second", 9 },
}

-- Columns that say again what others do; a metric of a script's own is none, whatever it is called.
local derived = { step = true, train_rmse = true }
for _, split in ipairs { "train", "val", "test" } do
  for _, name in ipairs { "accuracy", "error", "mae", "r2" } do derived[split .. "_" .. name] = true end
end

--- `columns`: names of the history's columns; `monitored`: the one that early stopping watches; `out`: a file; `term`:
--- text.terminal of it; `epochs`: how many there will be.
function Progress.new(options)
  local self = setmetatable({ out = options.out or io.stdout, term = options.term, epochs = options.epochs,
    drawn = false,
    quiet = options.quiet }, Progress)
  if not self.quiet then output.install() end
  local wanted = {}
  for _, name in ipairs(options.columns) do wanted[name] = true end
  self.columns = {}
  local function add(name, width, title)
    wanted[name] = nil
    self.columns[#self.columns + 1] = { title or report.title(name), width, name = name,
      need = report.need(name, options.monitored) }
  end
  for _, column in ipairs(known) do
    if wanted[column[1]] then add(column[1], column[2], column.title) end
  end
  for _, name in ipairs(options.columns) do
    if wanted[name] and (not derived[name] or name == options.monitored) then
      add(name, math.max(9, #report.title(name)))
    end
  end
  self.columns[#self.columns + 1] = { "", 4 }     -- the mark "best"
  self.left_out = {}
  return self
end

-- The columns that fit the terminal; all of them elsewhere.
local function fitting(self)
  local widths, chosen = {}, {}
  for c, column in ipairs(self.columns) do widths[c] = column[2] end
  local shown, left_out = text.fitting(self.columns, widths, 2, self.term.tty and (system.columns(1) or self.term.width)
    or nil)
  for i, c in ipairs(shown) do
    if self.columns[c].name then chosen[i] = self.columns[c] end
  end
  self.left_out = left_out
  return chosen
end

local function put(self, ...) output.own(self.out.write, self.out, ...) end

--- Takes the moving line away; whatever is written next begins its line.
function Progress:hide()
  if self.drawn then
    put(self, "\r\27[K")
    self.out:flush()
    self.drawn = false
  end
end

local function erase(self)
  output.stands(nil)
  if output.take_open() then put(self, "\n") end
  self:hide()
end

--- A line of its own, above the moving one.
function Progress:note(line)
  if self.quiet then return end
  erase(self)
  put(self, line, "\n")
  self.out:flush()
end

--- A line that is said whatever else is not.
function Progress:warn(line)
  if self.quiet then io.stderr:write("perilune: ", line, "\n") else self:note(line) end
end

local SPARK = 10

-- The last epochs as a sparkline after the row, where a terminal is wide enough for it.
local function trend(self, row, columns, best)
  local v = row.val_loss or row.test_error or row.train_loss
  self.trend = self.trend or { n = 0 }
  self.trend.n = self.trend.n + 1
  self.trend[self.trend.n] = v
  local used = 6
  for _, column in ipairs(columns) do used = used + column[2] + 2 end
  if not self.term.tty or used + 2 + SPARK > (system.columns(1) or self.term.width) then return "" end
  local spark = require "perilune.terminal.marks".spark(self.trend, SPARK, self.term.utf8, true)
  return (best and "  " or "        ") .. self.term.paint(spark, "cyan")
end

--- One finished epoch. `row`: the history's row; `best`: its weights are the best so far.
function Progress:row(row, best)
  if self.quiet then return end
  local paint = self.term.paint
  for _, column in ipairs(self.columns) do
    column[2] = math.max(column[2], column.name and text.width(report.value(column.name, row[column.name])) or 0)
  end
  local columns = fitting(self)
  local titles, cells = {}, {}
  for i, column in ipairs(columns) do
    titles[i] = text.pad(column[1], column[2], "right")
    local cell = text.pad(report.value(column.name, row[column.name]), column[2], "right")
    cells[i] = column.name == "test_error" and paint(cell, "bold") or (column.need or 0) >= 5 and paint(cell, "dim")
      or cell
  end
  local heading = table.concat(titles, "  ")
  if heading ~= self.heading then self:note(paint(heading, "dim")) end      -- also when a width has changed
  self.heading = heading
  if best then cells[#cells + 1] = paint("best", "green") end
  self:note(table.concat(cells, "  ") .. trend(self, row, columns, best))
end

--- Redraws the moving line; call it about ten times a second. `state`: { epoch, batch, batches, loss, accuracy,
-- rate (samples a second), left (seconds until the end of the run), doing (instead of the bar's numbers) }.
function Progress:update(state)
  if self.quiet or not self.term.tty then return end
  local width = (system.columns(1) or self.term.width) - 1
  local paint, unicode = self.term.paint, self.term.utf8
  local head = ("%5s"):format(("%d/%d"):format(state.epoch, self.epochs))
  local parts = {}
  if state.doing then parts[1] = state.doing
  else
    parts[1] = ("%3.0f %%"):format(100 * state.batch / state.batches)
    if state.loss then parts[#parts + 1] = "loss " .. report.value("train_loss", state.loss) end
    if state.accuracy then parts[#parts + 1] = text.percent(state.accuracy) end
    if state.left then parts[#parts + 1] = text.remaining(state.left) .. " left" end
    if state.rate then parts[#parts + 1] = text.count(state.rate) .. " samples/s" end
  end
  local used, shown = text.width(head), {}
  for i, part in ipairs(parts) do
    if used + 2 + text.width(part) > width then break end
    shown[i], used = part, used + 2 + text.width(part)
  end
  local line = paint(text.clip(head, math.max(width, 0)), "bold")
  local room = math.min(30, width - used - 2)
  if room >= 8 then
    local full, empty = text.bar(state.doing and 1 or state.batch / state.batches, room, unicode)
    line = line .. "  " .. paint(full, "cyan") .. paint(empty, "dim")
  end
  if #shown > 0 then line = line .. "  " .. table.concat(shown, "  ") end
  if output.take_open() then put(self, "\n") end
  put(self, "\r", line, "\27[K")
  self.out:flush()
  self.drawn = true
  output.stands(self)
end

--- Leaves the terminal as a next program expects it.
function Progress:finish()
  erase(self)
  local note = not self.quiet and text.left_out(self.left_out)
  for _, line in ipairs(note and text.wrap(note, self.term.width, "  ") or {}) do
    self:note(self.term.paint(line, "dim"))
  end
  self.left_out = {}
  self.out:flush()
end

return Progress
