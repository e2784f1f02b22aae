-- What happens meanwhile: a finalizer, which the collector may run wherever the library asks Lua for memory, and
-- functions of the script that the library calls, change what the call that is under way has in its hands.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

local scratch = dofile "tests/lua/support_scratch.lua" "meanwhile_test"

local raises = lu.assertErrorMsgContains

-- Memory that was freed has other contents soon.
local junk
local function overwrite()
  junk = {}
  for n = 16, 8000, 64 do junk[#junk + 1] = pl.full({ n }, 7) end
end

-- f(), with g() in a finalizer that runs at the n-th place where f asks Lua for memory: the collector is led to where
-- it calls ten finalizers of many at each such place. Gives whether there was such a place, and what f gave.
local function once(n, g, f)
  local left, begun
  local metatable = { __gc = function()
    begun = true
    if not left then return end
    left = left - 1
    if left == 0 then
      g()
      overwrite()
    end
  end }
  collectgarbage()
  for _ = 1, 100 + 10 * n do setmetatable({}, metatable) end
  collectgarbage("incremental", 100, 100, 3)
  while not begun do collectgarbage("step", 0) end
  left = 10 * n
  local result = table.pack(pcall(f))
  local happened = left <= 0
  left = nil
  collectgarbage("incremental", 200, 100, 13)
  junk = nil
  return happened, result
end

-- The same for each of the first 40 such places. make() gives f and g; check(...) judges what f gave.
local function meanwhile(make, check)
  local places = 0
  for n = 1, 40 do
    local f, g = make()
    local happened, result = once(n, g, f)
    check(table.unpack(result, 1, result.n))
    if not happened then break end
    places = n
  end
  lu.assertTrue(places > 0)
end

TestTakenIn = {}

-- Whoever asks a model may find, when a function of the script has been called, that it is part of another by now.
function TestTakenIn:test_a_model_that_its_own_functions_put_into_another()
  local function case(made, ask)
    local m, outer
    m = made(function(result)
      outer = outer or nn.Sequential { m }
      return result
    end)
    raises("became part of another model while it was asked for", ask, m)
    lu.assertEquals(outer:infer(pl.ones(1, 4)).shape, { 1, 4 })
  end
  local data = core.data.new(pl.ones(2, 4), pl.tensor({ 0, 1 }, "i32"))
  local function initialized(take)
    return nn.Sequential { nn.Linear(4, 4, { init = function(s) return take(pl.zeros(s)) end }) }
  end
  local function shaped(take)
    return nn.Sequential { nn.Lambda { forward = function(x) return x end, shape = take } }
  end
  for _, made in ipairs { initialized, shaped } do
    case(made, function(m) m:infer(pl.ones(1, 4)) end)
    case(made, function(m) m:forward(pl.ones(1, 4)) end)
    case(made, function(m) core.trainer.evaluate(m, data, nil, "logits") end)
  end
  case(initialized, function(m) return m[1].weight end)
end

function TestTakenIn:test_a_model_that_a_finalizer_puts_into_another()
  local data, x = core.data.new(pl.ones(2, 4), pl.tensor({ 0, 1 }, "i32")), pl.ones(1, 4)
  for _, ask in ipairs { function(m) return m:infer(x) end, function(m) return m:forward(x) end,
    function(m) return m:activations(x) end, function(m) return core.trainer.evaluate(m, data, nil, "logits") end } do
    meanwhile(function()
      local m = nn.Sequential { nn.Linear(4, 4) }
      return function() return ask(m) end, function() nn.Sequential { m } end
    end, function(ok, why)
      lu.assertTrue(ok or why:find("became part of another model", 1, true) ~= nil
        or why:find("is part of a Sequential", 1, true) ~= nil, why)
    end)
  end
end

TestRecorders = {}

-- A finalizer records so much that the steps move in memory.
local function recorder_with_trap(make)
  return function()
    local recorder = core.formula.eager(1)
    local v = recorder:input(pl.ones(1, 3), false)
    local list = { v }
    return make(recorder, v), function() for _ = 1, 40 do recorder:op("neg", {}, list) end end
  end
end

function TestRecorders:test_a_finalizer_records_while_a_shape_is_asked_for()
  meanwhile(recorder_with_trap(function(recorder, v)
    return function() return recorder:shape(v) end
  end), function(ok, sizes, fixed)
    lu.assertEquals({ ok, sizes, fixed }, { true, { 3 }, false })
  end)
end

function TestRecorders:test_a_finalizer_records_while_an_operation_is_computed()
  meanwhile(recorder_with_trap(function(recorder, v)
    local args, both = {}, { v, v }
    return function() return recorder:tensor(recorder:op("add", args, both)) end
  end), function(ok, y)
    lu.assertTrue(ok, y)
    lu.assertEquals(y:totable(), { { 2, 2, 2 } })
  end)
end

function TestRecorders:test_a_finalizer_records_while_a_gradient_is_taken()
  meanwhile(recorder_with_trap(function(recorder, v)
    local twice = recorder:op("add", {}, { v, v })
    local y = recorder:op("sum", { 0, 0, 0 }, { recorder:op("square", {}, { twice }) })
    return function() return recorder:backward(y) end
  end), function(ok, grads)
    lu.assertTrue(ok, grads)
    lu.assertEquals(grads[1]:totable(), { { 8, 8, 8 } })
  end)
end

-- The formula of a layer is recorded again when its model is built for another shape.
function TestRecorders:test_a_finalizer_rebuilds_the_model_whose_formula_is_listed()
  local Chain = nn.define { name = "Chain", forward = function(_, x)
    for _ = 1, 4 do x = x:tanh() end
    return x * 3
  end }
  meanwhile(function()
    local model = nn.Sequential { Chain() }
    model:build { 3 }
    local layer = model[1]
    return function() return core.formula.steps(layer) end, function() model:build { 5 } end
  end, function(ok, steps)
    lu.assertTrue(ok, steps)
    lu.assertEquals(#steps, 7)
    for i = 2, 5 do lu.assertEquals({ steps[i].kind, steps[i].name, steps[i].inputs }, { "op", "tanh", { i - 1 } }) end
    lu.assertEquals(steps[6].value, 3)
  end)
end

TestClosed = {}

local function close(object) local _ <close> = object end

-- A table whose field `name` is `value`, when `f` has been called.
local function late(fields, name, value, f)
  return setmetatable(fields, { __index = function(_, key)
    if key ~= name then return nil end
    f()
    overwrite()
    return value
  end })
end

local function table_of(text)
  local path = scratch .. "/t.csv"
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return assert(core.readers.csv(path, ",", true, { "" }))
end

function TestClosed:test_a_table_that_is_closed_while_it_is_read()
  local rows = {}
  for i = 1, 200 do rows[i] = ("%d,%s\n"):format(i, i % 2 == 0 and "even" or "odd") end
  local text = "n,kind\n" .. table.concat(rows)
  local file = table_of(text)
  local x, y = file:fill({ late({ role = "number" }, "at", 1, function() close(file) end),
    { role = "label", names = { "even", "odd" } } }, false, 1, nil, true)
  lu.assertTrue(x:equal(pl.arange(1, 200):to("f32"):reshape(200, 1)))
  lu.assertEquals(y:totable()[200], 0)
  raises("this file was closed", file.columns, file)
  meanwhile(function()
    local t = table_of(text)
    return function() return t:columns() end, function() close(t) end
  end, function(ok, columns, n)
    if not ok then return lu.assertStrContains(columns, "this file was closed") end
    lu.assertEquals({ n, columns[1].name, columns[2].text, columns[2].text_line }, { 200, "n", "odd", 2 })
  end)
  meanwhile(function()
    local t = table_of(text)
    return function() return t:categories(2, 9) end, function() close(t) end
  end, function(ok, found)
    if not ok then return lu.assertStrContains(found, "this file was closed") end
    lu.assertEquals(found, { "even", "odd" })
  end)
end

function TestClosed:test_a_stream_that_is_closed_while_it_is_read()
  local path, x = scratch .. "/s.h5", pl.rand(60, 5)
  assert(pl.save(path, { x = x }))
  for _, f in ipairs { core.streams.read, core.streams.dataset } do
    local stream, info = core.streams.hdf5(path, "x")
    local got = f(stream, late({ type = info.type }, "shape", info.shape, function() close(stream) end))
    lu.assertTrue((f == core.streams.read and got or got:range(1, 60)):equal(x))
    raises("this stream was closed", core.streams.read, stream, info)
  end
end

TestTexts = {}

function TestTexts:test_the_arguments_of_a_program_are_read_as_they_lie_there()
  local words = setmetatable({}, { __len = function() return 3 end, __index = function(_, i)
    collectgarbage()
    return i == 1 and "sh" or i == 2 and "-c" or "exit 5"
  end })
  raises("a program and its arguments are expected", core.process.spawn, words)
  local pid = assert(core.process.spawn(setmetatable({ "sh", "-c", "exit 6" }, { __len = function() return 1 end })))
  lu.assertEquals(core.process.wait(pid, true), 6)
end

-- Numbers become texts where they are read; and the list may lose its texts while the next column is looked at.
function TestTexts:test_the_names_of_categories_are_kept()
  for _, tag in ipairs { "", "x" } do
    local names = {}
    for i = 1, 9 do names[i] = tag == "" and 47110 + i or tag .. (47110 + i) end
    local file = table_of(("kind,n\n%s%d,1\n%s%d,2\n"):format(tag, 47110 + 3, tag, 47110 + 9))
    local x, y = file:fill({ { role = "label", names = names }, late({ role = "number" }, "at", 1, function()
      for i = 1, 9 do names[i] = nil end
      collectgarbage()
      for i = 1, 2000 do names[i] = ("%05d"):format(i) end
    end) }, false, 1, nil, true)
    lu.assertNotNil(x, y)
    lu.assertEquals(y:totable(), { 2, 8 })
  end
end

function TestTexts:test_the_members_of_an_archive_are_kept()
  local folder = scratch .. "/archives"
  assert(core.store.mkdir(folder .. "/out"))
  lu.skipIf(not core.data.unpack(), "no library that unpacks")
  lu.skipIf(not os.execute(("python3 tests/lua/make_archives.py '%s' 2>/dev/null"):format(folder)), "needs python3")
  local members, told = {}, 0
  for i, letter in ipairs { "a", "b" } do members[i] = "in/" .. letter .. ".bin" end
  lu.assertEquals({ core.data.unpack(folder .. "/good.tar.gz", folder .. "/out", function()
    told = told + 1
    members[1], members[2] = nil, nil
    collectgarbage()
    for i = 3, 2000 do members[i] = ("out/%d.gone"):format(i) end
  end, members, 100000) }, { true })
  lu.assertTrue(told > 0)
  lu.assertEquals(core.store.listdir(folder .. "/out"), { "a.bin", "b.bin" })
end

TestVerify = {}

function TestVerify:test_samples_have_the_shape_that_was_built()
  local model = nn.Sequential { nn.Linear(64, 4) }
  raises("has not seen the shape of its input", core.formula.verify, model, pl.ones(2, 64))
  model:build { 64 }
  core.formula.verify(model, pl.randn(3, 64))
  for _, x in ipairs { pl.randn(3, 2), pl.randn(3), pl.randn(3, 64, 1), pl.tensor(1), pl.zeros(0, 64) } do
    raises("the model was built for batches [N, 64], got", core.formula.verify, model, x)
  end
end

TestTrainers = {}

-- What a trainer calls while it runs may not load another batch over the one that is trained on.
function TestTrainers:test_a_trainer_is_not_asked_while_it_runs()
  local model = nn.Sequential { nn.Linear(4, 3) }:build { 4 }
  local trainer, ask
  local function loss(y)
    if ask then ask() end
    return y:sum(), pl.ones(y.shape)
  end
  trainer = core.trainer.new { model = model, loss = loss, optimizer = pl.optim.SGD { lr = 0.1 }:bind(model),
    data = core.data.new(pl.rand(8, 4), pl.rand(8, 3)), batch_size = 4, outputs = "values" }
  local x, y = trainer:batch(1, 1)
  for _, f in ipairs { function() trainer:batch(1, 2) end, function() trainer:run(1, 1, 1) end,
    function() trainer:step(x, y) end } do
    ask = f
    raises("the trainer is at work", trainer.run, trainer, 1, 1, 2)
    raises("the trainer is at work", trainer.step, trainer, x, y)
  end
  ask = nil
  lu.assertEquals(select(4, trainer:run(1, 1, 2)), 2)
  lu.assertEquals(select(4, trainer:step(trainer:batch(1, 1))), 1)
end

function TestTrainers:test_a_finalizer_asks_for_another_batch()
  local model = nn.Sequential { nn.Linear(4, 1) }:build { 4 }
  local rows = pl.rand(64, 1)
  local trainer = core.trainer.new { model = model, loss = nn.MSE(), optimizer = pl.optim.SGD { lr = 0.1 }:bind(model),
    data = core.data.new(rows * pl.ones(1, 4), rows), batch_size = 8 }
  local wanted = trainer:batch(1, 1)
  meanwhile(function()
    return function() return trainer:batch(1, 1) end, function() trainer:batch(2, 3) end
  end, function(ok, x, y)
    lu.assertTrue(ok, x)
    lu.assertTrue(x:equal(wanted))
    lu.assertTrue(y:equal(wanted:slice(2, 1, 1)))
  end)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
