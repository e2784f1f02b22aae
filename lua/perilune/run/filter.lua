--- Which runs of a list are meant: "lr>=1e-3 ended=epochs name~lenet", all of its conditions. A condition is a name,
--- one of = != < <= > >= ~ (contains, whatever the case), and a value; names are those of run:value.
local core = require "perilune.core"
local raise = require "perilune.base.errors".raise

local M = {}

local compare = {
  ["="] = function(a, b) return a == b end, ["!="] = function(a, b) return a ~= b end,
  ["<"] = function(a, b) return a < b end, ["<="] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end, [">="] = function(a, b) return a >= b end,
}

--- The conditions of a text: a list of { name =, operator =, value = }.
function M.parse(text)
  local list = {}
  for word in text:gmatch "%S+" do
    local name, operator, value = word:match "^([^=!<>~]+)([=!<>~]+)(.*)$"
    if not name or not (compare[operator] or operator == "~") then
      raise("'%s' is not a condition; one is a name, one of = != < <= > >= ~, and a value, such as lr>=1e-3", word)
    end
    list[#list + 1] = { name = name, operator = operator, value = value }
  end
  return list
end

local function holds(condition, value)
  if value == nil then return false end
  if condition.operator == "~" then return tostring(value):lower():find(condition.value:lower(), 1, true) ~= nil end
  local wanted = tonumber(condition.value)
  if type(value) == "number" and wanted then return compare[condition.operator](value, wanted) end
  return compare[condition.operator](tostring(value), condition.value)
end

-- A name that no run has is a slip, not an empty list.
local function check_names(runs, conditions)
  if #runs == 0 then return end
  for _, condition in ipairs(conditions) do
    local names, found = {}, false
    for _, run in ipairs(runs) do
      found = found or run:value(condition.name) ~= nil
      for _, name in ipairs(run:values()) do names[#names + 1] = name end
    end
    if not found then
      local near = core.system.nearest(condition.name, names)
      raise("no run has a '%s'%s", condition.name, near and ("; did you mean '%s'?"):format(near) or "")
    end
  end
end

--- The runs for which `filter` holds (nil: all of them).
function M.apply(runs, filter)
  if filter == nil or filter == "" then return runs end
  local test = filter
  if type(filter) == "string" then
    local conditions = M.parse(filter)
    check_names(runs, conditions)
    function test(run)
      for _, condition in ipairs(conditions) do
        if not holds(condition, run:value(condition.name)) then return false end
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
