-- Operations on tensors of doubles, as plain loops: what the operations of formulas are compared with.
-- ---- tensors of doubles: { shape = {...}, [1] = ..., ... } in row order ----

local function count_of(shape)
  local n = 1
  for _, s in ipairs(shape) do n = n * s end
  return n
end

local function make(shape, f)
  local t = { shape = shape }
  for i = 1, count_of(shape) do t[i] = f(i) end
  return t
end

local function index_of(shape, i)   -- from 1 -> list of indices from 0
  local out, rest = {}, i - 1
  for a = #shape, 1, -1 do
    out[a] = rest % shape[a]
    rest = rest // shape[a]
  end
  return out
end

local function place(shape, index)
  local at = 0
  for a = 1, #shape do at = at * shape[a] + index[a] end
  return at + 1
end

local function broadcast(f)
  return function(...)
    local args, axes = { ... }, 0
    for _, t in ipairs(args) do axes = math.max(axes, #t.shape) end
    local shape = {}
    for a = 1, axes do
      shape[a] = 1
      for _, t in ipairs(args) do
        local size = t.shape[a - axes + #t.shape] or 1
        if size ~= 1 then shape[a] = size end
      end
    end
    return make(shape, function(i)
      local index, values = index_of(shape, i), {}
      for k, t in ipairs(args) do
        local own = {}
        for a = 1, #t.shape do own[a] = t.shape[a] == 1 and 0 or index[a + axes - #t.shape] end
        values[k] = t[place(t.shape, own)]
      end
      return f(table.unpack(values))
    end)
  end
end

local function reduce(axes, keep, f)
  return function(t)
    local rows, shape = {}, {}
    for a = 1, #t.shape do
      local gone = axes[a]
      if not gone or keep then shape[#shape + 1] = gone and 1 or t.shape[a] end
    end
    for i = 1, #t do
      local index, own = index_of(t.shape, i), {}
      for a = 1, #t.shape do
        if not axes[a] then own[#own + 1] = index[a] elseif keep then own[#own + 1] = 0 end
      end
      local at = place(shape, own)
      rows[at] = rows[at] or {}
      table.insert(rows[at], t[i])
    end
    return make(shape, function(i) return f(rows[i] or {}) end)
  end
end

local function sum(row) local s = 0 for _, x in ipairs(row) do s = s + x end return s end
local function mean(row) return sum(row) / #row end
local function norm(row) local s = 0 for _, x in ipairs(row) do s = s + x * x end return s ^ 0.5 end
local function var(row)
  local m, s = mean(row), 0
  for _, x in ipairs(row) do s = s + (x - m) ^ 2 end
  return s / (#row - 1)
end

local function erf(x)   -- by its series
  local term, total = x, x
  for n = 1, 40 do
    term = -term * x * x / n
    total = total + term / (2 * n + 1)
  end
  return 2 / math.sqrt(math.pi) * total
end

local function matmul(a, b)
  local as, bs = a.shape, b.shape
  local row, column = #as == 1, #bs == 1
  if row then as = { 1, as[1] } end
  if column then bs = { bs[1], 1 } end
  local lead, axes = {}, math.max(#as, #bs) - 2
  for i = 1, axes do
    local x, y = as[#as - 2 - axes + i] or 1, bs[#bs - 2 - axes + i] or 1
    lead[i] = x == 1 and y or x
  end
  local n, k, m = as[#as - 1], as[#as], bs[#bs]
  local shape = { table.unpack(lead) }
  shape[#shape + 1], shape[#shape + 2] = n, m
  local out = make(shape, function(i)
    local index, total = index_of(shape, i), 0
    local function at(s, last, before)
      local own = {}
      for q = 1, #s - 2 do own[q] = s[q] == 1 and 0 or index[q + axes - (#s - 2)] end
      own[#s - 1], own[#s] = before, last
      return place(s, own)
    end
    for q = 0, k - 1 do
      total = total + a[at(as, q, index[#shape - 1])] * b[at(bs, index[#shape], q)]
    end
    return total
  end)
  local final = { table.unpack(lead) }
  if not row then final[#final + 1] = n end
  if not column then final[#final + 1] = m end
  out.shape = final
  return out
end

local function permute(order)
  return function(t)
    local shape = {}
    for a, from in ipairs(order) do shape[a] = t.shape[from] end
    return make(shape, function(i)
      local index, own = index_of(shape, i), {}
      for a, from in ipairs(order) do own[from] = index[a] end
      return t[place(t.shape, own)]
    end)
  end
end

local function softmax(log)
  return function(t)
    local width = t.shape[#t.shape]
    return make(t.shape, function(i)
      local first, total = (i - 1) // width * width, 0
      for j = 1, width do total = total + math.exp(t[first + j]) end
      return log and t[i] - math.log(total) or math.exp(t[i]) / total
    end)
  end
end

return { count_of = count_of, make = make, index_of = index_of, place = place, broadcast = broadcast,
  reduce = reduce, sum = sum, mean = mean, norm = norm, var = var, erf = erf,
  matmul = matmul, permute = permute, softmax = softmax }
