-- The two rules of early stopping, against losses written down by hand.
local lu = require "luaunit"
local stopping = require "perilune.train.stopping"

-- Feeds the values to a rule; returns the epoch it stopped at (nil: never), the best epoch, and the epochs that
-- improved.
local function feed(rule, values)
  local state, improved = rule:start(), {}
  for epoch, value in ipairs(values) do
    local better, stop = rule:update(state, epoch, value)
    if better then improved[#improved + 1] = epoch end
    if stop then return epoch, state.epoch, improved end
  end
  return nil, state.epoch, improved
end

TestWindow = {}

function TestWindow:test_stops_when_the_oldest_is_the_best()
  local stop, best = feed(stopping.window { patience = 3 }, { 1.0, 0.5, 0.6, 0.7, 0.1 })
  lu.assertEquals({ stop, best }, { 4, 2 })
end

function TestWindow:test_goes_on_while_the_window_gains_enough()
  local stop, best, improved = feed(stopping.window { patience = 3, min_delta_rel = 0.1 },
    { 1.0, 0.8, 0.6, 0.5, 0.42, 0.35 })
  lu.assertEquals({ stop, best }, { nil, 6 })
  lu.assertEquals(improved, { 1, 2, 3, 4, 5, 6 })
end

function TestWindow:test_a_gain_below_the_relative_delta_stops_and_the_best_is_restored()
  -- oldest 1.0, best 0.996: 0.4 % worse than the best, within 0.5 %
  local stop, best = feed(stopping.window { patience = 3, min_delta_rel = 0.005 }, { 1.0, 0.998, 0.996 })
  lu.assertEquals({ stop, best }, { 3, 3 })
  stop = feed(stopping.window { patience = 3, min_delta_rel = 0.005 }, { 1.0, 0.998, 0.994 })
  lu.assertNil(stop)
end

function TestWindow:test_documented_shape_of_a_run()
  -- loss falls by 2 % an epoch until 91, then rises: with patience 15 the run ends at 105 and goes back to 91
  local values = {}
  for epoch = 1, 200 do values[epoch] = epoch <= 91 and 0.98 ^ epoch or 0.98 ^ 91 * (1 + 0.001 * (epoch - 91)) end
  local stop, best = feed(stopping.window { patience = 15, min_delta_rel = 0.005 }, values)
  lu.assertEquals({ stop, best }, { 105, 91 })
end

function TestWindow:test_the_best_of_the_run_is_always_in_the_window()
  -- what allows one snapshot of the weights: compare with the rule as written, over a whole window of values
  local random = 12345
  local function draw()
    random = (random * 1103515245 + 12345) % 2147483648
    return random / 2147483648
  end
  for _ = 1, 300 do
    local values, rule = {}, stopping.window { patience = 4, min_delta_rel = 0.05 }
    for i = 1, 40 do values[i] = 1 + draw() - 0.02 * i end
    local stop, best = feed(rule, values)
    local want_stop, want_best
    for epoch = 1, 40 do
      local from = math.max(1, epoch - 3)
      want_best = from
      for i = from, epoch do if values[i] < values[want_best] then want_best = i end end
      if epoch >= 4 and values[from] - values[want_best] <= 0.05 * math.abs(values[want_best]) then
        want_stop = epoch
        break
      end
    end
    lu.assertEquals({ stop, best }, { want_stop, want_best })
  end
end

function TestWindow:test_larger_is_better_for_accuracy()
  local rule = stopping.window { monitor = "val_accuracy", patience = 2 }
  lu.assertEquals(rule.mode, "max")
  local stop, best = feed(rule, { 0.5, 0.9, 0.4 })
  lu.assertEquals({ stop, best }, { 3, 2 })
end

function TestWindow:test_nan_is_never_the_best()
  local stop, best = feed(stopping.window { patience = 3 }, { 0 / 0, 1.0, 0.5, 0.2 })
  lu.assertEquals({ stop, best }, { nil, 4 })
end

TestPatience = {}

function TestPatience:test_counts_epochs_without_improvement()
  local stop, best, improved = feed(stopping.patience { patience = 2 }, { 1.0, 0.9, 0.95, 0.8, 0.8, 0.8, 0.1 })
  lu.assertEquals({ stop, best }, { 6, 4 })
  lu.assertEquals(improved, { 1, 2, 4 })
end

function TestPatience:test_min_delta_must_be_exceeded()
  local stop, best = feed(stopping.patience { patience = 2, min_delta = 0.125 }, { 1.0, 0.875, 0.8, 0.1 })
  -- 0.875 gains exactly 0.125: no improvement; 0.8 gains 0.2 over 1.0
  lu.assertEquals({ stop, best }, { nil, 4 })
  stop = feed(stopping.patience { patience = 2, min_delta = 0.25 }, { 1.0, 0.875, 0.8, 0.1 })
  lu.assertEquals(stop, 3)
end

-- What improves by too little ends no waiting, but the best epoch is the best.
function TestPatience:test_the_best_is_kept_whatever_min_delta()
  local values = { 1.0, 0.875, 0.8, 0.1 }
  local stop, best, improved = feed(stopping.patience { patience = 2, min_delta = 0.25 }, values)
  lu.assertEquals({ stop, best, improved }, { 3, 3, { 1, 2, 3 } })
  stop, best = feed(stopping.patience { patience = 3, min_delta = 0.25 }, { 1.0, 0.8, 0.9, 0.7, 0.72, 0.73, 0.74 })
  lu.assertEquals({ stop, best }, { 7, 4 })
  stop, best = feed(stopping.patience { monitor = "val_accuracy", patience = 2, min_delta_rel = 0.5 },
    { 0.5, 0.6, 0.55, 0.9 })
  lu.assertEquals({ stop, best }, { 3, 2 })
end

-- A state that a checkpoint kept when it had no `top`.
function TestPatience:test_an_older_state_goes_on()
  local rule, state = stopping.patience { patience = 3, min_delta = 0.5 }, { best = 1.0, epoch = 1, waited = 1 }
  lu.assertEquals({ rule:update(state, 2, 1.2) }, { false, false })
  lu.assertEquals({ rule:update(state, 3, 0.9) }, { true, true })
end

function TestPatience:test_relative_delta()
  local stop = feed(stopping.patience { patience = 2, min_delta_rel = 0.5 }, { 1.0, 0.6, 0.55 })
  lu.assertEquals(stop, 3)
end

function TestPatience:test_all_nan_stops_without_a_best()
  local stop, best = feed(stopping.patience { patience = 2 }, { 0 / 0, 0 / 0, 0 / 0 })
  lu.assertEquals({ stop, best }, { 2, nil })
end

TestOptions = {}

local function message(f, ...)
  local ok, text = pcall(f, ...)
  lu.assertFalse(ok)
  return (text:gsub("^.-stopping_test%.lua:%d+: ", "@ "))
end

function TestOptions:test_unknown_option_names_the_nearest()
  lu.assertEquals(message(function() stopping.window { patiense = 3 } end),
    "@ pl.stopping.window has no option 'patiense'; did you mean 'patience'?")
end

function TestOptions:test_missing_patience()
  lu.assertEquals(message(function() stopping.patience {} end),
    "@ pl.stopping.patience: option 'patience' is missing; add patience = the number of epochs without improvement")
end

function TestOptions:test_range_and_type()
  lu.assertEquals(message(function() stopping.window { patience = 1 } end),
    "@ pl.stopping.window: option 'patience' must be at least 2, got 1")
  lu.assertEquals(message(function() stopping.window { patience = 2.5 } end),
    "@ pl.stopping.window: option 'patience' takes a whole number, got 2.5")
  lu.assertEquals(message(function() stopping.patience { patience = 3, mode = "maxi" } end),
    "@ pl.stopping.patience: option 'mode' is one of min, max; got 'maxi', did you mean 'max'?")
end

function TestOptions:test_direction_of_an_own_metric_must_be_said()
  lu.assertEquals(message(function() stopping.patience { patience = 3, monitor = "val_bleu" } end),
    "@ pl.stopping.patience: is a larger or a smaller 'val_bleu' better? Add mode = \"max\" or mode = \"min\"")
  local metrics = require "perilune.train.metrics"
  for name in pairs(metrics.named) do      -- whatever can be asked for can be monitored
    lu.assertEquals(stopping.patience { patience = 3, monitor = "val_" .. name }.mode, "max")
  end
  lu.assertEquals(stopping.window { patience = 3, monitor = "test_weighted_recall" }.mode, "max")
  lu.assertEquals(stopping.patience { patience = 3, monitor = "val_bleu", mode = "max" }.mode, "max")
end

function TestOptions:test_names_the_split()
  lu.assertEquals(stopping.split_of "val_loss", "validation set")
  lu.assertEquals(stopping.split_of "test_error", "test set")
end

TestNeverFinite = {}

local function after(rule, values)
  local state, best = rule:start(), nil
  for epoch, value in ipairs(values) do
    local improved, stop = rule:update(state, epoch, value)
    if improved then best = epoch end
    if stop then return epoch, best end
  end
  return nil, best
end

function TestNeverFinite:test_both_rules_stop_and_keep_nothing()
  for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
    for _, mode in ipairs { "min", "max" } do
      local values = {}
      for i = 1, 10 do values[i] = bad end
      lu.assertEquals({ after(stopping.patience { patience = 3, mode = mode }, values) }, { 3 })
      lu.assertEquals({ after(stopping.window { patience = 3, mode = mode }, values) }, { 3 })
      lu.assertEquals({ after(stopping.patience { patience = 1, mode = mode }, values) }, { 1 })
    end
  end
end

function TestNeverFinite:test_what_is_finite_later_counts()
  local inf = math.huge
  for _, first in ipairs { inf, -inf, 0 / 0 } do
    for _, relative in ipairs { 0, 0.1 } do
      lu.assertEquals({ after(stopping.patience { patience = 3, min_delta_rel = relative },
        { first, first, 5, 4, 4, 4, 4, 3 }) }, { 7, 4 })
    end
    lu.assertEquals({ after(stopping.window { patience = 3 }, { first, first, 5, 4, 4, 4, 4, 3 }) }, { 6, 4 })
  end
end

function TestNeverFinite:test_constant_values_and_the_first_epoch()
  lu.assertEquals({ after(stopping.patience { patience = 1 }, { 1, 1, 1 }) }, { 2, 1 })
  lu.assertEquals({ after(stopping.patience { patience = 3 }, { 0, 0, 0, 0, 0 }) }, { 4, 1 })
  lu.assertEquals({ after(stopping.window { patience = 2 }, { 0, 0, 0 }) }, { 2, 1 })
end

-- A state goes through a checkpoint as JSON between any two epochs.
function TestNeverFinite:test_after_resume()
  local exact = require "perilune.base.lossless_json"
  local values = { 0 / 0, 3, math.huge, 2.5, 2.5, 0 / 0, 2.4, 2.5, 2.6, 2.7, 2.8 }
  for _, rule in ipairs { stopping.patience { patience = 3 }, stopping.window { patience = 3, min_delta_rel = 0 } } do
    local whole = { after(rule, values) }
    local state, stopped, best = rule:start(), nil, nil
    for epoch, value in ipairs(values) do
      state = exact.decode(exact.encode(state))
      local improved, stop = rule:update(state, epoch, value)
      best = improved and epoch or best
      if stop then stopped = epoch break end
    end
    lu.assertEquals({ stopped, best }, whole)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
