-- Saves that fail, or are the last thing a process does: what is said, the exit status, and what the same command makes
-- of it.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local plain = cli.program
local faulty = plain:gsub("[^/]*$", "campaigns/perilune")
local script = os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua"

local function run(out, options, environment)
  cli.program = environment and faulty or plain
  return cli.run(("run %s --epochs 2 --out %s %s"):format(cli.quote(script), out, options or ""),
    "XDG_DATA_HOME= HOME= " .. (environment or ""))      -- nothing is noted there: each training makes the same system
                                                         -- calls
end

run("before", "--quiet")      -- the first training makes the file in which trainings are noted: calls that the others
                              -- do not have
run("recorded", "--quiet", "CAMPAIGN_RECORD=calls")
local calls = dofile "tests/campaigns/recorded_calls.lua"(cli.read(cli.folder .. "/calls"))

-- The number of the last (or first) call of that kind whose path ends so (a pattern).
local function number_of(kind, path, first)
  local found
  for i, call in ipairs(calls) do
    if call.kind == kind and (call.path or ""):find(path .. "$") then
      found = i
      if first then break end
    end
  end
  return found
end

local function files(out)
  local list = {}
  for _, name in ipairs { "run.h5", "best.h5" } do
    list[name] = assert(cli.run(("show %s/%s"):format(out, name)).out:match "SHA%-256 (%x+)", name)
  end
  list.log = cli.read(cli.folder .. "/" .. out .. "/log.jsonl"):gsub('"seconds":[^,}]*', ""):gsub('"created":"[^"]*"',
    "")
  return list
end

local whole = files "recorded"

TestSaveFails = {}

function TestSaveFails:test_a_disk_that_stays_full_is_said_so_even_if_quiet()
  local r = run("full", "--quiet", "'CAMPAIGN_FAULT=40 100000 ENOSPC'")
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.err, "perilune: warning: could not save: ")
  lu.assertStrContains(r.err, "No space left on device; training continues")
  lu.assertStrContains(r.err, "perilune: the end of this run is not in full: ")
  lu.assertEquals(run("full", "--quiet").status, 0)
  lu.assertEquals(files "full", whole)
end

function TestSaveFails:test_a_log_that_cannot_be_written_is_said_so_and_mended()
  local r = run("log", "", ("'CAMPAIGN_FAULT=%d 1 EIO'"):format(number_of("open", "log%.jsonl%.[%x-]+%.tmp", true)))
  lu.assertEquals(r.status, 0)
  lu.assertStrContains(r.out, "warning: could not save: ")
  lu.assertStrContains(r.out, "log.jsonl")
  lu.assertEquals(files "log", whole)
end

function TestSaveFails:test_killed_between_the_last_checkpoint_and_what_is_derived_from_it()
  local last = number_of("rename", "checkpoint.h5")
  for _, call in ipairs { last, last + 3, last + 10 } do
    local out = "derived-" .. call
    lu.assertEquals(run(out, "--quiet", ("'CAMPAIGN_FAULT=%d 1 die-after'"):format(call)).status, 137)
    lu.assertStrContains(run(out).out, "is finished already")
    lu.assertEquals(files(out), whole)
  end
end

function TestSaveFails:test_the_file_of_the_best_weights_is_the_same_after_a_kill()
  script = cli.write("worse.lua", ("return dofile(%q):with { schedule = function(epoch) return epoch == 1 and " ..
    "0.01 or 3 end }\n"):format(script))
  local function best(out)
    local record = assert(require "perilune.run.file".read(cli.folder .. "/" .. out .. "/best.h5"))
    return { record.state.best.epoch, record.state.epoch, record.state.weights_sha256, #record.history.rows,
      record.evaluation.val.loss }
  end
  lu.assertEquals(run("worse", "--quiet").status, 0)
  local expected = best "worse"
  lu.assertEquals({ expected[1], expected[2] }, { 1, expected[4] })
  lu.assertTrue(expected[4] > 1)
  for _, path in ipairs { "checkpoint.h5", "log.jsonl" } do        -- before and after best.h5 is written
    local out = "worse-" .. path
    lu.assertEquals(run(out, "--quiet", ("'CAMPAIGN_FAULT=%d 1 die-after'"):format(number_of("rename", path,
      true))).status, 137)
    lu.assertEquals(run(out, "--quiet").status, 0)
    lu.assertEquals(best(out), expected)
  end
end

-- Saves of a training of many short epochs: one a second, or fewer; then the end's, which holds all of them.
function TestSaveFails:test_short_epochs_share_a_save()
  local many = cli.write("many.lua", ('return dofile(%q):with { stopping = require "perilune".stopping.patience ' ..
    '{ monitor = "val_loss", patience = 1000 } }\n'):format(script))
  local clock = require "perilune".system.clock
  local began = clock()
  cli.program = faulty
  lu.assertEquals(cli.run(("run %s --quiet --epochs 400 --out many"):format(cli.quote(many)),
    "CAMPAIGN_RECORD=many_calls").status, 0)
  local seconds, saves = clock() - began, 0
  for _, call in ipairs(dofile "tests/campaigns/recorded_calls.lua"(cli.read(cli.folder .. "/many_calls"))) do
    if call.kind == "rename" and call.path:find "checkpoint%.h5$" then saves = saves + 1 end
  end
  lu.assertTrue(saves >= 2 and saves <= seconds + 3, ("%d saves in %.1f s"):format(saves, seconds))
  local record = assert(require "perilune.run.file".read(cli.folder .. "/many/run.h5"))
  lu.assertEquals({ record.state.epoch, #record.history.rows, select(2,
    cli.read(cli.folder .. "/many/log.jsonl"):gsub('"epoch":%d+,"step"', "")) >= 400 },
    { 400, 400, true })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
