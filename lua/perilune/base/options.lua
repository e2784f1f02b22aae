--- Reads the options of a Lua constructor: pl.stopping.window { monitor = "train_loss", patience = 20 }.
-- A constructor lists its options once; checking and error messages are generic, as for the classes in C.
-- options.read takes a table of defaults, options.check a list that also says ranges, choices and what is required.
local nearest = require "perilune.core".system.nearest
local errors = require "perilune.base.errors"
local names_of = require "perilune.base.names"

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

M.describe = names_of.describe

local function next_item(t, i)
  local value = rawget(t, i + 1)
  if value ~= nil then return i + 1, value end
end

--- for i, item in options.items(t): a list of the script's as it lies there; a metatable may have no end.
function M.items(t) return next_item, t, 0 end

--- Raises where a list has a name for an index (but the n of table.pack), or a hole: what comes there or after it would
-- not be seen. `what` takes it: "data.csv: option 'ignore'"; advice: what to write (nil: nothing). Returns the list.
function M.list(what, list, advice)
  local count, strangers = 0, {}
  for i in M.items(list) do count = i end
  for key in next, list do
    local index = math.type(key) == "integer" and key >= 1 and key <= count
    if not index and not (key == "n" and rawget(list, "n") == count) then strangers[#strangers + 1] = key end
  end
  if strangers[1] == nil then return list end
  table.sort(strangers, function(a, b) return tostring(a) < tostring(b) end)
  local key = strangers[1]
  errors.raise("%s takes a list, and %s%s", what,
    math.type(key) == "integer" and key > count and ("its item %d is nil"):format(count + 1)
      or ("'%s' is no index in one"):format(tostring(key)), advice and "; " .. advice or "")
end

--- Raises "<what> has no option 'x'; did you mean 'y'?" for a name that is not in the list `names`.
function M.unknown(what, name, names, noun)
  noun = noun or "option"
  what = what:gsub("%(.*$", "")
  local advice = names_of.advice(name, names, what == "run" and "runoption" or noun, noun == "field" and "option"
    or noun)
  if advice then errors.raise("%s has no %s '%s'; %s", what, noun, name, advice) end
  errors.raise("%s has no %s '%s'; it has: %s", what, noun, tostring(name), table.concat(names, ", "))
end

-- Something that is not a table of options: the call with it as one of them. `first`: which, if it fits.
local function not_a_table(what, given, list, noun, first)
  local meant
  for _, option in ipairs(list) do
    local types = type(option.type) == "table" and option.type or { option.type }
    if fits(given, types) and (not meant or option[1] == first or option.required
      and not meant.required) then meant = option end
  end
  local t, form = type(given), what .. " { %s = %s }"
  if what:sub(-1) == ")" then form = what:sub(1, -2) .. ", { %s = %s })" end
  for _, option in ipairs(list) do
    if option[1] == given then errors.raise("%s takes a table of %ss; write " .. form, what, noun, given, "...") end
  end
  local value = (t == "number" or t == "string" or t == "boolean") and M.describe(given) or "..."
  errors.raise("%s takes a table of %ss, got %s%s", what, noun, M.describe(given),
    meant and "; write " .. form:format(meant[1], value) or "")
end

local function check(what, option, value, noun)
  local name = option[1]
  local uncalled = names_of.uncalled(value)
  if uncalled then errors.raise("%s: %s '%s' %s", what, noun, name, uncalled) end
  local types = type(option.type) == "table" and option.type or { option.type }
  if not fits(value, types) then
    errors.raise("%s: %s '%s' takes %s, got %s%s", what, noun, name, describe(types), M.describe(value), option.hint
      and "; " .. option.hint or "")
  end
  if type(value) == "number" then
    local low, high = option.low, option.high
    if value ~= value and not (low or high) then
      errors.raise("%s: %s '%s' must be a number, got NaN", what, noun, name)
    end
    if value ~= value or (low and value < low) or (high and value > high) then
      local range = low and high and ("from %s to %s"):format(low, high) or low and ("at least %s"):format(low)
        or ("at most %s"):format(high)
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
-- `first`: the option that a value given without a table is likely to be.
function M.check(what, given, list, noun, first)
  noun = noun or "option"
  if given ~= nil and (type(given) ~= "table" or getmetatable(given) ~= nil) then
    not_a_table(what, given, list, noun, first)
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
-- has the type of its default. A default of `options.none` is nil, and then any type will do. `first`: as for check.
function M.read(what, given, defaults, first)
  local list = {}
  for name, default in pairs(defaults) do
    local none = default == M.none
    list[#list + 1] = { name, type = none and "any" or type(default) }
    if not none then list[#list].default = default end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return M.check(what, given, list, nil, first)
end

return M
