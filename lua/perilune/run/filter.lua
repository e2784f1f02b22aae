--- Which runs of a list are meant: "lr>=1e-3 state=finished name~lenet", all of its conditions. A condition is a name
--- (those of run:value), one of = != < <= > >= ~ (contains, whatever the case) !~, and a value; spaces may stand around
--- the operator. What has an operator begins a condition, other words go on with the value before them; a value may
--- also stand in quotes.
local core = require "perilune.core"
local raise = require "perilune.base.errors".raise
local reader = require "perilune.run.result".reader

local M = {}

local compare = {
  ["="] = function(a, b) return a == b end,
  ["<"] = function(a, b) return a < b end, ["<="] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end, [">="] = function(a, b) return a >= b end,
  ["~"] = function(a, b) return tostring(a):lower():find(tostring(b):lower(), 1, true) ~= nil end,
}
compare["=="] = compare["="]

-- Their complements: they hold for what has no such value, too.
local complement = { ["!="] = "=", ["!~"] = "~" }

local HEAD = "^([^%s=!<>~]+)%s*([=!<>~]+)()"

-- A condition that begins at `at`: name, operator, the value's first word, and where it ends. "a= b>1": two conditions.
local function begins(text, at)
  local name, operator, rest = text:match(HEAD, at)
  if not name then return nil end
  local word = text:match("^%s+()", rest)
  if word and (text:find("^[\"']", word) or text:find("%S", word) and not text:find(HEAD, word)) then rest = word end
  local quoted, after = text:match("^\"([^\"]*)\"()", rest)
  if not quoted then quoted, after = text:match("^'([^']*)'()", rest) end
  if quoted and text:find("^%f[%s\0]", after) then return name, operator, quoted, after end
  return name, operator, text:match("^(%S*)()", rest)
end

--- The conditions of a text: a list of { name =, operator =, value =, text = }.
function M.parse(text)
  local list, at = {}, text:find "%S"
  while at do
    local name, operator, value, after = begins(text, at)
    local last = list[#list]
    if name and (compare[operator] or complement[operator]) then
      list[#list + 1] = { name = name, operator = operator, value = value, text = text:sub(at, after - 1) }
    elseif name or not last then
      raise("'%s' is not a condition; one is a name, one of = != < <= > >= ~ !~, and a value, such as lr>=1e-3",
        name and text:sub(at, after - 1) or text:match("^%S+", at))
    elseif text:find("^[=!<>~]", at) then
      raise("%s %s: a value with %s in it stands in quotes", last.text, text:match("^(%S+)", at),
        text:match("^[=!<>~]+", at))
    else
      after = text:match("^%S+()", at)
      last.value = last.value .. text:sub(last.ends, after - 1)
      last.text = last.text .. text:sub(last.ends, after - 1)
    end
    list[#list].ends = after
    at = text:find("%S", after)
  end
  return list
end

-- The number that a text is: "1e-3", "5%".
local function number(text)
  local share = text:match "^%s*(.-)%s*%%$"
  if not share then return tonumber(text) end
  if share:find "^[-+]?[%d.]+$" then return tonumber(share .. "e-2") end      -- 1.23 / 100 is not 0.0123
  return tonumber(share) and tonumber(share) / 100
end

local function holds(condition, value)
  local operator = complement[condition.operator] or condition.operator
  local found = false
  if value ~= nil then
    local wanted = operator ~= "~" and type(value) == "number" and number(condition.value)
    if wanted then found = compare[operator](value, wanted)
    elseif condition.numeric and type(value) ~= "number" and operator:find "[<>]" then found = false
    else
      if type(value) == "table" then value = core.json.encode(value) end
      found = compare[operator](tostring(value), condition.value)
    end
  end
  return found ~= (complement[condition.operator] ~= nil)
end

--- The name (of run:value) that is meant: what tables call time is seconds. Raises where no run of a list knows it,
--- which is a slip; `who` asks.
function M.check_name(runs, name, who)
  local names = {}
  for _, run in ipairs(runs) do
    for _, known in ipairs(run:values(true)) do
      if known == name then return name end
      names[#names + 1] = known
    end
  end
  if name == "time" then return "seconds" end
  local near = core.system.nearest(name, names)
  if #runs > 0 then
    raise("%sno run has a '%s'%s", who and who .. ": " or "", name,
      near and ("; did you mean '%s'?"):format(near) or "")
  end
  return name
end

-- Values that such runs cannot have are a slip as well, not an empty list.
local function check_value(runs, condition, value_of)
  local kind
  for _, run in ipairs(runs) do
    local value = value_of(run, condition.name)
    if value ~= nil then
      kind = (kind == nil or kind == type(value)) and type(value) or "several"
      condition.numeric = condition.numeric or type(value) == "number"      -- words among numbers are not ordered
    end
  end
  local operator, value = condition.operator, condition.value
  local equality = (complement[operator] or operator):find "^=" ~= nil
  local known = value == "finished" or value == "unfinished" or value == "failed"
  if condition.name == "state" and not (equality and known) then
    raise("%s: a state is finished, unfinished or failed, compared with = or !=", condition.text)
  elseif kind == "number" and not operator:find "~" and not number(value) then
    raise("%s: '%s' is a number, and '%s' is none", condition.text, condition.name, value)
  elseif kind == "boolean" and not operator:find "~" and (not equality or value ~= "true" and value ~= "false") then
    raise("%s: '%s' is true or false, compared with = or !=", condition.text, condition.name)
  end
end

--- The runs for which `filter` holds (nil: all of them).
function M.apply(runs, filter)
  if filter == nil or filter == "" then return runs end
  local test = filter
  if type(filter) == "string" then
    local conditions, value_of = M.parse(filter), reader(runs)
    for _, condition in ipairs(conditions) do
      condition.name = M.check_name(runs, condition.name)
      check_value(runs, condition, value_of)
    end
    function test(run)
      for _, condition in ipairs(conditions) do
        if not holds(condition, value_of(run, condition.name)) then return false end
      end
      return true
    end
  elseif type(filter) ~= "function" then
    raise("runs: the filter is a text such as \"lr>=1e-3\" or a function(run), got a %s", type(filter))
  end
  local kept = {}
  for _, run in ipairs(runs) do
    if test(run) then kept[#kept + 1] = run end
  end
  return kept
end

return M
