--- experiments/results.csv: a line a row and seed, with what came of it. A finished run folder becomes such a line.
--- A line whose seed is "1-5" is a mean over these seeds, from before each was kept; lines of all of them replace it.
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local history = require "perilune.run.history"
local metrics = require "perilune.train.metrics"
local patient_lock = require "perilune.base.patient_lock"
local rows = require "perilune.reproduce.rows"
local runfile = require "perilune.run.file"
local script = require "perilune.script"
local sorted_keys = require "perilune.base.sorted_keys"
local store = core.store

local M = { columns = { "row", "seed", "metric", "error", "epochs", "seconds", "weights_sha256", "version",
  "processor" } }

local numeric = { metric = true, error = true, epochs = true, seconds = true }

-- The lines of a file of results, by name; numbers as numbers. A file that was edited by hand and holds something else
-- is an error: half of it would be a wrong mean, and the next seed would be written without the rest.
local function read_lines(path, columns)
  local text = store.read_text(path)
  if not text or text == "" then return {} end
  local lines, names = csv.decode(text)
  if not lines then errors.fail(1, "%s: %s", path, names) end
  local there, seen = {}, {}
  for _, name in ipairs(names) do there[name] = true end
  for _, name in ipairs(columns) do
    if not there[name] then errors.fail(1, "%s: its first line names no column '%s'", path, name) end
  end
  for i, line in ipairs(lines) do
    local function check(ok, what, ...)
      if not ok then errors.fail(1, "%s: result %d (%s, seed %s): " .. what, path, i, line.row, line.seed, ...) end
    end
    check(line.row, "there is no row")
    local first, last = (line.seed or ""):match "^(%d+)%-?(%d*)$"
    check(first and (last == "" or tonumber(first) <= tonumber(last)), "a seed is a whole number")
    check(not seen[line.row .. "\0" .. line.seed], "it is there twice")
    seen[line.row .. "\0" .. line.seed] = true
    for name in pairs(numeric) do
      local x = line[name] and tonumber(line[name])
      check((x or not line[name]) and (name ~= "error" or x and x >= 0 and x <= 1), "its %s is '%s'", name,
        line[name] or "")
      line[name] = x
    end
    line.seed = math.tointeger(tonumber(line.seed)) or line.seed
  end
  return lines
end

--- The test errors of rows trained in PyTorch (experiments/pytorch.py): { [name of row] = list of numbers }.
function M.peer(folder)
  local by_row = {}
  for _, line in ipairs(read_lines((folder or rows.folder()) .. "/pytorch.csv", { "row", "seed", "error" })) do
    by_row[line.row] = by_row[line.row] or {}
    table.insert(by_row[line.row], line.error)
  end
  return by_row
end

--- All results: { [name of row] = list of { seed, error, ... } by seed }.
function M.read(folder)
  local by_row = {}
  for _, line in ipairs(read_lines((folder or rows.folder()) .. "/results.csv", M.columns)) do
    by_row[line.row] = by_row[line.row] or {}
    table.insert(by_row[line.row], line)
  end
  return by_row
end

--- Writes them, in the order of the index; last, what the index has no row of (any more).
function M.write(by_row, folder)
  local lines, names, indexed = {}, {}, {}
  for i, row in ipairs(rows.index().rows) do names[i], indexed[row.name] = row.name, true end
  for _, name in ipairs(sorted_keys(by_row)) do
    if not indexed[name] then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do
    local list = by_row[name] or {}
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

--- Is a seed among those of the lines of a row (nil: none)?
function M.has(lines, seed)
  for _, line in ipairs(lines or {}) do
    local first, last = M.seeds(line)
    if first <= seed and seed <= last then return true end
  end
  return false
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

-- "progression/12_faster_halving.lua": the folder of the experiments may be called otherwise elsewhere.
local function relative(path) return path:match "[^/]+/[^/]+$" or path end

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
  if identity.variant then return "it is a variant of the experiment" end
  if identity.start then return "it began from other weights" end
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
  local test = record.evaluation and record.evaluation.test
  if not (test and test.error) then return "its test set was not evaluated, or is not of classes" end
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

--- Adds the finished runs in these folders to results.csv, and calls `publish` before another process may change it.
--- Returns the lines taken over, and { path, reason } of the others.
function M.import(paths, publish)
  local index, folder = rows.index()
  local lock <close> = patient_lock(folder .. "/.results.lock")
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
  if lock and publish then publish() end
  return taken, left
end

return M
