--- What files keep of a run: records built from a trainer (see run/file.lua for their fields), and given back to one.
local core = require "perilune.core"
local system = core.system
local errors = require "perilune.base.errors"
local exact = require "perilune.base.lossless_json"
local history = require "perilune.run.history"
local runfile = require "perilune.run.file"

local M = {}

local function configs(layer, found)
  local path = layer:path()
  if path ~= "" then found[path] = layer:config().config end
  for i = 1, #layer do configs(layer[i], found) end
  return found
end

--- The layers of a model; `snapshot`: with other values than its present ones.
function M.layers(model, snapshot)
  local layers, config = runfile.grouped(snapshot or model:state()), configs(model, {})
  for _, layer in ipairs(layers) do layer.config = config[layer.layer] end
  return layers
end

--- The SHA-256 of parameters and statistics in order: of model:state() or a snapshot.
function M.digest(list)
  local tensors = {}
  for i, item in ipairs(list) do tensors[i] = item.tensor end
  return core.store.sha256(table.unpack(tensors))
end

--- Copies what a file kept into `list` (model:state(), optimizer:state() or a snapshot). Raises when they do not fit.
function M.fill(list, layers, path)
  local ok, message = runfile.restore(list, layers)
  if not ok then errors.fail(1, "%s does not fit this experiment: %s; start anew with --fresh", path, message) end
end

-- Two names of one table would be two tables after a resume.
local function check_shared(value, path, seen)
  if type(value) ~= "table" then return end
  if seen[value] then
    error(("%s and %s are one table, and would be two after a resume"):format(seen[value], path), 0)
  end
  seen[value] = path
  for key, item in next, value do check_shared(item, path .. "." .. tostring(key), seen) end
end

--- A copy of ctx.state, as a file would give it back. Raises where no file can keep it.
function M.copy_of_user(user)
  local ok, kept = pcall(exact.encode, user, "ctx.state")
  if not ok then error(kept .. "; keep numbers, strings, booleans and tables of them there", 0) end
  check_shared(user, "ctx.state", {})
  return assert(exact.decode(kept))
end

local function state_of(trainer, identity, kind)
  local state = {}
  for key, value in pairs(trainer.state) do state[key] = value end
  local user = kind == "checkpoint" and trainer.before_end and trainer.before_end.user or trainer.ctx.state
  M.copy_of_user(user)      -- raises what no file can keep
  state.user, state.identity = user, identity
  return state
end

--- Are the evaluations that a trainer in this state has those of the weights that a file of this kind holds? `final`:
--- the weights that on_end made, if it did.
function M.is_evaluated(kind, state, final)
  if kind == "checkpoint" or state.ended then return kind ~= "best" or final == nil end
  if kind == "best" then return state.best.epoch == state.epoch end
  return state.batch == 0
end

--- The record of a trainer. kind: "checkpoint" (the weights being trained, and all that continuing takes), "run" (the
-- weights as they are now) or "best".
function M.of(trainer, kind, identity, threads)
  local processor, isa = system.processor()
  local opt, model = (trainer.before_end or trainer).optimizer, trainer.model
  local _, input = model:sizes()
  local record = {
    kind = kind, config = model:config(), input = input, history = history.saved(trainer.history),
    evaluation = M.is_evaluated(kind, trainer.state, trainer.final) and trainer.evaluation or nil,
    statistics = trainer.statistics,
    state = state_of(trainer, identity, kind), loss = require "perilune.nn.decision".described(model),
    provenance = { script = identity.script, arguments = table.concat(identity.arguments, " "),
      data_sha256 = identity.data_sha256,
      preparation = require "perilune.data.preparation".of(trainer.e.splits.train),
      build = system.version(), compiler = system.compiler(), epochs = trainer.epochs, planned = trainer.e.epochs,
      threads = threads, documented = trainer.e.documented, values = trainer.e.script and trainer.e.script.values,
      processor = ("%s (%s)"):format(processor, isa) },
  }
  if kind ~= "checkpoint" then
    local list = kind == "best" and trainer.best or trainer.now or model:state()
    record.state.weights_sha256 = M.digest(list)
    record.layers = M.layers(model, list)
    return record
  end
  record.layers = M.layers(model, trainer.last)
  record.best = trainer.best and M.layers(model, trainer.best) or nil
  record.final = trainer.final and M.layers(model, trainer.final) or nil
  local config = opt:config()
  record.optimizer = { type = config.type, config = config.config, counters = opt:counters(),
    layers = runfile.grouped(opt:state()) }
  return record
end

--- The state, history, ctx.state and evaluation that a record holds.
function M.parts(record)
  local state = {}
  for key, value in pairs(record.state) do state[key] = value end
  local user = state.user or {}
  state.user, state.identity = nil, nil
  return state, history.new(record.history), user, record.evaluation or {}
end

return M
