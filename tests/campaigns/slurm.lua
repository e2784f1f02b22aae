-- A sweep on other engines: a real Slurm on this machine (munged, slurmctld and slurmd on loopback, with everything
-- they keep in the campaign's folder), its job array submitted twice; and GNU parallel, twice at once. Every trial is
-- trained once, with the bits of a sweep of its own.
local campaign = dofile "tests/campaigns/support.lua"
local core = require "perilune.core"
local runfile = require "perilune.run.file"
local process, store, system = core.process, core.store, core.system

if campaign.short then campaign.skip "it starts a cluster; make campaign ARGS=slurm does" end

local daemons = {}
local function stop()
  for i = #daemons, 1, -1 do process.kill(daemons[i], "TERM") end
  for _, pid in ipairs(daemons) do process.wait(pid, true) end
  daemons = {}
end
for _, name in ipairs { "red", "green", "skip" } do
  local end_ = campaign[name]
  campaign[name] = function(...)
    stop()
    end_(...)
  end
end

local ledger = campaign.folder .. "/ledger"
local script = campaign.write("script.lua", ([[
local pl = require "perilune"
local width = pl.arg("width", 3)
local function note(ctx)
  local file = assert(io.open(%q, "ab"))
  file:write(("%%d %%d\n"):format(width, ctx.seed))
  file:close()
end
return pl.experiment {
  name = "swept", data = pl.data.digits { train = 400, test = 50 }, epochs = 4, batch_size = 20, validation = 0.1,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.Dropout(0.1), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.01 },
  callbacks = { on_start = note, on_epoch = function()
    local t = pl.system.clock() + 0.2
    while pl.system.clock() < t do end
  end },
}
]]):format(ledger))

local TRIALS = 6
local function sweep(out, more)
  local r = campaign.run(("sweep %s width=3,4,5 --seeds 2 --out %s %s"):format(campaign.quote(script),
    campaign.quote(out), more))
  campaign.check(r.status == 0, "sweep %s: %s", more, r.err)
  return r.out
end

local function digests(out)
  local found, count = {}, 0
  for _, name in ipairs(assert(store.listdir(campaign.folder .. "/" .. out))) do
    local path = ("%s/%s/%s"):format(campaign.folder, out, name)
    if system.kind(path) == "folder" then
      local record, message = runfile.read(path .. "/run.h5", { tensors = false })
      campaign.check(record and record.state.ended, "%s/%s is not finished: %s", out, name, message)
      found[name], count = record.state.weights_sha256, count + 1
    end
  end
  campaign.check(count == TRIALS, "%s: %d trials, not %d", out, count, TRIALS)
  return found
end

sweep("alone", "--jobs 2 --quiet")
local expected = digests "alone"
os.remove(ledger)

-- Each trial was begun once, and ended with the bits of the sweep here.
local function check(out, what)
  local begun, starts = {}, 0
  for line in io.lines(ledger) do
    campaign.check(not begun[line], "%s: the trial '%s' was begun twice", what, line)
    begun[line], starts = true, starts + 1
  end
  os.remove(ledger)
  campaign.check(starts == TRIALS, "%s: %d trials were begun, not %d", what, starts, TRIALS)
  for name, digest in pairs(digests(out)) do
    campaign.check(digest == expected[name], "%s: %s has other weights than here", what, name)
  end
end

local done = {}

local function with_parallel()
  if not campaign.has "parallel" then return print "GNU parallel is not here; not tried (Debian: parallel)" end
  campaign.write("commands", sweep("parallel", "--list"))
  campaign.shell "parallel -j 2 < commands & parallel -j 2 < commands; wait"
  check("parallel", "GNU parallel, twice at once")
  done[#done + 1] = "GNU parallel, twice at once"
end

local function start(name, words)
  local pid, message = process.spawn(words, ("%s/%s.out"):format(campaign.folder, name))
  if not pid then campaign.red("%s: %s", name, message) end
  daemons[#daemons + 1] = pid
end

-- Tries a command until it succeeds; red after so many seconds.
local function wait_for(what, command, seconds)
  local until_ = system.clock() + seconds
  while system.clock() < until_ do
    if campaign.shell(command).status == 0 then return end
    process.sleep(0.5)
  end
  campaign.red("%s: not within %d seconds; see the logs in %s", what, seconds, campaign.folder)
end

local function configuration(host)
  local lines = { "ClusterName=perilune", "SlurmctldHost=" .. host .. "(127.0.0.1)", "SlurmUser=root",
    "SlurmdUser=root",
    "AuthType=auth/munge", "CredType=cred/munge", "AuthInfo=socket=" .. campaign.folder .. "/munge/socket",
    "SlurmctldPort=26817", "SlurmdPort=26818", "SlurmctldPidFile=" .. campaign.folder .. "/slurmctld.pid",
    "SlurmdPidFile=" .. campaign.folder .. "/slurmd.pid", "StateSaveLocation=" .. campaign.folder .. "/state",
    "SlurmdSpoolDir=" .. campaign.folder .. "/spool", "SlurmctldLogFile=" .. campaign.folder .. "/slurmctld.log",
    "SlurmdLogFile=" .. campaign.folder .. "/slurmd.log", "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none",
    "SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU", "MpiDefault=none", "SwitchType=switch/none",
    "AccountingStorageType=accounting_storage/none", "JobAcctGatherType=jobacct_gather/none", "ReturnToService=2",
    "NodeName=" .. host .. " NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN",
    "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP", "" }
  return campaign.write("slurm.conf", table.concat(lines, "\n"))
end

local function with_slurm()
  for _, name in ipairs { "munged", "slurmctld", "slurmd", "sbatch", "squeue" } do
    if not campaign.has(name) and not campaign.has("/usr/sbin/" .. name) then
      return print(("%s is not here; Slurm is not tried (Debian: slurm-wlm)"):format(name))
    end
  end
  if not os.execute "test $(id -u) = 0" then return print "only root may start slurmd; Slurm is not tried" end
  if #campaign.folder > 80 then
    return print "the path of the campaign's folder is too long for a socket; Slurm is not tried"
  end
  local host = campaign.shell("hostname -s").out:gsub("%s", "")
  local conf = configuration(host)
  campaign.shell("mkdir -p munge state spool && chmod 755 munge && " ..
    "dd if=/dev/urandom of=munge/key bs=1024 count=1 && chmod 600 munge/key")
  local munge = campaign.folder .. "/munge/"
  start("munged", { "/usr/sbin/munged", "--foreground", "--force", "--socket=" .. munge .. "socket", "--key-file="
    .. munge .. "key",
    "--pid-file=" .. munge .. "pid", "--log-file=" .. munge .. "log", "--seed-file=" .. munge .. "seed" })
  wait_for("munged", ("munge -n --socket=%ssocket"):format(munge), 20)
  start("slurmctld", { "/usr/sbin/slurmctld", "-D", "-f", conf })
  start("slurmd", { "/usr/sbin/slurmd", "-D", "-f", conf, "-N", host })
  local with = "SLURM_CONF=" .. campaign.quote(conf) .. " "
  wait_for("a node that is idle", with .. "sinfo -h -o %t | grep -q idle", 60)
  local said = sweep("an array", "--slurm")
  campaign.check(said:find("6 tasks; submit with: sbatch 'an array/sweep.sbatch'", 1, true), "sweep --slurm said: %s",
    said)
  for _ = 1, 2 do
    local r = campaign.shell(with .. "sbatch 'an array/sweep.sbatch'")
    campaign.check(r.status == 0, "sbatch: %s", r.err)
  end
  wait_for("both job arrays", with .. "squeue -h > queue && ! grep -q . queue", 300)
  check("an array", "a job array, submitted twice")
  local outputs = 0
  for _, name in ipairs(assert(store.listdir(campaign.folder .. "/an array"))) do
    if name:match "^slurm%-%d+_%d+%.txt$" then outputs = outputs + 1 end
  end
  campaign.check(outputs == 2 * TRIALS, "%d outputs of tasks, not %d", outputs, 2 * TRIALS)
  done[#done + 1] = "Slurm's job array, submitted twice"
end

with_parallel()
with_slurm()
if #done == 0 then campaign.skip "neither Slurm nor GNU parallel is here (Debian: slurm-wlm, parallel)" end
campaign.green("%s: %d trials each once, with equal digests", table.concat(done, "; "), TRIALS)
