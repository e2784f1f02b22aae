--- Reads the options of a Lua constructor: pl.stopping.window { monitor = "train_loss", patience = 20 }.
-- A constructor lists its options once; checking and error messages are generic, as for the classes in C.
-- options.read takes a table of defaults, options.check a list that also says ranges, choices and what is required.
local nearest = require "perilune.core".system.nearest
local errors = require "perilune.errors"

local M = { none = setmetatable({}, { __name = "none" }) }

local function kind(value)
  local t = math.type(value) or type(value)
  return t == "float" and "number" or t
end

local articles = { integer = "a whole number", number = "a number", string = "a string", boolean = "true or false",
  ["function"] = "a function", table = "a table", userdata = "an object" }

local function describe(types)
  local words = {}
  for i, t in ipairs(types) do words[i] = articles[t] or t end
  return table.concat(words, " or ")
end

local function fits(value, types)
  local t = kind(value)
  for _, wanted in ipairs(types) do
    if wanted == t or wanted == "any" or (wanted == "number" and t == "integer") then return true end
  end
  return false
end

--- What a value is, in words: for messages.
function M.describe(value)
  local t = kind(value)
  if t == "string" then return ("%q"):format(value) end
  if t == "number" or t == "integer" or t == "boolean" then return tostring(value) end
  if t == "userdata" or t == "table" then
    local meta = getmetatable(value)
    local name = type(meta) == "table" and rawget(meta, "__name") or meta
    if type(name) == "string" then return name end
  end
  return value == nil and "nothing" or "a " .. t
end

--- Raises "<what> has no option 'x'; did you mean 'y'?" for a name that is not in the list `names`.
function M.unknown(what, name, names, noun)
  noun = noun or "option"
  local near = type(name) == "string" and nearest(name, names)
  if near then errors.raise("%s has no %s '%s'; did you mean '%s'?", what, noun, name, near) end
  errors.raise("%s has no %s '%s'; it has: %s", what, noun, tostring(name), table.concat(names, ", "))
end

local function check(what, option, value, noun)
  local name = option[1]
  local types = type(option.type) == "table" and option.type or { option.type }
  if not fits(value, types) then
    errors.raise("%s: %s '%s' takes %s, got %s%s", what, noun, name, describe(types), M.describe(value), option.hint and "; " .. option.hint or "")
  end
  if type(value) == "number" then
    local low, high = option.low, option.high
    if value ~= value or (low and value < low) or (high and value > high) then
      local range = low and high and ("from %s to %s"):format(low, high) or low and ("at least %s"):format(low) or ("at most %s"):format(high)
      errors.raise("%s: %s '%s' must be %s, got %s", what, noun, name, range, tostring(value))
    end
  end
  if option.choices and type(value) == "string" then
    for _, choice in ipairs(option.choices) do
      if choice == value then return end
    end
    local near = nearest(value, option.choices)
    errors.raise("%s: %s '%s' is one of %s; got '%s'%s", what, noun, name, table.concat(option.choices, ", "), value,
      near and (", did you mean '%s'?"):format(near) or "")
  end
end

--- Checks `given` (a table, or nil for none) against `list` and returns a new table with the defaults filled in.
-- An entry of the list: { "name", type = "number" | "integer" | "string" | "boolean" | "function" | "table" |
-- "userdata" | "any" or a list of these, default = , required = what to add (a string), low = , high = ,
-- choices = {...}, hint = }. `noun` is what an entry is called in messages ("option" by default).
function M.check(what, given, list, noun)
  noun = noun or "option"
  if given ~= nil and type(given) ~= "table" then
    errors.raise("%s takes a table of %ss, got %s", what, noun, M.describe(given))
  end
  local names, known, result = {}, {}, {}
  for i, option in ipairs(list) do
    names[i], known[option[1]] = option[1], true
  end
  local strangers = {}
  for name in pairs(given or {}) do
    if not known[name] then strangers[#strangers + 1] = name end
  end
  table.sort(strangers, function(a, b) return tostring(a) < tostring(b) end)
  if strangers[1] ~= nil then M.unknown(what, strangers[1], names, noun) end
  for _, option in ipairs(list) do
    local name = option[1]
    local value = given and given[name]
    if value == nil then
      if option.required then errors.raise("%s: %s '%s' is missing; %s", what, noun, name, option.required) end
      result[name] = option.default
    else
      check(what, option, value, noun)
      result[name] = value
    end
  end
  return result
end

--- options.read("data.digits", given, { train = 60000, seed = 1 }) returns the defaults overridden by `given`; a value
-- has the type of its default. A default of `options.none` is nil, and then any type will do.
function M.read(what, given, defaults)
  local list = {}
  for name, default in pairs(defaults) do
    local none = default == M.none
    list[#list + 1] = { name, type = none and "any" or type(default) }
    if not none then list[#list].default = default end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return M.check(what, given, list)
end

return M
