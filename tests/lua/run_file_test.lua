-- Run files: the documented layout, what comes back, and files of older versions.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local runfile = require "perilune.run.file"
local store = core.store
local support = dofile "tests/lua/support_store.lua" "run_file"
local at, raises, fails, same = support.at, support.raises, support.fails, support.same

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
