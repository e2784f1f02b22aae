--- The layers of a Keras model_config as a chain: a list of { class =, name =, config = } in order, where two ways
--- from one value that are added up are { branch = chain, shortcut = chain }.
local printable = require "perilune.base.printable"

local M = {}

local function fail(format, ...) error(format:format(...), 0) end

-- The names of the layers whose outputs a layer takes: Keras 2 writes [["name", 0, 0, {}], ...], Keras 3 tables with
-- keras_history = ["name", 0, 0].
local function sources(value, found, depth)
  if type(value) ~= "table" or depth > 12 then return found end
  local history = type(value.keras_history) == "table" and value.keras_history
    or (type(value[1]) == "string" and type(value[2]) == "number" and type(value[3]) == "number") and value
  if history then
    if type(history[1]) ~= "string" then fail "model_config: a layer's input has no name" end
    found[#found + 1] = history[1]
    return found
  end
  if value.config then return sources(value.config, found, depth + 1) end
  for _, item in ipairs(value) do sources(item, found, depth + 1) end
  if value.args then sources(value.args, found, depth + 1) end
  return found
end

local function node_of(given)
  if type(given) ~= "table" or type(given.class_name) ~= "string" or type(given.config) ~= "table" then
    fail "model_config: a layer has no class_name or no config"
  end
  local name = given.config.name or given.name
  if type(name) ~= "string" or name == "" then fail "model_config: a layer has no name" end
  local calls = type(given.inbound_nodes) == "table" and #given.inbound_nodes or 0
  if calls > 1 then fail("layer '%s' is used at %d places; only one has a counterpart", printable.text(name), calls) end
  return { class = given.class_name, name = name, config = given.config,
    inputs = calls == 1 and sources(given.inbound_nodes[1], {}, 0) or {} }
end

-- A shape without its batch axis, which JSON gave as null: sizes 2, 3, ...
local function sample_of(shape)
  if type(shape) ~= "table" then return nil end
  local sample = {}
  for i = 2, 7 do
    local n = shape[i]
    if n == nil then break end
    if type(n) ~= "number" or not math.tointeger(n) or n < 1 then return nil end
    sample[#sample + 1] = math.tointeger(n)
  end
  return #sample > 0 and sample or nil
end

local function shape_in(config)
  return sample_of(config.batch_shape) or sample_of(config.batch_input_shape)
end

local function sequential(config)
  local chain = {}
  local input = sample_of(config.build_input_shape)
  for i, given in ipairs(config.layers) do
    chain[i] = node_of(given)
    input = shape_in(chain[i].config) or input
  end
  return chain, input
end

-- Everything a layer depends on, itself included: name -> true.
local function ancestors(nodes, name, found)
  if found[name] then return found end
  found[name] = true
  local node = nodes[name]
  if not node then fail("model_config: there is no layer '%s'", printable.text(name)) end
  for _, input in ipairs(node.inputs) do ancestors(nodes, input, found) end
  return found
end

local chain_to

-- An Add of two ways: what they come from, and the two ways.
local function residual(nodes, node)
  if #node.inputs ~= 2 then
    fail("layer '%s' adds %d values; two have a counterpart", printable.text(node.name), #node.inputs)
  end
  local a, b = ancestors(nodes, node.inputs[1], {}), ancestors(nodes, node.inputs[2], {})
  local fork
  for name in pairs(a) do
    if b[name] and (not fork or nodes[name].index > nodes[fork].index) then fork = name end
  end
  if not fork then fail("layer '%s' adds ways that come from different inputs", printable.text(node.name)) end
  local branch, shortcut = chain_to(nodes, node.inputs[1], fork), chain_to(nodes, node.inputs[2], fork)
  if #branch == 0 then branch, shortcut = shortcut, branch end
  if #branch == 0 then branch = { { class = "Activation", name = node.name .. "_same", config = {} } } end
  return { branch = branch, shortcut = shortcut }, fork
end

-- The layers after `from` (nil: from the input on) up to `to`.
function chain_to(nodes, to, from)
  local reversed, name = {}, to
  while name ~= from do
    local node = nodes[name]
    if not node then fail("model_config: there is no layer '%s'", printable.text(tostring(name))) end
    if node.class == "Add" then reversed[#reversed + 1], name = residual(nodes, node)
    else
      if #node.inputs > 1 then
        fail("layer '%s' (%s) takes %d values; only Add has a counterpart", printable.text(node.name),
          printable.text(node.class), #node.inputs)
      end
      reversed[#reversed + 1], name = node, node.inputs[1]
    end
    if #reversed > 10000 then fail "model_config: its layers go in a circle" end
  end
  local chain = {}
  for i = #reversed, 1, -1 do chain[#chain + 1] = reversed[i] end
  return chain
end

local function functional(config)
  local nodes, input, inputs = {}, nil, 0
  for i, given in ipairs(config.layers) do
    local node = node_of(given)
    if nodes[node.name] then fail("model_config: two layers are called '%s'", printable.text(node.name)) end
    for _, source in ipairs(node.inputs) do
      if not nodes[source] then
        fail("model_config: layer '%s' comes before what it takes", printable.text(node.name))
      end
    end
    node.index = i
    nodes[node.name] = node
    if node.class == "InputLayer" then
      inputs = inputs + 1
      input = shape_in(node.config) or input
    end
  end
  local outputs = sources(config.output_layers, {}, 0)
  if inputs ~= 1 or #outputs ~= 1 then
    fail("the model has %d inputs and %d outputs; one of each has a counterpart", inputs, #outputs)
  end
  return chain_to(nodes, outputs[1], nil), input
end

--- The chain and the shape of a sample of a decoded model_config; fails with what has no counterpart.
function M.of(model_config)
  local config = model_config.config
  if type(config) ~= "table" or type(config.layers) ~= "table" then fail "model_config lists no layers" end
  local read = model_config.class_name == "Sequential" and sequential or functional
  local chain, input = read(config)
  if not input then fail "model_config does not say the shape of the model's input" end
  return chain, input
end

return M
