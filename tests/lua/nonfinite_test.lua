-- Numbers that are not finite stop a training, which says where, or are skipped and counted; they reach no weight that
-- is kept.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

-- 40 samples in batches of 4; those in `huge` are 1e25, which makes a gradient infinite though the loss is finite;
-- those in `infinite` make the loss so, as do those in `unknown`, whose targets are NaN.
local function regression(options)
  local x, y = {}, {}
  for i = 1, 40 do
    x[i] = { i % 5 / 5, i % 3 / 3, 1 }
    y[i] = { (x[i][1] - 2 * x[i][2]) * (options.steep or 1) }
  end
  for _, i in ipairs(options.huge or {}) do x[i][1] = options.size or 1e25 end
  for _, i in ipairs(options.infinite or {}) do x[i][1] = math.huge end
  for _, i in ipairs(options.unknown or {}) do y[i][1] = 0 / 0 end
  local layers = { nn.Linear(3, 4, { name = "first", init = options.init }), options.layer or nn.Tanh(),
    nn.Linear(4, 1, { name = "last" }) }
  if options.batch_norm then table.insert(layers, 1, nn.BatchNorm(3)) end
  return pl.experiment { check_gradients = false,
    name = "Regression", data = pl.data.from_tensors { x = pl.tensor(x), y = pl.tensor(y), name = "lines" },
    model = nn.Sequential(layers), loss = options.loss or nn.MSE(),
    optimizer = options.optimizer or pl.optim.SGD { lr = 0.05 },
    epochs = options.epochs or 2, batch_size = 4, shuffle = false, test = false, nonfinite = options.nonfinite,
    augment = options.augment,
  }
end

local function message(e)
  local ok, problem = pcall(e.run, e, { out = false, quiet = true })
  lu.assertFalse(ok)
  return tostring(problem)
end

local function digest(model) return require "perilune.run.record".digest(model:state()) end

local function finite(model)
  for _, item in ipairs(model:state()) do
    for _, value in ipairs(item.tensor:reshape(item.tensor:count()):totable()) do
      if value ~= value or math.abs(value) == math.huge then return false end
    end
  end
  return true
end

TestStop = {}

function TestStop:tearDown() core.system.threads(0) end

function TestStop:test_a_gradient_is_named_with_epoch_batch_layer_and_parameter()
  local optimizers = { pl.optim.SGD { lr = 0.05, momentum = 0.9 },
    pl.optim.SGD { lr = 0, momentum = 0.9, nesterov = true },
    pl.optim.RMSprop { centered = true, momentum = 0.9 }, pl.optim.SGD { lr = 0.05, clip_norm = 1 } }
  for name, constructor in pairs(core.optim) do
    if name:find "^%u" then optimizers[#optimizers + 1] = constructor {} end
  end
  for _, optimizer in ipairs(optimizers) do
    for threads = 1, 2 do
      core.system.threads(threads)
      local e = regression { huge = { 22 }, optimizer = optimizer, layer = nn.LeakyReLU() }
      lu.assertStrContains(message(e), 'epoch 1, batch 6: a gradient is not a finite number; first seen in the ' ..
        'weight of layer 3 (Linear, "last"); ' ..
        "stopped, the weights are those of the epoch's start")
      lu.assertTrue(finite(e.model))
    end
  end
end

function TestStop:test_the_first_on_the_way_back_is_named()
  local function double(x) return 2 * x end
  local e = regression { layer = nn.Lambda { forward = double, backward = function(dy) return dy * (0 / 0) end } }
  lu.assertStrContains(message(e), 'epoch 1, batch 1: a gradient is not a finite number; first seen in the bias of ' ..
    'layer 1 (Linear, "first")')
end

function TestStop:test_a_weight_that_the_step_itself_spoils()
  local e = regression { optimizer = pl.optim.SGD { lr = 1e15 }, layer = nn.LeakyReLU(), huge = { 1 }, size = 1e15 }
  lu.assertStrContains(message(e), 'epoch 1, batch 1: a weight is not a finite number; first seen in the weight of ' ..
    'layer 1 (Linear, "first")')
  lu.assertTrue(finite(e.model))
end

function TestStop:test_a_loss_before_it()
  local e = regression { infinite = { 9 }, layer = nn.LeakyReLU() }
  lu.assertStrContains(message(e), "epoch 1, batch 3: the loss is not a finite number; first seen in the input; " ..
    "stopped, the weights are those of the epoch's start; the data set or an augmentation made it")
end

function TestStop:test_a_target_makes_it_so()
  local mse = nn.MSE()
  for _, loss in ipairs { mse, function(y, target) return mse(y, target) end } do
    lu.assertStrContains(message(regression { unknown = { 9 }, loss = loss }), "epoch 1, batch 3: the loss is not a " ..
      "finite number; first seen in the targets; stopped, the weights are those of the epoch's start; the data set " ..
      "or an augmentation made it")
  end
end

function TestStop:test_with_a_loss_in_lua()
  local mse = nn.MSE()
  local e = regression { huge = { 22 }, layer = nn.LeakyReLU(), loss = function(y, target) return mse(y, target) end }
  lu.assertStrContains(message(e), 'epoch 1, batch 6: a gradient is not a finite number; first seen in the weight ' ..
    'of layer 3 (Linear, "last")')
end

function TestStop:test_no_rate_is_smaller_than_0()
  local text = message(regression { huge = { 22 }, optimizer = pl.optim.SGD { lr = 0 }, layer = nn.LeakyReLU() })
  lu.assertStrContains(text, "a gradient is not a finite number")
  lu.assertStrMatches(text, ".*the epoch's start")
end

TestSkip = {}

function TestSkip:tearDown() core.system.threads(0) end

function TestSkip:test_without_such_numbers_it_changes_no_bit()
  local expected
  for _, nonfinite in ipairs { "stop", "skip" } do
    for threads = 1, 2 do
      core.system.threads(threads)
      local e = regression { nonfinite = nonfinite, batch_norm = true }
      local run = e:run { out = false, quiet = true }
      lu.assertEquals(run.history[2].skipped, nonfinite == "skip" and 0 or nil)
      expected = expected or { digest(e.model), run.history.train_loss[2] }
      lu.assertEquals({ digest(e.model), run.history.train_loss[2] }, expected)
    end
  end
end

-- Batch 6 is skipped for its gradient, batch 3 for its loss: what is learned is what is learned without them.
function TestSkip:test_a_skipped_batch_leaves_no_trace_but_its_count()
  for _, batch_norm in ipairs { false, true } do
    for _, way in ipairs { "in C", "augmented in Lua", "loss in Lua" } do
      local mse = nn.MSE()
      local options = { layer = nn.LeakyReLU(), nonfinite = "skip", batch_norm = batch_norm,
        optimizer = pl.optim.Nadam { lr = 0.01 } }
      if way == "augmented in Lua" then options.augment = function() end end
      if way == "loss in Lua" then options.loss = function(y, target) return mse(y, target) end end
      options.huge, options.infinite = { not batch_norm and 22 or nil }, { 9 }
      local e = regression(options)
      local run = e:run { out = false, quiet = true }
      lu.assertEquals({ run.history[1].skipped, run.history[2].skipped }, batch_norm and { 1, 1 } or { 2, 2 }, way)
      lu.assertStrContains(run:ending(), batch_norm and "2 steps skipped, not finite" or "4 steps skipped, not finite")
      lu.assertTrue(finite(e.model))
      -- the same, each step by hand
      local kept = digest(e.model)
      e.model:initialize(1)
      e.optimizer:bind(e.model)
      local x, y = {}, {}
      for input, target in e.splits.train:batches(4) do x[#x + 1], y[#y + 1] = input, target end
      for epoch = 1, 2 do
        e.optimizer:epoch()
        for i = 1, 10 do
          if i ~= 3 and (i ~= 6 or batch_norm) then
            local _, grad = mse(e.model:forward(x[i]), y[i])
            e.model:zero_grad()
            e.model:backward(grad)
            e.optimizer:step()
          end
        end
        lu.assertEquals(run.history[epoch].step, 10 * epoch)
      end
      lu.assertEquals(digest(e.model), kept, way)
    end
  end
end

-- Zero weights before a huge input: only their own gradient is infinite, in the last batch, and the step does not use
-- it so.
function TestSkip:test_a_gradient_that_the_step_does_not_use_skips_nothing()
  local mse = nn.MSE()
  for _, optimizer in ipairs { pl.optim.SGD { lr = 1e-3, clip_value = 1 },
    pl.optim.SGD { lr = 1e-3, groups = { { layers = { "first" }, frozen = true } } } } do
    for _, loss in ipairs { mse, function(y, target) return mse(y, target) end } do
      local expected
      for _, nonfinite in ipairs { "stop", "skip" } do
        local e = regression { nonfinite = nonfinite, optimizer = optimizer:clone(), huge = { 38 }, size = 3e38,
          steep = 1e3, init = "zeros", layer = nn.LeakyReLU(), epochs = 1, loss = loss }
        local run = e:run { out = false, quiet = true }
        lu.assertEquals(run.history[1].skipped, nonfinite == "skip" and 0 or nil)
        lu.assertEquals(e.model:find "first".weight_grad:max() == math.huge or
          e.model:find "first".weight_grad:min() == -math.huge, true, "the gradient is infinite")
        expected = expected or digest(e.model)
        lu.assertEquals(digest(e.model), expected)
      end
    end
  end
end

function TestSkip:test_the_first_of_several_is_told_of()
  local e = regression { infinite = { 9 }, huge = { 26 }, layer = nn.LeakyReLU(), nonfinite = "skip" }
  local trainer = core.trainer.new { model = e.model, loss = e.loss, optimizer = e.optimizer:bind(e.model),
    data = e.splits.train:read(), batch_size = 4, shuffle = false, skip = true }
  lu.assertEquals((select(5, trainer:run(1, 1, 10))),
    { nonfinite = false, skipped = 2, batch = 3, what = "the loss", at = "the input" })
end

function TestSkip:test_an_epoch_of_nothing_else_stops()
  local all = {}
  for i = 1, 40 do all[i] = i end
  lu.assertStrContains(message(regression { nonfinite = "skip", infinite = all, layer = nn.LeakyReLU() }),
    "epoch 1: every step was skipped, because no loss and gradient was finite; stopped")
end

function TestSkip:test_what_may_be_asked_for()
  local ok, problem = pcall(regression, { nonfinite = "skp" })
  lu.assertFalse(ok)
  lu.assertStrContains(problem, "nonfinite")
  lu.assertStrContains(problem, "skip")
end

-- A loop by hand ends its steps with the same code: what stops an experiment is named there in the same words.
TestByHand = {}

function TestByHand:tearDown() core.system.threads(0) end

local function step(e, batch, ...)
  e.model:zero_grad()
  local i = 4 * (batch - 1) + 1
  local x, y = {}, {}
  for k = i, i + 3 do
    x[#x + 1], y[#y + 1] = { k % 5 / 5, k % 3 / 3, 1 }, { k % 5 / 5 - 2 * (k % 3 / 3) }
  end
  if batch == 6 then x[2][1] = e.huge end
  local _, grad = e.loss(e.model:forward(pl.tensor(x)), pl.tensor(y))
  e.model:backward(grad)
  return e.optimizer:step(...)
end

local function by_hand(optimizer, huge)
  local e = { model = nn.Sequential { nn.Linear(3, 4, { name = "first" }), nn.LeakyReLU(), nn.Linear(4, 1,
    { name = "last" }) }, loss = nn.MSE(), huge = huge }
  e.model:build { 3 }
  e.model:initialize(1)
  e.optimizer = optimizer:bind(e.model)
  return e
end

function TestByHand:test_a_gradient_is_named_as_in_an_experiment()
  for _, optimizer in ipairs { pl.optim.SGD { lr = 0.05, momentum = 0.9 }, pl.optim.Adam { clip_norm = 1 },
    pl.optim.define { name = "Plain", step = function(w, g) return w - 0.05 * g end } {} } do
    for threads = 1, 2 do
      core.system.threads(threads)
      local e = regression { huge = { 22 }, optimizer = optimizer:clone(), layer = nn.LeakyReLU() }
      local said = message(e):match "batch 6: (.-);"
      lu.assertStrContains(said, "a gradient is not a finite number")
      local hand = by_hand(optimizer:clone(), 1e25)
      for batch = 1, 5 do lu.assertNil(step(hand, batch)) end
      local ok, problem = pcall(step, hand, 6)
      lu.assertFalse(ok)
      lu.assertStrContains(problem, said)
      lu.assertStrContains(problem, 'first seen in the weight of layer 3 (Linear, "last")')
      lu.assertStrContains(problem, "nonfinite_test.lua:")
    end
  end
end

function TestByHand:test_a_weight_that_the_step_itself_spoils()
  local e = by_hand(pl.optim.SGD { lr = 1e15 }, 1e15)
  lu.assertErrorMsgContains('SGD: a weight is not a finite number; first seen in the weight of layer 1 (Linear, ' ..
    '"first"); a smaller learning rate than 1e+15 may help', step, e, 6)
end

function TestByHand:test_skipped_as_if_the_batch_had_not_been_there()
  local e, expected = by_hand(pl.optim.Nadam { lr = 0.01 }, 1e25), by_hand(pl.optim.Nadam { lr = 0.01 }, 1e25)
  for batch = 1, 8 do
    if batch == 6 then
      lu.assertEquals({ step(e, batch, "skip") }, { false, "a gradient", 'the weight of layer 3 (Linear, "last")' })
    else
      lu.assertTrue(step(e, batch, "skip"))
      step(expected, batch)
    end
  end
  lu.assertEquals(digest(e.model), digest(expected.model))
  lu.assertEquals(e.optimizer:counters(), expected.optimizer:counters())
end

-- Every way of asking judges the gradients that the step uses: none of a frozen group, and infinite ones no longer
-- where clip_value cuts them; but clip_norm, which comes first, makes NaN of them.
function TestByHand:test_only_gradients_in_use_are_judged()
  local own = pl.optim.define { name = "Plain", step = function(w, g) return w - 0.05 * g end }
  local frozen = { { layers = { "first" }, frozen = true } }
  local cases = {
    { 0 / 0, {}, false }, { 0 / 0, { groups = frozen }, true }, { math.huge, { groups = frozen, clip_norm = 1 }, true },
    { math.huge, {}, false }, { math.huge, { clip_value = 1 }, true }, { -math.huge, { clip_value = 1 }, true },
    { 0 / 0, { clip_value = 1 }, false }, { math.huge, { clip_norm = 1 }, false },
    { math.huge, { clip_norm = 1, clip_value = 1 }, false }, { 3e38, { clip_value = 1 }, true },
  }
  for threads = 1, 2 do
    core.system.threads(threads)
    for _, constructor in ipairs { pl.optim.SGD, pl.optim.Adam, pl.optim.LAMB, own } do
      for i, case in ipairs(cases) do
        local function spoiled()
          local e = by_hand(constructor(case[2]))
          step(e, 1)
          e.model[1].weight_grad:fill_(case[1])
          return e
        end
        local stop, skip = spoiled(), spoiled()
        local before, count = digest(skip.model), skip.optimizer.steps
        local taken, what, at = skip.optimizer:step "skip"
        local where = ("%s, case %d"):format(skip.optimizer.type, i)
        lu.assertEquals({ taken, pcall(stop.optimizer.step, stop.optimizer) == taken }, { case[3], true }, where)
        lu.assertEquals(skip.optimizer.steps, count + (taken and 1 or 0), where)
        lu.assertEquals(finite(skip.model), true, where)
        if taken then
          lu.assertEquals(digest(skip.model), digest(stop.model), where)
        else
          lu.assertEquals({ digest(skip.model), what, at }, { before, "a gradient",
            'the weight of layer 1 (Linear, "first")' }, where)
        end
      end
    end
  end
end

-- The members of a team look at parts of the parameters, cut at multiples of 16: nothing is left out at either end of a
-- part or of a parameter.
function TestByHand:test_every_gradient_in_use_is_looked_at()
  local model = nn.Sequential { nn.Linear(301, 299), nn.Linear(299, 301) }
  model:build { 301 }
  model:initialize(1)
  local opt = pl.optim.SGD { groups = { { layers = { "01_linear" }, parameters = { "bias" }, frozen = true } } }
    :bind(model)
  local x, grad, size, spans = pl.zeros(2, 301), pl.zeros(2, 301), 0, {}
  for _, layer in ipairs(model) do
    for _, g in ipairs { layer.weight_grad, layer.bias_grad } do
      spans[#spans + 1] = { from = size, count = g:count(), grad = g:reshape(g:count()) }
      size = size + (g:count() + 15) // 16 * 16
    end
  end
  for _, threads in ipairs { 1, 2, 3, 7 } do
    core.system.threads(threads)
    local looked = 0
    for i, span in ipairs(spans) do
      local places = { 0, span.count - 1 }
      for member = 1, threads - 1 do
        local cut = size // 16 * member // threads * 16 - span.from
        for _, place in ipairs { cut - 16, cut - 1, cut } do places[#places + 1] = place end
      end
      for _, place in ipairs(places) do
        if place >= 0 and place < span.count then
          model:zero_grad()
          model:forward(x)
          model:backward(grad)
          span.grad[place + 1] = 0 / 0
          lu.assertEquals(opt:step "skip", i == 2, ("parameter %d, %d, %d threads"):format(i, place, threads))
          looked = looked + 1
        end
      end
    end
    lu.assertTrue(looked >= 8 + 2 * (threads - 1), "few places")
  end
end

function TestByHand:test_what_is_not_used_is_not_named()
  local e = by_hand(pl.optim.SGD { clip_value = 1, groups = { { layers = { "last" }, frozen = true } } })
  step(e, 1)
  e.model[3].weight_grad:fill_(0 / 0)
  e.model[1].bias_grad:fill_(math.huge)
  e.model[1].weight_grad:fill_(0 / 0)
  lu.assertErrorMsgContains('a gradient is not a finite number; first seen in the weight of layer 1 (Linear, ' ..
    '"first"); a smaller learning rate than 0.01 may help', e.optimizer.step, e.optimizer)
end

function TestByHand:test_no_rate_is_smaller_than_0()
  local e = by_hand(pl.optim.SGD { lr = 0 }, 1e25)
  lu.assertErrorMsgMatches('.*a gradient is not a finite number; first seen in the weight of layer 3 ' ..
    '%(Linear, "last"%)', step, e, 6)
end

function TestByHand:test_ignored_and_misspelt()
  local e = by_hand(pl.optim.SGD { lr = 0.05 }, 1e25)
  lu.assertNil(step(e, 6, "ignore"))
  lu.assertFalse(finite(e.model))
  local ok, problem = pcall(step, e, 1, "skp")
  lu.assertFalse(ok)
  lu.assertStrContains(problem, '"skip"')
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
