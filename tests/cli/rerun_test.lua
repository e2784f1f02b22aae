-- The script kept in a run's file is run again, and the bits compared.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local problem = dofile "tests/cli/problem.lua"
local system = require "perilune.core".system

local kill = [[on_batch = function(ctx)
  if die == ctx.step then os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end
end]]
local plain = problem:gsub(", EXTRA", ""):gsub("CALLBACKS", kill)

local function run(words, environment)
  local r = cli.run("run " .. words .. " --quiet", environment)
  lu.assertEquals(r.err, "")
  return r
end

TestRerun = {}

function TestRerun:test_the_same_bits_from_the_file_alone()
  local script = cli.write("kept/main.lua", 'local lr = require "rate"\nlocal factor = dofile "kept/factor.lua"\n' ..
    plain:gsub('pl.arg%("lr", 0.01%)',
    'lr * factor * pl.arg("more", 1)'))
  cli.write("kept/rate.lua", "return 0.005")
  cli.write("kept/factor.lua", "return 2")
  run(script .. " more=2 --seed 9 --out made --threads 1")
  os.execute("rm -r " .. cli.folder .. "/kept")
  for _, words in ipairs { "made --threads 2", "made/", "made/run.h5", "made/checkpoint.h5", "made/best.h5" } do
    local r = cli.run(("rerun %s -q"):format(words))
    lu.assertEquals({ r.status, r.err }, { 0, "" })
    lu.assertStrMatches(r.out, "the same bits: %d epochs of history, weights with SHA%-256 %x+\n")
    lu.assertNil(system.kind(cli.folder .. "/made-rerun"))
  end
  local r = cli.run "rerun made --out second"
  lu.assertStrContains(r.out, "the same bits")
  lu.assertStrContains(cli.run("verify second").out, "second/run.h5: whole")
  lu.assertEquals(cli.run("rerun made --epochs 1 -q").out, "the same bits: 1 epoch of history\n")
end

function TestRerun:test_runs_that_did_not_finish()
  local script = cli.write("unfinished.lua", plain)
  for die, expected in pairs { [30] = "%d epochs? of history, weights with SHA.*",
    [25] = "2 epochs of history, weights with SHA.*" } do
    local out = "unfinished-" .. die
    cli.run(("run %s --quiet --out %s%s"):format(script, out, die == 25 and " --checkpoint-every 0" or ""),
      "DIE=" .. die)
    local r = cli.run(("rerun %s/run.h5 -q"):format(out))
    lu.assertEquals(r.err, "")
    lu.assertStrMatches(r.out, "the same bits: " .. expected)
  end
  cli.run(("run %s --quiet --out inside --checkpoint-every 0"):format(script), "DIE=30")
  lu.assertEquals(cli.run("rerun inside/checkpoint.h5 -q").out, "the same bits: 2 epochs of history\n")
  cli.run(("run %s --quiet --out early --checkpoint-every 0"):format(script), "DIE=3")
  lu.assertEquals(cli.run("rerun early/checkpoint.h5 -q").err,
    "perilune: early/checkpoint.h5: no epoch is finished; there is nothing to compare\n")
end

-- Whatever the script makes of the number of epochs, it is that of the first run.
function TestRerun:test_a_schedule_over_all_epochs()
  local script = cli.write("ctx.lua", (plain:gsub("return lr %*", "return (2 - epoch / ctx.epochs) * lr *")))
  run(script .. " --out ctx")
  lu.assertEquals(cli.run("rerun ctx --epochs 1 -q").out, "the same bits: 1 epoch of history\n")
  cli.run(("run %s --quiet --out ctx-killed"):format(script), "DIE=30")
  for _ = 1, 2 do
    lu.assertStrMatches(cli.run("rerun ctx-killed/run.h5 -q --out ctx-again").out,
      "the same bits: %d epochs? of history, weights .*")
  end
end

function TestRerun:test_a_folder_that_holds_a_run_is_not_overwritten()
  local script, other = cli.write("kept.lua", plain), cli.write("other.lua", (plain:gsub("lr %*", "0.5 * lr *")))
  run(script .. " --out kept")
  run(other .. " --out other")
  for folder, what in pairs { other = "a run", kept = "the run itself" } do
    local before = cli.read(("%s/%s/run.h5"):format(cli.folder, folder))
    local r = cli.run(("rerun kept -q --out %s"):format(folder))
    local words = "perilune: %s holds %s already; choose another folder with --out\n"
    lu.assertEquals({ r.status, r.err }, { 1, words:format(folder, what) })
    lu.assertEquals(cli.read(("%s/%s/run.h5"):format(cli.folder, folder)), before)
  end
end

-- Nor is one that is called as a second run would be, or that --keep has kept.
function TestRerun:test_a_folder_of_that_name_is_not_overwritten()
  local script, other = cli.write("name.lua", plain), cli.write("other.lua", (plain:gsub("lr %*", "0.5 * lr *")))
  run(script .. " --out name")
  run(other .. " --out name-rerun")
  local before = cli.read(cli.folder .. "/name-rerun/run.h5")
  lu.assertStrContains(cli.run("rerun name -q --epochs 1 --keep").out, "the same bits")
  lu.assertStrContains(cli.run("rerun name -q").out, "the same bits")
  lu.assertEquals(cli.read(cli.folder .. "/name-rerun/run.h5"), before)
  lu.assertStrContains(cli.run("verify name-rerun-2").out, "whole")
  lu.assertNil(system.kind(cli.folder .. "/name-rerun-3"))
end

function TestRerun:test_an_interrupted_second_run_goes_on()
  run(cli.write("again.lua", plain) .. " --out again")
  lu.assertEquals(cli.run("rerun again -q", "DIE=30").status, 137)
  local r = cli.run "rerun again"
  lu.assertStrMatches(r.out, ".*continuing with epoch [23] of .*")
  lu.assertStrContains(r.out, "the same bits")
  lu.assertNil(system.kind(cli.folder .. "/again-rerun") or system.kind(cli.folder .. "/.again-rerun"))
end

function TestRerun:test_what_differs_is_named()
  local script = cli.write("differs.lua", (plain:gsub("return lr %*",
    "return (epoch == 3 and os.getenv 'RATE' or 1) * lr *")))
  run(script .. " --out differs")
  local r = cli.run("rerun differs -q", "RATE=1.5")
  lu.assertEquals({ r.status, r.err }, { 1, "" })
  lu.assertStrMatches(r.out, "different: epoch 3: lr was 0%.%d+, now 0%.%d+\n  the second run is in differs%-rerun\n")
  lu.assertStrContains(cli.run("verify differs-rerun").out, "whole")
  lu.assertEquals(cli.run("rerun differs -q --epochs 2", "RATE=1.5").status, 0)
  lu.assertStrContains(cli.run("rerun differs -q").out, "the same bits")
end

function TestRerun:test_what_is_known_to_differ_before_training()
  local script = cli.write("data.lua", (plain:gsub("i %* 7 %% 5", "i * 7 %% 5 + tonumber(os.getenv 'MORE' or 0)")))
  run(script .. " --out data")
  local r = cli.run("rerun data -q", "MORE=1")
  lu.assertEquals({ r.status, r.out }, { 1, "" })
  lu.assertEquals(r.err, "perilune: data/run.h5 cannot become the same bits: the contents of data set bars " ..
    "changed; train nevertheless with --force\n")
  r = cli.run("rerun data -q --force", "MORE=1")
  lu.assertEquals(r.status, 1)
  lu.assertStrMatches(r.out, "different: epoch 1: train_loss was .*\n  the contents of data set bars changed\n.*")
  r = cli.run("rerun data -q", "PERILUNE_CONV=direct")
  lu.assertStrContains(r.err, "cannot become the same bits: algorithm: was fused, now fused, convolution direct; " ..
    "train nevertheless with --force")
end

function TestRerun:test_what_cannot_be_run_again()
  lu.assertStrContains(cli.run("rerun nothing.h5").err, "perilune: ")
  lu.assertStrContains(cli.run("rerun .").err, "holds no run: there is neither run.h5 nor checkpoint.h5 in it")
  local lines = plain:gsub("return pl.experiment", "local e = pl.experiment") ..
    'e:run { out = "session", quiet = true }'
  lu.assertEquals(cli.run("-e " .. cli.quote(lines)).err, "")
  lu.assertEquals(cli.run("rerun session").err,
    "perilune: session/run.h5: this run was made in a session; there is no script to run again\n")
end

-- A script that trains by itself is run whole: it would train into the folders of its runs. What it loads while it
-- trains is no reason not to know its runs again.
function TestRerun:test_a_script_that_trains_by_itself()
  local text = plain:gsub("return pl.experiment", "return function(seed) return pl.experiment")
    :gsub("on_batch = function", "on_epoch = function() dofile 'loaded.lua' end, %0") .. " end"
  cli.write("loaded.lua", "return 1")
  cli.write("whole.lua", "for seed = 1, 2 do\n  local e = assert(load(" .. ("%q"):format(text):gsub("\\\n", "\\n") ..
    "))()(seed)\n  e:run { out = 'whole/' .. seed, seed = seed, quiet = true, threads = 1 }\nend\n")
  for _ = 1, 2 do
    local r = cli.run "whole.lua"
    lu.assertEquals({ r.err, r.status }, { "", 0 })
  end
  local before = cli.read(cli.folder .. "/whole/1/run.h5")
  local r = cli.run "rerun whole/1"
  lu.assertEquals({ r.err, r.status }, { "perilune: whole/1/run.h5: its script trains by itself, so nothing but the " ..
    "script as a whole can run it again: perilune whole.lua\n", 1 })
  lu.assertEquals(cli.read(cli.folder .. "/whole/1/run.h5"), before)
end

function TestRerun:test_a_script_of_somebody_else_is_not_run_without_a_word()
  local stranger = "XDG_DATA_HOME=" .. cli.quote(cli.folder .. "/stranger")
  local script = cli.write("trust.lua", plain .. "\n-- \27[2J\n")
  run(script .. " --out trust", stranger)
  local r = cli.run("rerun trust -q", stranger)      -- who trained it may
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  r = cli.run "rerun trust -q"
  lu.assertEquals({ r.status, r.out }, { 1, "" })
  lu.assertStrContains(r.err, "trust/run.h5 keeps the script " .. script)
  lu.assertStrMatches(r.err, ".*%(%d+ lines, SHA%-256 %x+%), which begins\n  | local pl = .*")
  lu.assertStrContains(r.err, "add --trust if you do trust trust/run.h5")
  lu.assertNil(system.kind(cli.folder .. "/trust-rerun"))
  -- the list of what was trained is never taken from where data sets lie
  os.execute(("mkdir -p %s/data && cp %s/stranger/perilune/trained %s/data/trained"):format(cli.folder, cli.folder,
    cli.folder))
  lu.assertEquals(cli.run("rerun trust -q", "PERILUNE_DATA=" .. cli.quote(cli.folder .. "/data")).status, 1)
  r = cli.run "rerun trust -q --trust"
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertStrContains(r.out, "the same bits")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
