--- The arguments of a run as values, however they were typed: lr=0.1, lr=1e-1 and a default of 0.1 are one.
local core = require "perilune.core"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

--- A value as text: the same for 1 and 1.0.
function M.text(value)
  if math.type(value) == "float" then return tostring(math.tointeger(value) or ("%.17g"):format(value)) end
  return type(value) == "table" and core.json.encode(value) or tostring(value)
end

--- What the arguments { name = value } come to.
function M.key(values)
  local list = {}
  for i, name in ipairs(sorted_keys(values)) do
    list[i] = ("%s=%s %s"):format(name, type(values[name]), M.text(values[name]))
  end
  return table.concat(list, "\0")
end

return M
