--- A model as a list of operations, for the formats of perilune.export: no containers, nothing that only training
--- needs. Every format walks this list.
---
---   graph.input                 a value
---   graph.outputs, .shapes      the outputs, normally one, and their shapes
---   graph.output                the first
---   graph.ops                   in an order in which they can run
---   value   { shape = of one sample; where `fixed` (the same for all samples) of the whole,
---             tensor = of a parameter or constant of a formula, owner = name of the formula, name = of the parameter }
---   op      { type =, label = (of the layer), kind = "layer" | "combine" | "formula",
---             name = (unique, a word for identifiers), owner = (the same for all uses of a layer),
---             inputs = { values }, output = value, options = { name -> value }, params = { name -> tensor },
---             args = (of an operation of a formula: whole numbers, axes from 0) }
---
--- Types are those of layers, "Add" for a sum of values of one shape, and the names of a formula's operations where
--- there is no such layer. Dropout and Identity are left out: in inference they are the identity. Convolution and
--- pooling have `window`: { kh, kw, sy, sx, top, left, bottom, right, same }.
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

M.same_shape, M.count = require "perilune.base.shapes".equal, require "perilune.base.shapes".count

-- Operations of formulas that a layer does as well, on values with a batch.
local layers = { relu = "ReLU", tanh = "Tanh", sigmoid = "Sigmoid", silu = "SiLU", gelu = "GELU",
  softmax = "Softmax", log_softmax = "LogSoftmax", reshape = "Reshape" }

local function type_of(raw, inputs, output)
  if raw.kind ~= "formula" or output.fixed then return raw.type end
  if raw.type == "add" and #inputs[1].shape > 0 and not (inputs[1].fixed or inputs[2].fixed)
    and M.same_shape(inputs[1].shape, inputs[2].shape) then return "Add" end
  return layers[raw.type] or raw.type
end

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

-- A name that no other operation has: name, name_2, ...
local function unique(graph, name)
  local found, n = name, 1
  while graph.names[found] do
    n = n + 1
    found = ("%s_%d"):format(name, n)
  end
  graph.names[found] = true
  return found
end

-- The name of a layer, for its parameters, which are there once.
local function owner_of(graph, layer)
  graph.owners[layer] = graph.owners[layer] or unique(graph, identifier(layer:path(), layer.name))
  return graph.owners[layer]
end

local function operation(graph, raw, inputs, output)
  local layer = raw.layer
  local op = { type = type_of(raw, inputs, output), kind = raw.kind, label = layer:label(),
    inputs = inputs, output = output, options = {}, params = {}, args = raw.args }
  if raw.kind == "combine" then
    op.name = unique(graph, identifier(layer:path(), layer.name) .. "_sum")
  elseif raw.kind == "formula" then
    op.name = unique(graph, owner_of(graph, layer) .. "_" .. raw.type)
  else
    local again = graph.owners[layer]
    op.owner = owner_of(graph, layer)
    op.name, op.options = again and unique(graph, again) or op.owner, options_of(layer)
    for _, param in ipairs(layer:params()) do op.params[param.name] = layer[param.name] end
  end
  if windows[op.type] then
    for _, option in ipairs { "kernel", "stride", "padding" } do
      local value = op.options[option]
      if value ~= "same" then op.options[option] = paired(value) end
    end
    op.window = window_of(op.options, inputs[1].shape)
  end
  graph.ops[#graph.ops + 1] = op
end

-- A model of several outputs ends in operations that make each a row and join the rows. The values before, as outputs;
-- those operations are left out.
local function several(raw, count)
  local join, outputs, rows = raw.ops[#raw.ops], {}, {}
  for _, op in ipairs(raw.ops) do rows[op.output] = op end
  for k = 1, count do
    local row = rows[join.inputs[k]]
    outputs[k], row.left_out = row.inputs[1], true
  end
  join.left_out = true
  return outputs
end

--- The graph of a model, which must be built: its input has a shape. in_a_row: several outputs as one, one after the
--- other (shapes still has them all).
function M.of(model, in_a_row)
  local _, input, _, _, shapes = model:sizes()
  if not input then
    errors.raise "export: the model has not seen the shape of its input; call model:build{...} first"
  end
  local raw, values = model:graph(), {}
  local graph = { ops = {}, names = {}, owners = {}, outputs = {}, shapes = shapes }
  local outputs = (#shapes == 1 or in_a_row) and { raw.output } or several(raw, #shapes)
  for i, v in ipairs(raw.values) do
    local value = { shape = v.shape, fixed = v.fixed or nil, tensor = v.tensor, name = v.name }
    if v.source == "param" then
      value.owner, value.tensor = owner_of(graph, v.layer), v.layer[v.name]
    end
    values[i] = value
  end
  for _, op in ipairs(raw.ops) do
    local inputs = {}
    for k, v in ipairs(op.inputs) do inputs[k] = values[v] end
    if passed[op.type] and op.kind == "layer" then values[op.output] = inputs[1]
    elseif not op.left_out then operation(graph, op, inputs, values[op.output]) end
  end
  for k, v in ipairs(outputs) do graph.outputs[k] = values[v] end
  graph.input, graph.output = values[1], graph.outputs[1]
  return graph
end

--- An operation that a format cannot express.
function M.refuse(label, format, why)
  errors.fail(1, "%s: %s cannot be expressed%s", format, label, why and ": " .. why or "")
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
