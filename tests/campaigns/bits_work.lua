-- Work whose bits must not depend on how it is done: prints "THREADS <tab> what <tab> SHA-256" for every layer forward
-- and backward in several shapes, every loss, every optimizer, and trainings of many kinds. usage: perilune
-- bits_work.lua THREADS...
local core = require "perilune.core"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local sha256 = pl.store.sha256

local image, wide, flat = { 14, 14, 16 }, { 9, 7, 5 }, { 70 }

-- Constructor calls, with the shape of a sample. What takes several shapes or options stands several times.
local layers = {
  { "Linear(70, 33)", flat }, { "Linear(16, 40, { bias = false })", image }, { "Linear(300, 10)", { 300 } },
  { "Conv2d(16, 16, 5, { padding = 'same' })", image }, { "Conv2d(16, 20, 3, { padding = 1 })", image },
  { "Conv2d(16, 17, 3)", image },
  { "Conv2d(16, 32, 5)", image }, { "Conv2d(5, 7, 3)", wide },
  { "Conv2d(5, 16, { 3, 2 }, { stride = 2, padding = 1, bias = 'per-position' })", wide },
  { "Conv2d(1, 8, 5, { padding = 'same' })", { 28, 28, 1 } }, { "Conv2d(16, 24, 1, { bias = false })", image },
  { "Conv2d(16, 8, 3)", { 5, 5, 16 } }, { "Conv2d(6, 8, 3, { stride = 3 })", { 11, 8, 6 } },
  { "MaxPool2d(2)", image }, { "MaxPool2d(3, { stride = 2, padding = 'same' })", wide }, { "AvgPool2d(2)", image },
  { "AvgPool2d(3, { stride = 1, padding = 1, count_include_pad = false })", wide }, { "GlobalAvgPool2d()", image },
  { "BatchNorm(16)", image },
  { "BatchNorm(70, { affine = false })", flat }, { "Dropout(0.3)", image }, { "Dropout()", flat },
  { "Flatten()", image },
  { "Reshape { 7, 28, 16 }", image }, { "ReLU()", image }, { "LeakyReLU(0.1)", flat }, { "ELU()", image },
  { "ELU(0.5)", flat }, { "Tanh()", image },
  { "Sigmoid()", flat }, { "GELU()", image }, { "GELU { approximate = 'tanh' }", image }, { "SiLU()", image },
  { "Softmax()", flat },
  { "LogSoftmax()", image }, { "Identity()", flat },
  { "Lambda { forward = function(x) return x * 2 end, backward = function(dy) return dy * 2 end }", flat },
  { "Residual(Sequential { Conv2d(16, 16, 3, { padding = 1 }), BatchNorm(16), ReLU() })", image },
  { "Residual(Conv2d(16, 32, 3, { padding = 1 }), Conv2d(16, 32, 1))", image },
  { "Sequential { ReLU(), Residual(Residual(ReLU()), Sequential { Flatten(), Reshape { 14, 14, 16 } }), ReLU() }",
    image },
  { "Sequential { Flatten(), Linear(16 * 196, 50), ReLU(), Dropout(0.2), Linear(50, 10) }", image },
  { "Sequential { Conv2d(16, 16, 3), ELU(), MaxPool2d(2), Conv2d(16, 4, 3), ReLU(), Dropout(0.2) }", image },
}

local function make(source) return assert(load("return " .. source, source, "t", nn))() end

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

-- Output, gradients, running statistics and outputs of inference, for a few sizes of batches. (One row has no
-- statistics.)
local function layer(source, shape)
  local tensors = {}
  for _, n in ipairs { type(source) == "string" and source:find "^BatchNorm" and #shape == 1 and 2 or 1, 6, 37 } do
    local model = nn.Sequential { type(source) == "function" and source() or make(source) }
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

local function sorted(class)
  local names = {}
  for name in pairs(class) do if name:find "^%u" then names[#names + 1] = name end end
  table.sort(names)
  return names
end
local losses, optimizers = sorted(core.loss), sorted(core.optim)

local takes_targets = { BCE = true, Huber = true, MSE = true }
local function loss(name)
  local scores = pl.rand({ 301, 10 }, { seed = 4 }) * 0.9 + 0.05
  local target = takes_targets[name] and pl.rand({ 301, 10 }, { seed = 5 }) or pl.randint(0, 9, 301, { seed = 5 })
  local value, gradient = nn[name]()(scores, target)
  return sha256(("%a"):format(value), gradient)
end

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
    name = "Bits", epochs = 2, batch_size = 32, seed = 4, validation = { fraction = 0.2, order = "last" },
    data = pl.data.digits { train = 240, test = 64, seed = 5 },
    model = nn.Sequential {
      nn.Conv2d(1, 16, 5, { padding = "same" }), nn.BatchNorm(16), nn.ReLU(), nn.MaxPool2d(2),
      nn.Conv2d(16, 16, 5, { padding = "same" }), nn.ELU(),
      nn.Residual { nn.Sequential { nn.Conv2d(16, 16, 3, { padding = "same" }), nn.GELU() } }, nn.AvgPool2d(2),
      nn.Dropout(0.2),
      nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10) },
    loss = nn.CrossEntropy { label_smoothing = 0.05 }, optimizer = optim.Adam { lr = 0.002, clip_norm = 1 },
    schedule = pl.schedule.cosine { warmup = 0.5, per = "step" },
    augment = { pl.augment.affine { chance = 0.7, per = "image", rotate = 20, zoom = 0.2, shift = 0.1 },
      pl.augment.noise { std = 0.02 },
      pl.augment.elastic {}, pl.augment.cutout {} },
  }
  local run = e:run { out = false, quiet = true, threads = threads }
  local numbers = {}
  for _, row in ipairs { run.history[1], run.history[2] } do
    numbers[#numbers + 1] = ("%a %a %a"):format(row.train_loss, row.val_loss, row.lr)
  end
  return sha256(table.concat(numbers, " "), table.unpack(join(e.model:state(), join(e.optimizer:state(), {}))))
end

-- Models whose operations are fused in many ways: steps of the core's trainer, many in one region.
local nets = {
  mlp = "Flatten(), Linear(784, 72), ReLU(), Dropout(0.3), Linear(72, 50), Tanh(), Linear(50, 10)",
  packed = "Flatten(), Linear(784, 100), ReLU(), Linear(100, 10)",
  residual = [[Conv2d(1, 6, 5, { stride = 2 }), BatchNorm(6), ReLU(),
    Residual(Sequential { Conv2d(6, 6, 3, { padding = 'same' }), BatchNorm(6, { affine = false }), ReLU(),
      BatchNorm(6) }), ReLU(),
    Residual(BatchNorm(6), Sequential { Conv2d(6, 6, 1), BatchNorm(6) }), Residual(Conv2d(6, 6, 1)), ReLU(),
    Flatten(), Linear(864, 100), ReLU(), Linear(100, 10)]],
  pooled = [[Identity(), Conv2d(1, 6, 5), Tanh(), MaxPool2d(2), Conv2d(6, 8, 3, { bias = 'per-position' }),
    LeakyReLU(0.1), MaxPool2d(2),
    Dropout(0.2), Conv2d(8, 16, 3, { padding = 'same' }), ReLU(), Conv2d(16, 16, 3, { padding = 'same' }), ReLU(),
    MaxPool2d(2),
    GELU(), MaxPool2d(2), Flatten(), Linear(16, 10)]],
  dropped = [[Conv2d(1, 6, 5, { stride = 2 }), ReLU(), Dropout(0.2), Conv2d(6, 16, 3, { padding = 'same' }), ReLU(),
    Dropout(0.1),
    Conv2d(16, 5, 3, { stride = 3, bias = 'per-position' }), ReLU(), Dropout(0.2), BatchNorm(5), ReLU(), Dropout(0.3),
    Tanh(), Dropout(0.3),
    Flatten(), ReLU(), Dropout(0), Linear(80, 10)]],
  scripted = [[ReLU(), Dropout(0.1), Conv2d(1, 3, 5, { bias = 'per-position' }), ReLU(), Dropout(0.2), Conv2d(3, 4, 1),
    ReLU(), MaxPool2d(4),
    Lambda { forward = function(x) return x * 2 end, backward = function(dy) return dy * 2 end }, ReLU(), Dropout(0.4),
    Flatten(), Linear(144, 10)]],
  activated = [[Conv2d(1, 9, 5, { stride = 2 }), Sigmoid(), Conv2d(9, 6, 1, { bias = 'per-position' }), LeakyReLU(0.1),
    Conv2d(6, 16, 3, { padding = 'same' }), ReLU(), Residual(Conv2d(16, 16, 1)), ReLU(),
    Conv2d(16, 16, 5, { padding = 'same' }), LeakyReLU(0.2),
    Conv2d(16, 8, 3, { stride = 3 }), Tanh(), Conv2d(8, 8, 3, { padding = 'same' }), ELU(), Linear(8, 40), Tanh(),
    Flatten(), Linear(640, 10), Sigmoid()]],
}

local train = pl.data.digits { train = 150, test = 10, seed = 3 }:splits()

-- The sign of a NaN is the compiler's.
local function one_nan(t) return t.dtype == "f32" and pl.where(t:ne(t), 0 / 0, t) or t end

local function steps(net, opt, batch_size, criterion)
  local model = make("Sequential { " .. nets[net] .. " }")
  model:build { 28, 28, 1 }
  model:initialize(5)
  local bound = opt:bind(model)
  local trainer = core.trainer.new { model = model, loss = criterion or nn.CrossEntropy(), optimizer = bound,
    data = train, batch_size = batch_size, seed = 7,
    shuffle = true, augment = { pl.augment.affine { chance = 0.5, rotate = 20, shift = 0.1 } } }
  local n, sums, tensors = trainer:batches(), {}, {}
  for i, piece in ipairs { { 1, 1, n }, { 2, 1, n - 2 }, { 2, n - 1, 1 } } do
    sums[i] = ("%a"):format((trainer:run(table.unpack(piece))))
    gradients(model, tensors)
    for k, gradient in ipairs(tensors) do tensors[k] = gradient:clone() end
  end
  join(bound:state(), join(model:state(), tensors))
  tensors[#tensors + 1] = model:infer(pl.rand({ 40, 28, 28, 1 }, { seed = 4 }))
  for k, t in ipairs(tensors) do tensors[k] = one_nan(t) end
  return sha256(table.concat(sums, " "), table.unpack(tensors))
end

for _, word in ipairs(arg) do
  local threads = math.tointeger(tonumber(word))
  pl.system.threads(threads)
  local function say(what, digest) print(("%d\t%s\t%s"):format(threads, what, digest)) end
  for _, case in ipairs(layers) do
    say(("%s on [N, %s]"):format(case[1], table.concat(case[2], ", ")), layer(case[1], case[2]))
  end
  for _, type in ipairs(sorted(core.nn.examples())) do   -- each class's own example: so a new one is tried too
    local example = core.nn.examples()[type]
    say(type .. "'s example", layer(function() return nn[type](table.unpack(example.arguments)) end, example.input))
  end
  for _, name in ipairs(losses) do say(name, loss(name)) end
  for _, name in ipairs(optimizers) do say(name, optimizer(name)) end
  for _, name in ipairs(losses) do
    if not takes_targets[name] then
      say("steps: mlp, SGD, batches of 7, " .. name, steps("mlp", optim.SGD { lr = 0.01 }, 7, nn[name]()))
    end
  end
  for _, name in ipairs(optimizers) do
    say(("steps: mlp, %s, batches of 7"):format(name), steps("mlp", optim[name] { lr = 0.01 }, 7))
  end
  for _, name in ipairs { "Adam", "SGD" } do
    say(("steps: mlp, %s, batches of 1"):format(name), steps("mlp", optim[name] { lr = 0.01 }, 1))
  end
  say("steps: mlp, SGD with momentum, weight decay, clipping, batches of 7",
    steps("mlp", optim.SGD { lr = 0.01, momentum = 0.9, weight_decay = 1e-3, clip_norm = 1 }, 7))
  for _, name in ipairs(sorted { Packed = 1, Residual = 1, Pooled = 1, Dropped = 1, Scripted = 1, Activated = 1 }) do
    for _, batch_size in ipairs { 1, 7 } do
      say(("steps: %s, Adam, batches of %d"):format(name:lower(), batch_size),
        steps(name:lower(), optim.Adam { lr = 0.01 }, batch_size))
    end
  end
  say("training of two epochs", training(threads))
end
