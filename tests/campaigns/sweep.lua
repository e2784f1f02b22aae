-- A sweep that is killed: the parent, one of its children, or all of them, with kill -9 at random moments. Whatever
-- was killed, the same command goes on; at the end every trial is finished, with the bits of a sweep that nobody
-- disturbed. And two sweeps at once on one folder: no trial is trained twice.
local campaign = dofile "tests/campaigns/support.lua"
local core = require "perilune.core"
local runfile = require "perilune.run.file"
local trial = require "perilune.sweep.trial"
local process, store, system = core.process, core.store, core.system

local kills = campaign.count(30, 4)
local sweep_arguments = campaign.short and { "lr=0.02,0.1", "width=3,5" } or { "lr=0.02,0.1", "width=3,5,7" }
local seeds = campaign.short and "1" or "2"
local trials = campaign.short and 4 or 12

local ledger = campaign.folder .. "/ledger"
local script = campaign.write("script.lua", ([[
local pl = require "perilune"
local width = pl.arg("width", 3)
local function note(ctx)
  local file = assert(io.open(%q, "ab"))
  file:write(("%%s %%d %%d\n"):format(ctx.optimizer.base_lr, width, ctx.seed))
  file:close()
end
return pl.experiment { name = "swept", data = pl.data.digits { train = 400, test = 50 }, epochs = 4, batch_size = 20,
  validation = 0.1,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.Dropout(0.1), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = pl.arg("lr", 0.1) / 10 },
  callbacks = { on_start = note,
    on_epoch = function() local t = pl.system.clock() + 0.05; while pl.system.clock() < t do end end } }
]]):format(ledger))

local function words(out, jobs)
  return { campaign.program, "sweep", script, sweep_arguments[1], sweep_arguments[2], "--seeds", seeds, "--jobs",
    tostring(jobs), "--out", out, "--quiet" }
end

local function start(out, jobs) return assert(process.spawn(words(out, jobs), campaign.folder .. "/output")) end

-- name of each trial -> digest of its weights; every one must be finished.
local function digests(out)
  local found, count = {}, 0
  for _, name in ipairs(assert(store.listdir(out))) do
    if system.kind(out .. "/" .. name) == "folder" then
      local record, message = runfile.read(out .. "/" .. name .. "/run.h5", { tensors = false })
      campaign.check(record and record.state.ended and trial.status(out .. "/" .. name).state == "finished",
        "%s is not finished: %s", name, message)
      found[name], count = record.state.weights_sha256, count + 1
    end
  end
  campaign.check(count == trials, "%d trials, not %d", count, trials)
  return found
end

local function finish(pid, what)
  local exit, signal = process.wait(pid, true)
  campaign.check(exit == 0, "%s ended with status %s, signal %s: %s", what, exit, signal,
    campaign.read(campaign.folder .. "/output"))
end

-- The children of a process, by /proc.
local function children_of(pid)
  local list = {}
  for _, name in ipairs(store.listdir "/proc" or {}) do
    local file = name:match "^%d+$" and io.open(("/proc/%s/stat"):format(name), "rb")
    local stat = file and file:read "a"
    if file then file:close() end
    local parent = stat and stat:match "^%d+ %b() %a (%d+)"
    if parent and math.tointeger(tonumber(parent)) == pid then list[#list + 1] = math.tointeger(tonumber(name)) end
  end
  return list
end

if not store.listdir "/proc/self" then campaign.skip "there is no /proc to find the children of a process by" end

local calm = campaign.folder .. "/calm"
finish(start(calm, 2), "an undisturbed sweep")
local expected = digests(calm)

local out, killed, rounds, by = campaign.folder .. "/out", 0, 0, { parent = 0, child = 0, all = 0 }
local function one_life()
  local pid = start(out, 2)
  local until_ = system.clock() + 0.05 + 0.8 * math.random()
  while system.clock() < until_ do
    local exit, signal = process.wait(pid)
    if exit or signal then
      campaign.check(exit == 0, "the sweep ended with status %s, signal %s: %s", exit, signal,
        campaign.read(campaign.folder .. "/output"))
      return false
    end
    process.sleep(0.01)
  end
  local how = ({ "parent", "child", "all" })[math.random(3)]
  local children = children_of(pid)
  if how ~= "parent" then
    for i, child in ipairs(children) do
      if how == "all" or i == 1 then process.kill(child, "KILL") end
    end
  end
  killed, by[how] = killed + 1, by[how] + 1
  if how == "child" then      -- the parent outlives that, and starts it again
    finish(pid, "the sweep of a killed child")
    return false
  end
  process.kill(pid, "KILL")
  process.wait(pid, true)
  return true
end

local function settle()
  finish(start(out, 2), "the sweep after its last kill")
  for name, digest in pairs(digests(out)) do
    campaign.check(digest == expected[name], "%s has other weights than in an undisturbed sweep", name)
  end
  rounds = rounds + 1
  os.execute("rm -rf " .. campaign.quote(out))
end

while killed < kills do
  if not one_life() then settle() end
end
settle()

-- Two at once: every trial begins once.
os.remove(ledger)
local both = campaign.folder .. "/both"
local first, second = start(both, 2), start(both, 2)
finish(first, "one of two sweeps at once")
finish(second, "the other of two sweeps at once")
local begun, starts = {}, 0
for line in io.lines(ledger) do
  campaign.check(not begun[line], "the trial '%s' was begun twice", line)
  begun[line], starts = true, starts + 1
end
campaign.check(starts == trials, "%d trials were begun, not %d", starts, trials)
for name, digest in pairs(digests(both)) do
  campaign.check(digest == expected[name], "%s has other weights than in a single sweep", name)
end

campaign.green("%d kills (%d of the parent, %d of a child, %d of all), %d sweeps of %d trials finished with equal " ..
  "digests; two at once: no trial twice",
  killed, by.parent, by.child, by.all, rounds, trials)
