-- Metrics against numbers worked out by hand, and scikit-learn's (tests/golden/make_metrics.py).
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local metrics = require "perilune.train.metrics"

TestClassification = {}

-- rows: actual. Class 1: 8 of 10 found, 2 called 2. Class 2: 5 of 6 found, 1 called 3. Class 3: all 4 found.
local confusion = { { 8, 2, 0 }, { 0, 5, 1 }, { 0, 0, 4 } }

function TestClassification:test_by_hand()
  local r = metrics.classification(confusion)
  lu.assertAlmostEquals(r.classes[1].precision, 1, 1e-12)
  lu.assertAlmostEquals(r.classes[1].recall, 0.8, 1e-12)
  lu.assertAlmostEquals(r.classes[2].precision, 5 / 7, 1e-12)
  lu.assertAlmostEquals(r.classes[2].recall, 5 / 6, 1e-12)
  lu.assertAlmostEquals(r.classes[2].f1, 10 / 13, 1e-12)        -- 2 tp / (2 tp + fp + fn)
  lu.assertAlmostEquals(r.classes[3].precision, 0.8, 1e-12)
  lu.assertEquals({ r.classes[1].support, r.classes[2].support, r.classes[3].support, r.support }, { 10, 6, 4, 20 })
  lu.assertAlmostEquals(r.accuracy, 17 / 20, 1e-12)
  lu.assertAlmostEquals(r.macro.recall, (0.8 + 5 / 6 + 1) / 3, 1e-12)
  lu.assertAlmostEquals(r.weighted.recall, 17 / 20, 1e-12)      -- weighted recall is accuracy
  lu.assertAlmostEquals(r.weighted.precision, (10 * 1 + 6 * 5 / 7 + 4 * 0.8) / 20, 1e-12)
  lu.assertAlmostEquals(metrics.named.macro_f1 { confusion = confusion }, (16 / 18 + 10 / 13 + 8 / 9) / 3, 1e-12)
end

local function golden()
  local file <close> = assert(io.open "tests/golden/metrics.json")
  return core.json.decode(file:read "a")
end

function TestClassification:test_scikit_learn_s_numbers_also_where_classes_occur_nowhere()
  for i, case in ipairs(golden().classes) do
    local r = metrics.classification(case.confusion)
    lu.assertAlmostEquals(r.accuracy, case.accuracy, 1e-12)
    for _, average in ipairs { "macro", "weighted" } do
      for name, value in pairs(case[average]) do
        lu.assertAlmostEquals(r[average][name], value, 1e-12, ("case %d, %s %s"):format(i, average, name))
      end
    end
  end
end

function TestClassification:test_an_absent_class_has_zeros_and_is_left_out_of_the_macro_average()
  local r = metrics.classification { { 3, 0 }, { 0, 0 } }
  lu.assertEquals({ r.classes[2].precision, r.classes[2].recall, r.classes[2].f1, r.classes[2].support },
    { 0.0, 0.0, 0.0, 0 })
  lu.assertEquals({ r.macro.recall, r.absent }, { 1.0, 1 })
  lu.assertEquals(r.weighted.recall, 1.0)
end

function TestClassification:test_samples_given_no_class_are_wrong()
  local r = metrics.classification({ { 3, 0 }, { 0, 2 } }, { 1, 0 })
  lu.assertEquals({ r.classes[1].recall, r.classes[1].precision, r.accuracy, r.support }, { 0.75, 1.0, 5 / 6, 6 })
end

function TestClassification:test_regressions_have_scikit_learn_s_numbers()
  for i, case in ipairs(golden().values) do
    local x, y = pl.tensor(case.outputs), pl.tensor(case.targets)
    local result = pl.nn.Sequential { pl.nn.Identity() }:evaluate(pl.data.from_tensors { x = x, y = y }.train)
    for _, name in ipairs { "mae", "rmse", "r2" } do
      lu.assertAlmostEquals(result[name], case[name], 1e-9 * math.max(1, math.abs(case[name])),
        ("case %d, %s"):format(i, name))
    end
    lu.assertNil(result.accuracy)
  end
end

function TestClassification:test_most_confused_pairs_first()
  lu.assertEquals(metrics.confused { { 9, 1, 4 }, { 1, 9, 0 }, { 0, 7, 9 } }, {
    { actual = 3, predicted = 2, count = 7 }, { actual = 1, predicted = 3, count = 4 },
    { actual = 1, predicted = 2, count = 1 }, { actual = 2, predicted = 1, count = 1 } })
  lu.assertEquals(#metrics.confused({ { 9, 1, 4 }, { 1, 9, 0 }, { 0, 7, 9 } }, 2), 2)
end

function TestClassification:test_verdict()
  -- documented 0.80 %: one deviation is sqrt(0.008 * 0.992 / 10000) = 0.000891
  lu.assertEquals(metrics.verdict(0.0079, 0.0080), "beats")
  lu.assertEquals(metrics.verdict(0.0080, 0.0080), "meets")
  lu.assertEquals(metrics.verdict(1 - 0.969, 0.031), "meets")
  lu.assertEquals(metrics.verdict(0.031, 1 - 0.969), "meets")
  lu.assertEquals(metrics.verdict(0.0088, 0.0080), "meets")
  lu.assertEquals(metrics.verdict(0.0089, 0.0080), "misses")
end

TestTraining = {}

-- Of weights that do not move, an epoch of training measures what an evaluation does: in steps of one team, and where
-- a function of the script takes part in each. The last batch is smaller, and targets are of several values.
function TestTraining:test_an_epoch_measures_what_an_evaluation_does()
  local x = pl.randn(70, 4, { seed = 1 })
  local labels, values = (pl.rand(70, { seed = 2 }) * 3):to "i32", pl.randn(70, 3, { seed = 3 }) + 1
  for _, case in ipairs { { y = labels, loss = pl.nn.CrossEntropy(), names = { "loss", "accuracy", "error" } },
    { y = values, loss = pl.nn.MSE(), names = { "loss", "mae", "rmse", "r2" } } } do
    local data = pl.data.from_tensors { x = x, y = case.y, name = "d" }
    for _, callbacks in ipairs { {}, { on_batch = function() end } } do
      local run = pl.experiment { name = "still", data = data, model = pl.nn.Sequential { pl.nn.Linear(4, 3) },
        loss = case.loss, optimizer = pl.optim.SGD { lr = 0 }, epochs = 1, batch_size = 16, test = false,
        callbacks = callbacks }:run { out = false, quiet = true, silent = true }
      local want = run.model:evaluate(data.train, { loss = case.loss })
      for _, name in ipairs(case.names) do
        lu.assertAlmostEquals(run.history["train_" .. name][1], want[name], 1e-6, name)
      end
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
