-- The end of a run: what callbacks and metrics of the end do belongs to it alone, so that a run that goes on after it
-- is the uninterrupted one; its results are of the weights that it leaves; and nothing finished is lost for a new run.
local lu = require "luaunit"
local pl = require "perilune"
local tiny = dofile "tests/lua/support_tiny_runs.lua" "ends_test"
local nn, optim = pl.nn, pl.optim
local experiment, start, bits, scratch = tiny.experiment, tiny.start, tiny.bits, tiny.scratch
local x, test_x = tiny.x, tiny.test_x

TestContinued = {}

-- name -> a function that makes the fields of an experiment, anew for each run.
local cases = {
  weights = function()
    return { callbacks = { on_end = function(ctx) ctx.model[1].weight:mul_(0.5) end } }
  end,
  weights_after_the_best = function()
    return { validation = 0.25, callbacks = { on_end = function(ctx) ctx.model[1].weight:mul_(0.5) end },
      metrics = { order = function(ctx) return ctx.epoch == 1 and 1 or 2 end },
      stopping = pl.stopping.patience { monitor = "order", mode = "min", patience = 10 } }
  end,
  weights_and_what_ctx_has = function()
    return { validation = 0.25, callbacks = { on_end = function(ctx) ctx.model[1].weight:fill_(0) end },
      schedule = function(_, _, ctx) return ctx.val and ctx.val.loss or 0.3 end }
  end,
  state = function()
    return { callbacks = { on_end = function(ctx) ctx.state.ended = true end },
      schedule = function(_, lr, ctx) return ctx.state.ended and lr * 2 or lr end }
  end,
  step = function()
    return { optimizer = optim.Adam { lr = 0.1 }, callbacks = { on_end = function(ctx)
      ctx.model:zero_grad()
      ctx.model:forward(x)
      ctx.model:backward(pl.ones { 64, 2 })
      ctx.optimizer:step()
    end } }
  end,
  captured = function()
    local done
    return { callbacks = { on_end = function(ctx) done = ctx.test.error + (done or 0) end } }
  end,
  rate = function()
    return { callbacks = { on_end = function(ctx) ctx.optimizer.lr = 7 end } }
  end,
  random_numbers = function()
    return { metrics = { test_noise = function() return math.random() end },
      schedule = function() return 0.1 + math.random() end }
  end,
  state_of_a_metric = function()
    return { metrics = { test_calls = function(ctx)
      ctx.state.calls = (ctx.state.calls or 0) + 1
      return ctx.state.calls
    end }, schedule = function(_, _, ctx) return 0.1 * (1 + (ctx.state.calls or 0)) end }
  end,
  weights_of_on_epoch = function()
    return { validation = 0.25, callbacks = { on_epoch = function(ctx) ctx.model[1].weight:mul_(0.5) end },
      schedule = function(_, _, ctx) return ctx.val and ctx.val.loss or 0.3 end }
  end,
}

function TestContinued:test_is_the_uninterrupted_run()
  for name, make in pairs(cases) do
    local whole = start(experiment(make()), name .. "-whole")
    start(experiment(make()), name, { epochs = 2 })
    local continued = start(experiment(make()), name)
    for i = 1, 4 do lu.assertEquals(continued.history.lr[i], whole.history.lr[i], name) end
    lu.assertEquals(bits(continued.model), bits(whole.model), name)
    lu.assertEquals(continued.test.loss, whole.test.loss, name)
    lu.assertNil(continued.state.edited, name)
  end
end

-- Interrupted in the epoch after its end, it is unfinished: also for those who only look.
function TestContinued:test_is_not_finished_meanwhile()
  local function make() return experiment { callbacks = { on_batch = function() end } } end
  start(make(), "meanwhile", { epochs = 2 })
  local looks = 0
  local run = start(make(), "meanwhile", { leave = function()
    looks = looks + 1
    return looks == 2
  end })
  lu.assertEquals({ run.ended, run.state.epoch, run.state.batch }, { "interrupted", 2, 1 })
  local seen = pl.run(scratch .. "/meanwhile")
  lu.assertEquals({ seen.ended, seen:value "state" }, { "interrupted", "unfinished" })
  lu.assertEquals(pl.runs(scratch, "state=unfinished")[1].path, scratch .. "/meanwhile")
end

TestResults = {}

-- Averaged weights, say: what is reported is measured with them, and each file holds the weights that it says.
function TestResults:test_on_end_that_changes_the_weights()
  local order = { order = function(ctx) return ctx.epoch == 1 and 1 or 2 end }
  for name, stopping in pairs { plain = false, best = pl.stopping.patience { monitor = "order", mode = "min",
    patience = 10 } } do
    local e = experiment { metrics = order, stopping = stopping or nil, callbacks = { on_end = function(ctx)
      ctx.model[1].weight:fill_(0.25)
    end } }
    local run = start(e, name)
    local again = run.model:evaluate(run.experiment.data.test, { loss = run.experiment.loss })
    lu.assertEquals({ run.test.loss, run.test.accuracy }, { again.loss, again.accuracy })
    local place = scratch .. "/" .. name
    for _, file in ipairs { "", "/run.h5", "/checkpoint.h5" } do
      lu.assertEquals(bits(assert(nn.load(place .. file))), bits(run.model), name .. file)
    end
    local best = stopping and bits(assert(nn.load(place .. "/best.h5")))
    lu.assertNotEquals(best, bits(run.model))
    for _, file in ipairs { "run.h5", stopping and "best.h5" or nil } do os.remove(place .. "/" .. file) end
    local recalled = start(e, name)      -- and makes the files anew
    lu.assertEquals({ bits(recalled.model), recalled.test.loss }, { bits(run.model), run.test.loss })
    lu.assertEquals(bits(assert(nn.load(place .. "/run.h5"))), bits(run.model))
    if stopping then lu.assertEquals(bits(assert(nn.load(place .. "/best.h5"))), best) end
  end
end

-- What on_end remembers is of the end: in the run's file, and not in what a continued run begins with.
function TestResults:test_what_on_end_puts_into_ctx_state()
  local run = start(experiment { callbacks = { on_end = function(ctx) ctx.state.summary = "done" end } }, "summary")
  lu.assertEquals(run.ended, "epochs")
  local file = require "perilune.run.file"
  lu.assertEquals(assert(file.read(scratch .. "/summary/run.h5")).state.user, { summary = "done" })
  lu.assertEquals(assert(file.read(scratch .. "/summary/checkpoint.h5")).state.user, {})
end

function TestResults:test_where_a_callback_stopped_it()
  local run = start(experiment { callbacks = { on_batch = function(ctx)
    if ctx.epoch == 2 and ctx.batch == 2 then ctx.stop "enough" end
  end } }, "stopped")
  lu.assertStrContains(run:ending(), "stopped by a callback after epoch 1 and 2 batches of the next (enough)")
end

-- A documented number of another metric than the test error, without a test set too.
function TestResults:test_documented_metrics()
  local run = start(experiment { test = false, documented = { error = 0.1, metric = "mine" },
    metrics = { mine = function() return 0.05 end } }, "documented")
  lu.assertStrContains(tostring(run), "documented 10.00 %: beats")
  run = start(experiment { validation = 0.25, documented = { error = 1, metric = "val_error" } }, "documented-val")
  lu.assertStrContains(tostring(run), "documented 100.00 %: beats")
  lu.assertErrorMsgContains("documented: metric 'val_error' is not measured", experiment,
    { documented = { error = 0.1, metric = "val_error" } })
  lu.assertErrorMsgContains("documented: metric 'epoch' is not measured", experiment,
    { documented = { error = 0.1, metric = "epoch" } })
end

function TestResults:test_a_script_s_own_rmse_stands()
  local function first(t) return t:slice(2, 1, 1):contiguous() end
  local values = pl.data.from_tensors { x = x, y = first(x), test_x = test_x, test_y = first(test_x) }
  local run = start(experiment { data = values, model = nn.Sequential { nn.Linear(3, 1) }, loss = nn.MSE(),
    optimizer = optim.SGD { lr = 0.01 }, test = "epoch", metrics = { test_rmse = function() return 42 end } }, "rmse")
  lu.assertEquals({ run.history.test_rmse[4], run:value "test_rmse" }, { 42, 42 })
end

TestKept = {}

-- A run that lies where a new one begins stays until that has something to put in its place.
function TestKept:test_fresh_keeps_what_is_there_until_the_first_save()
  local first = start(experiment {}, "fresh")
  for words, make in pairs { oops = function()
    return experiment { callbacks = { on_start = function() error "oops" end } }, { fresh = true }
  end, ["option 'seed' must be from 0 to 9007199254740992"] = function()
    return experiment {}, { fresh = true, seed = (1 << 53) + 1 }
  end } do
    local e, options = make()
    lu.assertErrorMsgContains(words, start, e, "fresh", options)
    lu.assertEquals(bits(pl.run(scratch .. "/fresh").model), bits(first.model))
  end
  start(experiment { stopping = pl.stopping.patience { monitor = "train_loss", patience = 3 } }, "fresh",
    { fresh = true })
  start(experiment { seed = 2 }, "fresh", { fresh = true })
  lu.assertNil(require "perilune.core".system.kind(scratch .. "/fresh/best.h5"))
end

-- A rate that was set by hand would have no effect.
function TestKept:test_a_rate_set_by_hand_before_a_run()
  local optimizer = optim.SGD { lr = 0.5 }
  local e = experiment { optimizer = optimizer, schedule = function(_, lr) return lr / 2 end, epochs = 1 }
  start(e, "rate-1")
  start(e, "rate-2")      -- what a run left is none of that
  optimizer.lr = 0.001
  lu.assertErrorMsgContains("the optimizer's lr was set to 0.001, and a run begins with the one that it was made " ..
    "with, 0.5; make it with lr = 0.001", start, e, "rate-3")
end

-- The length of these is the experiment's where they have none of their own; functions differ by what they capture.
function TestKept:test_another_course_is_another_run()
  for name, make in pairs { cosine = function(epochs)
    return experiment { epochs = epochs, schedule = pl.schedule.cosine {} }
  end, one_cycle = function(epochs) return experiment { epochs = epochs, schedule = pl.schedule.one_cycle {} } end,
    closure = function(epochs) return experiment { schedule = function() return epochs end } end } do
    start(make(2), name, { epochs = 2 })
    local what = name == "closure" and "its functions, or what they capture, are others" or "schedule: was"
    lu.assertErrorMsgContains("holds a finished run that differs: " .. what, start, make(4), name)
  end
  local fixed = function(epochs) return experiment { epochs = epochs, schedule = pl.schedule.cosine { epochs = 4 } } end
  start(fixed(2), "fixed")
  lu.assertEquals(#start(fixed(4), "fixed").history, 4)
end

-- A captured clock makes no other run of the one experiment of a script, and what one object captures and changes none.
function TestKept:test_what_is_captured_by_one_experiment()
  local clock = 1
  local e = experiment { callbacks = { on_epoch = function() return clock end } }
  start(e, "clock", { pause_after = 2 })
  clock = 2
  lu.assertEquals(#start(e, "clock").history, 4)
end

-- A coroutine, or a function, that was not there at first is made anew when it is called.
function TestKept:test_what_is_made_meanwhile_is_no_state()
  local function make()
    local walk, add
    return experiment { metrics = { total = function(ctx)
      walk = coroutine.wrap(function() coroutine.yield(ctx.epoch) end)
      add = add or function(n) return n + 1 end
      return add(walk())
    end } }
  end
  local whole = start(make(), "meanwhile-whole")
  start(make(), "meanwhile-paused", { pause_after = 2 })
  lu.assertEquals(bits(start(make(), "meanwhile-paused").model), bits(whole.model))
end

function TestKept:test_a_schedule_counts_epochs_or_steps()
  lu.assertErrorMsgContains('its per is "epoch" or "step": what it counts; got "steps"', experiment,
    { schedule = setmetatable({ per = "steps" }, { __call = function() return 1 end }) })
end

-- Recording statistics moves nothing, also where a layer draws.
function TestKept:test_statistics_draw_nothing()
  local function make(statistics)
    return experiment { check_gradients = false, statistics = statistics, model = nn.Sequential { nn.Lambda {
      forward = function(a) return a + math.random() end, backward = function(d) return d end }, nn.Linear(3, 2) } }
  end
  lu.assertEquals(bits(start(make { every = "epoch" }, "with").model), bits(start(make(), "without").model))
end

function TestKept:test_an_augmentation_that_makes_too_many()
  lu.assertErrorMsgContains("a batch has at most 64 samples (the whole training set), and after this function there " ..
    "are 128", start, experiment { batch_size = 200, augment = function(a, b)
      return pl.cat({ a, a }, 1), pl.cat({ b, b }, 1)
    end }, "augment")
end

function TestKept:test_a_loss_without_a_gradient()
  lu.assertErrorMsgContains("the loss must return its value and its gradient for the outputs, f32 [16, 2]; the " ..
    "second is nil", start, experiment { check_gradients = false, loss = function() return 1 end }, "gradient")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
