--- core.trainer: what happens between its calls does not reach into it.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim

local function setup(augment, samples)
  local train = pl.data.digits { train = samples or 96, test = 16, seed = 3 }:splits()
  local model = nn.Sequential { nn.Conv2d(1, 4, 3, { padding = "same" }), nn.ReLU(), nn.GlobalAvgPool2d(),
    nn.Dropout(0.2), nn.Linear(4, 10) }
  model:initialize(5)
  local optimizer = optim.Adam { lr = 0.01 }
  optimizer:bind(model)
  return model, core.trainer.new { model = model, loss = nn.CrossEntropy(), optimizer = optimizer, data = train,
    batch_size = 32,
    seed = 7, augment = augment }
end

local function weights(model)
  local list = {}
  for _, tensor in model:parameters() do list[#list + 1] = tensor end
  return core.store.sha256(table.unpack(list))
end

local function augment()
  return { pl.augment.elastic { alpha = 8, sigma = 3 }, pl.augment.affine { rotate = 20, shift = 0.1 } }
end

TestTrainer = {}

function TestTrainer:tearDown() core.system.threads(0) end

function TestTrainer:test_a_pass_on_images_of_another_size_between_two_runs_changes_nothing()
  local model, trainer = setup()
  trainer:run(1, 1, 3)
  local expected = weights(model)
  model, trainer = setup()
  trainer:run(1, 1, 1)
  model:infer(pl.zeros(2, 9, 11, 1))
  trainer:run(1, 2, 2)
  lu.assertEquals(weights(model), expected)
end

-- Where a loss that is not finite comes from is looked for in the shapes of the training.
function TestTrainer:test_a_pass_on_images_of_another_size_before_a_loss_that_is_not_finite()
  local spoiled = false
  local e = pl.experiment { name = "other size", data = pl.data.digits { train = 80, test = 20 },
    model = nn.Sequential { nn.Conv2d(1, 32, 3), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Linear(32, 10) },
    loss = function(y) return spoiled and 0 / 0 or 1, y * 0 end,
    optimizer = optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 20, check_gradients = false,
    callbacks = { on_batch = function(ctx)
      ctx.model:infer(pl.zeros(1, 512, 512, 1))
      spoiled = true
    end } }
  lu.assertErrorMsgContains("epoch 1, batch 2: the loss is not a finite number; first seen in the loss", e.run, e,
    { out = false, quiet = true })
end

-- As when a busy program comes and goes: 40 batches in pieces, each on as many threads as are fastest then.
function TestTrainer:test_threads_that_change_between_pieces()
  core.system.threads(3)
  local model, trainer = setup(augment(), 1280)
  trainer:run(1, 1, 40)
  local expected = weights(model)
  for _, pieces in ipairs { { 1, 3, 2 }, { 2, 1, 1 }, { 3, 2, 4 } } do
    model, trainer = setup(augment(), 1280)
    for i, first in ipairs { 1, 18, 37 } do
      core.system.threads(pieces[i])
      trainer:run(1, first, ({ 17, 19, 4 })[i])
    end
    lu.assertEquals(weights(model), expected)
  end
end

function TestTrainer:test_more_threads_than_it_was_made_for()
  core.system.threads(1)
  local model, trainer = setup(augment())
  trainer:run(1, 1, 3)
  local expected = weights(model)
  for _, threads in ipairs { 2, 3, 4 } do
    core.system.threads(1)
    model, trainer = setup(augment())
    core.system.threads(threads)
    trainer:run(1, 1, 3)
    lu.assertEquals(weights(model), expected)
    core.system.threads(threads)
    model, trainer = setup(augment())
    trainer:run(1, 1, 3)
    lu.assertEquals(weights(model), expected)
  end
end

function TestTrainer:test_batch_by_batch_is_the_same_as_a_run()
  local model, trainer = setup(augment())
  trainer:run(1, 1, 3)
  local expected = weights(model)
  model, trainer = setup(augment())
  for i = 1, trainer:batches() do trainer:step(trainer:batch(1, i)) end
  lu.assertEquals(weights(model), expected)
end

function TestTrainer:test_wrong_use()
  local _, trainer = setup()
  lu.assertErrorMsgContains("an epoch has 3", trainer.run, trainer, 1, 3, 2)
  lu.assertErrorMsgContains("epochs count from 1", trainer.run, trainer, 0, 1, 1)
  lu.assertErrorMsgContains("step follows batch", trainer.step, trainer, pl.zeros(1, 28, 28, 1), pl.zeros(1):to "i32")
  trainer:batch(1, 1)
  lu.assertErrorMsgContains("labels must be i32", trainer.step, trainer, pl.zeros(1, 28, 28, 1), pl.zeros(1))
  for _, shape in ipairs { { 1, 784 }, { 1, 1, 28, 28 } } do
    lu.assertErrorMsgContains(("a batch has samples [N, 28, 28, 1] and labels [N], got [%s] and [1]"):format(
      table.concat(shape, ", ")), trainer.step, trainer, pl.zeros(shape), pl.zeros({ 1 }, "i32"))
  end
end

-- An augmentation in Lua may give fewer samples than there were.
function TestTrainer:test_a_smaller_batch_of_the_caller_s_has_variance_too()
  for _, loss in ipairs { nn.CrossEntropy(), function() return 1, pl.zeros(1, 10) end } do
    local model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm(10) }
    model:build { 28, 28, 1 }
    local before = weights(model)
    local trainer = core.trainer.new { model = model, loss = loss, outputs = "logits",
      optimizer = optim.SGD { lr = 0.1 }:bind(model), data = pl.data.digits { train = 96, test = 16 }:splits(),
      batch_size = 32 }
    trainer:batch(1, 1)
    lu.assertErrorMsgContains("layer 3 (BatchNorm): has no variance of one row: a training batch has 2 samples or " ..
      "more, got 1", trainer.step, trainer, pl.zeros(1, 28, 28, 1), pl.zeros(1):to "i32")
    lu.assertEquals(weights(model), before)
  end
end

local function seconds_of(rows, list)
  local forward, backward = 0, 0
  for _, row in ipairs(list or rows) do forward, backward = forward + row.forward, backward + row.backward end
  return forward, backward, rows.data + rows.loss + rows.update + rows.other
end

function TestTrainer:test_a_profile_accounts_for_all_of_the_time_and_changes_nothing()
  local plain_model, plain = setup(augment())
  plain:run(1, 1, 3)
  local model, trainer = setup(augment())
  local took
  local rows = model:profile(function(first, count)
    local before = core.system.clock()
    trainer:run(1, first, count)
    took = core.system.clock() - before
  end, 1, 3)
  lu.assertEquals(weights(model), weights(plain_model))
  lu.assertEquals(#rows, #model:rows())
  local forward, backward, stages = seconds_of(rows)
  lu.assertTrue(rows[1].forward > 0 and rows[1].backward > 0)
  lu.assertTrue(rows.data > 0 and rows.loss > 0 and rows.update > 0)
  lu.assertTrue(forward + backward + stages >= took)
  trainer:run(2, 1, 3)      -- it is off again, and the times are the copy of then
  lu.assertEquals({ seconds_of(rows) }, { forward, backward, stages })
end

function TestTrainer:test_a_profile_of_passes_by_hand_and_of_an_error()
  local model = setup()
  lu.assertErrorMsgContains("no more", function() model:profile(function() error "no more" end) end)
  local rows = model:profile(function() model:infer(pl.zeros(4, 28, 28, 1)) end)
  local forward, backward = seconds_of(rows)
  lu.assertTrue(forward > 0)
  lu.assertEquals(backward, 0)
  lu.assertErrorMsgContains("build", function() nn.Linear(2, 3):profile(print) end)
end

function TestTrainer:test_a_profile_of_a_backward_whose_forward_was_in_another()
  local model = nn.Sequential { nn.Linear(4, 3) }
  model:build { 4 }
  model:profile(function() model:forward(pl.ones(2, 4)) end)
  local _, backward = seconds_of(model:profile(function() model:backward(pl.ones(2, 3)) end))
  lu.assertTrue(backward > 0)
end

function TestTrainer:test_a_profile_is_not_begun_in_another_or_in_a_pass()
  local model
  model = nn.Sequential { nn.Linear(4, 3), nn.Lambda { forward = function(x)
    model:profile(print)
    return x
  end, backward = function(dy) return dy end } }
  model:build { 4 }
  lu.assertErrorMsgContains("in the middle of a pass", model.infer, model, pl.ones(2, 4))
  model = nn.Linear(4, 3)
  model:build { 4 }
  local forward = seconds_of(model:profile(function()
    lu.assertErrorMsgContains("profiled already", model.profile, model, print)
    model:infer(pl.ones(2, 4))
  end))
  lu.assertTrue(forward > 0)
end

-- Of a finalizer that profiles the model while the times are given back, these know nothing. The first memory that Lua
-- is asked for then is made to begin a whole collection.
function TestTrainer:test_a_profile_whose_model_a_finalizer_profiles_again()
  local layers, begun, took = {}, 0, nil
  for i = 1, 1500 do layers[i] = nn.Linear(4, 4) end
  local model, x = nn.Sequential(layers), pl.ones(50, 4)
  model:build { 4 }
  local start = core.system.clock()
  local rows = model:profile(function()
    local before = core.system.clock()
    for _ = 1, 5 do model:infer(x) end
    took = core.system.clock() - before
    collectgarbage "stop"
    setmetatable({}, { __gc = function()
      if pcall(model.profile, model, function() end) then begun = begun + 1 end
    end })
    collectgarbage("incremental", 1000, 1000, 25)
    collectgarbage "restart"
  end)
  local all = core.system.clock() - start
  collectgarbage("incremental", 200, 100, 13)
  local forward, backward, stages = seconds_of(rows, rows.operations)
  lu.assertEquals(begun, 1)
  lu.assertEquals(backward, 0)
  lu.assertTrue(forward + stages >= took and forward + stages <= all)
end

-- It counts the operations that there were at its start: the time of what came later is `other`.
function TestTrainer:test_a_profile_of_a_model_that_is_built_for_more_operations()
  local Sum = nn.define { name = "Sum", forward = function(_, x)
    local sum = x:slice(-1, 1, 1)
    for i = 2, x:size(-1) do sum = (sum + x:slice(-1, i, i)):sum(-1, { keepdim = true }) end
    return sum
  end }
  local model, x, took = nn.Sequential { Sum() }, pl.zeros(5000, 300), nil
  model:build { 3 }
  local rows = model:profile(function()
    local before = core.system.clock()
    model:infer(x)
    took = core.system.clock() - before
  end)
  local seconds = rows.data + rows.loss + rows.update + rows.other
  for _, operation in ipairs(rows.operations) do seconds = seconds + operation.forward + operation.backward end
  lu.assertTrue(seconds >= took)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
