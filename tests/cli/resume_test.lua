-- Exact resume: a run that is killed anywhere and started again with the same command ends with the same bits.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local problem = dofile "tests/cli/problem.lua"

local kill = [[on_batch = function(ctx)
  if die == ctx.step then
    local stat = io.open "/proc/self/stat"
    os.execute("kill -9 " .. stat:read "n")
  end
end]]

local interrupt = [[on_batch = function(ctx)
  if die and (ctx.step == die or ctx.step == die + 3) then
    local stat = io.open "/proc/self/stat"
    local pid, system = stat:read "n", require "perilune.core".system
    for i = 1, os.getenv "TWICE" and 2 or 1 do
      io.popen("kill -INT " .. pid):close()
      local start = system.clock()      -- any thread may take the signal, when it gets a processor
      while (i == 2 or not system.interrupted()) and system.clock() < start + 60 do end
    end
  end
end]]

local in_c = problem:gsub(", EXTRA", ""):gsub("CALLBACKS", "")
local by_callback = problem:gsub(", EXTRA", ""):gsub("CALLBACKS", kill)
local in_lua = problem:gsub("EXTRA", "function(x) return x + 0.05 * math.random() end"):gsub("CALLBACKS", kill)

-- The end of a run: digest of the weights, and the history without its times.
local function result(folder)
  local shown = cli.run("show " .. folder)
  local csv = cli.run(("show %s --csv"):format(folder)).out
  return assert(shown.out:match "SHA%-256 (%x+)", shown.err) .. "\n" .. csv:gsub(",[^,\n]*\n", "\n")
end

local function whole(name, text)
  local script = cli.write(name .. ".lua", text)
  local r = cli.run(("run %s --out whole-%s --quiet"):format(script, name))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  return result("whole-" .. name), script
end

TestResume = {}

function TestResume:test_stopped_after_an_epoch_and_continued()
  local expected, script = whole("in_c", in_c)
  for _, epochs in ipairs { 1, 3 } do
    local out = "epochs-" .. epochs
    lu.assertEquals(cli.run(("run %s --out %s --quiet --epochs %d --threads %d"):format(script, out, epochs,
      epochs)).status, 0)
    local r = cli.run(("run %s --out %s --threads 2"):format(script, out))
    lu.assertStrContains(r.out, ("continuing with epoch %d of 5\n"):format(epochs + 1))
    lu.assertEquals(result(out), expected)
  end
end

-- An image in each epoch is infinite, so that its step is skipped, now before the kill and now after it.
local skipping = by_callback:gsub('seed = 3,', 'seed = 3, nonfinite = "skip",'):gsub("images%[i%], labels",
  "if i == 50 then image[1][1] = { 1 / 0 } end\n  %0")

local function killed(name, text)
  local expected, script = whole(name, text)
  for _, steps in ipairs { { 5 }, { 12, 13 }, { 20, 37, 59 } } do
    local out = ("killed-%s-%d"):format(name, steps[1])
    for _, step in ipairs(steps) do
      local r = cli.run(("run %s --out %s --quiet --checkpoint-every %s"):format(script, out,
        step % 2 == 0 and "0" or "30"), "DIE=" .. step)
      lu.assertEquals(r.status, 137)
    end
    local r = cli.run(("run %s --out %s --quiet"):format(script, out))
    lu.assertEquals({ r.status, r.err }, { 0, "" })
    lu.assertEquals(result(out), expected)
  end
end

function TestResume:test_killed_anywhere() killed("by_callback", by_callback) end
function TestResume:test_killed_with_steps_skipped()
  killed("skipping", skipping)
  lu.assertStrContains(cli.run("show whole-skipping").out, "skipped  5 steps, whose loss or gradient was not finite")
end
function TestResume:test_killed_with_augmentation_in_lua() killed("in_lua", in_lua) end

-- All that the files of a finished run hold but for its times; of the log, with the times left out.
local function everything(folder)
  local function check(ok, ...) if not ok then error((...):format(select(2, ...)), 0) end end
  local path = cli.folder .. "/" .. folder
  local log = cli.read(path .. "/log.jsonl"):gsub('"seconds":[^,}]*', ""):gsub('"created":"[^"]*"', "")
  return dofile "tests/campaigns/run_files.lua"({ check = check }).everything(path, folder) .. "\n" .. log
end

-- Saves are a second apart at least, so that epochs end of which none is saved. The best epoch is one before the last.
local sinking = by_callback:gsub("return lr %* .-\n", "return epoch <= 3 and 0.01 or 50\n"):gsub("patience = 3",
  "patience = 30")

function TestResume:test_the_files_at_the_end_do_not_depend_on_when_the_run_was_saved()
  local script = cli.write("sinking.lua", sinking)
  local function train(out, every, die)
    local r = cli.run(("run %s --out %s --quiet --checkpoint-every %s"):format(script, out, every),
      die and "DIE=" .. die)
    lu.assertEquals({ r.status, die and "" or r.err }, { die and 137 or 0, "" })
  end
  train("saved-always", "0")
  local expected = everything "saved-always"
  lu.assertStrMatches(cli.run("show saved-always").out, ".*best     epoch [23]:.*")
  train("saved-seldom", "30")
  lu.assertEquals(everything "saved-seldom", expected)
  for _, steps in ipairs { { 43 }, { 20, 58 } } do
    local out = "saved-killed-" .. steps[1]
    for _, step in ipairs(steps) do train(out, "30", step) end
    train(out, "30")
    lu.assertEquals(everything(out), expected)
    train(out, "30")      -- finished: its files are shown and stay
    lu.assertEquals(everything(out), expected)
  end
end

function TestResume:test_lines_of_the_log_beyond_the_checkpoint_are_written_again()
  local script = cli.write("ahead.lua", sinking)
  local command = ("run %s --quiet --out "):format(script)
  lu.assertEquals(cli.run(command .. "ahead-whole").status, 0)
  lu.assertEquals(cli.run(command .. "ahead", "DIE=43").status, 137)
  local path = cli.folder .. "/ahead/log.jsonl"
  cli.write("ahead/log.jsonl", cli.read(path) .. '{"epoch":4,"step":48,"lr":7}\n{"epoch":5,"st')
  lu.assertEquals(cli.run(command .. "ahead").status, 0)
  lu.assertEquals(everything "ahead", everything "ahead-whole")
end

-- Ctrl-C inside an epoch, after epochs that were not saved: the files hold these too, and evaluations only of their own
-- weights.
function TestResume:test_epochs_that_ended_before_an_interrupt_are_in_every_file()
  local text = sinking:gsub("on_batch = function%(ctx%).*$", "") .. interrupt .. " } }\n"
  local script = cli.write("hurried.lua", text)
  lu.assertEquals(cli.run(("run %s --out hurried --quiet"):format(script), "DIE=52").status, 130)
  for name, evaluated in pairs { ["checkpoint.h5"] = true, ["run.h5"] = false, ["best.h5"] = false } do
    local record = assert(require "perilune.run.file".read(cli.folder .. "/hurried/" .. name))
    lu.assertEquals({ name, #record.history.rows, record.evaluation ~= nil }, { name, 4, evaluated })
  end
  lu.assertEquals(select(2, cli.read(cli.folder .. "/hurried/log.jsonl"):gsub("\n", "")), 4)
  local shown = cli.run "show hurried"
  lu.assertEquals({ shown.status, shown.err }, { 0, "" })
  lu.assertStrContains(shown.out, "4, unfinished")
end

function TestResume:test_best_weights_from_before_the_kill_are_restored()
  local wild = by_callback:gsub("return lr %* .-\n", "return epoch <= 2 and 0.01 or 50\n"):gsub("patience = 3",
    "patience = 30")
  local expected, script = whole("wild", wild)
  lu.assertStrMatches(cli.run("show whole-wild").out, ".*best     epoch [12]:.*")
  lu.assertEquals(cli.run(("run %s --out killed-wild --quiet"):format(script), "DIE=50").status, 137)
  lu.assertEquals(cli.run(("run %s --out killed-wild --quiet"):format(script)).status, 0)
  lu.assertEquals(result "killed-wild", expected)
end

function TestResume:test_interrupted_by_the_keyboard()
  local expected, script = whole("interrupted", (problem:gsub(", EXTRA", ""):gsub("CALLBACKS", interrupt)))
  for _, step in ipairs { 4, 12, 30 } do      -- 12: the last step of an epoch
    local out = "interrupted-" .. step
    local r = cli.run(("run %s --out %s"):format(script, out), "DIE=" .. step)
    lu.assertEquals({ r.status, r.err }, { 130, "" })
    lu.assertStrContains(r.out, step == 12 and "interrupted in epoch 1; saved in"
      or ("interrupted in epoch %d, after %d batches; saved in"):format(step // 12 + 1, step % 12))
    lu.assertStrContains(r.out, "the same command resumes from there")
    lu.assertEquals(cli.run(("run %s --out %s --quiet"):format(script, out), "DIE=" .. step + 20).status, 130)
    lu.assertEquals(cli.run(("run %s --out %s --quiet"):format(script, out)).status, 0)
    lu.assertEquals(result(out), expected)
  end
end

function TestResume:test_a_second_interrupt_ends_at_once()
  local ignored = io.open("/proc/self/status"):read("a"):match "SigIgn:%s*(%x+)"
  lu.skipIf(tonumber(ignored, 16) & 2 ~= 0,
    "SIGINT is ignored here, as for a job in the background; so is a second one")
  local script = cli.write("twice.lua", (problem:gsub(", EXTRA", ""):gsub("CALLBACKS", interrupt)))
  -- no checkpoint inside the epoch, also when the machine takes half a minute for it
  local r = cli.run(("run %s --out twice --quiet --checkpoint-every 1e6"):format(script), "DIE=30 TWICE=1")
  lu.assertEquals({ r.status, r.out }, { 130, "" })
  lu.assertStrContains(cli.run("verify twice").out, "twice/checkpoint.h5: whole")
  lu.assertStrMatches(cli.run(("run %s --out twice"):format(script)).out, ".*continuing with epoch [23] of 5\n.*")
end

function TestResume:test_continues_inside_an_epoch()
  local script = cli.write("inside.lua", by_callback)
  cli.run(("run %s --out inside --quiet --checkpoint-every 0"):format(script), "DIE=17")
  local r = cli.run(("run %s --out inside"):format(script))
  lu.assertStrContains(r.out, "continuing with epoch 2 of 5, after 4 batches")
end

-- As of a process that died after its checkpoint, before its log.
function TestResume:test_a_log_that_lacks_an_epoch()
  local script = cli.write("logless.lua", in_c)
  local words = ("run %s --out logless --quiet --pause-after 2"):format(script)
  cli.run(words)
  local log = cli.read(cli.folder .. "/logless/log.jsonl")
  cli.write("logless/log.jsonl", log:match "^[^\n]*\n")
  lu.assertEquals(cli.run(words).status, 0)
  lu.assertEquals(cli.read(cli.folder .. "/logless/log.jsonl"), log)
end

function TestResume:test_a_run_that_is_finished_is_shown_again()
  local _, script = whole("again", in_c)
  local before = cli.read(cli.folder .. "/whole-again/checkpoint.h5")
  local r = cli.run(("run %s --out whole-again"):format(script))
  lu.assertEquals(r.status, 0)
  lu.assertStrContains(r.out, "whole-again is finished already; --fresh runs it again")
  lu.assertEquals(cli.read(cli.folder .. "/whole-again/checkpoint.h5"), before)
  lu.assertEquals(cli.run(("run %s --out whole-again --fresh --quiet --epochs 1"):format(script)).status, 0)
  lu.assertNotEquals(cli.read(cli.folder .. "/whole-again/checkpoint.h5"), before)
end

function TestResume:test_the_default_folder_counts_finished_runs()
  local script = cli.write("count.lua", (in_c:gsub("Two bars", "Counted, twice!")))
  for _, folder in ipairs { "runs/counted-twice-s3", "runs/counted-twice-s3-2", "runs/counted-twice-s3-3" } do
    local r = cli.run(("run %s --epochs 1"):format(script))
    lu.assertStrContains(r.out, folder .. "/run.h5")
    if folder:match "s3$" then lu.assertNotStrContains(r.out, "s3-2") end
  end
end

function TestResume:test_what_differs_is_refused_and_shown()
  local script = cli.write("differs.lua", by_callback)
  cli.run(("run %s --out differs --quiet"):format(script), "DIE=30")
  local r = cli.run(("run %s lr=0.02 --out differs --seed 4"):format(script))
  lu.assertEquals(r.status, 1)
  lu.assertEquals(r.err, "perilune: differs holds an unfinished run that differs: arguments: was none, now " ..
    "lr=0.02; seed: was 3, now 4; start anew with --fresh, choose another folder with --out DIR, or resume " ..
    "regardless with --force\n")
  cli.write("differs.lua", (by_callback:gsub("patience = 3", "patience = 4")))
  r = cli.run(("run %s --out differs"):format(script))
  lu.assertStrContains(r.err, "script: line 29 was 'stopping = pl.stopping.patience { monitor = \"val_loss\", " ..
    "patience = 3 },', now 'stopping = pl.stopping.patience { monitor = \"val_loss\", patience = 4 },'")
  lu.assertEquals(cli.run(("run %s --out differs --quiet --force"):format(script)).status, 0)
end

-- Numbers are compared as the script reads them; what it reads as text, as it was typed.
function TestResume:test_an_argument_typed_another_way_is_the_same_run()
  local script = cli.write("typed.lua", (by_callback:gsub("local nn = pl%.nn\n", '%0pl.arg("tag", "none")\n', 1)))
  cli.run(("run %s lr=0.1 tag=1.0 --out typed --quiet"):format(script), "DIE=30")
  lu.assertStrContains(cli.run(("run %s lr=1e-1 tag=1 --out typed"):format(script)).err,
    "arguments: was lr=0.1 tag=1.0, now lr=1e-1 tag=1;")
  lu.assertStrContains(cli.run(("run %s lr=1e-1 tag=1.0 --out typed"):format(script)).out, "continuing with epoch")
end

function TestResume:test_files_that_the_script_requires_count_too()
  local script = cli.write("parts/main.lua", 'local lr = require "rate"\n' .. in_c:gsub('pl.arg%("lr", 0.01%)', "lr"))
  cli.write("parts/rate.lua", "return 0.01")
  lu.assertEquals(cli.run(("run %s --out parts-run --quiet --epochs 1"):format(script)).err, "")
  cli.write("parts/rate.lua", "return 0.02")
  lu.assertStrContains(cli.run(("run %s --out parts-run"):format(script)).err,
    "rate.lua: line 1 was 'return 0.01', now 'return 0.02'")
end

function TestResume:test_a_captured_variable_that_changes_makes_it_refuse()
  local text = problem:gsub(", EXTRA", ""):gsub("local die", "local seen = 0\nlocal die"):gsub("CALLBACKS",
    "on_epoch = function() seen = seen + 1 end, " .. kill)
  local script = cli.write("captured.lua", text)
  cli.run(("run %s --out captured --quiet"):format(script), "DIE=30")
  local r = cli.run(("run %s --out captured"):format(script))
  lu.assertEquals(r.err, "perilune: captured cannot be continued exactly: callbacks.on_epoch changes the captured " ..
    "variable 'seen', which is in no checkpoint; keep it in ctx.state and start anew with --fresh, or resume " ..
    "regardless with --force\n")
end

function TestResume:test_a_damaged_checkpoint_is_said_so()
  local _, script = whole("damaged", in_c)
  local path = cli.folder .. "/whole-damaged/checkpoint.h5"
  local bytes = cli.read(path)
  local file = io.open(path, "wb")
  file:write(bytes:sub(1, 2000), string.char(bytes:byte(2001) ~ 1), bytes:sub(2002))
  file:close()
  local r = cli.run(("run %s --out whole-damaged"):format(script))
  lu.assertEquals(r.status, 1)
  lu.assertStrMatches(r.err, "perilune: whole%-damaged/checkpoint%.h5 is damaged: .+; start anew with %-%-fresh\n")
  lu.assertEquals(cli.run(("run %s --out whole-damaged --fresh --quiet --epochs 1"):format(script)).status, 0)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
