--- What a script may do between a forward and its backward, in the callbacks of a training and in the functions of a
--- Lambda: the passes around it keep their state.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn, optim = pl.nn, pl.optim

local function net(input)
  local model = nn.Sequential { nn.Linear(input or 6, 40), nn.Tanh(), nn.Dropout(0.5), nn.Linear(40, 3) }
  model:initialize(1)
  return model
end

local function gradients(between)
  local model = net()
  local x = pl.randn({ 8, 6 }, { seed = 1 })
  model:forward(x)
  model:zero_grad()
  local restore = between(model)
  local dx = model:backward(pl.randn({ 8, 3 }, { seed = 2 }), true)
  if restore then restore() end
  return pl.store.sha256(dx, model[1].grad.weight, model[4].grad.bias)
end

TestPasses = {}

function TestPasses:test_between_forward_and_backward()
  local plain = gradients(function() end)
  lu.assertEquals(gradients(function(model)
    local large = pl.ones(200000, 6)
    core.system.memory_limit(core.system.memory() + (16 << 20))
    local ok, message = pcall(model.forward, model, large)
    core.system.memory_limit(0)
    lu.assertFalse(ok)
    lu.assertStrContains(message, "the memory limit of")
  end), plain)
  lu.assertEquals(gradients(function() pl.system.threads(16) return function() pl.system.threads(0) end end), plain)
  lu.assertEquals(gradients(function(model) model:infer(pl.ones(500, 6)) end), plain)
  lu.assertEquals(gradients(function(model) model:activations(pl.ones(5, 6)) end), plain)
  lu.assertEquals(gradients(function(model)
    model:evaluate(pl.data.from_tensors { x = pl.ones(70, 6), y = pl.zeros({ 70 }, "i32"),
      labels = { "a", "b", "c" } }.train)
  end), plain)
end

function TestPasses:test_small_batches_after_a_failure()
  local model, large, small = net(), pl.ones(200000, 6), pl.ones(8, 6)
  core.system.memory_limit(core.system.memory() + (16 << 20))
  local refused = not pcall(model.forward, model, large)
  local ok, message = pcall(model.forward, model, small)
  core.system.memory_limit(0)
  lu.assertTrue(refused)
  lu.assertTrue(ok, message)
end

function TestPasses:test_a_lambda_that_fails_leaves_no_pass()
  local broken = false
  local model = nn.Sequential { nn.Linear(4, 3), nn.Lambda { forward = function(x)
    if broken then error "on purpose" end
    return x
  end, backward = function(dy) return dy end } }
  model:forward(pl.ones(2, 4))
  broken = true
  lu.assertErrorMsgContains("on purpose", model.forward, model, pl.ones(64, 4))
  broken = false
  lu.assertErrorMsgContains("backward follows a forward", model.backward, model, pl.ones(2, 3))
  lu.assertErrorMsgContains("backward follows a forward", model.backward, model, pl.ones(64, 3))
  model:forward(pl.ones(3, 4))
  model:backward(pl.ones(3, 3))
end

--- Weights after two epochs, with what a callback does in between.
local function trained(on_batch, on_epoch, host)
  local layers = { nn.Flatten(), nn.Linear(784, 20), nn.Dropout(0.2), nn.ReLU(), nn.Linear(20, 10) }
  if host then
    table.insert(layers, 3, nn.Lambda { forward = function(x) return x end, backward = function(dy) return dy end })
  end
  local e = pl.experiment { name = "Passes", epochs = 2, batch_size = 16, seed = 3,
    data = pl.data.digits { train = 80, test = 20, seed = 2 },
    model = nn.Sequential(layers), loss = nn.CrossEntropy(), optimizer = optim.SGD { lr = 0.1 },
    callbacks = { on_batch = on_batch, on_epoch = on_epoch } }
  local run = e:run { out = false, quiet = true }
  return pl.store.sha256(e.model[2].weight, e.model[#layers].weight), run
end

function TestPasses:test_passes_in_callbacks_of_a_training()
  local x, dy = pl.rand({ 40, 28, 28, 1 }, { seed = 5 }), pl.ones(40, 10)
  local function by_hand(ctx)
    ctx.model:forward(x)
    ctx.model:backward(dy)
    ctx.model:infer(x)
    ctx.model:evaluate(ctx.data.test)
  end
  for _, host in ipairs { false, true } do
    local plain = trained(nil, nil, host)
    lu.assertEquals((trained(by_hand, nil, host)), plain)
    lu.assertEquals((trained(nil, by_hand, host)), plain)
    local pending = false
    lu.assertEquals((trained(nil, function(ctx)   -- a forward in one callback, its backward in the next
      if pending then lu.assertErrorMsgContains("the weights were changed", ctx.model.backward, ctx.model, dy) end
      pending = true
      ctx.model:forward(x)
    end, host)), plain)
  end
end

--- A loss that is a function is called between the passes of a step; what it does to other models and what it throws
-- leave the training as it was.
function TestPasses:test_passes_in_a_loss_that_is_a_function()
  local function weights(interfere, host)
    local layers = { nn.Flatten(), nn.Linear(784, 20), nn.Dropout(0.2), nn.ReLU(), nn.Linear(20, 10) }
    if host then
      table.insert(layers, 3, nn.Lambda { forward = function(x) return x end, backward = function(dy) return dy end })
    end
    local model, criterion = nn.Sequential(layers), nn.CrossEntropy()
    local x = pl.rand({ 9, 28, 28, 1 }, { seed = 5 })
    local e = pl.experiment { name = "Passes", epochs = 2, batch_size = 16, seed = 3,
      data = pl.data.digits { train = 80, test = 20, seed = 2 },
      model = model, optimizer = optim.SGD { lr = 0.1 }, loss = interfere == nil and criterion or function(y, target)
        if interfere then
          model:infer(x)
          pl.system.threads(3)
        end
        return criterion(y, target)
      end }
    local run = e:run { out = false, quiet = true }
    pl.system.threads(0)
    return pl.store.sha256(model[2].weight, model[#layers].weight), run.history.train_accuracy[2]
  end
  for _, host in ipairs { false, true } do
    local plain = { weights(nil, host) }
    lu.assertEquals({ weights(false, host) }, plain)
    lu.assertEquals({ weights(true, host) }, plain)
  end
end

function TestPasses:test_a_loss_that_returns_something_else()
  local function train_with(loss)
    local model = nn.Sequential { nn.Linear(4, 3) }
    local data = pl.data.from_tensors { x = pl.ones(8, 4), y = pl.zeros({ 8 }, "i32"), labels = { "a", "b", "c" } }
    local trainer = core.trainer.new { model = model, loss = loss, outputs = "logits",
      optimizer = optim.SGD { lr = 0.1 }:bind(model),
      data = data.train:read(), batch_size = 4, seed = 1 }
    return pcall(trainer.run, trainer, 1, 1, 2)
  end
  local cases = {
    { function() return "x" end, "the loss must return its value, a number, and its gradient, got string" },
    { function() return 1, pl.ones(4, 2) end,
      "the loss must return its gradient for the outputs, f32 [4, 3], got f32 [4, 2]" },
    { function() return 1 end, "its gradient for the outputs, f32 [4, 3]; the second is nil" },
    { function() error "on purpose" end, "on purpose" },
  }
  for _, case in ipairs(cases) do
    local ok, message = train_with(case[1])
    lu.assertFalse(ok)
    lu.assertStrContains(message, case[2])
  end
  lu.assertTrue((train_with(function(y) return pl.tensor { 1.5 }, pl.zeros(y.shape) end)))
end

--- The model is built for other inputs in a callback, and then its Lambda returns another width.
function TestPasses:test_a_lambda_that_changes_its_width()
  local width = 5
  local model = nn.Sequential { nn.Linear(4, 12), nn.Lambda { forward = function(x) return x:slice(-1, 1, width) end,
    shape = function(shape)
      shape[#shape] = width
      return shape
    end, backward = function(_, x) return pl.zeros(x.shape) end } }
  local data = pl.data.from_tensors { x = pl.ones(32, 4), y = pl.zeros({ 32 }, "i32"), labels = { "a", "b", "c" } }
  local trainer = core.trainer.new { model = model, loss = nn.CrossEntropy(),
    optimizer = optim.SGD { lr = 0.1 }:bind(model),
    data = data.train:read(), batch_size = 16, seed = 1 }
  trainer:run(1, 1, 2)
  width = 12
  model:infer(pl.ones(2, 3, 4))
  lu.assertErrorMsgContains("Lambda: forward must return an f32 tensor of shape [16, 5], got f32 [16, 12]", trainer.run,
    trainer, 1, 1, 2)
  width = 5
  trainer:run(1, 1, 2)
end

--- Backward adds to what the script wrote into the gradients, and reads the input again.
function TestPasses:test_gradients_that_were_written_by_hand()
  local function gradient(write)
    local model = nn.Sequential { nn.Linear(2, 1) }
    model:initialize(1)
    model = write and write(model) or model
    model:forward(pl.ones(1, 2))
    model:backward(pl.tensor { { 3 } })
    return model[1].weight_grad:reshape(2):totable()
  end
  lu.assertEquals(gradient(), { 3, 3 })
  lu.assertEquals(gradient(function(m) m[1].weight_grad:fill_(1) end), { 4, 4 })
  lu.assertEquals(gradient(function(m)
    m[1].weight_grad:fill_(7)
    m:zero_grad()
    m[1].weight_grad:fill_(1)
  end), { 4, 4 })
  lu.assertEquals(gradient(function(m)
    m[1].weight_grad:fill_(1)
    return m:clone()
  end), { 4, 4 })
end

function TestPasses:test_gradients_that_a_training_has_left()
  for _, host in ipairs { false, true } do
    local _, run = trained(nil, nil, host)
    local model, x = run.model, pl.rand({ 4, 28, 28, 1 }, { seed = 5 })
    local found = {}
    for i = 1, 2 do
      model:random(1)
      model:forward(x)
      model:backward(pl.ones(4, 10))
      found[i] = pl.store.sha256(model[2].weight_grad, model[2].bias_grad)
      model:zero_grad()
    end
    lu.assertEquals(found[1], found[2])
  end
end

function TestPasses:test_an_input_that_changes_before_backward()
  local model = nn.Sequential { nn.Linear(2, 1) }
  local x = pl.ones(1, 2)
  model:forward(x)
  x:add_(1)
  lu.assertErrorMsgContains("the input of forward was changed in place by add before backward", model.backward, model,
    pl.ones(1, 1))
  x = pl.ones(2, 2)
  model:forward(x:T())           -- that is a copy
  x:zero_()
  model:backward(pl.ones(2, 1))
  lu.assertEquals(model[1].weight_grad:totable(), { { 2 }, { 2 } })
end

-- Backward reads the weights as well: gradients of others than forward used would be silently wrong.
function TestPasses:test_weights_that_change_before_backward()
  local x, dy = pl.ones(2, 3), pl.ones(2, 1)
  local model = nn.Sequential { nn.Linear(3, 2, { name = "a" }), nn.BatchNorm(2), nn.Linear(2, 1) }
  local opt = pl.optim.SGD { lr = 0.1 }
  opt:bind(model)
  local view = model:find("a").weight:T()
  for name, change in pairs {
    ["in place"] = function() model:find("a").weight:add_(1) end, ["a view"] = function() view:zero_() end,
    element = function() model:find("a").bias[1] = 2 end, set = function() model:find("a").bias = pl.ones(2) end,
    step = function() opt:step() end, drawn = function() model:initialize(3) end,
    loaded = function() model:state()[1].tensor:copy_(pl.ones(3, 2)) end,
  } do
    model:forward(x)
    model:backward(dy, true)
    model:forward(x)
    change()
    local ok, message = pcall(model.backward, model, dy)
    lu.assertFalse(ok, name)
    lu.assertStrContains(message, "the weights were changed between forward and backward", name)
    model:forward(x)      -- statistics that forward itself writes are no change
    model:infer(x)
    model:backward(dy)
  end
end

--- Masks of Monte Carlo dropout are new in each chunk of a pass and in each pass.
function TestPasses:test_dropout_outside_of_training()
  local function repeats(model)
    local x = pl.ones(600, 8)
    local function masks()
      local y, list = model:infer(x, "dropout"), {}
      for i = 1, 600 do list[i] = table.concat(y[i]:totable(), " ") end
      return list
    end
    local seen, count = {}, 0
    for _, list in ipairs { masks(), masks() } do
      for i = 1, 600 do
        if i > 256 and list[i] == list[i - 256] then count = count + 1 end
        if seen[i] == list[i] then count = count + 1 end
        seen[i] = list[i]
      end
    end
    return count
  end
  local function same(x) return x end
  lu.assertTrue(repeats(nn.Sequential { nn.Dropout(0.5) }) < 60)                -- of 1288, 2^-8 by chance
  lu.assertTrue(repeats(nn.Sequential { nn.Lambda { forward = same }, nn.Dropout(0.5) }) < 60)
  local model = nn.Sequential { nn.Dropout(0.5) }
  local first = model:infer(pl.ones(4, 8), "dropout")
  lu.assertEquals(model:random(), 1)
  model:random(0)
  lu.assertEquals(pl.store.sha256(model:infer(pl.ones(4, 8), "dropout")), pl.store.sha256(first))
end

function TestPasses:test_dropout_in_evaluations()
  local data = pl.data.from_tensors { x = pl.ones(192, 30), y = pl.zeros(192, 2) }.train
  local function losses(...)
    local model = nn.Sequential { nn.Linear(30, 30), nn.Dropout(0.5), nn.Linear(30, 2), ... }
    model:initialize(1)
    local list = {}
    for i = 1, 2 do list[i] = model:evaluate(data, { dropout = true }).rmse end
    lu.assertEquals(model:random(), 6)
    lu.assertNotEquals(list[1], list[2])
    model:evaluate(data)
    lu.assertEquals(model:random(), 6)
    return list
  end
  lu.assertEquals(losses(nn.Lambda { forward = function(x) return x end }), losses())
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
