--- Weights for models that are there already: model:load, and where an experiment's training starts (its field
-- `start`).
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local sorted_keys = require "perilune.base.sorted_keys"
local raise = errors.raise

local M = {}

--- M.mark(model, from, run) notes that a model's weights are worth something: `from` says where they are from; nil:
-- they are as if just drawn. `run`: they are that run's, which matters only in a larger model. The binding notes what
-- optimizer:step() moves, sees what the script has written, forgets what is drawn anew, and keeps the weights of a
-- model that becomes part of a larger one. M.origin(model) -> from, run.
M.mark, M.origin = core.nn.mark_origin, core.nn.origin

local List = { __name = "loaded weights" }

function List:__tostring()
  local lines = {}
  for i, entry in ipairs(self) do lines[i] = ("%s: %s"):format(entry.name, entry.loaded and "loaded" or entry.why) end
  return table.concat(lines, "\n")
end

local function shape_of(t) return ("%s [%s]"):format(t.dtype, table.concat(t.shape, ", ")) end

-- What of `layers` (of a file) fits the parameters and statistics in `state`: entries { name =, loaded =, why =, from
-- =, to = }.
local function match(state, layers)
  local given, list = {}, setmetatable({}, List)
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do given[layer.layer .. "." .. item.name] = item.tensor end
  end
  for _, item in ipairs(state) do
    local name = item.layer .. "." .. item.name
    local entry, found = { name = name, loaded = false }, given[name]
    if not found then entry.why = "the file has none"
    elseif shape_of(found) ~= shape_of(item.tensor) then
      entry.why = ("the file's is %s, the model's %s"):format(shape_of(found), shape_of(item.tensor))
    else entry.loaded, entry.from, entry.to = true, found, item.tensor end
    list[#list + 1], given[name] = entry, nil
  end
  for _, name in ipairs(sorted_keys(given)) do
    list[#list + 1] = { name = name, loaded = false, why = "the model has none" }
  end
  return list
end

local function first_misfit(list)
  local first, count = nil, 0
  for _, entry in ipairs(list) do
    if not entry.loaded then first, count = first or entry, count + 1 end
  end
  return first and ("%s: %s%s"):format(first.name, first.why, count > 1 and (" (and %d more)"):format(count - 1) or "")
end

-- The record of a model's or run's file, or of the run in a folder; or nil and a message.
local function read(path)
  local file, problem = require "perilune.run.folder".file_of(path)
  if not file then return nil, problem end
  local runfile = require "perilune.run.file"
  local record, message = runfile.read(file)
  if not record then return nil, message end
  record.layers = runfile.result_layers(record)
  if not record.layers then return nil, file .. ": holds no model" end
  return record
end

--- Loads the weights of a file, or of the run in a folder, into this model: the list of what was loaded, a parameter or
-- statistic an entry { name =, loaded = true } or { name =, loaded = false, why = }. All must fit, unless partial =
-- true: then something must. An error changes nothing.
function core.nn.methods.load(model, path, opts)
  if type(path) ~= "string" then
    raise("load takes the name of a file or a run's folder, got %s", options.describe(path))
  end
  local o = options.read("load", opts, { partial = false })
  local record = errors.must(read(path))
  local _, input = model:sizes()
  if not input and record.input then model:build(record.input) end
  local list = match(model:state(), record.layers)
  local misfit = first_misfit(list)
  if misfit and not o.partial then
    raise("%s does not fit this model: %s; { partial = true } loads what fits", path, misfit)
  end
  local loaded = false
  for _, entry in ipairs(list) do
    if entry.loaded then
      entry.to:copy_(entry.from)
      loaded = true
    end
    entry.from, entry.to = nil, nil
  end
  if not loaded and misfit then raise("nothing in %s fits this model: %s", path, misfit) end
  local abouts = require "perilune.nn.about"
  if not misfit then abouts.remember(model, abouts.of_record(record)) end
  M.mark(model, path)
  return list
end

-- The weights of a file as a snapshot of this model (see epochs.lua).
local function from_file(model, path)
  local record, message = read(path)
  if not record then errors.raise("pl.experiment: start: %s", message) end
  local list = match(model:state(), record.layers)
  local misfit = first_misfit(list)
  if misfit then
    errors.raise("pl.experiment: start: %s does not fit the model: %s; to take what fits: model:load(%q, { " ..
      "partial = true }) and start = \"keep\"",
      path, misfit, path)
  end
  local snapshot = {}
  for i, item in ipairs(model:state()) do
    snapshot[i] = { layer = item.layer, type = item.type, name = item.name, trained = item.trained,
      tensor = list[i].from }
  end
  return snapshot
end

--- Raises where a run of `e` would draw new weights over some that are worth keeping, and nothing says so.
function M.check(e)
  local from = M.origin(e.model)
  if e.start ~= nil or not from then return end
  errors.raise('pl.experiment: the model has the weights of %s, and a run would draw new ones; add start = "keep" ' ..
    '(these weights) or start = "new" (from the seed)', from)
end

--- The weights that experiment `e` starts with: a snapshot and its digest, or nil where they are drawn from the seed;
-- or nil, nil and what is wrong, where the file is not there: a run that is continued does not need it any more.
function M.start(e)
  M.check(e)
  local start = e.start
  if start == nil or start == "new" then return nil end
  if start ~= "keep" and core.system.kind(start) == nil then
    return nil, nil, ("pl.experiment: start: there is no %s"):format(start)
  end
  local snapshot = start == "keep" and require "perilune.epochs".snapshot(e.model) or from_file(e.model, start)
  return snapshot, require "perilune.run.record".digest(snapshot)
end

--- Raises where a run that begins now lacks the file that it is to start from.
function M.needed(e)
  if e.start_lost then errors.fail(1, "%s", e.start_lost) end
end

return M
