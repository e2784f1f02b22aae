-- A model that was built for samples of one shape and is given others: where a layer cannot take them the message names
-- both shapes, before the layer; a model that can take them runs.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

local function model()
  return nn.Sequential { nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4, { name = "fc" }) }:build { 8, 8, 1 }
end

local function refused(f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertStrMatches(message, "[^:]*input_shape_test.lua:%d+: the model was built for %[N, 8, 8, 1%] and cannot " ..
    "take %[N, 10, 8, 1%]: .*layer 3 %(Linear, \"fc\"%): .*")
  lu.assertNil(message:find "\n")
end

TestInputShape = {}

function TestInputShape:test_passes_by_hand()
  local m, x = model(), pl.ones(2, 10, 8, 1)
  refused(function() m:forward(x) end)
  refused(function() m:infer(x) end)
  refused(function() m:predict(x) end)
  refused(function() m:probabilities(x) end)
  refused(function() m:activations(x) end)
  refused(function() m:build { 10, 8, 1 } end)
  lu.assertEquals(m:forward(pl.ones(2, 8, 8, 1)).shape, { 2, 4 })       -- it is as it was
end

function TestInputShape:test_evaluation_and_training()
  local m = model()
  local set = pl.data.from_tensors { x = pl.ones(6, 10, 8, 1), y = pl.tensor({ 0, 1, 2, 3, 0, 1 }, "i32"),
    test_x = pl.ones(2, 10, 8, 1), test_y = pl.tensor({ 0, 1 }, "i32"), name = "tall" }
  refused(function() m:evaluate(set.test) end)
  local fields = { name = "tall", seed = 1, data = set, model = m, loss = nn.CrossEntropy(), epochs = 1, batch_size = 2,
    optimizer = pl.optim.SGD { lr = 0.1 } }
  local ok, message = pcall(function() return pl.experiment(fields):run { quiet = true, out = false } end)
  lu.assertFalse(ok)
  lu.assertStrContains(tostring(message), "the model was built for [N, 8, 8, 1] and cannot take [N, 10, 8, 1]")
end

function TestInputShape:test_a_model_that_takes_any_size_runs()
  local m = nn.Sequential { nn.Conv2d(1, 2, 3), nn.GlobalAvgPool2d(), nn.Linear(2, 4) }:build { 8, 8, 1 }
  lu.assertEquals(m:infer(pl.ones(2, 10, 8, 1)).shape, { 2, 4 })
end

-- The first build names the layer alone.
function TestInputShape:test_the_first_build()
  local m = nn.Sequential { nn.Flatten(), nn.Linear(72, 4) }
  local _, message = pcall(m.build, m, { 8, 8, 1 })
  lu.assertStrContains(message, "layer 2 (Linear): expects")
  lu.assertNil(message:find("was built for", 1, true))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
