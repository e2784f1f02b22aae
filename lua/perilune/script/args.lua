--- Arguments of a script: `perilune run FILE lr=0.01` and, in the script, pl.arg("lr", 0.1).
local nearest = require "perilune.core".system.nearest
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"

local M = {}

local given = {}      -- name -> text of the command line
local order = {}      -- names as they were given
local asked = {}      -- names the script asked for, in order
local asked_for = {}  -- name -> value returned
local defaults = {}   -- name -> default that it was asked for with
local ranges = {}     -- name -> { low =, high = } of an argument of which any value in between will do

--- Takes over the words of a command line; each must be name=value. `some`: a list of { name =, text =, low =, high =
--- }, arguments that take some value of a range, whatever fits their type. Returns true, or nil and a message.
function M.set(words, some)
  given, order, asked, asked_for, defaults, ranges = {}, {}, {}, {}, {}, {}
  for _, range in ipairs(some or {}) do
    given[range.name], ranges[range.name] = range.text, range
    order[#order + 1] = range.name
  end
  for _, word in ipairs(words) do
    local name, value = word:match "^([%a_][%w_]*)=(.*)$"
    if not name then
      return nil, ("'%s' is not an argument of a script; arguments are written name=value, " ..
        "such as lr=0.01"):format(word)
    end
    if given[name] then return nil, ("argument '%s' is given twice"):format(name) end
    given[name] = value
    order[#order + 1] = name
  end
  return true
end

local booleans = { ["true"] = true, yes = true, on = true, ["1"] = true, ["false"] = false, no = false, off = false,
  ["0"] = false }

local function number(name, text, default)
  local value = tonumber(text)
  local wanted = math.type(default) == "integer" and "a whole number" or value and "a finite number" or "a number"
  if value == nil or value - value ~= 0 then      -- 1e400 reads as infinity
    errors.raise("argument %s=%s: expects %s, such as %s=%s", name, text, wanted, name, default)
  end
  if math.type(default) == "float" then return value + 0.0 end
  local whole = math.tointeger(value)
  if whole == nil then
    errors.raise("argument %s=%s: expects a whole number, such as %s=%d; any number with pl.arg(%q, %d.0)",
      name, text, name, default, name, default)
  end
  return whole
end

--- true or false for a word that means it; else nil.
function M.truth(text) return booleans[text:lower()] end

-- A value of a range, in its middle.
local function middle(name, range, default)
  if math.type(default) ~= "integer" then
    local x = (range.low + range.high) / 2
    return math.type(default) == "float" and x or ("%.14g"):format(x)
  end
  local low, high = math.ceil(range.low), math.floor(range.high)
  if low > high then errors.raise("argument %s=%s: no whole number lies in that range", name, range.text) end
  return (low + high) // 2
end

--- The value that a word has for an argument with that default; raises what is wrong with it.
local function convert(name, text, default)
  local t = type(default)
  if t == "number" then return number(name, text, default) end
  if t == "string" or t == "nil" then return text end
  if t == "boolean" then
    local value = M.truth(text)
    if value == nil then errors.raise("argument %s=%s: expects true or false", name, text) end
    return value
  end
  if t == "table" then
    local list = {}
    for item in text:gmatch "[^,]+" do list[#list + 1] = convert(name, item, default[1]) end
    return list
  end
  errors.raise("pl.arg('%s'): the default is a number, a string, a boolean or a list of these; got a %s", name, t)
end

M.convert = convert

--- The value of name=value on the command line, else `default`; it has the type of the default (a list is given
-- as 1,2,3). Without a default the argument is a string that must be given. `choices`: the values allowed.
function M.get(name, default, choices)
  if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
    errors.raise("pl.arg: expects a name of letters, digits and _, got %s", tostring(name))
  end
  if choices ~= nil and type(choices) ~= "table" then
    errors.raise("pl.arg('%s'): the choices are a list, got %s", name, options.describe(choices))
  end
  local text, value = given[name], default
  local range = ranges[name]
  if range and (default == nil or type(default) == "number" or type(default) == "string") then
    value = middle(name, range, default)
  elseif text ~= nil then value = convert(name, text, default)
  elseif default == nil then
    errors.raise("the script needs the argument %s: write %s=... on the command line", name, name)
  end
  if choices then
    local names, found = {}, false
    for i, choice in options.items(choices) do
      names[i] = tostring(choice)
      found = found or choice == value
    end
    if not found then
      local near = nearest(tostring(value), names)
      errors.raise("argument %s=%s: one of %s is expected%s", name, tostring(value), table.concat(names, ", "),
        near and (", did you mean %s?"):format(near) or "")
    end
  end
  if asked_for[name] == nil then asked[#asked + 1] = name end
  asked_for[name], defaults[name] = value, default
  return value
end

--- After the script ran: the message for the first argument that it never asked for, or nil.
function M.unasked()
  for _, name in ipairs(order) do
    if asked_for[name] == nil then
      if #asked == 0 then return ("the script takes no arguments; got %s=%s"):format(name, given[name]) end
      local near = nearest(name, asked)
      if near then return ("the script has no argument '%s'; did you mean '%s'?"):format(name, near) end
      return ("the script has no argument '%s'; it has: %s"):format(name, table.concat(asked, ", "))
    end
  end
end

--- All that the script asked for: name -> value, defaults included.
function M.values()
  local values = {}
  for _, name in ipairs(asked) do values[name] = asked_for[name] end
  return values
end

--- The defaults of all that the script asked for: name -> value, nil where there is none.
function M.defaults() return defaults end

--- The arguments as given: a list of "name=value", sorted. Part of what a run is.
function M.list()
  local words = {}
  for i, name in ipairs(order) do words[i] = name .. "=" .. given[name] end
  table.sort(words)
  return words
end

--- All of it, to be given to M.restore when another script had its turn.
function M.current() return { given, order, asked, asked_for, defaults, ranges } end

function M.restore(state) given, order, asked, asked_for, defaults, ranges = table.unpack(state) end

return M
