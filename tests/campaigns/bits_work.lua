-- Work whose bits must not depend on how it is done: prints "THREADS <tab> what <tab> SHA-256" for every layer forward and
-- backward in several shapes, every loss, every optimizer, and a training of two epochs. usage: perilune bits_work.lua THREADS...
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local sha256 = pl.store.sha256

local conv = nn.Conv2d
local image, wide, flat = { 14, 14, 16 }, { 9, 7, 5 }, { 70 }

-- { layer's constructor, shape of a sample }. What takes several shapes or options stands several times.
local cases = {
  { function() return nn.Linear(70, 33) end, flat }, { function() return nn.Linear(16, 40, { bias = false }) end, image },
  { function() return nn.Linear(300, 10) end, { 300 } },
  { function() return conv(16, 16, 5, { padding = "same" }) end, image }, { function() return conv(16, 20, 3, { padding = 1 }) end, image },
  { function() return conv(16, 17, 3) end, image }, { function() return conv(16, 32, 5) end, image }, { function() return conv(5, 7, 3) end, wide },
  { function() return conv(5, 16, { 3, 2 }, { stride = 2, padding = 1, bias = "per-position" }) end, wide },
  { function() return conv(1, 8, 5, { padding = "same" }) end, { 28, 28, 1 } }, { function() return conv(16, 24, 1, { bias = false }) end, image },
  { function() return nn.MaxPool2d(2) end, image }, { function() return nn.MaxPool2d(3, { stride = 2, padding = "same" }) end, wide },
  { function() return nn.AvgPool2d(2) end, image },
  { function() return nn.AvgPool2d(3, { stride = 1, padding = 1, count_include_pad = false }) end, wide },
  { function() return nn.GlobalAvgPool2d() end, image }, { function() return nn.BatchNorm(16) end, image },
  { function() return nn.BatchNorm(70, { affine = false }) end, flat }, { function() return nn.Dropout(0.3) end, image },
  { function() return nn.Dropout() end, flat }, { function() return nn.Flatten() end, image }, { function() return nn.Reshape { 7, 28, 16 } end, image },
  { function() return nn.ReLU() end, image }, { function() return nn.LeakyReLU(0.1) end, flat }, { function() return nn.ELU() end, image },
  { function() return nn.Tanh() end, image }, { function() return nn.Sigmoid() end, flat }, { function() return nn.GELU() end, image },
  { function() return nn.GELU { approximate = "tanh" } end, image }, { function() return nn.SiLU() end, image },
  { function() return nn.Softmax() end, flat }, { function() return nn.LogSoftmax() end, image }, { function() return nn.Identity() end, flat },
  { function() return nn.Lambda { forward = function(x) return x * 2 end, backward = function(_, dy) return dy * 2 end } end, flat },
  { function() return nn.Residual(nn.Sequential { conv(16, 16, 3, { padding = 1 }), nn.BatchNorm(16), nn.ReLU() }) end, image },
  { function() return nn.Residual(conv(16, 32, 3, { padding = 1 }), conv(16, 32, 1)) end, image },
  { function() return nn.Sequential { nn.Flatten(), nn.Linear(16 * 196, 50), nn.ReLU(), nn.Dropout(0.2), nn.Linear(50, 10) } end, image },
}

-- A layer that is new must be tried too.
local known = { load = true, from_config = true, Sequential = true, MSE = true, Huber = true, BCE = true, NLL = true, CrossEntropy = true,
  ProbabilityCrossEntropy = true }
for _, case in ipairs(cases) do known[case[1]().type] = true end
for name in pairs(nn) do assert(known[name], name .. " is not among the layers tried here") end

local function join(list, tensors)
  for _, item in ipairs(list) do tensors[#tensors + 1] = item.tensor end
  return tensors
end

local function gradients(layer, tensors)
  for _, parameter in ipairs(layer:params()) do
    if parameter.trained then tensors[#tensors + 1] = layer.grad[parameter.name] end
  end
  for i = 1, #layer do gradients(layer[i], tensors) end
end

-- Output, gradients, running statistics and output of inference, for a few sizes of batches.
local function layer(make, shape)
  local tensors = {}
  for _, n in ipairs { 1, 6, 37 } do
    local model = nn.Sequential { make() }
    model:build(shape)
    model:initialize(3)
    model:random(7, n)
    local size = table.move(shape, 1, #shape, 2, { n })
    local x = pl.randn(size, { seed = n }) + 0.1
    local y = model:forward(x)
    model:zero_grad()
    tensors[#tensors + 1] = y:clone()
    tensors[#tensors + 1] = model:backward(pl.randn(y.shape, { seed = n + 1 }), true)
    gradients(model, tensors)
    tensors[#tensors + 1] = model:infer(x)
    join(model:state(), tensors)
  end
  return sha256(table.unpack(tensors))
end

local losses = { "CrossEntropy", "ProbabilityCrossEntropy", "NLL", "BCE", "Huber", "MSE" }
local function loss(name)
  local scores = pl.rand({ 301, 10 }, { seed = 4 }) * 0.9 + 0.05
  local target = (name == "BCE" or name == "Huber" or name == "MSE") and pl.rand({ 301, 10 }, { seed = 5 }) or pl.randint(0, 9, 301, { seed = 5 })
  local value, gradient = nn[name]()(scores, target)
  return sha256(("%a"):format(value), gradient)
end

local optimizers = { "AdaBelief", "AdaDelta", "AdaGrad", "AdaMax", "Adam", "AdamW", "EAdam", "LAMB", "Nadam", "RMSprop", "SGD" }
local function optimizer(name)
  local model = nn.Sequential { nn.Linear(120, 70), nn.Tanh(), nn.Linear(70, 10) }
  model:build { 120 }
  model:initialize(3)
  local opt = optim[name] { lr = 0.01, clip_norm = 0.5 }:bind(model)
  local x, y = pl.randn({ 40, 120 }, { seed = 8 }), pl.randint(0, 9, 40, { seed = 9 })
  local cross_entropy = nn.CrossEntropy()
  for _ = 1, 4 do
    local _, gradient = cross_entropy(model:forward(x), y)
    model:zero_grad()
    model:backward(gradient)
    opt:step()
  end
  return sha256(table.unpack(join(opt:state(), join(model:state(), {}))))
end

local function training(threads)
  local e = pl.experiment {
    name = "Bits", epochs = 2, batch_size = 32, seed = 4, validation = 0.2, data = pl.data.digits { train = 240, test = 64, seed = 5 },
    model = nn.Sequential {
      nn.Conv2d(1, 16, 5, { padding = "same" }), nn.BatchNorm(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 5, { padding = "same" }), nn.ELU(),
      nn.Residual { nn.Sequential { nn.Conv2d(16, 16, 3, { padding = "same" }), nn.GELU() } }, nn.AvgPool2d(2), nn.Dropout(0.2),
      nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10) },
    loss = nn.CrossEntropy { label_smoothing = 0.05 }, optimizer = optim.Adam { lr = 0.002, clip_norm = 1 },
    schedule = pl.schedule.cosine { warmup = 0.5, per = "step" },
    augment = { pl.augment.affine { chance = 0.7, per = "image", rotate = 20, zoom = 0.2, shift = 0.1 }, pl.augment.noise { std = 0.02 },
      pl.augment.elastic {}, pl.augment.cutout {} },
  }
  local run = e:run { out = false, quiet = true, threads = threads }
  local numbers = {}
  for _, row in ipairs { run.history[1], run.history[2] } do numbers[#numbers + 1] = ("%a %a %a"):format(row.train_loss, row.val_loss, row.lr) end
  return sha256(table.concat(numbers, " "), table.unpack(join(e.model:state(), join(e.optimizer:state(), {}))))
end

for _, word in ipairs(arg) do
  local threads = math.tointeger(tonumber(word))
  pl.system.threads(threads)
  local function say(what, digest) print(("%d\t%s\t%s"):format(threads, what, digest)) end
  for i, case in ipairs(cases) do say(("layer %d, %s on [N, %s]"):format(i, case[1]().type, table.concat(case[2], ", ")), layer(case[1], case[2])) end
  for _, name in ipairs(losses) do say(name, loss(name)) end
  for _, name in ipairs(optimizers) do say(name, optimizer(name)) end
  say("training of two epochs", training(threads))
end
