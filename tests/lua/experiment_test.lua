-- pl.experiment: what it refuses and in which words; what a run does, on a small problem that it must learn.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim

local function message(f, ...)
  local ok, problem = pcall(f, ...)
  lu.assertFalse(ok)
  if type(problem) == "table" then problem = problem.message end
  return (tostring(problem):gsub("^.-experiment_test%.lua:%d+: ", "@ "))
end

-- Two classes of points: the label says whether the sum of four numbers is above 2.
local function points(n, first)
  local x, y = {}, {}
  local seed = first
  for i = 1, n do
    x[i] = {}
    local sum = 0
    for j = 1, 4 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      x[i][j] = seed / 2147483648
      sum = sum + x[i][j]
    end
    y[i] = sum > 2 and 1 or 0
  end
  return pl.tensor(x), pl.tensor(y, "i32")
end

local train_x, train_y = points(200, 1)
local test_x, test_y = points(50, 99)

local function fields(changes)
  local f = {
    name = "Sum of four", data = pl.data.from_tensors { x = train_x, y = train_y, test_x = test_x, test_y = test_y,
      name = "points" },
    model = nn.Sequential { nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2) },
    loss = nn.CrossEntropy(), optimizer = optim.Adam { lr = 0.02 }, epochs = 4, batch_size = 16,
  }
  for name, value in pairs(changes or {}) do f[name] = value end
  return f
end

local function run(changes, options)
  local o = { out = false, quiet = true }
  for name, value in pairs(options or {}) do o[name] = value end
  local e = pl.experiment(fields(changes))
  return e:run(o), e
end

local function bits(model)
  local words = {}
  for _, item in ipairs(model:state()) do
    local flat = item.tensor:reshape(-1)
    for i = 1, flat:count() do words[#words + 1] = ("%a"):format(flat[i]) end
  end
  return table.concat(words, " ")
end

TestFields = {}

function TestFields:test_unknown_and_missing_fields()
  lu.assertEquals(message(pl.experiment, fields { optimiser = 1 }),
    "@ pl.experiment has no field 'optimiser'; did you mean 'optimizer'?")
  local f = fields()
  f.batch_size = nil
  lu.assertEquals(message(pl.experiment, f),
    "@ pl.experiment: field 'batch_size' is missing; add batch_size = the number of samples a step")
  lu.assertEquals(message(function() pl.experiment(fields { epochs = 0 }) end),
    "@ pl.experiment: field 'epochs' must be at least 1, got 0")
  lu.assertEquals(message(function() pl.experiment(fields { test = "never" }) end),
    "@ pl.experiment: field 'test' is one of epoch, end; got 'never'")
  lu.assertEquals(message(function() pl.experiment(fields { model = "cnn" }) end),
    "@ pl.experiment: field 'model' takes an object, got \"cnn\"; such as pl.nn.Sequential { ... }")
  lu.assertEquals(message(function() pl.experiment(fields { callbacks = { on_epochs = print } }) end),
    "@ pl.experiment: callbacks has no function 'on_epochs'; did you mean 'on_epoch'?")
  lu.assertEquals(message(function() pl.experiment(fields { metrics = { "macro_f2" } }) end),
    "@ pl.experiment has no metric 'macro_f2'; did you mean 'macro_f1'?")
  for name, why in pairs { [""] = "its name is empty", ["val/acc"] = "a name has no '/'; write 'val_acc'",
    [("x"):rep(256)] = "at most 255 bytes",
      ["."] = "means a folder", [".."] = "means a folder", ["a\nb"] = "no control characters",
      ["a\0b"] = "no control characters",
      ["\xff"] = "no UTF-8", rows = "the history's own", train_loss = "a column of the history already",
      epoch = "a column of the history already",
      val_error = "a column of the history already", skipped = "already" } do
    lu.assertStrContains(message(function() pl.experiment(fields {
      metrics = { [name] = function() return 1 end } }) end), why)
  end
end

function TestFields:test_shapes_are_checked_before_any_data_is_read()
  local text = message(function()
    pl.experiment(fields { model = nn.Sequential { nn.Linear(4, 8), nn.ReLU(), nn.Linear(7, 2, { name = "out" }) } })
  end)
  lu.assertStrContains(text, "layer 3 (Linear, \"out\")")
  lu.assertStrContains(text, "7")
  lu.assertStrContains(text, "8")
  lu.assertEquals(message(function()
    pl.experiment(fields { data = pl.data.mnist(), model = nn.Sequential { nn.Flatten(), nn.Linear(784, 9) } })
  end),
    "@ pl.experiment: the model has 9 outputs but mnist has 10 classes; give the last layer 10 outputs")
end

function TestFields:test_stopping_must_monitor_what_is_measured()
  lu.assertStrContains(message(pl.experiment,
    fields { stopping = pl.stopping.patience { monitor = "val_loss", patience = 2 } }),
    "stopping monitors 'val_loss', which this experiment does not measure; there is no validation set: add " ..
    "validation = 0.1")
  lu.assertStrContains(message(pl.experiment, fields { test = "end",
    stopping = pl.stopping.patience { monitor = "test_loss", patience = 2 } }),
    "the test set is evaluated at the end only: add test = \"epoch\"")
  lu.assertStrContains(message(pl.experiment,
    fields { stopping = pl.stopping.patience { monitor = "train_los", mode = "min", patience = 2 } }),
    "did you mean 'train_loss'?")
end

TestRun = {}

function TestRun:test_learns_and_keeps_a_history()
  local r = run { epochs = 12 }
  lu.assertEquals(#r.history, 12)
  lu.assertTrue(r.history.train_loss[12] < 0.5 * r.history.train_loss[1])
  lu.assertTrue(r.test.error < 0.2)
  lu.assertEquals(r.test.error, r.history.test_error[12])
  lu.assertEquals(r.state.test_evaluations, 12)
  lu.assertEquals(r.ended, "epochs")
  lu.assertEquals(r.history.columns, { "epoch", "step", "lr", "train_loss", "train_accuracy", "train_error",
    "test_loss", "test_accuracy",
    "test_error", "seconds" })
  lu.assertEquals(r.history.step[12], 12 * 13)
end

function TestRun:test_same_seed_same_bits_another_seed_others()
  local a, b, c = run(), run(), run(nil, { seed = 2 })
  lu.assertEquals(bits(a.model), bits(b.model))
  lu.assertNotEquals(bits(a.model), bits(c.model))
  lu.assertEquals(a.history.train_loss[4], b.history.train_loss[4])
end

function TestRun:test_any_number_of_threads()
  local first = bits(run(nil, { threads = 1 }).model)
  for threads = 2, 4 do lu.assertEquals(bits(run(nil, { threads = threads }).model), first) end
end

-- With a callback the steps are taken one by one, else many in one call; the sums of the losses must not show it.
function TestRun:test_a_callback_a_batch_changes_no_bits()
  local seen = {}
  local with = run { batch_size = 1, callbacks = { on_batch = function(ctx) seen[#seen + 1] = ctx.step end } }
  local without = run { batch_size = 1 }
  lu.assertEquals(bits(with.model), bits(without.model))
  for epoch = 1, 4 do lu.assertEquals(with.history.train_loss[epoch], without.history.train_loss[epoch]) end
  lu.assertEquals({ #seen, seen[1], seen[800] }, { 800, 1, 800 })
end

function TestRun:test_schedule_as_a_function_is_given_the_previous_rate()
  local calls = {}
  local r = run { schedule = function(epoch, lr, ctx)
    calls[#calls + 1] = { epoch, lr, ctx.epochs }
    return lr / 2
  end }
  lu.assertEquals(calls, { { 1, 0.02, 4 }, { 2, 0.01, 4 }, { 3, 0.005, 4 }, { 4, 0.0025, 4 } })
  lu.assertEquals(r.history.lr[4], 0.00125)
  lu.assertStrContains(message(run, { schedule = function() return "fast" end }),
    "schedule: returned \"fast\" for epoch 1; a learning rate of at least 0 is expected")
end

function TestRun:test_a_second_run_begins_with_the_configured_rate()
  local first, e = run { schedule = function(_, lr) return lr / 2 end }
  local expected = bits(e.model)
  lu.assertNotEquals(e.optimizer.lr, e.optimizer.base_lr)
  local second = e:run { out = false, quiet = true }
  lu.assertEquals(second.history.lr[4], first.history.lr[4])
  lu.assertEquals(bits(e.model), expected)
end

function TestRun:test_schedule_a_step()
  local rates = {}
  run { epochs = 1, schedule = pl.schedule.one_cycle { max = 0.05 }, callbacks = { on_batch = function(ctx)
    rates[#rates + 1] = ctx.lr
  end } }
  lu.assertEquals(#rates, 13)
  lu.assertAlmostEquals(math.max(table.unpack(rates)), 0.05, 1e-4)
  lu.assertTrue(rates[13] < rates[1])
end

function TestRun:test_callbacks_in_order_and_stop()
  local calls = {}
  local r = run { callbacks = {
    on_start = function(ctx) calls[#calls + 1] = "start " .. ctx.epoch end,
    on_epoch = function(ctx)
      calls[#calls + 1] = ("epoch %d of %d, %d rows"):format(ctx.epoch, ctx.epochs, #ctx.history)
      if ctx.epoch == 2 then ctx.stop "enough" end
    end,
    on_end = function(ctx) calls[#calls + 1] = "end " .. ctx.epoch end,
  } }
  lu.assertEquals(calls, { "start 0", "epoch 1 of 4, 1 rows", "epoch 2 of 4, 2 rows", "end 2" })
  lu.assertEquals({ r.ended, r.state.stop_reason, #r.history }, { "callback", "enough", 2 })
  for _, stop in ipairs { function(ctx) ctx.stop() end, function(ctx) ctx:stop() end } do
    r = run { callbacks = { on_epoch = stop } }
    lu.assertEquals({ r.ended, r.state.stop_reason, #r.history }, { "callback", nil, 1 })
  end
end

function TestRun:test_stopping_restores_the_best_weights()
  -- the learning rate is wild from epoch 3 on, so that the best epoch is an early one
  local e_weights = {}
  local r = run { epochs = 8, schedule = function(epoch) return epoch <= 2 and 0.02 or 5 end,
    stopping = pl.stopping.patience { patience = 3 },
    callbacks = { on_epoch = function(ctx) e_weights[ctx.epoch] = bits(ctx.model) end } }
  lu.assertEquals(r.ended, "stopping")
  lu.assertEquals(r.best.epoch, 2)
  lu.assertEquals(r.state.epoch, 5)
  lu.assertEquals(bits(r.model), e_weights[2])
  lu.assertEquals(r.test.error, r.history.test_error[2])
  lu.assertStrContains(r:ending(), "weights of epoch 2, the best train loss (chosen on the training set)")
end

function TestRun:test_best_weights_also_when_the_epochs_are_over()
  local weights = {}
  local r = run { epochs = 4, schedule = function(epoch) return epoch <= 2 and 0.02 or 5 end,
    stopping = pl.stopping.patience { patience = 30 },
    callbacks = { on_epoch = function(ctx) weights[ctx.epoch] = bits(ctx.model) end } }
  lu.assertEquals({ r.ended, r.best.epoch }, { "epochs", 2 })
  lu.assertEquals(bits(r.model), weights[2])
end

function TestRun:test_stopped_inside_an_epoch_the_splits_are_seen_with_the_last_weights()
  local function until_step(n, more)
    local changes = { callbacks = { on_batch = function(ctx)
      if ctx.step == n then ctx:stop "inside" end
    end } }
    for name, value in pairs(more or {}) do changes[name] = value end
    return run(changes)
  end
  local r = until_step(20)
  lu.assertEquals({ r.ended, #r.history, r.state.batch, r.state.test_evaluations }, { "callback", 1, 7, 2 })
  lu.assertEquals(r.test.loss, r.model:evaluate(r.experiment.splits.test, { loss = nn.CrossEntropy() }).loss)
  lu.assertNotEquals(r.test.loss, r.history.test_loss[1])
  r = until_step(20, { stopping = pl.stopping.patience { patience = 2 } })
  lu.assertEquals({ r.best.epoch, r.test.loss }, { 1, r.history.test_loss[1] })
end

function TestRun:test_time_at_the_prompt_of_a_pause_is_no_training()
  local trainer, history = require "perilune.epochs", require "perilune.run.history"
  local e = pl.experiment(fields { epochs = 1, callbacks = { on_batch = function() end } })
  e.optimizer:bind(e.model)
  require "perilune.script.random".install(1, 0)
  local system, h, asked, away = require "perilune.core".system, history.new(), 0, 0
  local clock, nothing = system.clock, function() end
  system.clock = function() return clock() + away end
  local t = trainer.new({ experiment = e, model = e.model, optimizer = e.optimizer, epochs = 1,
    state = trainer.fresh(1), history = h }, {
    progress = nothing, row = nothing, note = nothing, publish = nothing,
    started = function() end, interrupted = function() asked = asked + 1 return asked == 3 end,
    pause = function()
      away = away + 1e6
      return true
    end })
  local ok, ended = pcall(t.run, t)
  system.clock = clock
  require "perilune.script.random".restore()
  lu.assertEquals({ ok, ended and true, away }, { true, true, 1e6 })
  lu.assertTrue(h[1].seconds < 1e5, h[1].seconds)
end

function TestRun:test_validation_and_metrics()
  local asked, often = 0, 0
  local r = run { validation = 0.25, test = "end", metrics = { "macro_f1",
    weight_norm = function(ctx) return ctx.model[1].weight:norm() end,
    often = function() often = often + 1 return often end,
    test_looked = function(ctx) asked = asked + 1 return ctx.test.count end } }
  lu.assertEquals(r.history.columns, { "epoch", "step", "lr", "train_loss", "train_accuracy", "train_error", "val_loss",
    "val_accuracy", "val_error",
    "val_macro_f1", "often", "weight_norm", "seconds" })
  lu.assertEquals({ often, r.evaluation.metrics.often }, { 4, 4 })      -- not once more for the same weights
  lu.assertEquals(r.history.step[1], 10)      -- 150 samples left
  lu.assertEquals(asked, 1)
  lu.assertEquals(r.evaluation.metrics.test_looked, 50)
  lu.assertEquals(r.state.test_evaluations, 1)
  lu.assertTrue(r.history.val_macro_f1[4] > 0.3)
end

function TestRun:test_augmentation_by_a_function()
  local shapes = {}
  local r = run { epochs = 1, augment = function(x, y, ctx)
    shapes[#shapes + 1] = { x:size(1), y:size(1), ctx.batch }
    return x + 0.01 * math.random()
  end }
  lu.assertEquals(shapes[1], { 16, 16, 1 })
  lu.assertEquals(shapes[13], { 8, 8, 13 })
  local again = run { epochs = 1, augment = function(x) return x + 0.01 * math.random() end }
  lu.assertEquals(bits(again.model), bits(r.model))       -- math.random is the run's own
  lu.assertNotEquals(bits(again.model), bits(run { epochs = 1 }.model))
end

function TestRun:test_a_loss_that_is_not_finite_stops_and_goes_back()
  local before
  local text = message(run, { optimizer = optim.SGD { lr = 0.1 }, schedule = function(epoch)
    return epoch < 3 and 0.1 or 1e15
  end,
    callbacks = { on_epoch = function(ctx) before = { bits(ctx.model), ctx.model } end } })
  lu.assertStrMatches(text, "epoch 3, batch %d+: the loss is not a finite number; first seen in .+; stopped, .+; " ..
    "a smaller learning rate than 1e%+15 may help")
  lu.assertEquals(bits(before[2]), before[1])
end

function TestRun:test_a_loss_as_a_function_is_the_built_in_one()
  local function cross_entropy(output, y)
    local shifted = output - output:max(2, { keepdim = true })
    local logs = shifted - shifted:exp():sum(2, { keepdim = true }):log()
    local hot = pl.one_hot(y, output:size(2))
    local n = output:size(1)
    return -(hot * logs):sum() / n, (logs:exp() - hot) / n
  end
  local own, built_in = run { loss = cross_entropy }, run()
  for epoch = 1, 4 do
    lu.assertAlmostEquals(own.history.train_loss[epoch], built_in.history.train_loss[epoch], 1e-4)
    lu.assertAlmostEquals(own.history.test_loss[epoch], built_in.history.test_loss[epoch], 1e-4)
    lu.assertEquals(own.history.train_accuracy[epoch], built_in.history.train_accuracy[epoch])
  end
  local gradient_check = require "perilune.nn.gradient_check"
  lu.assertNil(gradient_check.loss(cross_entropy, { 5 }, 5))
  lu.assertStrContains(gradient_check.loss(function(o, y)
    local value, grad = cross_entropy(o, y)
    return value, grad * 1.2
  end, { 2 }, 2), "the loss: its gradient differs from finite differences by 17 %")
  -- a run holds it too, before its first step, and takes other targets than outputs
  local steps = 0
  local function wrong(o, y)
    steps = steps + 1
    local value, grad = cross_entropy(o, y)
    return value, grad * 2
  end
  local function refusal(changes) return message(function() run(changes) end) end
  lu.assertStrContains(refusal { loss = wrong, callbacks = { on_batch = function() error "a step was taken" end } },
    "the loss: its gradient differs from finite differences by")
  lu.assertEquals(run({ loss = wrong, check_gradients = false, epochs = 1 }).ended, "epochs")
  lu.assertStrContains(refusal { model = nn.Sequential { nn.Linear(4, 2), nn.Lambda { forward = function(t)
    return t * 2
  end,
    backward = function(dy) return dy * 3 end } } }, "the model: its gradient differs")
  local function nothing_finite(o) return 0 / 0, o * 0 end
  lu.assertNil(gradient_check.loss(nothing_finite, { 2 }, 2))
  lu.assertStrContains(gradient_check.loss(function() return 1 end, { 2 }, 2), "the second value must be a tensor")
end

function TestRun:test_gradients_of_layers_in_lua_are_checked()
  local gradient_check = require "perilune.nn.gradient_check"
  local function model(factor)
    return nn.Sequential { nn.Linear(4, 6), nn.Dropout(0.3),
      nn.Lambda { forward = function(x) return x * x end, backward = function(dy, x) return dy * x * factor end },
      nn.Linear(6, 2) }:build { 4 }
  end
  lu.assertNil(gradient_check.model(model(2), { 4 }))
  lu.assertStrContains(gradient_check.model(model(3), { 4 }),
    "look at the backward functions of its layers in Lua (Lambda)")
end

function TestRun:test_a_variant_shares_the_rest()
  local e = pl.experiment(fields())
  local longer = e:with { epochs = 6 }
  lu.assertEquals({ e.epochs, longer.epochs, longer.batch_size }, { 4, 6, 16 })
  lu.assertEquals(#longer:run { out = false, quiet = true }.history, 6)
  local stops = e:with { stopping = function() return true end }
  lu.assertEquals(#stops:run { out = false, quiet = true }.history, 1)
  lu.assertEquals(#stops:with { stopping = false }:run { out = false, quiet = true }.history, 4)      -- left out
  lu.assertEquals(message(function() e:with { epoch = 6 } end),
    "@ experiment:with has no field 'epoch'; did you mean 'epochs'?")
  lu.assertEquals(message(function() e:run { epoch = 6 } end), "@ run has no option 'epoch'; did you mean 'epochs'?")
end

-- Epochs, data and loss are checked together; one of them assigned afterwards would be taken in part.
function TestRun:test_its_fields_cannot_be_assigned()
  local e = pl.experiment(fields())
  lu.assertEquals(message(function() e.epochs = 9 end),
    "@ the field 'epochs' of an experiment cannot be set: e:with { epochs = ... } makes a copy that has it")
  lu.assertEquals(e.epochs, 4)
  local seen = {}
  for name, value in pairs(e) do seen[name] = value end
  lu.assertEquals(seen.name, "Sum of four")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
