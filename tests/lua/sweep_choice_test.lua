-- By what a sweep chooses, which way it is better, and what the trials that failed make of a configuration.
local lu = require "luaunit"
local choice = require "perilune.sweep.choice"
local metrics = require "perilune.train.metrics"
local outcome = require "perilune.sweep.outcome"

local function experiment(stopping)
  return { columns = { "epoch", "val_loss", "val_r2", "auc" }, splits = { val = {} }, classes = 0, stopping = stopping }
end

TestChoice = {}

-- Whatever a history measures has the direction that early stopping gives it.
function TestChoice:test_which_way_is_better()
  for metric, better in pairs(metrics.better) do
    lu.assertEquals(choice.mode(experiment(), "val_" .. metric), better, metric)
  end
  lu.assertEquals(choice.mode(experiment(), "val_r2"), "max")
  lu.assertTrue(choice.loss("max", 0.9) < choice.loss("max", 0.1))
  lu.assertTrue(choice.loss("min", 0.1) < choice.loss("min", 0.9))
  lu.assertEquals(choice.loss("max", 0 / 0), math.huge)
  lu.assertEquals(choice.loss("max", nil), math.huge)
  lu.assertNil(choice.mode(experiment(), nil))
end

function TestChoice:test_of_a_metric_of_ones_own_it_is_told()
  lu.assertEquals(choice.mode(experiment(), "auc", "max"), "max")
  lu.assertEquals(choice.mode(experiment { monitor = "auc", mode = "max" }, "auc"), "max")
  lu.assertErrorMsgContains("of val_loss the min is the best; --mode is for metrics of your own", choice.mode,
    experiment(), "val_loss", "max")
  lu.assertErrorMsgContains("--mode max needs something to choose by", choice.mode, experiment(), nil, "max")
  for _, stopping in ipairs { false, { monitor = "val_loss", mode = "min" } } do
    lu.assertErrorMsgContains("is a larger or a smaller 'auc' better? add --mode max or --mode min", choice.mode,
      experiment(stopping or nil), "auc")
  end
end

function TestChoice:test_an_unknown_metric_is_answered_with_those_that_there_are()
  lu.assertErrorMsgContains("does not measure 'val_los'; did you mean 'val_loss'?", choice.metric, experiment(),
    "val_los", true)
  lu.assertErrorMsgContains("does not measure 'quatsch'; it measures epoch, val_loss, val_r2, auc", choice.metric,
    experiment(), "quatsch", true)
end

local function item(words, state, value)
  local run = state == "finished" and { value = function() return value end } or nil
  return { trial = { words = words }, status = { state = state, epoch = 1 }, run = run }
end

local function order(mode, items)
  local names = {}
  for i, c in ipairs(outcome.configurations(items, "m", mode, { "m" })) do names[i] = c.words[1] end
  return table.concat(names, " ")
end

-- The seeds that are left are the lucky ones: no better mean than that of all.
function TestChoice:test_configurations_of_which_a_seed_failed_come_after_the_others()
  local failing, nan, steady = { "failing" }, { "nan" }, { "steady" }
  local items = { item(failing, "finished", 0.1), item(failing, "failed"), item(nan, "finished", 0.2),
    item(nan, "finished", 0 / 0), item(steady, "finished", 0.5), item(steady, "finished", 0.6),
    item({ "dead" }, "failed"), item({ "begun" }, "unfinished") }
  lu.assertEquals(order("min", items), "steady failing nan begun dead")
  items[1] = item(failing, "unfinished")
  items[2] = item(failing, "finished", 0.1)      -- under way: the first seed may be the lucky one
  lu.assertEquals(order("min", items), "steady failing nan begun dead")
  lu.assertEquals(order("max", items), "steady nan failing begun dead")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
