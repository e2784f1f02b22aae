--- Run files: how a training lies in an HDF5 file. runfile.write(path, record) and runfile.read(path) -> record.
--
--   record field   in the file
--   kind           "/" attributes format, format_version, created_by, created_utc, kind ("run", "checkpoint", "best",
--   "model") config, input, loss, layers, about
--                  /model: attributes config, input, loss (that it was trained with), about (of a saved model: what is
--                  known of its run, perilune.nn.about; all JSON), parameters;
--                  /model/layers/01_conv2d: attributes type, config; datasets weight, bias. Nested layers nest:
--                  03_residual/01_conv2d
--   best           /best/layers: the same again, for the best weights so far
--   final          /final/layers: the same, in a finished run's checkpoint, for the weights that on_end made
--   optimizer      /optimizer: attributes type, config, counters (JSON); below, a group a layer as in /model, whose
--                  datasets are the slots ("weight.m") and whose attributes repeat type and step
--   state          /state: attributes, one a field; tables as JSON
--   history        /history: a dataset a column; epoch is the dimension scale
--   evaluation     /evaluation: attributes; lists and matrices of numbers as datasets. Of a split "test" that has them:
--                  predictions in /evaluation/predictions/test (u8 or i32, a label a sample); right in
--                  /evaluation/right/test (u8, 1 where the prediction is the label); mistakes, the most confident
--                  first, in /evaluation/mistakes/test: datasets index (from 1), label, prediction, probability, and
--                  picture (u8 [n, H, W, C]) where samples are images
--   statistics     /statistics: epoch; below, a group a layer with weights_moments [epochs, 9] (mean, std, min, max,
--   ends of the
--                  histogram, counts of finite values, zeros, others), weights_histogram [epochs, 64], the same of
--                  gradients and outputs; dead, update [epochs]
--   provenance     /provenance: attributes; script as a dataset
--
-- What is written comes back equal, to the last bit and with whole floats still floats (perilune.exact).
local core = require "perilune.core"
local exact = require "perilune.base.lossless_json"
local evaluation = require "perilune.run.file_evaluation"
local fields_of = require "perilune.run.file_fields"
local printable = require "perilune.base.printable"
local raise = require "perilune.base.errors".raise
local statistics = require "perilune.train.statistics"
local store = core.store

local M = { format = "perilune-run", version = 2 }

local kinds = { run = true, checkpoint = true, best = true, model = true }
local fields = {
  kind = "string", config = "table", loss = "table", input = "table", layers = "table", best = "table", final = "table",
  about = "table", optimizer = "table", state = "table",
  history = "table", evaluation = "table", provenance = "table", created = "string",
  statistics = "table",
}

-- Layers ---------------------------------------------------------------------------------------------------------

--- { { layer =, name =, tensor =, type = }, ... }, as model:state() gives it, becomes a list of layers with tensors.
function M.grouped(list)
  local layers, by_name = {}, {}
  for _, item in ipairs(list) do
    if item.tensors then
      layers[#layers + 1] = item
    else
      local layer = by_name[item.layer]
      if not layer then
        layer = { layer = item.layer, type = item.type, tensors = {} }
        by_name[item.layer] = layer
        layers[#layers + 1] = layer
      end
      layer.tensors[#layer.tensors + 1] = { name = item.name, tensor = item.tensor, trained = item.trained }
    end
  end
  return layers
end

local function write_layers(w, root, layers, attrs)
  w:group(root)
  for _, layer in ipairs(M.grouped(layers)) do
    local path = root .. "/" .. layer.layer
    w:group(path)
    w:attr(path, "type", layer.type or (attrs and attrs.type) or layer.layer:match "_([^/]*)$" or "")
    if layer.config then w:attr(path, "config", exact.encode(layer.config)) end
    if attrs and attrs.step then w:attr(path, "step", attrs.step) end
    for _, item in ipairs(layer.tensors) do w:tensor(path .. "/" .. item.name, item.tensor) end
  end
end

local function read_layers(r, root, prefix, out)
  for _, name in ipairs(assert(r:list(root .. "/" .. prefix))) do
    local path = prefix .. name
    if assert(r:info(root .. "/" .. path)) == "group" then
      local attrs = assert(r:attrs(root .. "/" .. path))
      local layer = { layer = path, type = attrs.type, tensors = {} }
      if attrs.config then layer.config = assert(exact.decode(attrs.config)) end
      if attrs.type then out[#out + 1] = layer end
      for _, child in ipairs(assert(r:list(root .. "/" .. path))) do
        if assert(r:info(root .. "/" .. path .. "/" .. child)) ~= "group" then
          layer.tensors[#layer.tensors + 1] = { name = child,
            tensor = assert(r:tensor(root .. "/" .. path .. "/" .. child)) }
        end
      end
      read_layers(r, root, path .. "/", out)
    end
  end
  return out
end

-- Numbers that are trained: statistics (of batch normalization) are none.
local function parameters(layers)
  local count = 0
  for _, layer in ipairs(M.grouped(layers)) do
    for _, item in ipairs(layer.tensors) do
      if item.trained ~= false then count = count + item.tensor:count() end
    end
  end
  return count
end

-- Optimizer, history, evaluation ------------------------------------------------------------------------------------

local function write_optimizer(w, optimizer)
  w:group("/optimizer", { type = optimizer.type, config = exact.encode(optimizer.config or {}),
    counters = exact.encode(optimizer.counters or {}) })
  local counters = optimizer.counters or {}
  write_layers(w, "/optimizer", optimizer.layers or {},
    { type = optimizer.type, step = math.tointeger(counters.steps) })
end

local function read_optimizer(r)
  local attrs = assert(r:attrs "/optimizer")
  return {
    type = attrs.type, config = assert(exact.decode(attrs.config)), counters = assert(exact.decode(attrs.counters)),
    layers = read_layers(r, "/optimizer", "", {}),
  }
end

local function write_history(w, history)
  w:group "/history"
  local names = {}
  for _, name in ipairs(history.columns) do names[name] = true end
  fields_of.names(names, "history")
  for c, name in ipairs(history.columns) do
    local column = {}
    for i, row in ipairs(history.rows) do
      if row[c] ~= nil and type(row[c]) ~= "number" then
        raise("history: row %d, column '%s' is a %s, not a number", i, name, type(row[c]))
      end
      column[i] = row[c] == nil and 0 / 0 or row[c]
    end
    w:numbers("/history/" .. name, column)
    if name == "epoch" then w:scale("/history/epoch", "epoch") end
  end
end

local function read_history(r)
  local history = { columns = assert(r:list "/history"), rows = {} }
  for c, name in ipairs(history.columns) do
    for i, value in ipairs(assert(r:numbers("/history/" .. name))) do
      local row = history.rows[i] or {}
      history.rows[i] = row
      row[c] = value
    end
  end
  return history
end

local function write_provenance(w, provenance)
  local rest = {}
  for name, value in pairs(provenance) do rest[name] = value end
  rest.script = nil
  fields_of.write(w, "/provenance", rest, "provenance")
  if provenance.script then w:text("/provenance/script", provenance.script) end
end

local function read_provenance(r)
  local provenance = fields_of.read(r, "/provenance")
  if r:has "/provenance/script" then provenance.script = assert(r:text "/provenance/script") end
  return provenance
end

-- The whole -----------------------------------------------------------------------------------------------------------

local function check(record)
  for _, name in ipairs(fields_of.names(record, "record")) do
    if not fields[name] then raise("a run record has no field '%s'", name) end
    if type(record[name]) ~= fields[name] then
      raise("record.%s: expected a %s, got a %s", name, fields[name], type(record[name]))
    end
  end
  if not kinds[record.kind] then
    raise("record.kind: expected 'run', 'checkpoint', 'best' or 'model', got '%s'", tostring(record.kind))
  end
end

local function fill(w, record)
  local root = {
    format = M.format, format_version = M.version, kind = record.kind,
    created_by = "Perilune " .. core.system.version(),
    created_utc = record.created or os.date "!%Y-%m-%dT%H:%M:%SZ",
  }
  w:group("/", root)
  if record.config or record.layers then
    w:group("/model", { config = record.config and exact.encode(record.config, "config"),
      parameters = parameters(record.layers or {}) })
    if record.input then w:attr("/model", "input", exact.encode(record.input)) end
    if record.loss then w:attr("/model", "loss", exact.encode(record.loss)) end
    if record.about then w:attr("/model", "about", exact.encode(record.about, "about")) end
    if record.layers then write_layers(w, "/model/layers", record.layers) end
  end
  if record.best then write_layers(w, "/best/layers", record.best) end
  if record.final then write_layers(w, "/final/layers", record.final) end
  if record.optimizer then write_optimizer(w, record.optimizer) end
  if record.state then fields_of.write(w, "/state", record.state, "state") end
  if record.history then write_history(w, record.history) end
  if record.evaluation then evaluation.write(w, record.evaluation) end
  if record.statistics then statistics.write(w, record.statistics, exact.encode) end
  if record.provenance then write_provenance(w, record.provenance) end
end

--- Writes the record, atomically: true; or nil and a message, and then an earlier file is as it was. Raises when the
--- record holds what a file cannot keep.
function M.write(path, record)
  check(record)
  local w <close>, message = store.create(path)
  if not w then return nil, message end
  local ok, problem = pcall(fill, w, record)
  if not ok then raise("%s", (tostring(problem):gsub("^perilune/[%w_/]+%.lua:%d+: ", ""))) end
  return w:commit()
end

local function read_root(r)
  local root = assert(r:attrs "/")
  if root.format ~= M.format then
    error(("it holds no Perilune run and no model (%s)"):format(root.model_config
      and "but one of Keras: perilune import reads it" or "its format is " .. tostring(root.format or "unknown")), 0)
  end
  if math.type(root.format_version) ~= "integer" or root.format_version > M.version then
    error(("it has format version %s, and this program reads up to %d: use a newer Perilune"):format(
      tostring(root.format_version), M.version), 0)
  end
  return { kind = root.kind, created = root.created_utc }
end

local function read_head(r)
  local record = read_root(r)
  if r:has "/state" then record.state = fields_of.read(r, "/state") end
  if r:has "/evaluation" then record.evaluation = fields_of.read(r, "/evaluation") end
  if r:has "/provenance" then record.provenance = fields_of.read(r, "/provenance") end
  return record
end

local function read_all(r, tensors)
  local record = read_root(r)
  if r:has "/model" then
    local attrs = assert(r:attrs "/model")
    record.config = attrs.config and assert(exact.decode(attrs.config))
    record.input = attrs.input and assert(exact.decode(attrs.input))
    record.loss = attrs.loss and assert(exact.decode(attrs.loss))
    record.about = attrs.about and assert(exact.decode(attrs.about))
    if tensors and r:has "/model/layers" then record.layers = read_layers(r, "/model/layers", "", {}) end
  end
  if tensors and r:has "/best/layers" then record.best = read_layers(r, "/best/layers", "", {}) end
  if tensors and r:has "/final/layers" then record.final = read_layers(r, "/final/layers", "", {}) end
  if tensors and r:has "/optimizer" then record.optimizer = read_optimizer(r) end
  if r:has "/state" then record.state = fields_of.read(r, "/state") end
  if r:has "/history" then record.history = read_history(r) end
  if r:has "/evaluation" then record.evaluation = evaluation.read(r) end
  if r:has "/statistics" then record.statistics = statistics.read(r, exact.decode) end
  if r:has "/provenance" then record.provenance = read_provenance(r) end
  return record
end

--- The record in a file; or nil and a message. { tensors = false } leaves out weights and optimizer. The second value
--- is the file's SHA-256. Names and texts in it are safe to print; { raw = true }: as they are, to be compared and gone
-- on with.
function M.read(path, opts)
  local r <close>, message = store.open(path)
  if not r then return nil, message end
  opts = opts or {}
  local ok, record = pcall(opts.head and read_head or read_all, r, opts.tensors ~= false)
  if not ok then return nil, printable.text(path .. ": " .. tostring(record)) end
  return opts.raw and record or printable.record(record), r:digest()
end

--- How many numbers of the model in a file are trained; nil where it holds none.
function M.parameters(path)
  local r <close> = store.open(path)
  return r and r:has "/model" and (r:attrs "/model" or {}).parameters or nil
end

--- The layers with the weights that the run's results are of: of a finished run's checkpoint, which goes on from the
--- last epoch's, those that on_end made, or those of the best epoch, if a rule chose one.
function M.result_layers(record)
  local ended = record.kind == "checkpoint" and record.state and record.state.ended
  return ended and (record.final or record.best) or record.layers
end

local function shape_of(t) return ("%s [%s]"):format(t.dtype, table.concat(t.shape, ", ")) end

--- Copies the tensors of record.layers (or .best, or .optimizer.layers) into those of model:state() (or
--- optimizer:state()), which must have the same names and shapes: true; or nil and a message, and then none is changed.
function M.restore(state, layers)
  local given = {}
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do given[layer.layer .. "/" .. item.name] = item.tensor end
  end
  local used = {}
  for _, item in ipairs(state) do
    local name = item.layer .. "/" .. item.name
    if not given[name] then return nil, ("%s is missing"):format(name) end
    local want, found = shape_of(item.tensor), shape_of(given[name])
    if want ~= found then return nil, ("%s: expected %s, found %s"):format(name, want, found) end
    used[name] = true
  end
  for name in pairs(given) do
    if not used[name] then return nil, ("%s has no place here"):format(name) end
  end
  for _, item in ipairs(state) do item.tensor:copy_(given[item.layer .. "/" .. item.name]) end
  return true
end

return M
