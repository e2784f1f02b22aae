-- Training steps with formulas against built-in layers, and against PyTorch's, alternately in one run.
--
--   perilune tests/bench/formulas.lua [--pairs 7] [--seconds 0.5] [--threads 2] [--only NAME] [--python python3]
--
-- Prints a row for each: medians in samples per second, and the median of the pairs' ratios beside its bar. Large ones
-- spend their time in matrix products and have none.
local core = require "perilune.core"
local speed = require "perilune.train.speed"
local text = require "perilune.base.format"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim

local here = arg[0]:match "^(.*)/" or "."
local options = { pairs = 7, seconds = 0.5, threads = core.system.threads(), python = "python3" }
for i = 1, #arg, 2 do
  local name = arg[i]:match "^%-%-(.*)"
  options[name] = tonumber(arg[i + 1]) or arg[i + 1]
end
core.system.threads(options.threads)

local LinearReLU = nn.define {
  name = "LinearReLU",
  params = function(o) return { w = { o[1], o[2] }, b = { o[2] } } end,
  forward = function(self, x) return (x:matmul(self.w) + self.b):relu() end,
}
local Gelu = nn.define { name = "Gelu", forward = function(_, x) return x:gelu() end }
local GeluTanh = nn.define {
  name = "GeluTanh",
  forward = function(_, x) return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3)):tanh()) end,
}
local GatedLinear = nn.define {
  name = "GatedLinear",
  params = function(o) return { a = { o[1], o[2] }, b = { o[1], o[2] }, bias = { o[2] } } end,
  forward = function(self, x) return (x:matmul(self.a) + self.bias) * x:matmul(self.b):sigmoid() end,
}
local LayerNorm = nn.define {
  name = "LayerNorm",
  params = function(o) return { gain = { shape = { o[1] }, init = { "constant", 1 } }, bias = { o[1] } } end,
  forward = function(self, x)
    local mean, var = x:mean(-1, { keepdim = true }), x:var(-1, { keepdim = true, correction = 0 })
    return (x - mean) / (var + 1e-5):sqrt() * self.gain + self.bias
  end,
}
local focal = nn.define_loss {
  name = "Focal",
  forward = function(y, label)
    local log_p = y:log_softmax(-1):pick(label)
    return -(1 - log_p:exp()) ^ 2 * log_p
  end,
}

local function dense(...) return nn.Sequential { nn.Flatten(), ... } end

-- name, batch, the model of formulas, the built-in one (or PyTorch's name of it), the bar; losses, if not cross-entropy
local cases = {
  { "Linear+ReLU", 64, function() return dense(LinearReLU(784, 128), nn.Linear(128, 10)) end,
    function() return dense(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)) end, 0.87 },
  { "Linear+ReLU, wide", 128,
    function() return dense(LinearReLU(784, 512), LinearReLU(512, 512), nn.Linear(512, 10)) end,
    function()
      return dense(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    end, 0.87 },
  { "GELU", 64, function() return dense(nn.Linear(784, 128), Gelu {}, nn.Linear(128, 10)) end,
    function() return dense(nn.Linear(784, 128), nn.GELU(), nn.Linear(128, 10)) end, 0.9 },
  { "GELU written out", 64, function() return dense(nn.Linear(784, 128), GeluTanh {}, nn.Linear(128, 10)) end,
    function() return dense(nn.Linear(784, 128), nn.GELU { approximate = "tanh" }, nn.Linear(128, 10)) end, 0.9 },
  { "focal loss", 64, function() return dense(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)) end,
    function() return dense(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)) end, 0.9, focal,
    nn.FocalLoss and nn.FocalLoss { gamma = 2 } or nn.Focal { gamma = 2 } },
  { "LayerNorm", 64, function() return dense(nn.Linear(784, 256), LayerNorm(256), nn.ReLU(), nn.Linear(256, 10)) end,
    "LayerNorm", 2 },
  { "LayerNorm, large", 256, function()
      return dense(nn.Linear(784, 1024), LayerNorm(1024), nn.ReLU(), nn.Linear(1024, 10))
    end, "LayerNorm, large" },
  { "gated linear", 64, function() return dense(GatedLinear(784, 128), nn.Linear(128, 10)) end, "gated linear", 2 },
  { "gated linear, large", 256, function()
      return dense(GatedLinear(784, 512), GatedLinear(512, 512), nn.Linear(512, 10))
    end, "gated linear, large" },
}

local set = speed.has_mnist() and pl.data.mnist() or pl.data.digits()

local function training(case, model, loss)
  return speed.training(pl.experiment { name = case[1], seed = 1, data = set, model = model, epochs = 1,
    loss = loss or nn.CrossEntropy(), optimizer = optim.Adam { lr = 1e-3 }, batch_size = case[2], test = "end" })
end

-- PyTorch as a process that measures when it is asked: the name of a case and a number of seconds, a line each.
local peer
local function ask(line)
  if peer == nil then
    local fifo = os.tmpname()
    os.remove(fifo)
    os.execute("mkfifo " .. fifo)
    local replies = io.popen(("%s %s/formulas_peer.py %d <%s 2>/dev/null"):format(options.python, here, options.threads,
      fifo))
    local questions = io.open(fifo, "w")
    os.remove(fifo)
    questions:setvbuf "no"
    peer = { replies = replies, questions = questions, there = replies:read "l" ~= nil }
    if not peer.there then print(options.python .. " cannot import torch: rows beside PyTorch are left out") end
  end
  if not peer.there then return nil end
  peer.questions:write(line, "\n")
  return peer.replies:read "l"
end

local function report(case, ours, theirs, ratios, with)
  local ratio = speed.summary(ratios)
  local bar = case[5] and ("bar %.2f %s"):format(case[5], ratio.median >= case[5] and "kept" or "MISSED") or ""
  print(("%-20s %10s %10s  %5.2f (%.2f to %.2f)  %-15s %s"):format(case[1],
    text.count(speed.summary(ours).median), text.count(speed.summary(theirs).median), ratio.median, ratio.low,
    ratio.high, bar, with))
end

local function compare(case)
  local name, _, formula, other, _, loss, built_in_loss = table.unpack(case)
  local mine, with, its = training(case, formula(), loss), "built in"
  if type(other) == "string" then
    with = ask("prepare\t" .. name)
    if with == nil then return end
    its = { run = function(_, seconds) return tonumber(ask(("run\t%s\t%g"):format(name, seconds))) end }
  else
    its = training(case, other(), built_in_loss)
  end
  local ours, theirs, ratios = {}, {}, {}
  mine:run(options.seconds / 2)
  its:run(options.seconds / 2)
  for i = 1, options.pairs do
    if i % 2 == 0 then theirs[i] = its:run(options.seconds) end
    ours[i] = mine:run(options.seconds)
    theirs[i] = theirs[i] or its:run(options.seconds)
    ratios[i] = ours[i] / theirs[i]
  end
  report(case, ours, theirs, ratios, with)
end

for _, case in ipairs(cases) do
  if options.only == nil or case[1]:find(options.only, 1, true) then compare(case) end
end
