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
