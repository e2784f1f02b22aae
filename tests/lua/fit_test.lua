-- What `check` refuses before data are read, because model, loss, splits and batches do not fit; and what it must let
-- pass.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data

local function labelled(classes, n)
  local y = {}
  for i = 1, n or 12 do y[i] = (i - 1) % classes end
  return data.from_tensors { x = pl.zeros(n or 12, 4), y = pl.tensor(y, "i32"), name = "d" }
end

local function make(fields)
  local given = { name = "fit", data = labelled(3), model = nn.Sequential { nn.Linear(4, 3) }, loss = nn.CrossEntropy(),
    optimizer = optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 4 }
  for name, value in pairs(fields) do given[name] = value end
  return pl.experiment(given)
end

local function refused(fields, ...)
  local ok, problem = pcall(make, fields)
  lu.assertFalse(ok, "was taken")
  for _, words in ipairs { ... } do lu.assertStrContains(tostring(problem), words) end
end

local function last(...) return nn.Sequential { nn.Linear(4, 3), ... } end

TestLoss = {}

function TestLoss:test_one_output_tells_two_classes_apart()
  for _, loss in ipairs { nn.BCE(), nn.MSE(), nn.Huber() } do
    refused({ model = nn.Sequential { nn.Linear(4, 1) }, loss = loss }, "one output", "3 classes", "nn.CrossEntropy()")
  end
  make { data = labelled(2), model = nn.Sequential { nn.Linear(4, 1) }, loss = nn.BCE() }
end

function TestLoss:test_losses_and_last_layers()
  refused({ model = last(), loss = nn.NLL() }, "NLL takes log-probabilities", "nn.LogSoftmax()", "nn.CrossEntropy()",
    "layer 1 (Linear)")
  refused({ model = last(nn.ReLU()), loss = nn.NLL() }, "NLL takes log-probabilities")
  refused({ model = last(nn.Softmax()), loss = nn.NLL() }, "put nn.LogSoftmax() in its place")
  refused({ model = last(nn.Softmax()) }, "CrossEntropy takes logits", "take nn.Softmax() away")
  refused({ model = last(nn.Sequential { nn.Softmax(), nn.Dropout(0.1) }) }, "take nn.Softmax() away")
  refused({ model = last(nn.Sigmoid()) }, "CrossEntropy takes logits")
  refused({ model = last(), loss = nn.ProbabilityCrossEntropy() }, "takes probabilities", "nn.Softmax()")
  refused({ model = last(nn.LogSoftmax()), loss = nn.ProbabilityCrossEntropy() }, "nn.NLL()")
  refused({ model = last(nn.Sigmoid()), loss = nn.BCE() }, "nn.BCE { logits = false }")
  refused({ model = last(), loss = nn.BCE { logits = false } }, "nn.Sigmoid()")
  refused({ model = last(nn.LogSoftmax()), loss = nn.MSE() }, "none above 0")
  refused({ data = labelled(2), model = nn.Sequential { nn.Linear(4, 1), nn.Softmax() }, loss = nn.MSE() },
    "makes 1 whatever the input", "nn.BCE()")
end

function TestLoss:test_what_fits_is_taken()
  make { model = last(nn.LogSoftmax()), loss = nn.NLL() }
  make { model = last(nn.LogSoftmax()) }                    -- the same as without
  make { model = last(nn.Softmax(), nn.Dropout(0.2)), loss = nn.ProbabilityCrossEntropy { normalize = true } }
  make { model = last(nn.Softmax()), loss = nn.MSE() }
  make { model = last(nn.Sigmoid()), loss = nn.MSE() }
  make { model = last(nn.Sigmoid()), loss = nn.BCE { logits = false } }
  make { model = last(nn.Tanh()), loss = nn.MSE() }
  make { model = last(nn.Lambda { forward = function(x) return x end, backward = function(_, _, dy) return dy end }),
    loss = nn.NLL() }
  make { model = last(nn.ReLU()) }
end

function TestLoss:test_targets_outside_what_the_loss_is_for()
  local x = pl.zeros(6, 4)
  local y = pl.tensor { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }
  local e = make { data = data.from_tensors { x = x, y = y }, model = nn.Sequential { nn.Linear(4, 1) },
    loss = nn.BCE() }
  lu.assertErrorMsgContains("target 2 of sample 3 is outside 0 to 1", e.run, e, { out = false, quiet = true })
  lu.assertErrorMsgContains("target 2 of sample 3", nn.BCE(), pl.zeros(6, 1), y)
  lu.assertErrorMsgContains("target -1 of sample 1", nn.CrossEntropy(), pl.zeros(1, 2), pl.tensor { { -1, 2 } })
  lu.assertErrorMsgContains("target 2 of sample 3", nn.Sequential { nn.Linear(4, 1) }.evaluate,
    nn.Sequential { nn.Linear(4, 1) },
    data.from_tensors { x = x, y = y }.train, { loss = nn.BCE() })
end

TestSplits = {}

function TestSplits:test_data_that_are_not_there()
  refused({ data = data.from_tensors { x = pl.zeros(12, 4) } }, "training set", "neither labels nor targets")
  local d = data.from_tensors { x = pl.zeros(12, 4), y = pl.zeros({ 12 }, "i32"), test_x = pl.zeros(5, 4),
    labels = { "a", "b", "c" } }
  refused({ data = d }, "the test set", "has no labels", "test = false")
  lu.assertNil(make { data = d, test = false }:run { out = false, quiet = true }.test)
  local model = nn.Sequential { nn.Linear(4, 3) }
  lu.assertErrorMsgContains("neither labels nor targets", model.evaluate, model, d.test)
end

function TestSplits:test_data_of_another_shape_or_kind()
  local x, y = pl.zeros(12, 4), pl.zeros({ 12 }, "i32")
  refused({ data = data.from_tensors { x = x, y = y, test_x = pl.zeros(5, 3), test_y = pl.zeros({ 5 }, "i32"),
    labels = { "a", "b", "c" } } },
    "the test set's samples are [3], the training set's [4]")
  refused({ data = data.from_tensors { x = x, y = y, test_x = x, test_y = pl.zeros(12, 3) } },
    "the test set has targets of [3], the training set labels")
  refused({ data = data.from_tensors { x = x, y = pl.zeros(12, 3), test_x = x, test_y = pl.zeros(12, 2) },
    loss = nn.MSE() },
    "the test set has targets of [2], the training set targets of [3]")
end

function TestSplits:test_evaluate_without_a_loss_compares_outputs_with_the_data()
  local model = nn.Sequential { nn.Linear(4, 3) }
  lu.assertErrorMsgContains("the model has 3 outputs but the data set has 10 classes", model.evaluate, model,
    labelled(10).train)
  local one = nn.Sequential { nn.Linear(4, 1) }
  lu.assertErrorMsgContains("one output, which tells two classes apart", one.evaluate, one, labelled(10).train)
  lu.assertErrorMsgContains("the model's outputs are [N, 3], the data set's targets [N, 2]", model.evaluate, model,
    data.from_tensors { x = pl.zeros(12, 4), y = pl.zeros(12, 2) }.train)
end

function TestSplits:test_metrics_of_classes_need_labels()
  refused({ data = data.from_tensors { x = pl.zeros(12, 4), y = pl.zeros(12, 3) }, loss = nn.MSE(),
    metrics = { "macro_f1" } },
    "metric 'macro_f1' is of classes", "rmse")
end

TestBatches = {}

function TestBatches:test_drop_last_with_fewer_samples_than_a_batch()
  refused({ batch_size = 13, drop_last = true },
    "drop_last leaves nothing to train on: 12 samples are fewer than a batch of 13")
  make { batch_size = 12, drop_last = true }
  make { batch_size = 13 }
end

function TestBatches:test_batch_norm_on_one_row()
  local function normal() return nn.Sequential { nn.Linear(4, 3), nn.BatchNorm(3) } end
  refused({ model = normal(), data = labelled(3, 13) }, "layer 2 (BatchNorm)", "the last batch would be one",
    "13 samples in batches of 4", "drop_last = true")
  refused({ model = normal(), batch_size = 1 }, "layer 2 (BatchNorm)", "batch_size must be at least 2")
  make { model = normal(), data = labelled(3, 13), drop_last = true }
  local model = normal()
  model:build { 4 }
  lu.assertErrorMsgContains("layer 2 (BatchNorm): has no variance of one row", model.forward, model, pl.zeros(1, 4))
  lu.assertEquals(model:infer(pl.zeros(1, 4)).shape, { 1, 3 })
  model:forward(pl.zeros(2, 4))
  -- an image has rows enough
  local image = nn.Sequential { nn.Conv2d(1, 2, 3), nn.BatchNorm(2) }
  image:build { 5, 5, 1 }
  image:forward(pl.zeros(1, 5, 5, 1))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
