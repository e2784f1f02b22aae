--- Errors that point at the user's own line. The library's Lua files call each other and the C core; what a
-- user can act on is the line of the script that started it.
local M = {}

local folder = os.getenv "PERILUNE_LUA"
if folder == "" then folder = nil end

--- Is this chunk one of the library's own files (embedded, or from the folder $PERILUNE_LUA)?
function M.is_ours(source)
  return source:sub(1, 10) == "=perilune/" or (folder ~= nil and source:sub(1, #folder + 11) == "@" .. folder
    .. "/perilune/")
end

--- "file.lua:12: ", the nearest calling line outside the library; "" when there is none.
function M.where()
  for level = 2, 1000 do
    local info = debug.getinfo(level, "Sl")
    if info == nil then return "" end
    if info.currentline > 0 and not M.is_ours(info.source) then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
  end
  return ""
end

--- The message without the positions in the library's own files that it begins with.
function M.strip(message)
  local changed
  repeat
    local before = message
    message = message:gsub("^perilune/[%w_/]+%.lua:%d+: ", "")
    if folder and message:sub(1, #folder + 10) == folder .. "/perilune/" then
      message = message:gsub("^.-%.lua:%d+: ", "", 1)
    end
    changed = message ~= before
  until not changed
  return message
end

--- The same, and without the script's line that is at work: to be part of another message.
function M.bare(message)
  local where = M.where()
  message = M.strip(message)
  return message:sub(1, #where) == where and message:sub(#where + 1) or message
end

--- Raises the formatted message with the user's file and line in front.
function M.raise(format, ...)
  error(M.where() .. format:format(...), 0)
end

--- What a function returned that gives nil and a message where it fails; the message is raised.
function M.must(value, message, ...)
  if not value then M.raise("%s", message) end
  return value, message, ...
end

local Failure = { __name = "failure" }
function Failure:__tostring() return self.message end

--- Raises a message that needs no place in a script: a file, a folder, the command line. `status` of the process: 1, or
--- 2 for wrong usage.
function M.fail(status, format, ...)
  error(setmetatable({ message = format:format(...), status = status }, Failure), 0)
end

--- As fail, with status 1: another process holds what this one would take. The failure's `held` is true.
function M.fail_held(format, ...)
  error(setmetatable({ message = format:format(...), status = 1, held = true }, Failure), 0)
end

--- Calls f(...); an error in it that names a line of the library names the user's line instead.
function M.guard(f, ...)
  local where = M.where()
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = results[2]
  if type(message) == "string" then
    local bare = M.strip(message)
    if bare ~= message or not message:match "^[^:\n]+:%d+: " then message = where .. bare end
  end
  error(message, 0)
end

return M
