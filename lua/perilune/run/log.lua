--- The log in a run's folder, log.jsonl: a JSON object a line, which are the rows of the history and, when the run has
--- finished, { summary = ... } (see runs.lua).
local core = require "perilune.core"

local M = {}

local TAIL = 65536      -- bytes; longer than any line of a log

--- The last line, decoded; nil when there is none, or it is not whole.
function M.last(folder)
  local file = io.open(folder .. "/log.jsonl", "rb")
  if not file then return nil end
  local size = file:seek "end"
  file:seek("set", math.max(0, size - TAIL))
  local line = ("\n" .. (file:read "a" or "")):match "^.*\n([^\n]+)\n$"      -- the greedy .* finds it from the end
  file:close()
  local found = line and core.json.decode(line)
  return type(found) == "table" and found or nil
end

--- How long the file of a run is; nil where there is none.
function M.bytes(folder)
  local file = io.open(folder .. "/run.h5", "rb")
  local bytes = file and file:seek "end"
  if file then file:close() end
  return bytes
end

--- Is the run's file there, as long as it was when this summary was written? (Older ones do not say.)
function M.is_of(summary, folder)
  local bytes = M.bytes(folder)
  return bytes ~= nil and (summary.bytes == nil or summary.bytes == bytes)
end

--- The rows, by epoch.
function M.rows(folder)
  local rows = {}
  for line in (core.store.read_text(folder .. "/log.jsonl") or ""):gmatch "[^\n]+" do
    local row = core.json.decode(line)
    if type(row) == "table" and math.tointeger(row.epoch) then rows[math.tointeger(row.epoch)] = row end
  end
  return rows
end

return M
