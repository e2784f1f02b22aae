-- Trees, plain files, tables of tensors; what comes back is equal to the last bit.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local exact = require "perilune.base.lossless_json"
local nn = pl.nn
local store = core.store
local support = dofile "tests/lua/support_store.lua" "store_lua"
local at, raises, fails, same = support.at, support.raises, support.fails, support.same
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
  same({ whole = 1, fraction = 0.1, nothing = nan, text = "grüße", yes = true,
    least = math.mininteger }, r:attrs "/a")
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
  raises("as many elements", w.numbers, w, "n", { 1, 2, 3 }, "f64", { 2, 2 })
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

-- C would take a name up to its zero byte: for another file, or another entry.
function TestSave.test_zero_bytes()
  assert(pl.save(at "kept.h5", { a = 1 }))
  raises("zero byte", pl.save, at "kept.h5\0evil", { a = 2 })
  raises("zero byte", pl.load, at "kept.h5\0evil")
  raises("zero byte", store.write_text, at "kept.h5\0evil", "")
  raises("zero byte", store.remove, at "kept.h5\0evil")
  lu.assertEquals(pl.load(at "kept.h5").a, 1)
  raises("cannot write /s: a text in a file may not end with a zero byte", pl.save, at "text.h5", { s = "abc\0" })
  raises("cannot write /t/s: a text", pl.save, at "text.h5", { t = { s = "abc\0" } })
  raises("it has a zero byte in it; write it without", function() return pl.nn.Linear(1, 1)["weight\0"] end)
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
  raises("No such file", pl.save, at "nowhere/x.h5", {})
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
for i in range(50): many.create_group('g%%d' %% i)
for n in (2000, 16000):
    g = h5py.File('%s' + str(n), 'w')
    for i in range(n): g.create_group('g%%d' %% i)
]]):format(at "foreign.h5", at "groups.h5"))
  file:close()
  assert(os.execute("python3 " .. script))
  local t, skipped = assert(pl.load(at "foreign.h5", { foreign = true }))
  lu.assertEquals(t.x:totable()[4], { 9, 10, 11 })
  lu.assertEquals({ t.y.dtype, t.y:totable() }, { "i32", { 0, 2, 1, 2 } })
  lu.assertEquals({ t.flags:totable(), t.link:totable(), t.group.inner:totable() }, { { 1, 0 }, { 1, 1 }, { 1, 1 } })
  lu.assertEquals({ t.a2999, t.circle, t.names, t.table }, { 2999 })
  local count = 0
  for _ in pairs(t.many) do count = count + 1 end
  lu.assertEquals(count, 50)
  -- Eight times as many groups take eight times as long, not sixty-four.
  local function seconds(n)
    local began = os.clock()
    assert(pl.load(at "groups.h5" .. n, { foreign = true }))
    return os.clock() - began
  end
  lu.assertTrue(seconds(16000) < 24 * seconds(2000) + 0.1)
  lu.assertStrContains(skipped["/names"], "strings")
  lu.assertStrContains(skipped["/table"], "neither whole numbers")
  local set = pl.data.hdf5 { path = at "foreign.h5", foreign = true }
  lu.assertEquals({ set.train.count, set.train.classes }, { 4, 3 })
  raises("data.hdf5: option 'y': '/table' of", pl.data.hdf5, { path = at "foreign.h5", y = "table", foreign = true })
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
