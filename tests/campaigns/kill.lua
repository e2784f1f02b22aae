-- kill -9 at random moments of a training that saves after each batch, and aimed: before, in the middle of and after each
-- system call by which a whole training changes the disk. After each kill every file must be whole, and the checkpoint no
-- older than the step that was last acknowledged; the same command goes on, and a training killed dozens of times ends with
-- the bits of one never killed, in every file.
local campaign = dofile "tests/campaigns/support.lua"
local runfile = require "perilune.runfile"
local verify = require "perilune".store.verify

local random_kills = campaign.count(1000, 20)
local script = os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua"
local acknowledged, run = campaign.folder .. "/acknowledged", campaign.folder .. "/run"
local command = ("run %s --out run --quiet --checkpoint-every 0"):format(campaign.quote(script))

-- What a finished training leaves, in one string.
local function result(folder)
  local parts = {}
  for _, name in ipairs { "run.h5", "best.h5" } do
    local record, message = runfile.read(folder .. "/" .. name)
    campaign.check(record, "of a finished run: %s", message)
    parts[#parts + 1] = record.state.weights_sha256 .. (name == "run.h5" and record.state.ended or "")
  end
  return table.concat(parts, " ") .. campaign.read(folder .. "/log.jsonl"):gsub('"seconds":[^,}]*', "")
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

local function begin_anew() os.execute(("rm -rf %s %s"):format(campaign.quote(run), campaign.quote(acknowledged))) end

-- With its acknowledgements the training goes batch by batch through Lua, and makes the same system calls each time.
local acknowledging = "ACKNOWLEDGED=" .. campaign.quote(acknowledged) .. " "

local finished = 0
-- Goes on with the training until a kill or its end. Returns whether it was killed, and then the step that was kept.
local function piece(how, expected, options, program, environment)
  local r = campaign.run(command .. options, acknowledging .. (environment or ""), program)
  if r.status == 137 then return true, inspect(how) end
  campaign.check(r.status == 0, "after a %s the same command fails: %s", how, r.err)
  campaign.check(result(run) == expected, "after a %s the files at the end are not those of a training that was never killed", how)
  finished = finished + 1
  begin_anew()
  return false
end

local function undisturbed(options, program, environment)
  local r = campaign.run(command .. options, acknowledging .. (environment or ""), program)
  campaign.check(r.status == 0, "the training fails: %s", r.err)
  local expected = result(run)
  begin_anew()
  return expected
end

if not campaign.has "timeout" then campaign.skip "there is no timeout(1)" end
local expected = undisturbed ""
local killed = 0
while killed < random_kills do
  local seconds = ("%.4f"):format(0.005 + 0.15 * math.random())
  if piece("kill at a random moment", expected, "", ("timeout -s KILL %s %s"):format(seconds, campaign.quote(campaign.program))) then killed = killed + 1 end
end
begin_anew()

local short, faulty = campaign.count(" --epochs 3", " --epochs 2"), campaign.quote(campaign.faulty_program)
expected = undisturbed(short, faulty, "CAMPAIGN_RECORD=calls")
local calls = dofile "tests/campaigns/recorded_calls.lua"(campaign.read(campaign.folder .. "/calls"))
local aimed = 0
local function aim(call, what)
  local how = ("kill at system call %d of %d (%s, %s)"):format(call, #calls, calls[call].line, what)
  campaign.check(piece(how, expected, short, faulty, ("'CAMPAIGN_FAULT=%d 1 %s'"):format(call, what)), "the program outlived a %s", how)
  piece(how, expected, short)
  aimed = aimed + 1
end
-- before each call, then in the middle of it or after it; in the short form some, and more of the last save's
for call = 1, #calls, campaign.count(1, 9) do aim(call, "die-before") end
for call = campaign.count(1, #calls - 27), #calls, campaign.count(1, 3) do aim(call, "die-half") end

campaign.green("%d kills at random moments, %d inside saves (%d system calls): 0 lost, 0 torn; %d trainings went on to their end, all with equal bits",
  killed, aimed, #calls, finished)
