--- pl.save and pl.load: tables of tensors as files; model:save and nn.load: models.
local core = require "perilune.core"
local options = require "perilune.base.options"
local printable = require "perilune.base.printable"
local errors = require "perilune.base.errors"
local raise, must = errors.raise, errors.must
local runfile = require "perilune.run.file"
local store = core.store

local M = {}

local FORMAT, VERSION, DEEPEST = "perilune-tensors", 1, 64
local reserved = { format = true, format_version = true, created_by = true }

local function check_name(name, path)
  if type(name) ~= "string" then raise("save: %s has a %s as a key; give each entry a name", path, type(name)) end
  if name == "" or name:find "[/%z]" or name == "." or name == ".." or #name > 255 then
    raise("save: '%s' in %s cannot be a name in a file: expected 1 to 255 bytes without '/'", name, path)
  end
end

local function save_table(w, path, t, depth)
  if depth > DEEPEST then raise("save: tables nest deeper than %d (or contain themselves)", DEEPEST) end
  local names = {}
  for name in pairs(t) do
    check_name(name, path == "" and "the table" or path)
    if depth == 0 and reserved[name] then
      raise("save: '%s' is reserved for the file itself; choose another name", name)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  w:group(path)
  for _, name in ipairs(names) do
    local value, inner = t[name], path .. "/" .. name
    if type(value) == "table" then save_table(w, inner, value, depth + 1)
    elseif type(value) == "userdata" then w:tensor(inner, value)
    elseif type(value) == "function" or type(value) == "thread" then
      raise("save: %s is a %s; expected tensors, numbers, strings, booleans or tables of them", inner, type(value))
    else w:attr(path, name, value) end
  end
end

--- Saves a table of tensors, numbers, strings and booleans; nested tables become groups. Atomic: on failure, an
--- error, an earlier file is as it was. pl.save("x.h5", { weight = w, scale = 0.5, layer = { bias = b } }) -> true
function M.save(path, t)
  if type(path) ~= "string" then
    raise("save takes the name of a file and a table, got %s first", options.describe(path))
  end
  if type(t) ~= "table" then
    raise("save takes a table of named tensors, got %s; write pl.save(path, { name = tensor })", options.describe(t))
  end
  local w <close> = must(store.create(path))
  w:group("/", { format = FORMAT, format_version = VERSION, created_by = "Perilune " .. core.system.version() })
  save_table(w, "", t, 0)
  return must(w:commit())
end

-- `skipped`: takes the data sets that cannot become tensors, path -> why; nil: those are errors.
local function load_table(r, path, depth, skipped)
  if depth > DEEPEST then error(("groups nest deeper than %d"):format(DEEPEST), 0) end
  local t = assert(r:attrs(path))
  for _, name in ipairs(assert(r:list(path))) do
    local inner = path .. "/" .. name
    local kind, problem = r:info(inner)
    if kind == "group" then t[name] = load_table(r, inner, depth + 1, skipped)
    elseif kind then
      local value
      value, problem = (kind == "text" and r.text or r.tensor)(r, inner)
      kind, t[name] = value ~= nil, value
    end
    if not kind and not skipped then error(problem, 0) end
    if not kind then skipped[inner] = printable.text(problem) end
  end
  return t
end

--- What pl.save saved; or nil and a message. Any file of Perilune can be loaded so, a run's too. { foreign = true }
--- reads HDF5 files of other programs: nothing then proves that they are whole, and what in them cannot become a tensor
--- (lists of strings, compounds) is left out: the second value is a table, path -> why.
function M.load(path, opts)
  if type(path) ~= "string" then raise("load takes the name of a file, got %s", options.describe(path)) end
  opts = options.read("pl.load", opts, { foreign = false })
  local r <close>, message = store.open(path, opts)
  if not r then return nil, message end
  local skipped = opts.foreign and {} or nil
  local ok, t = pcall(load_table, r, "", 0, skipped)
  if not ok then return nil, printable.text(path .. ": " .. tostring(t)) end
  if t.format == FORMAT then
    for name in pairs(reserved) do t[name] = nil end
  end
  return t, skipped
end

--- Saves a model, its description, its weights, and what it knows of its run: true, or an error.
function core.nn.methods.save(model, path)
  if type(path) ~= "string" then
    raise("save takes the name of a file, got %s; write model:save('digits.h5')", options.describe(path))
  end
  local _, input = model:sizes()
  return must(runfile.write(path, { kind = "model", config = model:config(), input = input, layers = model:state(),
    loss = require "perilune.nn.decision".described(model), about = require "perilune.nn.about".of(model) }))
end

-- The record of the model in a file, or in a run's folder; or nil and a message.
local function read_model(path, what)
  if type(path) ~= "string" then
    raise("%s takes the name of a file or of a run's folder, got %s", what, options.describe(path))
  end
  local file, problem = require "perilune.run.folder".file_of(path)
  if not file then return nil, problem end
  local record, message = runfile.read(file, { raw = true })
  if not record then
    return nil, (message:gsub("%(an HDF5 file of another program .-%)",
      "(models of Keras and weights in safetensors are read by perilune import)"))
  end
  record.layers = runfile.result_layers(record)
  if not record.config or not record.layers then return nil, file .. ": holds no model" end
  return record, file
end

local function has_lambda(config)
  if type(config) ~= "table" then return false end
  local found = config.type == "Lambda"
  for _, inner in ipairs(type(config.layers) == "table" and config.layers or {}) do
    found = found or has_lambda(inner)
  end
  return found
end

--- The model in a file (a saved model, any file of a run, or the run's folder); or nil and a message.
function M.load_model(path)
  local record, file = read_model(path, "load")
  if not record then return nil, file end
  if has_lambda(record.config) then
    return nil, file .. ": its model has a Lambda, whose functions no file keeps; build the model in your script, " ..
      "then model:load(path)"
  end
  local ok, model, loss = pcall(function()
    local m = core.nn.from_config(record.config)
    if record.input then m:build(record.input) end
    return m, record.loss and core.loss.from_config(record.loss)
  end)
  if not ok then return nil, printable.text(("%s: %s"):format(file, tostring(model))) end
  local done, why = runfile.restore(model:state(), record.layers)
  if not done then return nil, printable.text(("%s: %s"):format(file, why)) end
  require "perilune.nn.weights".mark(model, path)
  local abouts = require "perilune.nn.about"
  local about = abouts.of_record(record)
  abouts.remember(model, about)
  require "perilune.nn.decision".remember(model, loss, about and about.regression)
  return model
end

return M
