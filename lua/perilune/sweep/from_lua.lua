--- pl.sweep { script = "my.lua", arguments = { lr = { 1e-3, 1e-2 }, width = "1..5" }, seeds = 5 }: the sweep of the
--- command line, with its result as a table.
local args = require "perilune.script.args"
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local outcome = require "perilune.sweep.outcome"
local script = require "perilune.script"
local sweep = require "perilune.sweep.run"
local values = require "perilune.sweep.values"

local known = {
  { "script", type = "string", required = 'add script = "my.lua", a file that returns pl.experiment { ... }' },
  { "arguments", type = "table" }, { "seeds", type = "integer", low = 1 }, { "trials", type = "integer", low = 1 },
  { "sampling_seed", type = "integer", low = 0 }, { "jobs", type = "integer", low = 1 },
  { "threads", type = "integer", low = 1 }, { "epochs", type = "integer", low = 1 }, { "out", type = "string" },
  { "halving", type = "boolean" }, { "select", type = "string" },
  { "mode", type = "string", choices = { "min", "max" } },
  { "fail_fast", type = "boolean" }, { "retry", type = "boolean" }, { "memory", type = "integer", low = 1 },
  { "quiet", type = "boolean", default = true },
}

-- A value as the word that a script's argument reads.
local function text(name, value)
  local kind = type(value)
  if kind == "number" then return csv.number(value) end
  if kind == "string" or kind == "boolean" then return tostring(value) end
  errors.raise("pl.sweep: argument '%s': %s is no value of an argument: trials are processes of their own, which " ..
    "are given numbers, strings, true or false, and lists of these; let the script choose by a name", name,
    options.describe(value))
end

-- A list among the values: the script reads it as 8,16.
local function list_text(name, list)
  local parts = {}
  options.list(("pl.sweep: argument '%s'"):format(name), list)
  for i, item in options.items(list) do
    parts[i] = text(name, item)
    if parts[i]:find "," then
      errors.raise("pl.sweep: argument '%s': '%s' in a list has a comma, which separates its items", name, parts[i])
    end
  end
  return table.concat(parts, ",")
end

-- { lr = { 0.1, 0.2 }, width = "1..5", name = "x" } -> a list of parameters (see values.parse)
local function parameters_of(arguments)
  local list = {}
  for name, value in pairs(arguments or {}) do
    if type(name) ~= "string" then
      errors.raise("pl.sweep: arguments are named, such as arguments = { lr = { 0.01, 0.1 } }")
    end
    if type(value) == "string" then list[#list + 1] = values.parse(name .. "=" .. value)
    else
      local texts = {}
      if type(value) == "table" then options.list(("pl.sweep: argument '%s'"):format(name), value) end
      for i, item in options.items(type(value) == "table" and value or { value }) do
        texts[i] = type(item) == "table" and list_text(name, item) or text(name, item)
      end
      if #texts == 0 then
        errors.raise("pl.sweep: argument '%s': a list of values is expected, such as { 0.01, 0.1 }", name)
      end
      list[#list + 1] = { name = name, values = texts }
    end
  end
  return list
end

-- The arguments of a configuration, with the types that the script's have (`defaults`: one of their values each).
local function arguments_of(words, defaults)
  local given = {}
  for _, word in ipairs(words) do
    local name, value = word:match "^([^=]*)=(.*)$"
    if defaults[name] == nil then given[name] = tonumber(value) or value
    else given[name] = args.convert(name, value, defaults[name]) end
  end
  return given
end

return function(given)
  local o = options.check("pl.sweep", given, known)
  local ok, r = pcall(function()
    o.file, o.arguments = o.script, parameters_of(o.arguments)
    return script.aside(sweep.run, o, function(line) if not o.quiet then print(line) end end)
  end)
  if not ok then errors.raise("%s", errors.bare(tostring(r))) end
  if r.unwritten then errors.raise("%s", r.unwritten) end
  local result = { folder = r.plan.folder, metric = r.metric, stopped = r.stopped, configurations = {}, runs = {},
    failed = {}, data_note = r.configurations.data_note }
  local names = outcome.arguments(r.items)
  for i, c in ipairs(r.configurations) do
    local one = { arguments = arguments_of(c.words, r.plan.experiment.script.values), runs = {} }
    for _, name in ipairs(r.shown) do one[name] = c.summaries[name] end
    for _, item in ipairs(c.items) do
      if item.run then
        for _, name in ipairs(names) do      -- some have it as the script's default
          if one.arguments[name] == nil then one.arguments[name] = item.run.arguments[name] end
        end
        one.runs[#one.runs + 1] = item.run
        result.runs[#result.runs + 1] = item.run
      elseif item.status.state == "failed" then
        result.failed[#result.failed + 1] = { folder = item.trial.folder, message = item.status.message }
      end
    end
    result.configurations[i] = one
  end
  if outcome.best(r.configurations, r.metric) then result.best = result.configurations[1] end
  if r.stopped == "interrupted" and core.system.isatty(0) then print("interrupted; the same call resumes") end
  return result
end
