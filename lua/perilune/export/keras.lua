--- Keras: an HDF5 file with the attribute model_config (a Functional model as JSON) and the group model_weights, as
--- keras.Model.save("m.h5") writes it. Images, kernels and linear weights lie as Perilune's, so no value moves.
local core = require "perilune.core"
local graphs = require "perilune.export.graph"

local M = {}

local VERSION = "3.0.0"
-- JSON's null, the empty list and the empty object, which no table of Lua is for sure.
local NULL, LIST, OBJECT = "@null@", "@list@", "@object@"
local text_of = { [NULL] = "null", [LIST] = "[]", [OBJECT] = "{}" }

local function encode(value) return (core.json.encode(value):gsub('"(@%l+@)"', text_of)) end

local Builder = {}
Builder.__index = Builder

--- Adds a layer on values of the graph, or on the names of layers; returns its name.
function Builder:layer(class, name, config, inputs, weights)
  config.name, config.dtype = name, "float32"
  local nodes = {}
  for i, input in ipairs(inputs) do
    nodes[i] = { type(input) == "string" and input or input.keras, 0, 0, OBJECT }
  end
  self.layers[#self.layers + 1] = { class_name = class, config = config, name = name,
    inbound_nodes = #nodes > 0 and { nodes } or LIST }
  self.of[name] = { weights = weights or {}, inputs = inputs }
  return name
end

--- f(b, op) -> the name of the layer that makes the operation's output.
local writers = {}

-- "valid", "same", or nil where zeros have to be added around the image.
local function padding_of(op)
  local w, input, output = op.window, op.inputs[1].shape, op.output.shape
  if w.top + w.bottom + w.left + w.right == 0 then return "valid" end
  local function same(size, outputs, kernel, stride, before, after)
    local total = math.max(0, (outputs - 1) * stride + kernel - size)
    return outputs == (size + stride - 1) // stride and before == total // 2 and after == total - total // 2
  end
  if same(input[1], output[1], w.kh, w.sy, w.top, w.bottom) and same(input[2], output[2], w.kw, w.sx, w.left, w.right)
  then return "same" end
end

-- The input, with zeros around it.
local function zeros_around(b, op)
  local w = op.window
  return b:layer("ZeroPadding2D", op.name .. "_padding", { padding = { { w.top, w.bottom }, { w.left, w.right } } },
    op.inputs)
end

function writers.Conv2d(b, op)
  local w, p = op.window, op.params
  local per_position = p.bias and p.bias:dim() == 3
  local padding = padding_of(op)
  local inputs = padding and op.inputs or { zeros_around(b, op) }
  local weights = { { "kernel", p.weight }, not per_position and p.bias and { "bias", p.bias } or nil }
  local name = b:layer("Conv2D", op.name, { filters = op.output.shape[3], kernel_size = { w.kh, w.kw },
    strides = { w.sy, w.sx }, padding = padding or "valid", use_bias = weights[2] ~= nil }, inputs, weights)
  if not per_position then return name end
  -- a product with the identity that has a bias for every position
  local channels = op.output.shape[3]
  return b:layer("EinsumDense", op.name .. "_bias", { equation = "abcd,de->abce", output_shape = op.output.shape,
    bias_axes = "bce" }, { name }, { { "kernel", core.tensor.eye(channels) }, { "bias", p.bias } })
end

function writers.Linear(b, op)
  local p = op.params
  return b:layer("Dense", op.name, { units = op.output.shape[#op.output.shape], use_bias = p.bias ~= nil }, op.inputs,
    { { "kernel", p.weight }, p.bias and { "bias", p.bias } or nil })
end

function writers.MaxPool2d(b, op)
  local w, padding = op.window, padding_of(op)
  if not padding then graphs.refuse(op.label, "keras", 'its padding is neither 0 nor that of "same"') end
  return b:layer("MaxPooling2D", op.name, { pool_size = { w.kh, w.kw }, strides = { w.sy, w.sx }, padding = padding },
    op.inputs)
end

-- Keras' "same" counts the pixels inside the image.
function writers.AvgPool2d(b, op)
  local w, padding, inputs = op.window, padding_of(op), op.inputs
  if padding ~= "valid" and op.options.count_include_pad then
    padding, inputs = "valid", { zeros_around(b, op) }
  elseif not padding then
    graphs.refuse(op.label, "keras", 'its padding is neither 0 nor that of "same"')
  end
  return b:layer("AveragePooling2D", op.name, { pool_size = { w.kh, w.kw }, strides = { w.sy, w.sx },
    padding = padding }, inputs)
end

function writers.GlobalAvgPool2d(b, op) return b:layer("GlobalAveragePooling2D", op.name, {}, op.inputs) end

function writers.BatchNorm(b, op)
  local p, affine = op.params, op.options.affine
  local weights = affine and { { "gamma", p.weight }, { "beta", p.bias } } or {}
  weights[#weights + 1] = { "moving_mean", p.running_mean }
  weights[#weights + 1] = { "moving_variance", p.running_var }
  return b:layer("BatchNormalization", op.name, { axis = -1, epsilon = op.options.eps,
    momentum = 1 - op.options.momentum, center = affine, scale = affine }, op.inputs, weights)
end

function writers.Flatten(b, op) return b:layer("Flatten", op.name, {}, op.inputs) end
function writers.Reshape(b, op)
  return b:layer("Reshape", op.name, { target_shape = op.output.shape }, op.inputs)
end
function writers.Add(b, op)
  if #op.inputs == 1 then return b:layer("Activation", op.name, { activation = "linear" }, op.inputs) end
  return b:layer("Add", op.name, {}, op.inputs)
end
function writers.LeakyReLU(b, op)
  return b:layer("LeakyReLU", op.name, { negative_slope = op.options.slope }, op.inputs)
end
function writers.ELU(b, op) return b:layer("ELU", op.name, { alpha = op.options.alpha }, op.inputs) end

local activations = { ReLU = "relu", Tanh = "tanh", Sigmoid = "sigmoid", SiLU = "silu", Mish = "mish", GELU = "gelu",
  Softmax = "softmax", LogSoftmax = "log_softmax" }
for type, activation in pairs(activations) do
  writers[type] = function(b, op)
    if op.options.approximate == "tanh" then
      graphs.refuse(op.label, "keras", "no layer of Keras has the tanh approximation")
    end
    return b:layer("Activation", op.name, { activation = activation }, op.inputs)
  end
end

-- The order in which Keras keeps a model's layers, and in which it reads their weights: those furthest from the output
-- first, then in the order of a search from the output.
local function in_order(b, output)
  local depth, found, names = {}, {}, {}
  local function number(name)
    if found[name] then return end
    names[#names + 1] = name
    found[name] = #names
    for _, input in ipairs(b.of[name].inputs) do number(type(input) == "string" and input or input.keras) end
  end
  number(output)
  for i = #b.layers, 1, -1 do                    -- consumers come after what they read
    local name = b.layers[i].name
    depth[name] = depth[name] or 0
    for _, input in ipairs(b.of[name].inputs) do
      local source = type(input) == "string" and input or input.keras
      depth[source] = math.max(depth[source] or 0, depth[name] + 1)
    end
  end
  table.sort(names, function(x, y)
    if depth[x] ~= depth[y] then return depth[x] > depth[y] end
    return found[x] < found[y]
  end)
  return names
end

local function write_weights(w, b, names)
  w:group "/model_weights"
  w:texts("/model_weights", "layer_names", names)
  w:attr("/model_weights", "backend", "tensorflow")
  w:attr("/model_weights", "keras_version", VERSION)
  for _, name in ipairs(names) do
    local path, list = "/model_weights/" .. name, {}
    w:group(path)
    for i, weight in ipairs(b.of[name].weights) do
      list[i] = name .. "/" .. weight[1]
      w:tensor(path .. "/" .. list[i], weight[2])
    end
    w:texts(path, "weight_names", list)
  end
end

--- Writes the file: true; or nil and a message.
function M.write(graph, path)
  local b = setmetatable({ layers = {}, of = {} }, Builder)
  graph.input.keras = b:layer("InputLayer", "input", { batch_shape = { NULL, table.unpack(graph.input.shape) } }, {})
  for _, op in ipairs(graph.ops) do
    if not writers[op.type] then graphs.refuse(op.label, "keras") end
    if op.name == "input" then op.name = "input_layer" end
    op.output.keras = writers[op.type](b, op)
  end
  local output = graph.output.keras
  if output == "input" then output = b:layer("Activation", "output", { activation = "linear" }, { "input" }) end
  local config = { class_name = "Functional", config = { name = "model", trainable = true, layers = b.layers,
    input_layers = { { "input", 0, 0 } }, output_layers = { { output, 0, 0 } } } }
  local w <close>, message = core.store.create(path)
  if not w then return nil, message end
  w:group("/", { model_config = encode(config), backend = "tensorflow",
    keras_version = VERSION })
  write_weights(w, b, in_order(b, output))
  return w:commit()
end

return M
