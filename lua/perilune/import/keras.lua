--- Reads Keras' HDF5 files, as model.save("m.h5") writes them: model_config (JSON) says the layers, model_weights holds
--- their arrays, which lie as Perilune's do. training_config, where there is one, names the loss.
local core = require "perilune.core"
local abouts = require "perilune.nn.about"
local decision = require "perilune.nn.decision"
local errors = require "perilune.base.errors"
local losses = require "perilune.import.keras_loss"
local printable = require "perilune.base.printable"
local chains = require "perilune.import.keras_chains"
local shapes = require "perilune.base.shapes"

local M = {}

local function refuse(layer, format, ...)
  error(("layer '%s' (%s): %s"):format(printable.text(tostring(layer.name)), printable.text(tostring(layer.class)),
    format:format(...)), 0)
end

local activations = {
  relu = "ReLU", tanh = "Tanh", sigmoid = "Sigmoid", softmax = "Softmax", log_softmax = "LogSoftmax", silu = "SiLU",
  swish = "SiLU", gelu = "GELU", elu = "ELU", mish = "Mish",
}

-- The layer that an activation by name is; nil for the identity.
local function activation(layer, name, nn)
  if type(name) == "table" then name = (name.config or {}).activation or name.class_name end
  if name == nil or name == "linear" then return nil end
  if name == "leaky_relu" then return nn.LeakyReLU(0.2) end
  local known = activations[name]
  if not known then refuse(layer, "the activation '%s' has no counterpart", printable.text(tostring(name))) end
  return nn[known]()
end

local function need(layer, option, ...)
  local value = layer.config[option]
  for _, allowed in ipairs { ... } do
    if value == allowed then return end
  end
  if value == nil then return end
  refuse(layer, "%s = %s has no counterpart", option, type(value) == "table" and core.json.encode(value)
    or printable.text(tostring(value)))
end

local function pair(layer, option, otherwise)
  local value = layer.config[option]
  if value == nil then value = otherwise end
  if type(value) == "number" then value = { value, value } end
  local a = type(value) == "table" and math.tointeger(value[1])
  local b = type(value) == "table" and math.tointeger(value[2])
  if not a or not b then refuse(layer, "%s is not two whole numbers", option) end
  return { a, b }
end

local function ones(layer, option)
  local value = layer.config[option]
  if type(value) == "table" then
    if value[1] ~= 1 or (value[2] or 1) ~= 1 then refuse(layer, "%s other than 1 has no counterpart", option) end
  else need(layer, option, 1) end
end

local function weight(layer, name, axes)
  local t = layer.weights[name]
  if not t then refuse(layer, "its array '%s' is not in the file", name) end
  if t:dim() ~= axes then refuse(layer, "its array '%s' has %d axes, not %d", name, t:dim(), axes) end
  return t
end

-- Padding of a convolution or pool: that of a ZeroPadding2D before it, or its own.
local function padding_of(layer, before)
  local own = layer.config.padding
  if own ~= "same" and own ~= "valid" and own ~= nil then need(layer, "padding", "same") end
  if before and own == "same" then refuse(layer, "padding \"same\" after a ZeroPadding2D has no counterpart") end
  if before then return before end
  return own == "same" and "same" or 0
end

--- f(layer, nn, padding) -> the layer, its parameters by name, and what follows. `padding`: of a ZeroPadding2D before
--- it.
local readers = {}

-- The configuration says the same number of outputs as the kernel.
local function check_outputs(layer, option, found)
  local value = layer.config[option]
  if value ~= nil and value ~= found then
    refuse(layer, "%s = %s, but its kernel has %d", option, printable.text(tostring(value)), found)
  end
end

function readers.Dense(layer, nn)
  local kernel = weight(layer, "kernel", 2)
  check_outputs(layer, "units", kernel:size(2))
  local bias = layer.config.use_bias ~= false
  return nn.Linear(kernel:size(1), kernel:size(2), { bias = bias, name = layer.name }),
    { weight = kernel, bias = bias and weight(layer, "bias", 1) or nil }, activation(layer, layer.config.activation, nn)
end

function readers.Conv2D(layer, nn, before)
  ones(layer, "dilation_rate")
  need(layer, "groups", 1)
  need(layer, "data_format", "channels_last")
  local kernel = weight(layer, "kernel", 4)
  check_outputs(layer, "filters", kernel:size(4))
  local bias = layer.config.use_bias ~= false
  return nn.Conv2d(kernel:size(3), kernel:size(4), { kernel:size(1), kernel:size(2) }, {
    stride = pair(layer, "strides", 1), padding = padding_of(layer, before), bias = bias, name = layer.name }),
    { weight = kernel, bias = bias and weight(layer, "bias", 1) or nil }, activation(layer, layer.config.activation, nn)
end

local function pool_options(layer, before)
  need(layer, "data_format", "channels_last")
  local size = pair(layer, "pool_size", 2)
  return size, { stride = pair(layer, "strides", size), padding = padding_of(layer, before), name = layer.name }
end

function readers.MaxPooling2D(layer, nn, before)
  if before then refuse(layer, "a ZeroPadding2D before it has no counterpart: padding never wins here") end
  return nn.MaxPool2d(pool_options(layer))
end

-- Keras counts the pixels inside the image; zeros that a layer before it added are such.
function readers.AveragePooling2D(layer, nn, before)
  local size, options = pool_options(layer, before)
  options.count_include_pad = before ~= nil
  return nn.AvgPool2d(size, options)
end

function readers.GlobalAveragePooling2D(layer, nn)
  need(layer, "keepdims", false)
  need(layer, "data_format", "channels_last")
  return nn.GlobalAvgPool2d { name = layer.name }
end

function readers.BatchNormalization(layer, nn)
  local axis = layer.config.axis
  layer.axis = type(axis) == "table" and axis[1] or axis
  local mean, variance = weight(layer, "moving_mean", 1), weight(layer, "moving_variance", 1)
  local n, scale, center = mean:size(1), layer.config.scale ~= false, layer.config.center ~= false
  local affine = scale or center
  return nn.BatchNorm(n, { eps = layer.config.epsilon or 1e-3, momentum = 1 - (layer.config.momentum or 0.99),
    affine = affine, unbiased = false, name = layer.name }), { running_mean = mean, running_var = variance,
      weight = affine and (scale and weight(layer, "gamma", 1) or core.tensor.ones(n)) or nil,
      bias = affine and (center and weight(layer, "beta", 1) or core.tensor.zeros(n)) or nil }
end

function readers.ReLU(layer, nn)
  need(layer, "max_value")
  need(layer, "threshold", 0)
  local slope = layer.config.negative_slope or 0
  return slope == 0 and nn.ReLU { name = layer.name } or nn.LeakyReLU(slope, { name = layer.name })
end

function readers.LeakyReLU(layer, nn)
  return nn.LeakyReLU(layer.config.negative_slope or layer.config.alpha or 0.3, { name = layer.name })
end
function readers.ELU(layer, nn) return nn.ELU(layer.config.alpha or 1, { name = layer.name }) end
function readers.Softmax(layer, nn)
  need(layer, "axis", -1)
  return nn.Softmax { name = layer.name }
end
function readers.Activation(layer, nn)
  return activation(layer, layer.config.activation, nn) or nn.Identity { name = layer.name }
end
function readers.Flatten(layer, nn)
  need(layer, "data_format", "channels_last")
  return nn.Flatten { name = layer.name }
end
function readers.Reshape(layer, nn)
  local shape = layer.config.target_shape
  if type(shape) ~= "table" then refuse(layer, "has no target_shape") end
  return nn.Reshape(shape, { name = layer.name })
end
function readers.Dropout(layer, nn) return nn.Dropout(layer.config.rate or 0.5, { name = layer.name }) end

--- The padding that a ZeroPadding2D adds on all sides, { rows, columns }.
local function zeros(layer)
  need(layer, "data_format", "channels_last")
  local p = layer.config.padding
  if type(p) == "number" then return { p, p } end
  local function side(value)
    if type(value) ~= "table" then return value end
    if value[1] ~= value[2] then
      refuse(layer, "adds %s zeros before and %s after: an uneven padding has no counterpart", tostring(value[1]),
        tostring(value[2]))
    end
    return value[1]
  end
  if type(p) ~= "table" then refuse(layer, "has no padding") end
  return { side(p[1]), side(p[2]) }
end

-- Layers of perilune.nn for a chain (perilune.import.keras_chains), and what goes into their parameters.
local function sequence(chain, nn, fill)
  local list, before = {}, nil
  for _, item in ipairs(chain) do
    if item.branch then
      if before then errors.fail(1, "a ZeroPadding2D before a branch has no counterpart") end
      local branch = sequence(item.branch, nn, fill)
      list[#list + 1] = #item.shortcut > 0 and nn.Residual(branch, sequence(item.shortcut, nn, fill))
        or nn.Residual(branch)
    elseif item.class == "ZeroPadding2D" then
      if before then refuse(item, "follows another one") end
      before = zeros(item)
    elseif item.class ~= "InputLayer" then
      local read = readers[item.class]
      if not read then refuse(item, "this kind of layer is not known here") end
      if before and item.class ~= "Conv2D" and item.class ~= "AveragePooling2D" and item.class ~= "MaxPooling2D" then
        refuse(item, "a ZeroPadding2D before it has no counterpart")
      end
      local ok, layer, parameters, after = pcall(read, item, nn, before)
      if not ok then
        local why = errors.strip(tostring(layer)):gsub("^[^:]+:%d+: ", "")
        if why:find("layer '", 1, true) ~= 1 then refuse(item, "%s", why) end      -- an option of a layer here
        error(why, 0)
      end
      before = nil
      list[#list + 1], list[#list + 2] = layer, after
      fill[#fill + 1] = { layer = layer, parameters = parameters or {}, from = item }
    end
  end
  if before then error("a ZeroPadding2D is the last layer, which has no counterpart", 0) end
  return nn.Sequential(list)
end

-- The arrays below a layer's group by the last part of their names.
local function arrays(r, path, found)
  for _, name in ipairs(assert(r:list(path))) do
    local inner = path .. "/" .. name
    if assert(r:info(inner)) == "group" then arrays(r, inner, found)
    else
      local plain = name:gsub(":0$", "")
      if found[plain] then error(inner .. ": a second array of that name", 0) end
      found[plain] = assert(r:tensor(inner)):to "f32"
    end
  end
  return found
end

-- Keras 2 writes the number of an axis for "the last", counting the batch as 0.
local function check_axes(model, fill)
  local axes = {}
  for _, row in ipairs(model:rows()) do axes[row.path] = #row.output end
  for _, one in ipairs(fill) do
    local axis = one.from.axis
    if axis ~= nil and axis ~= -1 and axis ~= axes[one.layer:path()] then
      refuse(one.from, "normalizes along axis %s, not the last", axis)
    end
  end
end

local function read(r)
  local attrs = assert(r:attrs "/")
  if type(attrs.model_config) ~= "string" then
    error("holds no model of Keras: it has no model_config (model.save(\"m.h5\") writes one, save_weights does not)", 0)
  end
  local config, message = core.json.decode(attrs.model_config)
  if type(config) ~= "table" then error("model_config is not JSON: " .. printable.text(tostring(message)), 0) end
  local chain, input = chains.of(config)
  local function load(list)
    for _, item in ipairs(list) do
      if item.branch then
        load(item.branch)
        load(item.shortcut)
      else
        local path = "/model_weights/" .. item.name
        item.weights = not item.name:find "/" and r:has(path) and arrays(r, path, {}) or {}
      end
    end
  end
  load(chain)
  local fill = {}
  local nn = require "perilune.nn"
  local model = sequence(chain, nn, fill)
  model:build(input)
  check_axes(model, fill)
  for _, one in ipairs(fill) do
    for name, tensor in pairs(one.parameters) do
      local target = one.layer[name]
      if not shapes.equal(target.shape, tensor.shape) then     -- copy_ would broadcast
        refuse(one.from, "its %s is [%s], not [%s]", name, table.concat(tensor.shape, ", "),
          table.concat(target.shape, ", "))
      end
      target:copy_(tensor)
    end
  end
  local loss, of_values
  if decision.kind(model) == "logits" then       -- else the last layer makes probabilities, whatever the loss
    loss, of_values = losses.of(attrs.training_config, nn)
  end
  decision.remember(model, loss, of_values)
  abouts.remember(model, abouts.foreign(of_values))
  return model
end

--- The model in a file, built and with its weights; or nil and a message.
function M.read(path)
  local r <close>, message = core.store.open(path, { foreign = true })
  if not r then return nil, message end
  local ok, model = pcall(read, r)
  if not ok then return nil, ("%s: %s"):format(path, printable.text(errors.strip(tostring(model)))) end
  return model
end

return M
