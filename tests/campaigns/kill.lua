-- kill -9 at random moments of a training that saves after each batch, and aimed inside saves, before, in the middle of and
-- after their k-th system call. After each kill every file must be whole, and the checkpoint no older than the step that was
-- last acknowledged; the same command goes on, and a training killed dozens of times ends with the bits of one never killed.
local campaign = dofile "tests/campaigns/support.lua"
local runfile = require "perilune.runfile"
local verify = require "perilune".store.verify

local random_kills, aimed_kills = campaign.count(1000, 25), campaign.count(300, 36)
local script = os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua"
local acknowledged, run = campaign.folder .. "/acknowledged", campaign.folder .. "/run"
local command = ("run %s --out run --quiet --checkpoint-every 0"):format(campaign.quote(script))

local function weights(folder)
  local record = campaign.check(runfile.read(folder .. "/run.h5"), "the run that was finished has no run.h5")
  return record.state.weights_sha256
end

local function last_acknowledged()
  return math.tointeger(tonumber((campaign.read(acknowledged) or ""):match "ack (%d+)\n$")) or 0
end

local function step_in(name)
  local record, message = runfile.read(run .. "/" .. name, { tensors = false })
  return record and record.state.step or 0, message
end

-- What a kill leaves behind. `how` says which kill it was.
local function inspect(how)
  for _, name in ipairs { "checkpoint.h5", "run.h5", "best.h5" } do
    local path = run .. "/" .. name
    if campaign.read(path) then
      local whole, message = verify(path)
      campaign.check(whole, "torn, by a %s: %s", how, message)
    end
  end
  local known, kept = last_acknowledged(), step_in "checkpoint.h5"
  campaign.check(kept >= known, "lost, by a %s: the checkpoint is of step %d, though step %d was acknowledged", how, kept, known)
  campaign.check(step_in "run.h5" <= kept, "run.h5 is newer than checkpoint.h5 after a %s", how)
  return kept
end

local expected
local function begin_anew() os.execute(("rm -rf %s %s"):format(campaign.quote(run), campaign.quote(acknowledged))) end

local finished = 0
-- Goes on with the training until a kill or its end. Returns whether it was killed.
local function piece(program, environment, how)
  local r = campaign.run(command, ("ACKNOWLEDGED=%s %s"):format(campaign.quote(acknowledged), environment), program)
  if r.status == 137 then return true, inspect(how) end
  campaign.check(r.status == 0, "after a kill the same command fails: %s", r.err)
  campaign.check(weights(run) == expected, "the weights at the end are not those of the training that was never killed")
  finished = finished + 1
  begin_anew()
  return false
end

local reference = campaign.run(command)
campaign.check(reference.status == 0, "the training fails: %s", reference.err)
expected = weights(run)
begin_anew()

if not campaign.has "timeout" then campaign.skip "there is no timeout(1)" end
local before_any, killed = 0, 0
while killed < random_kills do
  local seconds = ("%.4f"):format(0.005 + 0.15 * math.random())
  local dead, kept = piece(("timeout -s KILL %s %s"):format(seconds, campaign.quote(campaign.program)), "", "kill at a random moment")
  if dead then
    killed = killed + 1
    if kept == 0 then before_any = before_any + 1 end
  end
end

begin_anew()
local aimed = 0
while aimed < aimed_kills do
  local call, what = aimed // 2 + 1, aimed % 2 == 0 and "die-before" or "die-half"
  local fault = ("'CAMPAIGN_FAULT=%d 1 %s'"):format(call, what)
  if piece(campaign.quote(campaign.faulty_program), fault, ("kill at system call %d (%s)"):format(call, what)) then aimed = aimed + 1 end
end

campaign.green("%d kills at random moments (%d before the first save), %d inside saves: 0 lost, 0 torn; %d trainings finished, all with equal bits",
  killed, before_any, aimed, finished)
