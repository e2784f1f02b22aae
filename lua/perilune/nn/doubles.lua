--- Formulas in double precision, element by element: what pl.gradient_check takes differences of. A recorder
-- (see symbol.lua) whose values are { shape = {...}, x1, x2, ... } in row order; slow, and independent of the kernels.
local core = require "perilune.core"
local shapes = require "perilune.base.shapes"
local count_of, same_shape = shapes.count, shapes.equal

local M = {}

local function copy(list) return table.move(list, 1, #list, 1, {}) end

-- The element's offset (from 0) in `shape` broadcast to `wide`, for each element of `wide` in row order.
local function offsets(shape, wide)
  local n, axes, stride, step = count_of(wide), #wide, {}, 1
  local shift = axes - #shape
  for a = #shape, 1, -1 do
    stride[a + shift] = shape[a] == 1 and 0 or step
    step = step * shape[a]
  end
  local index, at, list = {}, 0, {}
  for a = 1, axes do
    index[a] = 0
    stride[a] = stride[a] or 0
  end
  for i = 1, n do
    list[i] = at
    local a = axes
    while a > 0 do
      index[a], at = index[a] + 1, at + stride[a]
      if index[a] < wide[a] then break end
      at = at - stride[a] * wide[a]
      index[a], a = 0, a - 1
    end
  end
  return list
end

local function broadcast_shape(values)
  local shape = {}
  for _, v in ipairs(values) do
    for a = 1, #v.shape do
      local back = #v.shape - a
      local size = shape[-back] or 1
      shape[-back] = size == 1 and v.shape[a] or size
    end
  end
  local list, axes = {}, 0
  while shape[-axes] do axes = axes + 1 end
  for a = 1, axes do list[a] = shape[a - axes] end
  return list
end

local function elementwise(f)
  return function(values)
    local shape, columns = broadcast_shape(values), {}
    for k, v in ipairs(values) do
      columns[k] = v
      if not same_shape(v.shape, shape) then
        columns[k] = {}
        for i, offset in ipairs(offsets(v.shape, shape)) do columns[k][i] = v[offset + 1] end
      end
    end
    local a, b, c = columns[1], columns[2] or {}, columns[3] or {}
    local out = { shape = shape }
    for i = 1, count_of(shape) do out[i] = f(a[i], b[i], c[i]) end
    return out
  end
end

local exp, sqrt, huge = math.exp, math.sqrt, math.huge

local function sigmoid(x) return x >= 0 and 1 / (1 + exp(-x)) or exp(x) / (1 + exp(x)) end
local function tanh(x)
  if x ~= x then return x end
  local e = exp(-2 * math.abs(x))
  local y = (1 - e) / (1 + e)
  return x < 0 and -y or y
end

-- Its series next to 0, else the continued fraction of its complement.
local function erf(x)
  local a = math.abs(x)
  if a > 6 then return x < 0 and -1.0 or 1.0 end
  if a < 2.5 then
    local term, total = x, x
    for n = 1, 80 do
      term = -term * x * x / n
      total = total + term / (2 * n + 1)
    end
    return 2 / sqrt(math.pi) * total
  end
  local k = a
  for n = 80, 1, -1 do k = a + n / 2 / k end
  local y = 1 - exp(-a * a) / (sqrt(math.pi) * k)
  return x < 0 and -y or y
end

local function number(truth) return truth and 1.0 or 0.0 end

local ops = {}
for name, f in pairs {
  add = function(x, y) return x + y end, sub = function(x, y) return x - y end,
  mul = function(x, y) return x * y end, div = function(x, y) return x / y end, pow = function(x, y) return x ^ y end,
  neg = function(x) return -x end, exp = exp, log = math.log, sqrt = sqrt, square = function(x) return x * x end,
  abs = math.abs, sin = math.sin, cos = math.cos, tanh = tanh, sigmoid = sigmoid,
  relu = function(x) return x < 0 and 0.0 or x end, gelu = function(x) return x * (1 + erf(x / sqrt(2))) / 2 end,
  silu = function(x) return x * sigmoid(x) end,
  maximum = function(x, y) return (x > y or x ~= x) and x or y end,
  minimum = function(x, y) return (x < y or x ~= x) and x or y end,
  where = function(c, x, y) if c ~= 0 then return x end return y end,
  lt = function(x, y) return number(x < y) end, le = function(x, y) return number(x <= y) end,
  gt = function(x, y) return number(x > y) end, ge = function(x, y) return number(x >= y) end,
  eq = function(x, y) return number(x == y) end, ne = function(x, y) return number(x ~= y) end,
} do ops[name] = elementwise(f) end

-- ---- over axes: args are keepdim, the correction, then the axes from 0 ----

local function sum(row)
  local total = 0.0
  for _, x in ipairs(row) do total = total + x end
  return total
end

local function variance(row, correction)
  local mean, total = sum(row) / #row, 0.0
  for _, x in ipairs(row) do total = total + (x - mean) ^ 2 end
  return total / (#row - correction)
end

local function extreme(largest)
  return function(row)
    local value = row[1]
    for _, x in ipairs(row) do
      if x ~= x or (largest and x > value) or (not largest and x < value) then value = x end
    end
    return value
  end
end

for name, f in pairs {
  sum = sum, mean = function(row) return sum(row) / #row end, var = variance,
  max = extreme(true), min = extreme(false),
  std = function(row, correction) return sqrt(variance(row, correction)) end,
  norm = function(row)
    local total = 0.0
    for _, x in ipairs(row) do total = total + x * x end
    return sqrt(total)
  end,
} do
  ops[name] = function(values, args)
    local x, gone, kept, shape, rows = values[1], {}, {}, {}, {}
    for i = 3, #args do gone[args[i] + 1] = true end
    for a, size in ipairs(x.shape) do
      kept[a] = gone[a] and 1 or size
      if not gone[a] then shape[#shape + 1] = size elseif args[1] ~= 0 then shape[#shape + 1] = 1 end
    end
    for i = 1, count_of(kept) do rows[i] = {} end
    for i, at in ipairs(offsets(kept, x.shape)) do table.insert(rows[at + 1], x[i]) end
    local out = { shape = shape }
    for i, row in ipairs(rows) do out[i] = f(row, args[2]) end
    return out
  end
end

-- ---- products and places ----

function ops.matmul(values)
  local a, b = values[1], values[2]
  local as, bs = copy(a.shape), copy(b.shape)
  local row, column = #as == 1, #bs == 1
  if row then table.insert(as, 1, 1) end
  if column then bs[2] = 1 end
  local n, inner, m = as[#as - 1], as[#as], bs[#bs]
  local left, right = table.move(as, 1, #as - 2, 1, {}), table.move(bs, 1, #bs - 2, 1, {})
  local lead = broadcast_shape { { shape = left }, { shape = right } }
  local at, bt, out = offsets(left, lead), offsets(right, lead), { shape = lead }
  for k = 1, count_of(lead) do
    local p, q = at[k] * n * inner, bt[k] * inner * m
    for i = 0, n - 1 do
      for j = 1, m do
        local total = 0.0
        for l = 0, inner - 1 do total = total + a[p + i * inner + l + 1] * b[q + l * m + j] end
        out[#out + 1] = total
      end
    end
  end
  if not row then lead[#lead + 1] = n end
  if not column then lead[#lead + 1] = m end
  return out
end

function ops.reshape(values, args)
  local out = copy(values[1])
  out.shape = copy(args)
  return out
end

function ops.permute(values, args)
  local x, shape, stride, step = values[1], {}, {}, 1
  for a = #x.shape, 1, -1 do
    stride[a] = step
    step = step * x.shape[a]
  end
  for a, from in ipairs(args) do shape[a] = x.shape[from + 1] end
  local out, index = { shape = shape }, {}
  for a = 1, #shape do index[a] = 0 end
  for i = 1, count_of(shape) do
    local at = 1
    for a, from in ipairs(args) do at = at + index[a] * stride[from + 1] end
    out[i] = x[at]
    local a = #shape
    while a > 0 do
      index[a] = index[a] + 1
      if index[a] < shape[a] then break end
      index[a], a = 0, a - 1
    end
  end
  return out
end

-- How many blocks come before the axis (from 0), and how many elements follow each of its items.
local function around(shape, axis)
  local outer, inner = 1, 1
  for a, size in ipairs(shape) do
    if a <= axis then outer = outer * size elseif a > axis + 1 then inner = inner * size end
  end
  return outer, inner
end

function ops.slice(values, args)
  local x, axis, from, to = values[1], args[1], args[2], args[3]
  local outer, inner = around(x.shape, axis)
  local size, out = x.shape[axis + 1], { shape = copy(x.shape) }
  out.shape[axis + 1] = to - from
  for o = 0, outer - 1 do
    table.move(x, (o * size + from) * inner + 1, (o * size + to) * inner, #out + 1, out)
  end
  return out
end

function ops.cat(values, args)
  local axis, out = args[1], { shape = copy(values[1].shape) }
  local outer, inner = around(out.shape, axis)
  out.shape[axis + 1] = 0
  for _, x in ipairs(values) do out.shape[axis + 1] = out.shape[axis + 1] + x.shape[axis + 1] end
  for o = 0, outer - 1 do
    for _, x in ipairs(values) do
      local n = x.shape[axis + 1] * inner
      table.move(x, o * n + 1, (o + 1) * n, #out + 1, out)
    end
  end
  return out
end

-- ---- classes, rows of the last axis ----

function ops.pick(values)
  local x, label = values[1], values[2]
  local width, out = x.shape[#x.shape], { shape = label.shape }
  for i, l in ipairs(label) do
    out[i] = l >= 0 and l < width and l == l // 1 and x[(i - 1) * width + l // 1 + 1] or 0 / 0
  end
  return out
end

function ops.one_hot(values, args)
  local label, width = values[1], args[1]
  local out = { shape = copy(label.shape) }
  out.shape[#out.shape + 1] = width
  for i, l in ipairs(label) do
    for k = 0, width - 1 do out[(i - 1) * width + k + 1] = number(k == l) end
  end
  return out
end

local function rows_of(finish)
  return function(values)
    local x = values[1]
    local width, out = x.shape[#x.shape], { shape = x.shape }
    for first = 1, #x, width do
      local most, total = -huge, 0.0
      for i = first, first + width - 1 do most = math.max(most, x[i]) end
      for i = first, first + width - 1 do total = total + exp(x[i] - most) end
      for i = first, first + width - 1 do out[i] = finish(x[i] - most, total) end
    end
    return out
  end
end
ops.softmax = rows_of(function(x, total) return exp(x) / total end)
ops.log_softmax = rows_of(function(x, total) return x - math.log(total) end)

-- ---- the recorder ----

local Recorder = {}
Recorder.__index = Recorder

function M.recorder() return setmetatable({}, Recorder) end

--- A value of doubles from a tensor or a number.
function M.value(x)
  if type(x) == "number" then return { shape = {}, x + 0.0 } end
  local flat, out = x:to "f32":reshape(x:count()):totable(), { shape = copy(x.shape) }
  return table.move(flat, 1, #flat, 1, out)
end

local function add(recorder, value)
  recorder[#recorder + 1] = value
  return #recorder
end

--- An input: a value as M.value makes it.
function Recorder:input(value) return add(self, value) end
function Recorder:constant(x) return add(self, M.value(x)) end

function Recorder:op(name, args, inputs)
  local f, values = ops[name], {}
  if not f then error(("%s is not known in double precision"):format(name), 0) end
  for i, v in ipairs(inputs) do values[i] = self[v] end
  return add(self, f(values, args))
end

function Recorder:shape(v) return copy(self[v].shape), true end
function Recorder:ask() end
function Recorder:is_eager() return true end
--- In f32. `decides`: only to choose by it, not to compute with its elements.
function Recorder:tensor(v, decides)
  local value = self[v]
  self.is_rounded = self.is_rounded or not decides
  local flat = core.tensor.tensor(#value > 0 and table.move(value, 1, #value, 1, {}) or {})
  return flat:reshape(value.shape)
end
function Recorder:number(v) return self[v][1] end

return M
