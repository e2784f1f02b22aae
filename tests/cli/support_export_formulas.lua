-- Models whose dataflow is no chain, and formulas: name -> { model, shape of its input }. Every operation is there.
local pl = require "perilune"
local formulas = dofile "tests/lua/support_formulas.lua"
local nn = pl.nn

-- A layer with these parameters (name -> shape) and f(self, x).
local function formula(params, f)
  return nn.define { name = "Own", params = function() return params end, forward = f } ()
end

local image = { 5, 4, 3 }

-- On images [N, 5, 4, 3] with a parameter for each channel, one for each pixel and channel, and one number.
local on_images = {
  add = function(self, x) return x + self.c end, sub = function(self, x) return self.p - x end,
  mul = function(self, x) return x * self.c * 1.5 end, div = function(self, x) return x / (self.p:abs() + 1) end,
  pow = function(self, x) return (x:abs() + 0.5) ^ (self.c + 2) end, neg = function(_, x) return -x end,
  exp = function(_, x) return x:exp() end, log = function(_, x) return (x:abs() + 0.5):log() end,
  sqrt = function(_, x) return (x:square() + 0.1):sqrt() end, abs = function(_, x) return x:abs() end,
  sin = function(_, x) return x:sin() end, cos = function(_, x) return x:cos() end,
  tanh = function(_, x) return x:tanh() end, sigmoid = function(_, x) return x:sigmoid() end,
  relu = function(_, x) return x:relu() end, gelu = function(_, x) return x:gelu() end,
  silu = function(_, x) return x:silu() end, maximum = function(self, x) return x:maximum(self.c) end,
  minimum = function(self, x) return x:minimum(self.p) end, clamp = function(_, x) return x:clamp(-0.5, 0.75) end,
  where = function(self, x) return pl.where(x:gt(self.c), x * 2, x * x) end,
  lt = function(self, x) return x:lt(self.c) * x end, le = function(_, x) return x:le(0) * x end,
  gt = function(_, x) return x:gt(0.25) + x end, ge = function(self, x) return x:ge(self.p) - x end,
  eq = function(_, x) return x:relu():eq(0) + x end, ne = function(_, x) return x:relu():ne(0) * x end,
  sum = function(_, x) return x:sum({ 2, 3 }) end,
  sum_kept = function(_, x) return x:sum({ 2, 4 }, { keepdim = true }) end,
  sum_all = function(_, x) return x:sum({ 2, 3, 4 }) end,
  mean = function(_, x) return x - x:mean({ 2, 3 }, { keepdim = true }) end,
  norm = function(_, x) return x:norm(-1) end,
  var = function(_, x) return x:var({ 3, 4 }) end,
  var_corrected = function(_, x) return x:var(2, { correction = 1 }) end,
  std = function(_, x) return x:std({ 2, 3 }, { keepdim = true }) + x end,
  max = function(_, x) return x:max({ 2, 3 }) end, min = function(_, x) return x:min(3, { keepdim = true }) * x end,
  matmul = function(self, x) return x:matmul(self.m) end,
  matmul_each = function(_, x) return x:matmul(x:transpose(-2, -1)) end,
  matmul_left = function(self, x) return self.l:matmul(x) end,
  matmul_vector = function(self, x) return x:matmul(self.c) end,
  matmul_row = function(self, x) return self.v:matmul(x) end,
  reshape = function(_, x) return x:reshape(-1, 6, 10) end, flatten = function(_, x) return x:flatten() end,
  permute = function(_, x) return x:permute(1, 4, 2, 3) end, transpose = function(_, x) return x:transpose(2, 3) end,
  slice = function(_, x) return x:slice(3, 2, 3) end, select = function(_, x) return x:select(4, 2) end,
  cat = function(self, x) return pl.cat({ x:slice(2, 3, 5), x, x:slice(2, 1, 1) * self.c }, 2) end,
  stack = function(_, x) return pl.stack({ x, x:tanh() }, 4) end,
  softmax = function(_, x) return x:softmax(-1) end, log_softmax = function(_, x) return x:log_softmax(-1) end,
  softmax_rows = function(_, x) return x:softmax(2) end,
  softmax_of_parameter = function(self, x) return x * self.p:softmax(-1) + self.c:sum(1) end,
  one_hot = function(_, x) return x:gt(0):one_hot(2):sum(-1) * x end,
  one_hot_of_one = function(_, x) return x:gt(0.5):one_hot(2) end,
  pick = function(_, x) return x:pick(x:select(4, 1):gt(0) + 1) end,
  constant = function(_, x) return x + pl.tensor { 0.5, -1, 2 } end,
  used_twice = function(self, x) return (x * self.c + self.c):tanh() * x end,
}

local M = { operations = on_images }

function M.models()
  local models = {}
  local shapes = { c = { 3 }, p = { 5, 4, 3 }, m = { 3, 2 }, l = { 2, 4 }, v = { 4 } }
  for name, f in pairs(on_images) do
    local params = {}                 -- those that it uses
    local probe = nn.define { name = "Probe", params = function() return shapes end,
      forward = function(self, x)
        return f(setmetatable({}, { __index = function(_, key) params[key] = shapes[key] return self[key] end }), x)
      end } ()
    pcall(probe.build, probe, image)  -- says that the others are not used
    models["op_" .. name] = { formula(params, f), image }
  end
  for seed = 1, 12 do
    local f = formulas.formula(seed)
    local params = {}
    for _, p in ipairs(f.params) do params[p.name] = p.shape end
    models["random_" .. seed] = { formula(params, function(self, x) return formulas.run(f, x, self) end),
      { f.width } }
  end
  for name, model in pairs(M.graphs()) do models[name] = model end
  return models
end

--- Branches, skips, and layers at several places.
function M.graphs()
  local stem, left = nn.Conv2d(1, 4, 3, { padding = "same", name = "stem" }), nn.Conv2d(4, 4, 3, { padding = "same" })
  local right = nn.Conv2d(4, 6, 1, { name = "right" })
  local head, again = nn.Linear(10, 10, { name = "head" }), nn.Conv2d(10, 10, 3, { padding = "same", name = "again" })
  local models = {}
  models.branches = { nn.Sequential { nn.Graph(function(x)
    local s = stem(x):relu()
    local joined = pl.cat({ left(s):relu() + s, right(s) }, -1)
    return (again(again(joined):tanh()) * 0.5 + joined):maximum(joined)
  end), nn.GlobalAvgPool2d(), head, nn.ReLU(), head }, { 6, 5, 1 } }
  local shared, act, norm = nn.Linear(6, 6), nn.Tanh(), nn.BatchNorm(6)
  models.shared = { nn.Sequential { shared, norm, act, nn.Sequential { shared, act }, nn.Residual(shared),
    nn.Dropout(0.5), norm }, { 6 } }
  local block = nn.Sequential { nn.Conv2d(2, 2, 3, { padding = "same" }), nn.ReLU() }
  models.shared_block = { nn.Sequential { block, nn.Residual(block), block, nn.Flatten(), nn.Linear(24, 3) },
    { 4, 3, 2 } }
  local gate = nn.define { name = "Gated", layers = function(o) return { inner = nn.Linear(o[1], o[1]) } end,
    params = function(o) return { a = { o[1], o[1] }, scale = {} } end,
    forward = function(self, x) return self.inner(x) * x:matmul(self.a):sigmoid() * self.scale + x end }
  models.gates = { nn.Sequential { gate(5), nn.ReLU(), gate { 5, name = "second" }, nn.Linear(5, 2) }, { 5 } }
  local one, two = nn.Linear(7, 7, { name = "one" }), gate(7)
  models.nested = { nn.Graph(function(x)
    local y = one(x):relu()
    return two(y) - one(two(y) + x)
  end), { 7 } }
  local conv, dense = nn.Conv2d(1, 3, 3), nn.Linear(48, 5)
  models.flattened = { nn.Graph(function(x) return dense(conv(x):relu():flatten()):softmax(-1) end), { 6, 6, 1 } }
  local own = nn.define { name = "Own", params = function() return { norm = { 4 }, own_mul = { 4 } } end,
    forward = function(self, x) return x * self.norm * self.own_mul end }
  models.names_of_functions = { nn.Sequential { own { name = "batch" }, own { name = "op" }, own { name = "own" },
    nn.BatchNorm(4) }, { 4 } }
  models.input_in_the_end = { nn.Graph(function(x) return x + x:mean(-1, { keepdim = true }) end), { 4 } }
  return models
end

return M
