--- What a finished run is continued with. What its end draws, sets and remembers (on_end, metrics of the test set) is
--- the end's alone: the epoch after it begins as it would have without an end before it.
local held = require "perilune.train.held"
local random = require "perilune.script.random"
local record = require "perilune.run.record"

local M = {}

--- Of a trainer whose epochs are over: { lr =, random =, user = (a copy of ctx.state), optimizer = (what it remembers,
--- where on_end may take a step) }.
function M.of(trainer)
  local state, optimizer = trainer.ctx.state, trainer.optimizer
  local ok, user = pcall(record.copy_of_user, state)
  -- what no file can keep is an error where it is written, if it is
  return { lr = optimizer.lr, random = random.state(), user = ok and user or state,
    optimizer = trainer.e.callbacks.on_end and held.optimizer(optimizer) or optimizer }
end

return M
