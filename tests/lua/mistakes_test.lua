-- The predictions and worst mistakes that run files keep, against what the model itself says of each sample.
local lu = require "luaunit"
local pl = require "perilune"
local runfile = require "perilune.run.file"
local nn, data, optim = pl.nn, pl.data, pl.optim
local scratch = dofile "tests/lua/support_scratch.lua" "mistakes"

local function trained(changes, resume)
  local fields = { name = "m", data = data.digits { train = 300, test = 120 }, loss = nn.CrossEntropy(), epochs = 1,
    batch_size = 30,
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }, optimizer = optim.SGD { lr = 0.02 }, validation = 0.2,
      test = "end" }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields):run { out = scratch .. "/run", quiet = true, silent = true, fresh = not resume }
end

local function read(kind) return assert(runfile.read(("%s/run/%s.h5"):format(scratch, kind or "run"))) end

-- Every sample alone: label, prediction, probability by the formula of softmax in double precision.
local function one_by_one(model, split)
  local list = {}
  for i = 1, split.count do
    local x, label = split:get(i)
    local y = model:infer(x:reshape(1, table.unpack(split.shape))):totable()[1]
    local best, sum = 1, 0.0
    for k, value in ipairs(y) do
      if value > y[best] then best = k end
    end
    for _, value in ipairs(y) do sum = sum + math.exp(value - y[best]) end
    list[i] = { index = i, label = label, prediction = best - 1, probability = 1 / sum }
  end
  return list
end

local function check(split, kept, model)
  local each, wrong = one_by_one(model, split), {}
  lu.assertEquals(kept.predictions.dtype, "u8")
  lu.assertEquals(kept.predictions:totable()[7], each[7].prediction)
  for i, guess in ipairs(kept.predictions:totable()) do
    lu.assertEquals(guess, each[i].prediction)
    lu.assertEquals(kept.right[i], guess == each[i].label and 1 or 0)
    if guess ~= each[i].label then wrong[#wrong + 1] = each[i] end
  end
  table.sort(wrong, function(a, b) return a.probability > b.probability end)
  lu.assertEquals(#kept.mistakes, math.min(50, #wrong))
  lu.assertEquals(kept.count - kept.correct, #wrong)
  for n, mistake in ipairs(kept.mistakes) do
    lu.assertAlmostEquals(mistake.probability, wrong[n].probability, 1e-5)
    lu.assertEquals({ mistake.label, mistake.prediction },
      { each[mistake.index].label, each[mistake.index].prediction })
    lu.assertNotEquals(mistake.label, mistake.prediction)
    lu.assertEquals(mistake.picture.dtype, "u8")
    local x = split:get(mistake.index)
    lu.assertTrue(((x * 255):round():to "u8"):eq(mistake.picture):all())
  end
end

TestMistakes = {}

function TestMistakes.test_they_are_what_the_model_says()
  local r = trained()
  local splits = r.experiment.splits
  for _, kind in ipairs { "run", "checkpoint" } do
    local kept = read(kind).evaluation
    check(splits.test, kept.test, r.model)
    check(splits.val, kept.val, r.model)
  end
  lu.assertTrue(#read().evaluation.test.mistakes == 50)
end

function TestMistakes.test_of_the_best_epoch_when_that_is_what_is_kept()
  local r = trained { epochs = 4, test = "epoch", optimizer = optim.SGD { lr = 0.5 },
    stopping = pl.stopping.patience { monitor = "val_loss", patience = 3 } }
  check(r.experiment.splits.test, read().evaluation.test, r.model)
end

function TestMistakes.test_pictures_of_standardized_images_are_the_images()
  local plain = trained()
  local r = trained { data = data.digits { train = 300, test = 120 }:standardize() }
  local low, high = r.experiment.splits.test:read():extent()
  lu.assertTrue(low < 0 and high > 1)
  for _, mistake in ipairs(read().evaluation.test.mistakes) do
    local x = plain.experiment.splits.test:get(mistake.index)
    local apart = ((x * 255):round() - mistake.picture:to "f32"):abs():max()
    lu.assertTrue(apart <= 1)
  end
end

function TestMistakes.test_rows_of_numbers_have_no_pictures_and_targets_no_mistakes()
  local x = pl.randn(60, 4)
  local y = x:slice(2, 1, 1):reshape(60):gt(0):to "i32"
  trained { data = data.from_tensors { x = x, y = y, test_x = x, test_y = y }, validation = 0,
    model = nn.Sequential { nn.Linear(4, 2) } }
  local kept = read().evaluation.test
  lu.assertTrue(#kept.mistakes > 0)
  lu.assertNil(kept.mistakes[1].picture)
  trained { data = data.from_tensors { x = x, y = x, test_x = x, test_y = x }, validation = 0,
    model = nn.Sequential { nn.Linear(4, 4) }, loss = nn.MSE() }
  kept = read().evaluation.test
  lu.assertNil(kept.mistakes)
  lu.assertNil(kept.predictions)
end

function TestMistakes.test_many_classes_and_none_wrong()
  local x, y = pl.zeros(300, 300), pl.zeros({ 300 }, "i32")
  for i = 1, 300 do x[i][i], y[i] = 1, i - 1 end
  local model = nn.Sequential { nn.Linear(300, 300) }
  local d = data.from_tensors { x = x, y = y, test_x = x, test_y = y }
  trained { data = d, validation = 0, model = model, optimizer = optim.SGD { lr = 300 }, epochs = 2, batch_size = 300 }
  local kept = read().evaluation.test
  lu.assertEquals(kept.predictions.dtype, "i32")
  lu.assertEquals(kept.predictions:totable()[300], 299)
  lu.assertEquals({ kept.correct, #kept.mistakes }, { 300, 0 })
end

function TestMistakes.test_probabilities_of_other_losses()
  local x, y = pl.randn(40, 3), pl.zeros({ 40 }, "i32")
  local split = data.from_tensors { x = x, y = y, labels = { "a", "b", "c" } }.train
  local linear = nn.Linear(3, 3)
  local raw = nn.Sequential { linear }
  raw:build { 3 }
  local want = pl.nn.Softmax():infer(raw:infer(x)):max(2):totable()
  local function compare(model, loss)
    local got = model:evaluate(split, { loss = loss, predictions = true }).probabilities:totable()
    for i = 1, 40 do lu.assertAlmostEquals(got[i], want[i], 1e-6) end
  end
  compare(raw, nn.CrossEntropy())
  local weights = raw:state()
  local function copy(model)
    model:build { 3 }
    for i, item in ipairs(model:state()) do item.tensor:copy_(weights[i].tensor) end
    return model
  end
  compare(copy(nn.Sequential { nn.Linear(3, 3), nn.LogSoftmax() }), nn.NLL())
  compare(copy(nn.Sequential { nn.Linear(3, 3), nn.Softmax() }), nn.ProbabilityCrossEntropy())
end

function TestMistakes.test_a_resumed_run_keeps_them()
  trained { test = "epoch", epochs = 2 }
  local before = read().evaluation.test
  trained { test = "epoch", epochs = 1 }
  lu.assertEquals(#read "checkpoint".evaluation.test.mistakes, 50)
  local resumed = trained({ test = "epoch", epochs = 2 }, true)
  lu.assertEquals(resumed.state.test_evaluations, 2)
  local after = read().evaluation.test
  lu.assertTrue(before.predictions:eq(after.predictions):all())
  for i, mistake in ipairs(before.mistakes) do
    lu.assertEquals({ mistake.index, mistake.probability }, { after.mistakes[i].index, after.mistakes[i].probability })
  end
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
