--- What a handful of numbers says: mean, standard deviation, intervals.
local distributions = require "perilune.stats.distributions"
local system = require "perilune.core".system

local M = {}

--- { n, mean, std (nil for one), min, max } of a list; std divides by n - 1.
function M.summary(list)
  local n, sum, low, high = #list, 0.0, math.huge, -math.huge
  for _, x in ipairs(list) do sum, low, high = sum + x, math.min(low, x), math.max(high, x) end
  local mean, squares = sum / n, 0.0
  for _, x in ipairs(list) do squares = squares + (x - mean) ^ 2 end
  return { n = n, mean = mean, std = n > 1 and math.sqrt(squares / (n - 1)) or nil, min = low, max = high }
end

--- The interval that holds the next such number with probability `level` (0.95), when all are normal with the same
--- mean and variance; nil for fewer than two.
--   mean +- t(n - 1) * s * sqrt(1 + 1/n)
function M.prediction(list, level)
  local s = M.summary(list)
  if s.n < 2 then return nil end
  local half = distributions.t_quantile(0.5 + (level or 0.95) / 2, s.n - 1) * s.std * math.sqrt(1 + 1 / s.n)
  return s.mean - half, s.mean + half
end

local BOOTSTRAP = 71      -- a purpose of the generator that nothing else draws for

-- The mean of as many numbers as there are, drawn with replacement: draw `b` of group `group`.
local function resampled(list, seed, group, b)
  local sum, n = 0.0, #list
  for i = 1, n do sum = sum + list[1 + math.floor(n * system.random(seed, BOOTSTRAP, group, b, i))] end
  return sum / n
end

--- The value below which a fraction p of a sorted list lies, linear between neighbours.
function M.quantile(sorted, p)
  local at = 1 + p * (#sorted - 1)
  local i = math.floor(at)
  if i >= #sorted then return sorted[#sorted] end
  return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i])
end

--- The difference mean(a) - mean(b) and its percentile bootstrap interval: { difference, low, high, level }. Both
--- groups are drawn anew `draws` times (10,000), from `seed` (1).
function M.difference(a, b, options)
  local o = options or {}
  local draws, level, seed = o.draws or 10000, o.level or 0.95, o.seed or 1
  local list = {}
  for i = 1, draws do list[i] = resampled(a, seed, 1, i) - resampled(b, seed, 2, i) end
  table.sort(list)
  return { difference = M.summary(a).mean - M.summary(b).mean, low = M.quantile(list, 0.5 - level / 2),
    high = M.quantile(list, 0.5 + level / 2), level = level }
end

--- Welch's test of equal means, which allows for few numbers and for different variances: the two-sided p-value and the
--- degrees of freedom; nil for fewer than two on a side, and where neither side has any spread.
--   t = (mean(a) - mean(b)) / sqrt(u + v), u = var(a) / n, v = var(b) / m
--   df = (u + v)^2 / (u^2 / (n - 1) + v^2 / (m - 1))
function M.welch(a, b)
  if #a < 2 or #b < 2 then return nil end
  local x, y = M.summary(a), M.summary(b)
  local u, v = x.std ^ 2 / x.n, y.std ^ 2 / y.n
  if x.min == x.max and y.min == y.max then return nil end
  local df = (u + v) ^ 2 / (u ^ 2 / (x.n - 1) + v ^ 2 / (y.n - 1))
  return 2 * distributions.t_cdf(-math.abs(x.mean - y.mean) / math.sqrt(u + v), df), df
end

-- The two-sided exact permutation test of two sides without spread. Of the C(n + m, n) ways to deal the numbers out,
-- one has all that are equal on a side; it counts twice, for either direction.
local function permutation(a, b)
  if a[1] == b[1] then return 1.0 end
  local ways = 1.0
  for i = 1, #a do ways = ways * (#b + i) / i end
  return math.min(1.0, 2 / ways)
end

--- The test of equal means: Welch's, or the exact permutation test where neither side has any spread, of which Welch's
--- would conclude what no few numbers can. Its p-value, its name and the degrees of freedom; nil for fewer than two on
--- a side.
function M.equal_means(a, b)
  if #a < 2 or #b < 2 then return nil end
  local p, df = M.welch(a, b)
  if p then return p, "Welch's t-test", df end
  return permutation(a, b), "exact permutation test"
end

return M
