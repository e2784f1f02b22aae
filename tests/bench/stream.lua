-- The rate of a streamed epoch of an HDF5 file against that of the same set in memory, in turns: how much longer a
-- streamed epoch takes. Nothing else should run meanwhile.
--
--   build/perilune tests/bench/stream.lua [NETWORK [PAIRS [TYPE [MIB]]]]
--   NETWORK: linear (nothing to compute, so that reading shows most), lenet, p08; all of them by default
--   PAIRS: of epochs, 7; TYPE of the file's elements: u8 (default) or f32; MIB: the size of the file, 128
--
-- The file lies in the cache of the system, as one does that fits into memory: of a disk it says nothing. Where the
-- system tells it (Linux), also the time of a core that the reading thread takes for a sample; none where training has
-- all cores, for then those who train read.
local core = require "perilune.core"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim

local wanted, pairs_of, kind = arg[1] or "all", tonumber(arg[2] or 7), arg[3] or "u8"
local count = (tonumber(arg[4] or 128) << 20) // (784 * (kind == "u8" and 1 or 4))

local networks = {
  { "linear", function() return nn.Sequential { nn.Flatten(), nn.Linear(784, 10) } end },
  { "p08", function()
    return nn.Sequential { nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(),
      nn.Linear(100, 10) }
  end },
  { "lenet", function()
    return nn.Sequential { nn.Conv2d(1, 6, 5, { padding = 2 }), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5),
      nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
      nn.Linear(84, 10) }
  end },
}

-- As many threads as cores, chosen: otherwise an epoch now and then is a trial with fewer, which tells of that.
core.system.threads(core.system.threads())

local path = os.tmpname() .. ".h5"
do
  pl.seed(1)
  local x, labels = pl.rand(count, 28, 28, 1), {}
  for i = 1, count do labels[i] = i % 10 end
  assert(pl.save(path, { x = kind == "u8" and x:mul_(255):to "u8" or x, y = pl.tensor(labels, "i32") }))
end

local function trainer_of(split, make)
  local model = make():build { 28, 28, 1 }
  model:initialize(1)
  local optimizer = optim.SGD { lr = 0.01 }
  optimizer:bind(model)
  return core.trainer.new { model = model, loss = nn.CrossEntropy(), optimizer = optimizer, data = split,
    batch_size = 64, seed = 1 }
end

-- Samples a second of an epoch.
local function rate_of(trainer, epoch)
  local start = core.system.clock()
  trainer:run(epoch, 1, (count + 63) // 64)
  return count / (core.system.clock() - start)
end

-- The threads of this process, and how many nanoseconds each has computed; none where the system does not tell.
local function threads_now()
  local times, status = {}, io.open "/proc/self/stat"
  if not status then return times end
  local list <close> = assert(io.popen(("ls /proc/%d/task"):format(status:read "n")))
  status:close()
  for id in list:lines() do
    local file <close> = io.open(("/proc/self/task/%s/schedstat"):format(id))
    times[id] = file and file:read "n"
  end
  return times
end

local function median(list)
  table.sort(list)
  local n = #list
  return n % 2 == 1 and list[n // 2 + 1] or (list[n // 2] + list[n // 2 + 1]) / 2
end

print(("%d samples of %s, %d pairs of epochs"):format(count, kind, pairs_of))
local good = true
for _, network in ipairs(networks) do
  local name, make = network[1], network[2]
  if wanted == "all" or wanted == name then
    local memory = trainer_of(pl.data.hdf5(path).train, make)
    local before = threads_now()
    local stream = trainer_of(pl.data.hdf5({ path, stream = true }).train, make)
    local reader
    for id in pairs(threads_now()) do reader = not before[id] and id or reader end
    rate_of(memory, 1)
    rate_of(stream, 1)
    local ratios, rates, start = {}, { {}, {} }, threads_now()[reader]
    for i = 1, pairs_of do
      local m, s
      if i % 2 == 0 then m, s = rate_of(memory, i + 1), rate_of(stream, i + 1)
      else s, m = rate_of(stream, i + 1), rate_of(memory, i + 1) end
      ratios[i], rates[1][i], rates[2][i] = m / s - 1, m, s
    end
    local slower, best, worst = median(ratios), ratios[1], ratios[#ratios]
    good = good and slower <= 0.05
    print(("%-7s in memory %9.0f a second, streamed %9.0f: %5.1f %% longer (%.1f to %.1f); at most 5 %%: %s"):format(
      name, median(rates[1]), median(rates[2]), 100 * slower, 100 * best, 100 * worst,
      slower <= 0.05 and "yes" or "no"))
    if start then
      local each = (threads_now()[reader] - start) / 1e3 / count / pairs_of
      print(("        the reading thread: %.3f us of a core a sample"):format(each))
    end
  end
end
os.remove(path)
os.exit(good and 0 or 1, true)
