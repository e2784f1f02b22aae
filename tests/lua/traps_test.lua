-- What formulas and the tape do not let pass in silence: captured values that change, control flow that is not
-- recorded, gradients that a copy would cut off, tensors changed in place under the tape.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

TestTraps = {}

local function said(f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  return tostring(message)
end

local function layer(forward) return nn.define { name = "Mine", forward = forward } {} end

local function recorded(forward) return said(function() layer(forward):build { 4 } end) end

-- ---- captured values frozen in silence ----

local x = pl.randn(24, 4, { seed = 1 })
local data = pl.data.from_tensors { x = x, y = pl.tensor(x:gt(0):slice(2, 1, 1):reshape(24):to("i32"):totable(), "i32"),
  name = "signs" }

local function trained(own, loss, change)
  local e = pl.experiment { name = "captured", seed = 1, epochs = 3, batch_size = 8, data = data,
    model = nn.Sequential { own or nn.Identity(), nn.Linear(4, 2) }, loss = loss or nn.CrossEntropy(),
    optimizer = pl.optim.SGD { lr = 0.1 }, callbacks = { on_epoch = change } }
  return said(e.run, e, { out = false, quiet = true, silent = true })
end

function TestTraps:test_a_captured_value_that_changes_is_named()
  local number, flag, tensor, nested, text = 2, true, pl.ones(4), { by = { 1 } }, "x"
  for _, case in ipairs {
    { "number", function(_, v) return v * number end, function() number = number + 1 end },
    { "flag", function(_, v) return flag and v * 2 or v * 3 end, function() flag = not flag end },
    { "nested", function(_, v) return v * nested.by[1] end, function() nested.by[1] = nested.by[1] + 1 end },
    { "text", function(_, v) return v * #text end, function() text = text .. "x" end },
  } do
    lu.assertStrContains(trained(layer(case[2]), nil, case[3]), ("captured variable '%s'"):format(case[1]))
    local forward = case[2]
    local loss = nn.define_loss { forward = function(o, l) return -forward(nil, o):log_softmax(-1):pick(l) end }
    lu.assertStrContains(trained(nil, loss, case[3]), ("captured variable '%s'"):format(case[1]))
  end
  -- of a tensor the numbers are compared
  lu.assertStrContains(trained(layer(function(_, v) return v * tensor end), nil, function() tensor:add_(1) end),
    "of another value")
  -- what does not change the formula may change
  local counter = 0
  local e = pl.experiment { name = "counted", seed = 1, epochs = 2, batch_size = 8, data = data,
    model = nn.Sequential { layer(function(_, v) counter = counter + 1 return v * 2 end), nn.Linear(4, 2) },
    loss = nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 } }
  e:run { out = false, quiet = true, silent = true }
  lu.assertTrue(counter >= 4)
end

-- ---- control flow ignored in silence ----

function TestTraps:test_a_condition_is_no_control_flow()
  local instead = "pl.where"
  for _, forward in ipairs {
    function(_, v) if v:gt(0) then return v * 2 end return v * 3 end,
    function(_, v) return v:gt(0) and v * 2 or v * 3 end,
    function(_, v) while v:lt(1) do v = v * 2 if v:size(2) == 4 then break end end return v end,
    function(_, v) if v:sum(-1) > 0 then return v * 2 end return v * 3 end,
    function(_, v) if v:mean(-1):item() > 0 then return v * 2 end return v * 3 end,
    function(_, v) return math.max(v, v * 2) end,
    function(_, v) if v == v * 1 then return v * 2 end return v * 3 end,
  } do
    lu.assertStrContains(recorded(forward), instead)
  end
  lu.assertStrContains(recorded(function(_, v) for i = 1, v:sum(-1) do v = v * i end return v end),
    "value of a formula")
  lu.assertStrContains(recorded(function(_, v) local s = v for _, k in pairs(v) do s = s + k end return s * 1 end),
    "cannot be looped over")
  -- a comparison that is taken is fine, of outputs too
  layer(function(_, v) return pl.where(v:gt(0), v, v * v) end):build { 4 }
  layer(function(_, v) return v:gt(0) * v end):build { 4 }
  lu.assertStrContains(said(nn.define_loss { forward = function(o, t)
    if o:gt(t) then return (o - t) ^ 2 end
    return (t - o):abs()
  end }, x, x * 2), "nothing takes the result of the comparison gt")
end

-- On a tensor x[1] is a sample; what is recorded has no samples to choose from.
function TestTraps:test_an_index_is_of_the_batch()
  lu.assertStrContains(recorded(function(_, v) return v[1] end),
    "x[1]: the first axis of [N, 4] is the batch; x:select(2, 1) is that element of each sample")
  layer(function(_, v) return v:select(2, 1) * 2 end):build { 4 }
  local own = nn.define { name = "Own", params = function() return { w = { 4 } } end,
    forward = function(mine, v) return v * mine.w[1] end } {}
  own:build { 4 }
  lu.assertEquals(pl.grad(function(v) return v[2] * 3 end)(pl.ones(2)):totable(), { 0, 3 })
end

-- ---- a gradient of zero from a copy ----

function TestTraps:test_no_copy_cuts_a_gradient_off()
  local w = pl.tensor { 1, 2 }
  local function gradient(f) return pl.grad(f)(w):totable() end
  lu.assertEquals(gradient(function(v) return (v:clone() * v):sum() end), { 2, 4 })
  lu.assertEquals(gradient(function(v) return (v:contiguous() * 3):sum() end), { 3, 3 })
  lu.assertEquals(gradient(function(v) return (pl.stack({ v[1], v[2] }, 1) * 3):sum() end), { 3, 3 })
  lu.assertEquals(gradient(function(v) return (pl.cat({ v, v * 2 }, 1)):sum() end), { 3, 3 })
  lu.assertEquals(gradient(function(v) return (v:reshape(2, 1) * v):sum() end), { 6, 6 })
  local buffer = pl.zeros(2)
  for _, f in ipairs {
    function(v) buffer:copy_(v) return (buffer * v):sum() end,
    function(v) buffer:add_(v) return (buffer * v):sum() end,
    function(v) buffer[1] = v:sum() return (buffer * v):sum() end,
    function(v) buffer:fill_(v:sum()) return (buffer * v):sum() end,
    function(v) return (pl.tensor { v:sum(), 1 } * v):sum() end,
    function(v) return (pl.tensor { { 1, 2 }, v } * v):sum() end,
    function(v) return (pl.tensor { 1, v:sum() } * v):sum() end,
  } do
    lu.assertStrContains(said(pl.grad(f), w), "value of a formula")
  end
  lu.assertStrContains(said(pl.grad(function(v) return v:sum():item() end), w), "does not depend on the arguments")
  lu.assertStrContains(said(pl.grad(function(v) return v:detach():sum() end), w), "does not depend on the arguments")
end

-- ---- changed in place under the tape ----

function TestTraps:test_a_change_in_place_of_what_the_tape_recorded()
  local t, w = pl.randn(3, { seed = 1 }), pl.randn(3, { seed = 2 })
  local model = nn.Linear(3, 2):build { 3 }
  for _, case in ipairs {
    { "mul (", function(v) local y = v * t t:add_(1) return y:sum() end, "changed in place by add" },
    { "mul (", function(v) local y = v * t t[2] = 100 return y:sum() end, "changed in place by set" },
    { "square (", function(v) local y = v ^ 2 w:mul_(2) return y:sum() end, "changed in place by mul" },
    { "sub (", function(v) local y = (t - v):exp() t:slice(1, 1, 2):zero_() return y:sum() end, "changed in place" },
    { "matmul (", function(v) local y = v:reshape(1, 3):matmul(model.weight) model.weight:fill_(0) return y:sum() end,
      "changed in place" },
    { "matmul (", function(v) local y = v:reshape(1, 3):matmul(model.weight) model:initialize(7) return y:sum() end,
      "changed in place" },
  } do
    local message = said(pl.value_and_grad(case[2]), w)
    lu.assertStrContains(message, "traps_test.lua:")
    lu.assertStrContains(message, case[1])
    lu.assertStrContains(message, case[3])
    lu.assertStrContains(message, "t:clone()")
  end
end

function TestTraps:test_other_changes_in_place_are_nobodys_business()
  local t, buffer = pl.ones(3), pl.zeros(6)
  local function gradient(f) return pl.grad(f)(pl.tensor { 1, 2, 3 }):totable() end
  lu.assertEquals(gradient(function(v)
    local y = v * t:clone()
    t:add_(1)                                      -- a copy was recorded
    return y:sum()
  end), { 1, 1, 1 })
  t:fill_(1)
  lu.assertEquals(gradient(function(v)
    t:fill_(2)                                     -- before it is recorded
    return (v * t):sum()
  end), { 2, 2, 2 })
  lu.assertEquals(gradient(function(v)
    local y = v * buffer:slice(1, 1, 3)
    buffer:slice(1, 4, 6):fill_(9)                 -- beside it in the same memory
    return y:sum()
  end), { 0, 0, 0 })
  for _ = 1, 2 do                                  -- after the gradient has been taken
    local ones = pl.ones(3)
    lu.assertEquals(gradient(function(v) return (v * ones):sum() end), { 1, 1, 1 })
    ones:zero_()
  end
end

-- ---- options among the items of a list ----

function TestTraps:test_options_do_not_stand_in_a_list()
  lu.assertStrContains(recorded(function(_, v) return v:std { 2, correction = 1 }:reshape(-1, 1) end),
    "std takes a list, and 'correction' is no index in one; write x:std(2, { keepdim = true })")
  for name, forward in pairs {
    reshape = function(_, v) return v:reshape { -1, 2, 2, copy = true } end,
    permute = function(_, v) return v:permute { 1, 2, copy = true } end,
    cat = function(_, v) return pl.cat { v, v, axis = 2 } end,
    stack = function(_, v) return pl.stack { v, v, axis = 2 } end,
  } do
    lu.assertStrContains(recorded(forward), name .. " takes a list, and '")
  end
  layer(function(_, v) return pl.cat(table.pack(v, v), 2) end):build { 4 }
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
