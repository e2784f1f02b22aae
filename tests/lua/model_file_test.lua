-- Models in files: saved and loaded, restored into models that are there, continued bit for bit.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local exact = require "perilune.base.lossless_json"
local runfile = require "perilune.run.file"
local nn = pl.nn
local store = core.store
local support = dofile "tests/lua/support_store.lua" "model_file"
local at, raises, fails, same = support.at, support.raises, support.fails, support.same

TestModel = {}

local function network()
  return nn.Sequential {
    nn.Conv2d(1, 4, 3, { padding = "same", name = "first" }), nn.BatchNorm(4), nn.ReLU(),
    nn.Residual { nn.Conv2d(4, 4, 3, { padding = "same" }), nn.ReLU() }, nn.Dropout(0.1), nn.Flatten(),
    nn.Linear(8 * 8 * 4, 10),
  }
end

function TestModel.test_save_and_load()
  local model = network()
  local x = pl.randn(5, 8, 8, 1)
  model:build { 8, 8, 1 }
  model:initialize(3)
  model:forward(x)
  lu.assertTrue(model:save(at "model.h5"))
  local again, message = nn.load(at "model.h5")
  lu.assertNotNil(again, message)
  same(model:infer(x), again:infer(x))
  same(model:config(), again:config())
  lu.assertEquals(#again:state(), #model:state())
  local unbuilt = nn.Linear(3, 2)
  lu.assertTrue(unbuilt:save(at "unbuilt.h5"))
  same(unbuilt.weight, nn.load(at "unbuilt.h5").weight)
end

function TestModel.test_errors()
  local linear = nn.Linear(1, 1)
  raises("write model:save('digits.h5')", linear.save, linear)
  runfile.write(at "empty.h5", { kind = "run" })
  fails("holds no model", nn.load(at "empty.h5"))
  fails("No such file", nn.load(at "missing.h5"))
  linear:build { 1 }
  runfile.write(at "loss.h5", { kind = "model", config = linear:config(), input = { 1 }, layers = linear:state(),
    loss = { type = "Nothing" } })
  fails("there is no loss 'Nothing'", nn.load(at "loss.h5"))
end

-- A loaded layer comes from the line that loaded it, not from a file of the library.
function TestModel.test_errors_name_the_script()
  for _, model in ipairs { nn.Linear(3, 2), nn.Sequential { nn.Linear(3, 2) } } do
    assert(model:build { 3 }:save(at "small.h5"))
    local loaded = assert(nn.load(at "small.h5"))
    local message = select(2, pcall(loaded.build, loaded, { 4 }))
    lu.assertStrContains(message, "model_file_test.lua:")
    lu.assertNotStrContains(message, "/model_file.lua:")
  end
end

function TestModel.test_restore_is_all_or_nothing()
  local function layers(...)
    local tensors = {}
    for i, item in ipairs { ... } do tensors[i] = { name = item[1], tensor = item[2] } end
    return { { layer = "01_linear", tensors = tensors } }
  end
  local m = nn.Linear(3, 2)
  local before = store.sha256(m.weight, m.bias)
  fails("01_linear/bias is missing", runfile.restore(m:state(), layers { "weight", pl.ones(3, 2) }))
  fails("01_linear/bias: expected f32 [2], found f32 [3]", runfile.restore(m:state(),
    layers({ "weight", pl.ones(3, 2) }, { "bias", pl.ones(3) })))
  local more = layers({ "weight", pl.ones(3, 2) }, { "bias", pl.ones(2) }, { "more", pl.ones(2) })
  fails("01_linear/more has no place", runfile.restore(m:state(), more))
  lu.assertEquals(store.sha256(m.weight, m.bias), before)
  lu.assertTrue(runfile.restore(m:state(), layers({ "weight", pl.ones(3, 2) }, { "bias", pl.ones(2) })))
  lu.assertEquals(m.weight:totable(), { { 1, 1 }, { 1, 1 }, { 1, 1 } })
end

function TestModel.test_training_goes_on_from_a_file_bit_for_bit()
  local x, y = pl.randn(8, 6), pl.tensor({ 0, 1, 2, 0, 1, 2, 0, 1 }, "i32")
  local loss = nn.CrossEntropy()
  local function train(model, opt, steps)
    for _ = 1, steps do
      local _, grad = loss(model:forward(x), y)
      model:zero_grad()
      model:backward(grad)
      opt:step()
    end
  end
  local function make()
    local model = nn.Sequential { nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3) }
    return model, pl.optim.Adam { lr = 0.1 + 0.2 }:bind(model)
  end
  local model, opt = make()
  train(model, opt, 5)
  assert(runfile.write(at "train.h5", { kind = "checkpoint", config = model:config(), layers = model:state(),
    optimizer = { type = "Adam", config = opt:config(), counters = opt:counters(), layers = opt:state() } }))
  train(model, opt, 5)
  local record = assert(runfile.read(at "train.h5"))
  local again, opt2 = make()
  assert(runfile.restore(again:state(), record.layers))
  assert(runfile.restore(opt2:state(), record.optimizer.layers))
  opt2:set_counters(record.optimizer.counters)
  same(opt:config(), record.optimizer.config)
  train(again, opt2, 5)
  for i, item in ipairs(model:state()) do same(item.tensor, again:state()[i].tensor) end
  for i, item in ipairs(opt:state()) do same(item.tensor, opt2:state()[i].tensor) end
end

-- Sequentials in each other, `depth` of them, each with a layer of its own beside the next.
local function nested(depth)
  local layer = nn.Linear(3, 3)
  for _ = 2, depth do layer = nn.Sequential { layer, nn.Linear(3, 3) } end
  return layer
end

function TestModel.test_deep_nesting()
  local most = 48
  local model = nested(most)
  model:build { 3 }
  local seen = {}
  for _, item in ipairs(model:state()) do
    local key = item.layer .. "." .. item.name
    lu.assertNil(seen[key])
    seen[key] = item.tensor
  end
  lu.assertEquals(#model:state(), 2 * most)
  assert(model:save(at "deep.h5"))
  assert(store.verify(at "deep.h5"))
  local again = assert(nn.load(at "deep.h5"))
  for _, item in ipairs(again:state()) do same(item.tensor, seen[item.layer .. "." .. item.name]) end
  lu.assertEquals(pl.load(at "deep.h5").model.layers["02_linear"].weight:totable(), seen["02_linear.weight"]:totable())
  raises("layers nest deeper than 48", nested, most + 1)
  raises("layers nest deeper than 48", function() return nn.Sequential { nn.Residual(nested(most - 1)) } end)
  lu.assertStrContains(model[1][1][1][1]:label(), "layer 1.1.1.1 (Sequential)")
  local deepest = model
  while #deepest > 0 do deepest = deepest[1] end
  lu.assertStrMatches(deepest:label(), "layer %.%.%.[1.]+ %(Linear%)")
end

function TestModel.test_configurations_have_types_of_json_and_counts_are_those_of_check()
  local model = nn.Sequential { nn.Conv2d(1, 2, 3, { bias = false }), nn.Conv2d(2, 2, 3), nn.BatchNorm(2), nn.Flatten(),
    nn.Linear(32, 3, { bias = false }) }
  model:build { 8, 8, 1 }
  assert(model:save(at "types.h5"))
  local r = assert(store.open(at "types.h5"))
  local attrs = r:attrs "/model"
  lu.assertEquals(attrs.parameters, (model:sizes()))
  lu.assertNotStrContains(attrs.config, '"false"')
  lu.assertNotStrContains(attrs.config, '"true"')
  lu.assertStrContains(attrs.config, '"bias":false')
  lu.assertStrContains(attrs.config, '"bias":true')
  local old = exact.decode((attrs.config:gsub('"bias":(%l+)', '"bias":"%1"', 2)))      -- as older files have it
  lu.assertEquals(core.nn.from_config(old):config(), model:config())
end

function TestModel.test_an_older_identity_is_the_same()
  local identity = require "perilune.run.identity"
  local function of(config)
    return { script = "", arguments = {}, files = {}, held_out = "none", recipe = "", setup = { model = config } }
  end
  lu.assertEquals(identity.differences(of '{"bias":"true","x":"false"}', of '{"bias":true,"x":"false"}'), {})
  lu.assertEquals(#identity.differences(of '{"bias":"false"}', of '{"bias":true}'), 1)
end

local function with_lambda(width)
  local model = nn.Sequential { nn.Linear(4, 3), nn.Lambda { forward = function(x) return x * 2 end,
    backward = function(dy) return dy * 2 end },
    nn.Linear(3, width or 2) }
  model:build { 4 }
  return model
end

function TestModel.test_weights_into_a_model_that_is_there()
  local trained, fresh = with_lambda(), with_lambda()
  trained:initialize(7)
  assert(trained:save(at "lambda.h5"))
  fails("model:load(path)", nn.load(at "lambda.h5"))
  assert(fresh:load(at "lambda.h5"))
  for i, item in ipairs(trained:state()) do same(item.tensor, fresh:state()[i].tensor) end
end

function TestModel.test_a_folder_of_a_run()
  assert(store.mkdir(at "folder"))
  local model = with_lambda()
  fails("folder holds no run", nn.load(at "folder"))
  assert(model:save(at "folder/run.h5"))
  assert(with_lambda():load(at "folder"))
  local plain = nn.Sequential { nn.Linear(2, 2) }
  plain:build { 2 }
  assert(plain:save(at "folder/run.h5"))
  same(assert(nn.load(at "folder"))[1].weight, plain[1].weight)
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
