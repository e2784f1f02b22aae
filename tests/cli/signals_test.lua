-- Signals that end a process: SIGTERM and SIGHUP (a cluster takes its machine back) save as Ctrl-C does, then end.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

-- In step SIGNAL_AT the run sends itself SIGNAL; with TWICE also a second one, and then waits for its end.
local script = cli.write("signals.lua", [[
local pl = require "perilune"
local at, signal = tonumber(os.getenv "SIGNAL_AT"), os.getenv "SIGNAL"
return pl.experiment { name = "signals", data = pl.data.digits { train = 100, test = 20 }, epochs = 3, batch_size = 20,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.Adam(),
  callbacks = { on_batch = function(ctx)
    if ctx.step ~= at then return end
    local pid = io.open "/proc/self/stat":read "n"
    io.popen(("kill -%s %d"):format(signal, pid)):close()      -- os.execute ignores Ctrl-C
    if os.getenv "TWICE" then os.execute(("sleep 0.2; kill -%s %d; sleep 0.2"):format(os.getenv "TWICE", pid)) end
  end } }
]])

local function digest(out) return assert(cli.run("show " .. out).out:match "SHA%-256 (%x+)") end

assert(cli.run(("run %s -q --out whole"):format(script)).status == 0)

TestSignals = {}

function TestSignals:test_the_first_one_saves_and_ends()
  for signal, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
    local out = "first-" .. signal
    local r = cli.run(("run %s -q --out %s"):format(script, out), ("SIGNAL_AT=7 SIGNAL=%s"):format(signal))
    lu.assertEquals({ r.status, r.err }, { status, "" }, signal)
    lu.assertStrContains(r.out, "interrupted; saved in " .. out)
    local record = assert(require "perilune.run.file".read(cli.folder .. "/" .. out .. "/checkpoint.h5",
      { tensors = false }))
    lu.assertEquals({ record.state.epoch, record.state.batch }, { 1, 2 })
    lu.assertEquals(cli.run(("run %s -q --out %s"):format(script, out)).status, 0)
    lu.assertEquals(digest(out), digest "whole")
  end
end

function TestSignals:test_a_second_one_ends_at_once()
  for _, pair in ipairs { { "TERM", "TERM", 143 }, { "HUP", "TERM", 143 }, { "TERM", "HUP", 129 } } do
    local out = "second-" .. pair[1] .. pair[2]
    local r = cli.run(("run %s -q --out %s"):format(script, out),
      ("SIGNAL_AT=7 SIGNAL=%s TWICE=%s"):format(pair[1], pair[2]))
    lu.assertEquals(r.status, pair[3])
    lu.assertEquals(r.out, "")
    local record = assert(require "perilune.run.file".read(cli.folder .. "/" .. out .. "/checkpoint.h5",
      { tensors = false }))
    lu.assertEquals({ record.state.epoch, record.state.batch }, { 1, 0 })
  end
end

-- nohup: what the process was started to ignore does not end it.
function TestSignals:test_an_ignored_one_stays_ignored()
  local words = ("cd %s && (trap '' HUP; SIGNAL_AT=7 SIGNAL=HUP %s run %s -q --out ignored >/dev/null " ..
    "2>&1)"):format(cli.quote(cli.folder),
    cli.quote(cli.program), script)
  lu.assertTrue(os.execute(words))
  lu.assertEquals(digest "ignored", digest "whole")
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
