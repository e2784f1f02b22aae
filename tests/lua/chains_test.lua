-- Chains of operations on elements, and products that are recognised as Linear, against the same formulas operation by
-- operation (PERILUNE_FUSE=0): values and gradients agree to the bit, on 1 to 3 threads and for each instruction set.
local lu = require "luaunit"

local script = [=[
local pl = require "perilune"
local core = require "perilune.core"
local formulas = dofile "tests/lua/support_formulas.lua"
local nn = pl.nn

local function bits(model, inner, params, x)
  local list, names = {}, {}
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names)
  for threads = 1, 3 do
    core.system.threads(threads)
    model:zero_grad()
    local y = model:forward(x)
    local dx = model:backward(pl.randn(y.shape, { seed = 5 }), true)
    local tensors = { y, dx, model:infer(x), model:infer(x:slice(1, 1, 1)) }
    local function gradients()
      for _, name in ipairs(names) do
        local g = inner.grad[name]
        if g then tensors[#tensors + 1] = g:clone() end
      end
    end
    gradients()
    model:forward(x)
    model:backward(pl.randn(y.shape, { seed = 6 }))          -- gradients are added
    gradients()
    list[threads] = core.store.sha256(table.unpack(tensors))
  end
  core.system.threads(0)
  return list[1] == list[2] and list[1] == list[3] and list[1] or table.concat(list, " ")
end

local function layer(params, forward)
  return nn.define { name = "Case", params = function() return params end, forward = forward } {}
end
local function normal(...) return { shape = { ... }, init = { "normal", 0.3, 0.7 } } end

local cases = {
  -- parameters, formula, shapes of samples
  { { g = normal(40), b = normal(40) }, function(self, x)
    local d = x - x:mean(-1, { keepdim = true })
    return d / ((d * d):mean(-1, { keepdim = true }) + 1e-5):sqrt() * self.g + self.b
  end, { { 40 }, { 3, 40 }, { 5, 4, 40 } } },
  { { g = normal(700), s = normal(1), t = normal() }, function(self, x)
    return (x * self.g + self.s):tanh() * x:sum(-1, { keepdim = true }):sigmoid() + self.t * x
  end, { { 700 }, { 2, 700 } } },
  { {}, function(_, x) return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3)):tanh()) end,
    { { 17 }, { 2000 }, { 6, 5, 3 } } },
  { { c = normal(3), p = normal(6, 5, 3), q = normal(5, 1) }, function(self, x)
    local y = x * self.c + self.p
    return (y * self.q):exp() / (1 + y:abs()) - y:maximum(x):minimum(self.c) ^ 2
  end, { { 6, 5, 3 } } },
  { { a = normal(30, 20), b = normal(30, 20), c = normal(20) }, function(self, x)
    return (x:matmul(self.a) + self.c) * x:matmul(self.b):sigmoid()
  end, { { 30 }, { 4, 30 } } },
  { { a = normal(9, 200), c = normal(200) }, function(self, x)
    return (x:matmul(self.a) + self.c):sigmoid()
  end, { { 9 } } },
  { { a = normal(30, 30), c = normal(30) }, function(self, x)
    local h = (self.c + x:matmul(self.a)):relu()
    return pl.cat({ h * h - x, h:exp(), pl.where(h:gt(x), h, x * self.c) }, -1)
  end, { { 30 } } },
  { { s = normal(1) }, function(self, x)
    return (x * self.s):sigmoid() * self.s - x * x * x + x
  end, { { 1 }, { 9 }, {} } },
  -- all uses of a value are in a later chain
  { { w = normal(3), v = normal(3) }, function(self, x)
    local h, g = (x * self.w):tanh(), (x * self.v):sigmoid()
    return h * g:sum(-1, { keepdim = true }) + h:exp()
  end, { { 3 }, { 5, 3 } } },
  { { w = normal(8) }, function(self, x)
    for _ = 1, 12 do x = x * self.w - x * 0.1 end
    return x
  end, { { 8 } } },
  -- one output: b is a single number
  { { a = normal(3, 1), b = normal(1) }, function(self, x) return x:matmul(self.a) + self.b end, { { 3 }, { 40, 3 } } },
  { { w = normal(8), k = { shape = { 8 }, trained = false, init = { "constant", 2 } } }, function(self, x)
    local w = self.w:exp() * self.k
    return (x * w - self.k) / (w + x * x) + (x - self.k):square():sqrt()
  end, { { 8 }, { 2, 8 } } },
}
for i, case in ipairs(cases) do
  for _, shape in ipairs(case[3]) do
    for _, batch in ipairs { 1, 7, 50 } do
      local inner = layer(case[1], case[2])
      local model = nn.Sequential { nn.Identity(), inner, nn.Residual { nn.Tanh() } }
      model:build(shape)
      model:initialize(i)
      local x = pl.randn({ batch, table.unpack(shape) }, { seed = batch })
      print(i, batch, table.concat(shape, "x"), bits(model, inner, case[1], x))
    end
  end
end

for seed = 1, tonumber(arg[1]) do
  local f = formulas.formula(seed, seed % 50 == 0)
  local x, params = formulas.inputs(f)
  local shapes = {}
  for _, p in ipairs(f.params) do shapes[p.name] = p.shape end
  local inner = layer(shapes, function(self, v) return formulas.run(f, v, self) end)
  local model = nn.Sequential { inner }
  model:build { f.width }
  for _, p in ipairs(f.params) do inner[p.name] = params[p.name] end
  local words = {}
  for i, step in ipairs(f.steps) do words[i] = step.op end
  print(seed, table.concat(words, " "), bits(model, inner, shapes, x))
end
]=]

local function lines(fuse, isa, count)
  local path = os.getenv "TEST_TMP" and os.getenv "TEST_TMP" .. "/chains.lua" or os.tmpname()
  local f <close> = assert(io.open(path, "w"))
  f:write(script)
  f:flush()
  local p = assert(io.popen(("PERILUNE_FUSE=%d PERILUNE_ISA=%s %s/perilune %s %d 2>&1"):format(fuse, isa,
    os.getenv "BUILD" or "build", path, count)))
  local list = {}
  for line in p:lines() do list[#list + 1] = line end
  p:close()
  return list
end

TestChains = {}

local function compare(isa, count)
  local plain, fused = lines(0, isa, count), lines(1, isa, count)
  lu.assertEquals(#plain, 69 + count, table.concat(plain, "\n", math.max(1, #plain - 3)))
  for i = 1, #plain do lu.assertEquals(fused[i], plain[i]) end
  for _, line in ipairs(plain) do
    lu.assertEquals(#line:match "[^\t]*$", 64, "other bits on other threads: " .. line)
  end
end

function TestChains:test_bits() compare("", tonumber(os.getenv "FORMULAS") or 600) end
for _, isa in ipairs { "avx2", "baseline" } do
  TestChains["test_bits_" .. isa] = function() compare(isa, 100) end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
