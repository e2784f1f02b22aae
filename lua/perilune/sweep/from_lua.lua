--- pl.sweep { script = "my.lua", arguments = { lr = { 1e-3, 1e-2 }, width = "1..5" }, seeds = 5 }: the sweep of the
--- command line, with its result as a table.
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local sweep = require "perilune.sweep.run"

local known = {
  { "script", type = "string", required = 'add script = "my.lua", a file that returns pl.experiment { ... }' },
  { "arguments", type = "table" }, { "seeds", type = "integer", low = 1 }, { "trials", type = "integer", low = 1 },
  { "sampling_seed", type = "integer", low = 0 }, { "jobs", type = "integer", low = 1 },
  { "threads", type = "integer", low = 1 }, { "epochs", type = "integer", low = 1 }, { "out", type = "string" },
  { "halving", type = "boolean" }, { "select", type = "string" }, { "mode", type = "string", choices = { "min", "max" } },
  { "fail_fast", type = "boolean" }, { "retry", type = "boolean" }, { "memory", type = "integer", low = 1 },
  { "quiet", type = "boolean", default = true },
}

local function text(value)
  if type(value) == "table" then
    local parts = {}
    for i, item in options.items(value) do parts[i] = text(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  return type(value) == "number" and csv.number(value) or tostring(value)
end

-- { lr = { 0.1, 0.2 }, width = "1..5", name = "x" } -> { "lr=0.1,0.2", "name=x", "width=1..5" }
local function words_of(arguments)
  local words = {}
  for name, value in pairs(arguments or {}) do
    if type(name) ~= "string" then
      errors.raise("pl.sweep: arguments are named, such as arguments = { lr = { 0.01, 0.1 } }")
    end
    if type(value) == "table" then
      local parts = {}
      for i, item in options.items(value) do parts[i] = text(item) end
      value = table.concat(parts, ",")
    end
    words[#words + 1] = name .. "=" .. text(value)
  end
  table.sort(words)
  return words
end

local function arguments_of(words)
  local given = {}
  for _, word in ipairs(words) do
    local name, value = word:match "^([^=]*)=(.*)$"
    given[name] = tonumber(value) or value
  end
  return given
end

return function(given)
  local o = options.check("pl.sweep", given, known)
  o.file, o.arguments = o.script, words_of(o.arguments)
  local ok, r = pcall(sweep.run, o, function(line) if not o.quiet then print(line) end end)
  if not ok then errors.raise("%s", errors.strip(tostring(r))) end
  local result = { folder = r.plan.folder, metric = r.metric, stopped = r.stopped, configurations = {}, runs = {},
    failed = {} }
  for i, c in ipairs(r.configurations) do
    local one = { arguments = arguments_of(c.words), runs = {} }
    for _, name in ipairs(r.shown) do one[name] = c.summaries[name] end
    for _, item in ipairs(c.items) do
      if item.run then
        one.runs[#one.runs + 1] = item.run
        result.runs[#result.runs + 1] = item.run
      elseif item.status.state == "failed" then
        result.failed[#result.failed + 1] = { folder = item.trial.folder, message = item.status.message }
      end
    end
    result.configurations[i] = one
  end
  if r.metric and #r.configurations > 0 and r.configurations[1].loss < math.huge then
    result.best = result.configurations[1]
  end
  if r.stopped == "interrupted" and core.system.isatty(0) then print("interrupted; the same call resumes") end
  return result
end
