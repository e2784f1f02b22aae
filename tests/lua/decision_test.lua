-- What outputs mean: predict, probabilities, pl.accuracy, evaluate, the training's accuracy and the confusion matrix
-- agree, for each loss, with one output and with several, and where there is NaN.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local nan = 0 / 0

-- A model whose outputs are its inputs, with the last layers given.
local function passes_on(width, ...)
  local m = nn.Sequential { nn.Linear(width, width), ... }
  m:build { width }
  m[1].weight:zero_()
  for i = 1, width do m[1].weight[i][i] = 1 end
  m[1].bias:zero_()
  return m
end

local function sigmoid(x) return 1 / (1 + math.exp(-x)) end

local function check(model, loss, x, labels, expected, probabilities)
  local data = pl.data.from_tensors { x = x, y = labels, name = "d" }
  local opts = loss and { loss = loss }
  lu.assertEquals(model:predict(x, opts):totable(), expected)
  if probabilities then
    local p = model:probabilities(x, opts)
    lu.assertEquals(p.shape, { #probabilities, #probabilities[1] })
    lu.assertTrue(p:equal(pl.tensor(probabilities), 1e-6), tostring(p))
  end
  local right = 0
  for i, label in ipairs(expected) do right = right + (label == labels[i] and 1 or 0) end
  lu.assertEquals(pl.accuracy(model:infer(x), labels, opts), right / #expected)
  local result = model:evaluate(data.train, opts)
  lu.assertEquals({ result.correct, result.accuracy, result.error },
    { right, right / #expected, (#expected - right) / #expected })
  local diagonal, all = 0, 0
  for i, row in ipairs(result.confusion) do
    for j, n in ipairs(row) do
      all = all + n
      if i == j then diagonal = diagonal + n end
    end
  end
  for _, n in ipairs(result.outside or {}) do all = all + n end
  lu.assertEquals({ diagonal, all }, { right, #expected })
end

TestDecision = {}

function TestDecision:test_one_logit()
  local x, y = pl.tensor { { -2 }, { 0.3 }, { 0.4 }, { 2 }, { 0 } }, pl.tensor({ 0, 1, 1, 0, 1 }, "i32")
  local p = {}
  for i, v in ipairs { -2, 0.3, 0.4, 2, 0 } do p[i] = { sigmoid(v) } end
  check(passes_on(1), nn.BCE(), x, y, { 0, 1, 1, 1, 0 }, p)
  check(passes_on(1), nil, x, y, { 0, 1, 1, 1, 0 }, p)      -- what is assumed where no loss is known
end

function TestDecision:test_one_probability()
  local x, y = pl.tensor { { 0.2 }, { 0.49 }, { 0.51 }, { 1 } }, pl.tensor({ 0, 1, 1, 1 }, "i32")
  check(passes_on(1), nn.BCE { logits = false }, x, y, { 0, 0, 1, 1 }, { { 0.2 }, { 0.49 }, { 0.51 }, { 1 } })
end

function TestDecision:test_a_last_sigmoid_says_that_outputs_are_probabilities()
  local model = passes_on(1, nn.Sigmoid())
  local x = pl.tensor { { -2 }, { 0.3 }, { 2 } }
  lu.assertEquals(model:predict(x):totable(), { 0, 1, 1 })
  lu.assertTrue(model:probabilities(x):equal(model:infer(x)))
  lu.assertEquals(model:evaluate(pl.data.from_tensors { x = x, y = pl.tensor({ 0, 1, 0 }, "i32") }.train).correct, 2)
end

function TestDecision:test_one_value()
  local x, y = pl.tensor { { -2 }, { 0.3 }, { 0.6 }, { 2 } }, pl.tensor({ 0, 0, 1, 1 }, "i32")
  check(passes_on(1), nn.MSE(), x, y, { 0, 0, 1, 1 })
  lu.assertErrorMsgContains("outputs are values", passes_on(1).probabilities, passes_on(1), x, { loss = nn.MSE() })
end

function TestDecision:test_several_outputs_of_each_loss()
  local x, y = pl.tensor { { 1, 3, 2 }, { 0, 0, -1 }, { -5, -4, -3 } }, pl.tensor({ 1, 1, 2 }, "i32")
  local e = math.exp
  local function softmax(a, b, c) local s = e(a) + e(b) + e(c) return { e(a) / s, e(b) / s, e(c) / s } end
  check(passes_on(3), nn.CrossEntropy(), x, y, { 1, 0, 2 },
    { softmax(1, 3, 2), softmax(0, 0, -1), softmax(-5, -4, -3) })
  check(passes_on(3), nil, x, y, { 1, 0, 2 }, { softmax(1, 3, 2), softmax(0, 0, -1), softmax(-5, -4, -3) })
  check(passes_on(3), nn.BCE(), x, y, { 1, 0, 2 }, { { sigmoid(1), sigmoid(3), sigmoid(2) }, { 0.5, 0.5, sigmoid(-1) },
    { sigmoid(-5), sigmoid(-4), sigmoid(-3) } })
  check(passes_on(3), nn.NLL(), x, y, { 1, 0, 2 }, { { e(1), e(3), e(2) }, { 1, 1, e(-1) }, { e(-5), e(-4), e(-3) } })
  check(passes_on(3), nn.ProbabilityCrossEntropy(), x, y, { 1, 0, 2 }, { { 1, 3, 2 }, { 0, 0, -1 }, { -5, -4, -3 } })
  check(passes_on(3), nn.MSE(), x, y, { 1, 0, 2 })
  check(passes_on(3, nn.Softmax()), nn.MSE(), x, y, { 1, 0, 2 },
    { softmax(1, 3, 2), softmax(0, 0, -1), softmax(-5, -4, -3) })
  check(passes_on(3, nn.LogSoftmax()), nil, x, y, { 1, 0, 2 },
    { softmax(1, 3, 2), softmax(0, 0, -1), softmax(-5, -4, -3) })
end

-- Labels that count from 1 would be wrong rows otherwise, one and all.
function TestDecision:test_accuracy_takes_labels_of_the_classes_only()
  local three, one = pl.zeros(2, 3), pl.zeros(2, 1)
  lu.assertErrorMsgContains("accuracy: label 3 in row 2; labels of 3 classes go from 0 to 2", pl.accuracy, three,
    pl.tensor({ 1, 3 }, "i32"))
  lu.assertErrorMsgContains("accuracy: label -1 in row 1; labels of 3 classes go from 0 to 2", pl.accuracy, three,
    pl.tensor({ -1, 0 }, "i32"))
  lu.assertErrorMsgContains("accuracy: label 2 in row 2; labels of 2 classes go from 0 to 1", pl.accuracy, one,
    pl.tensor({ 1, 2 }, "i32"))
end

function TestDecision:test_a_row_with_nan_is_never_right()
  local m = passes_on(3)
  local x, y = pl.tensor { { nan, 0, 0 }, { 0, nan, 1 }, { 1, 0, nan }, { 0, 0, 1 } }, pl.tensor({ 0, 2, 0, 2 }, "i32")
  local outputs = m:infer(x)
  outputs[1], outputs[2], outputs[3] = pl.tensor { nan, 0, 0 }, pl.tensor { 0, nan, 1 }, pl.tensor { 1, 0, nan }
  lu.assertEquals(pl.accuracy(outputs, y), 0.25)
  for _, loss in ipairs { nn.CrossEntropy(), nn.BCE(), nn.MSE(), false } do
    local opts = loss and { loss = loss } or nil
    lu.assertEquals(m:predict(x, opts):totable(), { -1, -1, -1, 2 })
    local result = m:evaluate(pl.data.from_tensors { x = x, y = y }.train, opts)
    lu.assertEquals(result.correct, 1)
    lu.assertEquals(result.outside, { 2, 0, 1 })
    -- 0 and 1/2, of the classes that occur
    lu.assertEquals(require "perilune.train.metrics".named.macro_recall(result), 0.25)
  end
  local one = passes_on(1)
  one[1].weight:fill_(nan)
  lu.assertEquals(one:evaluate(pl.data.from_tensors { x = pl.zeros(4, 1), y = pl.zeros({ 4 }, "i32") }.train).accuracy,
    0.0)
end

function TestDecision:test_outputs_beyond_the_classes_count_as_wrong_in_the_metrics_too()
  local x, y = pl.tensor { { 0, 0, 1 }, { 1, 0, 0 } }, pl.tensor({ 0, 0 }, "i32")
  local data = pl.data.from_tensors { x = x, y = y, labels = { "a", "b" } }
  local result = passes_on(3):evaluate(data.train)
  lu.assertEquals({ result.correct, result.confusion, result.outside }, { 1, { { 1, 0 }, { 0, 0 } }, { 1, 0 } })
  lu.assertEquals(require "perilune.train.metrics".classification(result.confusion, result.outside).accuracy, 0.5)
end

-- Labels of two classes by the sign of x.
local function signs(n)
  local x = pl.rand({ n, 1 }, { seed = 3 }) - 0.5
  return x, x:gt(0):to "i32":reshape(-1)
end

local function binary(loss, ...)
  local x, y = signs(64)
  local model = nn.Sequential { nn.Linear(1, 1), ... }
  local run = pl.experiment { name = "signs", data = pl.data.from_tensors { x = x, y = y, test_x = x, test_y = y },
    model = model, loss = loss,
    optimizer = optim.Adam { lr = 0.1 }, epochs = 40, batch_size = 16, shuffle = false }:run { out = false,
      quiet = true }
  return run, x, y
end

function TestDecision:test_a_model_knows_the_loss_of_its_experiment_and_training_accuracy_is_the_evaluation_s()
  local run, x, y = binary(nn.BCE())
  lu.assertTrue(run.test.accuracy >= 0.95, tostring(run.test.accuracy))
  lu.assertEquals(pl.accuracy(run.model:infer(x), y), run.test.accuracy)
  lu.assertEquals(run.model:predict(x):eq(y):to "f32":mean(), run.test.accuracy)
  lu.assertTrue(run.history.train_accuracy[40] >= 0.95)
  local values = binary(nn.MSE())
  lu.assertTrue(values.test.accuracy >= 0.9, tostring(values.test.accuracy))
  lu.assertErrorMsgContains("outputs are values", values.model.probabilities, values.model, x)
end

-- Trained on values, a model has no labels to predict; a loss that is named says what its outputs are.
function TestDecision:test_a_regression_predicts_no_labels()
  local x = pl.rand({ 32, 2 }, { seed = 1 })
  local folder = os.tmpname()
  os.remove(folder)
  local run = pl.experiment { name = "values", data = pl.data.from_tensors { x = x, y = x:sum(2):reshape(32, 1) },
    model = nn.Sequential { nn.Linear(2, 1) }, loss = nn.MSE(), optimizer = optim.Adam { lr = 0.1 }, epochs = 1,
    batch_size = 16 }:run { out = folder, quiet = true, silent = true }
  for _, model in ipairs { run.model, run.model:clone(), nn.load(folder), pl.run(folder).model } do
    lu.assertErrorMsgContains("predict: this model's outputs are values, not scores of classes; use model:infer",
      model.predict, model, x)
    lu.assertEquals(model:predict(x, { loss = nn.MSE() }).dtype, "i32")
  end
  os.execute(("rm -r '%s'"):format(folder))
end

function TestDecision:test_files_keep_the_loss()
  local x, y = pl.tensor { { 0.3 }, { 0.7 } }, pl.tensor({ 0, 1 }, "i32")
  local model = passes_on(1)
  pl.experiment { name = "m", data = pl.data.from_tensors { x = x, y = y }, model = model, loss = nn.MSE(),
    optimizer = optim.SGD { lr = 1 }, start = "keep",
    epochs = 1, batch_size = 1 }
  local path = os.tmpname()
  assert(model:save(path))
  lu.assertEquals(nn.load(path):predict(x):totable(), { 0, 1 })
  os.remove(path)
end

function TestDecision:test_accuracy_of_training_is_one_rule_with_functions_of_the_script_too()
  local bce = nn.BCE()
  local built_in, own = binary(bce), binary(function(output, target) return bce(output, target) end)
  lu.assertEquals(own.history.train_accuracy[7], built_in.history.train_accuracy[7])
  lu.assertEquals(own.test.accuracy, built_in.test.accuracy)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
