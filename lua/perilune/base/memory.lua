--- The limit on what tensors, models and data sets may hold together: --memory 2G on the command line, or
--- PERILUNE_MEMORY.
local errors = require "perilune.base.errors"
local memory_limit = require "perilune.core".system.memory_limit

local M = {}

local powers = { [""] = 0, k = 1, m = 2, g = 3, t = 4 }

--- "2G", "1.5 GiB", "800m", "65536" (bytes) -> bytes; units are powers of 1024. nil and a message for anything else.
function M.bytes(word)
  local number, unit = word:lower():match "^%s*([%d.]+)%s*([kmgt]?)i?b?%s*$"
  local bytes = tonumber(number) and tonumber(number) * 1024 ^ powers[unit]
  if bytes and bytes >= 1 and bytes < 2 ^ 62 then return math.tointeger(math.floor(bytes)) end
  return nil, ("a size such as 500M or 2G is expected, got '%s'"):format(word)
end

--- Adds the option to the parser of a command; M.limit(options.memory) then sets it.
function M.option(parser)
  parser:option("--memory", "The most that tensors, models and data may hold, such as 500M or 2G; more is an error.")
    :convert(M.bytes)
    :argname "<size>"
end

function M.limit(bytes)
  if bytes then memory_limit(bytes) end
end

--- Sets the limit that the environment asks for.
function M.from_environment()
  local word = os.getenv "PERILUNE_MEMORY"
  if not word or word == "" then return end
  local bytes, message = M.bytes(word)
  if not bytes then errors.fail(2, "PERILUNE_MEMORY: %s", message) end
  memory_limit(bytes)
end

return M
