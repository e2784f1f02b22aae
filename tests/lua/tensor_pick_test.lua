-- Picking, masks, joining, sorting, random fills.
local lu = require "luaunit"
local pl = require "perilune"
local raises = lu.assertErrorMsgContains

TestPick = {}

function TestPick.test_index()
  local t = pl.arange(12):reshape(3, 4)
  lu.assertEquals(t:index(1, { 3, 1 }):totable(), { { 9, 10, 11, 12 }, { 1, 2, 3, 4 } })
  lu.assertEquals(t:T():index(1, { 4, -4, 4 }):totable(), { { 4, 8, 12 }, { 1, 5, 9 }, { 4, 8, 12 } })
  lu.assertEquals(t:index(2, pl.tensor({ 2 }, "i32")):totable(), { { 2 }, { 6 }, { 10 } })
  for _, mask in ipairs { t:select(2, 1):gt(0), t:select(2, 1):gt(1) } do      -- the first has no 0
    raises("u8 is a mask: t:masked_select(mask) picks by it", t.index, t, 1, mask)
  end
  lu.assertEquals(t:index(-1, {}).shape, { 3, 0 })
  raises("index: index 4 is out of range: axis 1 has items 1 to 3", t.index, t, 1, { 1, 4 })
  raises("index: index -4 is out of range", t.index, t, 1, { -4 })
  raises("index 0: indices count from 1", t.index, t, 1, { 0 })
  raises("indices are an i32 tensor or a table of whole numbers", t.index, t, 1, pl.ones(2))
  raises("does not fit in i32", t.index, t, 1, { 1.5 })
  raises("index: expects indices with 1 axes, got 2", t.index, t, 1, { { 1 } })
end

function TestPick.test_gather()
  local t = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  lu.assertEquals(t:gather(2, { { 3 }, { 1 } }):totable(), { { 3 }, { 4 } })
  lu.assertEquals(t:gather(1, { { 2, 1, -1 } }):totable(), { { 4, 2, 6 } })
  raises("gather: index 4 is out of range: axis 2 has items 1 to 3", t.gather, t, 2, { { 4 } })
  raises("gather: indices of shape [3, 1] do not fit a tensor of shape [2, 3]: axis 1 is longer", t.gather, t, 2,
    { { 1 }, { 1 }, { 1 } })
end

function TestPick.test_masks()
  local t = pl.tensor { { 1, -2 }, { -3, 4 } }
  lu.assertEquals(t:masked_select(t:lt(0)):totable(), { -2, -3 })
  lu.assertEquals(t:masked_select(pl.tensor({ 1, 0 }, "u8")):totable(), { 1, -3 })
  lu.assertEquals(t:masked_fill(t:lt(0), 0):totable(), { { 1, 0 }, { 0, 4 } })
  lu.assertEquals(t:totable(), { { 1, -2 }, { -3, 4 } })
  lu.assertTrue(t:masked_fill_(pl.tensor({ 0, 1 }, "u8"), 9) == t)
  lu.assertEquals(t:totable(), { { 1, 9 }, { -3, 9 } })
  lu.assertEquals(pl.where(t:gt(0), 1, -1):totable(), { { 1, 1 }, { -1, 1 } })
  lu.assertEquals(pl.where(t:gt(0), 1, -1).dtype, "i32")
  lu.assertEquals(pl.where(pl.ones(2, "u8"), pl.ones(2, "u8"), pl.ones(2, "u8")).dtype, "u8")
  raises("masked_fill: 300 does not fit in u8", function() pl.zeros(2, "u8"):masked_fill_(pl.ones(2, "u8"), 300) end)
  raises("masked_fill: shapes [2, 2] and [3] do not broadcast", t.masked_fill, t, pl.ones(3, "u8"), 0)
  raises("does not fit into the tensor of shape [2, 2]", t.masked_fill, t, pl.ones(3, 2, 2, "u8"), 0)
end

TestJoin = {}

function TestJoin.test_cat_and_stack()
  local a, b = pl.tensor { { 1, 2 } }, pl.tensor { { 3, 4 }, { 5, 6 } }
  lu.assertEquals(pl.cat { a, b }:totable(), { { 1, 2 }, { 3, 4 }, { 5, 6 } })
  lu.assertEquals(pl.cat({ b, b:T() }, 2):totable(), { { 3, 4, 3, 5 }, { 5, 6, 4, 6 } })
  lu.assertEquals(pl.cat { pl.zeros(0, 2), a }:totable(), { { 1, 2 } })
  lu.assertEquals(pl.stack { pl.tensor { 1, 2 }, pl.tensor { 3, 4 } }:totable(), { { 1, 2 }, { 3, 4 } })
  lu.assertEquals(pl.stack({ pl.tensor { 1, 2 }, pl.tensor { 3, 4 } }, -1):totable(), { { 1, 3 }, { 2, 4 } })
  raises("cat: shapes [1, 2] (tensor 1) and [2, 2] (tensor 2) must be equal but for the axis of joining", pl.cat,
    { a, b }, 2)
  raises("cat: tensor 1 is f32 and tensor 2 is u8", pl.cat, { a, a:to("u8") })
  raises("stack: shapes [1, 2] (tensor 1) and [2, 2] (tensor 2) must be equal", pl.stack, { a, b })
  raises("expects a list of at least one tensor", pl.cat, {})
  raises("item 2 of the list is not a tensor (a number)", pl.cat, { a, 3 })
  raises("'axis' is no index of this list; the axis follows it: ({ a, b }, 2)", pl.cat, { b, b, axis = 2 })
  lu.assertEquals(pl.cat(table.pack(a, b)):totable(), pl.cat({ a, b }):totable())
  raises("'n' is no index of this list", pl.cat, { a, b, n = 3 })
  raises("'axis' is no index of this list", pl.stack, { b, b, axis = 3 })
end

function TestJoin.test_one_hot()
  lu.assertEquals(pl.one_hot(pl.tensor({ 2, 0 }, "u8"), 3):totable(), { { 0, 0, 1 }, { 1, 0, 0 } })
  raises("one_hot: label 3 (number 1) is not among the classes 0 to 2", pl.one_hot, pl.tensor({ 3 }, "u8"), 3)
  raises("one_hot: expects labels as an i32 or u8 vector, got f32 [1]", pl.one_hot, pl.tensor { 1 }, 3)
end

TestSort = {}

function TestSort.test_sort()
  math.randomseed(3)
  for _ = 1, 50 do
    local n, list = math.random(1, 40), {}
    for i = 1, n do list[i] = math.random(1, 9) end
    local values, places = pl.tensor(list):sort()
    local expected = {}
    for i = 1, n do expected[i] = i end
    table.sort(expected, function(a, b) return list[a] < list[b] or (list[a] == list[b] and a < b) end)
    lu.assertEquals(places:totable(), expected)
    for i = 1, n do lu.assertEquals(values[i], list[expected[i]]) end
  end
  local t = pl.tensor { { 3, 1 }, { 2, 5 } }
  lu.assertEquals((t:sort(1)):totable(), { { 2, 1 }, { 3, 5 } })
  lu.assertEquals((t:sort { descending = true }):totable(), { { 3, 1 }, { 5, 2 } })
  local values = pl.tensor { 1, 0 / 0, 3 }:sort(1, { descending = true })
  lu.assertEquals(values[1], 3)
  lu.assertNaN(values[3])
  local best, where = pl.tensor { 5, 9, 7 }:topk(2)
  lu.assertEquals(best:totable(), { 9, 7 })
  lu.assertEquals(where:totable(), { 2, 3 })
  raises("sort has no option 'descend'", t.sort, t, { descend = true })
  raises("topk: the 5 largest of 3 items", pl.ones(3).topk, pl.ones(3), 5)
  raises("topk: the 4294967297 largest of 3 items", pl.ones(3).topk, pl.ones(3), (1 << 32) + 1)
end

TestRandom = {}

function TestRandom.test_streams()
  pl.seed(5)
  local a, b = pl.rand(4), pl.rand(4)
  lu.assertFalse(a:equal(b))
  lu.assertEquals({ pl.seed() }, { 5, 2 })
  pl.seed(5)
  lu.assertTrue(pl.rand(4):equal(a))
  pl.seed(5, 1)
  lu.assertTrue(pl.rand(4):equal(b))
  pl.seed(6)
  lu.assertFalse(pl.rand(4):equal(a))
  lu.assertTrue(pl.randn(4, { seed = 1 }):equal(pl.randn(4, { seed = 1 })))
  lu.assertTrue(pl.randn({ 2, 2 }, { seed = 1 }):reshape(4):equal(pl.randn(4, { seed = 1 })))
  -- element i depends on i alone, not on the layout
  local t = pl.zeros(3, 5):T()
  lu.assertTrue(t:uniform_({ seed = 2 }):equal(pl.rand(5, 3, { seed = 2 })))
end

function TestRandom.test_distributions()
  local u, n, i = pl.rand(100000, { seed = 1 }), pl.randn(100000, { seed = 1 }), pl.randint(-2, 3, 60000, { seed = 1 })
  lu.assertTrue(u:min() >= 0 and u:max() < 1)
  lu.assertAlmostEquals(u:mean(), 0.5, 0.005)
  lu.assertAlmostEquals(u:var(), 1 / 12, 0.002)
  lu.assertAlmostEquals(n:mean(), 0, 0.015)
  lu.assertAlmostEquals(n:std(), 1, 0.01)
  lu.assertEquals(i.dtype, "i32")
  for v = -2, 3 do lu.assertAlmostEquals(i:eq(v):to("f32"):mean(), 1 / 6, 0.006) end
  local w = pl.zeros(100000):uniform_(-3, -1)
  lu.assertTrue(w:min() >= -3 and w:max() < -1)
  lu.assertAlmostEquals(pl.zeros(100000):normal_(5, 2, { seed = 3 }):std(), 2, 0.02)
end

function TestRandom.test_errors()
  raises("rand has no option 'sed'; did you mean 'seed'?", pl.rand, 2, { sed = 1 })
  raises("randint: the range 3 to 1 is empty", pl.randint, 3, 1, 2)
  raises("uniform: u8 tensors hold whole numbers", function() pl.zeros(2, "u8"):uniform_() end)
  raises("the seed must be a whole number", pl.rand, 2, { seed = 1.5 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
