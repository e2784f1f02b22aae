--- A model as a list of operations, for the formats of perilune.export: no containers, nothing that only training
--- needs. Every format walks this list.
---
---   graph.input, graph.output   values
---   value   { shape = of one sample }; each operation makes a new one
---   op      { type =, label =, path = (of the layer),
---             name = (unique, a word for identifiers), inputs = { values }, output = value,
---             options = { name -> value }, params = { name -> tensor } }
---
--- Types are those of layers, and "Add" for the sum that ends a Residual. Dropout and Identity are left out: in
--- inference they are the identity. Convolution and pooling have `window`:
--- { kh, kw, sy, sx, top, left, bottom, right, same }.
local errors = require "perilune.base.errors"

local M = {}

-- Padding of one axis: before and after. "same": ceil(size / stride) outputs, an odd one puts the extra zero after.
local function padding(size, kernel, stride, given)
  if given then return given, given end
  local outputs = (size + stride - 1) // stride
  local total = math.max(0, (outputs - 1) * stride + kernel - size)
  return total // 2, total - total // 2
end

local function window_of(options, shape)
  local k, s, p = options.kernel, options.stride, options.padding
  if p == "same" then p = {} end
  local stride = { s[1] > 0 and s[1] or k[1], s[2] > 0 and s[2] or k[2] }
  local top, bottom = padding(shape[1], k[1], stride[1], p[1])
  local left, right = padding(shape[2], k[2], stride[2], p[2])
  return { kh = k[1], kw = k[2], sy = stride[1], sx = stride[2], top = top, left = left, bottom = bottom,
    right = right, same = options.padding == "same" }
end

-- A value of an option as a pair.
local function paired(value) return type(value) == "table" and value or { value, value } end

local windows = { Conv2d = true, MaxPool2d = true, AvgPool2d = true }
local passed = { Dropout = true, Identity = true }

local function identifier(path, name)
  local text = name ~= "" and name or path:gsub("^.*/", "")
  text = text:gsub("[^%w_]", "_")
  return text:find "^%a" and text or "layer_" .. text
end

local function options_of(layer)
  local options = {}
  for _, option in ipairs(layer:options()) do options[option.name] = option.value end
  return options
end

local function operation(graph, layer, row, inputs)
  local op = { type = layer.type, label = layer:label(), path = layer:path(), inputs = inputs,
    output = { shape = row.output }, options = options_of(layer), params = {} }
  local name = identifier(layer:path(), layer.name)
  graph.names[name] = (graph.names[name] or 0) + 1
  op.name = graph.names[name] > 1 and ("%s_%d"):format(name, graph.names[name]) or name
  for _, param in ipairs(layer:params()) do op.params[param.name] = layer[param.name] end
  if windows[op.type] then
    for _, option in ipairs { "kernel", "stride", "padding" } do
      local value = op.options[option]
      if value ~= "same" then op.options[option] = paired(value) end
    end
    op.window = window_of(op.options, inputs[1].shape)
  end
  graph.ops[#graph.ops + 1] = op
  return op.output
end

local walk

local function walk_residual(graph, layer, input)
  graph.at = graph.at + 1                               -- the fork
  local ways = { input, input }
  for i = 1, #layer do ways[i] = walk(graph, layer[i], input) end
  local row = graph.rows[graph.at]
  graph.at = graph.at + 1
  local op = { type = "Add", label = layer:label(), name = identifier(layer:path(), layer.name) .. "_sum",
    inputs = ways, output = { shape = row.output }, options = {}, params = {} }
  graph.names[op.name] = (graph.names[op.name] or 0) + 1
  if graph.names[op.name] > 1 then op.name = ("%s_%d"):format(op.name, graph.names[op.name]) end
  graph.ops[#graph.ops + 1] = op
  return op.output
end

function walk(graph, layer, input)
  if layer.type == "Sequential" then
    for i = 1, #layer do input = walk(graph, layer[i], input) end
    return input
  end
  if layer.type == "Residual" then return walk_residual(graph, layer, input) end
  local row = graph.rows[graph.at]
  if #layer > 0 or not row or row.type ~= layer.type then M.refuse(layer:label(), "export") end
  graph.at = graph.at + 1
  if passed[layer.type] then return input end
  return operation(graph, layer, row, { input })
end

--- The graph of a model, which must be built: its input has a shape.
function M.of(model)
  local _, input = model:sizes()
  if not input then
    errors.raise "export: the model has not seen the shape of its input; call model:build{...} first"
  end
  local value = { shape = input }
  local graph = { ops = {}, rows = model:rows(), at = 1, names = {}, input = value }
  graph.output = walk(graph, model, value)
  return graph
end

--- An operation that a format cannot express.
function M.refuse(label, format, why)
  errors.fail(1, "%s: %s cannot be expressed%s", format, label, why and ": " .. why or "")
end

--- The product of sizes first..last (all) of a shape.
function M.count(shape, first, last)
  local n = 1
  for i = first or 1, last or #shape do n = n * shape[i] end
  return n
end

--- BatchNorm in inference is y = x scale + shift: the two as f32 tensors of its features.
function M.scale_and_shift(op)
  local p = op.params
  local scale = (p.running_var + op.options.eps):sqrt():pow(-1)
  if p.weight then scale = scale * p.weight end
  local shift = -(p.running_mean * scale)
  if p.bias then shift = shift + p.bias end
  return scale, shift
end

return M
