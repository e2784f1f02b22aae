-- perilune runs: the numbers in its table, which columns, what a narrow terminal leaves out.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local cli = dofile "tests/cli/support.lua"

-- Runs by the last lines of their logs: { folder, fields } each.
local function logged(runs)
  for name, fields in pairs(runs) do
    fields.epoch, fields.epochs, fields.ended, fields.seed = fields.epoch or 4, 4, "epochs", fields.seed or 1
    fields.name = "tiny"
    cli.write(name .. "/log.jsonl", core.json.encode { summary = fields } .. "\n")
    cli.write(name .. "/run.h5", "not read")
  end
end

TestTable = {}

function TestTable:test_numbers_in_cells()
  logged { ["cells/a"] = { arguments = { warmup_epochs = 0.25, step = 0.5 }, test = { error = 1, loss = 2, r2 = 1 } },
    ["cells/b"] = { arguments = { warmup_epochs = 2, step = 3 }, test = { error = 0.875, loss = 2.5, r2 = 0.5 } } }
  local r = cli.run "runs cells --columns warmup_epochs,step,epoch,test_error,test_loss,test_r2 --markdown"
  lu.assertStrContains(r.out,
    "| 0.25 | 0.5 | 4 | 100.00 % | 2.0000 | 1.0000 |\n| 2 | 3 | 4 | 87.50 % | 2.5000 | 0.5000 |\n")
  local value = require "perilune.terminal.tables".value
  for _, name in ipairs { "epoch", "lr", "samples_per_second", "test_error" } do
    lu.assertEquals({ value(name, math.huge), value(name, 0 / 0) }, { "inf", "-" })
  end
  lu.assertEquals({ value("max_error", 12.5), value("max_error", 0.5) }, { "12.5", "0.5" })      -- as it was returned
  local axis = require "perilune.plot.runs".axis
  lu.assertEquals({ axis "test_error".unit, axis "max_error".unit }, { "percent" })
  lu.assertEquals({ value("epoch", 7.5), value("epoch", 7.0) }, { "7.5", "7" })
end

-- An argument called as a column of the table neither hides it nor stands beside it.
function TestTable:test_arguments_named_like_columns()
  logged { ["named/a"] = { arguments = { path = "iris.csv", seed = 7, name = "x", tags = 1, epochs = 2 } },
    ["named/b"] = { arguments = { path = "wine.csv", seed = 8, name = "y", tags = 2, epochs = 3 } } }
  local r = cli.run "runs named --csv"
  lu.assertStrMatches(r.out, "path,name,epochs,seed,state,epoch,best_epoch,seconds,when\n" ..
    "named/a,tiny,2,1,finished,4,,,\nnamed/b,tiny,3,1,finished,4,,,\n")
  lu.assertEquals(core.json.decode(cli.run("runs named path=named/a --json").out)[1].seed, 1)
end

-- What was asked for is not left out for a long path, which loses its beginning.
function TestTable:test_columns_in_a_narrow_terminal()
  local folder = "narrow/" .. ("a-long-name-"):rep(7)
  logged { [folder .. "1"] = { seconds = 3, test = { error = 0.5 } },
    [folder .. "2"] = { seconds = 2, test = { error = 0.5 } } }
  local list = assert(pl.runs(cli.folder .. "/narrow"))
  local function at_width(width, columns)
    return require "perilune.commands.runs".lines(list, columns, { width = width, paint = function(s) return s end },
      columns ~= nil)
  end
  lu.assertEquals(at_width(60, { "path", "state", "test_error", "seconds" }), {
    "path                             state     test error   time",
    "..ame-a-long-name-a-long-name-1  finished     50.00 %  3.0 s",
    "..ame-a-long-name-a-long-name-2  finished     50.00 %  2.0 s",
    "2 runs",
  })
  lu.assertStrMatches(at_width(80)[1], "path +name +seed +state +epoch +best epoch +test error +time")
  lu.assertStrMatches(cli.run("runs narrow --columns path,seconds --sort time --csv 'time>2'").out,
    "path,seconds\n[^\n]*1,3\n")
end

-- A file that was cut off (a copy that broke off, say) is neither listed nor finished: training again makes it anew.
function TestTable:test_a_file_that_was_cut_off()
  cli.write("cut.lua", [[
local pl = require "perilune"
return pl.experiment { name = "cut", data = pl.data.digits { train = 40, test = 20 }, epochs = 1, batch_size = 20,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = 0.1 } }
]])
  cli.run "sweep cut.lua --out cut"
  local whole = cli.read(cli.folder .. "/cut/s1/run.h5")
  cli.write("cut/s1/run.h5", whole:sub(1, -100))
  local r = cli.run "runs cut"
  lu.assertStrContains(r.out, "\n0 runs\n")
  lu.assertStrContains(r.err, ("cut/s1/run.h5 is damaged: it should have %d bytes and has %d"):format(#whole,
    #whole - 99))
  lu.assertEquals(cli.run("sweep cut.lua --out cut").status, 0)
  lu.assertEquals(cli.read(cli.folder .. "/cut/s1/run.h5"), whole)
  lu.assertStrContains(cli.run("runs cut").out, "finished")
end

-- Of runs of several scripts: their own arguments only, the results of classes and of values, and what a narrow
-- terminal keeps.
function TestTable:test_a_folder_of_several_experiments()
  local function lr(rate) return { lr = rate, train_loss = 1 } end
  logged { ["mixed/a"] = { arguments = { lr = 0.1 }, last = lr(0.001), test = { error = 0.25, loss = 1 }, seconds = 1 },
    ["mixed/b"] = { arguments = { lr = 0.2 }, last = lr(0.002), test = { error = 0.5, loss = 1 } },
    ["mixed/c"] = { arguments = { opt = "x" }, last = lr(0.003), test = { rmse = 2.5, loss = 6 }, val = { loss = 7 } },
    ["mixed/d"] = { arguments = {}, last = lr(0.004), test = { rmse = 1.5, loss = 2 } },
    ["mixed/e"] = { arguments = { opt = "y" }, test = { error = 0.125, loss = 1 } } }
  lu.assertStrMatches(cli.run("runs mixed --csv").out,
    "path,name,seed,state,epoch,best_epoch,val_loss,test_error,test_rmse,seconds,when,lr,opt\n" ..
    "mixed/a,tiny,1,finished,4,,,0.25,,1,,0.1,\n.*mixed/c,tiny,1,finished,4,,7,,2.5,,,,x\n.*")
  lu.assertStrMatches(cli.run("runs mixed 'lr>0.001' --csv --columns path,lr --sort lr").out,
    "path,lr\nmixed/a,0.1\nmixed/b,0.2\n")
  local list = assert(pl.runs(cli.folder .. "/mixed"))
  local lines = require "perilune.commands.runs".lines(list, nil, { width = 60, paint = function(s) return s end })
  lu.assertStrMatches(lines[1], "path +seed +state +val loss +test error")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
