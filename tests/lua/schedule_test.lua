-- Schedules: PyTorch's values (tests/golden/make_schedule.py), the documents' listings and logs, resuming, messages.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local schedule = pl.schedule

local function error_of(f)
  local ok, message = pcall(f)
  lu.assertFalse(ok)
  return message
end

-- The rates of n epochs as a trainer asks for them.
local function run(s, n, ctx, lr)
  local rates, previous = {}, lr
  for epoch = 1, n do
    previous = s(epoch, previous, ctx)
    rates[epoch] = previous
  end
  return rates
end

local function assert_rates(got, expected, tolerance)
  lu.assertEquals(#got, #expected)
  for i, rate in ipairs(expected) do
    if math.abs(got[i] - rate) > tolerance * rate then
      lu.fail(("epoch %d: %.17g, expected %.17g"):format(i, got[i], rate))
    end
  end
end

TestSchedule = {}

function TestSchedule:test_as_pytorch()
  local file = assert(io.open("tests/golden/schedule.json"))
  local golden = core.json.decode(file:read "a")
  file:close()
  local types = {}
  for _, case in ipairs(golden.cases) do
    local ctx = { base_lr = golden.lr, history = { val_loss = golden.losses, score = golden.losses } }
    assert_rates(run(schedule[case.type](case.options), #case.rates, ctx), case.rates, 1e-9)
    types[case.type] = true
  end
  for _, name in ipairs { "step", "multi_step", "exponential", "inverse", "cosine", "one_cycle", "plateau" } do
    lu.assertTrue(types[name])
  end
end

-- Values that are never finite, constant, first so and then so; rates below the least, and below eps.
function TestSchedule:test_plateau_at_its_edges_as_pytorch()
  local file <close> = assert(io.open "tests/golden/schedule.json")
  local names = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }
  for i, case in ipairs(core.json.decode(file:read "a").plateaus) do
    local column = {}
    for t, value in ipairs(case.values) do
      value = names[value] or value
      column[t] = value == value and value or nil       -- a history does not keep NaN
    end
    case.options.monitor = "val_loss"
    local got = run(schedule.plateau(case.options), #case.rates, { base_lr = case.lr, history = { val_loss = column } })
    for t, rate in ipairs(case.rates) do
      lu.assertAlmostEquals(got[t], rate, 1e-12 * rate, ("case %d, epoch %d"):format(i, t))
    end
  end
end

function TestSchedule:test_plateau_of_negative_values_counts_only_what_is_better()
  local worse = { -1, -0.99995, -0.9999, -0.99985 }
  local s = schedule.plateau { patience = 0, factor = 0.5, monitor = "val_loss" }
  lu.assertEquals(run(s, 4, { base_lr = 1, history = { val_loss = worse } }), { 1, 1, 0.5, 0.25 })
end

-- The rates that the document's log shows for P12, by the one-based epoch.
function TestSchedule:test_tunable_as_logged()
  local s = schedule.tunable { lr = 0.001, halve_after = 5, late = { after = 20, every = 3 } }
  local rates = run(s, 56)
  local function expect(from, to, rate)
    for epoch = from, to do lu.assertEquals(("%.2e"):format(rates[epoch]), ("%.2e"):format(rate)) end
  end
  for epoch = 1, 5 do expect(epoch, epoch, epoch * 1e-3) end
  expect(5, 10, 5.00e-3)
  expect(11, 15, 2.50e-3)
  expect(16, 20, 1.25e-3)
  expect(21, 21, 6.25e-4)
  for k = 0, 10 do expect(22 + 3 * k, 24 + 3 * k, 6.25e-4 / 2 ^ (k + 1)) end
  expect(22, 24, 3.125e-4)
  expect(25, 27, 1.56e-4)
  expect(28, 30, 7.81e-5)
  expect(55, 56, 1.53e-7)
end

-- The listing itself, with the halving that its earlier models used (no late phase) and with the late one.
function TestSchedule:test_tunable_as_listed()
  local function listed(rate, epoch, halve_after, late)
    if epoch < halve_after then
      if epoch == 0 then return rate end
      return rate + rate / epoch
    end
    if epoch % halve_after == 0 and epoch ~= 5 and (not late or epoch <= 20) then return rate * 0.5 end
    if late and epoch % 3 == 0 and epoch > 20 then return rate * 0.5 end
    return rate
  end
  for _, late in ipairs { false, true } do
    for _, halve_after in ipairs { 5, 3, 7 } do
      local got = run(schedule.tunable { halve_after = halve_after, late = late and {} or nil }, 94,
        { optimizer = pl.optim.Adam { lr = 0.001 } })
      local rate = 0.001
      for epoch = 0, 93 do
        rate = listed(rate, epoch, halve_after, late)
        lu.assertEquals(got[epoch + 1], rate)
      end
    end
  end
end

function TestSchedule:test_naive_as_documented()
  local got = run(schedule.naive(), 85)
  for epoch = 0, 84 do
    local expected = epoch < 5 and 0.0005 * (epoch + 1) / 5 or 0.0005 * 0.5 ^ ((epoch - 5) // 5)
    lu.assertEquals(got[epoch + 1], expected)
  end
  lu.assertEquals(schedule.naive { lr = 1 }(1), 0.2)
end

function TestSchedule:test_cosine_with_warmup()
  local got = run(schedule.cosine { epochs = 10, warmup = 4, lr = 1 }, 12)
  lu.assertEquals({ got[1], got[2], got[4], got[5] }, { 0.25, 0.5, 1, 1 })
  lu.assertAlmostEquals(got[8], 0.5, 1e-12)
  lu.assertEquals({ got[11], got[12] }, { 0, 0 })
  for i = 6, 11 do lu.assertTrue(got[i] < got[i - 1]) end
end

-- per = "step": the unit is a step, and what is said in epochs is turned into steps.
function TestSchedule:test_per_step()
  local ctx = { base_lr = 1, epochs = 3, batches = 10 }
  lu.assertEquals(schedule.cosine { per = "step" }.per, "step")
  local steps = run(schedule.cosine { per = "step", warmup = 0.5 }, 30, ctx)
  lu.assertEquals(steps[1], 0.2)
  lu.assertEquals(steps[5], 1)
  lu.assertTrue(steps[30] < 0.01 and steps[30] > 0)
  lu.assertEquals(schedule.step { every = 7, factor = 0.5, per = "step" }(15, nil, ctx), 0.25)
  lu.assertEquals(schedule.one_cycle().per, "step")
  lu.assertEquals(schedule.one_cycle { epochs = 5 }(50, nil, ctx), 1 / 25 / 1e4)
  lu.assertEquals(schedule.constant().per, "epoch")
end

-- A run that --epochs cuts short is on the course of the whole one.
function TestSchedule:test_the_length_is_that_of_the_script()
  local whole = { base_lr = 1, epochs = 12, batches = 10, experiment = { epochs = 12 } }
  local short = { base_lr = 1, epochs = 3, batches = 10, experiment = { epochs = 12 } }
  for _, s in ipairs { schedule.cosine { warmup = 2 }, schedule.one_cycle() } do
    for epoch = 1, 3 do lu.assertEquals(s(epoch, nil, short), s(epoch, nil, whole)) end
  end
end

-- Asked for one epoch alone, as after a resume, each gives the rate that it gave in sequence.
function TestSchedule:test_nothing_is_remembered_outside()
  local losses = {}
  for i = 1, 40 do losses[i] = 2 - math.min(i, 12) * 0.1 end
  local ctx = { base_lr = 0.1, epochs = 40, history = { train_loss = losses } }
  for _, s in ipairs { schedule.constant(), schedule.step { every = 3 }, schedule.cosine { warmup = 3 },
    schedule.exponential { factor = 0.9 },
    schedule.plateau { patience = 4 }, schedule.naive(), schedule.tunable(), schedule.multi_step { at = { 5, 9 } },
    schedule.inverse { k = 1 } } do
    local rates = run(s, 40, ctx)
    for _, epoch in ipairs { 2, 13, 27, 40 } do lu.assertEquals(s(epoch, rates[epoch - 1], ctx), rates[epoch]) end
  end
end

function TestSchedule:test_plateau_ignores_what_is_no_number()
  local ctx = { base_lr = 1, history = { train_loss = { 3, 0 / 0, nil, 2 } } }
  lu.assertEquals(schedule.plateau { patience = 1 }(4, 1, ctx), 0.1)
  lu.assertEquals(schedule.plateau { patience = 2 }(5, 1, ctx), 1)
end

function TestSchedule:test_described()
  lu.assertEquals(tostring(schedule.step { every = 3 }), 'pl.schedule.step { every = 3, factor = 0.1, per = "epoch" }')
end

function TestSchedule:test_messages()
  lu.assertStrMatches(error_of(function() schedule.step() end),
    "tests/lua/schedule_test.lua:%d+: pl.schedule.step: option 'every' is missing; .*")
  lu.assertStrContains(error_of(function() schedule.step { evry = 3 } end),
    "pl.schedule.step has no option 'evry'; did you mean 'every'?")
  lu.assertStrContains(error_of(function() schedule.cosine { epochs = 3 }(1) end),
    "pl.schedule.cosine: no rate to start from; add lr = ...")
  lu.assertStrContains(error_of(function() schedule.cosine { lr = 3 }(1) end), "pl.schedule.cosine: add epochs = ...")
  lu.assertStrContains(error_of(function() schedule.one_cycle { max = 3, epochs = 2 }(1) end),
    "add steps_per_epoch = ...")
  lu.assertStrContains(error_of(function() schedule.constant { lr = 3 }(0) end),
    "epochs (and steps) count from 1, got 0")
  local list = error_of(function() schedule.multi_step { at = { 3, "x" } } end)
  lu.assertStrContains(list, 'option \'at\' lists whole numbers from 1, got "x" as item 2')
  lu.assertStrContains(error_of(function() schedule.multi_step { at = { nil, 3 } } end),
    "option 'at' takes a list, and its item 1 is nil; write at = { 30, 60 }")
  lu.assertStrContains(error_of(function() schedule.plateau { monitor = "score" } end),
    "is a larger or a smaller 'score' better?")
  lu.assertStrContains(error_of(function() schedule.plateau { lr = 1 }(2, 1, { history = {} }) end),
    "the history has no column 'train_loss'")
  lu.assertStrContains(error_of(function() schedule.tunable { late = { from = 3 } } end),
    "pl.schedule.tunable: late has no option 'from'")
end

-- What is no schedule is refused when the experiment is made, not when its run has begun.
function TestSchedule:test_an_experiment_checks_its_schedule()
  local x = pl.randn(8, 2, { seed = 1 })
  local function experiment(rule)
    return pl.experiment { name = "s",
      data = pl.data.from_tensors { x = x, y = pl.zeros({ 8 }, "i32"), labels = { "a", "b" } },
      model = pl.nn.Linear(2, 2), loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 1 }, epochs = 3,
      batch_size = 4, schedule = rule }
  end
  for _, rule in ipairs { { 0.1, 0.05, 0.01 }, { cosine = true }, { schedule.cosine(), schedule.step { every = 2 } },
    pl.stopping.patience { monitor = "train_loss", patience = 3 } } do
    lu.assertStrContains(error_of(function() experiment(rule) end),
      "field 'schedule' takes a function(epoch, lr, ctx) that returns the rate, or one schedule such as")
  end
  lu.assertStrContains(error_of(function() experiment(schedule.cosine { warmup = 5 }) end),
    "a warm-up of 5 epochs is longer than the 3 epochs in all")
  experiment(schedule.cosine { warmup = 3 })
  experiment(schedule.cosine { warmup = 5, epochs = 10 })
  experiment(schedule.cosine { warmup = 3 }):with { epochs = 2 }      -- a short trial
  experiment(setmetatable({}, { __call = function() return 1 end }))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
