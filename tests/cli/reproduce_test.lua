-- perilune reproduce: the table of experiments/README.md is that of results.csv; run folders become lines; what is no
-- row's run is refused.
local lu = require "luaunit"
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local cli = dofile "tests/cli/support.lua"
local results = require "perilune.reproduce.results"
local tables = require "perilune.reproduce.table"
local verdict = require "perilune.reproduce.verdict"

local store = core.store
local home = cli.folder .. "/reproduce"
cli.folder = home

TestResults = {}

function TestResults:test_the_table_is_that_of_the_results()
  local readme = cli.read "experiments/README.md"
  lu.assertEquals(tables.replaced(readme, tables.markdown(results.read "experiments", results.peer "experiments")),
    readme,
    "experiments/README.md is not made of results.csv; perilune reproduce --import (without a folder) makes it anew")
end

function TestResults:test_every_line_is_of_a_row()
  local names = {}
  for _, row in ipairs(dofile "experiments/index.lua".rows) do names[row.name] = row end
  for name, lines in pairs(results.read "experiments") do
    lu.assertNotNil(names[name], name)
    local seen = {}
    for _, line in ipairs(lines) do
      lu.assertNil(seen[line.seed], name)
      seen[line.seed] = true
      lu.assertTrue(line.error >= 0 and line.error <= 1)
      lu.assertTrue(line.weights_sha256 == nil or #line.weights_sha256 == 64)
      if names[name].metric ~= "test_error" then lu.assertNotNil(line.metric, name) end
    end
  end
end

function TestResults:test_reading_and_writing_changes_nothing()
  local folder = cli.folder
  assert(store.mkdir(folder))
  assert(results.write(results.read "experiments", folder))
  lu.assertEquals(cli.read(folder .. "/results.csv"), cli.read "experiments/results.csv")
end

function TestResults:test_errors_of_pytorch_stand_beside()
  cli.write("pytorch.csv", "row,seed,error,epochs,seconds,version\nP02,1,0.0683,100,9,2\nP02,2,0.0776,100,9,2\n")
  local text = table.concat(tables.markdown({}, results.peer(home)), "\n")
  lu.assertStrMatches(text, ".*\n| P02 [^\n]*| PyTorch 7.29 %(6.83 to 7.76, 2 seeds%) | |\n.*")
  local ours = {}
  for i, error_ in ipairs { 0.065, 0.0798, 0.0718 } do
    ours[i] = { row = "P02", seed = i, error = error_, epochs = 1, seconds = 1 }
  end
  text = table.concat(tables.markdown({ P02 = ours }, results.peer(home)), "\n")
  -- SciPy: ttest_ind([0.065, 0.0798, 0.0718], [0.0683, 0.0776], equal_var=False)
  lu.assertStrContains(text, "| PyTorch 7.29 (6.83 to 7.76, 2 seeds; p = 0.91) |")
end

-- A mean over seeds gives way when each of them is there.
function TestResults:test_a_mean_and_its_seeds()
  local row = { name = "X", metric = "test_error", error = 0.02 }
  local by_row = { X = { { row = "X", seed = "1-3", error = 0.03 } } }
  local function measure(seed, error_)
    results.put(by_row, { row = "X", seed = seed, error = error_, epochs = 2, seconds = 1 })
  end
  measure(1, 0.010)
  measure(2, 0.020)
  local v = verdict.of(row, by_row.X)
  lu.assertEquals({ v.seeds, v.error.mean, v.whole, v.interval }, { 3, 0.03, false })
  measure(3, 0.030)
  measure(3, 0.024)
  v = verdict.of(row, by_row.X)
  lu.assertEquals({ #by_row.X, v.seeds, v.whole, v.interval, v.verdict }, { 3, 3, true, "inside", "beats" })
  lu.assertAlmostEquals(v.error.mean, 0.018, 1e-12)
end

TestCsv = {}

function TestCsv:test_quotes()
  local rows = { { a = 'x,"y"', b = 0.1 }, { a = "two\nlines" }, { b = 1e-7 } }
  local text = csv.encode({ "a", "b" }, rows)
  lu.assertEquals(text, 'a,b\n"x,""y""",0.1\n"two\nlines",\n,1e-07\n')
  lu.assertEquals(csv.decode(text), { { a = 'x,"y"', b = "0.1" }, { a = "two\nlines" }, { b = "1e-07" } })
  lu.assertEquals({ csv.decode 'a,b\n1\n' }, { nil, "line 2 has 1 cells, and the first line 2" })
  lu.assertEquals({ csv.decode 'a\n"1' }, { nil, "line 2: a quote is not closed" })
end

TestFiles = {}

local heading = "row,seed,metric,error,epochs,seconds,weights_sha256,version,processor\n"

-- What was edited by hand and is no result is said; nothing of the file gets lost.
function TestFiles:test_results_that_are_none()
  local function read(text)
    cli.write("results.csv", text)
    return results.read(home)
  end
  for text, message in pairs {
    [heading .. "P01,abc,,0.1,,,,,\n"] = "result 1 (P01, seed abc): a seed is a whole number",
    [heading .. "P01,5-1,,0.1,,,,,\n"] = "result 1 (P01, seed 5-1): a seed is a whole number",
    [heading .. "P01,1,,0.1,,,,,\nP01,1,,0.2,,,,,\n"] = "result 2 (P01, seed 1): it is there twice",
    [heading .. "P01,1,,,,,,,\n"] = "its error is ''", [heading .. "P01,1,,nan,,,,,\n"] = "its error is 'nan'",
    [heading .. "P01,1,,9.3,,,,,\n"] = "its error is '9.3'", [heading .. "P01,1,x,0.1,,,,,\n"] = "its metric is 'x'",
    [heading .. ",1,,0.1,,,,,\n"] = "there is no row",
    ["P01,1,,0.1,,,,,\n"] = "results.csv: its first line names no column 'row'",
  } do
    lu.assertErrorMsgContains(message, read, text)
  end
  lu.assertEquals({ read "", read(heading) }, { {}, {} })
  local kept = heading .. "P01,1,,0.1,2,,,,\nP77 gone,2,,0.2,2,,,,\n"
  assert(results.write(read(kept), home))
  lu.assertEquals(cli.read(home .. "/results.csv"), kept)
  store.remove(home .. "/results.csv")
end

-- Two experiments with data of their own, short enough to be trained here.
local small = [[
local pl = require "perilune"
local rate = require "common.rate"
return pl.experiment { name = "%s", documented = { error = 0.5, source = "003" },
  data = pl.data.digits { train = 200, test = 50 },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = pl.arg("lr", rate) }, epochs = 2, batch_size = 20, test = "end" }
]]
local index = [[
local function row(id, arguments, seeds)
  return { family = "tiny", document = "003", id = id, name = (id .. " " .. arguments):gsub(" $", ""),
    arguments = arguments, metric = "test_error",
    file = "tiny/" .. id .. ".lua", error = 0.5, seeds = seeds, idea = "one idea" }
end
return { families = { { name = "tiny", document = "003", title = "tiny" } },
  rows = { row("T01", "", 2), row("T01", "lr=0.2", 1), row("T02", "", 1) } }
]]

local function fresh()
  os.execute(("rm -rf %s && mkdir -p %s"):format(home, home))
  cli.write("experiments/index.lua", index)
  cli.write("experiments/README.md", "# Title\n\n| experiment | x |\n|---|---|\n\nafter\n")
  cli.write("experiments/common/rate.lua", "return 0.1\n")
  for _, id in ipairs { "T01", "T02" } do cli.write(("experiments/tiny/%s.lua"):format(id), small:format(id)) end
end

local run = cli.run

TestImport = {}

function TestImport:test_finished_runs_become_lines()
  fresh()
  lu.assertEquals(run("run experiments/tiny/T01.lua --quiet --out a").status, 0)
  lu.assertEquals(run("run experiments/tiny/T01.lua --quiet --seed 2 --out b").status, 0)
  lu.assertEquals(run("run experiments/tiny/T01.lua lr=0.2 --quiet --out c").status, 0)
  local r = run "reproduce --import a b c"
  lu.assertEquals({ r.out, r.err, r.status }, { "3 runs added to experiments/results.csv\n", "", 0 })
  local list = csv.decode(cli.read(home .. "/experiments/results.csv"))
  lu.assertEquals({ list[1].row, list[1].seed, list[2].seed, list[3].row, list[3].seed },
    { "T01", "1", "2", "T01 lr=0.2", "1" })
  local digest = require "perilune.run.file".read(home .. "/a/run.h5", { tensors = false }).state.weights_sha256
  lu.assertEquals(list[1].weights_sha256, digest)
  local readme = cli.read(home .. "/experiments/README.md")
  lu.assertStrMatches(readme, "# Title\n\n| experiment .*\n| T01 `tiny/T01.lua` | 50.00 | [%d.]+ | .* | 2 | 2 | " ..
    ".*\n| T02 `tiny/T02.lua` | 50.00 |[ |]+\n\nafter\n")
  -- trained in a copy that is called otherwise
  os.execute(("cp -r %s %s"):format(cli.quote(home .. "/experiments"), cli.quote(home .. "/copy")))
  lu.assertEquals(run("run copy/tiny/T01.lua --quiet --seed 3 --out d").status, 0)
  lu.assertEquals(run("reproduce --import d").err, "")
  -- a comment is no difference; a number is
  cli.write("experiments/tiny/T01.lua", "-- A comment.\n" .. small:format "T01")
  lu.assertEquals(run("reproduce --import a").status, 0)
  cli.write("experiments/common/rate.lua", "return 0.3\n")
  r = run "reproduce --import a"
  lu.assertEquals({ r.err, r.status }, { "perilune: a: the experiments/common/rate.lua that it loaded is not " ..
    "experiments/common/rate.lua\n", 1 })
end

-- Programs that did not note the rule of validation held out the last rows; their scripts say so in fewer words.
function TestImport:test_runs_of_older_programs()
  local runfile = require "perilune.run.file"
  fresh()
  local function with(rule)
    return (small:format "T02":gsub("epochs = 2,", "epochs = 2, validation = " .. rule .. ","))
  end
  cli.write("experiments/tiny/T02.lua", with '{ fraction = 0.25, order = "last" }')
  lu.assertEquals(run("run experiments/tiny/T02.lua --quiet --out old").status, 0)
  local record = assert(runfile.read(home .. "/old/run.h5"))
  record.state.identity.script = with "0.25"
  assert(runfile.write(home .. "/old/run.h5", record))
  local r = run "reproduce --import old"
  lu.assertEquals(r.err, "perilune: old: its script is not that of experiments/tiny/T02.lua\n")
  record.state.identity.held_out = nil
  assert(runfile.write(home .. "/old/run.h5", record))
  lu.assertEquals(run("reproduce --import old").status, 0)
end

function TestImport:test_what_is_no_run_of_a_row()
  fresh()
  lu.assertEquals(run("run experiments/tiny/T01.lua --quiet --epochs 1 --out short").status, 0)
  lu.assertEquals(run("run experiments/tiny/T01.lua lr=0.7 --quiet --out other").status, 0)
  local r = run "reproduce --import short other"
  lu.assertEquals(r.err, "perilune: short: it ended after 1 of 2 epochs\nperilune: other: no row has the " ..
    "arguments 'lr=0.7'\n")
  lu.assertEquals({ r.status, store.exists(home .. "/experiments/results.csv") }, { 1 })
  r = run "reproduce --import nowhere"
  lu.assertEquals({ r.err, r.status }, { "perilune: reproduce: there is no nowhere\n", 1 })
  r = run "reproduce T03"
  lu.assertEquals({ r.err:match "^perilune: reproduce: there is no row, family or file 'T03'; did you mean 'T0[12]'%?"
    ~= nil, r.status }, { true, 2 })
end

-- The numbers of a line are those of the run: its test error, and what else its row is measured by.
function TestImport:test_the_numbers_of_a_line()
  fresh()
  cli.write("experiments/index.lua", (index:gsub('metric = "test_error",', 'metric = id == "T02" and "own" or ' ..
    '"test_error", also = id == "T01" and "macro_f1" or nil,')))
  cli.write("experiments/tiny/T02.lua", (small:format "T02":gsub("epochs = 2,", "%0 metrics = { own = function(ctx) " ..
    "return ctx.epoch / 8 end },")))
  for _, id in ipairs { "T01", "T02" } do
    lu.assertEquals(run(("run experiments/tiny/%s.lua --quiet --out %s"):format(id, id)).status, 0)
  end
  local r = run "reproduce --import T01 T02"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  local by_row = results.read(home .. "/experiments")
  for id, metric in pairs {
    T01 = function(test) return require "perilune.train.metrics".classification(test.confusion).macro.f1 end,
    T02 = function() return 0.25 end } do
    local test = require "perilune.run.file".read(("%s/%s/run.h5"):format(home, id)).evaluation.test
    local line = by_row[id][1]
    lu.assertEquals({ line.seed, line.error, line.metric, line.epochs }, { 1, test.error, metric(test), 2 })
  end
end

function TestImport:test_runs_of_other_data_or_weights_or_changed_by_hand()
  local runfile = require "perilune.run.file"
  fresh()
  lu.assertEquals(run("run experiments/tiny/T01.lua --quiet --out own").status, 0)
  local name = runfile.read(home .. "/own/run.h5").state.identity.data
  local function change(folder, f)
    local record = assert(runfile.read(home .. "/own/run.h5"))
    f(record.state)
    assert(store.mkdir(home .. "/" .. folder))
    assert(runfile.write(("%s/%s/run.h5"):format(home, folder), record))
  end
  change("data", function(state) state.identity.data = "other" end)
  change("start", function(state) state.identity.start = ("a"):rep(64) end)
  change("edited", function(state) state.edited = "epoch 1: learning rate 0.1 to 0.2" end)
  local r = run "reproduce --import data start edited"
  lu.assertEquals({ r.err, r.status }, { ("perilune: data: its data were other, not %s\nperilune: start: it began " ..
    "from other weights\nperilune: edited: the run was edited by hand\n"):format(name), 1 })
end

function TestImport:test_a_variant_of_a_row()
  fresh()
  cli.write("variant.lua", [[
local pl = require "perilune"
local e = require "perilune.script".experiment("experiments/tiny/T02.lua", {})
e:with { optimizer = pl.optim.SGD { lr = 0.3 } }:run { out = "variant", quiet = true, silent = true }
]])
  lu.assertEquals(run("variant.lua").err, "")
  local r = run "reproduce --import variant"
  lu.assertEquals({ r.err, r.status }, { "perilune: variant: it is a variant of the experiment\n", 1 })
end

-- A checkout below another folder called experiments, whose scripts are called by their whole paths.
function TestImport:test_a_folder_of_that_name_above()
  fresh()
  local inner = home .. "/experiments/checkout"
  os.execute(("mkdir '%s' && cd '%s/experiments' && cp -r index.lua README.md common tiny '%s'"):format(inner, home,
    inner))
  os.execute(("cd '%s' && mkdir experiments && mv index.lua README.md common tiny experiments"):format(inner))
  cli.folder = inner
  local trained = run(("run '%s/experiments/tiny/T02.lua' --quiet --out a"):format(inner))
  local r = run "reproduce --import a"
  cli.folder = home
  lu.assertEquals({ trained.status, r.err, r.status }, { 0, "", 0 })
end

-- The experiments lie beside the program, wherever the link lies by which it is called.
function TestImport:test_a_program_called_by_a_link()
  os.execute(("mkdir -p '%s/bin' '%s/elsewhere'"):format(home, home))
  local pipe = io.popen(("ln -sfn \"$(realpath %s)\" '%s/bin/perilune' && cd '%s/elsewhere' && " ..
    "../bin/perilune reproduce P01 --show 2>&1"):format(cli.quote(cli.program), home, home))
  local out = pipe:read "a"
  pipe:close()
  lu.assertStrContains(out, "P01")
  lu.assertStrContains(out, "rows measured")
end

TestTraining = {}

local function lines_of_results() return csv.decode(cli.read(home .. "/experiments/results.csv")) end

function TestTraining:test_trains_what_is_missing_and_nothing_twice()
  fresh()
  local r = run "reproduce t01 --jobs 2"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "2 of 2 rows measured. ")
  local list = lines_of_results()
  lu.assertEquals({ #list, list[1].row, list[2].seed, list[3].row }, { 3, "T01", "2", "T01 lr=0.2" })
  lu.assertEquals(store.exists(home .. "/runs/reproduce/T01,lr=0.2-s1/run.h5"), "file")
  r = run "reproduce tiny"
  lu.assertEquals({ r.status, #lines_of_results() }, { 0, 4 })
  lu.assertStrMatches(r.out, "1/1  T02%-s1  2 epochs, test error [^\n]+\nrow .*")
  r = run "reproduce tiny"
  lu.assertStrMatches(r.out, "row .*")
  local bare = "{ document = '003', family = 'tiny', id = 'T02', name = 'T02', arguments = '', " ..
    "metric = 'test_error', file = 'tiny/T02.lua', seeds = 1, idea = 'none' }"
  cli.write("experiments/index.lua", (index:gsub('row%("T02", "", 1%)', bare)))
  lu.assertStrMatches(run "reproduce".out, ".*\nT02 +none +%- +[%d.]+ +%- .*")      -- no documented number, no verdict
  -- without results.csv, the run folders still say what was measured
  store.remove(home .. "/experiments/results.csv")
  lu.assertStrContains(run("reproduce").out, "3 of 3 rows measured. ")
  lu.assertNil(store.exists(home .. "/experiments/results.csv"))
end

-- Of a seed whose result nobody recorded, as the process was killed before that.
function TestTraining:test_finished_runs_that_are_in_no_table()
  fresh()
  lu.assertEquals(run("reproduce T02").status, 0)
  store.remove(home .. "/experiments/results.csv")
  local r = run "reproduce T02"
  lu.assertEquals({ r.err, r.status, #lines_of_results() }, { "", 0, 1 })
end

function TestTraining:test_a_run_of_an_older_script_is_trained_again()
  fresh()
  lu.assertEquals(run("reproduce T02").status, 0)
  store.remove(home .. "/experiments/results.csv")
  cli.write("experiments/common/rate.lua", "return 0.2\n")
  local r = run "reproduce T02"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.out:gsub("%s+", " "), "is not experiments/common/rate.lua; --retry trains it again")
  lu.assertEquals(run("reproduce T02 --retry").status, 0)
  lu.assertEquals(#lines_of_results(), 1)
end

function TestTraining:test_figures()
  fresh()
  lu.assertEquals(run("reproduce T02").status, 0)
  for _, words in ipairs { "tiny --figure family.svg", "T02 --figure curves.svg" } do
    local r = run("reproduce --show " .. words)
    lu.assertEquals({ r.err, r.status }, { "", 0 })
    lu.assertStrContains(cli.read(home .. "/" .. words:match "%S+$"), "<svg")
  end
  lu.assertStrContains(cli.read(home .. "/family.svg"), "documented")
  -- what keeps a figure from being written is said before the training
  for name, message in pairs { ["a.xyz"] = "a.xyz: a figure's file ends in .svg, .png or .pdf",
    ["no/a.svg"] = "cannot write no/a.svg: there is no folder no" } do
    local r = run("reproduce T01 --figure " .. name)
    lu.assertEquals({ r.err, r.status > 0, store.exists(home .. "/runs/reproduce/T01-s1") },
      { "perilune: " .. message .. "\n", true })
  end
  lu.assertEquals(run("reproduce T02 --verify --show").status, 2)
  local r = run "reproduce T01 --show --figure curves.svg"
  lu.assertEquals({ r.err, r.status },
    { "perilune: reproduce: no run of these rows lies below runs/reproduce/, so there are no curves to draw\n", 1 })
end

function TestTraining:test_verify()
  fresh()
  lu.assertEquals(run("reproduce T01 --quiet").status, 2)      -- there is no such option
  lu.assertEquals(run("reproduce T01").status, 0)
  local digest = lines_of_results()[1].weights_sha256
  for threads = 1, 2 do
    local r = run(('reproduce T01 --verify --threads %d'):format(threads))
    lu.assertEquals(r.status, 0)
    lu.assertStrContains(r.out, "T01: the same weights, SHA-256 " .. digest)
    lu.assertStrContains(r.out, "T01 lr=0.2: the same weights, SHA-256 ")
  end
  local text = cli.read(home .. "/experiments/results.csv"):gsub(digest, ("0"):rep(64))
  assert(store.write_text(home .. "/experiments/results.csv", text))
  local r = run "reproduce T01 --verify"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.out, ("T01: different: SHA-256 %s was published, now %s"):format(("0"):rep(64), digest))
  r = run "reproduce T02 --verify"
  lu.assertEquals({ r.out, r.status }, { "T02: no digest of seed 1 is published\n", 1 })
  lu.assertEquals(run("reproduce --verify").err,
    "perilune: reproduce: --verify needs a row, such as: perilune reproduce P09 --verify\n")
end

-- Where results cannot be written, as in the share folder of an installed program.
function TestTraining:test_results_that_cannot_be_recorded()
  fresh()
  assert(store.mkdir(home .. "/experiments/results.csv"))
  local r = run "reproduce T02"
  lu.assertEquals(r.status, 0)
  lu.assertStrContains(r.err, "the results are kept in runs/reproduce only: ")
  lu.assertStrContains(r.out, "1 of 1 rows measured. ")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
