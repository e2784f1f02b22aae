-- The n-th allocation fails, for every n, of a save, a load, reading data, a prediction, a small training and its
-- continuation: in the core, in cJSON and in Lua. A clean error or none, no memory or file lost, earlier files whole
-- (allocations_each.lua).
local campaign = dofile "tests/campaigns/support.lua"

-- Side by side, in memory where there is such a folder: a training is saved some ten thousand times.
local parts = { "1 10", "11 11", "12 12" }
local folder = campaign.folder
if campaign.shell("test -d /dev/shm && test -w /dev/shm").status == 0 then
  folder = ("/dev/shm/allocations.%d"):format(os.time())
end
local program, script = campaign.quote(campaign.build .. "/campaigns/allocations"),
  campaign.quote(os.getenv "PWD" .. "/tests/campaigns/allocations_each.lua")
local all = {}
for i, part in ipairs(parts) do
  all[i] = ("{ mkdir -p %s/%d; OMP_NUM_THREADS=1 %s %s %s/%d %d %s >%d.log 2>&1; echo $? >%d.status; } " ..
    "&"):format(folder, i, program, script, folder, i,
    campaign.count(0, 1), part, i, i)
end
campaign.shell(table.concat(all, " ") .. " wait; rm -rf " .. folder .. "/[123]; rmdir " .. folder)

local sums = { 0, 0, 0, 0, 0, 0 }
for i, part in ipairs(parts) do
  local said = campaign.read(("%s/%d.log"):format(campaign.folder, i))
  local status = tonumber(campaign.read(("%s/%d.status"):format(campaign.folder, i)))
  local counts = { said:match("(%d+) failures, (%d+) errors, (%d+) things: " ..
    "(%d+) of the core, (%d+) of JSON, (%d+) of Lua") }
  campaign.check(status == 0 and #counts == #sums, "things %s: exit status %s\n%s", part, status, said:sub(-3000))
  for k, count in ipairs(counts) do sums[k] = sums[k] + math.tointeger(count) end
end
local failures, errors, things, core, json, lua = table.unpack(sums)
campaign.green("%d failed allocations (%d of the core, %d of JSON, %d of Lua) in %d things: %d clean errors, the " ..
  "rest went on to the same result; 0 bytes lost, files whole", failures, core, json, lua, things, errors)
