-- Random views against a model of nested indices: after any chain of views, elements, copies, broadcasting
-- arithmetic and reductions equal those of plain Lua loops.
local lu = require "luaunit"
local pl = require "perilune"

-- A model of a tensor: a shape and a function from a list of indices (from 1) to the value.
local function each_index(shape, f)
  local index = {}
  local function walk(axis)
    if axis > #shape then return f(index) end
    for i = 1, shape[axis] do
      index[axis] = i
      walk(axis + 1)
    end
  end
  walk(1)
end

local function flat(model)
  local out = {}
  each_index(model.shape, function(index) out[#out + 1] = model.get(index) end)
  return out
end

local function flat_tensor(t)
  local out = {}
  local function walk(v)
    if type(v) ~= "table" then out[#out + 1] = v return end
    for i = 1, #v do walk(v[i]) end
  end
  walk(t:totable())
  return out
end

local function check(t, model)
  lu.assertEquals(t.shape, model.shape)
  lu.assertEquals(flat_tensor(t), flat(model))
end

local function copy(list) return { table.unpack(list) } end

local function random_base(axes, low, high)
  local shape, count = {}, 1
  for a = 1, axes do
    shape[a] = math.random(low, high)
    count = count * shape[a]
  end
  local values = {}
  for i = 1, count do values[i] = math.random(-100, 100) end
  local type = ({ "f32", "i32" })[math.random(2)]
  return pl.tensor(values, type):reshape(shape), {
    shape = shape,
    get = function(index)
      local place = 0
      for a = 1, axes do place = place * shape[a] + index[a] - 1 end
      return values[place + 1]
    end,
  }
end

local views = {}

function views.slice(t, m)
  if #m.shape == 0 then return t, m end
  local axis = math.random(#m.shape)
  local from = math.random(m.shape[axis])
  local to = math.random(from, m.shape[axis])
  local shape = copy(m.shape)
  shape[axis] = to - from + 1
  return t:slice(axis, from, to), {
    shape = shape,
    get = function(index)
      index = copy(index)
      index[axis] = index[axis] + from - 1
      return m.get(index)
    end,
  }
end

function views.select(t, m)
  if #m.shape < 2 then return t, m end
  local axis = math.random(#m.shape)
  local i = math.random(m.shape[axis])
  local shape = copy(m.shape)
  table.remove(shape, axis)
  local negative = math.random() < 0.5
  return t:select(negative and axis - #m.shape - 1 or axis, negative and i - m.shape[axis] - 1 or i), {
    shape = shape,
    get = function(index)
      index = copy(index)
      table.insert(index, axis, i)
      return m.get(index)
    end,
  }
end

function views.transpose(t, m)
  if #m.shape == 0 then return t, m end
  local a, b = math.random(#m.shape), math.random(#m.shape)
  local shape = copy(m.shape)
  shape[a], shape[b] = shape[b], shape[a]
  return t:transpose(a, b), {
    shape = shape,
    get = function(index)
      index = copy(index)
      index[a], index[b] = index[b], index[a]
      return m.get(index)
    end,
  }
end

function views.permute(t, m)
  local order, shape = {}, {}
  for a = 1, #m.shape do table.insert(order, math.random(#order + 1), a) end
  for a, from in ipairs(order) do shape[a] = m.shape[from] end
  return t:permute(order), {
    shape = shape,
    get = function(index)
      local back = {}
      for a, from in ipairs(order) do back[from] = index[a] end
      return m.get(back)
    end,
  }
end

function views.unsqueeze(t, m)
  if #m.shape > 4 then return t, m end
  local axis = math.random(#m.shape + 1)
  local shape = copy(m.shape)
  table.insert(shape, axis, 1)
  return t:unsqueeze(axis), {
    shape = shape,
    get = function(index)
      index = copy(index)
      table.remove(index, axis)
      return m.get(index)
    end,
  }
end

function views.expand(t, m)
  local shape = copy(m.shape)
  for a, n in ipairs(shape) do if n == 1 then shape[a] = math.random(3) end end
  return t:expand(shape), {
    shape = shape,
    get = function(index)
      index = copy(index)
      for a, n in ipairs(m.shape) do if n == 1 then index[a] = 1 end end
      return m.get(index)
    end,
  }
end

function views.reshape(t, m)
  if #m.shape == 0 or t:count() == 0 then return t, m end
  local values = flat(m)
  local split = {}
  for d = 1, #values do if #values % d == 0 then split[#split + 1] = d end end
  local rows = split[math.random(#split)]
  local shape = { rows, #values // rows }
  return t:reshape(rows, -1), { shape = shape, get = function(index)
    return values[(index[1] - 1) * shape[2] + index[2]]
  end }
end

local names = {}
for name in pairs(views) do names[#names + 1] = name end
table.sort(names)

local function random_view()
  local t, m = random_base(math.random(0, 4), 1, 4)
  for _ = 1, math.random(0, 5) do t, m = views[names[math.random(#names)]](t, m) end
  return t, m
end

local function broadcast(a, b)
  local shape = {}
  local axes = math.max(#a.shape, #b.shape)
  for i = 1, axes do
    local m, n = a.shape[#a.shape - axes + i] or 1, b.shape[#b.shape - axes + i] or 1
    if m ~= n and m ~= 1 and n ~= 1 then return nil end
    shape[i] = m == 1 and n or m
  end
  local function part(m, index)
    local own = {}
    for i, n in ipairs(m.shape) do own[i] = n == 1 and 1 or index[axes - #m.shape + i] end
    return m.get(own)
  end
  return shape, part
end

TestViews = {}

function TestViews.setUp() math.randomseed(20) end

function TestViews.test_elements_of_random_views()
  for _ = 1, 400 do
    local t, m = random_view()
    check(t, m)
    check(t:clone(), m)
    check(t:contiguous(), m)
  end
end

function TestViews.test_broadcasting_of_random_views()
  local done = 0
  while done < 300 do
    local a, ma = random_view()
    local b, mb = random_view()
    local shape, part = broadcast(ma, mb)
    if shape then
      done = done + 1
      check(a + b, { shape = shape, get = function(i) return part(ma, i) + part(mb, i) end })
      check(a:lt(b), { shape = shape, get = function(i) return part(ma, i) < part(mb, i) and 1 or 0 end })
      check(pl.where(a:gt(0), a, b), { shape = shape, get = function(i)
        return part(ma, i) > 0 and part(ma, i) or part(mb, i)
      end })
    else
      local ok, message = pcall(function() return a + b end)
      lu.assertFalse(ok)
      lu.assertStrContains(message, "do not broadcast")
    end
  end
end

function TestViews.test_writing_through_views()
  for _ = 1, 200 do
    local t, m = random_base(math.random(1, 4), 1, 4)
    local v, mv = views.slice(t, m)
    v, mv = views.permute(v, mv)
    local before, sum_of_view = t:sum(), v:sum()
    v:add_(1)
    check(v, { shape = mv.shape, get = function(i) return mv.get(i) + 1 end })
    lu.assertEquals(t:sum(), before + v:count())
    lu.assertEquals(v:sum(), sum_of_view + v:count())
    v:copy_(v:clone():neg())
    check(v, { shape = mv.shape, get = function(i) return -(mv.get(i) + 1) end })
    v:zero_()
    lu.assertEquals(t:sum(), before - sum_of_view)
  end
end

function TestViews.test_reductions_of_random_views()
  for _ = 1, 300 do
    local t, m = random_view()
    if #m.shape > 0 then
      local axis = math.random(#m.shape)
      local keep = math.random() < 0.5
      local shape = copy(m.shape)
      if keep then shape[axis] = 1 else table.remove(shape, axis) end
      local function fold(f)
        return {
          shape = shape,
          get = function(index)
            local full, value = copy(index), nil
            if not keep then table.insert(full, axis, 1) end
            for i = 1, m.shape[axis] do
              full[axis] = i
              value = f(value, m.get(full), i)
            end
            return value
          end,
        }
      end
      if keep or #shape > 0 then
        check(t:sum(axis, { keepdim = keep }), fold(function(v, x) return (v or 0) + x end))
        check(t:max(axis, { keepdim = keep }), fold(function(v, x) return math.max(v or x, x) end))
        check(t:min(axis - #m.shape - 1, { keepdim = keep }), fold(function(v, x) return math.min(v or x, x) end))
        local best
        check(t:argmax(axis, { keepdim = keep }), fold(function(v, x, i)
          if v == nil or x > best then best, v = x, i end
          return v
        end))
      end
      local total = 0
      for _, x in ipairs(flat(m)) do total = total + x end
      lu.assertEquals(t:sum(), total)
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
