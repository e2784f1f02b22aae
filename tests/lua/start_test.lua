-- Where a training starts: new weights, those of a file, those that the model has; and what does not move: frozen
-- groups.
local lu = require "luaunit"
local pl = require "perilune"
local scratch = dofile "tests/lua/support_scratch.lua" "start_test"
local nn, optim = pl.nn, pl.optim

local function digest(model) return require "perilune.run.record".digest(model:state()) end

local function net(outputs)
  return nn.Sequential { nn.Flatten(), nn.Linear(784, 8, { name = "body" }), nn.BatchNorm(8), nn.ReLU(),
    nn.Linear(8, outputs or 10, { name = "head" }) }
end

local function fields(changes)
  local f = { name = "start", data = pl.data.digits { train = 60, test = 20 }, model = net(), loss = nn.CrossEntropy(),
    optimizer = optim.SGD { lr = 0.1 },
    epochs = 2, batch_size = 20, test = "end" }
  for name, value in pairs(changes) do f[name] = value end
  return f
end

local quiet = { out = false, quiet = true, silent = true }

-- The weights before the first step.
local function first_weights(changes)
  local found
  local e = pl.experiment(fields(changes))
  e.callbacks.on_start = function(ctx) found = digest(ctx.model) end
  local run = e:run(quiet)
  return found, run, e
end

local saved = net():build { 28, 28, 1 }
saved:initialize(99)
local path = scratch .. "/saved.h5"
assert(saved:save(path))

TestInitialValues = {}

-- Mean, standard deviation and the largest distance from the mean, in standard deviations, of a weight drawn so.
local function first_values(layer, shape, init)
  layer = layer(init)
  nn.Sequential { layer }:build(shape):initialize(1)
  local w, mean, std = layer.weight, layer.weight:mean(), layer.weight:std()
  return mean, std, (w - mean):abs():max() / std
end

function TestInitialValues:test_each_has_its_distribution()
  local function linear(init) return nn.Linear(300, 200, { init = init }) end
  local function convolution(init) return nn.Conv2d(10, 40, 3, { init = init }) end
  local uniform, limit = { he_uniform = true, xavier = true, fan_in = true }, 3 ^ 0.5
  for _, case in ipairs { { linear, { 300 }, 300, 200, 0.02 }, { convolution, { 5, 5, 10 }, 90, 360, 0.06 } } do
    local inputs, both, margin = case[3], case[3] + case[4], case[5]
    for init, variance in pairs { he = 2 / inputs, he_uniform = 2 / inputs, xavier = 2 / both,
      xavier_normal = 2 / both, lecun = 1 / inputs, fan_in = 1 / (3 * inputs) } do
      local mean, std, most = first_values(case[1], case[2], init)
      lu.assertAlmostEquals(mean / std, 0, margin, init)
      lu.assertAlmostEquals(std / variance ^ 0.5, 1, margin, init)
      if uniform[init] then lu.assertAlmostEquals(most, limit, margin, init) else lu.assertTrue(most > 2.5, init) end
    end
  end
  local mean, std, most = first_values(linear, { 300 }, { "normal", 0.3, 0.7 })
  lu.assertAlmostEquals(mean, 0.3, 0.02)
  lu.assertAlmostEquals(std, 0.7, 0.02)
  lu.assertTrue(most > 2.5)
  mean, std, most = first_values(linear, { 300 }, { "uniform", -0.5, 0.25 })
  lu.assertAlmostEquals(mean, -0.125, 0.01)
  lu.assertAlmostEquals(std, 0.75 / 12 ^ 0.5, 0.01)
  lu.assertAlmostEquals(most, limit, 0.02)
end

TestStart = {}

-- What nn.Linear(64, 64) begins with, for each of eight of them in one parameter.
function TestStart.test_the_inputs_of_a_formulas_parameter()
  local heads = nn.define { name = "Heads", params = function()
    return { w = { 8, 64, 64 }, x = { shape = { 8, 16, 48 }, init = "xavier" }, b = { 64 } }
  end, forward = function(self, v)
    local many = v:unsqueeze(2)
    return pl.cat({ many:matmul(self.w) + self.b, many:slice(-1, 1, 16):matmul(self.x) }, -1)
  end }():build { 1, 64 }
  heads:initialize(1)
  lu.assertAlmostEquals(heads.w:std(), math.sqrt(2 / 64), 0.005)
  local bound = math.sqrt(6 / (16 + 48))
  lu.assertTrue(heads.x:max() <= bound and heads.x:max() > 0.99 * bound)
  lu.assertEquals(heads.b:abs():max(), 0)
end

function TestStart:test_a_loaded_model_says_where_it_starts()
  for _, model in ipairs { assert(nn.load(path)), assert(nn.load(path)):clone() } do
    local message = 'the model has the weights of %s, and a run would draw new ones; add start = "keep"'
    lu.assertErrorMsgContains(message:format(path), pl.experiment, fields { model = model })
  end
  local run = pl.experiment(fields {}):run(quiet)
  lu.assertErrorMsgContains('the weights of a run of "start"', pl.experiment, fields { model = run.model })
  lu.assertEquals(first_weights { model = assert(nn.load(path)), start = "keep" }, digest(saved))
  lu.assertEquals(first_weights { model = assert(nn.load(path)), start = "new" }, first_weights {})
  lu.assertEquals(first_weights { start = path }, digest(saved))
end

function TestStart:test_keep_is_what_the_model_had_when_the_experiment_was_made()
  local _, first, e = first_weights { model = assert(nn.load(path)), start = "keep" }
  lu.assertEquals(digest(e:run(quiet).model), digest(first.model))
  lu.assertEquals(digest(e:with { epochs = 2 }:run(quiet).model), digest(first.model))
end

function TestStart:test_a_folder_of_a_run()
  local folder = scratch .. "/run"
  local _, run = first_weights {}
  pl.experiment(fields {}):run { out = folder, quiet = true, silent = true }
  lu.assertEquals(first_weights { start = folder }, digest(run.model))
end

function TestStart:test_what_does_not_fit_or_is_not_there()
  lu.assertErrorMsgContains("05_linear.weight: the file's is f32 [8, 10], the model's f32 [8, 3] (and 1 more)",
    pl.experiment,
    fields { start = path, model = net(3), loss = nn.MSE(), data = pl.data.from_tensors { x = pl.zeros(4, 28, 28, 1),
      y = pl.zeros(4, 3) } })
  local e = pl.experiment(fields { start = "nowhere.h5" })
  lu.assertErrorMsgContains("start: there is no nowhere.h5", e.run, e, quiet)
  lu.assertErrorMsgContains("start: there is no nowhere.h5", e.find_lr, e)
end

function TestStart:test_is_part_of_the_run()
  local folder = scratch .. "/identity"
  local function go(start, epochs)
    local e = pl.experiment(fields { start = start, epochs = 4, schedule = pl.schedule.constant() })
    return e:run { out = folder, quiet = true, silent = true, epochs = epochs }
  end
  go(path, 1)
  lu.assertErrorMsgContains("start: was weights with SHA-256 ", go, nil, 2)
  local whole = digest(pl.experiment(fields { start = path, epochs = 2 }):run(quiet).model)
  lu.assertEquals(digest(go(path, 2).model), whole)
  -- the checkpoint has the weights: the file that they came from is not needed any more
  local gone = scratch .. "/gone.h5"
  assert(saved:save(gone))
  folder = scratch .. "/goes_on"
  go(gone, 1)
  os.remove(gone)
  lu.assertEquals(digest(go(gone, 2).model), whole)
  go(gone, 3)
  lu.assertErrorMsgContains("start: was weights with SHA-256 ", go, nil, 4)
end

-- The range test starts where a run would.
function TestStart:test_learning_rates_are_tried_from_there()
  local function experiment(start)
    local model = start == "keep" and assert(nn.load(path)) or nil
    return pl.experiment(fields { model = model, start = start, batch_size = 60, epochs = 1 })      -- one step an epoch
  end
  for _, start in ipairs { path, "new", "keep" } do
    lu.assertEquals(experiment(start):find_lr { steps = 20 }.loss[1],
      experiment(start):run(quiet).history.train_loss[1])
  end
end

TestPart = {}

local function body() return nn.Sequential { nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm(8) } end

local function loaded_body()
  local base = body():build { 28, 28, 1 }
  base:load(path, { partial = true })
  return base
end

-- A model that was loaded, a copy of it, and layers whose weights were set keep them in a larger model.
function TestPart:test_keeps_weights_of_its_own()
  local function set()
    local base = body()
    base[2].weight = saved[2].weight
    return base
  end
  local function copied()
    local base = body()
    base[2].weight:copy_(saved[2].weight)
    return base
  end
  local function layers_apart()
    local linear = nn.Linear(784, 8)
    linear.weight:copy_(saved[2].weight)
    return nn.Sequential { nn.Flatten(), linear, nn.BatchNorm(8) }
  end
  local function of_another() return nn.Sequential { nn.Flatten(), nn.load(path)[2]:clone(), nn.BatchNorm(8) } end
  local function loaded_copy() return loaded_body():clone() end
  for i, make in ipairs { loaded_body, loaded_copy, set, copied, layers_apart, of_another } do
    local in_a_row = nn.Sequential { make(), nn.ReLU(), nn.Linear(8, 10) }
    local base, head = make(), nn.Linear(8, 10)
    local graph = nn.Graph(function(x) return head(base(x):relu()) end)
    for _, model in ipairs { in_a_row, graph } do
      model:build { 28, 28, 1 }
      local weight = (model == graph and base or model[1])[2].weight
      lu.assertTrue(weight:equal(saved[2].weight), i)
      lu.assertTrue((model == graph and head or model[3]).weight:ne(0):sum() > 0)
      lu.assertErrorMsgContains("and a run would draw new ones; add start", pl.experiment, fields { model = model })
      local e = pl.experiment(fields { model = model, start = "keep" })
      e.callbacks.on_start = function() lu.assertTrue(weight:equal(saved[2].weight), i) end
      e:run(quiet)
      e = pl.experiment(fields { model = model, start = "new" })
      e.callbacks.on_start = function() lu.assertFalse(weight:equal(saved[2].weight), i) end
      e:run(quiet)
    end
  end
  lu.assertErrorMsgContains("the weights of " .. path, pl.experiment,
    fields { model = nn.Sequential { nn.Sequential { loaded_body() }, nn.Linear(8, 10) } })
end

-- A run trains the experiment's own model, which begins anew with the next run, but not as part of a larger model.
function TestPart:test_a_model_that_an_experiment_has_trained()
  for _, copied in ipairs { false, true } do
    local model = net()
    local run = pl.experiment(fields { model = model }):run(quiet)
    pl.experiment(fields { model = model })
    local whole = nn.Sequential { copied and model:clone() or model, nn.ReLU(), nn.Linear(10, 10) }:build { 28, 28, 1 }
    lu.assertTrue(whole[1][2].weight:equal(run.model[2].weight))
    lu.assertErrorMsgContains('the weights of a run of "start"', pl.experiment, fields { model = whole })
  end
end

-- Weights as they were drawn are drawn for the place that the layer comes to have.
function TestPart:test_what_was_only_drawn_is_drawn_anew()
  local linear = nn.Linear(784, 8)
  lu.assertEquals(linear.weight.shape, { 784, 8 })
  local model = nn.Sequential { nn.Flatten(), linear:clone(), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, 10) }
  local fresh = net()
  lu.assertEquals(digest(model:build { 28, 28, 1 }), digest(fresh:build { 28, 28, 1 }))
  pl.experiment(fields { model = model }):run(quiet)
  pl.experiment(fields { model = model }):run(quiet)
end

-- An untrained model that was saved is worth as much: the file names it.
function TestPart:test_a_loaded_model_as_it_was_drawn()
  local file = scratch .. "/drawn.h5"
  local drawn = net():build { 28, 28, 1 }
  drawn:save(file)
  local model = nn.Sequential { nn.Sequential { nn.ReLU() }, nn.load(file) }:build { 28, 28, 1 }
  lu.assertTrue(model[2][2].weight:equal(drawn[2].weight))
end

function TestPart:test_a_copy_has_what_the_part_had()
  local part = nn.Sequential { loaded_body(), nn.Linear(8, 10) }[1][2]
  part.bias:fill_(0.25)
  part.grad.bias:fill_(3)
  local copy = part:clone()
  lu.assertTrue(copy.weight:equal(saved[2].weight) and copy.bias:equal(part.bias))
  lu.assertEquals(copy.bias_grad[1], 3)
  copy.bias:fill_(0)
  lu.assertEquals(part.bias[1], 0.25)
  local model = nn.Sequential { loaded_body(), nn.define { name = "Scale", params = function() return { s = { 8 } } end,
    forward = function(layer, x) return x * layer.s end } () }:build { 28, 28, 1 }
  model[2].s = pl.rand({ 8 }, { seed = 1 })
  lu.assertTrue(model[2]:clone().s:equal(model[2].s))
end

function TestPart:test_a_copy_of_what_has_no_shape_yet()
  local linear = nn.Linear(8, 8)
  linear.weight:fill_(1)
  local model = nn.Sequential { linear, nn.Graph(function(x) return nn.Linear(8, 2)(x) end) }
  lu.assertErrorMsgContains("clone: the shapes of some parameters depend on the input's; call model:build{...}",
    model.clone, model)
end

function TestPart:test_weights_set_in_the_script()
  for i, set in ipairs {
    function(m) m:find "body".weight:copy_(saved[2].weight) end,
    function(m) m:find "body".weight = saved[2].weight end,
    function(m) m:find "head".bias[3] = 1e-3 end,
    function(m) for _, w in m:parameters() do w:mul_(0.5) end end,
  } do
    local model = net():build { 28, 28, 1 }
    set(model)
    local before = digest(model)
    lu.assertErrorMsgContains("the model has the weights of the script, which has set them, and a run would draw " ..
      "new ones; add start", pl.experiment, fields { model = model })
    lu.assertEquals(first_weights { model = model, start = "keep" }, before, i)
    model:initialize(3)
    first_weights { model = model }
  end
end

TestLoad = {}

function TestLoad:test_all_or_part()
  local model = net()
  local list = assert(model:load(path))
  lu.assertEquals({ #list, list[1].name, list[1].loaded, digest(model) },
    { 8, "02_linear.weight", true, digest(saved) })
  local other = net(3):build { 28, 28, 1 }
  local before = digest(other)
  local ok, message = pcall(function() other:load(path) end)
  lu.assertFalse(ok)
  lu.assertStrContains(message, "start_test.lua:")
  lu.assertStrContains(message, "does not fit this model: 05_linear.weight: the file's is f32 [8, 10], the " ..
    "model's f32 [8, 3] (and 1 more); { partial = true }")
  lu.assertEquals(digest(other), before)
  list = assert(other:load(path, { partial = true }))
  lu.assertStrContains(tostring(list), "02_linear.weight: loaded\n")
  lu.assertStrContains(tostring(list), "05_linear.bias: the file's is f32 [10], the model's f32 [3]")
  lu.assertTrue(other[2].weight:equal(saved[2].weight))
  list = assert(nn.Sequential { nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10) }:build { 28, 28,
    1 }:load(path, { partial = true }))
  local words = tostring(list)
  lu.assertStrContains(words, "04_linear.weight: the file has none")
  lu.assertStrContains(words, "03_batchnorm.weight: the model has none")
  lu.assertEquals(select(2, pcall(model.load, model, 3)):match "load takes.*",
    "load takes the name of a file or a run's folder, got 3")
end

function TestLoad:test_nothing_fits()
  local model = nn.Sequential { net(), nn.Linear(10, 3) }:build { 28, 28, 1 }
  lu.assertErrorMsgContains("nothing in " .. path .. " fits this model: 01_sequential/02_linear.weight: the file " ..
    "has none (and 15 more)", model.load, model, path, { partial = true })
  lu.assertErrorMsgContains("No such file", model.load, model, scratch .. "/nosuch.h5")
end

function TestLoad:test_a_model_with_functions_of_the_script()
  local function build() return nn.Sequential { nn.Flatten(), nn.Linear(784, 10), nn.Lambda { forward = function(x)
    return x * 2
  end,
    backward = function(dy) return dy * 2 end } } end
  local model = build():build { 28, 28, 1 }
  model:initialize(5)
  assert(model:save(scratch .. "/lambda.h5"))
  local again = build()
  assert(again:load(scratch .. "/lambda.h5"))
  local x = pl.rand(2, 28, 28, 1)
  lu.assertTrue(again:infer(x):equal(model:infer(x)))
end

TestFrozen = {}

local optimizers = {
  function(groups, more)
    return optim.SGD { lr = 0.1, momentum = 0.9, weight_decay = 0.1, decay_form = "absolute", groups = groups,
      clip_norm = more }
  end,
  function(groups, more) return optim.SGD { lr = 0.1, groups = groups, clip_norm = more } end,
  function(groups, more) return optim.AdamW { lr = 0.1, weight_decay = 0.5, groups = groups, clip_norm = more } end,
  function(groups, more) return optim.LAMB { lr = 0.1, weight_decay = 0.5, groups = groups, clip_norm = more } end,
}

function TestFrozen:test_does_not_move_and_the_rest_does()
  for i, make in ipairs(optimizers) do
    for _, clip in ipairs { 0, 0.5 } do
      local optimizer = make({ { layers = { "body" }, frozen = true } }, clip)
      local weights
      local e = pl.experiment(fields { optimizer = optimizer })
      e.callbacks.on_start = function(ctx)
        local m = ctx.model
        weights = { m[2].weight:clone(), m[2].bias:clone(), m[5].weight:clone(), m:state()[5].tensor:clone() }
      end
      local m = e:run(quiet).model
      lu.assertTrue(m[2].weight:equal(weights[1]), i)
      lu.assertTrue(m[2].bias:equal(weights[2]), i)
      lu.assertFalse(m[5].weight:equal(weights[3]), i)
      lu.assertFalse(m:state()[5].tensor:equal(weights[4]))      -- statistics follow the data
    end
  end
end

-- The norm of the gradients is that of those that move.
function TestFrozen:test_is_in_no_norm()
  local function step(groups)
    local model = nn.Sequential { nn.Linear(2, 2, { name = "a", bias = false, init = "zeros" }),
      nn.Linear(2, 1, { name = "b", bias = false, init = "zeros" }) }
    model:build { 2 }
    model[1].weight:fill_(1)
    model[2].weight:fill_(1)
    local opt = optim.SGD { lr = 1, clip_norm = 1, groups = groups }:bind(model)
    model:forward(pl.full({ 1, 2 }, 100))
    model:zero_grad()
    model:backward(pl.ones(1, 1))
    opt:step()
    return model[2].weight[1][1]
  end
  lu.assertAlmostEquals(step { { layers = { "a" }, frozen = true } }, 1 - math.sqrt(0.5), 1e-5)
  lu.assertTrue(step(nil) > 1 - math.sqrt(0.5) + 0.01)
end

function TestFrozen:test_resumes_to_the_same_bits()
  local function experiment()
    return pl.experiment(fields { epochs = 3, optimizer = optim.Adam { lr = 0.01,
      groups = { { match = "linear", frozen = true } } } })
  end
  local whole = digest(experiment():run(quiet).model)
  local folder = scratch .. "/frozen"
  experiment():run { out = folder, quiet = true, silent = true, epochs = 1 }
  lu.assertEquals(digest(experiment():run { out = folder, quiet = true, silent = true }.model), whole)
end

function TestFrozen:test_takes_no_rate()
  lu.assertErrorMsgContains("group 1 is frozen, so that it has no lr", optim.SGD,
    { groups = { { layers = { "a" }, frozen = true, lr = 0.1 } } })
  lu.assertTrue(optim.SGD { groups = { { layers = { "a" }, frozen = true } } }:config().config.groups[1].frozen)
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
