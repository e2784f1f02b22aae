--- Steps that are taken as their gradients come, with weights in panels and zeros passed over, and activations inside
--- the loops of linear layers, pooling, dropout, convolution and batch norm, against plain ones (PERILUNE_FUSE=0):
--- weights, what the optimizer keeps, the gradients after each piece, and outputs agree to the bit.
local lu = require "luaunit"

-- For each net, optimizer, batch size and number of threads: the digest of everything after two epochs, run in three
-- pieces.
local script = [=[
local core = require "perilune.core"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local function digest(layers, optimizer, batch, threads)
  core.system.threads(threads)
  local train = pl.data.digits { train = 150, test = 10, seed = 3 }:splits()
  local model = nn.Sequential(layers())
  model:build { 28, 28, 1 }
  model:initialize(5)
  local opt = optimizer():bind(model)
  local trainer = core.trainer.new { model = model, loss = nn.CrossEntropy(), optimizer = opt, data = train,
    batch_size = batch, seed = 7, shuffle = true,
    augment = { pl.augment.affine { chance = 0.5, rotate = 20, shift = 0.1 } } }
  local n = trainer:batches()
  local losses, list = {}, {}
  for i, piece in ipairs { { 1, 1, n }, { 2, 1, n - 2 }, { 2, n - 1, 1 } } do
    losses[i] = trainer:run(table.unpack(piece))
    for k = 1, #model do
      local gradient = model[k].grad.weight
      if gradient then list[#list + 1] = gradient:clone() end
    end
  end
  for _, p in ipairs(model:state()) do list[#list + 1] = p.tensor end
  local x = pl.rand({ 5, 28, 28, 1 }, { seed = 4 })
  list[#list + 1] = model:infer(x)
  list[#list + 1] = model:infer(x, "dropout")
  model:forward(x)
  list[#list + 1] = model:backward(pl.rand({ 5, 10 }, { seed = 5 }), true)
  for _, slot in ipairs(opt:state()) do list[#list + 1] = slot.tensor end
  return core.store.sha256(table.unpack(list)) .. table.concat(losses, ",")
end
local function mlp()
  return { nn.Flatten(), nn.Linear(784, 72), nn.ReLU(), nn.Dropout(0.3), nn.Linear(72, 50), nn.Tanh(),
    nn.Linear(50, 10) }
end
local function conv()
  local branch = nn.Sequential { nn.Conv2d(6, 6, 3, { padding = "same" }), nn.BatchNorm(6, { affine = false }),
    nn.ReLU(), nn.BatchNorm(6) }
  local shortcut = nn.Sequential { nn.Conv2d(6, 6, 1), nn.BatchNorm(6) }
  local block = nn.Sequential { nn.ReLU(), nn.Residual(branch), nn.ReLU(), nn.Residual(nn.BatchNorm(6), shortcut),
    nn.Residual(nn.Conv2d(6, 6, 1)), nn.ReLU() }
  return { nn.Conv2d(1, 6, 5, { stride = 2 }), nn.BatchNorm(6), block, nn.Flatten(), nn.Linear(864, 100), nn.ReLU(),
    nn.Linear(100, 10) }
end
local function pooled()
  return { nn.Identity(), nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, { bias = "per-position" }),
    nn.LeakyReLU(0.1), nn.MaxPool2d(2),
    nn.Dropout(0.2), nn.Conv2d(8, 16, 3, { padding = "same" }), nn.ReLU(), nn.Conv2d(16, 16, 3, { padding = "same" }),
    nn.ReLU(), nn.MaxPool2d(2),
    nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 10) }
end
local function dropped()
  return { nn.Conv2d(1, 6, 5, { stride = 2 }), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(6, 16, 3, { padding = "same" }),
    nn.ReLU(), nn.Dropout(0.1),
    nn.Conv2d(16, 5, 3, { stride = 3, bias = "per-position" }), nn.ReLU(), nn.Dropout(0.2), nn.BatchNorm(5), nn.ReLU(),
    nn.Dropout(0.3), nn.Tanh(), nn.Dropout(0.3),
    nn.Flatten(), nn.ReLU(), nn.Dropout(0), nn.Linear(80, 10) }
end
local function rows()
  return { nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(1, 3, 5, { bias = "per-position" }), nn.ReLU(), nn.Dropout(0.2),
    nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Dropout(0.2), nn.MaxPool2d(4),
    nn.Lambda { forward = function(x) return x * 2 end, backward = function(dy) return dy * 2 end }, nn.ReLU(),
    nn.Dropout(0.4), nn.Flatten(), nn.Linear(144, 10) }
end
local function packed() return { nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10) } end
local function activated()
  return { nn.Conv2d(1, 9, 5, { stride = 2 }), nn.Sigmoid(), nn.Conv2d(9, 6, 1, { bias = "per-position" }),
    nn.LeakyReLU(0.1), nn.Conv2d(6, 16, 3, { padding = "same" }), nn.ReLU(),
    nn.Residual(nn.Conv2d(16, 16, 1)), nn.ReLU(), nn.Conv2d(16, 16, 5, { padding = "same" }), nn.LeakyReLU(0.2),
    nn.Conv2d(16, 8, 3, { stride = 3 }), nn.Tanh(), nn.Conv2d(8, 8, 3, { padding = "same" }), nn.ELU(),
    nn.Linear(8, 40), nn.Tanh(), nn.Flatten(), nn.Linear(640, 10), nn.Sigmoid() }
end
local function row(n) return { shape = { n }, init = { "normal", 0, 0.1 } } end
local LinearReLU = nn.define { name = "LinearReLU",
  params = function(o) return { w = { o[1], o[2] }, b = row(o[2]) } end,
  forward = function(self, x) return (x:matmul(self.w) + self.b):relu() end }
local Tied = nn.define { name = "Tied", params = function(o) return { w = { o[1], o[1] } } end,
  forward = function(self, x) return x:matmul(self.w):tanh() + x:matmul(self.w):sigmoid() end }
local Turned = nn.define { name = "Turned",
  params = function(o) return { a = { o[1], o[2] }, b = { o[1], o[2] }, c = row(o[2]) } end,
  forward = function(self, x) return (self.c + x:matmul(self.a)) * x:matmul(self.b):sigmoid() end }
local function formulas()
  return { nn.Flatten(), LinearReLU(784, 100), Tied(100), Turned(100, 33), nn.ReLU(), nn.Dropout(0.2),
    LinearReLU(33, 33), nn.Linear(33, 10) }
end
local optimizers = {
  function() return optim.SGD { lr = 0.05 } end,
  function() return optim.SGD { lr = 0.01, momentum = 0.9, weight_decay = 1e-3 } end,
  function() return optim.Adam { lr = 0.01 } end,
  function() return optim.AdaMax { lr = 0.01 } end,
  function() return optim.RMSprop { lr = 1e-3, centered = true, momentum = 0.5 } end,
  function() return optim.SGD { lr = 0.05, clip_norm = 1 } end,
}
local function show(name, layers, i)
  for _, batch in ipairs { 1, 7 } do
    for threads = 1, 3 do print(name, i, batch, threads, digest(layers, optimizers[i], batch, threads)) end
  end
end
for i = 1, arg[1] and 0 or #optimizers do show("mlp", mlp, i) end
for i = 1, arg[1] and 0 or #optimizers do show("conv", conv, i) end
show("pooled", pooled, 2)
show("dropped", dropped, 3)
show("rows", rows, 3)
show("packed", packed, 3)
show("activated", activated, 3)
for _, i in ipairs { 2, 3, 6 } do show("formulas", formulas, i) end
]=]

--- Of all nets, or, for an instruction set, of those with one optimizer.
local function lines(fuse, isa)
  local path = os.getenv "TEST_TMP" and os.getenv "TEST_TMP" .. "/fused.lua" or os.tmpname()
  local f <close> = assert(io.open(path, "w"))
  f:write(script)
  f:flush()
  local p = assert(io.popen(("PERILUNE_FUSE=%d PERILUNE_ISA=%s %s/perilune %s %s 2>&1"):format(fuse, isa or "",
    os.getenv "BUILD" or "build", path, isa or "")))
  local list = {}
  for line in p:lines() do list[#list + 1] = line end
  p:close()
  return list
end

TestFused = {}

function TestFused:test_equal_plain_steps()
  local plain, fused = lines(0), lines(1)
  lu.assertEquals(#plain, 120, table.concat(plain, "\n", 1, math.min(#plain, 5)))
  lu.assertEquals(fused, plain)
  for i = 1, #plain, 3 do   -- 1, 2 and 3 threads
    local function without_threads(line) return (line:gsub("^(%S+%s+%S+%s+%S+)%s+%d+", "%1")) end
    lu.assertEquals(without_threads(plain[i + 1]), without_threads(plain[i]))
    lu.assertEquals(without_threads(plain[i + 2]), without_threads(plain[i]))
  end
end

for _, isa in ipairs { "avx2", "baseline" } do
  TestFused["test_" .. isa] = function()
    local p <close> = assert(io.popen(("PERILUNE_ISA=%s %s/perilune -e '' 2>&1"):format(isa,
      os.getenv "BUILD" or "build")))
    lu.skipIf(p:read "a":find("perilune: PERILUNE_ISA=" .. isa, 1, true),      -- that it refuses it
      ("there are no %s kernels on this processor"):format(isa))
    local plain = lines(0, isa)
    lu.assertEquals(#plain, 48, table.concat(plain, "\n", 1, math.min(#plain, 5)))
    lu.assertEquals(lines(1, isa), plain)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
