-- Measures experiments as the table in experiments/README.md wants it, and writes their rows there:
--
--   perilune experiments/measure.lua progression/01_gradient_descent.lua "progression/04_adam.lua correction=step" seeds=5
--
-- Each experiment is trained with seeds 1 to `seeds` (5), each in a folder of its own under `out` (runs/measured). A seed
-- that is finished there is not trained again, and an interrupted one goes on. `write=` (empty) only prints the rows.
local pl = require "perilune"
local history = require "perilune.history"
local metrics = require "perilune.metrics"
local runfile = require "perilune.runfile"
local script = require "perilune.script"

local seeds = pl.arg("seeds", 5)
local out = pl.arg("out", "runs/measured")
local readme = pl.arg("write", "experiments/README.md")
local threads = pl.arg("threads", 0)
local program = arg[-1] or "perilune"

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- "experiments/a/b.lua x=1" or "a/b.lua x=1" -> { key = "a/b.lua x=1", path =, words = { "x=1" } }
local function parse(what)
  local key = what:gsub("^experiments/", "")
  local file, rest = key:match "^(%S+)%s*(.-)$"
  local words = {}
  for word in rest:gmatch "%S+" do words[#words + 1] = word end
  return { key = key, path = "experiments/" .. file, words = words }
end

--- Trains one seed unless that is done, and returns what its file says of it.
local function trained(row, seed)
  local folder = ("%s/%s-s%d"):format(out, row.key:gsub("%.lua", ""):gsub("[^%w.=]+", "-"), seed)
  local words = { quote(program), "run", quote(row.path) }
  for _, word in ipairs(row.words) do words[#words + 1] = quote(word) end
  words[#words + 1] = ("--seed %d --threads %d --out %s"):format(seed, threads, quote(folder))
  local record = runfile.read(folder .. "/run.h5")
  if not (record and record.state.ended) then
    if not os.execute(table.concat(words, " ")) then os.exit(1, true) end
    record = assert(runfile.read(folder .. "/run.h5"))
    if not record.state.ended then os.exit(1, true) end
  end
  local seconds = 0
  for _, epoch in ipairs(history.new(record.history).rows) do seconds = seconds + epoch.seconds end
  local found = record.evaluation
  return { test = found.test.error, own = found.metrics or {}, epochs = record.state.epoch, seconds = seconds }
end

local function range(low, high, form)
  return low == high and form:format(low) or (form .. " to " .. form):format(low, high)
end

--- The mean, least and greatest of f(item).
local function spread(items, f)
  local sum, low, high = 0, math.huge, -math.huge
  for _, item in ipairs(items) do
    local value = f(item)
    sum, low, high = sum + value, math.min(low, value), math.max(high, value)
  end
  return sum / #items, low, high
end

local function table_row(row)
  local e = script.experiment(row.path, row.words)
  local runs = {}
  for seed = 1, seeds do runs[seed] = trained(row, seed) end
  local metric = e.documented.metric
  local function measured(run) return metric == "test_error" and run.test or run.own[metric] end
  local mean, low, high = spread(runs, measured)
  local shown = ("%.2f"):format(100 * mean)
  if metric ~= "test_error" then
    shown = ("%s (dropout off: %.2f)"):format(shown, 100 * spread(runs, function(run) return run.test end))
  end
  local _, fewest, most = spread(runs, function(run) return run.epochs end)
  local goal = e.documented.error
  local seconds = spread(runs, function(run) return run.seconds end)
  local cells = {
    ("%s `%s`"):format(e.name:match "^%S+", row.key), goal and ("%.2f"):format(100 * goal) or "-", shown,
    range(100 * low, 100 * high, "%.2f"), #runs, range(fewest, most, "%d"),
    goal and metrics.verdict(mean, goal, e.splits.test.count) or "-", ("%.0f"):format(seconds),
  }
  return "| " .. table.concat(cells, " | ") .. " |"
end

--- Puts `line` in the place of the row of the same experiment, or after the last row.
local function write(path, line)
  local file = assert(io.open(path, "rb"))
  local lines, last, place = {}, 0, nil
  for old in file:lines() do
    lines[#lines + 1] = old
    if old:match "^| %S+ `" then last = #lines end
    if old:match "^| %S+ `[^`]+` |" == line:match "^| %S+ `[^`]+` |" then place = #lines end
  end
  file:close()
  if place then lines[place] = line else table.insert(lines, last + 1, line) end
  file = assert(io.open(path .. ".tmp", "wb"))
  file:write(table.concat(lines, "\n"), "\n")
  assert(file:close())
  assert(os.rename(path .. ".tmp", path))
end

for _, what in ipairs(arg) do
  if not what:match "^[%a_][%w_]*=" then
    local line = table_row(parse(what))
    print(line)
    if readme ~= "" then write(readme, line) end
  end
end
