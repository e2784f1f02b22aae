-- What may be said of groups of runs whose results are given: claims, and what makes none.
local lu = require "luaunit"
local core = require "perilune.core"
local claim = require "perilune.stats.claim"

-- Runs of the given test errors, as far as a claim looks at them; fields: of all of them.
local function group(values, fields)
  local runs = {}
  for i, value in ipairs(values) do
    local run = { seed = i, identity = { data = "d" }, state = {}, test = { test_error = value }, arguments = {} }
    for name, x in pairs(fields or {}) do run[name] = x end
    function run:value(name) return self.test[name] end
    runs[i] = run
  end
  return { runs = runs, first = runs[1] }
end

local function words_of(a, b, options) return claim.of(a, b, { "A", "B" }, options).words end

TestClaims = {}

-- With few seeds a bootstrap interval finds differences between equals far too often (one time in three with two a
-- side, one in five with three): Welch's test has to agree.
function TestClaims:test_few_seeds_make_no_difference()
  local a, b = group { 0.695, 0.80, 0.77 }, group { 0.48, 0.70, 0.415 }
  local c = claim.of(a, b, { "A", "B" })
  lu.assertTrue(c.low > 0)
  lu.assertFalse(c.claimed)
  lu.assertAlmostEquals(c.p, 0.109349742711513, 1e-12)      -- SciPy: ttest_ind(equal_var=False)
  lu.assertStrMatches(c.words, "no difference can be told with 3 seeds: the test error of A minus that of B is " ..
    "22.333 points %(6.500 to 35.333: 95 %% interval of the difference of means, bootstrap; Welch's t%-test, " ..
    "p = 0.11%); with fewer than 5 seeds a side, such an interval is too narrow")
  lu.assertStrContains(words_of(a, b, { level = 0.8 }), "B has the lower test error, by 22.333 points (")
  lu.assertStrContains(words_of(a, b, { level = 0.8 }), " 80 % interval ")
  local claimed, core_random = 0, core.system.random
  for k = 1, 60 do
    local function draw(g)
      local list = {}
      for i = 1, 3 do list[i] = 0.1 + 0.01 * (core_random(5, 900, k, g, i) + core_random(5, 901, k, g, i)) end
      return group(list)
    end
    if not words_of(draw(1), draw(2), { draws = 400 }):find "no difference" then claimed = claimed + 1 end
  end
  lu.assertTrue(claimed <= 7, claimed)
end

-- Only the same result of both sides is compared; losses only where they are of one kind.
function TestClaims:test_results_of_different_kinds()
  local function of(name, values, loss)
    local g = group(values)
    for i, run in ipairs(g.runs) do
      run.test = { [name] = values[i], test_loss = 10 * values[i] }
      run.identity.setup = { loss = loss or "CrossEntropy" }
    end
    return g
  end
  local classes, values = of("test_error", { 0.1, 0.2 }), of("test_rmse", { 1.1, 1.2 }, "MSE")
  for _, words in ipairs { words_of(classes, values), words_of(values, classes) } do
    lu.assertEquals(words, "nothing can be said: their losses are of different kinds, and no other test result is " ..
      "common to both")
  end
  lu.assertStrContains(words_of(values, of("test_rmse", { 0.1, 0.11 }, "Huber")), "B has the lower test RMSE, by 1.045")
  lu.assertStrContains(words_of(classes, of("test_x", { 5, 5.1 })), "A has the lower test loss, by 49 ")
  lu.assertStrContains(words_of(classes, of("test_x", { 5, 5.1 }), { metric = "test_loss" }), "lower test loss, by 49 ")
  values.runs[1].test.error, values.runs[1].test.rmse = nil, 1.1
  lu.assertStrContains(words_of(group({ 1 }), group({ 2 }, { test = { rmse = 1 } })),
    "nothing can be said: what a network of values predicts is not right or wrong")
end

-- Seeds of one setting are those of the same weights to start from, data as derived, metrics and callbacks.
function TestClaims:test_what_makes_a_setting()
  local compare = require "perilune.stats.compare"
  for name, field in pairs { start = "start", ["derivation of the data"] = "recipe",
    ["contents of the data"] = "data_sha256" } do
    local runs = group({ 1, 2 }).runs
    runs[1].identity = { data = "d", [field] = "one thing" }
    runs[2].identity = { data = "d", [field] = "another" }
    local groups = compare.groups(runs)
    lu.assertEquals({ #groups, compare.settings(groups)[1].name }, { 2, name })
  end
  for _, name in ipairs { "metrics", "callbacks" } do
    local runs = group({ 1, 2 }).runs
    for i = 1, 2 do runs[i].identity = { data = "d", setup = { [name] = "a function " .. i } } end
    local groups = compare.groups(runs)
    lu.assertEquals({ #groups, compare.settings(groups)[1].name }, { 2, name })
  end
end

-- A run that is copied, or given twice, is no second seed; what has no number is said to be left out.
function TestClaims:test_what_counts()
  local same = { state = { weights_sha256 = "abc" } }
  local a, b = group({ 0.1, 0.11, 0.12 }), group({ 0.5, 0.51 })
  a.runs[4] = a.runs[1]
  lu.assertEquals(claim.of(a, b, { "A", "B" }).seeds, { 3, 2 })
  local copies = group({ 0.1, 0.1 }, same)
  lu.assertEquals(#claim.distinct(copies), 2)
  copies.runs[2].seed = 1
  lu.assertEquals(#claim.distinct(copies), 1)
  copies.runs[2].state = { weights_sha256 = "another processor's" }
  lu.assertEquals(#claim.distinct(copies), 1)
  copies.runs[1].ended = "interrupted"
  lu.assertEquals({ claim.distinct(copies) }, { { copies.runs[2] }, { { run = copies.runs[1], of = copies.runs[2] } } })
  copies.runs[1].ended, copies.caution = nil, "of several settings"
  lu.assertEquals(#claim.distinct(copies), 2)
  copies.caution, copies.runs[2].state = nil, same.state
  lu.assertStrContains(words_of(copies, b), "a group of one run")
  a = group { 0.1, 0 / 0, 0.12, 1 / 0 }
  lu.assertStrContains(words_of(a, b, { level = 0.8 }), "; 2 runs of A have no test error and are left out")
  lu.assertEquals(words_of(a, group { 0 / 0, 0 / 0 }),
    "nothing can be said: no test result is common to both")
  lu.assertEquals(words_of(a, b, { metric = "test_loss" }),
    "nothing can be said: A has no test loss that is a finite number")
  b.runs[1].identity = { data = "e" }
  lu.assertStrContains(words_of(a, b), "; their test sets differ; 2 runs")
  lu.assertStrContains(words_of(group { 0.1, 0.1 }, group { 0.1, 0.1 }), "no difference can be told with 2 seeds")
end

-- What is left out may be the worst of its side: the rest is not claimed to be better.
function TestClaims:test_lost_runs_make_no_claim()
  local a, b = group { 0.1, 0.11, 0.12, 0 / 0 }, group { 0.5, 0.51, 0.52, 0.53 }
  for _, pair in ipairs { { a, b }, { b, a } } do
    local c = claim.of(pair[1], pair[2], { "A", "B" })
    lu.assertTrue(c.p < 0.01)
    lu.assertFalse(c.claimed)
    lu.assertStrMatches(c.words, "no difference is claimed, as runs are left out: the test error of A minus that .*" ..
      "; 1 run of [AB] has no test error and is left out")
  end
  a.runs[4] = nil
  lu.assertTrue(claim.of(a, b, { "A", "B" }).claimed)
end

-- Equal numbers on each side have no spread; how few they are is all that counts.
function TestClaims:test_groups_without_spread()
  local function of(n)
    local a, b = {}, {}
    for i = 1, n do a[i], b[i] = 1 / 15, 2 / 15 end
    return claim.of(group(a), group(b), { "A", "B" })
  end
  local two, three, four = of(2), of(3), of(4)
  lu.assertEquals({ two.claimed, three.claimed, four.claimed }, { false, false, true })
  lu.assertStrMatches(two.words, "no difference can be told with 2 seeds: .*exact permutation test, p = 0.33%).*")
  lu.assertStrMatches(three.words, "no difference can be told with 3 seeds: .*exact permutation test, p = 0.1%).*")
  lu.assertStrMatches(four.words, "A has the lower test error, .*; exact permutation test, p = 0.029%).*")
end

-- The test sets of all runs, not of the first alone.
function TestClaims:test_test_sets_of_all_runs()
  for side = 1, 2 do
    local sides = { group { 0.1, 0.11, 0.12 }, group { 0.5, 0.51, 0.52 } }
    lu.assertNil(words_of(sides[1], sides[2]):find("test sets differ", 1, true))
    sides[side].runs[3].identity = { data = "e" }
    lu.assertStrContains(words_of(sides[1], sides[2]), "; their test sets differ, which may be the reason")
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
