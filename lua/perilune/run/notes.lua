--- Notes and tags of a run, kept beside its files (notes.jsonl, one line a note), which are not touched.
local core = require "perilune.core"
local printable = require "perilune.base.printable"
local store = core.store

local M = {}

local function path_of(folder) return folder .. "/notes.jsonl" end

--- { notes = { { time, text }, ... } in order, tags = { ... } sorted }; both empty where there are none. Lines that
-- are no notes are passed over.
function M.read(folder)
  local found = { notes = {}, tags = {} }
  local content = core.system.kind(path_of(folder)) == "file" and store.read_text(path_of(folder)) or ""
  local has = {}
  for line in content:gmatch "[^\n]+" do
    local ok, note = pcall(core.json.decode, line)
    if ok and type(note) == "table" then
      if type(note.text) == "string" and note.text ~= "" then
        found.notes[#found.notes + 1] = { time = tostring(note.time or ""), text = note.text }
      end
      for _, tag in ipairs(type(note.tags) == "table" and note.tags or {}) do has[tostring(tag)] = true end
      for _, tag in ipairs(type(note.untag) == "table" and note.untag or {}) do has[tostring(tag)] = nil end
    end
  end
  for tag in pairs(has) do found.tags[#found.tags + 1] = tag end
  table.sort(found.tags)
  return found
end

--- Adds a note: { text =, tags = {...}, untag = {...} }: true; or nil and a message.
function M.add(folder, note)
  local line = { time = os.date "!%Y-%m-%dT%H:%M:%SZ", text = note.text, tags = note.tags and #note.tags > 0
    and note.tags or nil,
    untag = note.untag and #note.untag > 0 and note.untag or nil }
  return store.append(path_of(folder), core.json.encode(printable.in_utf8(line)))
end

return M
