--- The lines of earlier sessions: $XDG_STATE_HOME/perilune/history, one a line, the newest last.
-- Each line is appended as it is entered, so that sessions side by side and a killed one lose nothing. A history
-- that cannot be read or written is not worth a word: the session works without.
local store = require "perilune.core".store

local M = {}

local KEPT, MOST = 1000, 2000   -- a file longer than MOST is cut to the newest KEPT

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
  local written = file:write(table.concat(lines, "\n", #lines - KEPT + 1), "\n")
  if file:close() and written then os.rename(temporary, path) else os.remove(temporary) end
end

--- The lines of the file, oldest first.
function M.load(path)
  local lines = {}
  local file = path and io.open(path, "r")
  if not file then return lines end
  for text in file:lines() do
    if text:match "%S" then lines[#lines + 1] = text end
  end
  file:close()
  if #lines > MOST then
    rewrite(path, lines)
    lines = table.move(lines, #lines - KEPT + 1, #lines, 1, {})
  end
  return lines
end

--- Appends a line, with one write.
function M.add(path, text)
  if not path or not text:match "%S" then return end
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
