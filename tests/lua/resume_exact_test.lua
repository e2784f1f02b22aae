-- A run that is paused and resumed, or continued beyond its end, is the uninterrupted one: also what users' functions
-- see in ctx, what they draw, and where the test set is evaluated. What cannot be resumed exactly is refused.
local lu = require "luaunit"
local pl = require "perilune"
local store = require "perilune.core".store
local tiny = dofile "tests/lua/support_tiny_runs.lua" "resume_exact_test"
local nn, optim = pl.nn, pl.optim
local experiment, start, scratch = tiny.experiment, tiny.start, tiny.scratch

local function bits(run) return tiny.bits(run.model) end

-- make() -> an experiment. Trained at once, and paused after epoch 2 and resumed: both runs.
local function both(name, make)
  local whole = start(make(), name .. "-whole")
  start(make(), name, { pause_after = 2 })
  return whole, start(make(), name)
end

local function same(name, make)
  local whole, resumed = both(name, make)
  lu.assertEquals(#resumed.history, #whole.history)
  for i = 1, #whole.history do
    local a, b = whole.history[i], resumed.history[i]
    a.seconds, b.seconds = nil, nil
    lu.assertEquals(b, a, name)
  end
  lu.assertEquals(bits(resumed), bits(whole), name)
  return whole, resumed
end

TestContext = {}

-- A schedule that reads ctx: the rate depends on each of these, before and after the resume.
function TestContext:test_a_schedule_sees_the_same()
  local reads = {
    train = function(ctx) return ctx.train and ctx.train.loss + ctx.train.count or 1 end,
    row = function(ctx) return ctx.row and ctx.row.train_loss or 1 end,
    step = function(ctx) return 1 + ctx.step / 100 end,
    lr = function(ctx) return 1 + ctx.lr / 2 end,
    loss = function(ctx) return ctx.loss and 2 or 1 end,
    batch = function(ctx) return ctx.batch and 2 or 1 end,
    probabilities = function(ctx) return ctx.val and ctx.val.probabilities and 2 or 1 end,
    mistakes = function(ctx) return ctx.val and ctx.val.mistakes and 2 or 1 end,
    predictions = function(ctx) return ctx.val and ctx.val.predictions.dtype == "i32" and 2 or 1 end,
    random = function(ctx) return 1 + ctx.model:random() / 100 end,
  }
  for name, read in pairs(reads) do
    same("sees-" .. name, function()
      return experiment { validation = 0.25, schedule = function(_, rate, ctx) return rate * 0.9 * read(ctx) end }
    end)
  end
end

function TestContext:test_step_counts_without_functions_for_steps()
  local seen = {}
  start(experiment { callbacks = { on_epoch = function(ctx) seen[#seen + 1] = ctx.step end } }, "steps")
  lu.assertEquals(seen, { 4, 8, 12, 16 })
end

function TestContext:test_probabilities_are_there_when_a_split_was_just_evaluated()
  local seen = {}
  local run = start(experiment { test = "end", validation = 0.25,
    metrics = { least = function(ctx) return ctx.val.probabilities:min() end,
      test_least = function(ctx) return ctx.test.probabilities:min() end },
    schedule = function(_, rate, ctx)
      seen[#seen + 1] = ctx.val ~= nil and ctx.val.probabilities ~= nil
      return rate
    end }, "probabilities")
  lu.assertEquals(seen, { false, false, false, false })
  lu.assertTrue(run.evaluation.metrics.test_least >= 0.5)
end

function TestContext:test_a_metric_of_a_run_that_was_stopped_in_its_first_epoch()
  local run = start(experiment { metrics = { gap = function(ctx) return ctx.train.loss end },
    callbacks = { on_batch = function(ctx) if ctx.batch == 2 then ctx.stop() end end } }, "stopped")
  lu.assertEquals(run.ended, "callback")
  lu.assertTrue(run.evaluation.metrics.gap > 0)
end

function TestContext:test_what_on_start_draws_moves_nothing()
  same("on-start", function()
    local noise
    return experiment { callbacks = { on_start = function() noise = math.random() end },
      schedule = function(_, rate) return rate * (0.5 + math.random() + 0 * #tostring(noise)) end }
  end)
end

TestContinue = {}

-- The test set is evaluated anew with the weights of the new end.
function TestContinue:test_the_result_of_an_earlier_end_is_not_kept()
  local whole = start(experiment {}, "end-whole")
  start(experiment {}, "end", { epochs = 1 })
  local continued = start(experiment {}, "end")
  lu.assertEquals(continued.test.loss, whole.test.loss)
  lu.assertEquals(continued.state.test_evaluations, 2)
end

-- The best epoch's weights were evaluated last; the epoch that follows is told of the last epoch's.
function TestContinue:test_the_validation_of_the_last_epoch_comes_back()
  local function make()
    return experiment { validation = 0.25, optimizer = optim.SGD { lr = 5 },
      metrics = { order = function(ctx) return ctx.epoch == 2 and 1 or 2 end },
      stopping = pl.stopping.patience { monitor = "order", mode = "min", patience = 10 },
      schedule = function(_, rate, ctx) return ctx.val and 1 + ctx.val.loss or rate end }
  end
  local whole = start(make(), "val-whole")
  local first = start(make(), "val", { epochs = 3 })
  lu.assertEquals(first.best.epoch, 2)
  local continued = start(make(), "val")
  for i = 1, 4 do lu.assertEquals(continued.history[i].lr, whole.history[i].lr) end
  lu.assertEquals(continued.state.test_evaluations, 2)
end

function TestContinue:test_a_run_does_not_end_before_it_was_interrupted()
  local n = 0
  local function step_by_step() return experiment { augment = function(a, b) return a, b end } end
  start(step_by_step(), "beyond", { leave = function()
    n = n + 1
    return n > 9
  end })
  lu.assertErrorMsgContains("this run is in epoch 3 already, so it cannot end after epoch 2", start, step_by_step(),
    "beyond", { epochs = 2 })
end

function TestContinue:test_pausing_twice_at_the_same_epoch_trains_once()
  for _ = 1, 2 do
    lu.assertEquals(start(experiment {}, "twice", { pause_after = 2 }).state.step, 8)
  end
end

-- on_start runs again when a run is resumed: what it sets then is not what the uninterrupted run had.
function TestContinue:test_on_start_that_sets_weights_again()
  local function make(guarded)
    return experiment { callbacks = { on_start = function(ctx)
      if not (guarded and ctx.resumed) then ctx.model[1].weight:fill_(0.01) end
    end } }
  end
  start(make(false), "again", { pause_after = 2 })
  lu.assertStrContains(start(make(false), "again").state.edited, "on_start of a resumed run")
  start(make(true), "guarded", { pause_after = 2 })
  lu.assertNil(start(make(true), "guarded").state.edited)
end

TestRefused = {}

-- Variables that no checkpoint holds: each is named when the run would be resumed.
function TestRefused:test_what_changes_and_is_in_no_checkpoint()
  local n = 0
  local function count() n = n + 1 end
  local Counter = {}
  Counter.__index = Counter
  function Counter:tick() self.n = self.n + 1 end
  local object, module = setmetatable({ n = 0 }, Counter), { n = 0 }
  package.loaded["a module of the script"] = module
  package.loaded["required.later"] = { n = 0 }
  local long, rates = {}, coroutine.wrap(function()
    for i = 1, 100 do coroutine.yield(1 / i) end
  end)
  for i = 1, 3000 do long[i] = 0 end
  local cases = {
    { "schedule goes on in a coroutine", schedule = function() return rates() end },
    { "schedule goes on in a coroutine", schedule = coroutine.wrap(function()
      for i = 1, 100 do coroutine.yield(1 / i) end
    end) },
    { "schedule changes the captured variable 'long'", schedule = function()
      long[2500] = long[2500] + 1
      return long[2500]
    end },
    { "schedule changes the module 'required.later'", schedule = function()
      local later = require "required.later"
      later.n = later.n + 1
      return later.n
    end },
    { "callbacks.on_epoch changes the captured variable 'object'", callbacks = { on_epoch = function()
      object:tick()
    end } },
    { "callbacks.on_epoch changes the captured variable 'module'", callbacks = { on_epoch = function()
      module.n = module.n + 1
    end } },
    { "the loss changes the captured variable 'n'", loss = function(out, t)
      count()
      local value, grad = nn.CrossEntropy()(out, t)
      return value, grad
    end, check_gradients = false },
    { "forward of layer 1 (Lambda) changes the captured variable 'n'", check_gradients = false,
      model = nn.Sequential { nn.Lambda { forward = function(a)
        count()
        return a
      end, backward = function(dy) return dy end }, nn.Linear(3, 2) } },
    { "the stopping rule changes the captured variable 'n'", stopping = function() count() end },
    { "the stopping rule changes the captured variable 'n'", stopping = { monitor = "train_loss", mode = "min",
      start = function() return {} end, update = function() return count() end } },
    { "callbacks.on_epoch changes the global variable 'epochs_seen'", callbacks = { on_epoch = function()
      rawset(_G, "epochs_seen", (rawget(_G, "epochs_seen") or 0) + 1)
    end } },
  }
  for i, case in ipairs(cases) do
    local words = table.remove(case, 1)
    start(experiment(case), "refused-" .. i, { pause_after = 2 })
    lu.assertErrorMsgContains(words, start, experiment(case), "refused-" .. i)
  end
end

-- What ctx.state is called does not matter: it is in every checkpoint.
function TestRefused:test_ctx_state_by_another_name()
  same("renamed", function()
    local memory
    return experiment { callbacks = { on_start = function(ctx) memory = ctx.state end, on_epoch = function()
      memory.epochs = (memory.epochs or 0) + 1
    end }, schedule = function() return 0.1 * (1 + (memory.epochs or 0)) end }
  end)
end

-- Objects of the library have checkpoints, or are no state of the training.
function TestRefused:test_objects_of_the_library_may_change()
  local e, run, context, history
  same("objects", function()
    e = experiment { schedule = pl.schedule.cosine { lr = 0.1 }, callbacks = { on_epoch = function(ctx)
      context, history = ctx, ctx.history
      run = run or pl.experiment
      return e and run and context and history
    end } }
    return e
  end)
end

-- It is said when the first epoch is saved, once, and no resume is promised.
-- What a run warns of, and the run.
local function warnings(e, out)
  local lines, progress = {}, require "perilune.train.progress"
  local write = progress.warn
  progress.warn = function(_, line) lines[#lines + 1] = line end
  local run = start(e, out, { pause_after = 3 })
  progress.warn = write
  return lines, run
end

function TestRefused:test_what_no_checkpoint_has_is_said_at_once()
  local n = 0
  local lines, run = warnings(experiment { schedule = function(_, lr)
    n = n + 1
    return lr
  end }, "said")
  lu.assertEquals(lines, { "warning: this run cannot be continued exactly: schedule changes the captured variable " ..
    "'n', which is in no checkpoint; keep it in ctx.state" })
  lu.assertStrContains(run:kept(), "it cannot be continued exactly: schedule changes the captured variable 'n'")
end

-- A tensor may be there to be worked with: the run is resumed, and what that means is said. In layers and losses it is.
function TestRefused:test_tensors_that_change()
  local average, saved = pl.zeros { 3, 2 }, nil
  local function averaged()
    return experiment { callbacks = { on_epoch = function(ctx)
      average:copy_(average * 0.5 + ctx.model[1].weight * 0.5)
    end } }
  end
  lu.assertEquals(warnings(averaged(), "average"), { "warning: callbacks.on_epoch changes the captured variable " ..
    "'average', a tensor that is in no checkpoint; unless each step sets it anew, this run cannot be continued " ..
    "exactly" })
  lu.assertEquals(#start(averaged(), "average").history, 4)
  local function masked()
    return experiment { model = nn.Sequential { nn.Linear(3, 2), nn.Lambda {
      forward = function(a)
        saved = a:gt(0):to "f32"
        return a * saved
      end,
      backward = function(dy) return dy * saved end } } }
  end
  lu.assertEquals(warnings(masked(), "masked"), {})
end

-- Runs of several seeds whose functions capture a tensor, the model's weights for one, are of the same settings.
function TestRefused:test_captured_tensors_are_no_settings()
  local base = experiment {}
  local weight = base.model[1].weight
  local variant = base:with { callbacks = { on_epoch = function(ctx) ctx.state.norm = weight:norm() end } }
  local setups = {}
  for seed = 1, 2 do setups[seed] = start(variant, "variant-" .. seed, { seed = seed }).identity.setup.callbacks end
  lu.assertEquals(setups[2], setups[1])
end

-- What a script does to the model of a run that is over is no reason to keep it.
function TestRefused:test_a_trained_model_may_be_changed()
  local e = experiment {}
  local first = bits(start(e, "again-1"))
  e.model[1].weight[1] = 0
  lu.assertEquals(bits(start(e, "again-2")), first)
end

-- Weights are in the checkpoint, and so is all that lies in them.
function TestRefused:test_captured_weights_may_change()
  same("weights", function()
    local weight, row
    return experiment { callbacks = {
      on_start = function(ctx)
        weight = ctx.model[1].weight
        row = weight[1]
      end,
      on_epoch = function()
        weight:mul_(0.9)
        row:mul_(0.9)
      end } }
  end)
end

TestStopping = {}

function TestStopping:test_a_function_ends_the_run()
  local function second(ctx) return ctx.epoch == 2 and ctx.row.train_loss > 0 end
  local run = start(experiment { stopping = second }, "rule")
  lu.assertEquals({ run.ended, #run.history, run.best }, { "stopping", 2 })
end

function TestStopping:test_a_rule_of_ones_own_needs_a_column()
  local rule = { start = function() return {} end, update = function() return true, false end }
  lu.assertErrorMsgContains("a rule of your own needs monitor = ..., a column of the history", experiment,
    { stopping = rule })
  rule.monitor = "train_loss"
  lu.assertEquals(start(experiment { stopping = rule }, "own-rule").best.epoch, 4)
end

TestIdentity = {}

-- Options that are lists, and the direction of a rule, tell one experiment of a session from another.
function TestIdentity:test_lists_and_directions_count()
  local function at(list) return { schedule = pl.schedule.multi_step { at = list } } end
  local function best(mode)
    return { metrics = { m = function(ctx) return ctx.epoch end },
      stopping = pl.stopping.patience { monitor = "m", mode = mode, patience = 9 } }
  end
  start(experiment(at { 3 }), "at", { pause_after = 2 })
  lu.assertErrorMsgContains("schedule: was pl.schedule.multi_step { at = [3], ", start, experiment(at { 2 }), "at")
  start(experiment(best "max"), "mode", { pause_after = 2 })
  lu.assertErrorMsgContains("stopping_mode: was max, now min", start, experiment(best "min"), "mode")
end

function TestIdentity:test_what_was_forced_is_told()
  start(experiment {}, "forced", { pause_after = 2 })
  local run = start(experiment { optimizer = optim.SGD { lr = 0.1 } }, "forced", { force = true })
  lu.assertStrContains(run.state.edited, "resumed with --force: optimizer: was")
end

TestFolders = {}

-- A folder that has results and no checkpoint is somebody's.
function TestFolders:test_results_without_a_checkpoint_are_not_overwritten()
  start(experiment {}, "lost")
  assert(store.remove(scratch .. "/lost/checkpoint.h5"))
  lu.assertErrorMsgContains("lost holds run.h5, and no checkpoint.h5 to resume from", start, experiment {}, "lost")
  experiment {}.model:save(scratch .. "/own-best.h5")
  lu.assertEquals(#start(experiment {}, "lost", { fresh = true, epochs = 1 }).history, 1)
end

TestNumbers = {}

-- What is not a number is no value, in memory as in a file.
function TestNumbers:test_nan_is_no_value()
  local whole, resumed = same("nan", function()
    return experiment { metrics = { m = function(ctx) return ctx.epoch < 3 and 0 / 0 or 1 end } }
  end)
  lu.assertNil(whole.history[1].m)
  lu.assertEquals({ whole.history[4].m, resumed.history[4].m }, { 1, 1 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
