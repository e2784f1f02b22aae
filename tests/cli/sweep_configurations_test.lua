-- perilune sweep: configurations beside each other. What differs among them besides their arguments (data,
-- epochs), what another command adds meanwhile, and those that are equally good.
local lu = require "luaunit"
local csv = require "perilune.base.csv"
local cli = dofile "tests/cli/support.lua"

cli.write("rows.lua", [[
local pl = require "perilune"
local lr = pl.arg("lr", 0.1)
return pl.experiment { name = "rows", data = pl.data.csv { pl.arg("file", "t.csv"), target = "y" },
  epochs = pl.arg("epochs", 1), batch_size = 10, validation = 0.25, loss = pl.nn.CrossEntropy(),
  model = pl.nn.Sequential { pl.nn.Linear(1, 2) }, optimizer = pl.optim.SGD { lr = lr },
  metrics = { one = function() return 1 end },
  callbacks = { on_start = function()
    if lr == 9 then assert(os.execute(os.getenv "INNER")) end
  end } }
]])

local function table_with(path, first)
  local lines = { "x,y" }
  for i = 1, 40 do lines[#lines + 1] = ("%d,%s"):format(i, i % 2 == first and "p" or "n") end
  cli.write(path, table.concat(lines, "\n") .. "\n")
end
table_with("t.csv", 0)

local function sweep(words, environment) return cli.run("sweep " .. words, environment) end

local function rows_of(folder)
  local list = {}
  for _, row in ipairs(assert(csv.decode(cli.read(cli.folder .. "/" .. folder .. "/sweep.csv")))) do
    list[#list + 1] = row.trial .. " " .. row.state
  end
  table.sort(list)
  return list
end

local other = "t.csv is not the same for all configurations: by an argument, or it changed meanwhile\n"

TestConfigurations = {}

-- A mean over two data sets is of neither.
function TestConfigurations:test_data_that_changed_between_commands()
  table_with("t.csv", 0)
  lu.assertStrContains(sweep("rows.lua lr=0.1,0.2 --out changed --quiet").out, "  best\n")
  table_with("t.csv", 1)
  local r = sweep "rows.lua lr=0.3 --out changed --quiet"
  lu.assertStrContains(r.out, other)
  r = sweep "rows.lua lr=0.1,0.2 --seeds 2 --out changed --quiet"
  lu.assertStrMatches(r.out, ".*\ndata           t.csv changed between trials of a configuration %(lr=0.%d%): none " ..
    "is the best; train all with another %-%-out DIR\n.*")
  for _, word in ipairs { "  best\n", "the best again", "chosen by" } do
    lu.assertNil(r.out:find(word, 1, true), word)
  end
  cli.write("from.lua", 'local s = require "perilune".sweep { script = "rows.lua", out = "changed", ' ..
    "arguments = { lr = { 0.1, 0.2 } } }\nprint(s.best, #s.configurations, s.data_note)")
  lu.assertStrMatches(cli.run("from.lua").out, "nil\t3\tt.csv changed between trials of .*\n")
  table_with("t.csv", 0)
end

-- A data set that is an argument is another for each configuration, and each may be the best.
function TestConfigurations:test_data_by_an_argument()
  table_with("u/t.csv", 1)
  local r = sweep "rows.lua file=t.csv,u/t.csv --seeds 2 --out files --quiet"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, other)
  lu.assertStrContains(r.out, "best")
end

-- The command that ends last writes what both have trained.
function TestConfigurations:test_what_another_command_adds_meanwhile()
  local inner = cli.quote(cli.program) .. " sweep rows.lua lr=0.3 --out both --quiet >.inner"
  local r = sweep("rows.lua lr=9 --out both --quiet", "INNER=" .. cli.quote(inner))
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertEquals(rows_of "both", { "lr=0.3-s1 finished", "lr=9-s1 finished" })
  lu.assertStrContains(r.out, "\n0.3      1")
end

function TestConfigurations:test_halving_compares_after_equal_numbers_of_epochs()
  for _, epochs in ipairs { { 1, 8 }, { 8, 1 } } do
    local r = sweep(("rows.lua epochs=%d,%d lr=0.1,0.3 --halving --out uneven"):format(table.unpack(epochs)))
    lu.assertEquals({ r.err, r.out, r.status }, { ("perilune: sweep: --halving compares configurations of the same " ..
      "number of epochs, not of %d and %d; add --epochs N\n"):format(table.unpack(epochs)), "", 2 })
  end
  lu.assertNil(require "perilune.core".system.kind(cli.folder .. "/uneven"))
  local r = sweep "rows.lua epochs=1,8 --epochs 2 --halving --out uneven"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "rung 1 of 1: 2 configurations to epoch 1; the best 1 by val_error continue\n")
end

-- What a trial reached after the rung, in a command before, is none of it.
function TestConfigurations:test_halving_compares_at_the_epoch_of_the_rung()
  cli.write("later.lua", (cli.read(cli.folder .. "/rows.lua"):gsub("one = function%(%) return 1 end",
    "own = function(ctx) return ctx.epoch == 1 and 10 * lr or 0 end")))
  sweep "later.lua lr=0.2 epochs=2 --select none --quiet --out later"
  local r = sweep "later.lua lr=0.1,0.2 epochs=2 --halving --select own --mode min --quiet --out later"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertEquals(rows_of "later", { "epochs=2,lr=0.1-s1 finished", "epochs=2,lr=0.2-s1 finished" })
end

-- What is shown of a trial, and the time that is left, go by its own number of epochs.
function TestConfigurations:test_each_trial_has_its_number_of_epochs()
  local script, run = require "perilune.script", require "perilune.sweep.run"
  local watch, program = getmetatable(require "perilune.sweep.watch".new {}), script.program
  local tick, seen = watch.tick, {}
  watch.tick = function(_, pool)
    for _, list in ipairs { pool.running, pool.queue } do
      for _, task in ipairs(list) do seen[task.name] = task.epochs or "none" end
    end
  end
  script.program = cli.program
  local file = cli.write("here.lua", (cli.read(cli.folder .. "/rows.lua"):gsub('"t.csv"', ("%q"):format(cli.folder ..
    "/t.csv"))))
  local ok, problem = pcall(function()
    for _, epochs in ipairs { false, 3 } do
      run.run { file = file, arguments = { "epochs=1,2" }, quiet = true, epochs = epochs or nil, out = cli.folder ..
        "/epochs" .. (epochs and 3 or "") }
      lu.assertEquals(seen, { ["epochs=1-s1"] = epochs or 1, ["epochs=2-s1"] = epochs or 2 })
    end
  end)
  watch.tick, script.program = tick, program
  if not ok then error(problem, 0) end
end

function TestConfigurations:test_equals()
  local r = sweep "rows.lua lr=0.1,0.2,0.3 --select one --mode min --out equals --quiet"
  lu.assertStrContains(r.out, "chosen by      one, mean over seeds (the first of 3 equals)\n")
  r = sweep "rows.lua lr=0.1,0.2,0.3 epochs=2 --select one --mode max --halving --out rungs"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "1 stopped here, equal to one that continues: of equals the first\n")
  lu.assertNil(sweep("rows.lua lr=0.1 --out equals1 --quiet").out:find "equals%)")
end

function TestConfigurations:test_the_help_warns_of_metrics_that_look_at_the_test_set()
  lu.assertStrContains(cli.run("sweep --help").out:gsub("%s+", " "), "reads ctx.test is to be called test_...")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
