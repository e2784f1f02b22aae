--- pl.run and pl.runs: runs that lie in folders, as the same objects that experiment:run returns.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local folder = require "perilune.run.folder"
local history = require "perilune.run.history"
local log = require "perilune.run.log"
local printable = require "perilune.base.printable"
local raise = errors.raise
local result = require "perilune.run.result"
local store = core.store

local M = {}

--- The fields of a run that a record holds; see result.lua for their meaning.
function M.fields(record)
  local s, p, evaluation = record.state or {}, record.provenance or {}, record.evaluation or {}
  local identity, past = s.identity or {}, history.new(record.history)
  local given = {}
  for _, word in ipairs(identity.arguments or {}) do
    local name, value = word:match "^([^=]*)=(.*)$"
    if name then given[name] = tonumber(value) or value end
  end
  return {
    name = identity.name or "model", seed = s.seed, epochs = p.epochs, threads = p.threads, state = s, history = past,
      identity = identity,
    labels = identity.labels, planned = p.planned or p.epochs, documented = p.documented, arguments = p.values or given,
    evaluation = evaluation, test = evaluation.test, val = evaluation.val,
      predictions = (evaluation.test or {}).predictions,
    best = s.best, ended = s.ended or "interrupted", seconds = history.sum(past, "seconds") + (s.seconds or 0),
      created = record.created,
  }
end

local function load_fields(run)
  local record, message = require "perilune.run.file".read(run.file, { tensors = false })
  if not record then return nil, message end
  if not record.state then
    return nil, ("%s is a %s, not a run"):format(run.file, record.kind == "model" and "model" or "file")
  end
  for name, value in pairs(M.fields(record)) do run[name] = value end
  return true
end

local function load_model(run)
  return (errors.must(require "perilune.nn.model_file".load_model(run.file)))
end

local function new(path, file)
  return result.saved({ path = path, file = file, load = load_fields, load_model = load_model })
end

--- The run in a folder (or in one of its files: best.h5 has the weights of the best epoch); or nil and a message.
function M.run(path)
  if type(path) ~= "string" then
    raise('run takes a folder, such as pl.run "runs/a-first-network-s1", got a %s', type(path))
  end
  path = #path > 1 and path:gsub("/+$", "") or path
  local kind = core.system.kind(path)
  if not kind then return nil, ("there is no run %s"):format(path) end
  local file = path
  if kind == "folder" then
    file = folder.find(path)
    if not file then return nil, ("%s holds no run: there is neither run.h5 nor checkpoint.h5 in it"):format(path) end
  else
    path = path:match "^(.*)/[^/]*$" or "."
  end
  local run = new(path, file)
  local ok, message = load_fields(run)
  if not ok then return nil, message end
  return run
end

--- The results of a run's final weights, and whose they are, as a row of the history: { epoch =, seconds =, test_error
--- =, ... }.
function M.final(run)
  local row = { epoch = run.best and run.best.epoch or run.state.epoch, step = run.state.step, seconds = run.seconds }
  for split, found in pairs { test = run.test or {}, val = run.val or {} } do
    for name, value in pairs(found) do
      if type(value) == "number" and name ~= "correct" and name ~= "count" then row[split .. "_" .. name] = value end
    end
  end
  for name, value in pairs(run.evaluation.metrics or {}) do row[name] = value end
  return row
end

-- Numbers that JSON does not know become nothing, and so do tensors.
local function plain(value)
  if type(value) == "number" then return value - value == 0 and value or nil end
  if type(value) == "userdata" then return nil end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = plain(item) end
  return copy
end

--- A run as JSON: what it is, its history (a list of rows), and the results of its final weights (of classes: with the
--- confusion matrix, [actual][predicted]).
function M.json(run)
  local s, identity = run.state, run.identity
  local rows = {}
  for i = 1, #run.history do rows[i] = plain(run.history[i]) end
  return core.json.encode({
    name = run.name, path = run.path, script = identity.path, arguments = plain(run.arguments), data = identity.data,
    labels = run.labels, seed = run.seed,
    ended = run.ended, epoch = s.epoch, epochs = run.epochs, best = plain(run.best), seconds = plain(run.seconds),
    saved = run.created,
    edited = s.edited, weights_sha256 = s.weights_sha256, test_evaluations = s.test_evaluations,
    history = core.json.list(rows),
    test = plain(run.test), val = plain(run.val),
    metrics = plain(run.evaluation.metrics),
  }, true)
end

--- The fields that the last line of a finished run's log holds: enough to list it by, without its HDF5 files.
function M.summary(run)
  local function scalars(of)      -- JSON knows no NaN and no infinity
    local found = {}
    for name, value in pairs(of or {}) do
      if type(value) == "string" or type(value) == "number" and value - value == 0 then found[name] = value end
    end
    return of and found
  end
  return core.json.encode(printable.in_utf8 { summary = {
    name = run.name, seed = run.seed, epochs = run.epochs, planned = run.planned, epoch = run.state.epoch,
      arguments = run.arguments,
    ended = run.ended,
    best = scalars(run.best), test = scalars(run.test), val = scalars(run.val),
      metrics = scalars(run.evaluation.metrics), seconds = run.seconds,
    created = os.date "!%Y-%m-%dT%H:%M:%SZ", data = run.identity.data, data_sha256 = run.identity.data_sha256,
    edited = run.state.edited, bytes = log.bytes(run.path),
    last = scalars(run.history[#run.history]),
  } })
end

local summarized = { "name", "seed", "epochs", "planned", "arguments", "ended", "best", "seconds", "created" }

-- A run of which only what a list shows was read: `fields`, and `listed` as in a summary.
local function listed_run(path, file, fields, listed)
  local run = new(path, file)
  for _, name in ipairs(summarized) do run[name] = fields[name] end
  run.listed = listed
  return run
end

-- A finished run, from the last line of its log.
local function from_summary(path, file, summary)
  if type(summary.name) ~= "string" then return nil end
  return listed_run(path, file, summary, summary)
end

-- An unfinished one, from its log and the attributes of its file; nil where the two are of different epochs.
local function from_head(path, file, last)
  local record = require "perilune.run.file".read(file, { head = true })
  if not record or not record.state or record.state.epoch ~= last.epoch then return nil end
  local fields, rows = M.fields(record), log.rows(path)
  for epoch = 1, last.epoch do fields.seconds = fields.seconds + (rows[epoch] and rows[epoch].seconds or 0) end
  return listed_run(path, file, fields, { epoch = last.epoch, data = fields.identity.data, test = fields.test,
    val = fields.val, metrics = fields.evaluation.metrics, last = last })
end

local function listed(path, file)
  local last = log.last(path)
  if not last then return nil end
  if type(last.summary) == "table" then      -- of a file that was cut off, its own reading tells
    return log.is_of(last.summary, path) and from_summary(path, file, last.summary) or nil
  end
  return math.tointeger(last.epoch) and from_head(path, file, last)
end

-- Visits the runs below a folder, and the trials that failed before there was one (without a file). A folder that has
-- two names, by a link that leads back or aside, counts once; one that vanished meanwhile, not at all.
local function each_folder(path, seen, visit)
  local names, id = store.listdir(path), core.system.file_id(path)
  if not names or not id or seen[id] then return end
  seen[id] = true
  local file = folder.find(path)
  if file or store.exists(path .. "/failed.txt") then return visit(path, file) end
  for _, name in ipairs(names) do
    if name:sub(1, 1) ~= "." then
      local inner = path .. "/" .. name
      if core.system.kind(inner) == "folder" then each_folder(inner, seen, visit) end
    end
  end
end

--- All runs in the folders below `path` ("runs"), sorted by folder; second, a list of { path =, message = } of what
--- could not be read. `filter`: a function(run) -> boolean, or text such as "lr>=1e-3 ended=epochs name~lenet" (see
--- filter.lua).
function M.runs(path, filter)
  path = path == nil and "runs" or path
  if type(path) ~= "string" then raise('runs takes a folder, such as pl.runs "runs", got a %s', type(path)) end
  local kind = core.system.kind(path)
  if kind ~= "folder" then
    return nil, (kind and "%s is no folder of runs" or "there is no folder %s"):format(path)
  end
  local list, problems = {}, {}
  each_folder(#path > 1 and path:gsub("/+$", "") or path, {}, function(place, file)
    local run, message = file and listed(place, file), nil
    if not file then
      message = "failed before anything was saved: " .. (store.read_text(place .. "/failed.txt") or ""):match "^[^\n]*"
    elseif not run then run, message = M.run(place) end
    if run then list[#list + 1] = run else problems[#problems + 1] = { path = place, message = message } end
  end)
  return require "perilune.run.filter".apply(list, filter), problems
end

return M
