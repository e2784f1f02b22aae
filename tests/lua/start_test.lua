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

TestStart = {}

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

TestLoad = {}

function TestLoad:test_all_or_part()
  local model = net()
  local list = assert(model:load(path))
  lu.assertEquals({ #list, list[1].name, list[1].loaded, digest(model) },
    { 8, "02_linear.weight", true, digest(saved) })
  local other = net(3):build { 28, 28, 1 }
  local before = digest(other)
  local none, message = other:load(path)
  lu.assertNil(none)
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
