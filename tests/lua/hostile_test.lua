-- What found its way past the checks once, and crashed, hung or read beyond its memory: tables that lie, functions of
-- the script that take away what is in use. The api campaign looks for more.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

TestHostile = {}

local function digits(n) return pl.data.digits { train = n, test = 10 } end
local function classifier(outputs) return nn.Sequential { nn.Flatten(), nn.Linear(784, outputs) } end
local raises = lu.assertErrorMsgContains

function TestHostile:test_numbers_beyond_all_borders()
  local m = math.mininteger
  raises("[-9223372036854775808, -9223372036854775808, -9223372036854775808, -9223372036854775808, " ..
    "-9223372036854775808, -9223372036854775808]",
    pl.zeros, m, m, m, m, m, m)
  raises("-9223372036854775808", pl.zeros(4).reshape, pl.zeros(4), m, m, m, m, m, m)
  raises("-9223372036854775808", pl.zeros(1).expand, pl.zeros(1), m, m, m, m, m, m)
  raises("a limit is a number of bytes", core.system.memory_limit, -1)
end

-- A string has a length, too, and no items.
function TestHostile:test_texts_are_no_lists_of_sizes()
  local recorder = core.formula.eager(1)
  local value = recorder:input(pl.ones(1, 3), false)
  for _, shapes in ipairs { "sizes", { "sizes" }, { { 3 }, "sizes" } } do
    lu.assertFalse((pcall(recorder.result, recorder, value, shapes)))
  end
  recorder:result(value, { { 1 }, { 2 } })
end

function TestHostile:test_lengths_that_lie_are_not_believed()
  local endless = setmetatable({ 2, 2 }, { __len = function() return math.maxinteger end })
  lu.assertEquals(nn.Reshape(endless):infer(pl.zeros(3, 4)).shape, { 3, 2, 2 })
  raises("not a layer", nn.Sequential, setmetatable({ nn.ReLU(), 5 }, { __len = function() return 1 << 62 end }))
  lu.assertNil(core.system.nearest("x", setmetatable({}, { __len = function() return -1 end })))
  raises("no positions given", core.data.digits(10, 1, 1).gather, core.data.digits(10, 1, 1),
    setmetatable({}, { __len = function() return 1 << 62 end }))
end

function TestHostile:test_a_function_in_a_model_may_not_run_that_model()
  local model
  local deep = 0
  local function again(x)
    deep = deep + 1
    return deep == 1 and model:infer(pl.rand(500, 4)):slice(1, 1, x:size(1)) or x
  end
  model = nn.Sequential { nn.Linear(4, 4), nn.Lambda { forward = again }, nn.Linear(4, 4) }
  raises("in the middle of a pass", model.infer, model, pl.rand(3, 4))
  deep = 9
  lu.assertEquals(model:infer(pl.rand(3, 4)).shape, { 3, 4 })
  local other = nn.Sequential { nn.Lambda { forward = function(x) return model:build { 2, 4 } and x end },
    nn.Linear(4, 4) }
  lu.assertEquals(other:infer(pl.rand(3, 4)).shape, { 3, 4 })      -- another model is its own business
end

function TestHostile:test_a_function_in_a_model_may_run_another_in_a_coroutine()
  local other = nn.Sequential { nn.Lambda { forward = function(x) return x + 1 end } }
  local model = nn.Sequential {
    nn.Lambda { forward = function(x)
      local y = coroutine.wrap(function() return other:infer(x) end)()
      collectgarbage()
      return y
    end },
    nn.Lambda { forward = function(x) return x * 2 end },
  }
  for _ = 1, 50 do lu.assertEquals(model:infer(pl.ones(1, 2)):totable(), { { 4, 4 } }) end
end

function TestHostile:test_a_data_set_that_only_a_function_holds_is_kept()
  local model = classifier(10):build { 28, 28, 1 }
  local t = core.trainer.new { model = model, loss = nn.CrossEntropy(), optimizer = pl.optim.Adam():bind(model),
    batch_size = 10,
    data = { read = function() return digits(50).train:read() end } }
  collectgarbage()
  collectgarbage()
  local _, _, samples = t:run(1, 1, 5)
  lu.assertEquals(samples, 50)
end

function TestHostile:test_an_optimizer_that_was_bound_elsewhere_does_not_step()
  local function elsewhere(ctx) ctx.optimizer:bind(nn.Sequential { nn.Linear(2, 2) }:build { 2 }) end
  local function experiment(fields)
    return pl.experiment { name = "bound", epochs = 1, batch_size = 5, data = digits(20), model = fields.model
      or classifier(10), loss = nn.CrossEntropy(),
      optimizer = pl.optim.Adam(), callbacks = fields.callbacks, test = false }
  end
  local e = experiment { callbacks = { on_batch = elsewhere } }
  raises("the optimizer is not bound to this model", e.run, e, { out = false, quiet = true })
  local inside
  inside = experiment { model = nn.Sequential { nn.Lambda { forward = function(x) return x end, backward = function(dy)
    elsewhere { optimizer = inside.optimizer }
    return dy
  end }, nn.Flatten(), nn.Linear(784, 10), nn.Lambda { forward = function(x) return x end, backward = function(dy)
    elsewhere { optimizer = inside.optimizer }
    return dy
  end } } }
  raises("the optimizer is not bound to this model", inside.run, inside, { out = false, quiet = true })
end

function TestHostile:test_labels_beyond_the_outputs_are_refused_in_evaluation()
  local model = classifier(3)
  raises("the model has 3 outputs but the data set has 10 classes", model.evaluate, model, digits(50).train,
    { loss = nn.CrossEntropy() })
end

function TestHostile:test_a_number_of_classes_beyond_reason_is_refused()
  local far = core.data.new(pl.rand(2, 3), pl.tensor({ 0, 2000000000 }, "i32"))
  local model = nn.Sequential { nn.Linear(3, 2) }
  raises("too many classes", model.evaluate, model, far)
  raises("or their number from 1 to 65536", pl.data.idx,
    { train_images = "x", train_labels = "y", labels = 1 << 40 })
end

TestLists = {}

-- A list whose metatable has an item at every index. What a script hands over is read as it lies there.
function TestLists:test_without_an_end_are_read_as_they_are()
  local function endless(item) return setmetatable({}, { __index = function(_, key)
    return math.type(key) == "integer" and item or nil
  end }) end
  local data = pl.data.digits { train = 20, test = 10 }
  local calls = {
    function() pl.arg("lr", 0.1, endless(0.1)) end,
    function() pl.schedule.multi_step { at = endless(2) } end,
    function() pl.augment.compose(endless(pl.augment.noise(0.1))) end,
    function() pl.compare(endless "nowhere", endless "nowhere") end,
    function() pl.sweep { script = "nowhere.lua", arguments = { lr = endless(1) } } end,
    function() pl.figure { kind = "heat", values = endless { 1, 2 } } end,
    function() pl.figure { panels = endless { kind = "lines" } } end,
    function()
      pl.experiment { name = "endless", data = data,
        model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
        loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 10,
        metrics = endless "macro_f1" }
    end,
  }
  for i, call in ipairs(calls) do
    debug.sethook(function() error "it does not end" end, "", 5000000)
    local _, message = pcall(call)
    debug.sethook()
    lu.assertNil(tostring(message):match "it does not end", i)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
