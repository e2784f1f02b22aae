-- Random formulas: formula(seed) -> { width =, batch =, params = { { name, shape } ... }, steps = { ... } }. A step
-- makes the current value from the one before, and from a parameter, a number or an earlier value of the same shape; so
-- that everything is used. run(formula, x, params) -> the value, of tensors or of a formula's values.
local pl = require "perilune"
local core = require "perilune.core"

local M = {}

local function generator(seed)
  local count = 0
  local function uniform()
    count = count + 1
    return core.system.random(seed, 77, 0, 0, count)
  end
  return uniform, function(low, high) return low + math.floor(uniform() * (high - low + 1)) end
end

-- name -> f(value, step, other); what is only defined, or tame, for some values is made so first.
local apply = {
  tanh = function(v) return v:tanh() end, sigmoid = function(v) return v:sigmoid() end,
  relu = function(v) return v:relu() end, sin = function(v) return v:sin() end, cos = function(v) return v:cos() end,
  neg = function(v) return -v end, abs = function(v) return v:abs() end,
  square = function(v) return v:tanh():square() end,
  exp = function(v) return v:tanh():exp() end, log = function(v) return (v:abs() + 0.5):log() end,
  sqrt = function(v) return (v:square() + 0.25):sqrt() end, pow = function(v, s) return (v:abs() + 0.5) ^ s.number end,
  gelu = function(v) return v:gelu() end, silu = function(v) return v:silu() end,
  softmax = function(v) return v:softmax(-1) end, log_softmax = function(v) return v:log_softmax(-1) end,
  add_number = function(v, s) return v + s.number end, sub_from = function(v, s) return s.number - v end,
  mul_number = function(v, s) return s.number * v end, over_number = function(v, s) return v / s.number end,
  number_over = function(v, s) return s.number / (v:abs() + 1) end,
  add = function(v, _, o) return v + o end, sub = function(v, _, o) return o - v end,
  mul = function(v, _, o) return v * o end,
  div = function(v, _, o) return v / (o:abs() + 1) end, maximum = function(v, _, o) return v:maximum(o) end,
  minimum = function(v, _, o) return v:minimum(o) end, where = function(v, _, o) return pl.where(v:gt(o), v * 2, o) end,
  clamp = function(v) return v:clamp(-0.75, 0.5) end,
  sum = function(v) return v - v:sum(-1, { keepdim = true }) * 0.1 end,
  mean = function(v) return v - v:mean(-1, { keepdim = true }) end,
  var = function(v) return v / (v:var(-1, { keepdim = true }) + 0.1):sqrt() end,
  norm = function(v) return v / (v:norm(-1, { keepdim = true }) + 0.5) end,
  max = function(v) return v - v:max(-1, { keepdim = true }) end,
  min = function(v) return v + v:min(-1, { keepdim = true }) end,
  gate = function(v)          -- what comes after the sum has all uses of h
    local h, g = v:tanh(), (v * 2):sigmoid()
    return h * g:sum(-1, { keepdim = true }) + h:exp()
  end,
  long = function(v)          -- more operations than one chain takes
    for _ = 1, 12 do v = v * 1.25 - v * 0.3 end
    return v
  end,
  matmul = function(v, _, o) return v:matmul(o) end,
  halves = function(v, s) return pl.cat({ v:slice(-1, s.cut + 1, s.width), v:slice(-1, 1, s.cut) }, -1) end,
  fold = function(v, s) return v:reshape(-1, s.width // 2, 2):transpose(-2, -1):reshape(-1, s.width) end,
}
local unary = { "tanh", "sigmoid", "relu", "sin", "cos", "neg", "abs", "square", "exp", "log", "sqrt", "pow", "gelu",
  "silu", "softmax", "log_softmax", "clamp", "sum", "mean", "var", "norm", "max", "min",
  "gate", "long" }
local with_number = { "add_number", "sub_from", "mul_number", "over_number", "number_over" }
local binary = { "add", "sub", "mul", "div", "maximum", "minimum", "where" }

function M.formula(seed, large)
  local uniform, integer = generator(seed)
  local width = large and 2 * integer(60, 150) or 2 * integer(1, 4)
  local f = { seed = seed, width = width, batch = large and integer(40, 70) or integer(1, 5), params = {}, steps = {} }
  local widths = { [0] = width }
  local function param(shape)
    local name = ("p%02d"):format(#f.params + 1)
    f.params[#f.params + 1] = { name = name, shape = shape }
    return name
  end
  for i = 1, integer(2, 9) do
    local step, kind = { width = width }, uniform()
    if kind < 0.45 then
      step.op = unary[integer(1, #unary)]
      step.number = ({ 2, 3, -1, 0.5, 1.5, 1 })[integer(1, 6)]
    elseif kind < 0.6 then
      step.op, step.number = with_number[integer(1, #with_number)], (integer(1, 8) - 4.5) / 2
    elseif kind < 0.85 then
      step.op = binary[integer(1, #binary)]
      local earlier = integer(0, i - 1)
      if uniform() < 0.5 and widths[earlier] == width then step.value = earlier
      else step.param = param(uniform() < 0.3 and { 1 } or { width }) end
    elseif kind < 0.93 then
      local to = large and 2 * integer(60, 100) or 2 * integer(1, 4)
      step.op, step.param, width = "matmul", param { width, to }, to
    else
      step.op, step.cut = uniform() < 0.5 and "halves" or "fold", integer(1, width - 1)
    end
    f.steps[i], widths[i] = step, width
  end
  return f
end

-- Inputs: x [batch, width], and a tensor for each parameter.
function M.inputs(f)
  local x, params = pl.randn(f.batch, f.width, { seed = f.seed }), {}
  for i, p in ipairs(f.params) do
    params[p.name] = pl.randn(p.shape, { seed = f.seed * 100 + i }) * (#p.shape == 2 and 1 / math.sqrt(p.shape[1]) or 1)
  end
  return x, params
end

function M.run(f, x, params)
  local values = { [0] = x }
  for i, step in ipairs(f.steps) do
    local other = step.param and params[step.param] or step.value and values[step.value]
    values[i] = apply[step.op](values[i - 1], step, other)
  end
  return values[#f.steps]
end

--- A formula as the only layer of a built model.
function M.recorded(f, params)
  local shapes = {}
  for _, p in ipairs(f.params) do shapes[p.name] = p.shape end
  local layer = pl.nn.define { name = "Random", params = function() return shapes end,
    forward = function(self, x) return M.run(f, x, self) end } ()
  local model = pl.nn.Sequential { layer }
  model:build { f.width }
  for _, p in ipairs(f.params) do layer[p.name] = params[p.name] end
  return model
end

--- Values and gradients of it, as one digest.
function M.all_bits(f)
  local x, params = M.inputs(f)
  local model = M.recorded(f, params)
  local y = model:forward(x)
  model:zero_grad()
  local list = { y, model:backward(pl.randn(y.shape, { seed = 5 }), true) }
  for _, p in ipairs(f.params) do list[#list + 1] = model[1][p.name .. "_grad"] end
  return core.store.sha256(table.unpack(list))
end

return M
