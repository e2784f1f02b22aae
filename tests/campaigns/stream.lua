-- A training over a file larger than the memory that it may take: an epoch of a streamed HDF5 file of 2 GiB (plain;
-- then in compressed chunks, a quarter of that) stays below 200 MiB, and has the same loss on one thread and on two.
local campaign = dofile "tests/campaigns/support.lua"

local python = os.getenv "PYTHON" or "python3"
if campaign.shell(python .. " -c 'import h5py'").status ~= 0 then campaign.skip(python .. " has no h5py") end
if not campaign.read "/proc/self/status" then campaign.skip "there is no /proc, which says what memory was taken" end
local MOST = 200 << 20

campaign.write("make.py", [[
import sys, h5py, numpy as np
path, megabytes, packed = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "packed"
n, rng = megabytes * 2**20 // 3136, np.random.default_rng(1)
with h5py.File(path, "w") as f:
    how = dict(chunks=(128, 28, 28, 1), compression="gzip", compression_opts=1, shuffle=True) if packed else {}
    x, y = f.create_dataset("x", (n, 28, 28, 1), "f4", **how), rng.integers(0, 10, n)
    for i in range(0, n, 12800):
        m = min(12800, n - i)
        x[i:i + m] = rng.integers(0, 4, (m, 28, 28, 1)) / 4 + (y[i:i + m] / 20)[:, None, None, None]
    f["y"] = y
]])
campaign.write("train.lua", [[
local pl = require "perilune"
local nn = pl.nn
local e = pl.experiment { name = "stream", seed = 1, data = pl.data.hdf5 { arg[1], stream = true }, epochs = 1,
  batch_size = 64, model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }, loss = nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = 0.01 } }
local run = e:run { quiet = true, out = arg[2], threads = math.tointeger(tonumber(arg[3])) }
for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s+(%d+)"
  if peak then print(peak, run.history.train_loss[1]) end
end
]])

local figures = {}
for _, kind in ipairs { { "plain", campaign.count(2048, 96) }, { "packed", campaign.count(512, 48) } } do
  local name, megabytes = kind[1], kind[2]
  local made = campaign.shell(("%s make.py %s.h5 %d %s"):format(python, name, megabytes, name))
  campaign.check(made.status == 0, "%s", made.err)
  local losses = {}
  for threads = 1, 2 do
    local r = campaign.shell(("%s train.lua %s.h5 %s-%d %d"):format(campaign.quote(campaign.program), name, name,
      threads, threads))
    campaign.check(r.status == 0, "%s", r.err)
    local peak, loss = r.out:match "(%d+)%s+(%S+)"
    losses[threads], peak = loss, tonumber(peak) << 10
    campaign.check(campaign.sanitized or peak < MOST, "%s: %d MiB of memory, at most %d", name, peak >> 20, MOST >> 20)
    figures[#figures + 1] = ("%d MiB %s: %d MiB"):format(megabytes, name, peak >> 20)
  end
  campaign.check(losses[1] == losses[2], "%s: a loss of %s on one thread, %s on two", name, losses[1], losses[2])
  os.remove(("%s/%s.h5"):format(campaign.folder, name))
end
campaign.green("%s", table.concat(figures, ", "))
