--- pl.compare(a, b): runs, folders, or lists of these (the seeds of one setting).
local claims = require "perilune.stats.claim"
local compare = require "perilune.stats.compare"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local result = require "perilune.run.result"

local function run_of(value, what)
  if result.is(value) then return value end
  if type(value) ~= "string" then
    errors.raise("pl.compare: %s is a run, its folder or a list of these, got %s", what, options.describe(value))
  end
  local run, message = require "perilune.run.runs".run(value)
  return run or errors.raise("pl.compare: %s", message)
end

local function group_of(value, what)
  local list = type(value) == "table" and not result.is(value) and value or { value }
  local group = { runs = {} }
  for i, item in options.items(list) do group.runs[i] = run_of(item, what) end
  group.first = group.runs[1] or errors.raise("pl.compare: %s is an empty list", what)
  return group
end

-- Why a group is no sample of the seeds of one setting, in words; nil: it is.
local function mixture(group, label)
  local parts = compare.groups(group.runs)
  if #parts == 1 then return nil end
  local names = {}
  for i, row in ipairs(compare.settings(parts)) do names[i] = i <= 3 and row.name or nil end
  return ("%s are of several settings (%s)"):format(label, #names > 0 and table.concat(names, ", ") or "text")
end

local function shared(a, b)
  for _, x in ipairs(a.runs) do
    for _, y in ipairs(b.runs) do
      if claims.same(x, y) then return "both have the run of seed " .. x.seed end
    end
  end
end

return function(a, b, given)
  local o = options.check("pl.compare", given,
    { { "seed", type = "integer", low = 0 }, { "level", type = "number", low = 0.5, high = 0.9999 },
      { "metric", type = "string" } })
  local groups = { group_of(a, "the first"), group_of(b, "the second") }
  for _, group in ipairs(o.metric and groups or {}) do
    o.metric = require "perilune.run.filter".check_name(group.runs, o.metric, "pl.compare")
  end
  for i, group in ipairs(groups) do group.caution = mixture(group, i == 1 and "the first" or "the second") end
  if #groups[1].runs + #groups[2].runs > 2 then
    groups[1].caution = groups[1].caution or shared(groups[1], groups[2])
  end
  for _, group in ipairs(groups) do
    group.runs = claims.distinct(group)      -- a copy does not count again
    group.first = group.runs[1]
  end
  local claim = claims.of(groups[1], groups[2], { "the first", "the second" }, o)
  claim.settings, claim.results = compare.settings(groups), compare.results(groups)
  return claim
end
