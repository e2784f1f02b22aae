-- Files: trees, tables of tensors, run files, models; what comes back is equal to the last bit.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local exact = require "perilune.base.lossless_json"
local runfile = require "perilune.run.file"
local nn, store = pl.nn, core.store

local scratch = dofile "tests/lua/support_scratch.lua" "store_lua"
local function at(name) return scratch .. "/" .. name end

local function raises(text, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok, "expected an error with: " .. text)
  lu.assertStrContains(tostring(message), text)
end

local function fails(text, result, message)
  lu.assertNil(result)
  lu.assertStrContains(message, text)
end

-- Equal in value and in kind of number; NaN equals NaN, -0.0 differs from 0.0.
local function same(a, b, path)
  path = path or "value"
  lu.assertEquals(math.type(b) or type(b), math.type(a) or type(a), path)
  if type(a) == "table" then
    for k, v in pairs(a) do same(v, b[k], path .. "." .. tostring(k)) end
    for k in pairs(b) do lu.assertNotNil(a[k], path .. " has gained " .. tostring(k)) end
  elseif type(a) == "userdata" then
    lu.assertEquals(b.dtype, a.dtype, path)
    lu.assertEquals(b.shape, a.shape, path)
    lu.assertEquals(store.sha256(b), store.sha256(a), path)
  elseif a ~= a then
    lu.assertTrue(b ~= b, path)
  elseif type(a) == "number" then
    lu.assertEquals(("%a"):format(b), ("%a"):format(a), path)
  else
    lu.assertEquals(b, a, path)
  end
end

local nan = 0 / 0

TestTree = {}

function TestTree.test_roundtrip()
  local w = assert(store.create(at "tree.h5"))
  w:group("/a", { whole = 1, fraction = 0.1, nothing = nan, text = "grüße", yes = true, least = math.mininteger })
  w:tensor("/a/t", pl.arange(6):reshape(2, 3)):tensor("/a/turned", pl.arange(6):reshape(2, 3):transpose(1, 2))
  w:tensor("u8", pl.tensor({ 0, 255 }, "u8"), 5)
  w:numbers("ints", { 1, 2, math.maxinteger }):numbers("floats", { 1, 0.5 }):numbers("square", { 1, 2, 3, 4 }, "f64",
    { 2, 2 })
  w:numbers("empty", {}):text("script", "return 1\n"):scale("ints", "epoch")
  lu.assertTrue(w:commit())
  raises("already committed", w.commit, w)
  local r = assert(store.open(at "tree.h5"))
  lu.assertEquals(r:list(), { "a", "u8", "ints", "floats", "square", "empty", "script" })
  same({ whole = 1, fraction = 0.1, nothing = nan, text = "grüße", yes = true, least = math.mininteger }, r:attrs "/a")
  lu.assertEquals(r:tensor("a/t"):totable(), { { 1, 2, 3 }, { 4, 5, 6 } })
  lu.assertEquals(r:tensor("a/turned"):totable(), { { 1, 4 }, { 2, 5 }, { 3, 6 } })
  lu.assertEquals(r:tensor("u8").dtype, "u8")
  same({ 1, 2, math.maxinteger }, (r:numbers "ints"))
  same({ 1.0, 0.5 }, (r:numbers "floats"))
  same({ { 1.0, 2.0, 3.0, 4.0 }, { 2, 2 } }, { r:numbers "square" })
  same({ {}, { 0 } }, { r:numbers "empty" })
  lu.assertEquals(r:text "script", "return 1\n")
  lu.assertEquals({ r:info "a" }, { "group" })
  lu.assertEquals({ r:info "square" }, { "f64", { 2, 2 } })
  lu.assertTrue(r:has "a/t")
  lu.assertFalse(r:has "a/u")
  lu.assertEquals(#r:digest(), 64)
  fails("has no 'a/u'", r:tensor "a/u")
  fails("'a' is a group", r:tensor "a")
  fails("expected a text", r:text "ints")
  fails("expected a list of numbers", r:numbers "script")
  fails("does not fit an i32 tensor", r:tensor "ints")
  r:close()
  raises("this file is closed", r.list, r)
  lu.assertTrue(store.verify(at "tree.h5"))
end

function TestTree.test_misuse()
  local w = assert(store.create(at "misuse.h5"))
  raises("expected a number, string or boolean, got a table", w.attr, w, "/", "a", {})
  raises("as a path inside a file", w.group, w, "a//b")
  raises("not saved", function() assert(w:commit()) end)
  w = assert(store.create(at "misuse.h5"))
  raises("item 2 is x, not a number", w.numbers, w, "n", { 1, "x" })
  raises("item 1 is 0.5, not a whole number", w.numbers, w, "n", { 0.5 }, "i64")
  raises("as many places", w.numbers, w, "n", { 1, 2, 3 }, "f64", { 2, 2 })
  raises("argument 'tensor' takes a tensor, got 1", w.tensor, w, "t", 1)
  w:discard()
  lu.assertNil(store.exists(at "misuse.h5"))
  fails("No such file", store.open(at "missing.h5"))
  fails("No such file", assert(store.create(at "no/folder.h5")):commit())
end

function TestTree.test_damage_is_a_message()
  lu.assertTrue(pl.save(at "damage.h5", { x = pl.ones(10) }))
  local bytes = store.read_text(at "damage.h5")
  for _, place in ipairs { 1, 20, 40, 100, 600, #bytes } do
    local bad = bytes:sub(1, place - 1) .. string.char(bytes:byte(place) ~ 4) .. bytes:sub(place + 1)
    lu.assertTrue(store.write_text(at "bad.h5", bad))
    fails("bad.h5", store.verify(at "bad.h5"))
    fails("bad.h5", pl.load(at "bad.h5"))
    fails("bad.h5", nn.load(at "bad.h5"))
  end
  store.write_text(at "bad.h5", "")
  fails("is empty", pl.load(at "bad.h5"))
end

TestFiles = {}

function TestFiles.test_plain_files()
  lu.assertTrue(store.mkdir(at "deep/er"))
  store.remove(at "deep/a.jsonl")
  lu.assertTrue(store.mkdir(at "deep/er"))
  lu.assertTrue(store.write_text(at "deep/b", "one\0two"))
  lu.assertEquals(store.read_text(at "deep/b"), "one\0two")
  lu.assertTrue(store.append(at "deep/a.jsonl", "{}"))
  lu.assertTrue(store.append(at "deep/a.jsonl", "{1}\n"))
  lu.assertEquals(store.read_text(at "deep/a.jsonl"), "{}\n{1}\n")
  lu.assertEquals(store.listdir(at "deep"), { "a.jsonl", "b", "er" })
  lu.assertEquals({ store.exists(at "deep"), store.exists(at "deep/b") }, { "folder", "file" })
  lu.assertNil(store.exists(at "deep/c"))
  fails("b is a file", store.mkdir(at "deep/b/c"))
  lu.assertTrue(store.remove(at "deep/b"))
  lu.assertTrue(store.remove(at "deep/b"))
  lu.assertEquals(store.listdir(at "deep"), { "a.jsonl", "er" })
  fails("cannot list", store.listdir(at "deep/c"))
  fails("cannot make the folder", store.mkdir "/dev/null/x")
  lu.assertEquals(store.sha256("a", "bc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  lu.assertEquals(store.sha256(pl.tensor({ 97, 98, 99 }, "u8")), store.sha256 "abc")
end

TestExact = {}

function TestExact.test_json_keeps_every_bit()
  for i = 1, 2000 do
    local x = core.system.random(1, 8, 0, 0, i) * 10 ^ (i % 40 - 20)
    lu.assertEquals(core.json.decode(core.json.encode { x })[1], x)
  end
end

function TestExact.test_roundtrip()
  local values = {
    0.1 + 0.2, 3, 3.0, -0.0, 1e300, 5e-324, 1 / 0, -1 / 0, nan, 1 << 53, (1 << 53) + 1, -(1 << 53), math.mininteger,
    math.maxinteger,
    "", "text", "12", "nan", "inf", "-inf", "~", "~12", "%41", "0x10", " 7 ", "1e5", "\0\1\255", "grüße", '{"a":1}',
    "[", true, false,
    {}, { 1, 2 }, { 1.0, { x = { "y" } } }, { [1] = 1, [3] = 3 },
    { [0] = "zero", a = 1, ["1"] = "text", [1.5] = 2, [-1] = 3 },
    { [math.mininteger] = 1, ["nan"] = 2 },
  }
  for i, value in ipairs(values) do same(value, exact.decode(exact.encode(value)), "value " .. i) end
  same(values, exact.decode(exact.encode(values)))
  lu.assertEquals(exact.encode { lr = 0.001, steps = 3, name = "x" }, '{"lr":0.001,"name":"x","steps":3}')
end

function TestExact.test_refusals()
  local knot = {}
  knot.inner = { knot }
  raises("ctx.state.inner[1] contains itself", exact.encode, knot, "ctx.state")
  raises("ctx.state.f is a function, which a file cannot keep", exact.encode, { f = print }, "ctx.state")
  raises("ctx.state.t is a userdata", exact.encode, { t = pl.ones(1) }, "ctx.state")
  raises("has a boolean as a key", exact.encode, { [true] = 1 })
  raises("is an object with a metatable", exact.encode, { setmetatable({}, {}) })
  fails("not JSON", exact.decode "{")
end

TestSave = {}

function TestSave.test_roundtrip()
  local t = { weight = pl.arange(0, 1, 0.1), labels = pl.tensor({ 3, -1 }, "i32"), scale = 0.1, n = 7, on = false,
    who = "me",
              layer = { bias = pl.zeros(2, 2), empty = {} } }
  lu.assertTrue(pl.save(at "save.h5", t))
  same(t, pl.load(at "save.h5"))
end

function TestSave.test_misuse()
  raises("got nothing; write pl.save(path, { name = tensor })", pl.save, at "x.h5")
  raises("give each entry a name", pl.save, at "x.h5", { pl.ones(1) })
  raises("'a/b' in the table cannot be a name", pl.save, at "x.h5", { ["a/b"] = pl.ones(1) })
  raises("/f is a function", pl.save, at "x.h5", { f = print })
  raises("'format' is reserved", pl.save, at "x.h5", { format = "mine" })
  raises("'format' is reserved", pl.save, at "x.h5", { format = pl.ones(1) })
  local knot = {}
  knot.knot = knot
  raises("contain themselves", pl.save, at "x.h5", knot)
  raises("has no option 'foriegn'; did you mean 'foreign'?", pl.load, at "x.h5", { foriegn = true })
  lu.assertNil(store.exists(at "x.h5"))
  fails("cannot open", pl.load(at "x.h5"))
  fails("No such file", pl.save(at "nowhere/x.h5", {}))
end

TestRun = {}

local sample_record = dofile "tests/golden/run_v1.lua"

function TestRun.test_roundtrip()
  local record = sample_record()
  lu.assertTrue(runfile.write(at "run.h5", record))
  local again, digest = runfile.read(at "run.h5", { raw = true })
  lu.assertNotNil(again, digest)
  same(record, again)
  lu.assertEquals(#digest, 64)
  lu.assertTrue(store.verify(at "run.h5"))
  lu.assertTrue(runfile.write(at "run2.h5", again))
  lu.assertEquals(select(2, runfile.read(at "run2.h5")), digest)
end

function TestRun.test_layout_is_the_documented_one()
  runfile.write(at "layout.h5", sample_record())
  local r = assert(store.open(at "layout.h5"))
  local root = r:attrs "/"
  lu.assertEquals({ root.format, root.format_version, root.kind, root.created_utc },
    { "perilune-run", 2, "checkpoint", "2020-01-02T03:04:05Z" })
  lu.assertStrContains(root.created_by, "Perilune ")
  lu.assertEquals(r:list "/", { "model", "best", "optimizer", "state", "history", "evaluation", "provenance" })
  lu.assertEquals(r:attrs("/model").parameters, 11)
  lu.assertEquals(r:list "/model/layers/01_conv2d", { "weight", "bias" })
  lu.assertEquals(r:attrs("/model/layers/01_conv2d"), { type = "Conv2d", config = '{"kernel":[5,5]}' })
  lu.assertEquals(r:list "/model/layers/03_residual", { "01_linear" })
  lu.assertEquals(r:attrs("/optimizer/01_conv2d"), { type = "Adam", step = 1234 })
  lu.assertEquals(r:attrs("/state").epoch, 3)
  lu.assertEquals(r:list "/history", { "epoch", "train_loss", "test_error", "correct" })
  lu.assertEquals(r:attrs("/history/epoch"), { CLASS = "DIMENSION_SCALE", NAME = "epoch" })
  lu.assertEquals({ r:info "/evaluation/confusion" }, { "i64", { 2, 2 } })
  lu.assertTrue(r:has "/provenance/script")
end

function TestRun.test_parts_are_optional()
  local record = { kind = "run", created = "x", state = { epoch = 1 }, history = { columns = { "epoch" }, rows = {} } }
  lu.assertTrue(runfile.write(at "parts.h5", record))
  same(record, (runfile.read(at "parts.h5")))
  runfile.write(at "all.h5", sample_record())
  local light = runfile.read(at "all.h5", { tensors = false })
  lu.assertNil(light.layers or light.optimizer or light.best)
  lu.assertEquals(#light.history.rows, 2)
end

function TestRun.test_flat_lists_are_grouped()
  local record = { kind = "model", config = {}, layers = {
    { layer = "01_linear", type = "Linear", name = "weight", tensor = pl.ones(2), trained = true },
    { layer = "01_linear", type = "Linear", name = "bias", tensor = pl.ones(1) } } }
  lu.assertTrue(runfile.write(at "flat.h5", record))
  local layers = runfile.read(at "flat.h5").layers
  lu.assertEquals({ #layers, layers[1].layer, layers[1].tensors[2].name }, { 1, "01_linear", "bias" })
end

function TestRun.test_misuse()
  raises("has no field 'hystory'", runfile.write, at "m.h5", { kind = "run", hystory = {} })
  raises("record.kind: expected 'run'", runfile.write, at "m.h5", { kind = "walk" })
  raises("record.state: expected a table, got a number", runfile.write, at "m.h5", { kind = "run", state = 1 })
  raises("state.user.f is a function", runfile.write, at "m.h5", { kind = "run", state = { user = { f = print } } })
  raises("'a/b' cannot be a name in a file", runfile.write, at "m.h5", { kind = "run", evaluation = { ["a/b"] = 1 } })
  local history = { columns = { "loss" }, rows = { { "x" } } }
  raises("history: row 1, column 'loss' is a string", runfile.write, at "m.h5", { kind = "run", history = history })
  lu.assertNil(store.exists(at "m.h5"))
  pl.save(at "tensors.h5", { x = pl.ones(1) })
  fails("holds no Perilune run", runfile.read(at "tensors.h5"))
  fails("No such file", runfile.write(at "nowhere/run.h5", { kind = "run" }))
  local w = assert(store.create(at "future.h5"))
  w:group("/", { format = "perilune-run", format_version = 3, kind = "run" }):commit()
  fails("format version 3, and this program reads up to 2", runfile.read(at "future.h5"))
end

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

function TestSave.test_a_foreign_file_is_read_but_for_what_cannot_be()
  lu.skipIf(not os.execute "python3 -c 'import h5py' >/dev/null 2>&1", "h5py is not installed")
  local script = at "make.py"
  local file = assert(io.open(script, "w"))
  file:write(([[
import h5py, numpy as np
f = h5py.File('%s', 'w')
f['x'] = np.arange(12, dtype='f4').reshape(4, 3)
f['y'] = np.array([0, 2, 1, 2], 'u8')
f['flags'] = np.array([True, False])
f['names'] = np.array(['a', 'b'], dtype=h5py.string_dtype())
f['table'] = np.zeros(2, dtype=[('a', 'f4'), ('b', 'i4')])
f['link'] = h5py.SoftLink('/group/inner')
f['circle'] = h5py.SoftLink('/')
f['group/inner'] = np.ones(2)
for i in range(3000): f.attrs['a%%d' %% i] = i
many = f.create_group('many')
for i in range(5000): many.create_group('g%%d' %% i)
]]):format(at "foreign.h5"))
  file:close()
  assert(os.execute("python3 " .. script))
  local clock = core.system.clock
  local began = clock()
  local t, skipped = assert(pl.load(at "foreign.h5", { foreign = true }))
  lu.assertTrue(clock() - began < 20)
  lu.assertEquals(t.x:totable()[4], { 9, 10, 11 })
  lu.assertEquals({ t.y.dtype, t.y:totable() }, { "i32", { 0, 2, 1, 2 } })
  lu.assertEquals({ t.flags:totable(), t.link:totable(), t.group.inner:totable() }, { { 1, 0 }, { 1, 1 }, { 1, 1 } })
  lu.assertEquals({ t.a2999, t.circle, t.names, t.table }, { 2999 })
  local count = 0
  for _ in pairs(t.many) do count = count + 1 end
  lu.assertEquals(count, 5000)
  lu.assertStrContains(skipped["/names"], "strings")
  lu.assertStrContains(skipped["/table"], "neither whole numbers")
  local set = pl.data.hdf5 { path = at "foreign.h5", foreign = true }
  lu.assertEquals({ set.train.count, set.train.classes }, { 4, 3 })
  raises("data.hdf5: option 'y': '/table' of", pl.data.hdf5, { path = at "foreign.h5", y = "table", foreign = true })
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

TestGolden = {}

-- Files of every version of the format stay readable for ever.
function TestGolden.test_run_v1()
  local record, message = runfile.read("tests/golden/run_v1.h5", { raw = true })
  lu.assertNotNil(record, message)
  same(sample_record(), record)
  lu.assertTrue(store.verify "tests/golden/run_v1.h5")
end

function TestGolden.test_run_v2()
  local record, message = runfile.read("tests/golden/run_v2.h5", { raw = true })
  lu.assertNotNil(record, message)
  same(dofile "tests/golden/run_v2.lua"(), record)
  lu.assertTrue(store.verify "tests/golden/run_v2.h5")
end

function TestGolden.test_the_same_record_is_the_same_tree()
  runfile.write(at "golden.h5", sample_record())
  local old, new = assert(store.open "tests/golden/run_v1.h5"), assert(store.open(at "golden.h5"))
  local function compare(path)
    local before, now = old:attrs(path), new:attrs(path)
    before.created_by, now.created_by, before.format_version, now.format_version = nil, nil, nil, nil
    same(before, now, path)
    same(old:list(path), new:list(path), path)
    for _, name in ipairs(old:list(path)) do
      local inner = path .. "/" .. name
      same({ old:info(inner) }, { new:info(inner) }, inner)
      if old:info(inner) == "group" then compare(inner) end
    end
  end
  compare ""
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
