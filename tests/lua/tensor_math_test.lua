-- Elementwise operations: values, element types, in-place forms, sharing, errors.
local lu = require "luaunit"
local pl = require "perilune"
local raises = lu.assertErrorMsgContains

local function f32(x) return (string.unpack("<f", string.pack("<f", x))) end

TestOperators = {}

function TestOperators.test_values()
  local a, b = pl.tensor { 7, -7, 7.5, 0 }, pl.tensor { 2, 2, -2, 3 }
  lu.assertEquals((a + b):totable(), { 9, -5, 5.5, 3 })
  lu.assertEquals((a - b):totable(), { 5, -9, 9.5, -3 })
  lu.assertEquals((a * b):totable(), { 14, -14, -15, 0 })
  lu.assertEquals((a / b):totable(), { 3.5, -3.5, -3.75, 0 })
  lu.assertEquals((a // b):totable(), { 7 // 2, -7 // 2, 7.5 // -2, 0 })
  lu.assertEquals((a % b):totable(), { 7 % 2, -7 % 2, 7.5 % -2, 0 })
  lu.assertEquals((a ^ 2):totable(), { 49, 49, 56.25, 0 })
  lu.assertEquals((-a):totable(), { -7, 7, -7.5, 0 })
  lu.assertEquals((10 - a):totable(), { 3, 17, 2.5, 10 })
  lu.assertEquals((2 ^ pl.tensor { 1, 3 }):totable(), { 2, 8 })
  lu.assertEquals(a:maximum(b):totable(), { 7, 2, 7.5, 3 })
  lu.assertEquals(a:minimum(0):totable(), { 0, -7, 0, 0 })
  lu.assertEquals((pl.tensor { { 1 }, { 2 } } * pl.tensor { 10, 20 }):totable(), { { 10, 20 }, { 20, 40 } })
end

-- One rounding an operation, as with correctly rounded f32 arithmetic.
function TestOperators.test_rounding_of_f32()
  local x, y = pl.randn(1000, { seed = 1 }), pl.randn(1000, { seed = 2 })
  local sum, product, quotient = x + y, x * y, x / y
  for i = 1, 1000 do
    lu.assertEquals(sum[i], f32(x[i] + y[i]))
    lu.assertEquals(product[i], f32(x[i] * y[i]))
    lu.assertEquals(quotient[i], f32(x[i] / y[i]))
  end
  lu.assertEquals(pl.tensor { 0.1 }:eq(0.1)[1], 1)
  lu.assertEquals((pl.tensor { 3 } * 0.1)[1], f32(3 * f32(0.1)))
end

function TestOperators.test_types()
  local f, i, u = pl.ones(2), pl.ones(2, "i32"), pl.ones(2, "u8")
  lu.assertEquals((f + i).dtype, "f32")
  lu.assertEquals((i + u).dtype, "i32")
  lu.assertEquals((u + u).dtype, "i32")
  lu.assertEquals((u * 2).dtype, "i32")
  lu.assertEquals((u * 0.5).dtype, "f32")
  lu.assertEquals((i / 1).dtype, "f32")
  lu.assertEquals((i ^ 2).dtype, "f32")
  lu.assertEquals(i:sqrt().dtype, "f32")
  lu.assertEquals(i:abs().dtype, "i32")
  lu.assertEquals(u:neg():totable(), { -1, -1 })
  lu.assertEquals(f:lt(i).dtype, "u8")
  lu.assertEquals((pl.full({ 2 }, 200, "u8") + pl.full({ 2 }, 100, "u8")):totable(), { 300, 300 })
end

function TestOperators.test_comparisons_and_masks()
  local a = pl.tensor { 1, 2, 3 }
  lu.assertEquals(a:lt(2):totable(), { 1, 0, 0 })
  lu.assertEquals(a:le(2):totable(), { 1, 1, 0 })
  lu.assertEquals(a:gt(2):totable(), { 0, 0, 1 })
  lu.assertEquals(a:ge(2):totable(), { 0, 1, 1 })
  lu.assertEquals(a:eq(2):totable(), { 0, 1, 0 })
  lu.assertEquals(a:ne(2):totable(), { 1, 0, 1 })
  lu.assertEquals(a:gt(1):logical_and(a:lt(3)):totable(), { 0, 1, 0 })
  lu.assertEquals(a:lt(2):logical_or(a:gt(2)):totable(), { 1, 0, 1 })
  lu.assertEquals(a:lt(2):logical_xor(a:lt(3)):totable(), { 0, 1, 0 })
  lu.assertEquals(a:lt(2):logical_not():totable(), { 0, 1, 1 })
  local nan = pl.tensor { 0 / 0, 1 / 0, 1 }
  lu.assertEquals(nan:eq(nan):totable(), { 0, 1, 1 })
  lu.assertEquals(nan:isnan():totable(), { 1, 0, 0 })
  lu.assertEquals(nan:isfinite():totable(), { 0, 0, 1 })
  lu.assertFalse(a == a:clone())
  lu.assertTrue(a == a)
end

function TestOperators.test_errors()
  local a = pl.ones(2, 3)
  raises("add: shapes [2, 3] and [4] do not broadcast: axis 2 has 3 and 4", function() return a + pl.ones(4) end)
  raises("mul: shapes [2, 3] and [3, 3] do not broadcast: axis 1 has 2 and 3", function() return a * pl.ones(3, 3) end)
  raises("sub: takes a tensor or a number, got a table", function() return a - {} end)
  raises("tensor:lt: argument 'u' takes a tensor or a number, got nothing", a.lt, a)
  raises("add: 2147483648 does not fit in i32", function() return pl.tensor({ 2147483647 }, "i32") + 1 end)
  raises("idiv: inf does not fit in i32", function() return pl.ones(1, "i32") // 0 end)
  local freed = pl.ones(2)
  freed:free()
  raises("this tensor was freed", function() return a + freed end)
  local _, message = pcall(function() return a + freed end)
  lu.assertStrMatches(message, "tests/lua/tensor_math_test%.lua:%d+: .*")
end

TestFunctions = {}

local samples = { -3.7, -1, -0.5, 0, 0.25, 0.5, 1.5, 2.5, 10 }
local functions = {
  exp = math.exp, sin = math.sin, cos = math.cos, abs = math.abs, floor = math.floor, ceil = math.ceil,
  neg = function(x) return -x end, square = function(x) return x * x end,
  tanh = function(x) return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1) end,
  sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
  relu = function(x) return math.max(x, 0) end,
  sign = function(x) return x > 0 and 1 or x < 0 and -1 or 0 end,
}

function TestFunctions.test_against_lua()
  for name, f in pairs(functions) do
    local t = pl.tensor(samples)
    local out = t[name](t)
    for i, x in ipairs(samples) do
      local expected = f(f32(x))
      lu.assertAlmostEquals(out[i], expected, 1e-6 * math.max(1, math.abs(expected)), name)
    end
    local copy = t:clone()
    lu.assertTrue(copy[name .. "_"](copy) == copy, name .. "_ returns the tensor itself")
    lu.assertTrue(copy:equal(out), name .. "_")
  end
  for i, x in ipairs { 0.1, 1, 2.5, 1e6 } do
    local t = pl.tensor { 0.1, 1, 2.5, 1e6 }
    lu.assertAlmostEquals(t:log()[i], math.log(f32(x)), 1e-6 * 14)
    lu.assertEquals(t:sqrt()[i], f32(math.sqrt(f32(x))))
  end
  lu.assertEquals(pl.tensor { -2.5, -1.5, 0.5, 1.5, 2.4 }:round():totable(), { -2, -2, 0, 2, 2 })
  lu.assertEquals(pl.tensor(samples):clamp(-1, 2):totable(), { -1, -1, -0.5, 0, 0.25, 0.5, 1.5, 2, 2 })
  lu.assertEquals(pl.tensor({ 1, 5, 9 }, "i32"):clamp(2, 6):totable(), { 2, 5, 6 })
  lu.assertEquals(pl.tensor({ 1, 5, 9 }, "i32"):clamp(2.5, 6).dtype, "f32")
end

function TestFunctions.test_nan_passes()
  local nan = pl.tensor { 0 / 0 }
  for _, name in ipairs { "relu", "exp", "log", "sqrt", "tanh", "sigmoid", "sign", "neg", "abs", "sin", "cos" } do
    lu.assertNaN(nan[name](nan)[1], name)
  end
  lu.assertNaN(nan:clamp(0, 1)[1])
  lu.assertNaN(nan:maximum(1)[1])
  lu.assertNaN(pl.ones(1):maximum(nan)[1])
  lu.assertNaN(nan:minimum(1)[1])
  lu.assertNaN(pl.ones(1):minimum(nan)[1])
end

TestInPlace = {}

function TestInPlace.test_returns_self()
  local t = pl.tensor { 1, 2 }
  lu.assertTrue(t:add_(1):mul_(2):sub_(pl.ones(2)):div_(2) == t)
  lu.assertEquals(t:totable(), { 1.5, 2.5 })
  lu.assertEquals(t:fill_(3):pow_(2):totable(), { 9, 9 })
  lu.assertEquals(t:zero_():totable(), { 0, 0 })
  lu.assertEquals(t:copy_(pl.tensor { 5 }):totable(), { 5, 5 })
  lu.assertEquals(t:clamp_(0, 4):totable(), { 4, 4 })
end

function TestInPlace.test_integers_are_changed_wholly_or_not_at_all()
  local u = pl.tensor({ 1, 250, 3 }, "u8")
  raises("add: 256 does not fit in u8", u.add_, u, 6)
  raises("mul: 0.5 does not fit in u8", u.mul_, u, 0.5)
  raises("copy: -1 does not fit in u8", u.copy_, u, pl.tensor { 5, -1, 6 })
  raises("fill: 1.5 does not fit in u8", u.fill_, u, 1.5)
  raises("neg: -1 does not fit in u8", u.neg_, u)
  lu.assertEquals(u:totable(), { 1, 250, 3 })
  lu.assertEquals(u:add_(5):totable(), { 6, 255, 8 })
end

function TestInPlace.test_overlapping_views()
  local t = pl.arange(9):reshape(3, 3):to("f32")
  t:add_(t:T())
  lu.assertEquals(t:totable(), { { 2, 6, 10 }, { 6, 10, 14 }, { 10, 14, 18 } })
  local v = pl.arange(6):to("f32")
  v:slice(1, 2, 6):copy_(v:slice(1, 1, 5))
  lu.assertEquals(v:totable(), { 1, 1, 2, 3, 4, 5 })
  v:slice(1, 1, 5):sub_(v:slice(1, 2, 6))
  lu.assertEquals(v:totable(), { 0, -1, -1, -1, -1, 5 })
end

-- Each time that it is asked for, a parameter is another tensor over the same memory.
function TestInPlace.test_overlapping_views_of_a_parameter()
  local m = pl.nn.Sequential { pl.nn.Linear(64, 64) }
  local layer = m[1]
  local first = pl.randn({ 64, 64 }, { seed = 1 })
  local function changed(f)
    layer.weight = first
    f()
    return layer.weight:clone()
  end
  lu.assertTrue(changed(function() layer.weight:add_(layer.weight:T()) end):equal(first + first:T()))
  lu.assertTrue(changed(function() layer.weight:copy_(layer.weight:T()) end):equal(first:T()))
  lu.assertTrue(changed(function() layer.weight:slice(1, 2, 64):copy_(layer.weight:slice(1, 1, 63)) end)
    :equal(pl.cat({ first:slice(1, 1, 1), first:slice(1, 1, 63) }, 1)))
  lu.assertTrue(changed(function() layer.weight:masked_fill_(layer.weight:T():gt(0), 0) end)
    :equal(first:masked_fill(first:T():gt(0), 0)))
  lu.assertTrue(changed(function() layer.weight:sub_(layer.weight) end):equal(pl.zeros(64, 64)))
end

function TestInPlace.test_errors()
  local t = pl.ones(3)
  raises("add: the result has shape [2, 3], which does not fit into the tensor of shape [3]", t.add_, t, pl.ones(2, 3))
  raises("was expanded, so several elements are one in memory; clone it first", function()
    return pl.ones(1):expand(4):add_(1)
  end)
  raises("copy: shapes [3] and [2] do not broadcast", t.copy_, t, pl.ones(2))
end

TestExpanded = {}

-- Every in-place method and every assignment, on an expanded tensor and on views of it; none may change the one row
-- there is.
function TestExpanded.test_nothing_is_written_through_it()
  local source = pl.ones(1, 3)
  local w = source:expand(2, 3)
  local views = { w, w[1], w:slice(1, 1, 1), w:transpose(1, 2), w:slice(2, 2, 3)[2], w[2]:contiguous(), w:unsqueeze(1),
    w:slice(1, 2, 2):squeeze(1) }
  local arguments = { masked_fill_ = { pl.ones(1), 5 }, copy_ = { pl.zeros(1) }, clamp_ = { 2, 3 },
    where_ = { pl.ones(1), 2 } }
  local tried = 0
  for name in pairs(debug.getmetatable(source)) do
    if name:match "%l_$" and not name:match "^__" then
      tried = tried + 1
      for _, view in ipairs(views) do
        raises("was expanded, so several elements are one in memory", function()
          view[name](view, table.unpack(arguments[name] or { 7 }))
        end)
      end
    end
  end
  lu.assertTrue(tried >= 20, tried .. " methods")
  raises("was expanded", function() w[1] = 5 end)
  raises("was expanded", function() w[2] = pl.zeros(3) end)
  raises("was expanded", function() w[1][2] = 5 end)
  raises("was expanded", function() w:transpose(1, 2)[1] = 5 end)
  lu.assertEquals(source:totable(), { { 1, 1, 1 } })
end

function TestExpanded.test_what_repeats_nothing_may_be_changed()
  local source = pl.ones(1, 3)
  source:expand(1, 3)[1] = 5
  source:unsqueeze(1):fill_(6)
  lu.assertEquals(source:totable(), { { 6, 6, 6 } })
  local copy = source:expand(2, 3):clone()
  copy[1] = 1
  lu.assertEquals(copy:totable(), { { 1, 1, 1 }, { 6, 6, 6 } })
  source:expand(0, 3):fill_(1)
end

-- Beside integers a number with a fraction, or a large one, is not rounded to f32.
TestIntegers = {}

function TestIntegers.test_beside_numbers_of_lua()
  local t = pl.tensor({ 1700000000, 1700000060 }, "i32")
  lu.assertEquals((t - t:mean()):totable(), { -30, 30 })
  lu.assertEquals(((t - t:mean()) ^ 2):mean(), t:var())
  lu.assertEquals((1700000030.0 - t):totable(), { 30, -30 })
  lu.assertEquals(t:gt(1700000059.5):totable(), { 0, 1 })
  lu.assertEquals(t:eq(1700000060.0):totable(), { 0, 1 })
  lu.assertEquals(t:clone():sub_(1700000030.0):totable(), { -30, 30 })
  lu.assertEquals(pl.zeros({ 1 }, "i32"):add_(2 ^ 24 + 1)[1], 2 ^ 24 + 1)
  lu.assertEquals(pl.tensor({ 200 }, "u8"):mul(0.1)[1], pl.tensor { 200 * 0.1 }[1])
  lu.assertEquals(pl.tensor { 0.1 }:eq(0.1)[1], 1)      -- beside f32 it is one
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
