-- perilune show RUN --csv and --json: what other programs read.
local lu = require "luaunit"
local core = require "perilune.core"
local cli = dofile "tests/cli/support.lua"

local script = cli.write("small.lua", [[
local pl = require "perilune"
return pl.experiment { name = "small", data = pl.data.digits { train = 60, test = 20 },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = pl.arg("lr", 0.1) }, epochs = 2, batch_size = 20,
  validation = 0.2, test = "end",
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

function TestShow:test_says_what_was_held_out()
  local rule = " +fraction=0.2, shuffled with seed 1, stratified\n"
  lu.assertStrMatches(cli.run "show done".out, ".*val set" .. rule .. ".*")
  lu.assertStrMatches(cli.run("check " .. script).out, ".*validation" .. rule .. ".*")
end

-- Targets are measured by MAE, RMSE and R2; nothing speaks of classes.
function TestShow:test_a_regression()
  cli.write("regression.lua", [[
local pl = require "perilune"
local x = pl.rand({ 60, 3 }, { seed = 1 })
return pl.experiment { name = "sums", epochs = 2, batch_size = 20, validation = 0.2,
  data = pl.data.from_tensors { x = x, y = x:sum(2):reshape(60, 1), test_x = x, test_y = x:sum(2):reshape(60, 1) },
  model = pl.nn.Sequential { pl.nn.Linear(3, 1) }, loss = pl.nn.MSE(), optimizer = pl.optim.SGD { lr = 0.1 } }]])
  local trained = cli.run "run regression.lua --out sums"
  lu.assertEquals(trained.status, 0, trained.err)
  local shown = cli.run "show sums".out
  for _, text in ipairs { trained.out, shown } do
    lu.assertStrMatches(text, ".*[Tt]est[^\n]*RMSE %d[^\n]*MAE %d[^\n]*R2 .*")
    for _, word in ipairs { "wrong", "accuracy", "precision", "onfusion", "error %%? ?%d" } do
      lu.assertNil(text:match(word), word .. "\n" .. text)
    end
  end
  local run = assert(core.json.decode(cli.run("show sums --json").out))
  lu.assertNil(run.test.accuracy or run.test.error or run.test.confusion or run.history[1].train_accuracy)
  lu.assertTrue(run.test.rmse >= run.test.mae and run.history[2].val_r2 <= 1)
end

-- What is said to be typed next is quoted for the shell, and does what it says.
function TestShow:test_suggested_commands_can_be_typed()
  cli.write("it's $HOME/a b.lua", [[
local pl = require "perilune"
return pl.experiment { name = "quoted", data = pl.data.digits { train = 20, test = 10 }, epochs = 1, batch_size = 10,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = 0.1 }, metrics = { [pl.arg("word", "x")] = function() return 1 end } }]])
  local words = [['it'\''s $HOME/a b.lua' 'word=`a` "b"']]
  local r = cli.run(("run %s --out 'of a; b'"):format(words))
  lu.assertEquals(r.status, 0, r.err)
  for _, what in ipairs { "look closer", "another seed" } do
    local command = r.out:match(what .. " +([^\n]+)")
    lu.assertStrContains(command, what == "look closer" and "'of a; b'" or words)
    local pipe = io.popen(("cd %s && XDG_DATA_HOME=%s %s 2>&1"):format(cli.quote(cli.folder), cli.quote(cli.home),
      command))
    local said = pipe:read "a"
    lu.assertTrue(pipe:close(), said)
    lu.assertStrContains(said, "quoted")
  end
end

function TestShow:test_csv_ends_with_the_final_results()
  local r = cli.run "show done --csv"
  local head, first, _, final = r.out:match "^([^\n]+)\n([^\n]+)\n([^\n]+)\n([^\n]+)\n$"
  lu.assertStrMatches(head, 'part,epoch,.*,"a,b",own,test_accuracy,test_error,test_loss,seconds')
  lu.assertStrMatches(first, "history,1,.*,2,,,,,[%d.e-]+")
  lu.assertStrMatches(final, "final,2,6,.*,2,,0%.%d+,0%.%d+,%d%.%d+,[%d.e-]+")
  lu.assertEquals(cli.run("show done --csv --json").status, 2)
end

-- What check accepts as a metric's name comes back from every file.
function TestShow:test_names_of_metrics()
  local names = { "größe", "a.b", " x ", "100%", "%d", 'a"b', "a,b", "it's", "-", "1", "nan", "~", "[1]", ".hidden",
    "a\\b", "日本", ("x"):rep(255), "F1 (own)" }
  local list = {}
  for i, name in ipairs(names) do list[i] = ("[%q] = function() return %d + 0.5 end"):format(name, i) end
  local text = cli.read(script):gsub("own = .- end }",
    function() return table.concat(list, ", ") .. " }" end):gsub('name = "small"', 'name = "names"')
  local file = cli.write("names.lua", text)
  for _, words in ipairs { "check " .. file, ("run %s -q --out names"):format(file) } do
    local r = cli.run(words)
    lu.assertEquals({ r.status, r.err }, { 0, "" })
  end
  local run = assert(core.json.decode(cli.run("show names --json").out))
  local rows = {}
  for line in cli.read(cli.folder .. "/names/log.jsonl"):gmatch "[^\n]+" do
    rows[#rows + 1] = assert(core.json.decode(line))
  end
  local record = assert(require "perilune.run.file".read(cli.folder .. "/names/run.h5", { tensors = false }))
  local csv = require "perilune.base.csv".decode(cli.run("show names --csv").out)
  local history = require "perilune.run.history".new(record.history)
  for i, name in ipairs(names) do
    local value = i + 0.5
    lu.assertEquals({ run.history[1][name], run.metrics[name], rows[2][name], rows[3].summary.metrics[name],
      history[1][name],
      record.evaluation.metrics[name], tonumber(csv[1][name]), tonumber(csv[3][name]) },
      { value, value, value, value, value, value, value, value }, name)
  end
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
