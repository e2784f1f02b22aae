--- What may be said of two groups of runs, in words that a statistician would sign.
local mcnemar = require "perilune.stats.mcnemar"
local metrics = require "perilune.train.metrics"
local report = require "perilune.terminal.tables"
local samples = require "perilune.stats.samples"

local M = {}

local FEW = 5      -- seeds; with fewer a bootstrap interval is too narrow

--- Have two runs the same seed and weights?
function M.same(a, b)
  local weights = (a.state or {}).weights_sha256
  return a == b or weights ~= nil and a.seed == b.seed and weights == b.state.weights_sha256
end

--- The runs of a group { runs, caution } that are not copies of another one; second, the copies: { run, of } each. A
--- run that is counted twice would make the spread look smaller than it is. Of one setting a seed is a run, whatever
--- its bits (processors may differ), and a finished one before others; of several (`caution`) it needs the weights too.
function M.distinct(group)
  local kept, copies = {}, {}
  for _, run in ipairs(group.runs) do
    local at
    for i, other in ipairs(kept) do
      if M.same(run, other) or not group.caution and run.seed == other.seed then at = i end
    end
    if not at then kept[#kept + 1] = run
    elseif kept[at].ended == "interrupted" and run.ended ~= "interrupted" then
      copies[#copies + 1], kept[at] = { run = kept[at], of = run }, run
    else copies[#copies + 1] = { run = run, of = kept[at] } end
  end
  return kept, copies
end

-- Digests where both have one: files of the same contents may have two names.
local function same_test_set(a, b)
  local x, y = (a.identity.data_sha256 or ""):match "%S+$", (b.identity.data_sha256 or ""):match "%S+$"
  if x and y then return x == y end
  return a.identity.data == b.identity.data
end

local function same_test_sets(run, others)
  for _, other in ipairs(others) do
    if not same_test_set(run, other) then return false end
  end
  return true
end

--- McNemar's exact test of two runs: { first_only, second_only, both_wrong, count, p }; or nil and the reason why
--- there is none.
function M.mcnemar(a, b)
  if not a.test or not b.test then return nil, "one of them was not tested" end
  if not a.test.error or not b.test.error then
    return nil, "what a network of values predicts is not right or wrong; several seeds of each can be compared"
  end
  if not same_test_set(a, b) then return nil, "their test sets differ" end
  local right_a, right_b = a.test.right, b.test.right
  if not right_a or not right_b then
    return nil, "one of them does not keep which predictions are right (it was made by an older program)"
  end
  if right_a:size(1) ~= right_b:size(1) then return nil, "their test sets differ in size" end
  local first, second, wrong = 0, 0, 0
  local of_b = right_b:totable()
  for i, x in ipairs(right_a:totable()) do
    local y = of_b[i]
    if x > y then first = first + 1 elseif y > x then second = second + 1 elseif x == 0 then wrong = wrong + 1 end
  end
  return { first_only = first, second_only = second, both_wrong = wrong, count = #of_b,
    p = mcnemar.p_value(first, second) }
end

local function probability(p) return p < 1e-300 and "p < 1e-300" or ("p = %.2g"):format(p) end

--- The result `name` of a run's final weights; nil of an unfinished run, whose numbers are those of an epoch on the
--- way.
function M.result(run, name)
  if run.ended == "interrupted" then return nil end
  local x = run:value(name)
  return type(x) == "number" and x - x == 0 and x or nil
end

local function of_two_runs(a, b, labels, alpha)
  local first, second = labels[1], labels[2]
  local m, why
  if a.ended == "interrupted" then why = first .. " is unfinished"
  elseif b.ended == "interrupted" then why = second .. " is unfinished"
  else m, why = M.mcnemar(a, b) end
  if not m then return { kind = "none", claimed = false, words = "nothing can be said: " .. why } end
  m.kind, m.claimed = "mcnemar", false
  local apart = m.first_only + m.second_only
  if apart == 0 then
    m.words = "no difference can be told: both have the same test samples right"
    return m
  end
  local counts = ("of %d test samples that only one of them has right, %s has %d and %s %d (McNemar's exact test, %s)")
    :format(apart, first, m.first_only, second, m.second_only, probability(m.p))
  m.claimed = m.p < alpha
  if not m.claimed then m.words = "no difference can be told: " .. counts
  else
    m.words = ("%s is better on this test set: %s; that is of these weights, other seeds may come out otherwise")
      :format(m.first_only > m.second_only and first or second, counts)
  end
  return m
end

-- The finite values of a metric in a group; how many of its finished runs have none, how many are unfinished, and how
-- many of these failed.
local function values_of(runs, metric)
  local list, unfinished, failed = {}, 0, 0
  for _, run in ipairs(runs) do
    list[#list + 1] = M.result(run, metric)
    if run.ended == "interrupted" then unfinished = unfinished + 1 end
    if run:value "state" == "failed" then failed = failed + 1 end
  end
  return list, #runs - #list - unfinished, unfinished, failed
end

-- What is left out of a group called `label`, in words.
local function left_out(label, name, without, unfinished, failed)
  local words = ""
  if without > 0 then
    words = ("; %d run%s of %s %s no %s and %s left out"):format(without, without == 1 and "" or "s", label,
      without == 1 and "has" or "have", name, without == 1 and "is" or "are")
  end
  if failed > 0 then
    words = ("%s; %d run%s of %s failed and %s left out"):format(words, failed, failed == 1 and "" or "s", label,
      failed == 1 and "is" or "are")
  end
  unfinished = unfinished - failed
  if unfinished > 0 then
    words = ("%s; %d run%s of %s %s unfinished and left out"):format(words, unfinished, unfinished == 1 and "" or "s",
      label, unfinished == 1 and "is" or "are")
  end
  return words
end

local function loss_of(run) return (run.identity.setup or {}).loss end

-- The first result that both groups have; nil and the reason where none can be compared.
local function common_metric(a, b)
  for _, name in ipairs { "test_error", "test_rmse", "test_loss" } do
    if #values_of(a, name) > 0 and #values_of(b, name) > 0 then
      if name ~= "test_loss" or loss_of(a[1]) == loss_of(b[1]) then return name end
      return nil, "their losses are of different kinds, and no other test result is common to both"
    end
  end
  return nil, "no test result is common to both"
end

local function of_two_groups(a, b, labels, o)
  local metric, why = o.metric, nil
  for i, runs in ipairs { a, b } do
    local _, _, unfinished = values_of(runs, "epoch")
    if unfinished == #runs then
      return { kind = "none", claimed = false, words = ("nothing can be said: %s is unfinished"):format(labels[i]) }
    end
  end
  if not metric then metric, why = common_metric(a, b) end
  if not metric then return { kind = "none", claimed = false, words = "nothing can be said: " .. why } end
  local first, second, name = labels[1], labels[2], report.title(metric)
  local x, without_x, unfinished_x, failed_x = values_of(a, metric)
  local y, without_y, unfinished_y, failed_y = values_of(b, metric)
  local lost = left_out(first, name, without_x, unfinished_x, failed_x) ..
    left_out(second, name, without_y, unfinished_y, failed_y)
  if #x == 0 or #y == 0 then
    return { kind = "none", claimed = false, metric = metric,
      words = ("nothing can be said: %s has no %s that is a finite number"):format(#x == 0 and first or second, name) }
  end
  if #x < 2 or #y < 2 then
    return { kind = "none", claimed = false, metric = metric, words = "nothing can be said: a group of one run says " ..
      "nothing of its spread; train it with more seeds" .. lost }
  end
  local d = samples.difference(x, y, o)
  d.kind, d.metric, d.seeds = "difference", metric, { #x, #y }
  d.p, d.test, d.df = samples.equal_means(x, y)
  local share = metrics.is_share(metric)
  local function show(value) return share and ("%.3f"):format(100 * value) or ("%.4g"):format(value) end
  local unit, sign = share and " points" or "", d.low > 0 and 1 or d.high < 0 and -1 or 0
  local how = ("%g %% interval of the difference of means, bootstrap"):format(100 * d.level)
  local test = ("%s, %s"):format(d.test, probability(d.p))
  local told = sign ~= 0 and d.p < 1 - d.level
  d.claimed = told and lost == "" and not o.caution      -- what is left out may be the worst
  if d.claimed then
    local low, high = math.min(sign * d.low, sign * d.high), math.max(sign * d.low, sign * d.high)
    d.words = ("%s has the lower %s, by %s%s (%s to %s: %s over %d and %d seeds; %s)"):format(sign > 0 and second
      or first, name, show(math.abs(d.difference)), unit, show(low), show(high), how, #x, #y, test)
  else
    local seeds = ("%s seeds"):format(#x == #y and #x or #x .. " and " .. #y)
    local excuse = o.caution or told and "runs are left out"
    d.words = ("%s: the %s of %s minus that of %s is %s%s (%s to %s: %s; %s)"):format(
      excuse and "no difference is claimed, as " .. excuse or "no difference can be told with " .. seeds, name, first,
      second, show(d.difference), unit, show(d.low), show(d.high), how, test)
  end
  if math.min(#x, #y) < FEW then
    d.words = ("%s; with fewer than %d seeds a side, such an interval is too narrow"):format(d.words, FEW)
  elseif sign ~= 0 and not told then
    d.words = d.words .. "; with so few seeds such an interval is too narrow"
  end
  if metric:find "^test_" and not (same_test_sets(a[1], a) and same_test_sets(a[1], b)) then
    d.words = d.words .. "; their test sets differ" .. (d.claimed and ", which may be the reason" or "")
  end
  d.words = d.words .. lost
  return d
end

--- What may be said of two groups { runs, caution = why they are no sample of seeds, or nil }: { kind = "mcnemar" |
--- "difference" | "none", claimed = is it a difference, words, ... }. labels: how they are called; options: { metric
--- = "test_error", level = 0.95, seed = 1 }. A difference is claimed only where the bootstrap interval and a test of
--- equal means agree, as with few seeds the former alone finds one between equals far too often; and never where runs
--- are left out, unfinished or for want of a finite number.
function M.of(a, b, labels, options)
  local o = {}
  for name, value in pairs(options or {}) do o[name] = value end
  o.caution = a.caution or b.caution
  local x, y = M.distinct(a), M.distinct(b)
  if #x == 1 and #y == 1 and not o.metric then return of_two_runs(x[1], y[1], labels, 1 - (o.level or 0.95)) end
  return of_two_groups(x, y, labels, o)
end

return M
