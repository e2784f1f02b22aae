--- Short epochs share a save. What is known at the end of one that is not saved is held in memory, and saved if the
--- training fails before the next save. So a run that fails leaves all the epochs that it has finished, whatever the
--- clock.
local exact = require "perilune.base.lossless_json"
local history = require "perilune.run.history"
local random = require "perilune.script.random"

local M = {}

local function copy(value)
  if type(value) ~= "table" then return value end
  local t = {}
  for key, item in next, value do t[key] = copy(item) end
  return t
end

-- A copy of the tensors in `list`, into that of before if there is one.
local function copied(list, into)
  into = into or {}
  for i, item in ipairs(list) do
    if into[i] then into[i].tensor:copy_(item.tensor)
    else
      into[i] = copy(item)
      into[i].tensor = item.tensor:clone()
    end
  end
  return into
end

--- What is written of an optimizer, as it is now.
function M.optimizer(optimizer)
  local config, counters, slots = optimizer:config(), copy(optimizer:counters()), copied(optimizer:state())
  return { config = function() return config end, counters = function() return counters end,
    state = function() return slots end }
end

--- Holds what a trainer knows now, between epochs, in `held` (nil: a new one). Returns it. Raises where memory does not
--- suffice, or ctx.state holds what no file can.
function M.hold(trainer, held)
  held = held or {}
  local optimizer, s = trainer.optimizer, trainer.state
  held.slots = copied(optimizer:state(), held.slots)
  if trainer.best and held.best_epoch ~= s.best.epoch then
    held.best, held.best_epoch = copied(trainer.best, held.best), s.best.epoch
  end
  held.weights = copied(trainer.model:state(), held.weights)
  held.config, held.counters = optimizer:config(), copy(optimizer:counters())
  held.state = copy(s)
  held.state.lr, held.state.random = optimizer.lr, random.state()
  held.user = exact.encode(trainer.ctx.state, "ctx.state")
  held.rows, held.entries = #trainer.history, trainer.statistics and #trainer.statistics
  held.evaluation = {}
  for split, result in pairs(trainer.evaluation) do held.evaluation[split] = result end
  return held
end

--- The trainer as it was then, for what is written to files.
function M.as_it_was(trainer, held)
  return setmetatable({ state = held.state, ctx = { state = assert(exact.decode(held.user)) },
    history = history.first(trainer.history, held.rows),
    statistics = held.entries and table.move(trainer.statistics, 1, held.entries, 1, {}),
    evaluation = held.evaluation, best = held.best, last = held.weights, now = held.weights,
    optimizer = { config = function() return held.config end, counters = function() return held.counters end,
      state = function() return held.slots end } }, { __index = trainer })
end

return M
