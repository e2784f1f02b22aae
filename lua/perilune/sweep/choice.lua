--- By what a sweep chooses its best: a measure of the validation set, unless told otherwise in words.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local stopping = require "perilune.train.stopping"

local M = {}

local function labelled(e, split) return split .. (e.classes > 0 and "_error" or "_loss") end

local function known(e, name)
  for _, column in ipairs(e.columns) do
    if column == name then return true end
  end
  return false
end

--- The metric that `word` means: nil or "validation", "test", "none" (nil is returned), or a column of the history.
--- `several`: is there anything to choose from? `rungs`: it is needed while trials are under way.
function M.metric(e, word, several, rungs)
  if word == "none" then
    if rungs then errors.fail(2, "sweep: --halving chooses by a metric; --select none leaves it none") end
    return nil
  end
  if word == "test" then
    if not e.test then errors.fail(2, "sweep: the experiment has no test set to choose by") end
    if rungs and e.test ~= "epoch" then
      errors.fail(2, 'sweep: --halving --select test needs test = "epoch" in the experiment')
    end
    return labelled(e, "test")
  end
  if word == nil or word == "validation" then
    if e.splits.val then return labelled(e, "val") end
    if not several then return nil end
    errors.fail(2, "sweep: there is no validation set to choose by: add validation = 0.1 to the " ..
      "experiment; or say --select none (a table only), or --select test (and the table says so)")
  end
  if word:match "^test_" then
    local its = labelled(e, "test")
    errors.fail(2, "sweep: %s is of the test set; say --select test to choose by %s", word, word == its and "that"
      or its)
  end
  if not known(e, word) then
    local near = core.system.nearest(word, e.columns)
    near = near and ("; did you mean '%s'?"):format(near) or "; it measures " .. table.concat(e.columns, ", ")
    errors.fail(2, "sweep: the experiment does not measure '%s'%s", word, near)
  end
  return word
end

--- Which of its numbers are better: "min" or "max". `mode`: as told; else it is known of the measures, and of what the
--- experiment's stopping rule monitors.
function M.mode(e, metric, mode)
  local known_mode = metric and stopping.direction(metric)
  if mode and not metric then errors.fail(2, "sweep: --mode %s needs something to choose by: --select METRIC", mode) end
  if mode and known_mode and mode ~= known_mode then
    errors.fail(2, "sweep: of %s the %s is the best; --mode is for metrics of your own", metric, known_mode)
  end
  if metric == nil then return nil end
  local rule = type(e.stopping) == "table" and e.stopping or {}
  mode = mode or known_mode or rule.monitor == metric and rule.mode
  if mode ~= "min" and mode ~= "max" then
    errors.fail(2, "sweep: is a larger or a smaller '%s' better? add --mode max or --mode min", metric)
  end
  return mode
end

--- A number of a metric as a loss: less is better, and none or NaN is the worst.
function M.loss(mode, value)
  if value == nil or value ~= value then return math.huge end
  return mode == "max" and -value or value
end

--- Is it of the test set?
function M.of_test(metric) return metric ~= nil and metric:match "^test_" ~= nil end

return M
