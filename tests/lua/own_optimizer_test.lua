-- optim.define: optimizers written in Lua against those of the core; state, groups, schedules, threads; wrong use.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local scratch = dofile "tests/lua/support_scratch.lua" "own_optimizer_test"
local copy_state = dofile "tests/lua/support_state.lua"
local nn, optim = pl.nn, pl.optim

local Lion = optim.define { name = "MyLion", slots = { "m" }, options = { lr = 1e-4, betas = { 0.9, 0.99 } },
  decay_form = "decoupled",
  step = function(w, g, s, o)
    local b1, b2 = o.betas[1], o.betas[2]
    return w - o.lr * (b1 * s.m + (1 - b1) * g):sign(), { m = b2 * s.m + (1 - b2) * g }
  end }

local SGD = optim.define { name = "MySGD", slots = { "v" }, options = { lr = 0.01, momentum = 0.0 },
  step = function(w, g, s, o)
    s.v:mul_(o.momentum):add_(g)                  -- in place: slots and weights are the optimizer's own memory
    return w:sub_(o.lr * s.v)
  end }

-- The corrections as scalars of each parameter rather than from o.step: products of betas.
local Adam = optim.define { name = "MyAdam", slots = { "m", "v", b1t = 1, b2t = 1 },
  options = { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8 },
  step = function(w, g, s, o)
    local b1, b2 = o.betas[1], o.betas[2]
    local m, v = b1 * s.m + (1 - b1) * g, b2 * s.v + (1 - b2) * g:square()
    local b1t, b2t = s.b1t * b1, s.b2t * b2
    return w - o.lr / (1 - b1t) * m / ((v / (1 - b2t)):sqrt() + o.eps), { m = m, v = v, b1t = b1t, b2t = b2t }
  end }

local x = pl.randn(32, 20, { seed = 1 })
local y = pl.tensor((function()
  local list = {}
  for i = 1, 32 do list[i] = i % 3 end
  return list
end)(), "i32")

local function make_model()
  local model = nn.Sequential { nn.Linear(20, 40, { name = "hidden" }), nn.Tanh(), nn.Linear(40, 3, { name = "out" }) }
  model:build { 20 }
  model:initialize(3)
  return model
end

local function train(model, opt, steps, each)
  local loss = nn.CrossEntropy()
  for i = 1, steps do
    if each then each(opt, i) end
    local _, grad = loss(model:forward(x), y)
    model:zero_grad()
    model:backward(grad)
    opt:step()
  end
  return model
end

local function digest(model) return require "perilune.run.record".digest(model:state()) end

local function furthest(a, b)
  local most, other = 0, b:state()
  for i, item in ipairs(a:state()) do most = math.max(most, (item.tensor - other[i].tensor):abs():max()) end
  return most
end

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok, "no error")
  return tostring(message)
end

local function refused(words, f, ...) lu.assertStrContains(error_of(f, ...), words) end

TestAgainstBuiltIn = {}

-- `most`: of weights that have moved by 0.05 and more.
local function same_as(own, built_in, options, most)
  local function changing(opt, i)
    if i == 10 then opt:epoch() end
    if i == 20 then opt.lr = opt.lr / 2 end
  end
  local a, b, start = make_model(), make_model(), make_model()
  train(a, own(options):bind(a), 60, changing)
  train(b, built_in(options):bind(b), 60, changing)
  lu.assertTrue(furthest(b, start) > 0.05, "it moved")
  lu.assertTrue(furthest(a, b) < most, ("%s: apart by %g"):format(own(options).type, furthest(a, b)))
end

local groups = { { layers = { "hidden" }, parameters = { "bias" }, lr_scale = 0.5, weight_decay = 0 },
  { layers = { "out" }, parameters = { "bias" }, frozen = true } }

function TestAgainstBuiltIn:test_sgd()
  same_as(SGD, optim.SGD, { lr = 0.1 }, 2e-6)
  same_as(SGD, optim.SGD, { lr = 0.1, momentum = 0.9, weight_decay = 0.01, decay = 0.02, clip_norm = 0.5,
    groups = groups }, 5e-6)
  same_as(SGD, optim.SGD, { lr = 0.2, momentum = 0.5, clip_value = 0.02 }, 2e-6)
end

-- A sign may turn where an average is next to 0: such a weight is two steps apart.
function TestAgainstBuiltIn:test_lion()
  same_as(Lion, optim.Lion, { lr = 2e-3, weight_decay = 0.1, groups = groups }, 1e-5)
end

function TestAgainstBuiltIn:test_adam()
  same_as(Adam, optim.Adam, { lr = 5e-3 }, 5e-6)
  same_as(Adam, optim.Adam, { lr = 5e-3, weight_decay = 0.01, betas = { 0.8, 0.95 }, groups = groups }, 5e-6)
end

TestState = {}

function TestState:test_state_continues_exactly()
  for _, make in ipairs { function() return Adam { lr = 0.02 } end, function() return Lion(0.01) end,
    function() return SGD { momentum = 0.9, decay = 0.1 } end } do
    local straight, copy = make_model(), make_model()
    local opt = make():bind(straight)
    opt:epoch()
    train(straight, opt, 7)
    local again = opt:clone():bind(copy)
    lu.assertEquals(again:config(), opt:config())
    copy_state(straight, opt, copy, again)
    train(straight, opt, 5)
    train(copy, again, 5)
    lu.assertEquals(digest(copy), digest(straight))
    lu.assertEquals(again:counters(), opt:counters())
  end
end

function TestState:test_names_of_slots_and_scalars()
  local model = make_model()
  local opt = train(model, Adam():bind(model), 3) and Adam():bind(model)
  local names = {}
  for i, s in ipairs(opt:state()) do
    names[i] = ("%s %s %s"):format(s.layer, s.name, table.concat(s.tensor.shape, "x"))
  end
  lu.assertEquals(names[1], "01_linear weight.m 20x40")
  lu.assertEquals(#names, 8)
  train(model, opt, 2)
  lu.assertAlmostEquals(opt:counters()["b1t 03_linear.bias"], 0.81, 1e-15)
  opt:bind(model)
  lu.assertEquals(opt:counters()["b1t 03_linear.bias"], 1)
end

local function experiment(changes)
  local fields = { name = "own", data = pl.data.digits { train = 200, test = 40 },
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 10) },
    loss = nn.CrossEntropy(), optimizer = Adam { lr = 0.01 }, epochs = 3, batch_size = 20, test = "end", seed = 4,
    schedule = pl.schedule.cosine { epochs = 3 }, callbacks = { on_batch = function() end } }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local function run(e, out, options)
  local o = { out = out, quiet = true, silent = true }
  for name, value in pairs(options or {}) do o[name] = value end
  return e:run(o)
end

-- Interrupted inside an epoch, twice: the same bits as at one go, on any number of threads.
function TestState:test_a_run_resumes_exactly()
  local straight = digest(run(experiment(), scratch .. "/straight").model)
  for _, threads in ipairs { 1, 3 } do
    local out, n, ended = ("%s/cut%d"):format(scratch, threads), 0, nil
    for session = 1, 3 do
      n = 0
      local r = run(experiment(), out, { threads = threads, leave = session < 3 and function()
        n = n + 1
        return n == 13
      end or nil })
      ended = { r.ended, digest(r.model) }
    end
    lu.assertEquals(ended, { "epochs", straight })
  end
end

function TestState:test_any_number_of_threads_and_a_loss_in_lua()
  local wide = { model = nn.Sequential { nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 10) }, epochs = 1,
    loss = function(logits, labels)
      local e = (logits - logits:max(-1, { keepdim = true })):exp()
      local p, target = e / e:sum(-1, { keepdim = true }), pl.one_hot(labels, 10)
      return -(target * (p + 1e-9):log()):sum() / p:size(1), (p - target) / p:size(1)
    end }
  local found = {}
  for i, threads in ipairs { 1, 2, 5 } do
    found[i] = digest(run(experiment(wide), false, { threads = threads }).model)
  end
  lu.assertEquals({ found[2], found[3] }, { found[1], found[1] })
end

function TestState:test_memory_stays_flat()
  local model = make_model()
  local opt = Adam { lr = 1e-3 }:bind(model)
  train(model, opt, 50)
  collectgarbage() collectgarbage()
  local before, lua_before = core.system.memory(), collectgarbage "count"
  train(model, opt, 1000)
  collectgarbage() collectgarbage()
  lu.assertTrue(core.system.memory() - before <= 4096, "tensors")
  lu.assertTrue(collectgarbage "count" - lua_before < 8, "Lua")
end

TestStep = {}

local function define(step, more)
  local d = { name = "Odd", step = step, slots = { "m", "v", t = 0 }, options = { lr = 0.1, form = "a", fast = true } }
  for name, value in pairs(more or {}) do d[name] = value end
  return optim.define(d)
end

local function one_step(step, more, options)
  local model = make_model()
  local opt = define(step, more)(options):bind(model)
  train(model, opt, 1)
  return opt, model
end

function TestStep:test_what_it_is_told()
  local seen = {}
  one_step(function(w, g, s, o)
    seen[#seen + 1] = ("%s.%s %s %s %s %s %s"):format(o.layer, o.parameter, o.lr, o.step, o.epoch, o.form, o.fast)
    lu.assertEquals({ w.shape, g.shape, s.t }, { s.m.shape, s.v.shape, 0 })
    return w
  end, nil, { form = "b", fast = false, groups = { { parameters = { "bias" }, lr_scale = 0.5 } } })
  lu.assertEquals(seen, { "01_linear.weight 0.1 1 1 b false", "01_linear.bias 0.05 1 1 b false",
    "03_linear.weight 0.1 1 1 b false", "03_linear.bias 0.05 1 1 b false" })
end

function TestStep:test_slots_may_be_exchanged_assigned_and_changed_in_place()
  local opt = one_step(function(w, _, s)
    s.m:fill_(1)
    s.v:fill_(2)
    return w, { m = s.v, v = s.m, t = 3 }
  end)
  local state = opt:state()
  lu.assertEquals({ state[1].tensor:min(), state[5].slot, state[5].tensor:max() }, { 2, "v", 1 })
  lu.assertEquals(opt:counters()["t 01_linear.bias"], 3)
  opt = one_step(function(w, g, s)
    s.m = g
    s.t = s.t + 1
    g:fill_(7)                     -- the gradient in use is a copy
    return #w.shape == 2 and w:T():T() or w, { v = w }
  end)
  lu.assertEquals({ opt:state()[1].tensor:max(), opt:counters()["t 01_linear.bias"] }, { 7, 1 })
end

function TestStep:test_the_gradient_of_the_model_is_left_alone()
  local _, model = one_step(function(w, g) g:fill_(7) return w end, nil, { weight_decay = 0.1 })
  lu.assertTrue(model:find "out".weight_grad:max() < 2)
end

function TestStep:test_decay_forms()
  local function moved(form)
    local start = make_model():find "out".weight
    local _, model = one_step(function(w, g) return w - g end, { decay_form = form }, { weight_decay = 0.5 })
    local loss = nn.CrossEntropy()
    local other = make_model()
    local _, grad = loss(other:forward(x), y)
    other:zero_grad()
    other:backward(grad)
    return (start - other:find "out".weight_grad - model:find "out".weight), start
  end
  local l2, start = moved "l2"
  lu.assertTrue((l2 - 0.5 * start):abs():max() < 1e-6)
  lu.assertTrue((moved "decoupled" - 0.05 * start):abs():max() < 1e-6)
  lu.assertTrue(moved "own":abs():max() < 1e-6)
end

function TestStep:test_not_finite()
  local function message(step, changes)
    return error_of(run, experiment { optimizer = define(step) {}, check_gradients = false,
      nonfinite = changes }, false)
  end
  local bad = message(function(w, _, s, o) return o.step == 3 and o.parameter == "bias" and w / 0 or w, s end)
  lu.assertStrContains(bad, "epoch 1, batch 3: a weight is not a finite number")
  lu.assertStrContains(bad, "the bias of layer 2")
  lu.assertStrContains(message(function(w) return w * math.huge end, "skip"), "a weight is not a finite number")
end

TestWrongUse = {}

function TestWrongUse:test_definitions()
  local function step(w) return w end
  refused("field 'step' is missing; add step = function(w, g, s, o)", optim.define, {})
  refused("has no field 'slot'; did you mean 'slots'?", optim.define, { step = step, slot = { "m" } })
  refused("the slot 'm' is there twice", optim.define, { step = step, slots = { "m", "m" } })
  refused("a slot's name is a word", optim.define, { step = step, slots = { "a b" } })
  refused("slot 'm' takes the number that it begins with", optim.define, { step = step, slots = { m = true } })
  refused("an option cannot be called 'step'", optim.define, { step = step, options = { step = 1 } })
  refused("option 'eps' has a default", optim.define, { step = step, options = { eps = print } })
  refused("'decay_form' is one of l2, decoupled, own", optim.define, { step = step, decay_form = "l3" })
  refused("is a word such as", optim.define, { step = step, name = "a b" })
  lu.assertStrContains(error_of(function() optim.define { step = step, slot = 1 } end), "own_optimizer_test.lua:")
end

function TestWrongUse:test_options()
  refused("MyLion has no option 'beta'; did you mean 'betas'?", Lion, { beta = 1 })
  refused("option 'betas' takes a list of 2 numbers", Lion, { betas = { 1 } })
  refused("option 'betas' takes a table", Lion, { betas = 1 })
  refused("option 'lr' must be at least 0", Lion, { lr = -1 })
  refused("MyAdam: option 'eps' must be a number, got NaN", Adam, { eps = 0 / 0 })
  refused("MyAdam: option 'eps' must be finite", Adam, { eps = 1 / 0 })
  refused("MyLion takes options only", Lion, make_model())
  refused("group 1 names nothing", Lion, { groups = { { lr = 1 } } })
  refused("no layer with 'conv' in its name has parameters", function()
    Lion { groups = { { match = "conv" } } }:bind(make_model())
  end)
end

function TestWrongUse:test_steps()
  refused("must give the new weights as a tensor, got nil", one_step, function() end)
  refused("01_linear.weight must give the new weights as f32 [20, 40], got f32 [40, 20]", one_step,
    function(w) return w:T() end)
  refused("must give m as f32 [20, 40], got i32", one_step, function(w, _, s) return w, { m = s.m:to "i32" } end)
  refused("must give m as a tensor, got number", one_step, function(w) return w, { m = 1 } end)
  refused("must give t as a number, got a tensor", one_step, function(w) return w, { t = w } end)
  refused("there is no slot 'q'; the slots are: m, t, v", one_step, function(w) return w, { q = w } end)
  refused("there is no slot 'q'; the slots are: m, t, v", one_step, function(w, _, s) s.q = w return w end)
  refused("returns (w, slots)", one_step, function(w) return w, w end)
  refused("has no option 'betas'", one_step, function(w, _, _, o) return w * o.betas end)
  refused("the options cannot be changed in the step", one_step, function(w, _, _, o) o.t = 1 return w end)
  local message = error_of(one_step, function(w) return w + pl.zeros(7) end)
  lu.assertStrContains(message, "own_optimizer_test.lua:")
  lu.assertStrContains(message, "[20, 40]")
  message = error_of(one_step, function() end)
  lu.assertStrMatches(message, "tests/lua/own_optimizer_test.lua:%d+: Odd: the step of 01_linear.weight must .*")
end

function TestWrongUse:test_bind_and_step_inside_the_step()
  local model, opt = make_model(), nil
  opt = define(function(w) opt:bind(model) return w end) {}:bind(model)
  refused("neither bind nor step can be called in it", train, model, opt, 1)
  opt = define(function(w) opt:step() return w end) {}:bind(model)
  refused("neither bind nor step can be called in it", train, model, opt, 1)
  -- what was refused has counted no step and moved no rate, also where the script goes on
  local rates, again = {}, nil
  for _, nonfinite in ipairs { "stop", "skip" } do
    opt = define(function(w, _, _, o)
      again, rates[o.step] = pcall(opt.step, opt, nonfinite), o.lr
      return w
    end) { lr = 1, decay = 1 }:bind(model)
    train(model, opt, 2)
    lu.assertEquals({ again, opt.steps, rates }, { false, 2, { 1, 0.5 } })
  end
  opt = define(function(w) model:initialize(7) return w end) {}:bind(model)
  train(model, opt, 1)
end

-- Before any training: a step is tried on copies.
function TestWrongUse:test_a_step_that_cannot_be_is_found_before_training()
  local e = experiment { optimizer = define(function(w) return w:sum(1) end) {} }
  local before = digest(e.model)
  refused("must give the new weights as f32 [784, 16]", run, e, scratch .. "/never")
  lu.assertEquals(digest(e.model), before)
  lu.assertNil(io.open(scratch .. "/never/checkpoint.h5"))
end

TestIdentity = {}

function TestIdentity:test_another_step_is_another_run()
  local e = experiment { epochs = 1 }
  local function make(rate, form)
    return e:with { optimizer = define(function(w, g) return w - rate * g end, { decay_form = form }) {} }
  end
  local out = scratch .. "/identity"
  run(make(0.1), out)
  run(make(0.1), out, { epochs = 2 })
  refused("optimizer: was", run, make(0.2), out, { epochs = 3 })
  refused("optimizer: was", run, make(0.1, "own"), out, { epochs = 3 })
end

function TestIdentity:test_a_captured_variable_that_changes_is_told_of()
  local count, out = 0, scratch .. "/captured"
  local e = experiment { optimizer = define(function(w)
    count = count + 1
    return w
  end) {}, check_gradients = false }
  run(e, out, { leave = function() return true end })
  refused("the optimizer's step changes the captured variable 'count'", run, e, out)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
