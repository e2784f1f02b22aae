--- A row beside what was measured of it: mean, spread, verdict, and whether the documented single run is one of ours.
local metrics = require "perilune.train.metrics"
local results = require "perilune.reproduce.results"
local samples = require "perilune.stats.samples"

local M = {}

--- The value that the documented one is compared with.
function M.value(row, line) return row.metric == "test_error" and line.error or line.metric end

local function each(lines, f)
  local list = {}
  for _, line in ipairs(lines) do list[#list + 1] = f(line) end
  return #list > 0 and samples.summary(list) or nil, list
end

-- The lines that count, and the number of seeds in them: a mean over seeds 1 to 5 while not all of these have lines of
-- their own.
local function counted(lines)
  for _, line in ipairs(lines) do
    local first, last = results.seeds(line)
    if last > first then return { line }, last - first + 1 end
  end
  return lines, #lines
end

--- What the lines of results.csv say of a row; nil when there are none:
--   { seeds, errors = that of each (nil: not known), error = summary, also = summary, epochs = summary,
--     seconds = summary, verdict,
--     low, high = the 95 % prediction interval of one more run, interval = "inside"|"outside": the documented run }
function M.of(row, lines)
  if not lines or #lines == 0 then return nil end
  local v = {}
  lines, v.seeds = counted(lines)
  local error_, list = each(lines, function(line) return M.value(row, line) end)
  v.error = error_
  v.whole = #lines == v.seeds      -- each seed's own number is there
  if v.whole then v.errors = list end
  v.also = each(lines, function(line) return row.metric ~= "test_error" and line.error or line.metric end)
  v.epochs = each(lines, function(line) return line.epochs end)
  v.seconds = each(lines, function(line) return line.seconds end)
  if row.error then
    v.verdict = metrics.verdict(v.error.mean, row.error, 10000)
    if v.whole then
      v.low, v.high = samples.prediction(list)
      local inside = v.low and row.error >= v.low - 1e-9 and row.error <= v.high + 1e-9
      v.interval = v.low and (inside and "inside" or "outside") or nil
    end
  end
  return v
end

return M
