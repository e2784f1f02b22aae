--- ONNX, operator set 17. The input and the outputs are as Perilune's: [N, H, W, C] for images. ONNX convolves
--- [N, C, H, W]: a value is transposed where an operation needs it in the other order, once, and elementwise operations
--- keep the order that they are given, so that a transposition stands only at the ends of a row of convolutions.
local core = require "perilune.core"
local described = require "perilune.export.described"
local graphs = require "perilune.export.graph"
local errors = require "perilune.base.errors"
local protobuf = require "perilune.export.protobuf"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local message = protobuf.message
local FLOAT, INT64 = 1, 7
local OPSET, IR_VERSION = 17, 8

local Builder = {}
Builder.__index = Builder

function Builder:fresh(name)
  self.count = self.count + 1
  return ("%s_%d"):format(name, self.count)
end

local function attribute(name, value)
  if math.type(value) == "integer" then
    return message { { 1, "bytes", name }, { 3, "int", value }, { 20, "int", 2 } }
  elseif math.type(value) == "float" then
    return message { { 1, "bytes", name }, { 2, "float", value }, { 20, "int", 1 } }
  end
  local fields = { { 1, "bytes", name } }
  for _, n in ipairs(value) do fields[#fields + 1] = { 8, "int", n } end
  fields[#fields + 1] = { 20, "int", 7 }
  return message(fields)
end

--- Adds a node; returns the name of its result.
function Builder:node(type, inputs, attributes)
  local result = self:fresh(self.op.name)
  local fields = {}
  for _, name in ipairs(inputs) do fields[#fields + 1] = { 1, "bytes", name } end
  fields[#fields + 1] = { 2, "bytes", result }
  fields[#fields + 1] = { 3, "bytes", result }
  fields[#fields + 1] = { 4, "bytes", type }
  for _, name in ipairs(sorted_keys(attributes or {})) do
    fields[#fields + 1] = { 5, "bytes", attribute(name, attributes[name]) }
  end
  self.nodes[#self.nodes + 1] = message(fields)
  return result
end

local function initializer(name, dims, type, raw)
  local fields = {}
  for _, n in ipairs(dims) do fields[#fields + 1] = { 1, "int", n } end
  fields[#fields + 1] = { 2, "int", type }
  fields[#fields + 1] = { 8, "bytes", name }
  fields[#fields + 1] = { 9, "bytes", raw }
  return message(fields)
end

--- Adds a tensor as a constant; returns its name. A layer's weights are there once, wherever it is used.
function Builder:constant(suffix, tensor)
  local name = (self.op.owner or self.op.name) .. "." .. suffix
  if self.constants[name] then
    if self.op.owner then return name end
    name = self:fresh(name)
  end
  self.constants[name] = true
  self.initializers[#self.initializers + 1] = initializer(name, tensor.shape, FLOAT, core.bytes.of(tensor))
  return name
end

function Builder:number(value)
  local name = self:fresh(self.op.name .. ".number")
  self.initializers[#self.initializers + 1] = initializer(name, {}, FLOAT, ("<f"):pack(value))
  return name
end

function Builder:integers(list)
  local name = self:fresh(self.op.name .. ".shape")
  self.initializers[#self.initializers + 1] = initializer(name, { #list }, INT64, ("<" .. ("i8"):rep(#list)):pack(
    table.unpack(list)))
  return name
end

--- The name of a value with channels "first" ([N, C, H, W]) or "last", transposed if need be. Only images have two.
function Builder:get(value, order)
  if value.tensor and not value.last then
    local name = value.owner and value.owner .. "." .. value.name or self:fresh(self.op.name .. ".constant")
    self.initializers[#self.initializers + 1] = initializer(name, value.shape, FLOAT, core.bytes.of(value.tensor))
    value.last = name
  end
  if #value.shape ~= 3 or value.fixed then return value.last end
  if not value[order] then
    local perm = order == "first" and { 0, 3, 1, 2 } or { 0, 2, 3, 1 }
    value[order] = self:node("Transpose", { value[order == "first" and "last" or "first"] }, { perm = perm })
  end
  return value[order]
end

--- The name of a value in the order that is there.
function Builder:any(value)
  local order = value.first and "first" or "last"
  return value[order], order
end

local function pads(w) return { w.top, w.left, w.bottom, w.right } end

--- f(b, op) adds the nodes of an operation and sets op.output.first or .last.
local writers = {}
for name, writer in pairs(require "perilune.export.onnx_formula") do writers[name] = writer end

function writers.Conv2d(b, op)
  local w = op.window
  local inputs = { b:get(op.inputs[1], "first"), b:constant("weight", op.params.weight:permute(4, 3, 1, 2)) }
  local bias = op.params.bias
  local per_position = bias and bias:dim() == 3
  if bias and not per_position then inputs[3] = b:constant("bias", bias) end
  local y = b:node("Conv", inputs, { kernel_shape = { w.kh, w.kw }, strides = { w.sy, w.sx }, pads = pads(w) })
  if per_position then y = b:node("Add", { y, b:constant("bias", bias:permute(3, 1, 2)) }) end
  op.output.first = y
end

function writers.Linear(b, op)
  local x, bias = b:get(op.inputs[1], "last"), op.params.bias
  local weight = b:constant("weight", op.params.weight)
  bias = bias and b:constant("bias", bias)
  if #op.inputs[1].shape == 1 then
    op.output.last = b:node("Gemm", { x, weight, bias })
  else
    local y = b:node("MatMul", { x, weight })
    op.output.last = bias and b:node("Add", { y, bias }) or y
  end
end

local function pool(type)
  return function(b, op)
    local w = op.window
    local attributes = { kernel_shape = { w.kh, w.kw }, strides = { w.sy, w.sx }, pads = pads(w) }
    if type == "AveragePool" then attributes.count_include_pad = op.options.count_include_pad and 1 or 0 end
    op.output.first = b:node(type, { b:get(op.inputs[1], "first") }, attributes)
  end
end
writers.MaxPool2d, writers.AvgPool2d = pool "MaxPool", pool "AveragePool"

function writers.GlobalAvgPool2d(b, op)
  local mean = b:node("GlobalAveragePool", { b:get(op.inputs[1], "first") })
  op.output.last = b:node("Flatten", { mean }, { axis = 1 })
end

function writers.BatchNorm(b, op)
  local scale, shift = graphs.scale_and_shift(op)
  local x, order = b:any(op.inputs[1])
  local suffix = order == "first" and "_of_channels" or ""      -- a shared layer may be used in both orders
  if order == "first" then scale, shift = scale:reshape(-1, 1, 1), shift:reshape(-1, 1, 1) end
  local scaled = b:node("Mul", { x, b:constant("scale" .. suffix, scale) })
  op.output[order] = b:node("Add", { scaled, b:constant("shift" .. suffix, shift) })
end

local function reshape(b, op)
  local shape = { -1, table.unpack(op.output.shape) }
  op.output.last = b:node("Reshape", { b:get(op.inputs[1], "last"), b:integers(shape) })
end
writers.Flatten, writers.Reshape = reshape, reshape

-- One node, or f(b, x) -> the name of its result, in whichever order x is.
local function elementwise(what, attributes)
  return function(b, op)
    local x, order = b:any(op.inputs[1])
    if type(what) == "string" then op.output[order] = b:node(what, { x }, attributes and attributes(op.options))
    else op.output[order] = what(b, x, op.options) end
  end
end

writers.ReLU, writers.Tanh, writers.Sigmoid = elementwise "Relu", elementwise "Tanh", elementwise "Sigmoid"
writers.LeakyReLU = elementwise("LeakyRelu", function(o) return { alpha = o.slope + 0.0 } end)
writers.ELU = elementwise("Elu", function(o) return { alpha = o.alpha + 0.0 } end)
writers.SiLU = elementwise(function(b, x) return b:node("Mul", { x, b:node("Sigmoid", { x }) }) end)
writers.Mish = elementwise(function(b, x)
  return b:node("Mul", { x, b:node("Tanh", { b:node("Softplus", { x }) }) })
end)
writers.GELU = elementwise(function(b, x, options)
  local inner
  if options.approximate == "tanh" then       -- sqrt(2 / pi) (x + 0.044715 x^3)
    local cube = b:node("Mul", { b:node("Mul", { x, x }), x })
    local sum = b:node("Add", { x, b:node("Mul", { cube, b:number(0.044715) }) })
    inner = b:node("Tanh", { b:node("Mul", { sum, b:number(math.sqrt(2 / math.pi)) }) })
  else
    inner = b:node("Erf", { b:node("Mul", { x, b:number(math.sqrt(0.5)) }) })
  end
  local twice = b:node("Mul", { x, b:node("Add", { inner, b:number(1) }) })
  return b:node("Mul", { twice, b:number(0.5) })
end)

local function softmax(type)
  return function(b, op) op.output.last = b:node(type, { b:get(op.inputs[1], "last") }, { axis = -1 }) end
end
writers.Softmax, writers.LogSoftmax = softmax "Softmax", softmax "LogSoftmax"

function writers.Add(b, op)
  local _, order = b:any(op.inputs[1])
  local names = {}
  for i, value in ipairs(op.inputs) do names[i] = b:get(value, order) end
  op.output[order] = b:node("Add", names)
end

local function value_info(name, shape)
  local dims = { { 1, "bytes", message { { 2, "bytes", "N" } } } }
  for _, n in ipairs(shape) do dims[#dims + 1] = { 1, "bytes", message { { 1, "int", n } } } end
  local tensor = message { { 1, "int", FLOAT }, { 2, "bytes", message(dims) } }
  return message { { 1, "bytes", name }, { 2, "bytes", message { { 1, "bytes", tensor } } } }
end

--- The bytes of an ONNX file; its outputs are called output, output_2, ... about: name, outputs (what
--- the outputs are), and what perilune.export.described takes.
function M.encode(graph, about)
  -- numbers that names end in begin after those of the outputs
  local count = #graph.outputs > 1 and #graph.outputs or 0
  local b = setmetatable({ nodes = {}, initializers = {}, constants = {}, count = count }, Builder)
  graph.input.last = "input"
  for _, op in ipairs(graph.ops) do
    if not writers[op.type] then graphs.refuse(op.label, "onnx") end
    b.op = op
    writers[op.type](b, op)
  end
  b.op = { name = "output" }
  local fields, infos = {}, {}
  for k, value in ipairs(graph.outputs) do
    local name = k == 1 and "output" or ("output_%d"):format(k)
    local from = b:get(value, "last")
    b.nodes[#b.nodes + 1] = message { { 1, "bytes", from }, { 2, "bytes", name }, { 3, "bytes", name },
      { 4, "bytes", "Identity" } }
    infos[k] = value_info(name, value.shape)
  end
  for _, node in ipairs(b.nodes) do fields[#fields + 1] = { 1, "bytes", node } end
  fields[#fields + 1] = { 2, "bytes", about.name }
  for _, tensor in ipairs(b.initializers) do fields[#fields + 1] = { 5, "bytes", tensor } end
  fields[#fields + 1] = { 11, "bytes", value_info("input", graph.input.shape) }
  for _, info in ipairs(infos) do fields[#fields + 1] = { 12, "bytes", info } end
  local file = {
    { 1, "int", IR_VERSION }, { 2, "bytes", "Perilune" }, { 3, "bytes", core.system.version() },
    { 7, "bytes", message(fields) }, { 8, "bytes", message { { 1, "bytes", "" }, { 2, "int", OPSET } } },
  }
  for _, field in ipairs(described.fields(about)) do
    file[#file + 1] = { 14, "bytes", message { { 1, "bytes", field[1] }, { 2, "bytes", field[2] } } }
  end
  local bytes = message(file)
  if #bytes > protobuf.most then
    errors.fail(1, "onnx: the model has %d bytes; a file of this format ends at 2 GiB", #bytes)
  end
  return bytes
end

return M
