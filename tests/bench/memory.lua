-- Trains P12 for a few steps, saves and tests it as a run does; prints the most bytes of memory that the process ever
-- held beyond the pixels and labels of its data set.
local pl = require "perilune"
local bench = require "perilune.train.speed"

local e = bench.load "P12":with {
  callbacks = { on_batch = function(ctx)
    if ctx.batch == 300 then ctx.stop() end
  end },
}
local folder = os.tmpname()
os.remove(folder)
e:run { epochs = 1, quiet = true, out = folder }
os.execute(("rm -rf '%s'"):format(folder))

local train, test = e.data:splits()
local data = (#train + #test) * (28 * 28 + 1)
local file = io.open "/proc/self/status"
local most = file and tonumber(file:read "a":match "VmHWM:%s*(%d+) kB") * 1024
  or select(2, pl.memory and pl.memory() or 0)
print(("%d"):format(most - data))
