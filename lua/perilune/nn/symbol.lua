--- Values of formulas: what nn.define, nn.define_loss, nn.Graph and pl.grad hand to a function in place of tensors. The
-- same methods and operators; each adds an operation to a recorder (core.formula), which checks the shapes. Of a
-- recorded value only the shape is known; an eager one (pl.grad) also has its numbers.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local shapes = require "perilune.base.shapes"
local raise = errors.raise

local Symbol = { __name = "value of a formula", __metatable = "perilune.symbol" }
local methods = {}
local M = { methods = methods }

local recorder_of, value_of = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

M.recorder_of, M.value_of = recorder_of, value_of
function M.is(x) return recorder_of[x] ~= nil end

function M.new(recorder, value)
  local s = setmetatable({}, Symbol)
  recorder_of[s], value_of[s] = recorder, value
  return s
end

function M.value(s) return value_of[s] end
function M.recorder(s) return recorder_of[s] end

-- For checks and messages alone: on values of another shape the same operations must be recorded.
local function peek(s) return recorder_of[s]:shape(value_of[s]) end

-- The function takes a size that operations may depend on (axis: of a sample, from 1; 0: how many axes there are; nil:
-- the whole shape): what is recorded is noted to be for that size alone, so that a file is refused for others.
local function ask(s, axis) recorder_of[s]:ask(value_of[s], axis) end

local function shape_of(s)
  ask(s)
  return peek(s)
end

-- "[N, 10]"
local function shape_text(s)
  local sizes, fixed = peek(s)
  if not fixed then table.insert(sizes, 1, "N") end
  return "[" .. table.concat(sizes, ", ") .. "]"
end
M.shape_text = shape_text

local function operand(recorder, x, name)
  if recorder_of[x] then
    if recorder_of[x] ~= recorder then
      raise("%s: a value of another formula; only what is handed to this forward, self and captured tensors can be " ..
        "used", name)
    end
    return value_of[x]
  end
  if type(x) == "number" or core.tensor.is_tensor(x) then return recorder:constant(x) end
  if rawequal(x, M.samples) then M.refuse_samples() end
  local what = type(x) == "boolean" and "a boolean (a comparison of values is x:gt(y), x:eq(y), ...)" or
    x == nil and "nil" or "a " .. type(x)
  raise("%s takes tensors and numbers, got %s", name, what)
end

-- The recorder of the first symbol among the arguments.
local function recorder_among(...)
  for i = 1, select("#", ...) do
    local found = recorder_of[(select(i, ...))]
    if found then return found end
  end
end

-- Values that stand for their "mean" or "sum" over the batch. They hold what each sample adds to it: the mean or the
-- sum is taken by the loss, at its end. So only what may as well be done after it as before is done to them.
local totals = setmetatable({}, { __mode = "k" })

local function mark_total(s, name)
  totals[s] = name
  return s
end

-- "mean" or "sum" if the operation's result stands for that, as its arguments do; raises where it would not.
local function total_among(name, a, b, ...)
  local total, other = totals[a], b
  if total == nil then total, other = totals[b], a end
  for i = 1, select("#", ...) do total = total or totals[(select(i, ...))] end
  if total == nil then return nil end
  if name == "neg" then return total end
  if (name == "mul" or (name == "div" and totals[a])) and type(other) == "number" then return total end
  if name == "add" or name == "sub" then
    if (totals[other] or total) == total and (total == "mean" or totals[other]) then return total end
  end
  raise("%s: %s without axes is over the batch and comes last: only factors (numbers) and other such %ss to add may " ..
    "follow; name the axes of a sample, as in x:%s(-1)", name, total, total, total)
end

-- An operation on all arguments.
local function apply(name, args, ...)
  local recorder, values, total = recorder_among(...), {}, total_among(name, ...)
  for i = 1, select("#", ...) do values[i] = operand(recorder, (select(i, ...)), name) end
  return mark_total(M.new(recorder, recorder:op(name, args, values)), total)
end
M.apply = apply

-- Axis of a sample, from 0; -1: the batch. Axes count from 1, the batch first; negative ones from the end. own: the
-- operation finds the axis itself.
local function axis_of(s, axis, name, more, own)
  local sizes, fixed = peek(s)
  local batch = fixed and 0 or 1
  local all = #sizes + batch + (more or 0)
  if math.type(axis) ~= "integer" or axis == 0 then
    raise("%s: an axis is a whole number from 1 (or from -1, the last), got %s", name, tostring(axis))
  end
  if axis < 0 and not own then ask(s, 0) end
  local found = axis < 0 and axis + all or axis - 1
  if found < 0 or found >= all then
    raise("%s: axis %d is out of range; %s has %d axes", name, axis, shape_text(s), all - (more or 0))
  end
  return found - batch, #sizes + (more or 0)
end

local function sample_axis(s, axis, name, more, own)
  local found, count = axis_of(s, axis, name, more, own)
  if found < 0 then
    raise("%s: the first axis of %s is the batch: a sample's result depends on that sample alone", name, shape_text(s))
  end
  return found, count
end

-- ---- element by element ----

for _, name in ipairs { "add", "sub", "mul", "div", "pow", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne" } do
  methods[name] = function(a, b) return apply(name, {}, a, b) end
end
for _, name in ipairs { "neg", "exp", "log", "sqrt", "square", "abs", "sin", "cos", "tanh", "sigmoid", "relu", "gelu",
  "silu" } do
  methods[name] = function(x) return apply(name, {}, x) end
end
local function pow(a, b)
  if b == 2 then return apply("square", {}, a) end
  if b == 1 then return a end
  return apply("pow", {}, a, b)
end
methods.pow = pow
-- Not maximum and minimum, whose gradient is shared by equals: at a bound it is all x's, as PyTorch has it.
function methods.clamp(x, low, high)
  local least = M.where(x:lt(low), low, x)
  return M.where(least:gt(high), high, least)
end

Symbol.__add, Symbol.__sub, Symbol.__mul, Symbol.__div = methods.add, methods.sub, methods.mul, methods.div
Symbol.__pow, Symbol.__unm = pow, methods.neg

--- pl.where(condition, yes, no)
function M.where(condition, yes, no) return apply("where", {}, condition, yes, no) end

-- ---- over axes ----

local function reduction(name, correction)
  methods[name] = function(x, axes, opts)
    if type(axes) == "table" and #axes == 0 then axes, opts = nil, axes end
    if type(axes) == "table" then options.list(name, axes, ("write x:%s(2, { keepdim = true })"):format(name)) end
    local o = options.read(name, opts, { keepdim = false, correction = correction })
    local corrected = math.tointeger(o.correction or 0)
    if not corrected then raise("%s: in a formula the correction is a whole number, got %s", name, o.correction) end
    local sizes, fixed = peek(x)
    local list = { o.keepdim and 1 or 0, corrected }
    if axes == nil then
      ask(x, 0)
      for a = 1, #sizes do list[#list + 1] = a - 1 end
      if not fixed then return M.over_batch(name, x, list) end
    else
      local found = {}
      for _, axis in ipairs(type(axes) == "table" and axes or { axes }) do
        found[#found + 1] = sample_axis(x, axis, name)
      end
      table.sort(found)
      table.move(found, 1, #found, #list + 1, list)
    end
    return apply(name, list, x)
  end
end
for _, name in ipairs { "sum", "mean", "norm", "max", "min" } do reduction(name) end
reduction("var", 0)
reduction("std", 0)

-- Over the batch too, in losses.
function M.over_batch(name, x, list)
  if name ~= "mean" and name ~= "sum" then
    raise("%s: without axes it is taken over the batch too; name the axes of a sample, as in x:%s(-1)", name, name)
  end
  if totals[x] == name then return x end
  local s = (#list > 2 or totals[x]) and apply(name, list, x) or x
  return mark_total(M.new(recorder_of[s], value_of[s]), name)
end

--- "mean" or "sum" if the value stands for that over the batch; and what each sample adds to it.
function M.total(s)
  return totals[s], totals[s] and M.new(recorder_of[s], value_of[s]) or s
end

-- ---- products, places ----

function methods.matmul(a, b) return apply("matmul", {}, a, b) end

-- A copy of what is given as a list or one by one.
local function listed(name, ...)
  local is_list = type((...)) == "table" and not rawequal((...), M.samples)
  return is_list and { table.unpack(options.list(name, (...))) } or { ... }
end

-- The operation itself looks at the number of elements.
local function reshape(x, ...)
  local sizes, fixed = listed("reshape", ...), select(2, peek(x))
  local count, unknown = shapes.count((peek(x))), nil
  local batch = not fixed and table.remove(sizes, 1)
  if not fixed and batch ~= -1 and batch ~= M.samples then
    raise("reshape: the first axis of %s is the batch, whose size is not known; write -1 for it", shape_text(x))
  end
  local rest = count
  for i, n in ipairs(sizes) do
    if math.type(n) ~= "integer" or n < -1 then raise("reshape: a size is a whole number, got %s", tostring(n)) end
    if n == -1 and unknown then raise("reshape: only one size may be -1%s", fixed and "" or ", besides the batch") end
    if n == -1 then unknown = i else rest = n > 0 and rest // n or 0 end
  end
  if unknown then sizes[unknown] = rest end
  return apply("reshape", sizes, x)
end
methods.reshape = reshape

local function resized(x, sizes)
  return apply("reshape", sizes, x)
end

-- [N, elements of a sample]; where no batch is, the first axis stays, as of tensors.
function methods.flatten(x)
  local sizes, fixed = peek(x)
  if fixed and #sizes == 0 then raise "flatten: the value has no axes; use reshape(1)" end
  local count = 1
  for a = fixed and 2 or 1, #sizes do count = count * sizes[a] end
  return resized(x, fixed and { sizes[1], count } or { count })
end

function methods.unsqueeze(x, axis)
  local at, sizes = sample_axis(x, axis, "unsqueeze", 1), shape_of(x)
  table.insert(sizes, at + 1, 1)
  return resized(x, sizes)
end

function methods.squeeze(x, axis)
  local sizes, kept = shape_of(x), {}
  local at = axis and sample_axis(x, axis, "squeeze")
  if at and sizes[at + 1] ~= 1 then raise("squeeze: axis %d of %s has not size 1", axis, shape_text(x)) end
  for a, n in ipairs(sizes) do
    if n ~= 1 or (at and a ~= at + 1) then kept[#kept + 1] = n end
  end
  return resized(x, kept)
end

function methods.permute(x, ...)
  local axes, order = listed("permute", ...), {}
  for i, axis in ipairs(axes) do
    local at = axis_of(x, axis, "permute")
    if (at < 0) ~= (i == 1 and not select(2, peek(x))) then
      raise("permute: the batch stays the first axis of %s", shape_text(x))
    end
    if at >= 0 then order[#order + 1] = at end
  end
  return apply("permute", order, x)
end

function methods.transpose(x, a, b)
  local order = {}
  local i, j = sample_axis(x, a or -2, "transpose"), sample_axis(x, b or -1, "transpose")
  for k = 1, #(peek(x)) do order[k] = k - 1 end
  order[i + 1], order[j + 1] = j, i
  return apply("permute", order, x)
end
-- Values do not change: a copy is the value itself, and gradients pass.
function methods.clone(x) return x end
function methods.contiguous(x) return x end

function methods.T(x) return x:transpose(-2, -1) end

function methods.slice(x, axis, from, to)
  local at = sample_axis(x, axis, "slice")
  local n = peek(x)[at + 1]
  from, to = from or 1, to or -1
  if from < 0 or to < 0 then ask(x, at + 1) end
  if from < 0 then from = from + n + 1 end
  if to < 0 then to = to + n + 1 end
  return apply("slice", { at, from - 1, to }, x)
end

function methods.select(x, axis, index)
  local at = sample_axis(x, axis, "select")
  local sizes = shape_of(x)
  if index < 0 then index = index + sizes[at + 1] + 1 end
  if index < 1 or index > sizes[at + 1] then
    raise("select: index %d is out of range; axis %d of %s has %d", index, axis, shape_text(x), sizes[at + 1])
  end
  table.remove(sizes, at + 1)
  return resized(apply("slice", { at, index - 1, index }, x), sizes)
end

--- pl.cat(list, axis)
function M.cat(list, axis)
  options.list("cat", list, "write pl.cat({ a, b }, 2)")
  local first
  for _, item in ipairs(list) do first = first or (recorder_of[item] and item) end
  return apply("cat", { (sample_axis(first, axis or 1, "cat")) }, table.unpack(list))
end

--- pl.stack(list, axis)
function M.stack(list, axis)
  local wide = {}
  options.list("stack", list, "write pl.stack({ a, b }, 2)")
  for i, item in ipairs(list) do wide[i] = item:unsqueeze(axis or 1) end
  return M.cat(wide, axis or 1)
end

--- A function of tensors that was given one of these values.
function M.dispatch(name, ...) return (M[name] or methods[name])(...) end

-- ---- classes ----

function methods.pick(x, label) return apply("pick", {}, x, label) end
function methods.one_hot(label, classes)
  if math.type(classes) ~= "integer" then raise("one_hot takes the number of classes, got %s", tostring(classes)) end
  return apply("one_hot", { classes }, label)
end

-- Along any axis: that axis is made the last one, and put back.
local function along(name)
  methods[name] = function(x, axis)
    local last = axis == nil or axis == -1
    local at, count = sample_axis(x, axis or -1, name, 0, last)
    if not last then ask(x, 0) end
    if at == count - 1 then return apply(name, {}, x) end
    local order = {}
    for k = 1, count do order[k] = k - 1 end
    order[at + 1], order[count] = count - 1, at
    return apply("permute", order, (apply(name, {}, (apply("permute", order, x)))))
  end
end
along "softmax"
along "log_softmax"

-- ---- layers ----

--- A layer called as a function on a value.
function M.call(layer, x)
  local recorder = recorder_of[x]
  if recorder:is_eager() then
    raise("a layer is called on the values of nn.Graph and nn.define; here there are only tensors: use layer:infer(x)")
  end
  local index = M.child_index(recorder, layer)
  total_among(layer.type, x)
  return M.new(recorder, recorder:layer(index, value_of[x]))
end

-- Set by nn.define: the number of a layer among those of the formula that is recorded.
local children = setmetatable({}, { __mode = "k" })
function M.set_children(recorder, index_of) children[recorder] = index_of end
function M.child_index(recorder, layer)
  return (children[recorder] or raise("a loss has no layers; call them in the model"))(layer)
end

require "perilune.nn.symbol_asked"(M, Symbol, { peek = peek, ask = ask, axis_of = axis_of })

local function known_names()
  local names = { "shape", "dtype" }
  for name in pairs(methods) do names[#names + 1] = name end
  table.sort(names)
  return names
end

Symbol.__index = function(x, key)
  local method = methods[key]
  if method then return method end
  if key == "dtype" then return "f32" end
  if key == "shape" then
    local sizes, fixed = shape_of(x)
    if not fixed then table.insert(sizes, 1, M.samples) end
    return sizes
  end
  if math.type(key) == "integer" then
    if select(2, peek(x)) then return methods.select(x, 1, key) end
    raise("x[%d]: the first axis of %s is the batch; x:select(2, %d) is that element of each sample", key,
      shape_text(x), key)
  end
  if type(key) == "string" and key:match "_$" then
    raise("formulas have no operations in place: write x = x:%s(...) instead of x:%s(...)", key:sub(1, -2), key)
  end
  local near = core.system.nearest(tostring(key), known_names())
  raise("there is no operation '%s' in formulas%s", tostring(key), near and ("; did you mean '%s'?"):format(near) or "")
end

return M
