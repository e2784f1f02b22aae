-- pl.gradient_check: right gradients pass, wrong ones are named, also those computed by hand; wrong use.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"

local x, t = pl.randn(5, 3, { seed = 1 }), pl.randn(5, 2, { seed = 2 })
local w, b = pl.randn(3, 2, { seed = 3 }), pl.randn(2, { seed = 4 })

local function refused(words, ...) lu.assertErrorMsgContains(words, pl.gradient_check, ...) end

-- The squared error and its gradients by hand, the second times `factor`.
local function by_hand(factor)
  return function(v, c)
    local e = x:matmul(v) + c - t
    return (e ^ 2):mean(), x:T():matmul(e) * 0.2, e:sum(1) * (0.2 * factor)
  end
end

TestGradientCheck = {}

function TestGradientCheck:test_gradients_of_the_tape()
  local far, precision = pl.gradient_check(function(v, c) return ((x:matmul(v) + c - t) ^ 2):mean() end, w, b)
  lu.assertTrue(far < 1e-5)
  lu.assertEquals(precision, "double")
  far = pl.gradient_check(function(v, n) return (v * n):tanh():log_softmax(-1):sum() end, w, 0.5)
  lu.assertTrue(far < 1e-4)
end

function TestGradientCheck:test_gradients_by_hand()
  lu.assertTrue(pl.gradient_check(by_hand(1), w, b) < 1e-5)
  refused("argument 2, [1]: its gradient is 0.870023, central differences give 0.580015", by_hand(1.5), w, b)
  refused("argument 2, [1]", by_hand(1.002), w, b)
  pl.gradient_check(by_hand(1.002), w, b, { tolerance = 0.01 })
end

-- A sign is no operation of formulas.
function TestGradientCheck:test_what_is_no_formula_is_compared_in_f32()
  local function l1(factor)
    return function(v, c)
      local e = x:matmul(v) + c - t
      return e:abs():sum(), x:T():matmul(e:sign()) * factor, e:sign():sum(1) * factor
    end
  end
  local _, precision = pl.gradient_check(l1(1), w, b)
  lu.assertEquals(precision, "single")
  refused("argument 1", l1(1.1), w, b)
end

-- Numbers that are read are of f32, whatever the rest is computed in; those that only decide are not computed with.
function TestGradientCheck:test_numbers_that_are_read()
  local v, order = pl.tensor { 2.5, 1.5, 3.5 }, pl.tensor { 1, 2, 3 }
  local function squares(factor)
    return function(u)
      local total = 0.0
      for _, number in ipairs(u:totable()) do total = total + number ^ 2 end
      return total, 2 * factor * u
    end
  end
  for i, f in ipairs {
    squares(1),
    function(u) return (u:sort() * order):sum(), pl.tensor { 2, 1, 3 } end,
    function(u) return u:topk(2):sum(), pl.tensor { 1, 0, 1 } end,
    function(u)
      local total = 0.0
      for k = 1, 3 do total = total + (core.tensor.is_tensor(u) and u[k] or u[k]:item()) ^ 2 end
      return total, 2 * u
    end,
  } do lu.assertEquals(select(2, pl.gradient_check(f, v)), "single", i) end
  refused("its gradient is 5.5, central differences give 5", squares(1.1), v)
  local function clipped(u)
    if u:sum() > 100 then return u:sum() * 0, u * 0 end
    return (u ^ 2):sum(), 2 * u
  end
  lu.assertEquals(select(2, pl.gradient_check(clipped, v)), "double")
end

function TestGradientCheck:test_a_kink_has_slopes_on_both_sides()
  pl.gradient_check(function(v) return v:relu():sum() end, pl.tensor { 0, -1, 2 })
  pl.gradient_check(function(v) return v:abs():sum(), pl.tensor { 0.5, -1, 1 } end, pl.tensor { 0, -1, 2 })
  refused("[1]", function(v) return v:abs():sum(), pl.tensor { 1.5, -1, 1 } end, pl.tensor { 0, -1, 2 })
  local function in_f32(at_kink)
    return function(v) return v:relu():sum(), v:sign():maximum(0) + at_kink * v:eq(0):to "f32" end
  end
  for _, slope in ipairs { 0, 0.5, 1 } do
    lu.assertEquals(select(2, pl.gradient_check(in_f32(slope), pl.tensor { 0, -1, 2, 1e-3 })), "single")
  end
  refused("[1]", in_f32(1.5), pl.tensor { 0, -1, 2 })
  refused("[1]", in_f32(-0.5), pl.tensor { 0, -1, 2 })
end

-- Neither a large value nor large gradients of other arguments or elements excuse a gradient; what f32 leaves of a sum
-- that cancels is none.
function TestGradientCheck:test_scales()
  local steep = pl.tensor { 1e4, 1, 1 }
  refused("[3]: its gradient is 0.5, central differences give 1",
    function(u) return (u * steep):sum(), pl.tensor { 1e4, 1, 0.5 } end, pl.ones(3))
  local v, zeros = pl.tensor { 1, 2, 3 }, pl.zeros(3)
  refused("its gradient is 0, central differences give 0.99999", function(u) return 1e6 + u:sum(), zeros end, v)
  refused("argument 1", function(u, s) return u:sum() + 1e6 * s:sum(), zeros, zeros + 1e6 end, v, v)
  refused("argument 1", function(u, s) return u:sum() + 1e6 * s:sum(), zeros + 2, zeros + 1e6 end, v, v)
  local factor, number = pl.randn(200, 30, { seed = 5 }), pl.tensor { 0.3 }
  local u = pl.randn(200, 30, { seed = 6 })
  pl.gradient_check(function(a, s) return ((a + s):softmax(-1) * factor):sum() end, u, number)
  pl.gradient_check(function(a, s) return ((a + s):log_softmax(-1) * factor):sum() + 1e4 end, u, number)
  pl.gradient_check(function(a, s)
    local e = a * 3 + s:exp()
    return ((e - e:mean(-1, { keepdim = true })) * factor):sum() * 1e3
  end, u, number)
end

function TestGradientCheck:test_wrong_use()
  refused("end it with :sum() or :mean()", function(v) return v * 2 end, w)
  refused("its gradient has to be shaped as it is, [3, 2]", function(v) return v:sum(), 1 end, w)
  refused("returns 1 gradients, of 2 arguments", function(v) return v:sum(), v end, w, b)
  refused("takes a function", w, b)
  refused("name the arguments", by_hand(1))
  refused("argument 1 is \"a\"", by_hand(1), "a", b)
  refused("has no option 'tolerence'; did you mean 'tolerance'?", by_hand(1), w, b, { tolerence = 1 })
end

TestTensorMethods = {}

function TestTensorMethods:test_methods_that_formulas_have()
  local v, label = pl.randn(4, 3, { seed = 7 }), pl.tensor({ 2, 0, 1, 1 }, "i32")
  local e = (v - v:max(-1, { keepdim = true })):exp()
  lu.assertTrue((v:softmax(-1) - e / e:sum(-1, { keepdim = true })):abs():max() < 1e-6)
  lu.assertTrue((v:log_softmax() - v:softmax():log()):abs():max() < 1e-6)
  lu.assertTrue((v:softmax(1):sum(1) - 1):abs():max() < 1e-6)
  lu.assertTrue((v:silu() - v * v:sigmoid()):abs():max() < 1e-6)
  lu.assertAlmostEquals(pl.tensor { 1 }:gelu():item(), 0.841345, 1e-6)
  lu.assertEquals(label:one_hot(3):totable(), { { 0, 0, 1 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 1, 0 } })
  local picked = v:pick(label):totable()
  for i, l in ipairs { 2, 0, 1, 1 } do lu.assertEquals(picked[i], v[i][l + 1]) end
  lu.assertEquals(pl.zeros(2, 3, 4):flatten().shape, { 2, 12 })
  lu.assertEquals(pl.zeros(4, 6):T():softmax(1).shape, { 6, 4 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
