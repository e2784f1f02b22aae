-- The n-th allocation fails, for every n, of a save, a load, reading data, a prediction, a small training and its continuation:
-- in the core, in cJSON and in Lua. A clean error or none, no memory or file lost, earlier files whole (allocations_each.lua).
local campaign = dofile "tests/campaigns/support.lua"

local program = campaign.build .. "/campaigns/allocations"
local script = os.getenv "PWD" .. "/tests/campaigns/allocations_each.lua"
local r = campaign.shell(("env OMP_NUM_THREADS=1 %s %s %s %d"):format(campaign.quote(program), campaign.quote(script), campaign.quote(campaign.folder),
  campaign.count(0, 1)))
local failures, errors, things, detail = r.out:match "(%d+) failures, (%d+) errors, (%d+) things: ([^\n]*)"
campaign.check(r.status == 0 and failures, "exit status %d\n%s", r.status, r.err .. r.out)
campaign.green("%d failed allocations (%s) in %d things: %d clean errors, the rest went on to the same result; 0 bytes lost, files whole",
  failures, detail, things, errors)
