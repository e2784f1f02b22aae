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

--- Calls a layer on values of the graph, or on what a call gave; returns what this one gives: { layer =, node = }. A
--- layer that is there already, of the same name, is called once more.
function Builder:layer(class, name, config, inputs, weights)
  config.name, config.dtype = name, "float32"
  local node, nodes = { inputs = {} }, {}
  for i, input in ipairs(inputs) do
    local from = input.keras or input
    node.inputs[i] = from
    nodes[i] = { from.layer, from.node, 0, OBJECT }
  end
  local layer, text = self.of[name], encode(config)
  if layer and layer.text ~= text then
    graphs.refuse(self.op.label, "keras", "it is used on values of several shapes, which are several layers there")
  elseif not layer then
    layer = { entry = { class_name = class, config = config, name = name, inbound_nodes = LIST }, count = 0,
      text = text, weights = weights or {} }
    self.of[name] = layer
    self.layers[#self.layers + 1] = layer.entry
  end
  if #nodes > 0 then
    if layer.count == 0 then layer.entry.inbound_nodes = {} end
    layer.entry.inbound_nodes[layer.count + 1] = nodes
  end
  node.layer, node.node = name, layer.count
  layer.count = layer.count + 1
  return node
end

--- A name that no layer of the model has; the same for the same wish.
function Builder:free(name)
  while self.names[name] do name = name .. "_" end
  return name
end

--- f(b, op) -> the call that makes the operation's output.
local writers = {}
for name, writer in pairs(require "perilune.export.keras_formula") do writers[name] = writer end

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
  return b:layer("ZeroPadding2D", b:free(op.owner .. "_padding"),
    { padding = { { w.top, w.bottom }, { w.left, w.right } } }, op.inputs)
end

function writers.Conv2d(b, op)
  local w, p = op.window, op.params
  local per_position = p.bias and p.bias:dim() == 3
  local padding = padding_of(op)
  local inputs = padding and op.inputs or { zeros_around(b, op) }
  local weights = { { "kernel", p.weight }, not per_position and p.bias and { "bias", p.bias } or nil }
  local conv = b:layer("Conv2D", op.owner, { filters = op.output.shape[3], kernel_size = { w.kh, w.kw },
    strides = { w.sy, w.sx }, padding = padding or "valid", use_bias = weights[2] ~= nil }, inputs, weights)
  if not per_position then return conv end
  -- a product with the identity that has a bias for every position
  local channels = op.output.shape[3]
  return b:layer("EinsumDense", b:free(op.owner .. "_bias"), { equation = "abcd,de->abce",
    output_shape = op.output.shape, bias_axes = "bce" }, { conv },
    { { "kernel", core.tensor.eye(channels) }, { "bias", p.bias } })
end

function writers.Linear(b, op)
  local p = op.params
  return b:layer("Dense", op.owner, { units = op.output.shape[#op.output.shape], use_bias = p.bias ~= nil }, op.inputs,
    { { "kernel", p.weight }, p.bias and { "bias", p.bias } or nil })
end

function writers.MaxPool2d(b, op)
  local w, padding = op.window, padding_of(op)
  if not padding then graphs.refuse(op.label, "keras", 'its padding is neither 0 nor that of "same"') end
  return b:layer("MaxPooling2D", op.owner, { pool_size = { w.kh, w.kw }, strides = { w.sy, w.sx }, padding = padding },
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
  return b:layer("AveragePooling2D", op.owner,
    { pool_size = { w.kh, w.kw }, strides = { w.sy, w.sx }, padding = padding }, inputs)
end

function writers.GlobalAvgPool2d(b, op) return b:layer("GlobalAveragePooling2D", op.owner, {}, op.inputs) end

function writers.BatchNorm(b, op)
  local p, affine = op.params, op.options.affine
  local weights = affine and { { "gamma", p.weight }, { "beta", p.bias } } or {}
  weights[#weights + 1] = { "moving_mean", p.running_mean }
  weights[#weights + 1] = { "moving_variance", p.running_var }
  return b:layer("BatchNormalization", op.owner, { axis = -1, epsilon = op.options.eps,
    momentum = 1 - op.options.momentum, center = affine, scale = affine }, op.inputs, weights)
end

function writers.Flatten(b, op) return b:layer("Flatten", op.owner, {}, op.inputs) end
function writers.Reshape(b, op)
  return b:layer("Reshape", op.owner, { target_shape = op.output.shape }, op.inputs)
end
function writers.Add(b, op)
  if #op.inputs == 1 then return b:layer("Activation", op.name, { activation = "linear" }, op.inputs) end
  return b:layer("Add", op.name, {}, op.inputs)
end
function writers.LeakyReLU(b, op)
  return b:layer("LeakyReLU", op.owner, { negative_slope = op.options.slope }, op.inputs)
end
function writers.ELU(b, op) return b:layer("ELU", op.owner, { alpha = op.options.alpha }, op.inputs) end

local activations = { ReLU = "relu", Tanh = "tanh", Sigmoid = "sigmoid", SiLU = "silu", Mish = "mish", GELU = "gelu",
  Softmax = "softmax", LogSoftmax = "log_softmax" }
for type, activation in pairs(activations) do
  writers[type] = function(b, op)
    if op.options.approximate == "tanh" then
      graphs.refuse(op.label, "keras", "no layer of Keras has the tanh approximation")
    end
    return b:layer("Activation", op.owner, { activation = activation }, op.inputs)
  end
end

-- The order in which Keras keeps a model's layers, and in which it reads their weights: those furthest from the output
-- first (of several calls the furthest counts), then in the order of a search from the outputs.
local function in_order(outputs)
  local found, names, visited, nodes, depth, of_layer = {}, {}, {}, {}, {}, {}
  local function search(node)
    if visited[node] then return end
    visited[node] = true
    if not found[node.layer] then
      names[#names + 1] = node.layer
      found[node.layer] = #names
    end
    for _, input in ipairs(node.inputs) do search(input) end
    nodes[#nodes + 1] = node
  end
  for _, output in ipairs(outputs) do search(output) end
  for i = #nodes, 1, -1 do                       -- consumers come after what they read
    local node = nodes[i]
    depth[node] = math.max(depth[node] or 0, of_layer[node.layer] or 0)
    of_layer[node.layer] = depth[node]
    for _, input in ipairs(node.inputs) do depth[input] = math.max(depth[input] or 0, depth[node] + 1) end
  end
  table.sort(names, function(x, y)
    if of_layer[x] ~= of_layer[y] then return of_layer[x] > of_layer[y] end
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
  if path:lower():match "%.keras$" then
    return nil, ("%s: the file is HDF5, which Keras tells by its name: let it end in .h5"):format(path)
  end
  local b = setmetatable({ layers = {}, of = {}, names = graph.names }, Builder)
  local input = b:free "input"
  graph.input.keras = b:layer("InputLayer", input, { batch_shape = { NULL, table.unpack(graph.input.shape) } }, {})
  for _, op in ipairs(graph.ops) do
    if not writers[op.type] then
      graphs.refuse(op.label, "keras", op.kind == "formula" and
        ("no layer of Keras does its operation '%s'; export it to ONNX or C"):format(op.type) or nil)
    end
    op.owner = op.owner or op.name
    b.op = op
    op.output.keras = writers[op.type](b, op)
  end
  local outputs, ends, taken = {}, {}, {}
  for k, value in ipairs(graph.outputs) do       -- the input, and one that is two outputs, need a layer of their own
    local node = value.keras
    if node.layer == input or taken[node] then
      local name = b:free("output" .. (k > 1 and "_" .. k or ""))
      node = b:layer("Activation", name, { activation = "linear" }, { node })
    end
    taken[node], outputs[k], ends[k] = true, node, { node.layer, node.node, 0 }
  end
  -- one input and one output are not lists: Keras warns of a call with a tensor where it expects a list
  local config = { class_name = "Functional", config = { name = "model", trainable = true, layers = b.layers,
    input_layers = { input, 0, 0 }, output_layers = #ends == 1 and ends[1] or ends } }
  local w <close>, message = core.store.create(path)
  if not w then return nil, message end
  w:group("/", { model_config = encode(config), backend = "tensorflow",
    keras_version = VERSION })
  write_weights(w, b, in_order(outputs))
  return w:commit()
end

return M
