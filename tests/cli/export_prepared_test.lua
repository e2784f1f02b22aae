-- perilune export: how the data were prepared goes with the model, and what predicts values decides on no class.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

TestPrepared = {}

-- How the data were prepared stays with a model: in its own file, in copies, and in what it exports.
function TestPrepared:test_the_preparation_stays_with_the_model()
  cli.write("scaled.lua", [[
    local pl = require "perilune"
    local x, y = pl.rand({ 20, 6, 6, 1 }, { seed = 1 }), (pl.arange(0, 19) % 2):to "i32"
    return pl.experiment { name = "scaled", seed = 1, epochs = 1, batch_size = 4, loss = pl.nn.CrossEntropy(),
      data = pl.data.from_tensors { x = x, y = y, labels = { "ev\27en", "odd" } }:standardize():resize(4, 4),
      model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(16, 2) }, optimizer = pl.optim.SGD { lr = 0.01 } }
  ]])
  cli.write("page.lua", [[
    local run = dofile "scaled.lua":run { quiet = true, silent = true, out = "scaled" }
    run.model:export "run.html"
    run.model:export "run.c"
  ]])
  lu.assertEquals(cli.run "page.lua".err, "")
  lu.assertEquals(cli.run "export scaled --html wanted.html --c wanted.c".err, "")
  local wanted = {}
  for _, ending in ipairs { ".html", ".c" } do wanted[ending] = cli.read(cli.folder .. "/wanted" .. ending) end
  lu.assertStrContains(wanted[".html"], '{"resize":[4,4]}')
  lu.assertStrContains(wanted[".c"], "scaling: v = (v - 0.")
  lu.assertStrContains(wanted[".c"], "labels: 0 ev\\x1ben, 1 odd")
  local function check(name)
    for ending, text in pairs(wanted) do lu.assertEquals(cli.read(cli.folder .. "/" .. name .. ending), text, name) end
  end
  check "run"
  local loaded, filled = assert(nn.load(cli.folder .. "/scaled")), nn.Sequential { nn.Flatten(), nn.Linear(16, 2) }
  assert(loaded:save(cli.folder .. "/saved.h5"))
  filled:load(cli.folder .. "/saved.h5")
  for name, model in pairs { loaded = loaded, copied = loaded:clone(), listed = pl.run(cli.folder .. "/scaled").model,
    again = assert(nn.load(cli.folder .. "/saved.h5")), filled = filled } do
    for ending in pairs(wanted) do model:export(cli.folder .. "/" .. name .. ending) end
    check(name)
  end
  lu.assertEquals(cli.run "export saved.h5 --html file.html --c file.c".err, "")
  check "file"
  cli.write("x.npy", "\x93NUMPY\1\0" .. ("<s2"):pack "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 4)}\n"
    .. core.bytes.of(pl.rand({ 3, 4, 4 }, { seed = 2 })))
  local predicted = cli.run "predict saved.h5 x.npy --csv"
  lu.assertEquals({ predicted.err, predicted.out }, { "", cli.run "predict scaled x.npy --csv".out })
  lu.assertStrContains(predicted.out, "p_odd")
end

function TestPrepared:test_a_model_of_no_run_says_so()
  cli.write("alone.lua", [[
    local model = require "perilune".nn.Linear(2, 2):build { 2 }
    model:save "alone.h5"
    model:export "alone.c"
  ]])
  local unknown = " is a model without a run, so that how its data were prepared is not known: values are taken as " ..
    "they are\n"
  lu.assertEquals(cli.run "alone.lua".err, "perilune: export: this" .. unknown)
  lu.assertEquals(cli.run "export alone.h5 --c file.c --onnx file.onnx".err, "perilune: export: alone.h5" .. unknown)
end

-- What predicts values decides on no class.
function TestPrepared:test_a_regression_in_c()
  cli.write("values.lua", [[
    local pl = require "perilune"
    local x = pl.rand(20, 3, { seed = 1 })
    return pl.experiment { name = "values", data = pl.data.from_tensors { x = x, y = x:sum(2):reshape(20, 1) },
      model = pl.nn.Sequential { pl.nn.Linear(3, 1) }, loss = pl.nn.MSE(), optimizer = pl.optim.Adam {}, epochs = 1,
      batch_size = 10 }
  ]])
  lu.assertEquals(cli.run("run values.lua --quiet --out values").status, 0)
  lu.assertEquals(cli.run("export values --c values.c").err, "")
  local text = cli.read(cli.folder .. "/values.c")
  lu.assertStrContains(text, "0: its outputs are values")
  lu.assertNil(text:find("y[0] > 0.5f", 1, true))
  assert(assert(nn.load(cli.folder .. "/values")):save(cli.folder .. "/saved_values.h5"))
  lu.assertEquals(cli.run("export saved_values.h5 --c again.c").err, "")
  lu.assertEquals(cli.read(cli.folder .. "/again.c"), text)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
