-- perilune compare, perilune runs, pl.compare, pl.sweep and perilune -i RUN, on the runs of two small sweeps.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local csv = require "perilune.base.csv"
local cli = dofile "tests/cli/support.lua"
local claim = require "perilune.stats.claim"
local mcnemar = require "perilune.stats.mcnemar"

local script = [[
local pl = require "perilune"
local width = pl.arg("width", 4)
return pl.experiment { name = "small", data = pl.data.digits { train = 200, test = 100 }, epochs = 4, batch_size = 20,
  validation = 0.25,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.Tanh(), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = pl.arg("lr", 0.1) } }
]]
cli.write("small.lua", script)
cli.write("other.lua", (script:gsub("Tanh", "ReLU"):gsub("  loss = ", "  -- of the logits\n  loss = ")))
assert(cli.run("sweep small.lua lr=0.001,0.3 width=12 --seeds 3 --jobs 2 --out s").status == 0)
assert(cli.run("run other.lua lr=0.3 width=12 --quiet --out o").status == 0)

local function at(name) return cli.folder .. "/" .. name end
local good, bad = "s/lr=0.3,width=12-s%d", "s/lr=0.001,width=12-s%d"

-- The samples that one has right, counted from the models and the data themselves.
local function counted(a, b)
  local test = select(2, pl.data.digits { train = 200, test = 100 }:splits())
  local function right(run)
    local list = {}
    for i = 1, test.count do
      local x, label = test:get(i)
      local y = run.model:infer(x:reshape(1, 28, 28, 1)):totable()[1]
      local best = 1
      for k, value in ipairs(y) do if value > y[best] then best = k end end
      list[i] = best - 1 == label
    end
    return list
  end
  local x, y, first, second, wrong = right(a), right(b), 0, 0, 0
  for i = 1, #x do
    if x[i] and not y[i] then first = first + 1 elseif y[i]
      and not x[i] then second = second + 1 elseif not x[i] then wrong = wrong + 1 end
  end
  return first, second, wrong
end

TestCompare = {}

function TestCompare:test_two_runs()
  local a, b = assert(pl.run(at(good:format(1)))), assert(pl.run(at(bad:format(1))))
  local first, second, wrong = counted(a, b)
  local c = pl.compare(a, b)
  lu.assertEquals({ c.kind, c.first_only, c.second_only, c.both_wrong, c.count },
    { "mcnemar", first, second, wrong, 100 })
  lu.assertEquals(c.p, mcnemar.p_value(first, second))
  lu.assertTrue(c.p < 0.05 and c.claimed)
  lu.assertStrMatches(c.words, "the first is better on this test set: of %d+ test samples .*")
  lu.assertStrMatches(pl.compare(b, a).words, "the second is better on this test set: of %d+ test samples .*")
  local names = {}
  for i, row in ipairs(c.settings) do names[i] = row.name end
  lu.assertEquals(names, { "lr", "optimizer lr" })
  lu.assertEquals(c.settings[1].values, { "0.3", "0.001" })
  local r = cli.run(("compare '%s' '%s'"):format(good:format(1), bad:format(1)))
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "A and B: A is better on this test set: ")
  local json = core.json.decode(cli.run(("compare '%s' '%s' --json"):format(good:format(1), bad:format(1))).out)
  lu.assertEquals(json.groups[2].claim.p, c.p)
end

function TestCompare:test_a_run_and_itself()
  local c = pl.compare(at(good:format(1)), at(good:format(1)))
  lu.assertEquals({ c.p, c.first_only, #c.settings }, { 1.0, 0, 0 })
  lu.assertEquals(c.words, "no difference can be told: both have the same test samples right")
end

function TestCompare:test_groups_of_seeds()
  local function group(form) return { at(form:format(1)), at(form:format(2)), at(form:format(3)) } end
  local c = pl.compare(group(bad), group(good))
  lu.assertEquals({ c.kind, c.seeds }, { "difference", { 3, 3 } })
  lu.assertTrue(c.low > 0 and c.low <= c.difference and c.difference <= c.high)
  lu.assertStrMatches(c.words, "the second has the lower test error, by .* over 3 and 3 seeds; Welch.s t%-test, " ..
    "p = [%d.e-]+%); with fewer than 5 seeds a side, .*")
  lu.assertEquals(pl.compare(group(bad), group(good)).low, c.low)
  c = pl.compare(group(good), { at(good:format(2)), at(good:format(1)), at(good:format(3)) })
  lu.assertStrContains(c.words, "no difference is claimed, as both have the run of seed 1: ")
  c = pl.compare(pl.runs(at "s", "seed<=2"), pl.runs(at "s", "seed=3"))
  lu.assertEquals(c.claimed, false)
  lu.assertStrContains(c.words, "no difference is claimed, as the first are of several settings (lr, optimizer lr): ")
  c = pl.compare(group(good), at(bad:format(1)))
  lu.assertEquals(c.kind, "none")
  local r = cli.run "compare s"
  lu.assertStrContains(r.out, "seeds 1, 2, 3")
  lu.assertStrContains(r.out, "A and B: B has the lower test error")
  lu.assertStrMatches(r.out, ".*test error +[%d.]+ ± [%d.]+ %% +[%d.]+ ± [%d.]+ %%\n.*")
end

function TestCompare:test_lines_of_scripts()
  local r = cli.run(("compare '%s' o"):format(good:format(1)))
  lu.assertStrContains(r.out, "script, B beside A:\n     5 -   model = pl.nn.Sequential { pl.nn.Flatten(), " ..
    "pl.nn.Linear(784, width), pl.nn.Tanh()")
  lu.assertStrContains(r.out, "     6 +   -- of the logits\n")
  lu.assertNil(r.out:find("optimizer = ", 1, true))
end

function TestCompare:test_mistakes()
  local function fails(words, message, status)
    local r = cli.run(words)
    lu.assertEquals({ r.err, r.status }, { "perilune: " .. message .. "\n", status })
  end
  fails("compare o", "compare: two runs or more are needed, such as: perilune compare runs/a-s1 runs/b-s1", 2)
  fails("compare o nowhere", "compare: there is no run nowhere", 1)
  os.execute(("mkdir -p %s"):format(at "empty"))
  fails("compare o empty", "compare: there is no finished run in empty", 1)
  lu.assertErrorMsgContains("the first is a run, its folder or a list of these, got 3", pl.compare, 3, at "o")
  lu.assertErrorMsgContains("the second is an empty list", pl.compare, at "o", {})
  lu.assertErrorMsgContains("pl.compare has no option 'sed'; did you mean 'seed'?", pl.compare, at "o", at "o",
    { sed = 1 })
end

-- How arguments were typed makes no setting; their values do.
function TestCompare:test_arguments_are_values()
  local compare, plotted = require "perilune.stats.compare", require "perilune.plot.runs"
  local function run(words, values)
    return { seed = 1, name = "n", state = {}, arguments = values, identity = { script = "s", arguments = words },
      provenance = { values = values } }
  end
  local runs = { run({ "flag=no", "lr=0.1" }, { lr = 0.1, flag = false, n = 1, sizes = { 1, 2 } }),
    run({ "lr=1e-1" }, { lr = 0.1, flag = false, n = 1.0, sizes = { 1, 2 } }) }
  lu.assertEquals({ #compare.groups(runs), #plotted.families(runs) }, { 1, 1 })
  lu.assertEquals(#compare.settings { { first = runs[1], runs = {} }, { first = runs[2], runs = {} } }, 0)
  runs[3] = run({ "lr=0.1" }, { lr = 0.1, flag = true, n = 1, sizes = { 1, 2 } })
  local groups = compare.groups(runs)
  lu.assertEquals({ #groups, #plotted.families(runs) }, { 2, 2 })
  local settings = compare.settings(groups)
  lu.assertEquals({ #settings, settings[1].name, settings[1].values }, { 1, "flag", { "false", "true" } })
  os.execute(("cp %s %s"):format(at "small.lua", at "typed.lua"))
  assert(cli.run("run typed.lua lr=0.1 --seed 1 --quiet --out y/a").status == 0)
  assert(cli.run("run typed.lua lr=1e-1 width=4 --seed 2 --quiet --out y/b").status == 0)
  lu.assertStrContains(cli.run "compare y".out, "The settings are the same but for the seed.\n")
end

function TestCompare:test_copies_and_metrics()
  os.execute(("cd '%s' && cp -r o copy"):format(cli.folder))
  local r = cli.run "compare o copy"
  lu.assertEquals(r.err, "perilune: compare: copy is o again (seed 1, the same weights); it counts once\n")
  lu.assertStrContains(r.out, "The settings are the same.\n")
  lu.assertStrContains(r.out, "One run; there is nothing to compare it with.\n")
  os.execute(("rm -r '%s'"):format(at "copy"))
  lu.assertStrMatches(cli.run "compare s --metric val_accuracy".out,
    ".*A has the lower val accuracy, by [%d.]+ points.*")
  r = cli.run "compare s --metric val_acuracy"
  lu.assertEquals({ r.err, r.status },
    { "perilune: compare: no run has a 'val_acuracy'; did you mean 'val_accuracy'?\n", 1 })
  local json = cli.run(("compare o '%s' --json"):format(good:format(1))).out
  lu.assertStrContains(json, '"settings":\t[{')
  lu.assertStrContains(cli.run "compare o o --json".out, '"settings":\t[]')
end

-- Runs on different test sets, and runs of older programs, are not tested against each other.
-- What is unfinished counts nowhere, and is not passed over: it may be the worst.
function TestCompare:test_unfinished_runs()
  os.execute(("cd %s && cp -r s u"):format(cli.quote(cli.folder)))
  cli.run "run small.lua lr=0.3 width=12 --seed 4 --pause-after 2 --quiet --out u/paused"
  cli.write("u/lost/failed.txt", "the loss is not a finite number\n")
  local r = cli.run "compare u"
  lu.assertEquals(r.err, "perilune: u/lost: failed before anything was saved: the loss is not a finite number\n")
  lu.assertStrContains(cli.run("runs u state=unfinished --columns path,state").out, "u/paused  unfinished\n")
  cli.write("u/paused/failed.txt", "no room\n")
  lu.assertStrContains(cli.run("runs u state=failed --columns path,state").out, "u/paused  failed\n1 run\n")
  local words = r.out:gsub("%s+", " ")
  lu.assertStrContains(words, "A and B: no difference is claimed, as 1 run in u has no result: the test error of A")
  lu.assertStrContains(words, "; 1 run of B is unfinished and left out.")
  lu.assertStrContains(cli.run("compare u").out:gsub("%s+", " "), "; 1 run of B failed and is left out.")
  lu.assertStrContains(words, "(3 of 4)")
  r = cli.run("compare u/paused " .. good:format(1))
  lu.assertStrContains(r.out, "A and B: nothing can be said: A is unfinished.")
  lu.assertStrContains(pl.compare({ at(good:format(1)), at(good:format(2)) }, { at "u/paused" }).words,
    "nothing can be said: the second is unfinished")
end

function TestCompare:test_what_cannot_be_tested()
  local a, b = assert(pl.run(at "o")), assert(pl.run(at "o"))
  b.test.right = nil
  lu.assertEquals({ claim.mcnemar(a, b) },
    { nil, "one of them does not keep which predictions are right (it was made by an older program)" })
  b = assert(pl.run(at "o"))
  b.identity.data_sha256 = "0 1"
  lu.assertEquals({ claim.mcnemar(a, b) }, { nil, "their test sets differ" })
  b.identity.data_sha256, b.identity.data = a.identity.data_sha256, "the same file by another name"
  lu.assertEquals(claim.mcnemar(a, b).p, 1.0)
  local trained, tested = a.identity.data_sha256:match "^(.*) (%S+)$"
  b.identity.data_sha256 = trained .. " 1"
  lu.assertEquals({ claim.mcnemar(a, b) }, { nil, "their test sets differ" })
  b.identity.data_sha256 = "0 " .. tested
  lu.assertEquals(claim.mcnemar(a, b).p, 1.0)
end

TestRunsCommand = {}

local function rows_of(words)
  local r = cli.run("runs " .. words .. " --csv")
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  return assert(csv.decode(r.out))
end

function TestRunsCommand:test_filters_and_columns()
  lu.assertEquals(#rows_of "s", 6)
  lu.assertEquals(#rows_of "s 'lr>=0.01' state=finished name~SMALL", 3)
  lu.assertEquals(#rows_of "s state=unfinished", 0)
  lu.assertEquals(#rows_of "s seed=2", 2)
  lu.assertEquals(#rows_of "s 'lr>=0.01 state=finished name~SMALL'", 3)      -- in one word, too
  lu.assertEquals(#rows_of "s lr==.3 name!~sm", 0)
  lu.assertEquals(#rows_of "s best_epoch=1", 0)                              -- a name that is known, without a value
  lu.assertEquals(#rows_of "s 'when>2020' 'tags!~mine' 'test_error<=100%'", 6)
  local rows = rows_of "s --columns path,lr,test_error --sort test_error"
  for i = 2, #rows do lu.assertTrue(tonumber(rows[i - 1].test_error) <= tonumber(rows[i].test_error)) end
  lu.assertEquals(pl.run(at(rows[1].path)).test.error, tonumber(rows[1].test_error))
  rows = rows_of "s --columns lr --sort lr --reverse"
  lu.assertEquals({ rows[1].lr, rows[6].lr }, { "0.3", "0.001" })
end

function TestRunsCommand:test_tags()
  lu.assertEquals(cli.run("note o --tag mine").status, 0)
  lu.assertEquals(rows_of("o")[1].tags, "mine")
  lu.assertNil(rows_of("s")[1].tags)
  lu.assertEquals(#rows_of "o tags~mine", 1)
end

-- Numbers as numbers, what is missing last, whichever way.
function TestRunsCommand:test_missing_values_come_last()
  cli.write("third.lua", (script:gsub("pl.nn.CrossEntropy%(%),", "pl.nn.CrossEntropy(), test = false,"):gsub('"small"',
    '"third"')))
  cli.run "run third.lua lr=10 --quiet --out t/third"
  cli.run "run third.lua lr=9 --quiet --out t/nine"
  cli.run "run small.lua lr=0.01 --quiet --out t/small"
  for _, way in ipairs { "", " --reverse" } do
    local rows = rows_of("t --columns name,lr,test_error --sort test_error" .. way)
    lu.assertEquals({ rows[1].name, rows[2].name, rows[2].test_error }, { "small", "third" })
  end
  local rows = rows_of "t --columns lr --sort lr"
  lu.assertEquals({ rows[1].lr, rows[2].lr, rows[3].lr }, { "0.01", "9", "10" })
end

function TestRunsCommand:test_formats()
  local r = cli.run "runs s --columns lr,seed,state --markdown"
  lu.assertStrContains(r.out, "| lr | seed | state |\n|---:|---:|---|\n| 0.001 | 1 | finished |\n")
  lu.assertEquals(core.json.decode(cli.run("runs s seed=3 --json --columns lr,seed").out),
    { { lr = 0.001, seed = 3 }, { lr = 0.3, seed = 3 } })
  lu.assertStrContains(cli.run("runs s").out, "6 runs\n")
  lu.assertEquals(cli.run("runs s 'lr>1' --json").out, "[]\n")
  -- a program that reads lr finds it, whichever runs are left; a name that no run left has is known all the same
  lu.assertEquals(core.json.decode(cli.run("runs s lr=0.3 seed=3 --json").out)[1].lr, 0.3)
  lu.assertEquals(cli.run("runs s 'val_accuracy<0' --columns path,val_accuracy --sort val_accuracy").err, "")
end

function TestRunsCommand:test_mistakes()
  local function fails(words, message)
    local r = cli.run("runs " .. words)
    lu.assertEquals({ r.err, r.out }, { "perilune: " .. message .. "\n", "" })
    lu.assertNotEquals(r.status, 0)
  end
  fails("nowhere", "runs: there is no folder nowhere")
  fails("s 'lrr>1'", "no run has a 'lrr'; did you mean 'lr'?")
  fails("s --sort tst_error", "runs: no run has a 'tst_error'; did you mean 'test_error'?")
  fails("s --columns path,lrr", "runs: no run has a 'lrr'; did you mean 'lr'?")
  fails("s o", "runs: 'o' is a second folder; a condition has one of = != < <= > >= ~ !~ in it")
  fails("s lr=0.3,0.1", "lr=0.3,0.1: 'lr' is a number, and '0.3,0.1' is none")
  fails("o/run.h5", "runs: o/run.h5 is no folder of runs")
  fails("s state=done", "state=done: a state is finished, unfinished or failed, compared with = or !=")
  fails("s --reverse", "runs: --reverse needs --sort NAME")
  fails("s --csv --json", "runs: one of --csv, --json and --markdown is enough")
end

-- What a file from elsewhere holds does not reach the terminal as it is.
function TestRunsCommand:test_escapes_of_a_strange_run()
  local runfile = require "perilune.run.file"
  local record = assert(runfile.read(at "o/run.h5"))
  record.state.identity.name, record.provenance.values.evil = "\27[31mred\27]0;title\7", "\27[2J"
  record.state.identity.script = "-- \27[5mblink\n" .. record.state.identity.script
  os.execute(("mkdir -p %s"):format(at "../strange"))
  assert(runfile.write(at "../strange/run.h5", record))
  for _, words in ipairs { "runs ../strange --columns name,evil", "runs ../strange --markdown",
    "compare ../strange o" } do
    local r = cli.run(words)
    lu.assertEquals(r.status, 0, words)
    lu.assertNil(r.out:find "[\27\7]", words)
  end
  lu.assertStrContains(cli.run("runs ../strange").out, "red")
end

-- Long values are cut where they still differ, and it shows.
function TestRunsCommand:test_long_settings_differ_where_they_are_cut()
  local runfile = require "perilune.run.file"
  local record = assert(runfile.read(at "o/run.h5"))
  for name, value in pairs { a = ("é"):rep(60) .. "here", b = ("é"):rep(60) .. "there" .. ("x"):rep(80) } do
    record.provenance.values.note = value
    os.execute("mkdir -p " .. at("noted/" .. name))
    assert(runfile.write(at("noted/" .. name .. "/run.h5"), record))
  end
  lu.assertStrContains(cli.run("compare noted/a noted/b").out, "note  ..éééé" .. "here  ..éééé" .. "there" ..
    ("x"):rep(47) .. "..\n")
  record.provenance.values.note = nil
  os.execute("mkdir -p " .. at "noted/c")
  assert(runfile.write(at "noted/c/run.h5", record))
  lu.assertStrMatches(cli.run("compare noted/a noted/b noted/c").out,
    ".*\nnote  %.%.éééé" .. "here  %.%.éééé" .. "therex+%.%.  %-\n.*")
end

-- A thousand runs are listed in a moment: by the last line of each log, without a run file. Generous where the machine
-- is shared.
function TestRunsCommand:test_a_thousand_runs()
  local log = cli.read(at "o/log.jsonl"):gsub('"bytes":%d+', '"bytes":' .. #"not read")
  for i = 1, 1000 do
    cli.write(("../compare-many/r%d/log.jsonl"):format(i), log)
    cli.write(("../compare-many/r%d/run.h5"):format(i), "not read")
  end
  local began = os.clock()
  local list = assert(pl.runs(at "../compare-many"))
  for _, run in ipairs(list) do lu.assertEquals(run:value "lr", 0.3) end
  lu.assertEquals(#list, 1000)
  lu.assertTrue(os.clock() - began < 1, os.clock() - began)
end

TestFromLua = {}

function TestFromLua:test_sweep()
  cli.write("s.lua", [[
    local pl = require "perilune"
    local s = pl.sweep { script = "small.lua", arguments = { lr = { 0.001, 0.3 }, width = "12" }, seeds = 2, out = "s" }
    print(s.best.arguments.lr, s.best.arguments.width, #s.best.runs, #s.configurations, #s.runs, s.metric, s.folder)
    local sum = 0
    for _, run in ipairs(s.best.runs) do sum = sum + run:value "val_error" end
    print(math.abs(s.best.val_error.mean - sum / #s.best.runs) < 1e-12, s.best.val_error.n)
    print(pcall(pl.sweep, { script = "small.lua", arguments = { 3 } }))
    print(pcall(pl.sweep, { script = "small.lua", arguments = { lrr = 3 } }))
    print(pcall(pl.sweep, { script = "none.lua" }))
  ]])
  local r = cli.run "s.lua"
  lu.assertEquals(r.err, "")
  lu.assertEquals(r.out, "0.3\t12\t3\t2\t6\tval_error\ts\ntrue\t3\n" ..
    "false\ts.lua:7: pl.sweep: arguments are named, such as arguments = { lr = { 0.01, 0.1 } }\n" ..
    "false\ts.lua:8: small.lua: the script has no argument 'lrr'; did you mean 'lr'?\nfalse\ts.lua:9: sweep: " ..
    "there is no file none.lua\n")
end

function TestFromLua:test_prompt_with_a_run()
  local function prompt(path, line)
    local name = cli.write("line", line .. "\n")
    local pipe = io.popen(("cd %s && XDG_DATA_HOME=%s %s -i '%s' <%s 2>&1"):format(cli.folder, cli.home,
      cli.quote(cli.program), path, name))
    local out = pipe:read "a"
    pipe:close()
    return out
  end
  local out = prompt("o", "print(model:evaluate(dataset.test).error == run.test.error, e.name)")
  lu.assertStrContains(out, "run, model, dataset, e are here\ntrue\tsmall\n")
  cli.write("other.lua", "os.exit(3)")
  out = prompt("o", "print(model:evaluate(pl.data.digits { train = 200, test = 100 }.test).error == " ..
    "run.test.error, dataset)")
  lu.assertStrContains(out, "run, model are here; its data are not here: they were made by other.lua, which is " ..
    "not here as it was\ntrue\tnil\n")
  -- a set of a known name is opened, but not in the place of what a script derived from it
  local runfile = require "perilune.run.file"
  local record = assert(runfile.read(at "o/run.h5"))
  for recipe, names in pairs { [""] = "run, model, dataset are here\n",
    ["standardize()"] = "run, model are here; its data are not here: they were made by other.lua, which" } do
    record.state.identity.data, record.state.identity.recipe = "mnist", recipe
    os.execute("mkdir -p " .. at "derived")
    assert(runfile.write(at "derived/run.h5", record))
    lu.assertStrContains(prompt("derived", "1"), names)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
