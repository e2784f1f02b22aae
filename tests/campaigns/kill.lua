-- kill -9 at random moments of a training that saves after each batch, and aimed: before, in the middle of and after
-- each system call by which a whole training changes the disk. After each kill every file must be whole, and the
-- checkpoint no older than the step that was last acknowledged; the same command goes on, and a training killed dozens
-- of times ends with the bits of one never killed, in every file.
local campaign = dofile "tests/campaigns/support.lua"
local files = dofile "tests/campaigns/run_files.lua"(campaign)

local random_kills = campaign.count(1000, 20)
local script = os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua"
local acknowledged, run = campaign.folder .. "/acknowledged", campaign.folder .. "/run"
local command = ("run %s --out run --quiet --checkpoint-every 0"):format(campaign.quote(script))

local function last_acknowledged()
  return math.tointeger(tonumber((campaign.read(acknowledged) or ""):match "ack (%d+)\n$")) or 0
end

local function begin_anew() os.execute(("rm -rf %s %s"):format(campaign.quote(run), campaign.quote(acknowledged))) end

-- With its acknowledgements the training goes batch by batch through Lua, and makes the same system calls each time.
local acknowledging = "ACKNOWLEDGED=" .. campaign.quote(acknowledged) .. " "

local finished = 0
-- Goes on with the training until a kill or its end. Returns whether it was killed.
local function piece(how, expected, options, program, environment)
  local r = campaign.run(command .. options, acknowledging .. (environment or ""), program)
  if r.status == 137 then
    files.whole(run, last_acknowledged(), how)
    return true
  end
  campaign.check(r.status == 0, "after a %s the same command fails: %s", how, r.err)
  campaign.check(files.result(run, how) == expected,
    "after a %s the files at the end are not those of a training that was never killed", how)
  finished = finished + 1
  begin_anew()
  return false
end

local function undisturbed(options, program, environment)
  local r = campaign.run(command .. options, acknowledging .. (environment or ""), program)
  campaign.check(r.status == 0, "the training fails: %s", r.err)
  local expected = files.result(run, "the undisturbed training")
  begin_anew()
  return expected
end

if not campaign.has "timeout" then campaign.skip "there is no timeout(1)" end
local expected = undisturbed ""
local killed = 0
while killed < random_kills do
  local seconds = ("%.4f"):format(0.005 + 0.15 * math.random())
  if piece("kill at a random moment", expected, "", ("timeout -s KILL %s %s"):format(seconds,
    campaign.quote(campaign.program))) then killed = killed + 1 end
end
begin_anew()

local short, faulty = campaign.count(" --epochs 3", " --epochs 2"), campaign.quote(campaign.faulty_program)
expected = undisturbed(short, faulty, "CAMPAIGN_RECORD=calls")
local calls = dofile "tests/campaigns/recorded_calls.lua"(campaign.read(campaign.folder .. "/calls"))
local aimed = 0
local function aim(call, what)
  local how = ("kill at system call %d of %d (%s, %s)"):format(call, #calls, calls[call].line, what)
  campaign.check(piece(how, expected, short, faulty, ("'CAMPAIGN_FAULT=%d 1 %s'"):format(call, what)),
    "the program outlived a %s", how)
  piece(how, expected, short)
  aimed = aimed + 1
end
-- before each call, then in the middle of it or after it; in the short form some, and more of the last save's
for call = 1, #calls, campaign.count(1, 9) do aim(call, "die-before") end
for call = campaign.count(1, #calls - 27), #calls, campaign.count(1, 3) do aim(call, "die-half") end

campaign.green("%d kills at random moments, %d inside saves (%d system calls): 0 lost, 0 torn; %d trainings went " ..
  "on to their end, all with equal bits",
  killed, aimed, #calls, finished)
