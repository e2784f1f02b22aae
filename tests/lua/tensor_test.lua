-- Tensors: making, indexing, views, errors.
local lu = require "luaunit"
local pl = require "perilune"
local raises = lu.assertErrorMsgContains

TestMake = {}

function TestMake.test_nested()
  local t = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  lu.assertEquals(t.shape, { 2, 3 })
  lu.assertEquals(t.dtype, "f32")
  lu.assertEquals(#t, 2)
  lu.assertEquals(t:dim(), 2)
  lu.assertEquals(t:count(), 6)
  lu.assertEquals(t:size(-1), 3)
  lu.assertEquals(t:totable(), { { 1, 2, 3 }, { 4, 5, 6 } })
  lu.assertEquals(pl.tensor(7):item(), 7)
  lu.assertEquals(pl.tensor({ true, false }, "u8"):totable(), { 1, 0 })
  lu.assertEquals(pl.tensor({ -3, 2147483647 }, "i32"):totable(), { -3, 2147483647 })
  lu.assertEquals(pl.tensor({ {}, {} }).shape, { 2, 0 })
end

function TestMake.test_nested_errors()
  raises("item [2] has 1 items where its first neighbour has 2; rows must be equally long", pl.tensor,
    { { 1, 2 }, { 3 } })
  raises("item [2] is a number where its first neighbour is a table of 1 items", pl.tensor, { { 1 }, 2 })
  raises("item [1][2] is a string", pl.tensor, { { 1, "x" } })
  raises("item [2]: set: 256 does not fit in u8 (whole numbers from 0 to 255)", pl.tensor, { 1, 256 }, "u8")
  raises("does not fit in i32", pl.tensor, { 1.5 }, "i32")
  raises('an element type is "f32", "u8" or "i32", got "f64"', pl.tensor, { 1 }, "f64")
  raises("join tensors with pl.stack", pl.tensor, { pl.zeros(2), pl.zeros(2) })
  local deep = {}
  deep[1] = deep
  raises("tables nest deeper than 6 axes", pl.tensor, deep)
end

function TestMake.test_filled()
  lu.assertEquals(pl.zeros(2, 2):totable(), { { 0, 0 }, { 0, 0 } })
  lu.assertEquals(pl.ones({ 3 }, "i32"):totable(), { 1, 1, 1 })
  lu.assertEquals(pl.full({ 2 }, 7, "u8"):totable(), { 7, 7 })
  lu.assertEquals(pl.eye(2, 3):totable(), { { 1, 0, 0 }, { 0, 1, 0 } })
  lu.assertEquals(pl.arange(3):totable(), { 1, 2, 3 })
  lu.assertEquals(pl.arange(3).dtype, "i32")
  lu.assertEquals(pl.arange(0, 1, 0.25):totable(), { 0, 0.25, 0.5, 0.75, 1 })
  lu.assertEquals(#pl.arange(0, 1, 0.1), 11)
  lu.assertEquals(pl.arange(5, 1, -2):totable(), { 5, 3, 1 })
  lu.assertEquals(pl.linspace(0, 1, 5):totable(), { 0, 0.25, 0.5, 0.75, 1 })
  raises("axis 2 has -1", pl.zeros, 2, -1)
  raises("at most 6 axes", pl.zeros, 1, 1, 1, 1, 1, 1, 1)
  raises("size 1 of a shape must be a whole number, got 1.5", pl.zeros, 1.5)
end

TestIndex = {}

function TestIndex.test_items_and_views()
  local t = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  lu.assertEquals(t[2][3], 6)
  lu.assertEquals(t[-1][-3], 4)
  lu.assertEquals(math.type(pl.tensor({ 1 }, "i32")[1]), "integer")
  t[1][2] = 20
  t[2] = pl.tensor { 7, 8, 9 }
  lu.assertEquals(t:totable(), { { 1, 20, 3 }, { 7, 8, 9 } })
  t[1] = 0
  lu.assertEquals(t:totable(), { { 0, 0, 0 }, { 7, 8, 9 } })
  raises("index 3 is out of range: the first axis of shape [2, 3] has 2 items", function() return t[3] end)
  raises("index 0: indices count from 1", function() return t[0] end)
  raises("copy: shapes [3] and [2] do not broadcast: axis 1 has 3 and 2", function() t[1] = pl.zeros(2) end)
  raises("no field or method 'shpe'; did you mean 'shape'?", function() return t.shpe end)
  raises("field 'shape' cannot be set", function() t.shape = 1 end)
end

function TestIndex.test_views_share()
  local t = pl.arange(12):reshape(3, 4)
  lu.assertEquals(t:slice(1, 2, 3):totable(), { { 5, 6, 7, 8 }, { 9, 10, 11, 12 } })
  lu.assertEquals(t:slice(2, -2):totable(), { { 3, 4 }, { 7, 8 }, { 11, 12 } })
  lu.assertEquals(t:select(2, 1):totable(), { 1, 5, 9 })
  lu.assertEquals(t:T():totable()[2], { 2, 6, 10 })
  lu.assertEquals(t:T():reshape(-1):totable(), { 1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12 })
  lu.assertEquals(t:unsqueeze(1).shape, { 1, 3, 4 })
  lu.assertEquals(t:unsqueeze(-1):squeeze().shape, { 3, 4 })
  lu.assertEquals(pl.tensor { { 1 }, { 2 } }:expand(2, 2):totable(), { { 1, 1 }, { 2, 2 } })
  t:select(2, 1)[1] = 100
  lu.assertEquals(t[1][1], 100)
  local c = t:clone()
  c[1] = 0
  lu.assertEquals(t[1][1], 100)
  raises("shape [3, 4] (12 elements) cannot become [5, -1]", t.reshape, t, 5, -1)
  raises("axis 3 is out of range; the tensor has axes 1 to 2", t.transpose, t, 1, 3)
  raises("items 2 to 5 of axis 1, but shape [3, 4] has items 1 to 3 there", t.slice, t, 1, 2, 5)
end

function TestIndex.test_types()
  local t = pl.tensor { 1.7, -1.7 }
  lu.assertEquals(t:to("i32"):totable(), { 1, -1 })
  raises("to: -1 does not fit in u8", t.to, t, "u8")
  raises("does not fit in i32", function() return pl.tensor { 0 / 0 }:to("i32") end)
end

function TestIndex.test_life()
  local t = pl.zeros(3)
  local view = t:reshape(3, 1)
  t:free()
  t:free()
  raises("this tensor was freed", function() return t[1] end)
  raises("this tensor was freed", function() return t.shape end)
  lu.assertEquals(view:totable(), { { 0 }, { 0 }, { 0 } })
  local outside
  do
    local inside <close> = pl.zeros(3)
    outside = inside
  end
  raises("this tensor was freed", function() return #outside end)
end

-- Two handles of one parameter, views of each other; not a copy, nor what lies beside.
function TestIndex.test_overlap()
  local t = pl.zeros(4, 3)
  local linear = pl.nn.Linear(2, 2)
  lu.assertTrue(pl.overlap(t, t[1]))
  lu.assertTrue(pl.overlap(linear.weight, linear.weight:T()))
  lu.assertFalse(pl.overlap(t, t:clone()))
  lu.assertFalse(pl.overlap(t[1], t[2]))
  lu.assertFalse(pl.overlap(t, pl.zeros(0, 3)))
end

-- Beside the numbers of a list, options would be ignored.
function TestIndex.test_options_do_not_stand_in_a_list()
  raises("'dtype' is no index of this list; the type follows it: pl.tensor({ 0, 1 }, \"i32\")", pl.tensor,
    { 0, 1, dtype = "i32" })
  for _, f in ipairs { pl.zeros, pl.ones } do
    raises("'dtype' is no index of this list; what is no size follows it", f, { 2, dtype = "i32" })
  end
  for _, f in ipairs { pl.rand, pl.randn } do raises("'seed' is no index of this list", f, { 3, seed = 1 }) end
  raises("'seed' is no index of this list", pl.randint, 1, 6, { 3, seed = 1 })
  raises("'dtype' is no index of this list", pl.full, { 3, dtype = "u8" }, 1)
  local t = pl.ones(4)
  raises("'copy' is no index of this list", t.reshape, t, { 2, 2, copy = true })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
