-- Operations of formulas against a reference in doubles: values, and gradients by central differences of the reference;
-- with and without a batch axis, with broadcasting, a value used twice, NaN and axes of no size.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

TestOperations = {}

local doubles = dofile "tests/lua/support_doubles.lua"
local count_of, make, index_of, place, broadcast, reduce, sum, mean, norm, var, erf, matmul, permute, softmax =
  doubles.count_of, doubles.make, doubles.index_of, doubles.place, doubles.broadcast, doubles.reduce, doubles.sum,
  doubles.mean, doubles.norm, doubles.var, doubles.erf, doubles.matmul, doubles.permute, doubles.softmax

-- ---- cases: the operation on values, on doubles, shapes, and the range of the numbers ----

local function map(f) return broadcast(f) end
local any, positive, apart = { -2, 2 }, { 0.3, 2 }, { -2, 2, 0.05 }   -- apart: away from 0, where there is a kink

local cases = {
  { "add", function(a, b) return a + b end, map(function(x, y) return x + y end), 2, any },
  { "sub", function(a, b) return a - b end, map(function(x, y) return x - y end), 2, any },
  { "mul", function(a, b) return a * b end, map(function(x, y) return x * y end), 2, any },
  { "div", function(a, b) return a / b end, map(function(x, y) return x / y end), 2, positive },
  { "pow", function(a, b) return a ^ b end, map(function(x, y) return x ^ y end), 2, positive },
  { "pow 3", function(a) return a ^ 3 end, map(function(x) return x ^ 3 end), 1, any },
  { "pow 2", function(a) return a ^ 2 end, map(function(x) return x ^ 2 end), 1, any },
  { "number - a", function(a) return 1.5 - a end, map(function(x) return 1.5 - x end), 1, any },
  { "number / a", function(a) return 1.5 / a end, map(function(x) return 1.5 / x end), 1, positive },
  { "2 ^ a", function(a) return 2 ^ a end, map(function(x) return 2 ^ x end), 1, any },
  { "neg", function(a) return -a end, map(function(x) return -x end), 1, any },
  { "exp", function(a) return a:exp() end, map(math.exp), 1, any },
  { "log", function(a) return a:log() end, map(math.log), 1, positive },
  { "sqrt", function(a) return a:sqrt() end, map(math.sqrt), 1, positive },
  { "square", function(a) return a:square() end, map(function(x) return x * x end), 1, any },
  { "abs", function(a) return a:abs() end, map(math.abs), 1, apart },
  { "sin", function(a) return a:sin() end, map(math.sin), 1, any },
  { "cos", function(a) return a:cos() end, map(math.cos), 1, any },
  { "tanh", function(a) return a:tanh() end, map(function(x) return 1 - 2 / (math.exp(2 * x) + 1) end), 1, any },
  { "sigmoid", function(a) return a:sigmoid() end, map(function(x) return 1 / (1 + math.exp(-x)) end), 1, any },
  { "relu", function(a) return a:relu() end, map(function(x) return math.max(x, 0) end), 1, apart },
  { "gelu", function(a) return a:gelu() end, map(function(x) return x * (1 + erf(x / 2 ^ 0.5)) / 2 end), 1, any },
  { "silu", function(a) return a:silu() end, map(function(x) return x / (1 + math.exp(-x)) end), 1, any },
  { "maximum", function(a, b) return a:maximum(b) end, map(math.max), 2, any },
  { "minimum", function(a, b) return a:minimum(b) end, map(math.min), 2, any },
  { "clamp", function(a) return a:clamp(-0.5, 0.7) end,
    map(function(x) return math.max(-0.5, math.min(0.7, x)) end), 1, any },
  { "where", function(a, b) return pl.where(a:gt(b), a * 2, b * b) end,
    map(function(x, y) return x > y and 2 * x or y * y end), 2, any },
  { "used twice", function(a, b) return a * b + a * a end, map(function(x, y) return x * y + x * x end), 2, any },
  { "softmax", function(a) return a:softmax(-1) end, softmax(false), 1, any, least = 1 },
  { "log_softmax", function(a) return a:log_softmax(-1) end, softmax(true), 1, any, least = 1 },
}

for _, name in ipairs { "lt", "le", "gt", "ge", "eq", "ne" } do
  local f = load(("return function(x, y) return x %s y and 1 or 0 end"):format(
    ({ lt = "<", le = "<=", gt = ">", ge = ">=", eq = "==", ne = "~=" })[name]))()
  cases[#cases + 1] = { name, function(a, b) return a[name](a, b) * a end,
    map(function(x, y) return f(x, y) * x end), 2, any }
end

local seed = 7
local function random(range)
  seed = (seed * 6364136223846793005 + 1442695040888963407)
  local u = (seed >> 11) * 2.0 ^ -53
  local x = range[1] + (range[2] - range[1]) * u
  if range[3] and math.abs(x) < range[3] then x = x < 0 and -range[3] or range[3] end
  return string.unpack("f", string.pack("f", x))
end

local function tensor_of(t)
  if #t.shape == 0 then return t[1] end
  local flat = {}
  for i = 1, #t do flat[i] = t[i] end
  return (#flat == 0 and pl.zeros(0) or pl.tensor(flat)):reshape(table.unpack(t.shape))
end

local function numbers_of(t)
  return type(t) == "number" and { t } or t:reshape(t:count()):totable()
end

local function assert_close(name, got, want, tolerance)
  lu.assertEquals(#got, #want, name)
  for i = 1, #want do
    local far = math.abs(got[i] - want[i])
    local fits = far <= tolerance * math.max(1, math.abs(want[i]))
    if want[i] == want[i] and not fits then
      lu.fail(("%s: element %d is %.9g, not %.9g"):format(name, i, got[i], want[i]))
    end
  end
end

-- Gradients for all inputs of sum(w * f(inputs)), by central differences in doubles.
local function differences(reference, inputs, w)
  local function total()
    local y, s = reference(table.unpack(inputs)), 0
    for i = 1, #y do s = s + w[i] * y[i] end
    return s
  end
  local out = {}
  for k, t in ipairs(inputs) do
    out[k] = {}
    local step = math.max(1, #t // 8)      -- of large inputs a few elements; of the others NaN, which is not compared
    for i = 1, #t do out[k][i] = 0 / 0 end
    for i = 1 + #out % step, #t, step do
      local x, h = t[i], 1e-5
      t[i] = x + h
      local up = total()
      t[i] = x - h
      out[k][i] = (up - total()) / (2 * h)
      t[i] = x
    end
  end
  return out
end

-- On plain tensors, by the tape.
local function check_tape(name, operation, reference, inputs)
  local want = reference(table.unpack(inputs))
  local w = make(want.shape, function() return random(any) end)
  local tensors = {}
  for k, t in ipairs(inputs) do tensors[k] = tensor_of(t) end
  local value
  local weights = tensor_of(w)
  local grads = { pl.grad(function(...)
    local y = operation(...)
    value = y:detach()
    return (y * weights):sum()
  end)(table.unpack(tensors)) }
  assert_close(name, numbers_of(value), want, 2e-6)
  for k, d in ipairs(differences(reference, inputs, w)) do
    assert_close(name .. ": gradient " .. k, numbers_of(grads[k]), d, 2e-5)
  end
end

-- In a layer: those whose `batched[k]` have a batch axis are side by side in the layer's input, the others parameters.
local function check_layer(name, operation, reference, inputs, batched, batch)
  local params, fixed, sizes = {}, {}, {}
  for k, t in ipairs(inputs) do
    if batched[k] then sizes[k] = count_of(t.shape)
    else params["p" .. k], fixed[k] = { shape = t.shape }, t end
  end
  local layer = nn.define { name = "Case", params = function() return params end, forward = function(self, x)
    local values, at = {}, 1
    for k, t in ipairs(inputs) do
      if batched[k] then
        values[k] = x:slice(2, at, at + sizes[k] - 1):reshape(-1, table.unpack(t.shape))
        at = at + sizes[k]
      else
        values[k] = self["p" .. k]
      end
    end
    return operation(table.unpack(values))
  end } {}
  local width = 0
  for _, n in pairs(sizes) do width = width + n end
  layer:build { width }
  for k, t in pairs(fixed) do layer["p" .. k] = #t.shape == 0 and pl.tensor(t[1]) or tensor_of(t) end
  local whole, samples = {}, {}
  for n = 1, batch do
    samples[n] = {}
    for k, t in ipairs(inputs) do
      samples[n][k] = batched[k] and make(t.shape, function(i) return n == 1 and t[i] or random(t.range) end) or t
      for i = 1, batched[k] and #t or 0 do whole[#whole + 1] = samples[n][k][i] end
    end
  end
  local x = pl.tensor(whole):reshape(batch, width)
  local y = layer:forward(x)
  local want, grads, shape = {}, {}, nil
  local w = {}
  for n = 1, batch do
    local one = reference(table.unpack(samples[n]))
    shape = one.shape
    w[n] = make(one.shape, function() return random(any) end)
    for i = 1, #one do want[#want + 1] = one[i] end
    local d = differences(reference, samples[n], w[n])
    for k in ipairs(inputs) do
      if batched[k] then
        for i = 1, #d[k] do grads[#grads + 1] = d[k][i] end
      end
    end
    for k, t in pairs(fixed) do
      t.grad = t.grad or {}
      for i = 1, #t do t.grad[i] = (t.grad[i] or 0) + d[k][i] end
    end
  end
  assert_close(name, numbers_of(y), want, 2e-6)
  lu.assertEquals(y.shape, { batch, table.unpack(shape) })
  local all = {}
  for n = 1, batch do table.move(w[n], 1, #w[n], #all + 1, all) end
  local dx = layer:backward(pl.tensor(all):reshape(batch, table.unpack(shape)), true)
  assert_close(name .. ": dx", numbers_of(dx), grads, 2e-5)
  for k, t in pairs(fixed) do
    assert_close(name .. ": dp" .. k, numbers_of(layer["p" .. k .. "_grad"]), t.grad, 3e-5)
    t.grad = nil
  end
end

local function inputs_of(case, shapes)
  local inputs = {}
  for k = 1, case[4] do
    inputs[k] = make(shapes[k], function() return random(case[5]) end)
    inputs[k].range = case[5]
  end
  return inputs
end

local pairs_of_shapes = {
  { { 3, 4 }, { 3, 4 } }, { { 3, 4 }, { 4 } }, { { 4 }, { 3, 4 } }, { { 3, 1 }, { 1, 4 } }, { { 2, 3, 4 }, { 3, 1 } },
  { { 2, 1, 4 }, { 2, 3, 1 } }, { { 5 }, {} }, { {}, { 5 } }, { { 2, 3, 2, 2 }, { 3, 1, 2 } }, { { 37 }, { 1 } },
}

function TestOperations:test_element_by_element()
  for _, case in ipairs(cases) do
    for i, shapes in ipairs(pairs_of_shapes) do
      if case.least and #shapes[1] < case.least then goto next end
      check_tape(("%s on shapes %d"):format(case[1], i), case[2], case[3], inputs_of(case, shapes))
      ::next::
    end
  end
end

function TestOperations:test_element_by_element_in_layers()
  local shapes = { { { 3, 4 }, { 3, 4 } }, { { 2, 3 }, { 3 } }, { { 2, 1, 2 }, { 2, 3, 1 } }, { { 5 }, {} } }
  for _, case in ipairs(cases) do
    for i, pair in ipairs(shapes) do
      for _, batch in ipairs { i == 1 and 1 or 2, i == 2 and 17 or nil } do   -- 17: three blocks of samples
        local both = case[4] == 1 or #pair[1] == #pair[2]
        local name = ("%s on shapes %d, batch %d"):format(case[1], i, batch)
        check_layer(name, case[2], case[3], inputs_of(case, pair), { true, both }, batch)
        if case[4] == 2 then check_layer(name, case[2], case[3], inputs_of(case, pair), { true, false }, batch) end
      end
    end
  end
end

local function reduction_case(name, axes, keep, f)
  local list, marked = {}, {}
  for _, a in ipairs(axes) do
    list[#list + 1], marked[a] = a, true
  end
  return function(x)
    local shifted = {}
    for i, a in ipairs(list) do shifted[i] = a + x:dim() - 3 end
    return x[name](x, shifted, { keepdim = keep, correction = (name == "var" or name == "std") and 1 or nil })
  end, reduce(marked, keep, f)
end

function TestOperations:test_at_a_bound_the_gradient_of_clamp_is_that_of_x()
  local x = pl.tensor { -1, 0, 0.5, 1, 2, 0 / 0 }
  lu.assertEquals(pl.grad(function(v) return (v:clamp(0, 1)):slice(1, 1, 5):sum() end)(x):slice(1, 1, 5):totable(),
    { 0, 1, 1, 1, 0 })                                        -- torch.clamp's
  local zero = pl.tensor { { -0.0 } }
  local layer = nn.Sequential { nn.define { name = "Clamp", forward = function(_, v) return v:clamp(0, 1) end }() }
  lu.assertEquals({ 1 / layer:infer(zero)[1][1], 1 / zero:clamp(0, 1)[1][1] }, { -math.huge, -math.huge })
end

function TestOperations:test_reductions()
  local functions = { sum = sum, mean = mean, norm = norm, var = var, std = function(r) return var(r) ^ 0.5 end,
    max = function(r) return math.max(table.unpack(r)) end, min = function(r) return math.min(table.unpack(r)) end }
  for name, f in pairs(functions) do
    for _, axes in ipairs { { 3 }, { 1 }, { 2 }, { 1, 3 }, { 2, 3 }, { 1, 2, 3 } } do
      for _, keep in ipairs { false, true } do
        local operation, reference = reduction_case(name, axes, keep, f)
        local case = { name, operation, reference, 1, any }
        local what = ("%s over %s"):format(name, table.concat(axes, ","))
        check_tape(what, operation, reference, inputs_of(case, { { 3, 2, 4 } }))
        check_layer(what, operation, reference, inputs_of(case, { { 3, 2, 4 } }), { true }, 2)
      end
    end
  end
end

function TestOperations:test_matmul()
  local function product(a, b) return a:matmul(b) end
  local function check_both(sa, sb, batched)
    local case = { "matmul", product, matmul, 2, any }
    local what = ("matmul of %s and %s"):format(table.concat(sa, "x"), table.concat(sb, "x"))
    check_tape(what, product, matmul, inputs_of(case, { sa, sb }))
    for _, b in ipairs(batched) do check_layer(what, product, matmul, inputs_of(case, { sa, sb }), b, 5) end
  end
  check_both({ 3, 4 }, { 4, 2 }, { { true, false }, { true, true }, { false, true } })
  check_both({ 4 }, { 4, 2 }, { { true, false } })
  check_both({ 3, 4 }, { 4 }, { { true, false } })
  check_both({ 4 }, { 4 }, { { true, false } })
  check_both({ 2, 3, 4 }, { 4, 5 }, { { true, false } })
  check_both({ 2, 3, 4 }, { 2, 4, 5 }, { { true, false }, { true, true }, { false, true } })
  check_both({ 2, 3, 4 }, { 1, 4, 5 }, { { true, true } })
  check_both({ 20, 13 }, { 13, 17 }, { { true, false } })
end

function TestOperations:test_rearranging()
  local function check_one(name, operation, reference, shape)
    local case = { name, operation, reference, 1, any }
    check_tape(name, operation, reference, inputs_of(case, { shape }))
    check_layer(name, operation, reference, inputs_of(case, { shape }), { true }, 3)
  end
  check_one("transpose", function(x) return x:transpose(-2, -1) end, permute { 1, 3, 2 }, { 2, 3, 4 })
  check_one("transpose far", function(x) return x:transpose(-3, -1) end, permute { 3, 2, 1 }, { 2, 3, 4 })
  check_one("reshape", function(x) return x:unsqueeze(-1):squeeze(-1) * 2 end,
    map(function(v) return 2 * v end), { 2, 3 })
  check_one("slice", function(x) return x:slice(-2, 2, 3) end, function(t)
    return make({ 2, 2, 3 }, function(i)
      local index = index_of({ 2, 2, 3 }, i)
      return t[place(t.shape, { index[1], index[2] + 1, index[3] })]
    end)
  end, { 2, 4, 3 })
  check_one("cat", function(x) return pl.cat({ x, x * 2, x:slice(-1, 1, 1) }, -1) end, function(t)
    return make({ 2, 7 }, function(i)
      local index = index_of({ 2, 7 }, i)
      local j = index[2]
      return (j >= 3 and j < 6 and 2 or 1) * t[place(t.shape, { index[1], j < 6 and j % 3 or 0 })]
    end)
  end, { 2, 3 })
end

function TestOperations:test_pick_and_one_hot()
  local p = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  local label = pl.tensor({ 2, 0 }, "i32")
  local value, grad = pl.value_and_grad(function(x) return (x:pick(label) * pl.tensor { 10, 100 }):sum() end)(p)
  lu.assertEquals(value, 430)
  lu.assertEquals(grad:totable(), { { 0, 0, 10 }, { 100, 0, 0 } })
  local _, dx = pl.value_and_grad(function(x) return (x * pl.one_hot(label, 3)):sum() end)(p)
  lu.assertEquals(dx:totable(), { { 0, 0, 1 }, { 1, 0, 0 } })
  lu.assertNotEquals((pl.value_and_grad(function(x) return x:pick(pl.tensor({ 3, 0 }, "i32")):sum() end)(p)), 0)
end

function TestOperations:test_nan_passes_and_nothing_is_nothing()
  local nan = 0 / 0
  for _, f in ipairs { function(x) return x:relu() end, function(x) return x:maximum(0) end,
    function(x) return x:minimum(0) end, function(x) return x:max() end, function(x) return x:exp() end,
    function(x) return x:abs() end, function(x) return x:softmax(-1) end, function(x) return x:norm() end } do
    local value = pl.value_and_grad(function(x) return f(x):sum() end)(pl.tensor { 1, nan, -1 })
    lu.assertTrue(value ~= value)
  end
  local value, grad = pl.value_and_grad(function(x) return (x * 2):sum() end)(pl.zeros(0, 3))
  lu.assertEquals(value, 0)
  lu.assertEquals(grad.shape, { 0, 3 })
  local product, da, db = pl.value_and_grad(function(a, b) return a:matmul(b):sum() end)(pl.zeros(2, 0), pl.zeros(0, 3))
  lu.assertEquals(product, 0)
  lu.assertEquals(da.shape, { 2, 0 })
  lu.assertEquals(db.shape, { 0, 3 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
