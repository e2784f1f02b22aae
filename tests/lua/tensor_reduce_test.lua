-- Reductions, products, comparing whole tensors.
local lu = require "luaunit"
local pl = require "perilune"
local raises = lu.assertErrorMsgContains

TestReduce = {}

function TestReduce.test_whole_tensor_gives_numbers()
  local t = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  lu.assertEquals(t:sum(), 21)
  lu.assertEquals(t:prod(), 720)
  lu.assertEquals(t:mean(), 3.5)
  lu.assertEquals(t:max(), 6)
  lu.assertEquals(t:min(), 1)
  lu.assertAlmostEquals(t:var(), 35 / 12, 1e-12)
  lu.assertAlmostEquals(t:var { correction = 1 }, 3.5, 1e-12)
  lu.assertAlmostEquals(t:std(), math.sqrt(35 / 12), 1e-12)
  lu.assertAlmostEquals(t:norm(), math.sqrt(91), 1e-12)
  lu.assertEquals(t:argmax(), 6)
  lu.assertEquals(t:argmin(), 1)
  lu.assertTrue(t:all())
  lu.assertFalse(t:gt(1):all())
  lu.assertTrue(t:gt(5):any())
  lu.assertFalse(t:gt(6):any())
  lu.assertEquals(math.type(t:to("i32"):sum()), "integer")
  lu.assertEquals(pl.zeros(0):sum(), 0)
  lu.assertEquals(pl.zeros(0):prod(), 1)
  lu.assertTrue(pl.zeros(0):all())
end

function TestReduce.test_axes()
  local t = pl.arange(24):reshape(2, 3, 4)
  lu.assertEquals(t:sum(1):totable(), { { 14, 16, 18, 20 }, { 22, 24, 26, 28 }, { 30, 32, 34, 36 } })
  lu.assertEquals(t:sum({ 1, 3 }):totable(), { 68, 100, 132 })
  lu.assertEquals(t:sum({ 3, 1 }):totable(), { 68, 100, 132 })
  lu.assertEquals(t:sum({ 1, 3 }, { keepdim = true }).shape, { 1, 3, 1 })
  lu.assertEquals(t:sum({ keepdim = true }):totable(), { { { 300 } } })
  lu.assertEquals(t:mean(-1):totable(), { { 2.5, 6.5, 10.5 }, { 14.5, 18.5, 22.5 } })
  lu.assertEquals(t:argmin(2):totable(), { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } })
  lu.assertEquals(t:max({ 2, 3 }):totable(), { 12, 24 })
  lu.assertEquals(t:max(1).dtype, "i32")
  lu.assertEquals(t:var(1):totable()[1][1], 36)
  lu.assertEquals(pl.ones(3):sum(1), 3)
end

function TestReduce.test_nan_wins()
  local t = pl.tensor { 1, 0 / 0, 3, 0 / 0 }
  lu.assertNaN(t:max())
  lu.assertNaN(t:min())
  lu.assertEquals(t:argmax(), 2)
  lu.assertEquals(t:argmin(), 2)
end

function TestReduce.test_errors()
  local t = pl.ones(2, 3)
  raises("sum: axis 3 is out of range; the tensor has 2 axes", t.sum, t, 3)
  raises("sum: axis -3 is out of range", t.sum, t, -3)
  raises("mean: an axis is a whole number from 1", t.mean, t, 0)
  raises("sum: axis -1 is named twice", t.sum, t, { 2, -1 })
  raises("max has no option 'keepdims'; did you mean 'keepdim'?", t.max, t, 1, { keepdims = true })
  raises("max: a tensor of shape [0, 3] has no elements", function() return pl.zeros(0, 3):max() end)
  raises("mean: a tensor of shape [0, 3] has no elements", function() return pl.zeros(0, 3):mean(1) end)
  raises("argmax: takes one axis, or none", function() return pl.ones(2, 2, 2):argmax { 1, 2 } end)
  raises("var: the correction must be from 0 to less than the 1 elements", function()
    return pl.ones(1):var { correction = 1 }
  end)
  raises("sum: 4294967294 does not fit in i32", function() return pl.full({ 2, 1 }, 2147483647, "i32"):sum(1) end)
end

function TestReduce.test_options_do_not_stand_among_the_axes()
  local t = pl.ones(2, 3)
  raises("'keepdim' is no index of this list; options follow it: t:mean(2, { keepdim = true })", t.mean, t,
    { 2, keepdim = true })
  raises("'correction' is no index of this list", t.std, t, { 2, correction = 1 })
  raises("'0' is no index of this list", t.sum, t, { [0] = 1, 2 })
end

function TestReduce.test_long_sums_are_accurate()
  local t = pl.full({ 1000, 1000 }, 0.1)
  lu.assertAlmostEquals(t:sum(), 1e6 * t[1][1], 1e-6)
  lu.assertEquals(t:T():sum(), t:sum())
end

-- Values below the least normal one count as 0, over a whole tensor as along an axis.
function TestReduce.test_denormals_count_as_zero()
  local t = pl.tensor { 1e-40, 1e-40 }
  for _, name in ipairs { "sum", "max", "norm" } do
    lu.assertEquals({ t[name](t), t:reshape(1, 2)[name](t:reshape(1, 2), 2)[1] }, { 0.0, 0.0 }, name)
  end
end

TestProduct = {}

local function naive(a, b, rows, inner, cols)
  local c = {}
  for i = 1, rows do
    c[i] = {}
    for j = 1, cols do
      local sum = 0
      for k = 1, inner do sum = sum + a[i][k] * b[k][j] end
      c[i][j] = sum
    end
  end
  return c
end

function TestProduct.test_matrices_against_loops()
  math.randomseed(4)
  local sizes = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65 }
  for _ = 1, 60 do
    local n, k, m = sizes[math.random(#sizes)], sizes[math.random(#sizes)], sizes[math.random(#sizes)]
    local a, b = pl.randint(-9, 9, k, n):to("f32"):T(), pl.randint(-9, 9, k, m):to("f32")
    if math.random() < 0.5 then b = b:T():contiguous():T() end
    lu.assertEquals(a:matmul(b):totable(), naive(a:totable(), b:totable(), n, k, m))
  end
end

function TestProduct.test_vectors_and_stacks()
  local m = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  lu.assertEquals(m:matmul(pl.tensor { 1, 1, 1 }):totable(), { 6, 15 })
  lu.assertEquals(pl.tensor { 1, 1 }:matmul(m):totable(), { 5, 7, 9 })
  lu.assertEquals(pl.tensor { 1, 2 }:matmul(pl.tensor { 3, 4 }), 11)
  local a, b = pl.randint(-9, 9, 4, 2, 3):to("f32"), pl.randint(-9, 9, 4, 3, 5):to("f32")
  local c = a:matmul(b)
  lu.assertEquals(c.shape, { 4, 2, 5 })
  for i = 1, 4 do lu.assertTrue(c[i]:equal(a[i]:matmul(b[i]))) end
  local shared = a:matmul(b[1])
  for i = 1, 4 do lu.assertTrue(shared[i]:equal(a[i]:matmul(b[1]))) end
  local wide = a:unsqueeze(2):matmul(b:unsqueeze(1))
  lu.assertEquals(wide.shape, { 4, 4, 2, 5 })
  lu.assertTrue(wide[3][2]:equal(a[3]:matmul(b[2])))
  lu.assertEquals(pl.ones(2, 0):matmul(pl.ones(0, 2)):totable(), { { 0, 0 }, { 0, 0 } })
  lu.assertEquals(pl.ones(0, 2):matmul(pl.ones(2, 3)).shape, { 0, 3 })
end

function TestProduct.test_errors()
  local a = pl.ones(2, 3)
  raises("matmul: shapes [2, 3] and [2, 3]: the last axis of the first (3) must equal the last but one of the " ..
    "second (2); transpose the second",
    a.matmul, a, a)
  raises("the last axis of the first (3) must equal the axis of the second (4)", a.matmul, a, pl.ones(4))
  raises("matmul: expects f32 tensors, got f32 and u8", a.matmul, a, pl.ones(3, 3, "u8"))
  raises("both need at least one axis", a.matmul, a, pl.tensor(3))
  raises("matmul (leading axes): shapes [2] and [3] do not broadcast", pl.ones(1).matmul, pl.ones(2, 1, 1),
    pl.ones(3, 1, 1))
end

TestCompare = {}

function TestCompare.test_equal()
  local t = pl.tensor { 1, 2 }
  lu.assertTrue(t:equal(pl.tensor({ 1, 2 }, "u8")))
  lu.assertFalse(t:equal(pl.tensor { 1, 2.01 }))
  lu.assertTrue(t:equal(pl.tensor { 1, 2.01 }, 0.02))
  lu.assertFalse(t:equal(pl.tensor { { 1, 2 } }))
  lu.assertFalse(pl.tensor { 0 / 0 }:equal(pl.tensor { 0 / 0 }, 1))
  lu.assertTrue(pl.tensor { 1 / 0 }:equal(pl.tensor { 1 / 0 }))
end

function TestCompare.test_accuracy()
  local scores = pl.tensor { { 0.1, 0.9 }, { 0.8, 0.2 }, { 0.3, 0.7 }, { 0 / 0, 1 } }
  lu.assertEquals(pl.accuracy(scores, pl.tensor({ 1, 0, 0, 0 }, "u8")), 0.5)
  raises("accuracy: expects scores [N, K] and i32 or u8 labels [N], got [4, 2] and u8 [3]", pl.accuracy, scores,
    pl.zeros(3, "u8"))
  raises("accuracy: of no rows", pl.accuracy, pl.zeros(0, 2), pl.zeros(0, "u8"))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
