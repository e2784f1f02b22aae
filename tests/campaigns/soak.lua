-- A long session in one process: experiments made, trained, saved, evaluated and dropped, again and again. What Lua and
-- the core hold afterwards stays the same, the most resident memory within 1 % of what it was in the warm-up, and as
-- many files are open as then. With sanitizers resident memory is not judged: AddressSanitizer keeps what was freed.
local campaign = dofile "tests/campaigns/support.lua"
local pl = require "perilune"
local listdir = require "perilune.core".store.listdir
local nn = pl.nn

-- Windows of what is held are compared by their means, each with every kind of experiment in it as often. Resident
-- memory goes up and down by some per cent with what the C library's allocator has at hand, settling late: its peaks
-- are compared.
local experiments, warm_up, window = campaign.count(200, 24), campaign.count(140, 12), campaign.count(60, 12)
local epochs = campaign.count(50, 5)          -- of 10 steps
local statm = "/proc/self/statm"
if not campaign.read(statm) then campaign.skip "there is no /proc/self/statm" end

-- Resident bytes, after everything that is garbage has gone.
local function resident()
  collectgarbage()
  collectgarbage()
  return math.tointeger(tonumber(campaign.read(statm):match "^%d+ (%d+)")) * 4096
end

local function open_files() return #listdir "/proc/self/fd" end

-- Models, data, losses and rules that alternate, so that every kind of object comes and goes.
local function model(i)
  if i % 4 == 0 then
    return nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2 }), nn.BatchNorm(4), nn.ReLU(), nn.MaxPool2d(2),
      nn.Dropout(0.2), nn.Flatten(), nn.Linear(144, 10) }
  end
  if i % 4 == 1 then
    return nn.Sequential { nn.AvgPool2d(4), nn.Flatten(), nn.Lambda { forward = function(x) return x * 2 end,
      backward = function(dy) return dy * 2 end },
      nn.Linear(49, 10) }
  end
  return nn.Sequential { nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 20), nn.Residual { nn.Linear(20, 20) }, nn.Tanh(),
    nn.Linear(20, 10) }
end

local data = pl.data.digits { train = 160, test = 32, seed = 2 }
local steps = 0

local function experiment(i)
  local out = ("%s/run-%d"):format(campaign.folder, i % 3)
  local e = pl.experiment { name = "soak", seed = i, epochs = epochs, batch_size = 16, data = data, model = model(i),
    loss = nn.CrossEntropy(),
    optimizer = i % 2 == 0 and pl.optim.Adam { lr = 0.001 } or pl.optim.SGD { lr = 0.01, momentum = 0.9 }, test = "end",
      validation = i % 3 == 0 and 0.2 or 0,
    schedule = i % 2 == 0 and pl.schedule.cosine() or function(_, lr) return lr end,
    augment = i % 5 == 0 and pl.augment.noise(0.05) or nil,
    stopping = i % 3 == 0 and pl.stopping.patience { monitor = "val_loss", patience = 1000 } or nil }
  local run = e:run { quiet = true, out = out, fresh = true }
  steps = steps + run.history[#run.history].step
  if i % 4 ~= 1 then     -- a model with functions of the script cannot be loaded
    local again = campaign.check(nn.load(out .. "/run.h5"))
    again:predict(pl.rand(8, 28, 28, 1))
  end
  pcall(pl.load, campaign.folder .. "/nothing")
end

local function held() return (pl.system.memory()) + collectgarbage "count" * 1024 end

local residents, holdings, files = {}, {}, nil
for i = 1, experiments do residents[i], holdings[i] = 0, 0 end     -- what is written down takes no memory later
local function mean(list, from, to)
  local sum = 0
  for i = from, to do sum = sum + list[i] end
  return sum / (to - from + 1)
end

for i = 1, experiments do
  experiment(i)
  residents[i], holdings[i] = resident(), held()
  if i == warm_up then files = open_files() end
end

-- Small steps do the rest; they are what a training is made of. Their warm-up is over when what is first used here is
-- there.
local wanted = campaign.count(100000, 2000)
local every, steps_to_warm_up = campaign.count(1000, 100), campaign.count(3000, 300)
local small = nn.Sequential { nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2) }:build { 8 }
local optimizer, loss = pl.optim.Adam():bind(small), nn.CrossEntropy()
local x, y = pl.rand(4, 8), pl.tensor({ 0, 1, 0, 1 }, "i32")
local in_steps, small_steps = {}, 0
while steps < wanted do
  local _, gradient = loss(small:forward(x), y)
  small:zero_grad()
  small:backward(gradient)
  optimizer:step()
  steps, small_steps = steps + 1, small_steps + 1
  if small_steps % every == 0 and small_steps >= steps_to_warm_up then
    collectgarbage()
    collectgarbage()
    in_steps[#in_steps + 1] = held()
  end
end

local function grown(list, first_end, last)
  local size = math.min(window, last - first_end)
  local early, late = mean(list, first_end - size + 1, first_end), mean(list, last - size + 1, last)
  return (late - early) / early, late
end

local growth, bytes = grown(holdings, warm_up, experiments)
campaign.check(growth <= 0.01, "what Lua and the core hold grew by %.1f %% to %.0f bytes over %d experiments",
  100 * growth, bytes, experiments)
campaign.check(#in_steps > 1, "the experiments left only %d steps to do", small_steps)
local by_steps = (in_steps[#in_steps] - in_steps[1]) / in_steps[1]
campaign.check(by_steps <= 0.01, "what Lua and the core hold grew by %.1f %% over %d small steps", 100 * by_steps,
  small_steps - steps_to_warm_up)
local most = math.max(table.unpack(residents, 1, warm_up))
local last = math.max(table.unpack(residents, warm_up + 1))
local resident_growth = (last - most) / most
campaign.check(campaign.sanitized or resident_growth <= campaign.count(0.01, 0.25),
  "resident memory grew by %.1f %% to %.1f MB over %d experiments", 100 * resident_growth, last / 1e6,
  experiments)
local files_after = open_files()
campaign.check(files_after == files, "%d files are open, %d were after the warm-up", files_after, files)
campaign.green("%d steps, %d experiments in one process, against the warm-up: held %.0f kB (%+.3f %% over " ..
  "experiments, %+.3f %% over %d small steps), resident %.1f MB (%+.2f %%); %d open files all along", steps,
  experiments, bytes / 1e3, 100 * growth, 100 * by_steps,
    small_steps - steps_to_warm_up,
  last / 1e6, 100 * resident_growth, files)
