--- What a sweep shows while it works: a line for each trial that is settled; on a terminal, under these, the running
--- ones and how long it will take, redrawn in place.
local report = require "perilune.terminal.tables"
local system = require "perilune.core".system
local text = require "perilune.base.format"
local clean = require "perilune.terminal.style".clean
local log = require "perilune.run.log"

local M = {}

local Watch = {}
Watch.__index = Watch

--- o: { total = trials, shown = names of results, settled = so many before, quiet }. Each task has its `epochs`.
function M.new(o)
  return setmetatable({ term = text.terminal(1), total = o.total, shown = o.shown,
    settled = o.settled or 0, failed = 0, quiet = o.quiet,
    drawn = 0, began = system.clock(), trained = 0, next_look = 0 }, Watch)
end

local function erase(self)
  if self.drawn > 0 then io.write(("\r\27[%dA\27[J"):format(self.drawn)) end
  self.drawn = 0
end

function Watch:say(line)
  if self.quiet then return end
  erase(self)
  io.write(line, "\n")
  io.flush()
end

--- So many trials were settled by an earlier command.
function Watch:earlier(count)
  if count == 0 then return end
  self.settled = self.settled + count
  self:say(self.term.paint(("%d of %d done already"):format(count, self.total), "dim"))
end

local function results(self, row)
  local parts = {}
  for _, name in ipairs(self.shown) do
    if row and row[name] then parts[#parts + 1] = report.title(name) .. " " .. report.value(name, row[name]) end
  end
  return table.concat(parts, ", ")
end

--- A trial is settled: { state, epoch, row, message }; `row`: its final results by name.
function Watch:trial(name, status, row)
  self.settled = self.settled + 1
  local what
  if status.state == "failed" then
    self.failed = self.failed + 1
    what = self.term.paint("failed: ", "bad") .. clean(status.message)
  elseif status.state == "finished" then
    what = ("%d epochs, %s"):format(status.epoch, results(self, row or status.row))
  else what = ("epoch %d, %s"):format(status.epoch, status.message or results(self, status.row)) end
  local form = "%" .. #tostring(self.total) .. "d/%d"
  local count = form:format(self.settled, self.total)
  local head = ("%s  %s"):format(self.term.paint(count, "dim"), self.term.paint(name, "bold"))
  local line = head .. "  " .. what
  if not self.term.width or text.width(line) <= self.term.width then return self:say(line) end
  local indent = (" "):rep(#count + 2)
  self:say(head)
  for _, part in ipairs(text.wrap(indent .. what, self.term.width, indent)) do self:say(part) end
end

-- Seconds left at most: epochs trained so far since the beginning, against those that are left.
local function remaining(self, pool, epochs_now)
  local trained, left = self.trained, 0
  for i, task in ipairs(pool.running) do
    trained = trained + math.max(0, epochs_now[i] - (task.epochs_before or 0))
    left = left + math.max(0, task.epochs - epochs_now[i])
  end
  for _, list in ipairs { pool.queue, pool.elsewhere } do
    for _, task in ipairs(list) do left = left + task.epochs end
  end
  local elapsed = system.clock() - self.began
  if trained == 0 or elapsed < 1 then return nil end
  return left * elapsed / trained
end

--- Counts the epochs of a trial that has ended.
function Watch:count(epochs) self.trained = self.trained + math.max(0, epochs) end

function Watch:tick(pool)
  if self.quiet or not self.term.tty or system.clock() < self.next_look then return end
  self.next_look = system.clock() + 0.25
  local width, lines, epochs = (system.columns(1) or 80) - 1, {}, {}
  for i, task in ipairs(pool.running) do
    local row = log.last(task.folder) or {}
    epochs[i] = row.epoch or row.summary and row.summary.epoch or 0
    local done = ("epoch %d/%d"):format(epochs[i], task.epochs)
    lines[#lines + 1] = ("  %s  %s  %s"):format(task.name, done, results(self, row))
  end
  local left = remaining(self, pool, epochs)
  local share = self.total > 0 and self.settled / self.total or 1
  local full, empty = text.bar(share, math.min(24, math.max(width - 60, 8)), self.term.utf8)
  local parts = { ("%d of %d"):format(self.settled, self.total), ("%d running"):format(#pool.running) }
  if #pool.elsewhere > 0 then parts[#parts + 1] = ("%d by another process"):format(#pool.elsewhere) end
  if self.failed > 0 then parts[#parts + 1] = ("%d failed"):format(self.failed) end
  if left then parts[#parts + 1] = "at most " .. text.remaining(left) .. " left" end
  erase(self)
  for _, line in ipairs(lines) do io.write(text.clip(line, width), "\n") end
  local rest = text.clip(table.concat(parts, ", "), math.max(width - text.width(full) - text.width(empty) - 3, 0))
  io.write(self.term.paint(full, "cyan"), self.term.paint(empty, "dim"), "  ", rest, "\n")
  io.flush()
  self.drawn = #lines + 1
end

function Watch:finish()
  if not self.quiet then erase(self) end
  io.flush()
end

return M
