--- What files keep of a run, as plain tables: built from a trainer, and given back to one.
local core = require "perilune.core"
local system = core.system
local plain = require "perilune.plain"
local history = require "perilune.history"

local M = {}

local function configs(layer, found)
  local path = layer:path()
  if path ~= "" then found[path] = layer:config().config end
  for i = 1, #layer do configs(layer[i], found) end
  return found
end

-- { layer, name, tensor } in a row -> { layer, type, config, tensors = {{ name, tensor }} } a layer
local function by_layer(list, config)
  local layers, index = {}, {}
  for _, item in ipairs(list) do
    local layer = index[item.layer]
    if not layer then
      layer = { layer = item.layer, type = item.type, config = config and config[item.layer], tensors = {} }
      index[item.layer] = layer
      layers[#layers + 1] = layer
    end
    layer.tensors[#layer.tensors + 1] = { name = item.name, tensor = item.tensor }
  end
  return layers
end

--- The layers of a model as a file keeps them; `snapshot`: other values than its present ones.
function M.layers(model, snapshot)
  return by_layer(snapshot or model:state(), configs(model, {}))
end

--- Copies what a file kept into tensors: `list` is model:state() or optimizer:state(). Raises when something is missing.
function M.fill(list, layers, what)
  local kept = {}
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do kept[layer.layer .. "/" .. item.name] = item.tensor end
  end
  for _, item in ipairs(list) do
    local name = item.layer .. "/" .. item.name
    local tensor = kept[name]
    if not tensor then error({ message = ("the file has no %s %s"):format(what, name) }, 0) end
    item.tensor:copy_(tensor)
  end
end

local function copy_state(trainer, identity)
  local state = {}
  for key, value in pairs(trainer.state) do state[key] = value end
  local user, why = plain.encode(trainer.ctx.state, "ctx.state")
  if user == nil then error({ message = why .. "; only numbers, strings, booleans and tables of them can be kept in a checkpoint" }, 0) end
  state.user, state.identity = user, identity
  -- stopping rules keep numbers that must come back to the last bit, not-a-number included
  state.stopping = trainer.state.stopping and plain.encode(trainer.state.stopping) or nil
  return state
end

--- The record of a trainer. kind: "checkpoint" (the weights being trained, and all the rest), "run" or "best".
function M.of(trainer, kind, identity, threads)
  local processor, isa = system.processor()
  local opt = trainer.optimizer
  local record = {
    kind = kind, config = trainer.model:config(), history = history.saved(trainer.history), evaluation = trainer.evaluation,
    state = copy_state(trainer, identity),
    provenance = { script = identity.script, arguments = table.concat(identity.arguments, " "), data_sha256 = identity.data_sha256,
      build = system.version(), compiler = system.compiler(), threads = threads, processor = ("%s (%s)"):format(processor, isa) },
  }
  if kind == "checkpoint" then
    record.layers = M.layers(trainer.model, trainer.last)
    record.best = trainer.best and M.layers(trainer.model, trainer.best) or nil
    local config = opt:config()
    record.optimizer = { type = config.type, config = config.config, counters = opt:counters(), layers = by_layer(opt:state()) }
  else
    record.layers = M.layers(trainer.model, kind == "best" and trainer.best or nil)
  end
  return record
end

--- The state, history, ctx.state and evaluation that a record holds.
function M.parts(record)
  local state = {}
  for key, value in pairs(record.state) do state[key] = value end
  local user = plain.decode(state.user) or {}
  state.stopping = state.stopping and plain.decode(state.stopping) or nil
  state.user, state.identity = nil, nil
  return state, history.new(record.history), user, record.evaluation or {}
end

return M
