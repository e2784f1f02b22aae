--- Raises an error that begins with the file and line of the user's code: the first caller outside this library.
--- raise(format, ...)
local folder = os.getenv "PERILUNE_LUA"

local function is_ours(source)
  return source:find("^=perilune/") or (folder and source:sub(1, #folder + 1) == "@" .. folder)
end

return function(format, ...)
  local message, level = format:format(...), 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then error(message, 0) end
    if info.currentline > 0 and not is_ours(info.source) then error(("%s:%d: %s"):format(info.short_src, info.currentline, message), 0) end
    level = level + 1
  end
end
