-- nn.define and nn.Graph: layers from formulas in models, files, copies and several threads; what is said of wrong use.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local scratch = dofile "tests/lua/support_scratch.lua" "define"
local nn = pl.nn

TestDefine = {}

local Gated = nn.define {
  name = "Gated",
  params = function(o)
    return { a = { o[1], o[2] }, b = { o[1], o[2] }, bias = { shape = { o[2] }, init = { "constant", 0.5 } } }
  end,
  forward = function(self, x) return (x:matmul(self.a) + self.bias) * x:matmul(self.b):sigmoid() end,
}

local function assert_same(a, b)
  lu.assertEquals(a.shape, b.shape)
  lu.assertTrue(a:equal(b))
end

function TestDefine.test_a_layer_among_others_has_the_bits_of_plain_tensors()
  local model = nn.Sequential { nn.Flatten(), Gated(12, 5), nn.ReLU(), nn.Residual { Gated(5, 5) }, nn.Linear(5, 3) }
  model:build { 3, 4 }
  local function plain(x)
    local function gated(layer, v) return (v:matmul(layer.a) + layer.bias) * v:matmul(layer.b):sigmoid() end
    local h = gated(model[2], x:reshape(-1, 12)):relu()
    h = gated(model[4][1], h) + h
    return h:matmul(model[5].weight) + model[5].bias
  end
  local x = pl.randn(33, 3, 4, { seed = 1 })
  lu.assertEquals((plain(x) - model:forward(x)):abs():max(), 0)
  assert_same(model:infer(x), model:forward(x))
end

function TestDefine.test_parameters_are_ordered_by_name_and_initialized()
  local layer = Gated(40, 30, { name = "g" })
  layer:build { 40 }
  local names = {}
  for name in layer:parameters() do names[#names + 1] = name end
  lu.assertEquals(names, { "01_gated.a", "01_gated.b", "01_gated.bias" })
  lu.assertEquals(layer.bias:min(), 0.5)
  lu.assertAlmostEquals(layer.a:std(), math.sqrt(2 / 40), 0.02)
  lu.assertEquals(layer.name, "g")
  lu.assertEquals(layer:count(), 2 * 1200 + 30)
  local Own = nn.define { name = "Own", params = function()
    return { s = {}, w = { shape = { 2, 2 }, init = function(shape) return pl.full(shape, 3) end },
      k = { shape = { 2 }, trained = false, init = { "constant", 2 } } }
  end, forward = function(self, x) return x:matmul(self.w) * self.s + self.k end }
  local own = Own()
  own:build { 2 }
  lu.assertEquals(own.w:totable(), { { 3, 3 }, { 3, 3 } })
  lu.assertEquals(own:count(), 5)
  lu.assertEquals(own:infer(pl.ones(1, 2)):totable(), { { 2, 2 } })
end

function TestDefine.test_options_come_to_params_and_forward()
  local Power = nn.define { name = "Power", params = function(o) return { c = { o.size } } end,
    forward = function(self, x) return x ^ self.options.exponent + self.c * self[1] end }
  local layer = Power(7, { size = 3, exponent = 3 })
  layer:build { 3 }
  lu.assertEquals(layer:infer(pl.tensor { { 1, 2, 3 } }):totable(), { { 1, 8, 27 } })
end

function TestDefine.test_any_layer_is_called_in_it()
  local Block = nn.define {
    name = "Block", layers = function(o) return { conv = nn.Conv2d(o[1], o[2], 3, { padding = "same" }),
      norm = nn.BatchNorm(o[2]) } end,
    forward = function(self, x) return pl.cat({ x, self.norm(self.conv(x)):relu() }, -1) end,
  }
  local model = nn.Sequential { Block(1, 4), nn.MaxPool2d(2), Block(5, 3), nn.Flatten(), nn.Linear(8 * 16, 2) }
  model:build { 8, 8, 1 }
  local x = pl.randn(6, 8, 8, 1, { seed = 2 })
  local y = model:forward(x)
  lu.assertEquals(y.shape, { 6, 2 })
  model:zero_grad()
  model:backward(pl.ones(6, 2))
  lu.assertTrue(model[1][1].weight_grad:abs():max() > 0)
  lu.assertEquals(model[1][1]:path(), "01_block/01_conv2d")
  lu.assertStrContains(model:summary(), "Block")
end

function TestDefine.test_graph_with_branches_and_a_shared_layer()
  local stem, left, right, shared = nn.Linear(6, 8), nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 4)
  local model = nn.Graph(function(x)
    local h = stem(x):relu()
    return pl.cat({ shared(left(h)), shared(right(h)) }, -1) + x:slice(-1, 1, 1)
  end)
  model:build { 6 }
  lu.assertEquals(#model, 4)
  local x = pl.randn(5, 6, { seed = 3 })
  local y = model:forward(x)
  local h = (x:matmul(stem.weight) + stem.bias):relu()
  local function linear(layer, v) return v:matmul(layer.weight) + layer.bias end
  local want = pl.cat({ linear(shared, linear(left, h)), linear(shared, linear(right, h)) }, -1) + x:slice(2, 1, 1)
  lu.assertEquals((y - want):abs():max(), 0)
  model:zero_grad()
  local dx = model:backward(pl.ones(5, 8), true)
  local s = pl.value_and_grad(function(w)
    local a, b = h:matmul(left.weight) + left.bias, h:matmul(right.weight) + right.bias
    return (a:matmul(w)):sum() + (b:matmul(w)):sum()
  end)
  local _, dw = s(shared.weight)
  lu.assertTrue((shared.weight_grad - dw):abs():max() < 1e-4)
  lu.assertEquals(dx.shape, { 5, 6 })
end

function TestDefine.test_gradients_are_added_up_over_passes()
  local layer = Gated(4, 3)
  layer:build { 4 }
  local x = pl.randn(5, 4, { seed = 1 })
  layer:zero_grad()
  layer:forward(x) layer:backward(pl.ones(5, 3))
  local once = layer.a_grad:clone()
  layer:forward(x) layer:backward(pl.ones(5, 3))
  lu.assertTrue((layer.a_grad - once * 2):abs():max() < 1e-5)
end

function TestDefine.test_saved_and_loaded_without_the_script()
  local half = 0.5
  local Odd = nn.define { name = "Odd", params = function() return { w = { 6, 6 } } end,
    forward = function(self, x)
      return (x:matmul(self.w) * half + pl.arange(1, 6)) / (1 / 0) + x:matmul(self.w):gelu()
    end }
  local stem = nn.Linear(6, 6)
  local product = nn.Graph(function(x) return stem(x) * x end, { name = "product" })
  local model = nn.Sequential { Odd {}, product, nn.Linear(6, 2) }
  model:build { 6 }
  local path = scratch .. "/own.h5"
  lu.assertTrue(model:save(path))
  local again = assert(nn.load(path))
  local x = pl.randn(9, 6, { seed = 4 })
  assert_same(again:infer(x), model:infer(x))
  lu.assertEquals(again[1].type, "Odd")
  lu.assertEquals(again:find("product").type, "Graph")
  lu.assertEquals(again:show_graph():gsub("%S*%.lua:%d+", ""), (model:show_graph():gsub("%S*%.lua:%d+", "")))
  again:zero_grad()
  model:zero_grad()
  again:forward(x) again:backward(pl.ones(9, 2))
  model:forward(x) model:backward(pl.ones(9, 2))
  assert_same(again[1].w_grad, model[1].w_grad)
  assert_same(again[2][1].weight_grad, model[2][1].weight_grad)
  assert(again:save(path))
  assert_same(assert(nn.load(path)):infer(x), model:infer(x))
end

function TestDefine.test_show_graph_says_what_runs_as_one()
  local Block = nn.define {
    name = "Block",
    params = function(o) return { w = { o[1], o[2] }, b = { o[2] }, v = { o[1], o[2] } } end,
    forward = function(self, x)
      local h = (x:matmul(self.w) + self.b):relu()
      return (h * x:matmul(self.v):exp() - 1) / h:sum(-1, { keepdim = true })
    end,
  }
  local model = nn.Sequential { Block(6, 4), nn.Linear(4, 2) }
  model:build { 6 }
  local text = model:show_graph()
  if os.getenv "PERILUNE_FUSE" == "0" then return end
  for _, line in ipairs { "matmul %+ add as Linear, relu +%[N, 4%] +one pass\n",
    "  matmul as Linear +%[N, 4%] +as Linear\n",
    "  exp, mul, sub, div +%[N, 4%] +one pass, in strips that stay in the cache", "  sum +%[N, 1%]" } do
    lu.assertStrMatches(text, ".*" .. line .. ".*")
  end
  local rows = model:profile(function() model:forward(pl.ones(3, 6)) end)
  local plan, seconds = core.formula.plan(model), 0
  for _, node in ipairs(plan) do
    if node.formula then
      lu.assertEquals(node.path, rows[1].path)
      seconds = seconds + rows.operations[node.op].forward
    end
  end
  lu.assertTrue(seconds > 0)
  lu.assertAlmostEquals(seconds, rows[1].forward, 1e-9)
end

function TestDefine.test_clone()
  local stem = nn.Linear(4, 4)
  local model = nn.Sequential { Gated(4, 4), nn.Graph(function(x) return stem(x):tanh() end) }
  model:build { 4 }
  local copy = model:clone()
  local x = pl.randn(3, 4, { seed = 5 })
  assert_same(copy:infer(x), model:infer(x))
  model[1].a:fill_(0)
  lu.assertFalse(copy:infer(x):equal(model:infer(x)))
end

function TestDefine.test_the_same_bits_on_any_number_of_threads()
  local x = pl.randn(67, 20, { seed = 6 })
  local results = {}
  local before = pl.system.threads()
  for i, threads in ipairs { 1, 2, 3, 8 } do
    pl.system.threads(threads)
    local Mixed = nn.define { name = "Mixed", params = function()
      return { w = { 20, 300 }, s = { 300 }, t = { shape = { 5, 1, 3 }, init = "he" }, u = { shape = { 20, 2 } } }
    end, forward = function(self, v)
      local h = (v:matmul(self.w) * self.s:sigmoid() + self.s):reshape(-1, 5, 20, 3) * self.t
      local n = (h - h:mean({ 2, 3 }, { keepdim = true })) / (h:var({ 2, 3 }, { keepdim = true }) + 0.1):sqrt()
      return (n:max(-1) + n:sum(-1)):matmul(self.u):reshape(-1, 10):log_softmax(-1)
    end }
    local model = Mixed()
    model:build { 20 }
    model:initialize(3)
    local y = model:forward(x)
    model:zero_grad()
    local dx = model:backward(y * 0.3, true)
    results[i] = { y, dx, model.w_grad:clone(), model.s_grad:clone(), model.t_grad:clone(), model.u_grad:clone(),
      model:infer(x) }
  end
  pl.system.threads(before)
  for i = 2, #results do
    for k = 1, #results[1] do assert_same(results[i][k], results[1][k]) end
  end
  assert_same(results[1][7], results[1][1])
end

function TestDefine.test_what_it_captures_is_looked_at_again()
  local factor = 2
  local layer = nn.define { name = "Factor", forward = function(_, x) return x * factor end } {}
  layer:build { 3 }
  local check = require "perilune.nn.define".check_again
  check(layer)
  factor = 3
  local ok, message = pcall(check, layer)
  lu.assertFalse(ok)
  lu.assertStrContains(message, "captured variable 'factor'")
  lu.assertEquals(layer:infer(pl.ones(1, 3)):totable(), { { 2, 2, 2 } })
end

function TestDefine.test_shapes_may_change_between_passes()
  local layer = nn.define { name = "Twice", forward = function(_, x) return x + x:mean(-1, { keepdim = true }) end } {}
  lu.assertEquals(layer:infer(pl.ones(2, 3)):totable(), { { 2, 2, 2 }, { 2, 2, 2 } })
  lu.assertEquals(layer:infer(pl.ones(1, 2)):totable(), { { 2, 2 } })
end

-- ---- wrong use ----

local function said(forward, params, shape, layers)
  local ok, message = pcall(function()
    nn.define { name = "Mine", params = params, forward = forward, layers = layers } {}:build(shape or { 4 })
  end)
  lu.assertFalse(ok)
  return message
end

function TestDefine.test_wrong_use()
  local function a3() return { a = { 3 } } end
  local kept
  local cases = {
    { "parameter 'a' is not used", function(_, x) return x * 2 end, a3 },
    { "matmul: [N, 4] and [3, 2]: the last axis of the first (4) must equal the last but one of the second (3)",
      function(self, x) return x:matmul(self.a) end, function() return { a = { 3, 2 } } end },
    { "choose element by element with pl.where", function(_, x) if x:sum(-1) > 0 then return x end return -x end },
    { "whether two values are equal is not known", function(_, x) return x == x * 1 and x or -x end },
    { "the number in a value is not known", function(_, x) return x * x:sum(-1):item() end },
    { "what is in a value is not known", function(_, x) return x * #tostring(x) end },
    { "the number of samples of [N, 4] is not known", function(_, x) return x * #x end },
    { "forward returns 3 where the result of its operations is due", function() return 3 end },
    { "forward returns nothing", function() end },
    { "output 2 has no batch axis", function(self, x) return x * 2, self.a end, a3 },
    { "argmax has no derivative", function(_, x) return x:argmax(-1) end },
    { "there is no operation 'sigmoud' in formulas; did you mean 'sigmoid'?", function(_, x) return x:sigmoud() end },
    { "no parameter, layer or option 'wieght'; did you mean 'weight'?", function(self, x) return x * self.wieght end,
      function() return { weight = { 4 } } end },
    { "the first axis of [N, 4] is the batch", function(_, x) return x - x:mean(1) end },
    { "the result is taken over the batch", function(_, x) return x:mean() end },
    { "recorded a second time the formula is another one", function(_, x) return x * math.random() end },
    { "add takes tensors and numbers, got a string", function(_, x) return x + "a" end },
    { "no operations in place: write x = x:add(...)", function(_, x) x:add_(1) return x end },
    { "cannot be changed", function(_, x) x[1] = 2 return x end },
    { "self.y cannot be set", function(self, x) self.y = x return x end },
    { "the result is the input itself", function(_, x) return x end },
    { "the result does not depend on the input", function(self) return self.a * 1 end, a3 },
    { "a layer (Linear) that is not its own", function(_, x) return nn.Linear(4, 2)(x) end },
    { "at most 4096 operations; does it call itself", function(_, x) while true do x = x + 1 end end },
    { "a value of a formula is used after its forward has ended", function(_, x)
      if kept then return kept * 2 end
      kept = x
      return x * 2
    end },
    { "mul: [N, 4] and [N]: the batch is the first axis of both", function(_, x) return x * x:sum(-1) end },
    { "add: [5] and [N, 4]: the shapes do not broadcast", function(_, x) return pl.ones(5) + x end },
    { "write -1 for it", function(_, x) return x:reshape(2, 2) end },
  }
  for i, case in ipairs(cases) do
    local message = said(case[2], case[3])
    lu.assertStrContains(message, case[1])
    lu.assertStrMatches(message, ".*define_test%.lua:%d+: Mine: .*", nil, nil, "case " .. i .. ": " .. message)
  end
  lu.assertStrMatches(select(2, pcall(function()
    nn.Sequential { nn.Flatten(), nn.define { name = "Mine", params = function() return { a = { 3, 2 } } end,
      forward = function(self, x) return x:matmul(self.a) end } {} }:build { 2, 2 }
  end)), ".*define_test%.lua:%d+: layer 2 %(Mine%): matmul: %[N, 4%] and %[3, 2%].*")
  local g
  g = nn.Graph(function(x) return g(x) end)
  lu.assertStrContains(select(2, pcall(g.build, g, { 4 })), "Graph cannot contain itself")
  g = nn.Graph(function(x) return nn.Linear(4, 2)(x) end)
  lu.assertStrMatches(select(2, pcall(g.build, g, { 4 })), ".*operation 2 %(.*define_test%.lua:%d+%) calls a layer, " ..
    "and now another one; make layers outside of the function, once")
  lu.assertStrContains(select(2, pcall(nn.define, { nam = "A" })), "no option 'nam'; did you mean 'name'?")
  lu.assertStrContains(select(2, pcall(nn.define, { name = "A" })), "forward takes a function, got nothing")
end

function TestDefine.test_a_summary_counts_each_parameter_once()
  local Scaled = nn.define { name = "Scaled", params = function() return { a = { 4 } } end,
    layers = function() return { inner = nn.Linear(4, 4) } end,
    forward = function(self, x) return self.inner(x) * self.a end }
  local linear, scaled = nn.Linear(4, 4), Scaled()
  local model = nn.Graph(function(x) return scaled(linear(scaled(linear(x):tanh()))) end):build { 4 }
  local parameters, shared = 0, 0
  for _, row in ipairs(model:rows()) do
    parameters = parameters + row.parameters
    shared = shared + (row.shared and row.part ~= "fork" and 1 or 0)
  end
  lu.assertEquals({ parameters, shared }, { 44, 3 })
  lu.assertEquals(model:count(), 44)
end

-- What a layer keeps in its file is small; a tape keeps nothing.
function TestDefine.test_large_tensors_are_captured_by_tapes_alone()
  local large = pl.ones(70000)
  lu.assertEquals(pl.grad(function(v) return (v * large):sum() end)(pl.zeros(1)):item(), 70000)
  lu.assertErrorMsgContains("at most 65536 elements, got 70000", function()
    nn.Graph(function(x) return x * large end):build { 70000 }
  end)
end

-- What has no batch is flattened as a tensor is: the first axis stays.
function TestDefine.test_flatten_of_what_has_no_batch()
  for _, shape in ipairs { { 4 }, { 2, 3, 4 } } do
    local found
    pl.grad(function(v)
      found = v:flatten():detach().shape
      return v:sum()
    end)(pl.ones(table.unpack(shape)))
    lu.assertEquals(found, pl.ones(table.unpack(shape)):flatten().shape)
  end
  lu.assertErrorMsgContains("flatten: the value has no axes", pl.grad(function(v) return v:sum():flatten():sum() end),
    pl.ones(2))
end

function TestDefine.test_gradients_by_a_tape()
  lu.assertEquals(pl.grad(function(w) return (w ^ 2):sum() end)(pl.tensor { 1, 2 }):totable(), { 2, 4 })
  local function f(w)          -- any control flow
    local s = w:sum()
    if s > 0 then return s * 2 end
    return s * 3
  end
  local value, dw = pl.value_and_grad(f)(pl.tensor { 1, 2 })
  lu.assertEquals({ value, dw:totable() }, { 6, { 2, 2 } })
  lu.assertEquals(select(2, pl.value_and_grad(f)(pl.tensor { -1 })):totable(), { 3 })
  lu.assertEquals({ pl.value_and_grad(function(w) return w ^ 3 end)(2) }, { 8, 12 })
  -- what does not matter has a gradient of zero; a copy through detach has none
  lu.assertEquals(select(2, pl.grad(function(a) return (a * a:detach()):sum() end, 1)(pl.tensor { 3 })), nil)
  lu.assertEquals(pl.grad(function(a) return (a * a:detach()):sum() end)(pl.tensor { 3 }):totable(), { 3 })
  local _, db = pl.grad(function(a, b) return (a + b * 0):sum() end)(pl.tensor { 3 }, pl.tensor { 4 })
  lu.assertEquals(db:totable(), { 0 })
  for _, case in ipairs {
    { "returns [3] where one number is due", function(x) return x end },
    { "the result does not depend on the arguments", function() return 3 end },
    { "returns one number, got 2 values", function(x) return x:sum(), x end },
  } do
    lu.assertStrContains(select(2, pcall(pl.grad(case[2]), pl.ones(3))), case[1])
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
