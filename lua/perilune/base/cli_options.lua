--- What the options of commands take: word of the command line -> value, or nil and a message. For
--- parser:option():convert().
local M = {}

--- A converter to whole numbers from `low` to `high` (nil: no end).
function M.whole(low, high)
  return function(word)
    local n = math.tointeger(tonumber(word))
    if n and n >= low and n <= (high or n) then return n end
    return nil, ("a whole number from %d%s is expected, got '%s'"):format(low, high and " to " .. high or "", word)
  end
end

--- A converter to seconds.
function M.seconds(word)
  local x = tonumber(word)
  if x and x >= 0 and x < math.huge then return x end
  return nil, ("a number of seconds from 0 is expected, got '%s'"):format(word)
end

return M
