--- experiments/results.csv: a line a row and seed, with what came of it. A finished run folder becomes such a line.
--- A line whose seed is "1-5" is a mean over these seeds, from before each was kept; lines of all of them replace it.
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local history = require "perilune.run.history"
local metrics = require "perilune.train.metrics"
local rows = require "perilune.reproduce.rows"
local runfile = require "perilune.run.file"
local script = require "perilune.script"
local store = core.store

local M = { columns = { "row", "seed", "metric", "error", "epochs", "seconds", "weights_sha256", "version",
  "processor" } }

local numeric = { metric = true, error = true, epochs = true, seconds = true }

--- The test errors of rows trained in PyTorch (experiments/pytorch.py): { [name of row] = list of numbers }.
function M.peer(folder)
  local path = (folder or rows.folder()) .. "/pytorch.csv"
  local by_row = {}
  local lines, message = csv.decode(store.read_text(path) or "row,error\n")
  if not lines then errors.fail(1, "%s: %s", path, message) end
  for _, line in ipairs(lines) do
    by_row[line.row] = by_row[line.row] or {}
    table.insert(by_row[line.row], tonumber(line.error))
  end
  return by_row
end

--- All results: { [name of row] = list of { seed, error, ... } by seed }.
function M.read(folder)
  local path = (folder or rows.folder()) .. "/results.csv"
  local text = store.read_text(path)
  if not text then return {} end
  local lines, message = csv.decode(text)
  if not lines then errors.fail(1, "%s: %s", path, message) end
  local by_row = {}
  for _, line in ipairs(lines) do
    for name in pairs(numeric) do line[name] = tonumber(line[name]) end
    line.seed = math.tointeger(tonumber(line.seed)) or line.seed
    by_row[line.row] = by_row[line.row] or {}
    table.insert(by_row[line.row], line)
  end
  return by_row
end

--- Writes them, in the order of the index.
function M.write(by_row, folder)
  local lines = {}
  for _, row in ipairs(rows.index().rows) do
    local list = by_row[row.name] or {}
    table.sort(list, function(a, b) return (tonumber(a.seed) or 0) < (tonumber(b.seed) or 0) end)
    table.move(list, 1, #list, #lines + 1, lines)
  end
  return store.write_text((folder or rows.folder()) .. "/results.csv", csv.encode(M.columns, lines))
end

--- The seeds that a line is of: first, last.
function M.seeds(line)
  local first, last = tostring(line.seed):match "^(%d+)%-?(%d*)$"
  return math.tointeger(first), math.tointeger(last) or math.tointeger(first)
end

-- Are all seeds of a mean there, each in its own line?
local function replaced(old, list)
  local first, last = M.seeds(old)
  local there = {}
  for _, line in ipairs(list) do there[line.seed] = true end
  for seed = first, last do
    if not there[seed] then return false end
  end
  return true
end

--- Takes a line over. An earlier one of the same seed gives way; a mean over seeds does when each of them is there.
function M.put(by_row, line)
  local list, kept = by_row[line.row] or {}, { line }
  for _, old in ipairs(list) do
    if old.seed ~= line.seed and math.type(old.seed) == "integer" then kept[#kept + 1] = old end
  end
  for _, old in ipairs(list) do
    if math.type(old.seed) ~= "integer" and not replaced(old, kept) then kept[#kept + 1] = old end
  end
  by_row[line.row] = kept
end

-- What a text does, whatever its comments and line breaks: its bytecode without names of lines.
local function meaning(text)
  local chunk = load(text, "=", "t", {})
  return chunk and string.dump(chunk, true) or text
end

local function relative(path) return path:match "experiments/(.*)$" or path end

local function row_of(identity)
  local file, arguments = relative(identity.path or ""), table.concat(identity.arguments or {}, " ")
  local nearest_file
  for _, row in ipairs(rows.index().rows) do
    local words = table.move(row.words, 1, #row.words, 1, {})
    table.sort(words)
    if row.file == file then
      nearest_file = true
      if table.concat(words, " ") == arguments then return row end
    end
  end
  if nearest_file then return nil, ("no row has the arguments '%s'"):format(arguments) end
  return nil, "no row is of " .. (identity.path or "a session")
end

-- The script of a run in today's words: programs that did not note the rule of validation held out the last rows.
local function script_of(identity)
  if identity.held_out ~= nil then return identity.script end
  return (identity.script:gsub("validation = (0%.%d+)([,%s])", 'validation = { fraction = %1, order = "last" }%2'))
end

-- Was this run one of today's row? The reason if not.
local function stranger(record, row, folder)
  local s, identity = record.state, record.state.identity
  if not s.ended then return "the run is not finished" end
  if s.edited then return "the run was edited by hand" end
  if meaning(script_of(identity)) ~= meaning(script.read(row.path)) then
    return "its script is not that of " .. row.path
  end
  for _, file in ipairs(identity.files or {}) do
    local here = folder .. "/" .. relative(file.path)
    if meaning(file.text) ~= meaning(script.read(here)) then
      return ("the %s that it loaded is not %s"):format(file.path, here)
    end
  end
  local e = script.experiment(row.path, row.words)
  if identity.data ~= e.data.name then return ("its data were %s, not %s"):format(identity.data, e.data.name) end
  if s.ended == "epochs" and s.epoch < e.epochs then
    return ("it ended after %d of %d epochs"):format(s.epoch, e.epochs)
  end
  if not (record.evaluation and record.evaluation.test) then return "its test set was not evaluated" end
end

--- The line that a finished run folder gives: line, row; or nil and the reason.
function M.of_run(path)
  local record, message = runfile.read(path .. "/run.h5", { tensors = false })
  if not record then return nil, message end
  local s = record.state
  if not (s and s.identity) then return nil, "it holds no run" end
  local index, folder = rows.index()
  local row, why = row_of(s.identity)
  why = why or index and stranger(record, row, folder)
  if why then return nil, why end
  local test, own, seconds = record.evaluation.test, record.evaluation.metrics or {}, 0
  for _, epoch in ipairs(history.new(record.history).rows) do seconds = seconds + epoch.seconds end
  local metric = row.metric ~= "test_error" and own[row.metric] or row.also and metrics.named[row.also](test) or nil
  local p = record.provenance
  return { row = row.name, seed = s.identity.seed, metric = metric, error = test.error, epochs = s.epoch,
    seconds = ("%.1f"):format(seconds) + 0,
    weights_sha256 = s.weights_sha256, version = p.build, processor = p.processor }, row
end

--- Adds the finished runs in these folders to results.csv. Returns the lines taken over, and { path, reason } of the
--- others.
function M.import(paths)
  local index, folder = rows.index()
  local lock <close>, held = store.lock(folder .. "/.results.lock")
  if not lock then errors.fail(1, "%s", held) end
  local by_row, taken, left = M.read(folder), {}, {}
  for _, path in ipairs(paths) do
    local line, why = M.of_run(path)
    if line then
      M.put(by_row, line)
      taken[#taken + 1] = line
    else left[#left + 1] = { path, why } end
  end
  if index and #taken > 0 then
    local ok, message = M.write(by_row, folder)
    if not ok then errors.fail(1, "%s", message) end
  end
  return taken, left
end

return M
