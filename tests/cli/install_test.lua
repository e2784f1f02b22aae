-- make install: the example programs in C, compiled through pkg-config against what was installed, predict and train as
-- Lua does; the library exports its own names only. luarocks make: program and module.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local pl = require "perilune"
local core = require "perilune.core"

local prefix = cli.folder .. "/usr"
local build = os.getenv "BUILD" or "build"

local function sh(format, ...)
  local file = cli.folder .. "/said"
  local ok = os.execute(("{ %s; } >%s 2>&1 </dev/null"):format(format:format(...), cli.quote(file)))
  return ok, cli.read(file)
end

local installed
local function install()
  if (os.getenv "SANITIZE" or "") ~= "" then lu.skip "a sanitizer is not linked into programs of others" end
  if installed == nil then
    local ok, said = sh("env -u MAKEFLAGS -u MAKELEVEL make install BUILD=%s PREFIX=%s", build, prefix)
    installed = ok and true or said
  end
  lu.assertEquals(installed, true)
end

local experiment = [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "Small", seed = 1, data = pl.data.digits { train = 500, test = 100 },
  model = nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2 }), nn.BatchNorm(4), nn.ReLU(),
    nn.Residual(nn.Sequential { nn.Conv2d(4, 4, 3, { padding = "same" }), nn.ReLU() }), nn.Flatten(),
    nn.Linear(576, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.003 }, epochs = 1, batch_size = 50 }
]]

local function compile(name, source, compiler)
  local ok, said = sh("%s -Wall -Wextra -Werror %s $(env PKG_CONFIG_PATH=%s/lib/pkgconfig " ..
    "pkg-config --cflags --libs perilune libcjson) -Wl,-rpath,%s/lib -o %s/%s", compiler or "cc -std=c11", source,
    prefix, prefix, cli.folder, name)
  lu.assertTrue(ok, said)
end

TestInstall = {}

function TestInstall:test_the_example_predicts_as_lua_does()
  install()
  compile("predict", prefix .. "/share/perilune/experiments/c/predict.c")
  cli.write("small.lua", experiment)
  lu.assertEquals(cli.run("run small.lua -q --threads 1 --out small").status, 0)
  local x = pl.data.digits({ train = 500, test = 100 }).test:tensors(1, 100)
  local bytes = (x * 255):round():to "u8"
  cli.write("images", core.bytes.of(bytes))
  local model = assert(pl.nn.load(cli.folder .. "/small"))
  assert(model:save(cli.folder .. "/model.h5"))
  local exact = bytes:to "f32" / 255
  local labels, p = model:predict(exact):totable(), model:probabilities(exact):totable()
  local want = {}
  for i, label in ipairs(labels) do want[i] = ("%d %.4f\n"):format(label, p[i][label + 1]) end
  for _, path in ipairs { "small", "small/run.h5", "model.h5" } do
    local ok, said = sh("cd %s && ./predict %s <images", cli.folder, path)
    lu.assertTrue(ok, said)
  end
  os.execute(("cd %s && ./predict small <images >out"):format(cli.folder))
  lu.assertEquals(cli.read(cli.folder .. "/out"), table.concat(want))
  if os.execute "command -v c++ >/dev/null 2>&1" then          -- headers and example are C++ as well
    compile("predict++", prefix .. "/share/perilune/experiments/c/predict.c", "c++ -x c++ -std=c++11 -pedantic")
    os.execute(("cd %s && ./predict++ small <images >out"):format(cli.folder))
    lu.assertEquals(cli.read(cli.folder .. "/out"), table.concat(want))
  end
end

function TestInstall:test_the_example_trains_as_lua_does()
  install()
  compile("train", "experiments/c/train.c")
  cli.write("same.lua", [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "Same", seed = 1, data = pl.data.digits { train = 2000, test = 500, seed = 1 },
  model = nn.Sequential { nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.003 }, epochs = 5, batch_size = 50 }
]])
  lu.assertEquals(cli.run("run same.lua -q --out same").status, 0)
  local want = {}
  for line in io.lines(cli.folder .. "/same/log.jsonl") do
    local function field(name) return tonumber(line:match('"' .. name .. '":([%d.e-]+)')) end
    local epoch, loss, wrong = field "epoch", field "train_loss", field "test_error"
    if loss then want[epoch] = ("epoch %d  loss %.4f  test error %.2f %%\n"):format(epoch, loss, 100 * wrong) end
  end
  local ok, said = sh("cd %s && ./train trained.h5", cli.folder)
  lu.assertTrue(ok, said)
  lu.assertEquals(#want, 5)
  lu.assertEquals(said, table.concat(want))
  local here, there = assert(pl.nn.load(cli.folder .. "/same")), assert(pl.nn.load(cli.folder .. "/trained.h5"))
  for i, item in ipairs(here:state()) do
    local other = there:state()[i]
    lu.assertEquals({ other.layer, other.name, other.tensor:equal(item.tensor) }, { item.layer, item.name, true })
  end
  local x = pl.data.digits({ train = 2000, test = 500, seed = 1 }).test:tensors(1, 20)
  lu.assertTrue(there:probabilities(x):equal(here:probabilities(x)))
end

function TestInstall:test_what_cannot_be_loaded_is_said()
  install()
  compile("predict", "experiments/c/predict.c")
  local model = pl.nn.Sequential { pl.nn.Linear(3, 2) }
  model:build { 3 }
  assert(model:save(cli.folder .. "/whole.h5"))
  local text = cli.read(cli.folder .. "/whole.h5")
  cli.write("damaged.h5", text:sub(1, 900) .. string.char(text:byte(901) ~ 1) .. text:sub(902))
  local lambda = pl.nn.Sequential { pl.nn.Lambda { forward = function(x) return x end } }
  lambda:build { 3 }
  assert(lambda:save(cli.folder .. "/lambda.h5"))
  assert(pl.save(cli.folder .. "/table.h5", { a = pl.zeros(2) }))
  for path, message in pairs { ["damaged.h5"] = "damaged.h5", ["lambda.h5"] = "has a Lambda",
    ["table.h5"] = "table.h5: it holds no Perilune run and no model",
    ["nothing.h5"] = "nothing.h5", ["."] = "holds no run" } do
    local ok, said = sh("cd %s && ./predict %s", cli.folder, path)
    lu.assertNil(ok, path)
    lu.assertStrContains(said, message)
    lu.assertEquals(select(2, said:gsub("\n", "")), 1, said)
  end
end

-- Functions, and the constants and tables that the headers declare; nothing of ours is called otherwise.
function TestInstall:test_names_in_the_library_begin_with_pl()
  install()
  local ok, said = sh("nm -D --defined-only %s/lib/libperilune.so", prefix)
  lu.assertTrue(ok, said)
  local count = 0
  for name in said:gmatch "%x+ %u ([%w_@.]+)\n" do
    lu.assertStrMatches(name, "pl_.*")
    count = count + 1
  end
  lu.assertTrue(count > 100)
  local _, dynamic = sh("objdump -p %s/lib/libperilune.so | grep SONAME", prefix)
  lu.assertStrContains(dynamic, "libperilune.so.0")
end

function TestInstall:test_destdir_is_where_files_go_and_prefix_what_they_say()
  if (os.getenv "SANITIZE" or "") ~= "" then lu.skip "as above" end
  local ok, said = sh("env -u MAKEFLAGS -u MAKELEVEL make install BUILD=%s PREFIX=/opt/p DESTDIR=%s/stage", build,
    cli.folder)
  lu.assertTrue(ok, said)
  lu.assertStrContains(cli.read(cli.folder .. "/stage/opt/p/lib/pkgconfig/perilune.pc"), "prefix=/opt/p\n")
  ok, said = sh("env PKG_CONFIG_PATH=%s/stage/opt/p/lib/pkgconfig pkg-config --variable=libdir perilune", cli.folder)
  lu.assertEquals({ ok, said }, { true, "/opt/p/lib\n" })
  ok, said = sh("env -u MAKEFLAGS -u MAKELEVEL make -n install BUILD=%s PREFIX=near | grep prefix=", build)
  lu.assertTrue(ok, said)
  lu.assertStrContains(said, "prefix=" .. os.getenv "PWD" .. "/near'")       -- other folders find it, too
end

function TestInstall:test_luarocks_makes_program_and_module()
  if not os.execute "command -v luarocks >/dev/null 2>&1" then lu.skip "no luarocks is installed" end
  if (os.getenv "SANITIZE" or "") ~= "" then lu.skip "as above" end
  local tree = cli.folder .. "/rocks"
  local ok, said = sh("env -u MAKEFLAGS -u MAKELEVEL BUILD=%s luarocks --lua-version 5.4 --tree %s make " ..
    "lua/perilune-dev-1.rockspec", build, tree)
  lu.assertTrue(ok, said)
  ok, said = sh("cd %s && rocks/bin/perilune -e 'print(pl.ones(2):sum())'", cli.folder)
  lu.assertEquals({ ok, said }, { true, "2.0\n" })
  ok, said = sh("cd %s && LUA_CPATH='rocks/lib/lua/5.4/?.so' %s -e 'print(require(\"perilune\").ones(3):sum())'",
    cli.folder, os.getenv "LUA" or "lua5.4")
  lu.assertEquals({ ok, said }, { true, "3.0\n" })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
