--- Early stopping: rules that watch one column of the history and say when to stop. Whatever ends the run (the
-- rule, the number of epochs, a callback), the weights of the best epoch are restored.
--
-- A rule is a table with `monitor`, `mode` ("min" or "max") and
--   rule:start() -> state                     a plain table; saved in every checkpoint
--   rule:update(state, epoch, value) -> improved, stop
-- `improved`: this epoch's weights are the best so far. One snapshot is enough for both rules: in the windowed
-- one the best never leaves the window without stopping the run, because when it has become the oldest of the
-- window, the oldest is no worse than the best.
local options = require "perilune.base.options"
local errors = require "perilune.base.errors"
local metrics = require "perilune.train.metrics"

local M = {}

--- "min" or "max" for a column such as "train_loss" or "val_accuracy"; nil for a metric of the user's own.
function M.direction(column)
  return metrics.better[(column:gsub("^%l+_", "", 1))]
end

local splits = { train = "training set", val = "validation set", test = "test set" }

--- The split on which a choice by `column` is made, in words.
function M.split_of(column)
  return splits[column:match "^(%l+)_"] or ("column " .. column)
end

-- The column that a monitor of an unknown name may mean.
local function near_column(monitor)
  local names = {}
  for _, split in ipairs { "train_", "val_", "test_" } do
    for _, list in ipairs { metrics.standard, split ~= "train_" and metrics.more or {} } do
      for _, name in ipairs(list) do names[#names + 1] = split .. name end
    end
  end
  return require "perilune.core".system.nearest(monitor, names)
end

local common = {
  { "monitor", type = "string", default = "train_loss" },
  { "mode", type = "string", choices = { "min", "max" } },
}

local function rule(name, given, list, class)
  local all = table.move(list, 1, #list, #common + 1, table.move(common, 1, #common, 1, {}))
  local self = options.check("pl.stopping." .. name, given, all)
  self.type = name
  self.mode = self.mode or M.direction(self.monitor)
  if self.mode == nil then
    local near = near_column(self.monitor)
    errors.raise("pl.stopping.%s: is a larger or a smaller '%s' better? %sAdd mode = \"max\" or mode = \"min\"", name,
      self.monitor,
      near and near ~= self.monitor and ("(Did you mean '%s'?) "):format(near) or "")
  end
  return setmetatable(self, class)
end

-- What is not finite improves nothing, and is worse than all that is.
local function is_finite(x) return x ~= nil and x - x == 0 end

-- How much worse than b, which is finite, is a? Negative when better.
local function worse_by(mode, a, b)
  if not is_finite(a) then return math.huge end
  return mode == "min" and a - b or b - a
end

local Window = { __name = "pl.stopping rule" }
Window.__index = Window

--- The documented rule. Keep the last `patience` values of the monitored column; once there are that many, stop when
--- the oldest of them is no worse than the best of them by more than `min_delta_rel`, relative to the best; or when
--- none of them is finite.
--- Options: monitor ("train_loss"), patience (epochs, at least 2), min_delta_rel (0.005), mode ("min", "max").
function M.window(given)
  return rule("window", given, {
    { "patience", type = "integer", low = 2, required = "add patience = the number of epochs in the window" },
    { "min_delta_rel", type = "number", low = 0, default = 0.005 },
  }, Window)
end

function Window:start() return { window = {} } end

function Window:update(state, epoch, value)
  local window, improved = state.window, false
  if is_finite(value) and (state.best == nil or worse_by(self.mode, value, state.best) < 0) then
    state.best, state.epoch, improved = value, epoch, true
  end
  window[#window + 1] = is_finite(value) and value or 0 / 0
  if #window > self.patience then table.remove(window, 1) end
  if #window < self.patience then return improved, false end
  if state.best == nil then return false, true end      -- a whole window without a finite value
  return improved, worse_by(self.mode, window[1], state.best) <= self.min_delta_rel * math.abs(state.best)
end

local Patience = { __name = "pl.stopping rule" }
Patience.__index = Patience

--- The usual rule: stop after `patience` epochs in a row without an improvement. An epoch improves when it is better
--- than the last that did by more than min_delta, and by more than min_delta_rel relative to it. Options: monitor
--- ("train_loss"), patience (epochs, at least 1), min_delta (0), min_delta_rel (0), mode ("min", "max").
function M.patience(given)
  return rule("patience", given, {
    { "patience", type = "integer", low = 1, required = "add patience = the number of epochs without improvement" },
    { "min_delta", type = "number", low = 0, default = 0 },
    { "min_delta_rel", type = "number", low = 0, default = 0 },
  }, Patience)
end

function Patience:start() return { waited = 0 } end

-- `best` is what the next improvement is measured from, `top` the best of all, which that need not be.
function Patience:update(state, epoch, value)
  local gain, is_top = -math.huge, false
  if is_finite(value) then
    gain = state.best == nil and math.huge or -worse_by(self.mode, value, state.best)
    is_top = state.best == nil or worse_by(self.mode, value, state.top or state.best) < 0
  end
  if is_top then state.top, state.epoch = value, epoch end
  local needed = state.best == nil and 0 or math.max(self.min_delta, self.min_delta_rel * math.abs(state.best))
  if gain > needed then
    state.best, state.waited = value, 0
  else
    state.waited = state.waited + 1
  end
  return is_top, state.waited >= self.patience
end

return M
