-- perilune show RUN --csv and --json: what other programs read.
local lu = require "luaunit"
local core = require "perilune.core"
local cli = dofile "tests/cli/support.lua"
cli.folder = cli.folder .. "/show_test"
os.execute("mkdir -p " .. cli.quote(cli.folder))

local script = cli.write("small.lua", [[
local pl = require "perilune"
return pl.experiment { name = "small", data = pl.data.digits { train = 60, test = 20 }, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = pl.arg("lr", 0.1) }, epochs = 2, batch_size = 20, validation = 0.2, test = "end",
  metrics = { own = function() return 0 / 0 end, ["a,b"] = function() return 2 end } }]])
assert(cli.run(("run %s -q --out done"):format(script)).status == 0)

TestShow = {}

function TestShow:test_json_holds_history_and_final_results()
  local r = cli.run "show done --json"
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  local run = assert(core.json.decode(r.out))
  lu.assertEquals({ run.name, run.seed, run.ended, run.epoch, run.arguments.lr }, { "small", 1, "epochs", 2, 0.1 })
  lu.assertEquals({ #run.history, run.history[2].epoch, run.history[1].own }, { 2, 2, nil })
  lu.assertEquals(#run.test.confusion, 10)
  lu.assertEquals(run.metrics["a,b"], 2)
  lu.assertEquals(run.test.error, run.test.count == 20 and (20 - run.test.correct) / 20)
end

function TestShow:test_csv_ends_with_the_final_results()
  local r = cli.run "show done --csv"
  local head, first, _, final = r.out:match "^([^\n]+)\n([^\n]+)\n([^\n]+)\n([^\n]+)\n$"
  lu.assertStrMatches(head, 'part,epoch,.*,"a,b",own,test_accuracy,test_error,test_loss,seconds')
  lu.assertStrMatches(first, "history,1,.*,2,,,,,[%d.e-]+")
  lu.assertStrMatches(final, "final,2,6,.*,2,,0%.%d+,0%.%d+,%d%.%d+,[%d.e-]+")
  lu.assertEquals(cli.run("show done --csv --json").status, 2)
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
