-- A layer that is used at several places of a model: one set of parameters, whose gradients are added up; saved,
-- loaded, copied, counted and shown once.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn
local support = dofile "tests/lua/support_store.lua" "shared_layers"
local at, raises, same = support.at, support.raises, support.same

-- Output, gradient of the input, of the weight and of the bias of l(4, 4), tanh, l, tanh, by PyTorch:
-- tests/golden/make_graph.py.
local torch = {
  -0.0614578503, -0.0269500823, -0.222511317, 0.292248994, -0.363888104, 0.274458245, -0.024701465, 0.0199366845,
  -0.0449896051, -0.0205010302, -0.204517937, 0.191513257, -0.00915275065, 0.0567600716, -0.0649987403, 0.114270197,
  0.390404502, -0.10800019, 0.218722701, -0.129314374, -0.269940218, 0.103198499, -0.134324264, 0.10016537,
  -0.210074599, -0.0492380562, -0.171771328, -0.0223311783, -0.526333731, 0.283111134, 0.0212465806, 0.221675557,
  0.541334231, -0.301293666, 0.0526096179, -0.242760795, 0.00112126314, -0.239162698, -0.154465257, -0.209359117,
  -0.288921098, 0.24058723, 0.571245426, -0.157380714,
}

local function numbers(n, step, modulus, ...)
  local list = {}
  for i = 0, n - 1 do list[i + 1] = (i * step % modulus - modulus // 2) / 8 end
  return pl.tensor(list):reshape(...)
end

-- Several ways to write the same model; the shared layer is first met at the path.
local function flat()
  local l, t = nn.Linear(4, 4), nn.Tanh()
  return nn.Sequential { l, t, l, t }, "01_linear"
end
local function nested()
  local l = nn.Linear(4, 4)
  return nn.Sequential { nn.Sequential { l, nn.Tanh() }, nn.Sequential { l, nn.Tanh() } }, "01_sequential/01_linear"
end
local function container()
  local block = nn.Sequential { nn.Linear(4, 4), nn.Tanh() }
  return nn.Sequential { block, block }, "01_sequential/01_linear"
end
local function lent()
  local l = nn.Linear(4, 4)
  local inner = nn.Sequential { l, nn.Tanh() }
  return nn.Sequential { l, nn.Tanh(), inner }, "01_linear"
end
local ways = { flat = flat, nested = nested, container = container, lent = lent }

local function set(model)
  local weight = model:state()[1].tensor
  weight:copy_(numbers(16, 7, 11, 4, 4))
  model:state()[2].tensor:copy_(numbers(4, 3, 5, 4))
  return weight
end

TestShared = {}

function TestShared.test_as_pytorch()
  for name, make in pairs(ways) do
    local model, path = make()
    set(model)
    local y = model:forward(numbers(12, 5, 13, 3, 4))
    local dx = model:backward(numbers(12, 3, 7, 3, 4), true)
    local layer = model:find "" or model
    while #layer > 0 do layer = layer[1] end
    lu.assertEquals(layer:path(), path, name)
    local got = pl.cat { y:reshape(12), dx:reshape(12), layer.weight_grad:reshape(16), layer.bias_grad }
    lu.assertEquals(got:count(), #torch)
    lu.assertTrue(got:equal(pl.tensor(torch), 2e-6), name)
  end
end

function TestShared.test_parameters_are_there_once()
  for name, make in pairs(ways) do
    local model, path = make()
    local names = {}
    for parameter in model:parameters() do names[#names + 1] = parameter end
    lu.assertEquals(names, { path .. ".weight", path .. ".bias" }, name)
    lu.assertEquals(model:count(), 20, name)
    lu.assertEquals(#model:state(), 2, name)
    lu.assertEquals(#model:statistics(), 2, name)
    model:build { 4 }
    local rows, parameters, shared = model:rows(), 0, 0
    for _, row in ipairs(rows) do
      parameters = parameters + row.parameters
      shared = shared + (row.shared and row.type == "Linear" and 1 or 0)
    end
    lu.assertEquals({ #rows, parameters, shared }, { 4, 20, 1 }, name)
    lu.assertStrContains(model:summary(), "Linear (shared)")
    lu.assertStrContains(tostring(model), ", shared")
  end
end

function TestShared.test_saved_loaded_and_copied()
  for name, make in pairs(ways) do
    local model, path = make()
    set(model)
    local x = numbers(12, 5, 13, 3, 4)
    assert(model:save(at(name .. ".h5")))
    for how, again in pairs { load = assert(nn.load(at(name .. ".h5"))), clone = model:clone(),
      config = nn.from_config(model:config()) } do
      local label = name .. ", " .. how
      if how == "config" then set(again) end
      lu.assertEquals(again:config(), model:config(), label)
      lu.assertEquals(again:count(), 20, label)
      same(again:infer(x), model:infer(x), label)
      local before = model:state()[1].tensor:clone()
      again:state()[1].tensor:mul_(2)
      lu.assertFalse(again:infer(x):equal(model:infer(x)), label)
      same(model:state()[1].tensor, before, label)
      lu.assertEquals(again:state()[1].layer, path, label)
    end
  end
end

function TestShared.test_one_step_of_an_optimizer_moves_it_once()
  for _, name in ipairs { "SGD", "Adam", "LAMB" } do
    local model, apart = flat(), nn.Sequential { nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh() }
    local weight = set(model)
    for i = 1, 4 do apart:state()[i].tensor:copy_(model:state()[(i - 1) % 2 + 1].tensor) end
    for _, m in ipairs { model, apart } do
      m:forward(numbers(12, 5, 13, 3, 4))
      m:backward(numbers(12, 3, 7, 3, 4))
    end
    local sum = apart[1].weight_grad + apart[3].weight_grad
    lu.assertTrue(model[1].weight_grad:equal(sum, 1e-6))
    lu.assertTrue(model[3].weight_grad:equal(sum, 1e-6))
    local before = weight:clone()
    pl.optim[name] { lr = 0.5 }:bind(model):step()
    lu.assertFalse(weight:equal(before))
    same(model[3].weight, model[1].weight)
    if name == "SGD" then lu.assertTrue(weight:equal(before - model[1].weight_grad * 0.5, 1e-6)) end
  end
end

-- The same training by one thread and by three, and with the group that holds the layer frozen.
function TestShared.test_in_an_experiment()
  local function train(threads, frozen)
    local model = nested()
    local e = pl.experiment { name = "shared", model = nn.Sequential { model, nn.Linear(4, 3) },
      loss = nn.CrossEntropy(),
      data = pl.data.from_tensors { x = numbers(80, 5, 13, 20, 4), y = pl.arange(0, 19) % 3 },
      optimizer = pl.optim.Adam { lr = 0.01, groups = frozen and { { match = "01_sequential", frozen = true } } or
        nil },
      batch_size = 7, epochs = 3 }
    local run = e:run { quiet = true, out = false, threads = threads }
    lu.assertEquals(run.model:count(), 35)
    return { weight = run.model:state()[1].tensor:clone(), model = model }
  end
  local first, frozen = train(1), train(1, true)
  same(first.weight, train(3).weight)
  same(first.model[1][1].weight, first.model[2][1].weight)
  lu.assertFalse(first.weight:equal(frozen.weight))
  same(frozen.weight, train(3, true).weight)
end

function TestShared.test_dropout_masks_differ_from_use_to_use()
  local drop = nn.Dropout(0.5)
  local model = nn.Sequential { drop, nn.Reshape { 64 }, drop }
  model:build { 64 }
  local y = model:forward(pl.ones(8, 64))
  local kept = y:eq(4):sum()
  lu.assertTrue(kept > 60 and kept < 200)       -- a quarter of 512; half of it if the masks were the same
end

TestMisuse = {}

function TestMisuse.test_containers_that_share_need_a_common_model()
  local l = nn.Linear(4, 4)
  local a, b = nn.Sequential { l, nn.Tanh() }, nn.Sequential { l, nn.ReLU() }
  for _, half in ipairs { a, b } do
    raises("shares layers with another container; put both into one model", half.infer, half, pl.ones(1, 4))
  end
  local both = nn.Sequential { a, b }
  lu.assertEquals(both:infer(pl.ones(2, 4)).shape, { 2, 4 })
  lu.assertEquals(l:path(), "01_sequential/01_linear")
  raises("is part of a Sequential; call this on the whole model", a.infer, a, pl.ones(1, 4))
end

function TestMisuse.test_a_model_that_was_used_keeps_its_layers()
  local l = nn.Linear(4, 4)
  local used = nn.Sequential { l, nn.Tanh() }
  used:infer(pl.ones(1, 4))
  raises("already belongs to a model that has been used", nn.Sequential, { l, nn.ReLU() })
  lu.assertEquals(used:infer(pl.ones(1, 4)).shape, { 1, 4 })
  local weight = l.weight:clone()
  local larger = nn.Sequential { l, used }      -- with the model itself it is fine
  lu.assertEquals(larger:infer(pl.ones(1, 4)).shape, { 1, 4 })
  same(larger[1].weight, weight)
end

function TestMisuse.test_a_refused_constructor_leaves_its_layers_as_they_were()
  local used = nn.Sequential { nn.Linear(4, 4), nn.Tanh() }
  used:infer(pl.ones(1, 4))
  local l = nn.Linear(4, 4)
  raises("layer 2 (Linear) already belongs to a model", nn.Sequential, { l, used[1] })
  lu.assertEquals(nn.Sequential { l, nn.ReLU() }:infer(pl.ones(2, 4)).shape, { 2, 4 })
end

function TestMisuse.test_descriptions_that_share_what_is_not_there()
  for _, layers in ipairs { { { shared = 2 } }, { { shared = 1 } }, { { shared = 0 } }, { { shared = "x" } },
    { { type = "Tanh" }, { shared = 3 } } } do
    raises("shares a layer that is not there before", nn.from_config, { type = "Sequential", layers = layers })
  end
end

function TestMisuse.test_containers_that_multiply()
  local block = nn.Sequential { nn.Tanh() }
  for _ = 1, 40 do block = nn.Sequential { block, block } end
  lu.assertEquals(block:count(), 0)
  raises("uses its layers more than", block.build, block, { 4 })
  local empty = nn.Sequential {}
  for _ = 1, 40 do empty = nn.Sequential { empty, empty } end
  raises("uses its layers more than", empty.build, empty, { 4 })
  lu.assertEquals(#tostring(block) > 0, true)
  nn.from_config(block:config())
  block:clone()
end

-- Finalizers meet layers of several roots in any order.
function TestMisuse.test_the_collector()
  for i = 1, 200 do
    local l = nn.Linear(3, 3)
    local halves = { nn.Sequential { l, l }, nn.Sequential { nn.Tanh(), l } }
    local model = i % 3 == 0 and nn.Sequential { halves[2], halves[1], halves[2] }
    halves[i % 4] = nil
    if model then model:forward(pl.ones(1, 3)) end
    if i % 5 == 0 then collectgarbage() end
  end
  collectgarbage()
  collectgarbage()
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
