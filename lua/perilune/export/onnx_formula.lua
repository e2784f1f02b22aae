--- The operations of formulas (nn.define, nn.Graph) in ONNX: name -> f(b, op), as in perilune.export.onnx. Values are
--- numpy's there as here: the batch is the first axis of all but fixed ones, and shapes broadcast from the end.
local core = require "perilune.core"
local graphs = require "perilune.export.graph"

local FLOAT = 1
local writers = {}

-- Axes of a sample, from 0, as axes of the value.
local function axes_of(value, list, first)
  local axes = {}
  for i = first or 1, #list do axes[#axes + 1] = list[i] + (value.fixed and 0 or 1) end
  return axes
end

-- The inputs' names, all in one order of axes: in that of an image that is there, where each input is an image of that
-- shape or one number.
local function together(b, op)
  local order = "last"
  for _, value in ipairs(op.inputs) do
    if value.first and not value.fixed then order = "first" end
  end
  for _, value in ipairs(op.inputs) do
    local one = value.fixed and graphs.count(value.shape) == 1
    if not one and (value.fixed or not graphs.same_shape(value.shape, op.output.shape)) then order = "last" end
  end
  local names = {}
  for i, value in ipairs(op.inputs) do names[i] = b:get(value, order) end
  return names, order
end

-- f(b, names) -> the name of the result.
local function elementwise(f)
  return function(b, op)
    local names, order = together(b, op)
    op.output[order] = f(b, names)
  end
end

local function as_float(b, name) return b:node("Cast", { name }, { to = FLOAT }) end

for name, type in pairs { add = "Add", sub = "Sub", mul = "Mul", div = "Div", pow = "Pow", maximum = "Max",
  minimum = "Min", neg = "Neg", exp = "Exp", log = "Log", sqrt = "Sqrt", abs = "Abs", sin = "Sin", cos = "Cos",
  tanh = "Tanh", sigmoid = "Sigmoid", relu = "Relu" } do
  writers[name] = elementwise(function(b, x) return b:node(type, x) end)
end
for name, type in pairs { lt = "Less", le = "LessOrEqual", gt = "Greater", ge = "GreaterOrEqual", eq = "Equal" } do
  writers[name] = elementwise(function(b, x) return as_float(b, b:node(type, x)) end)
end
writers.ne = elementwise(function(b, x) return as_float(b, b:node("Not", { b:node("Equal", x) })) end)
writers.square = elementwise(function(b, x) return b:node("Mul", { x[1], x[1] }) end)
writers.silu = elementwise(function(b, x) return b:node("Mul", { x[1], b:node("Sigmoid", x) }) end)
writers.gelu = elementwise(function(b, x)
  local inner = b:node("Erf", { b:node("Mul", { x[1], b:number(math.sqrt(0.5)) }) })
  return b:node("Mul", { b:node("Mul", { x[1], b:node("Add", { inner, b:number(1) }) }), b:number(0.5) })
end)
writers.where = elementwise(function(b, x)
  return b:node("Where", { b:node("Equal", { x[1], b:number(0) }), x[3], x[2] })
end)

local function last(b, op, k) return b:get(op.inputs[k or 1], "last") end

function writers.matmul(b, op) op.output.last = b:node("MatMul", { last(b, op), last(b, op, 2) }) end

function writers.reshape(b, op)
  local sizes = { table.unpack(op.args) }
  if not op.output.fixed then table.insert(sizes, 1, -1) end
  op.output.last = b:node("Reshape", { last(b, op), b:integers(sizes) })
end

function writers.permute(b, op)
  local perm = axes_of(op.output, op.args)
  if not op.output.fixed then table.insert(perm, 1, 0) end
  op.output.last = b:node("Transpose", { last(b, op) }, { perm = perm })
end

function writers.slice(b, op)
  local axis = axes_of(op.output, { op.args[1] })
  op.output.last = b:node("Slice", { last(b, op), b:integers { op.args[2] }, b:integers { op.args[3] },
    b:integers(axis) })
end

function writers.cat(b, op)
  local names = {}
  for k in ipairs(op.inputs) do names[k] = last(b, op, k) end
  op.output.last = b:node("Concat", names, { axis = axes_of(op.output, op.args)[1] })
end

for name, type in pairs { softmax = "Softmax", log_softmax = "LogSoftmax" } do
  writers[name] = function(b, op) op.output.last = b:node(type, { last(b, op) }, { axis = -1 }) end
end

-- ReduceSum has its axes as an input, the others as an attribute (operator set 17).
local function reduce(b, type, x, axes, keep)
  if type == "ReduceSum" then return b:node(type, { x, b:integers(axes) }, { keepdims = keep }) end
  return b:node(type, { x }, { axes = axes, keepdims = keep })
end

local reductions = { sum = "ReduceSum", mean = "ReduceMean", norm = "ReduceL2", max = "ReduceMax", min = "ReduceMin" }
-- Over no axes: of each number by itself.
local alone = { sum = "Identity", mean = "Identity", norm = "Abs", max = "Identity", min = "Identity" }

for name, type in pairs(reductions) do
  writers[name] = function(b, op)
    local axes = axes_of(op.inputs[1], op.args, 3)
    op.output.last = #axes == 0 and b:node(alone[name], { last(b, op) })
      or reduce(b, type, last(b, op), axes, op.args[1])
  end
end

-- sum of (x - mean)^2 / (n - correction)
local function variance(b, op)
  local x, axes, n = last(b, op), axes_of(op.inputs[1], op.args, 3), 1
  if #axes == 0 then return b:node("Sub", { x, x }) end
  for i = 3, #op.args do n = n * op.inputs[1].shape[op.args[i] + 1] end
  local d = b:node("Sub", { x, reduce(b, "ReduceMean", x, axes, 1) })
  return b:node("Div", { reduce(b, "ReduceSum", b:node("Mul", { d, d }), axes, op.args[1]), b:number(n - op.args[2]) })
end
function writers.var(b, op) op.output.last = variance(b, op) end
function writers.std(b, op) op.output.last = b:node("Sqrt", { variance(b, op) }) end

-- Whether each class is the label: booleans [.., classes], and where a label names none (true), [.., 1].
local function labelled(b, label, classes)
  local range = b:constant("classes", core.tensor.arange(0, classes - 1, "f32"))
  local equal = b:node("Equal", { b:node("Unsqueeze", { label, b:integers { -1 } }), range })
  local found = b:node("ReduceSum", { as_float(b, equal), b:integers { -1 } }, { keepdims = 1 })
  return equal, b:node("Equal", { found, b:number(0) })
end

function writers.one_hot(b, op)
  local equal, none = labelled(b, last(b, op), op.args[1])
  op.output.last = b:node("Where", { none, b:number(0 / 0), as_float(b, equal) })
end

function writers.pick(b, op)
  local x, shape = last(b, op), op.inputs[1].shape
  local equal, none = labelled(b, last(b, op, 2), shape[#shape])
  local sum = b:node("ReduceSum", { b:node("Where", { equal, x, b:number(0) }), b:integers { -1 } }, { keepdims = 1 })
  op.output.last = b:node("Squeeze", { b:node("Where", { none, b:number(0 / 0), sum }), b:integers { -1 } })
end

return writers
