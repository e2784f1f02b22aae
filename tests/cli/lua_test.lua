-- The program as a Lua interpreter, and the library as a module of a stock one.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local function expect(out, words, environment)
  local r = cli.run(words, environment)
  lu.assertEquals({ r.out, r.err, r.status }, { out, "", 0 })
end

TestInterpreter = {}

function TestInterpreter:test_code_of_the_command_line()
  expect("2\n", "-e 'print(1 + 1)'")
  expect("a\tb\n", "-e 'x = \"a\"' -e 'print(x, \"b\")'")
  expect("[2, 3]\n", "-e 'io.write(\"[\", table.concat(pl.zeros(2, 3).shape, \", \"), \"]\\n\")'")
end

function TestInterpreter:test_a_script_and_its_arguments()
  cli.write("args.lua", 'print(arg[0], #arg, require "perilune".arg("lr", 0.5), ...)')
  expect("args.lua\t3\t0.25\tone\ttwo words\tlr=0.25\n", "args.lua one 'two words' lr=0.25")
  expect("args.lua\t1\t0.5\t--epochs\n", "-- args.lua --epochs")
end

function TestInterpreter:test_exit_status_of_a_script()
  cli.write("exit.lua", "os.exit(7, true)")
  lu.assertEquals(cli.run("exit.lua").status, 7)
  lu.assertEquals(cli.run("-e 'error \"no\"'").status, 1)
end

function TestInterpreter:test_version_and_help()
  local r = cli.run "version"
  for _, word in ipairs { "Perilune", "processor", "kernels", "threads", "compiler", "Lua", "HDF5" } do
    lu.assertStrContains(r.out, word)
  end
  lu.assertEquals(cli.run("--version").out, r.out)
  local overview = cli.run("help").out
  for _, command in ipairs { "run", "check", "show", "verify", "bench", "data", "version", "help" } do
    lu.assertStrContains(overview, "perilune " .. command)
    local help = cli.run("help " .. command)
    lu.assertStrContains(help.out, "Usage: perilune " .. command)
    lu.assertEquals(help.status, 0)
    lu.assertStrContains(cli.run(command .. " --help").out, "Usage: perilune " .. command)
  end
end

function TestInterpreter:test_colour_only_on_a_terminal()
  cli.write("tiny.lua", (dofile "tests/cli/problem.lua":gsub(", EXTRA", ""):gsub("CALLBACKS", "")))
  local r = cli.run("run tiny.lua --out tiny --epochs 2")
  lu.assertNotStrContains(r.out, "\27")
  lu.assertNotStrContains(r.out, "\r")
  lu.assertStrContains(r.out, "\nepoch  train loss   train acc  val loss  val error  test loss  test error        " ..
    " lr     time  samples/s\n")
  lu.assertEquals(select(2, r.out:gsub("\n    [12]  ", "")), 2)
  r = cli.run("run tiny.lua --out tiny2 --epochs 2 --quiet")
  lu.assertStrMatches(r.out, "test error %d+%.%d%d %% %(%d+ of 40 wrong%)\n")
end

function TestInterpreter:test_no_data_is_read_by_check_and_it_is_quick()
  cli.write("tiny.lua", (dofile "tests/cli/problem.lua":gsub(", EXTRA", ""):gsub("CALLBACKS", "")))
  local r = cli.run "check tiny.lua lr=0.5"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "total")
  lu.assertStrContains(r.out, "Adam { lr = 0.5")
end

TestModule = {}

-- Runs a script in a stock interpreter: its output, and whether it ended well.
local function stock(environment, words)
  local pipe = io.popen(("cd %s && %s LUA_CPATH=%s %s %s 2>&1"):format(cli.quote(cli.folder), environment,
    cli.quote(cli.program:match "^(.*)/" .. "/?.so"), os.getenv "LUA" or "lua5.4", words))
  return pipe:read "a", (pipe:close())
end

function TestModule:test_kernels_that_are_not_there()
  local r = cli.run("help", "PERILUNE_ISA=foo")
  lu.assertEquals(r.status, 1)
  lu.assertStrMatches(r.err, "perilune: PERILUNE_ISA=foo[^\n]*\n")
  if (os.getenv "SANITIZE" or "") ~= "" then return end
  local out, ok = stock("PERILUNE_ISA=foo", "-e 'print(select(2, pcall(require, \"perilune\")))'")
  lu.assertTrue(ok, out)
  lu.assertStrContains(out, "PERILUNE_ISA=foo")
end

function TestModule:test_a_stock_interpreter_trains_the_same()
  if (os.getenv "SANITIZE" or "") ~= "" then lu.skip "the sanitizer's library would have to be loaded first" end
  cli.write("tiny.lua", (dofile "tests/cli/problem.lua":gsub(", EXTRA", ""):gsub("CALLBACKS", "")))
  cli.write("stock.lua", 'local e = dofile "tiny.lua"\nlocal run = e:run { out = "stock", quiet = true, epochs = 2 ' ..
    '}\nprint(run.history.train_loss)')
  local out, ok = stock("", "stock.lua")
  lu.assertTrue(ok, out)
  cli.run "run tiny.lua --out program --quiet --epochs 2"
  local function digest(name) return cli.run("show " .. name).out:match "SHA%-256%s+(%x+)" end
  lu.assertNotNil(digest "stock")
  lu.assertEquals(digest "stock", digest "program")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
