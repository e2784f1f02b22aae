--- One run of an experiment: from a seed (or from where it was left) to the files in its folder.
local core = require "perilune.core"
local system = core.system
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local history = require "perilune.run.history"
local trainer = require "perilune.epochs"
local random = require "perilune.script.random"
local folder = require "perilune.run.folder"
local loaded = require "perilune.script.loaded"
local captured = require "perilune.script.upvalues"
local trained = require "perilune.script.trained"
local text = require "perilune.base.format"
local Progress = require "perilune.train.progress"
local result = require "perilune.run.result"
local identities = require "perilune.run.identity"

local M = {}

local known = {
  { "epochs", type = "integer", low = 1 }, { "seed", type = "integer", low = 0, high = 1 << 53 },
  { "threads", type = "integer", low = 0, high = 1024 },
  { "out", type = { "string", "boolean" } }, { "quiet", type = "boolean", default = false },
  { "fresh", type = "boolean", default = false },
  { "force", type = "boolean", default = false }, { "interruptible", type = "boolean", default = false },
  { "silent", type = "boolean", default = false }, { "checkpoint_every", type = "number", default = 30 },
  { "confusion", type = "boolean", default = false },
  { "watch", type = "boolean", default = false }, { "pause_after", type = "integer", low = 1 },
  { "leave", type = "function" },
}

local CTRL_C = 130      -- the exit status of a process that it ended

-- The layers in Lua of a model: { what, its forward or backward }.
local function lambdas(layer, list)
  local own = layer.type == "Lambda" and debug.getuservalue(layer, 1)
  if type(own) == "table" then
    for _, name in ipairs { "forward", "backward", "shape" } do
      list[#list + 1] = { ("%s of %s"):format(name, layer:label()), own[name], scratch = true }
    end
  end
  for i = 1, #layer do lambdas(layer[i], list) end
end

-- { what, f }; f may be something else than a function.
local function user_functions(e)
  local list = { { "schedule", e.schedule }, { "the optimizer's step", core.optim.step_function(e.optimizer) },
    { "the loss", e.loss, scratch = true } }
  local rule = e.stopping
  list[#list + 1] = { "the stopping rule", type(rule) == "table" and rawget(rule, "update") or rule }
  lambdas(e.model, list)
  for i, f in ipairs(e.augment.functions) do list[#list + 1] = { "augment function " .. i, f } end
  for _, metric in ipairs(e.metrics.functions) do list[#list + 1] = { "metric " .. metric.name, metric.f } end
  for _, name in ipairs { "on_start", "on_batch", "on_epoch", "on_end" } do
    if e.callbacks[name] then list[#list + 1] = { "callbacks." .. name, e.callbacks[name] } end
  end
  return list
end

local function kept_tensors(model, optimizer)
  local list = model:state()
  return table.move(optimizer:state(), 1, #optimizer:state(), #list + 1, list)
end

-- Seconds of training, over all sessions.
local function trained_seconds(run) return history.sum(run.history, "seconds") + (run.state.seconds or 0) end

-- What a trainer knows, as the run's.
local function take_over(run, t)
  run.state, run.evaluation, run.test, run.val, run.best = t.state, t.evaluation, t.evaluation.test, t.evaluation.val,
    t.state.best
  run.predictions, run.ended = (run.test or {}).predictions, t.state.ended or "interrupted"
  run.seconds = trained_seconds(run)
end

-- Publishes: the checkpoint first, because it alone counts; then what is derived from it. When the run ends all is
-- written anew: it must not show when a run was saved on its way. run.unsaved: why the last attempt failed.
local function publisher(run, identity, warn)
  if not run.path then return function() end end
  local runfile, record = require "perilune.run.file", require "perilune.run.record"
  local logged, warned
  return function(t)
    local problem
    local function write(name, kind)
      local ok, message = runfile.write(run.path .. "/" .. name, record.of(t, kind, identity, run.threads))
      if not ok then problem = message end
      if ok and run.anew then folder.clear_derived(run.path) end      -- of the run that this checkpoint replaced
      if ok then run.anew = nil end
      return ok
    end
    local s = t.state
    local changed, is_tensor
    if s.ended and run.at_end then changed, is_tensor = table.unpack(run.at_end, 1, 2)
    else changed, is_tensor = run.changed_capture() end
    s.captured = not is_tensor and changed or nil
    if changed and not warned and not s.ended and s.epoch < t.epochs then
      warned = true
      warn((is_tensor and "warning: %s, a tensor that is in no checkpoint; unless each step sets it anew, this run " ..
        "cannot be continued exactly" or "warning: this run cannot be continued exactly: %s, which is in no " ..
        "checkpoint; keep it in ctx.state"):format(changed))
    end
    if write("checkpoint.h5", "checkpoint") then
      -- inside an epoch too, when epochs have ended since the last save, or a finished run goes on
      local passed = s.batch == 0 or s.ended or s.epoch > (run.saved and run.saved.epoch or 0) or run.goes_on
      run.goes_on = nil
      if passed then
        write("run.h5", "run")
        if s.best and (s.ended or run.best_written ~= s.best.epoch) and write("best.h5", "best") then
          run.best_written = s.best.epoch
        end
      end
      -- an earlier process may have died between its checkpoint and its log
      if passed or not logged and s.epoch > 0 then
        local message
        take_over(run, t)
        logged, message = result.log(run.path .. "/log.jsonl", t.history, logged,
          s.ended and require "perilune.run.runs".summary(run))
        problem = problem or message
      end
      run.saved = { epoch = s.epoch, batch = s.batch }
    end
    run.unsaved = problem
    if problem then
      warn(("warning: could not save: %s; training continues, the earlier file is whole"):format(problem))
    end
  end
end

-- Writes a file that is derived from the checkpoint `found`, unless it is there: where the process died, or the disk
-- was full, between the two. `list`: the weights, as model:state() or a snapshot gives them; version(state): what tells
-- it from an older one.
local function derive(run, model, found, name, kind, list, version)
  local record, runfile = require "perilune.run.record", require "perilune.run.file"
  local there = runfile.read(run.path .. "/" .. name, { tensors = false })
  if there and there.state and version(there.state) == version(found.state) then return true end
  local copy, state = {}, {}
  for key, value in pairs(found) do copy[key] = value end
  for key, value in pairs(found.state) do state[key] = value end
  state.weights_sha256 = record.digest(list)
  copy.kind, copy.state, copy.layers, copy.best, copy.optimizer = kind, state, record.layers(model, list), nil, nil
  copy.final, copy.evaluation = nil, record.is_evaluated(kind, state, found.final) and found.evaluation or nil
  return runfile.write(run.path .. "/" .. name, copy)
end

local function best_epoch(state) return state.best and state.best.epoch end

local function continue_from(found, run, e, optimizer)
  local record = require "perilune.run.record"
  local path = run.path .. "/checkpoint.h5"
  record.fill(e.model:state(), found.layers, path)
  optimizer:set_counters(found.optimizer.counters)
  record.fill(optimizer:state(), found.optimizer.layers, path)
  local state, past, user, evaluation = record.parts(found)
  if state.ended then    -- only a run that ended because its epochs were over is continued
    state.ended, state.stop = nil, nil
    evaluation.metrics = nil
  end
  optimizer.lr = state.lr
  local best
  if found.best then
    best = trainer.snapshot(e.model)
    record.fill(best, found.best, path)
    if derive(run, e.model, found, "best.h5", "best", best, best_epoch) then run.best_written = best_epoch(state) end
  else core.store.remove(run.path .. "/best.h5") end      -- of a run that this one replaced
  return state, past, user, evaluation, best
end

local function where_kept(run)
  if not run.path then return "the weights are those of the epoch's start" end
  local s = run.saved
  if not s then return "nothing was saved yet" end
  return ("the weights after epoch %d%s are kept in %s"):format(s.epoch,
    s.batch > 0 and (" and %d batch%s"):format(s.batch, s.batch == 1 and "" or "es") or "", run.path)
end

-- `overruled`: what --force went on in spite of.
local function train(run, e, o, found, identity, overruled)
  local term = text.terminal(1)
  local columns = table.move(e.columns, 1, #e.columns, 1, {})
  columns[#columns + 1] = "samples_per_second"
  local progress = Progress.new { term = term, epochs = o.epochs, columns = columns, quiet = o.quiet,
    monitored = type(e.stopping) == "table" and e.stopping.monitor or nil }
  local optimizer = e.optimizer
  e.model:initialize(o.seed)
  if e.start_weights then trainer.restore(e.model, e.start_weights) end
  optimizer:bind(e.model)
  optimizer.lr = optimizer.base_lr      -- an earlier run may have left another
  local base_lr = optimizer.lr
  local state, past, user, evaluation, best
  if found then
    state, past, user, evaluation, best = continue_from(found, run, e, optimizer)
    run.saved, run.goes_on = { epoch = state.epoch, batch = state.batch }, found.state.ended ~= nil
  end
  state = state or trainer.fresh(o.seed)
  random.install(o.seed, 0, state.random)
  run.history = past or history.new()
  local every, own_state = o.checkpoint_every, nil
  local t = trainer.new({ experiment = e, model = e.model, optimizer = optimizer, base_lr = base_lr, epochs = o.epochs,
    state = state, history = run.history, user = user, evaluation = evaluation, best = best,
    statistics = found and found.statistics }, {
      progress = function(numbers) progress:update(numbers) end,
      row = function(row, improved, rate)
        local shown = setmetatable({ samples_per_second = rate }, { __index = row })
        progress:row(shown, improved)
      end,
      note = function(line) progress:note(line) end,
      publish = publisher(run, identity, function(line) progress:warn(line) end),
      publish_every = run.path and every or nil,
      before_end = function() run.at_end = run.path and { run.changed_capture() } end,
      pause = run.pausable and function(trainer_)
        progress:finish()
        if system.interrupt_status() ~= CTRL_C then return false end
        system.catch_interrupt(false)
        local goes_on = loaded.collect(nil, nil, require "perilune.train.pause".open, run, trainer_)
        system.catch_interrupt(true)
        return goes_on
      end,
      interrupted = function()
        return o.interruptible and system.interrupted() or o.pause_after and state.epoch >= o.pause_after or o.leave
          and o.leave()
          or progress.interrupted or false
      end,
      kept = function() return where_kept(run) end,
      -- what on_start sets up it sets up again when the run is resumed
      started = function()
        run.changed_capture = captured.watch(user_functions(e), kept_tensors(e.model, optimizer), own_state)
      end,
    })
  own_state = t.ctx.state
  if found and found.state.ended then t:look_back(found.final ~= nil) end
  if overruled then t:mark_edited("resumed with --force: " .. overruled) end
  if o.watch then      -- last: what goes wrong before is said on the lines of the terminal
    progress = require "perilune.terminal.watch_progress".new(progress,
      { name = run.path and run.path:match "[^/]+$" or e.name, title = e.name,
      epochs = o.epochs, labels = e.data.labels })
    progress:follow(run.history)
  end
  if not o.quiet then
    for _, line in ipairs(result.heading(run, e, o, found, term)) do
      for _, part in ipairs(text.wrap(line, term.width, "  ")) do progress:note(part) end
    end
  end
  local function changed(path, before, now)
    progress:warn(("%s has changed since it was loaded (%s); the run is marked as edited"):format(path,
      identities.difference(before, now)))
    t:mark_edited(path .. " changed")
  end
  local ok, finished = pcall(loaded.collect, identity.files, changed, t.run, t)
  progress:finish()
  if not ok then
    pcall(t.save_held, t)
    error(finished, 0)
  end
  take_over(run, t)
  if not finished then run.ended = "interrupted" end
end

-- A finished run whose folder was named again: nothing is trained, its files are shown, and completed. Before: the
-- weights of the end are in e.model.
local function complete(run, e, found)
  local list = e.model:state()
  local function ending(state) return state.ended and state.step end
  local ok, message = derive(run, e.model, found, "run.h5", "run", list, ending)
  if ok and found.best then
    local best = trainer.snapshot(e.model)
    require "perilune.run.record".fill(best, found.best, run.path .. "/checkpoint.h5")
    ok, message = derive(run, e.model, found, "best.h5", "best", best, ending)
  end
  if ok then
    ok, message = result.complete_log(run.path .. "/log.jsonl", run.history, require "perilune.run.runs".summary(run))
  end
  if not ok then run.unsaved = message end
end

local function recall(run, e, found)
  local record = require "perilune.run.record"
  local ending = require "perilune.run.file".result_layers(found)
  record.fill(e.model:state(), ending, run.path .. "/checkpoint.h5")
  local state, past, _, evaluation = record.parts(found)
  run.history = past
  take_over(run, { state = state, evaluation = evaluation })
  run.recalled = true
  complete(run, e, found)
end

-- Functions of the script are held against finite differences before the first step, with random numbers of their own.
-- One that cannot take made-up numbers shows it in the training.
local function check_gradients(e)
  local outer = random.current()
  random.install(0, 2)
  local ok, wrong = pcall(require "perilune.nn.gradient_check".experiment, e)
  random.restore(outer)
  if ok and wrong then errors.fail(1, "%s", wrong) end
end

local training = setmetatable({}, { __mode = "k" })     -- models and optimizers
local left = setmetatable({}, { __mode = "k" })         -- the rate of each optimizer when a run of it ended

-- A run begins with the rate that its optimizer was made with: a rate set by hand before it would have no effect.
local function check_rate(optimizer)
  local lr, base = optimizer.lr, optimizer.base_lr
  if lr == base or lr == left[optimizer] then return end
  errors.raise("the optimizer's lr was set to %s, and a run begins with the one that it was made with, %s; make it " ..
    "with lr = %s, or set ctx.optimizer.lr in callbacks.on_start", text.number(lr), text.number(base), text.number(lr))
end

--- Runs experiment `e`; see experiment:run. Returns the run: { history, model, path, test, evaluation, best, ended,
-- seed, threads, seconds }, with run:line() and run:report().
function M.start(e, given)
  local o = options.check("run", given, known)
  o.epochs, o.seed = o.epochs or e.epochs, o.seed or e.seed
  if o.out == true then o.out = nil end
  if training[e.model] then errors.raise("this model is being trained already; that has to end first") end
  if training[e.optimizer] then
    errors.raise("this optimizer is in a training already; that has to end first, or this one needs its own")
  end
  check_rate(e.optimizer)
  local weights = require "perilune.nn.weights"
  local origin, of_run = weights.origin(e.model)      -- as before this run, whatever is noted in it
  weights.check(e)
  local threads_before, outer = system.threads(), random.current()
  if o.threads then system.threads(o.threads) end
  local run = result.new(e, o, system.threads())
  run.pausable = package.loaded["perilune.repl"] and require "perilune.repl".pausable
  o.interruptible = o.interruptible or run.pausable
  training[e.model], training[e.optimizer] = true, true
  -- a variant with another loss shares the model
  require "perilune.nn.decision".remember(e.model, e.loss, e.scored == "values")
  if o.interruptible then system.catch_interrupt(true) end
  local ok, problem = pcall(function()
    errors.guard(e.splits.train.read, e.splits.train)
    for _, split in ipairs { e.splits.val or false, e.test and e.splits.test or false } do
      if split then errors.guard(split.read, split) end
    end
    local identity = identities.of(e, o.seed)
    run.identity = identity
    local found, nothing_left, overruled
    if o.out ~= false then run.path, found, nothing_left, overruled = folder.choose(run, e, o, identity) end
    if found then identities.carry_over(found.state.identity, identity)
    else
      weights.needed(e)
      check_gradients(e)
      run.anew = true
    end
    local abouts = require "perilune.nn.about"
    abouts.remember(e.model, nothing_left and abouts.of_record(found) or abouts.of_experiment(e, identity))
    if nothing_left then return recall(run, e, found) end
    if run.path then trained.note(identity) end
    train(run, e, o, found, identity, overruled)
    if run.path then trained.note(identity) end      -- with what was loaded only while it trained
  end)
  if o.interruptible then system.catch_interrupt(false) end
  training[e.model], training[e.optimizer], left[e.optimizer] = nil, nil, e.optimizer.lr
  local name = ("a run of %q"):format(e.name)
  weights.mark(e.model, origin, ok and name or of_run)
  if run.lock then run.lock:release() end
  run.lock = nil
  random.restore(outer)
  if o.threads then system.threads(threads_before) end
  if not ok then error(problem, 0) end
  local cloned, copy = pcall(e.model.clone, e.model)
  if cloned then
    run.model = copy
    weights.mark(copy, name)
  end      -- else there is no memory for weights of its own
  if not o.quiet and not o.silent then run:report { confusion = o.confusion } end
  if run.ended == "interrupted" and run.pausable and system.interrupt_status() ~= CTRL_C then
    os.exit(system.interrupt_status(), true)
  end
  return run
end

return M
