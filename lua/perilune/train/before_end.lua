--- What a finished run is continued with. What its end draws, sets and remembers (on_end, metrics of the test set) is
--- the end's alone: the epoch after it begins as it would have without an end before it.
local random = require "perilune.script.random"
local record = require "perilune.run.record"

local M = {}

--- Of a trainer whose epochs are over: { lr =, random =, user = (a copy of ctx.state) }.
function M.of(trainer)
  local state = trainer.ctx.state
  local ok, user = pcall(record.copy_of_user, state)
  -- what no file can keep is an error where it is written, if it is
  return { lr = trainer.optimizer.lr, random = random.state(), user = ok and user or state }
end

return M
