-- One process at a time trains into a folder, and one that dies leaves nothing in the way.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local problem = dofile "tests/cli/problem.lua"
local system, store = require "perilune.core".system, require "perilune.core".store

-- At step 3 the process runs the command in the environment, and dies after it if it is to.
local script = cli.write("locked.lua", (problem:gsub(", EXTRA", ""):gsub("CALLBACKS", [[on_batch = function(ctx)
  if ctx.step == 3 and os.getenv "MEANWHILE" then
    os.execute(os.getenv "MEANWHILE")
    if die then os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end
  end
end]])))

local function meanwhile(command) return "MEANWHILE=" .. cli.quote(command) end

TestLock = {}

function TestLock:test_a_second_process_is_refused_and_the_first_goes_on()
  local second = ("{ %s run %s --out one --epochs 1; %s run %s --out two --epochs 1 --quiet; } " ..
    "2>refused"):format(cli.program, script, cli.program, script)
  local r = cli.run(("run %s --out one --quiet"):format(script), meanwhile("unset MEANWHILE; " .. second))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertStrMatches(cli.read(cli.folder .. "/refused"),
    "perilune: another run is training into one %(one/%.lock is held by process %d+%); " ..
    "wait until it ends, or choose another folder with %-%-out DIR\n")
  lu.assertStrContains(cli.run("show one").out, "epochs   5\n")
  lu.assertNil(system.kind(cli.folder .. "/one/.lock"))
end

function TestLock:test_the_process_named_is_the_one_that_trains()
  local r = cli.run(("run %s --out named --quiet"):format(script),
    meanwhile(("unset MEANWHILE; echo $PPID >pid; %s run %s --out named 2>message"):format(cli.program, script)))
  lu.assertEquals(r.status, 0)
  lu.assertStrContains(cli.read(cli.folder .. "/message"), "held by process "
    .. cli.read(cli.folder .. "/pid"):match "%d+" .. ")")
end

function TestLock:test_a_killed_process_holds_nothing_nor_does_a_program_that_it_started()
  local r = cli.run(("run %s --out killed --quiet"):format(script), meanwhile "sleep 20 & echo $! >sleeper" .. " DIE=1")
  lu.assertEquals(r.status, 137)
  lu.assertEquals(system.kind(cli.folder .. "/killed/.lock"), "file")
  r = cli.run(("run %s --out killed --quiet"):format(script))
  os.execute("kill " .. cli.read(cli.folder .. "/sleeper"))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
end

function TestLock:test_within_a_process_too()
  local path = cli.folder .. "/a.lock"
  local lock = assert(store.lock(path))
  local other, message, held = store.lock(path)
  lu.assertNil(other)
  lu.assertTrue(held)
  lu.assertStrMatches(message, ".*/a%.lock is held by process %d+")
  lock:release()
  lock:release()
  lu.assertNil(system.kind(path))
  do
    local again <close> = assert(store.lock(path))
    lu.assertNil((store.lock(path)))
    lu.assertNotNil(again)
  end
  assert(store.lock(path)):release()
  other, message, held = store.lock(cli.folder .. "/missing/lock")
  lu.assertNil(other)
  lu.assertStrContains(message, "No such file")
  lu.assertNil(held)
  local begun = os.time()      -- only what is held is waited for
  lu.assertErrorMsgContains("No such file", require "perilune.base.patient_lock", cli.folder .. "/missing/lock")
  lu.assertTrue(os.time() - begun < 5)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
