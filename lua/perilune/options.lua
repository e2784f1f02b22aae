--- Options of functions written in Lua: options.read("data.digits", given, { train = 60000, seed = 1 }) returns the
--- defaults overridden by `given`, or raises and names the nearest option. A default of `options.none` is nil.
local core = require "perilune.core"
local raise = require "perilune.raise"

local M = { none = setmetatable({}, { __name = "none" }) }

function M.read(what, given, defaults)
  if given ~= nil and type(given) ~= "table" then raise("%s takes a table of options, got a %s", what, type(given)) end
  local result, names = {}, {}
  for name, value in pairs(defaults) do
    names[#names + 1] = name
    if value ~= M.none then result[name] = value end
  end
  table.sort(names)
  for name, value in pairs(given or {}) do
    local default = defaults[name]
    if default == nil then
      if type(name) ~= "string" then raise("%s: options have names (%s), got [%s]", what, table.concat(names, ", "), tostring(name)) end
      local near = core.system.nearest(name, names)
      if near then raise("%s has no option '%s'; did you mean '%s'?", what, name, near) end
      raise("%s has no option '%s'; it has: %s", what, name, table.concat(names, ", "))
    end
    if default ~= M.none and type(value) ~= type(default) then
      raise("%s: option '%s' takes a %s, got a %s", what, name, type(default), type(value))
    end
    result[name] = value
  end
  return result
end

return M
