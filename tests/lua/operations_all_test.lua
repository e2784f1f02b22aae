-- Every operation that formulas have (core.formula.operations; a new one must be added here): a value used twice, axes
-- of no size, NaN, and as the last of a batch of one. Values and derivatives: operations_test.lua.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"

TestAllOperations = {}

-- name -> f(a, b) of inputs [n, 3]; b is there for those that take two.
local of = {}
for _, name in ipairs { "neg", "exp", "log", "sqrt", "square", "abs", "sin", "cos", "tanh", "sigmoid", "relu", "gelu",
  "silu" } do
  of[name] = { function(a) return a[name](a) end }
end
for _, name in ipairs { "add", "sub", "mul", "div", "pow", "maximum", "minimum" } do
  of[name] = { function(a, b) return a[name](a, b) end, 2 }
end
for _, name in ipairs { "lt", "le", "gt", "ge", "eq", "ne" } do
  of[name] = { function(a, b) return a[name](a, b) end, 2, truth = true }
end
of.where = { function(a, b) return pl.where(a:gt(b), a, b) end, 2 }
for _, name in ipairs { "sum", "mean", "norm", "var", "std", "max", "min" } do
  of[name] = { function(a) return a[name](a, -1) end }
end
for _, name in ipairs { "softmax", "log_softmax" } do of[name] = { function(a) return a[name](a, -1) end } end
of.matmul = { function(a, b) return a:matmul(b:transpose(-2, -1)) end, 2 }
of.reshape = { function(a) return a:reshape(-1, 3, 1) end }
of.permute = { function(a) return a:transpose(-2, -1) end }
of.slice = { function(a) return a:slice(-1, 2, 3) end }
of.cat = { function(a, b) return pl.cat({ a, b }, -1) end, 2 }
of.pick = { function(a) return a:pick(pl.zeros(a:size(1))) end }
of.one_hot = { function(a) return a:max(-1):one_hot(4) end, truth = true }

function TestAllOperations:test_none_is_left_out()
  for _, name in ipairs(core.formula.operations()) do lu.assertNotNil(of[name], name) end
end

local function inputs(n, seed)
  return pl.rand(n, 3, { seed = seed }) + 0.25, pl.rand(n, 3, { seed = seed + 1 }) + 0.25
end

-- Gradients of the sum of f, for its inputs.
local function gradients(f, count, a, b)
  return { pl.grad(function(...) return f(...):sum() end)(table.unpack({ a, b }, 1, count or 1)) }
end

local function digest(list) return core.store.sha256(table.unpack(list)) end

function TestAllOperations:test_a_value_used_twice()
  local a, b = inputs(4, 1)
  for name, case in pairs(of) do
    local f = case[1]
    local once = case.truth and { a * 0, case[2] and b * 0 or nil } or gradients(f, case[2], a, b)
    local twice = gradients(function(x, y) return f(x, y) + f(x, y) end, case[2], a, b)
    for i, d in ipairs(once) do once[i] = d * 2 end      -- the sum of two equal gradients
    lu.assertEquals(digest(twice), digest(once), name)
    -- its result used twice
    twice = gradients(function(x, y)
      local r = f(x, y)
      return r + r
    end, case[2], a, b)
    lu.assertEquals(digest(twice), digest(once), name)
  end
end

function TestAllOperations:test_axes_of_no_size()
  local a, b = pl.zeros(0, 3), pl.zeros(0, 3)
  for name, case in pairs(of) do
    if name ~= "one_hot" then
      local shape
      local got = gradients(function(x, y)
        local r = case[1](x, y)
        shape = r.shape
        return r
      end, case[2], a, b)
      local elements = 1
      for _, n in ipairs(shape) do elements = elements * n end
      lu.assertEquals(elements, 0, name)
      for _, d in ipairs(got) do lu.assertEquals(d.shape, { 0, 3 }, name) end
    end
  end
end

-- NaN goes through all that computes with it (as a label too); a comparison with NaN is false ("ne": true).
function TestAllOperations:test_nan()
  local nan = pl.full({ 2, 3 }, 0 / 0)
  local _, b = inputs(2, 5)
  for name, case in pairs(of) do
    local value
    pl.value_and_grad(function(x, y)
      local r = case[1](x, y)
      value = r:detach()
      return r:sum()
    end)(table.unpack({ nan, b }, 1, case[2] or 1))
    local list = value:reshape(value:count()):totable()
    for i, v in ipairs(list) do
      if name == "ne" then lu.assertEquals(v, 1)
      elseif case.truth and name ~= "one_hot" then lu.assertEquals(v, 0, name)
      elseif name == "where" then lu.assertTrue(v == v)
      elseif name == "cat" then lu.assertEquals(v ~= v, (i - 1) % 6 < 3)
      else lu.assertTrue(v ~= v, name) end
    end
  end
end

-- In a layer, in a batch of one and of many: rows do not know of each other.
function TestAllOperations:test_each_sample_alone()
  local nn = pl.nn
  local a, b = inputs(70, 9)
  local x = pl.cat({ a, b }, 2)
  for name, case in pairs(of) do
    if name ~= "permute" and name ~= "pick" and name ~= "matmul" and name ~= "reshape" then
      local layer = nn.define { name = "One", forward = function(_, v)
        return case[1](v:slice(2, 1, 3), v:slice(2, 4, 6)) * 1 + v:sum(-1, { keepdim = true }) * 0
      end } ()
      if name == "sum" or name == "mean" or name == "norm" or name == "var" or name == "std" or name == "max"
        or name == "min" then
        layer = nn.define { name = "One", forward = function(_, v) return case[1](v:slice(2, 1, 3)) * 1 end } ()
      end
      local all = layer:infer(x)
      for _, i in ipairs { 1, 33, 70 } do
        lu.assertEquals(digest { layer:infer(x:slice(1, i, i)) }, digest { all:slice(1, i, i):clone() }, name)
      end
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
