-- Losses from Lua: values by hand, what is a label and what a value, messages.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  return message
end

TestLoss = {}

function TestLoss:test_cross_entropy()
  local loss = nn.CrossEntropy()
  local value, grad = loss(pl.tensor { { 0, 0 }, { 1, 1 } }, pl.tensor({ 0, 1 }, "i32"))
  lu.assertAlmostEquals(value, 0.69314718055995, 1e-7)
  lu.assertEquals(grad:totable(), { { -0.25, 0.25 }, { 0.25, -0.25 } })
  lu.assertEquals(loss:value(pl.tensor { { 0, 0 }, { 1, 1 } }, pl.tensor({ 0, 1 }, "i32")), value)
end

function TestLoss:test_labels_and_their_one_hot_rows_agree()
  local x = pl.tensor { { 0.5, -1, 2 }, { 3, 0.1, -0.7 } }
  local labels, hot = pl.tensor({ 2, 0 }, "i32"), pl.tensor { { 0, 0, 1 }, { 1, 0, 0 } }
  local tried = 0
  for name, new in pairs(core.loss) do
    if type(new) == "function" and name:match "^%u" then
      tried = tried + 1
      local loss = new()
      local a, ga = loss(x, labels)
      local b, gb = loss(x, hot)
      lu.assertEquals(a, b)
      lu.assertEquals(ga:totable(), gb:totable())
      lu.assertEquals((loss(x, labels:to "u8")), a)
      lu.assertEquals((loss(x, hot:to "i32")), a)
    end
  end
  lu.assertTrue(tried >= 7)
end

function TestLoss:test_reduction()
  local x, t = pl.tensor { { 1, 2 }, { 3, 5 } }, pl.tensor { { 1, 1 }, { 1, 1 } }
  lu.assertEquals((nn.MSE()(x, t)), 21 / 4)
  lu.assertEquals((nn.MSE { reduction = "sum" }(x, t)), 21)
end

function TestLoss:test_views_are_taken_in_order()
  local x = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  local value = nn.MSE()(x:transpose(1, 2), pl.tensor { { 1, 4 }, { 2, 5 }, { 3, 6 } })
  lu.assertEquals(value, 0)
end

function TestLoss:test_described_and_made_again()
  local loss = nn.CrossEntropy { label_smoothing = 0.1 }
  lu.assertEquals(loss:config(), { type = "CrossEntropy", config = { label_smoothing = 0.1, reduction = "mean" } })
  lu.assertEquals(require "perilune.core".loss.from_config(loss:config()):config(), loss:config())
  lu.assertEquals(loss.type, "CrossEntropy")
  lu.assertStrContains(tostring(loss), "CrossEntropy")
end

function TestLoss:test_messages()
  local loss = nn.CrossEntropy()
  local x = pl.zeros(2, 10)
  lu.assertStrContains(error_of(loss, x, pl.tensor({ 1, 10 }, "i32")), "label 10 of sample 2 is outside 0 to 9")
  lu.assertStrContains(error_of(loss, x, pl.tensor({ 1, 2, 3 }, "i32")), "CrossEntropy: 2 outputs and 3 targets")
  lu.assertStrContains(error_of(loss, x, pl.tensor { 1, 2 }),
    'class labels are whole numbers; make them so with labels:to("i32")')
  lu.assertStrContains(error_of(loss, pl.zeros(2, 3, 4), pl.tensor({ 1, 2 }, "i32")),
    "expects outputs [N, classes], got [N, 3, 4]")
  lu.assertStrContains(error_of(loss, x, 3), "tensor")
  lu.assertStrContains(error_of(nn.CrossEntropy, { label_smoothing = 2 }),
    "option 'label_smoothing' must be between 0 and 1, got 2")
  lu.assertStrContains(error_of(nn.CrossEntropy, { smoothing = 0.1 }), "did you mean 'label_smoothing'?")
  lu.assertStrContains(error_of(nn.MSE, { reduction = "median" }),
    'option \'reduction\' is one of "mean", "sum", got "median"')
  lu.assertStrMatches(error_of(function() nn.MSE { reduction = 3 } end), ".*loss_test.lua:%d+: MSE: .*")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
