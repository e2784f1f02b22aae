-- Distributions, intervals, McNemar's test and successive halving against SciPy's values
-- (tests/golden/make_statistics.py).
local lu = require "luaunit"
local core = require "perilune.core"
local distributions = require "perilune.stats.distributions"
local halving = require "perilune.sweep.halving"
local mcnemar = require "perilune.stats.mcnemar"
local samples = require "perilune.stats.samples"

local file = assert(io.open("tests/golden/statistics.json", "rb"))
local golden = assert(core.json.decode(file:read "a"))
file:close()

local function close(found, expected, relative)
  lu.assertTrue(math.abs(found - expected) <= relative * math.max(1e-12, math.abs(expected)),
    ("%.17g, not %.17g"):format(found, expected))
end

TestStatistics = {}

function TestStatistics:test_student()
  for _, row in ipairs(golden.t_quantile) do close(distributions.t_quantile(row[1], row[2]), row[3], 1e-11) end
  for _, row in ipairs(golden.t_cdf) do close(distributions.t_cdf(row[1], row[2]), row[3], 1e-11) end
  close(distributions.t_quantile(0.025, 4), -distributions.t_quantile(0.975, 4), 1e-15)
end

function TestStatistics:test_mcnemar()
  for _, row in ipairs(golden.mcnemar) do close(mcnemar.p_value(row[1], row[2]), row[3], 1e-10) end
end

function TestStatistics:test_prediction_interval()
  for _, row in ipairs(golden.prediction) do
    local low, high = samples.prediction(row.x)
    local s = samples.summary(row.x)
    close(s.mean, row.mean, 1e-13)
    close(s.std, row.std, 1e-12)
    close(low, row.low, 1e-11)
    close(high, row.high, 1e-11)
  end
  lu.assertNil(samples.prediction { 1 })
end

-- Two bootstraps of the same groups differ by their own noise; the seed decides ours.
function TestStatistics:test_difference_of_means()
  for _, row in ipairs(golden.bootstrap) do
    local d = samples.difference(row.a, row.b)
    close(d.difference, row.difference, 1e-12)
    local width = row.high - row.low
    lu.assertTrue(math.abs(d.low - row.low) < 0.04 * width and math.abs(d.high - row.high) < 0.04 * width,
      lu.prettystr { d, row })
    local again, other = samples.difference(row.a, row.b), samples.difference(row.a, row.b, { seed = 2 })
    lu.assertEquals({ again.low, again.high }, { d.low, d.high })
    lu.assertNotEquals({ other.low, other.high }, { d.low, d.high })
  end
end

function TestStatistics:test_welch()
  for _, row in ipairs(golden.welch) do
    local p, df = samples.welch(row.a, row.b)
    close(p, row.p, 1e-10)
    close(df, row.df, 1e-12)
    lu.assertEquals(samples.welch(row.b, row.a), p)
  end
  lu.assertNil(samples.welch({ 1 }, { 1, 2 }))
  lu.assertNil(samples.welch({ 0.1, 0.1 }, { 0.3, 0.3 }))
end

-- Neither side has spread: of all ways to deal the numbers out, how many are as far apart? Counted, for equal sides.
function TestStatistics:test_means_without_spread()
  local function counted(n)
    local extreme, ways = 0, 0
    for mask = 0, (1 << 2 * n) - 1 do
      local ones, high = 0, 0
      for i = 0, 2 * n - 1 do
        local bit = mask >> i & 1
        ones, high = ones + bit, high + (i < n and bit or 0)
      end
      if ones == n then
        ways = ways + 1
        if high == 0 or high == n then extreme = extreme + 1 end
      end
    end
    return extreme / ways
  end
  for n = 2, 5 do
    local a, b = {}, {}
    for i = 1, n do a[i], b[i] = 1 / 15, 2 / 15 end
    local p, name, df = samples.equal_means(a, b)
    close(p, counted(n), 1e-12)
    lu.assertEquals({ name, df }, { "exact permutation test" })
    lu.assertEquals(samples.equal_means(b, a), p)
    lu.assertEquals(samples.equal_means(a, a), 1.0)
  end
  close(samples.equal_means({ 1, 1 }, { 2, 2, 2 }), 0.2, 1e-12)
  lu.assertEquals({ samples.equal_means({ 1, 2 }, { 2, 2 }) }, { samples.welch({ 1, 2 }, { 2, 2 }),
    "Welch's t-test", 1.0 })
  lu.assertNil(samples.equal_means({ 1 }, { 1, 2 }))
end

function TestStatistics:test_halving()
  for _, row in ipairs(golden.halving) do
    local rungs, alive = halving.rungs(row.count, row.epochs), {}
    for i = 1, row.count do alive[i] = i end
    local found = {}
    for i, rung in ipairs(rungs) do
      found[i] = { rung.epoch, rung.keep }
      alive = halving.survivors(alive, rung.keep, function(index) return row.losses[index] end)
    end
    lu.assertEquals(found, row.rungs)
    lu.assertEquals(alive, row.survivors)
  end
end

function TestStatistics:test_what_has_no_number_is_worst_and_equals_stay_in_order()
  local of = { 0.5, nil, 0 / 0, 0.5, 0.4 }
  lu.assertEquals(halving.survivors({ 1, 2, 3, 4, 5 }, 2, function(i) return of[i] end), { 1, 5 })
  lu.assertEquals(halving.survivors({ 1, 2, 3, 4, 5 }, 4, function(i) return of[i] end), { 1, 2, 4, 5 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
