--- The lines of earlier sessions: $XDG_STATE_HOME/perilune/history, one a line, the newest last.
-- Each line is appended as it is entered, so that sessions side by side and a killed one lose nothing. A history
-- that cannot be read or written is not worth a word: the session works without.
local core = require "perilune.core"
local store, system = core.store, core.system

local M = {}

local KEPT, MOST = 1000, 2000   -- a file longer than MOST is cut to the newest KEPT
local LONGEST, LARGEST = 10000, 1 << 20      -- bytes: of a line, of what is read

--- The file's path; nil when there is no home.
function M.path()
  local base, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  if base and base:sub(1, 1) == "/" then return base .. "/perilune/history" end
  if home and home ~= "" then return home .. "/.local/state/perilune/history" end
end

local function rewrite(path, lines)
  local temporary = ("%s.%d.tmp"):format(path, os.time())
  local file = io.open(temporary, "w")
  if not file then return end
  local written = file:write(table.concat(lines, "\n"), #lines > 0 and "\n" or "")
  if file:close() and written then os.rename(temporary, path) else os.remove(temporary) end
end

-- What a person may have typed: text, on one line, that fits a screen.
local function is_typed(text)
  return #text <= LONGEST and text:find "%S" and not text:find "[%z\1-\8\10-\31\127]" and utf8.len(text) ~= nil
end

--- The lines of the file, oldest first: the last ones, if it is huge. Nothing else than a plain file is opened (a pipe
-- would be waited for), and what nobody can have typed is left out.
function M.load(path)
  local lines = {}
  local file = path and system.kind(path) == "file" and io.open(path, "rb")
  if not file then return lines end
  local size = file:seek "end" or 0
  file:seek("set", math.max(0, size - LARGEST))
  local tail = file:read "a" or ""
  file:close()
  if size > LARGEST then tail = tail:gsub("^[^\n]*\n?", "", 1) end      -- begins inside a line
  for text in tail:gmatch "[^\r\n]+" do
    if is_typed(text) then lines[#lines + 1] = text end
  end
  if #lines > MOST or size > LARGEST then
    lines = table.move(lines, math.max(1, #lines - KEPT + 1), #lines, 1, {})
    rewrite(path, lines)
  end
  return lines
end

--- Appends a line, with one write.
function M.add(path, text)
  if not path or not is_typed(text) then return end
  local kind = system.kind(path)
  if kind and kind ~= "file" then return end
  local file = io.open(path, "a")
  if not file then
    store.mkdir(path:match "^(.*)/")
    file = io.open(path, "a")
  end
  if not file then return end
  file:write(text, "\n")
  file:close()
end

return M
