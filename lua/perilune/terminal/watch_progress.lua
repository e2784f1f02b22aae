--- perilune run --watch: the view of watch in the process that trains. It stands in for the progress lines, which go on
--- below it when q leaves the view; what the script has printed meanwhile comes first.
local errors = require "perilune.base.errors"
local output = require "perilune.terminal.output"
local text = require "perilune.base.format"
local view = require "perilune.terminal.watch_view"

local M = {}
M.__index = M

--- progress: the lines it stands in for; run: { name, title, epochs, labels }. Raises where there is no terminal.
function M.new(progress, run)
  local screen, message = require "perilune.terminal.screen".open()
  if not screen then errors.fail(1, "run --watch: %s", message) end
  local source = { name = run.name, title = run.title, epochs = run.epochs, labels = run.labels, state = "training",
    tags = {},
    history = require "perilune.run.history".new() }
  function source.rate() return source.samples_per_second, source.left end
  local self = setmetatable({ progress = progress, screen = screen, source = source, state = view.new { source },
    said = {}, style = screen:style() }, M)
  output.hold(function(file, ...)
    local words = table.pack(...)
    self.said[#self.said + 1] = function() file:write(table.unpack(words)) end
  end)
  return self
end

--- The history that the view draws.
function M:follow(history) self.source.history = history end

local function leave(self)
  if not self.screen then return end
  self.screen:close()
  self.screen = nil
  output.hold(nil)
  for _, say in ipairs(self.said) do say() end
end

local function draw(self)
  if not self.screen then return end
  local key = self.screen:key(0)
  while key do
    if key == "interrupt" or key == "hangup" then self.interrupted = true end
    if self.state:key(key) == "quit" then return leave(self) end
    key = self.screen:key(0)
  end
  local rows, columns = self.screen:size()
  self.screen:show(self.state:lines(columns, rows, self.style))
end

function M:update(now)
  if not self.screen then return self.progress:update(now) end
  local parts = { ("epoch %d of %d"):format(now.epoch, self.source.epochs) }
  if now.doing then parts[2] = now.doing
  else
    parts[2] = ("%.0f %%"):format(100 * now.batch / now.batches)
    if now.loss then parts[#parts + 1] = ("loss %.4f"):format(now.loss) end
    if now.rate then parts[#parts + 1] = text.count(now.rate) .. " samples/s" end
    if now.left then parts[#parts + 1] = text.remaining(now.left) .. " left" end
    self.source.samples_per_second, self.source.left = now.rate or self.source.samples_per_second, now.left
      or self.source.left
  end
  self.state.status = table.concat(parts, "   ")
  draw(self)
end

function M:row(row, best)
  if not self.screen then return self.progress:row(row, best) end
  draw(self)
end

function M:note(line)
  if not self.screen then return self.progress:note(line) end
end

--- What must be said is shown now, and again below when the view is left.
function M:warn(line)
  if not self.screen then return self.progress:warn(line) end
  self.said[#self.said + 1] = function() self.progress:warn(line) end
  self.state.status = line
  draw(self)
end

function M:finish()
  leave(self)
  self.progress:finish()
end

return M
