--- The learning rate that the schedule sets, and what a rate set by hand before it means: methods of the trainer
-- (epochs.lua).
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local exact = require "perilune.base.lossless_json"
local random = require "perilune.script.random"
local text = require "perilune.base.format"

local M = {}

--- "epoch" or "step": when the schedule sets the rate; nil without one.
function M:scheduled_per()
  local schedule = self.rule
  return schedule and (type(schedule) == "table" and schedule.per or "epoch") or nil
end

-- A rate that was set by hand just before the schedule sets it: does that change what the schedule gives? It is asked
-- for both rates, with the same ctx.state and random numbers.
function M:rate_matters(count, before)
  local state = self.ctx.state
  local ok, kept = pcall(exact.encode, state)
  if not ok then return true end
  local drawn = random.state()
  local other = self.rule(count, before, self.ctx)
  for key in pairs(state) do state[key] = nil end
  for key, value in pairs(exact.decode(kept)) do state[key] = value end
  random.install(self.state.seed, 0, drawn)
  local lr = self.rule(count, self.optimizer.lr, self.ctx)
  return lr ~= other, lr
end

-- Rate of the epoch (or step) that begins: the schedule is given the previous one.
function M:schedule(per, count)
  if self:scheduled_per() ~= per then return end
  local before, lr = self.state.rate_before, nil
  if before then
    local set = self.optimizer.lr
    local matters, given = self:rate_matters(count, before)
    lr = given
    if matters then self:mark_edited(("learning rate %s to %s"):format(text.number(before), text.number(set))) end
    self.state.rate_before = nil
  end
  if lr == nil then lr = self.rule(count, self.optimizer.lr, self.ctx) end
  if type(lr) ~= "number" or lr ~= lr or lr < 0 or lr == math.huge then
    error(("schedule: returned %s for %s %d; a learning rate of at least 0 is expected"):format(options.describe(lr),
      per, count), 0)
  end
  local ok, problem = pcall(function() self.optimizer.lr = lr end)
  if not ok then error(("schedule: for %s %d: %s"):format(per, count, errors.bare(tostring(problem))), 0) end
end

return M
