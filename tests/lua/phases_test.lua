-- Experiments beside and after each other: what the script's table, a callback or another experiment changes.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

local scratch = dofile "tests/lua/support_scratch.lua" "phases_test"
local quiet = { out = false, quiet = true }

local function fields(changes)
  local f = { name = "phases", data = pl.data.digits { train = 60, test = 20 }, epochs = 4, batch_size = 16,
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }, loss = nn.CrossEntropy(),
    optimizer = pl.optim.Adam { lr = 0.02 } }
  for name, value in pairs(changes or {}) do f[name] = value end
  return f
end

local function bits(model) return require "perilune.run.record".digest(model:state()) end

TestPhases = {}

-- What a script writes into its table, or into a list in it, after the experiment was made is not the experiment's.
function TestPhases:test_fields_are_those_of_when_it_was_made()
  local given, at = fields { callbacks = {} }, { 2 }
  given.schedule = pl.schedule.multi_step { at = at }
  local e = pl.experiment(given)
  given.batch_size, given.callbacks.on_end, at[1] = 50, function() error "not of this experiment" end, 40
  lu.assertEquals(e:with { seed = 2 }.batch_size, 16)
  lu.assertEquals(#e:with { seed = 2 }:run(quiet).history, 4)
  lu.assertStrContains(tostring(e.schedule), "at = [2]")
end

-- The final results are those of the final weights, also where a callback changes them after the last evaluation.
function TestPhases:test_results_are_those_of_the_weights()
  local found = pl.experiment(fields { callbacks = { on_epoch = function(ctx)
    for _, item in ipairs(ctx.model:state()) do item.tensor:fill_(ctx.epoch) end
  end } }):run(quiet)
  local again = found.model:evaluate(found.experiment.data.test, { loss = found.experiment.loss })
  lu.assertEquals({ found.test.loss, found.test.accuracy }, { again.loss, again.accuracy })
end

-- The files of a finished run hold the weights that its results are of; the checkpoint goes on from the last epoch's.
function TestPhases:test_the_weights_in_the_files_of_a_finished_run()
  local place = scratch .. "/best"
  local rule = { monitor = "train_loss", mode = "max", start = function() return {} end,
    update = function(_, _, epoch) return epoch == 1, false end }
  local e = pl.experiment(fields { stopping = rule })
  local run = e:run { out = place, quiet = true, silent = true }
  lu.assertEquals(run.best.epoch, 1)
  local final = bits(e.model)
  for _, name in ipairs { "", "/run.h5", "/best.h5", "/checkpoint.h5" } do
    lu.assertEquals(bits(assert(nn.load(place .. name))), final, name)
    local other = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }
    other:load(place .. name)
    lu.assertEquals(bits(other), final, name)
  end
end

-- start = "keep" is said again: the weights of now, not those that the first experiment began with.
function TestPhases:test_a_second_phase_goes_on()
  local e = pl.experiment(fields())
  e:run(quiet)
  local first = e:with { start = "keep" }
  first:run(quiet)
  local now = bits(e.model)
  local second = first:with { start = "keep", epochs = 1,
    callbacks = { on_start = function(ctx) lu.assertEquals(bits(ctx.model), now) end } }
  second:run(quiet)
end

-- Predictions and probabilities go by the loss that the model was trained with.
function TestPhases:test_another_experiment_changes_no_prediction()
  local e = pl.experiment(fields())
  e:run(quiet)
  local x = e.data.train:tensors(1, 3)
  local before = e.model:probabilities(x)
  e:with { loss = nn.BCE() }
  lu.assertTrue(e.model:probabilities(x):equal(before))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
