--- The loop over epochs. It works on a `job` (what to train) and a `state` (how far it is), and says through hooks what
--- happened; files, folders and messages are run/init.lua's. The state is plain data: with the weights and the
--- optimizer's memory it is all that continuing exactly needs, between epochs and inside them.
local core = require "perilune.core"
local system = core.system
local augmented = require "perilune.train.augmented"
local before_end = require "perilune.train.before_end"
local decision = require "perilune.nn.decision"
local errors = require "perilune.base.errors"
local held = require "perilune.train.held"
local history = require "perilune.run.history"
local random = require "perilune.script.random"
local statistics = require "perilune.train.statistics"
local text = require "perilune.base.format"

local M = {}

--- A state at the very beginning.
function M.fresh(seed)
  return { seed = seed, epoch = 0, batch = 0, step = 0, loss = 0.0, correct = 0, samples = 0, seconds = 0.0,
    test_evaluations = 0 }
end

--- Copies of a model's parameters and statistics, and back.
function M.snapshot(model)
  local copy = {}
  for i, item in ipairs(model:state()) do
    copy[i] = { layer = item.layer, type = item.type, name = item.name, trained = item.trained,
      tensor = item.tensor:clone() }
  end
  return copy
end

function M.restore(model, copy)
  for i, item in ipairs(model:state()) do item.tensor:copy_(copy[i].tensor) end
end

local function refresh(snapshot, model)
  for i, item in ipairs(model:state()) do snapshot[i].tensor:copy_(item.tensor) end
end

local Trainer = {}
Trainer.__index = Trainer
for _, part in ipairs { "perilune.train.learning_rate", "perilune.train.epoch_results" } do
  for name, method in pairs(require(part)) do Trainer[name] = method end
end

--- job: { experiment, model, loss, optimizer (bound), epochs, state, history, best (a snapshot) or nil, evaluation,
-- user (ctx.state) }. hooks: { progress(numbers), row(row, improved), note(line), publish(trainer), interrupted() ->
-- boolean, pause(trainer) -> does it go on?, started(), before_end() }.
function M.new(job, hooks)
  local e = job.experiment
  local self = setmetatable({ e = e, model = job.model, optimizer = job.optimizer, epochs = job.epochs,
    state = job.state,
    paused = 0.0, rule = e.schedule, history = job.history, best = job.best,
    evaluation = job.evaluation or {}, hooks = hooks, threads = job.threads }, Trainer)
  local steps = type(e.loss) == "function" and require "perilune.nn.lua_loss" or core.trainer
  self.core = steps.new { model = job.model, loss = e.loss, outputs = decision.kind(job.model, e.loss),
    optimizer = job.optimizer, data = e.splits.train:read(),
    batch_size = e.batch_size, seed = self.state.seed, augment = e.augment.built_in, drop_last = e.drop_last,
    shuffle = e.shuffle,
    skip = e.nonfinite == "skip" }
  decision.remember(job.model, e.loss, e.scored == "values")
  self.batches = self.core:batches()
  self.ctx = {
    experiment = e, model = job.model, optimizer = job.optimizer, data = e.data, history = job.history,
    state = job.user or {},
    base_lr = job.base_lr, epochs = job.epochs, batches = self.batches, seed = self.state.seed,
    epoch = self.state.epoch, step = self.state.step,
    resumed = self.state.step > 0,
  }
  require "perilune.base.names".context(self.ctx)
  self:settle()
  -- ctx.stop("reason") and ctx:stop("reason") both do
  function self.ctx.stop(a, b)
    local reason = a
    if type(a) == "table" then reason = b end
    self.state.stop = "callback"
    self.state.stop_reason = reason ~= nil and tostring(reason) or nil
  end
  self.good = M.snapshot(self.model)
  self.has_formulas = core.formula.is_recorded(self.model)
  self.loss_is_formula = core.formula.is_loss(e.loss)
  self.statistics = job.statistics
  return self
end

--- Where the training is: "epoch 3, batch 12".
function Trainer:place()
  local s = self.state
  return ("epoch %d%s"):format(s.batch > 0 and s.epoch + 1 or s.epoch,
    s.batch > 0 and (", batch %d"):format(s.batch) or "")
end

--- Notes in the run that something other than its script has changed what it makes.
function Trainer:mark_edited(what)
  local note = ("%s: %s"):format(self:place(), what)
  self.state.edited = self.state.edited and self.state.edited .. "; " .. note or note
end

function Trainer:call(name)
  local f = self.e.callbacks[name]
  if f then f(self.ctx) end
end

-- One batch through Lua: users' functions see or alter it.
function Trainer:step_in_lua(epoch, i)
  local s = self.state
  local functions = self.e.augment.functions
  if #functions == 0 then return self.core:run(epoch, i, 1, s.loss, s.absolute, s.squared) end
  local x, y = self.core:batch(epoch, i)
  x, y = augmented.batch(self.e, functions, x, y, self.ctx)
  return self.core:step(x, y, s.loss, s.absolute, s.squared)
end

-- The learning went wrong: back to the weights of the last epoch or save, and a message that says where.
function Trainer:stop_nonfinite(epoch, where)
  M.restore(self.model, self.good)
  pcall(self.save_held, self)
  local kept = self.hooks.kept and ", " .. self.hooks.kept() or ""
  local lr, advice = self.optimizer.lr, ""
  if where.at == "the input" or where.at == "the targets" then
    advice = "; the data set or an augmentation made it"
  elseif lr > 0 then advice = ("; a smaller learning rate than %s may help"):format(text.number(lr)) end
  errors.fail(1, "epoch %d, batch %d: %s is not a finite number; first seen in %s; stopped%s%s", epoch, where.batch,
    where.what, where.at, kept, advice)
end

-- nonfinite = "skip": the batch counts as done, but nothing was learned from it. The first of an epoch is told of.
function Trainer:skipped(epoch, where)
  local s = self.state
  if (s.skipped or 0) == 0 then
    self.hooks.note(("epoch %d, batch %d: %s is not a finite number; first seen in %s; the step is skipped"):format(
      epoch, where.batch, where.what, where.at))
  end
  s.skipped = (s.skipped or 0) + where.skipped
end

function Trainer:show(epoch, started)
  local s = self.state
  local elapsed = system.clock() - self.paused - started.clock
  local rate = elapsed > 0.2 and (s.samples - started.samples) / elapsed or nil
  local per_epoch = self.e.drop_last and self.batches * self.e.batch_size or self.e.splits.train.count
  local left = rate and ((self.epochs - epoch) * per_epoch + per_epoch - s.samples) / rate
  if left and self.state.seconds_elsewhere then
    left = left + self.state.seconds_elsewhere * (self.epochs - epoch + 1)
  end
  self.hooks.progress { epoch = epoch, batch = s.batch, batches = self.batches,
    loss = s.samples > 0 and s.loss / s.samples or nil,
    accuracy = self.e.scored == "classes" and s.samples > 0 and s.correct / s.samples or nil, rate = rate, left = left }
end

-- The steps of an epoch from state.batch on. Returns false when it was interrupted.
function Trainer:steps(epoch)
  local s, ctx = self.state, self.ctx
  local function by_step()
    return #self.e.augment.functions > 0 or self.e.callbacks.on_batch ~= nil or self:scheduled_per() == "step"
  end
  local each = by_step()
  local watched = statistics.due(self.e.statistics, epoch)
  -- time at the prompt is no training
  local started = { clock = system.clock() - self.paused, samples = s.samples }
  local seconds_before, count = s.seconds, 1
  local saved = system.clock()
  while s.batch < self.batches do
    local before = system.clock()
    count = each and 1 or math.min(count, self.batches - s.batch)
    -- statistics are of the last step, whose weights before it are kept
    if watched and s.batch == self.batches - 1 then self.before_last = statistics.before(self.model)
    elseif watched then count = math.min(count, self.batches - 1 - s.batch) end
    local loss, correct, samples, done, bad, absolute, squared
    if each then
      ctx.batch, ctx.step = s.batch + 1, s.step + 1
      self:schedule("step", s.step + 1)
      ctx.lr = self.optimizer.lr
      loss, correct, samples, done, bad, absolute, squared = self:step_in_lua(epoch, s.batch + 1)
    else
      loss, correct, samples, done, bad, absolute, squared = self.core:run(epoch, s.batch + 1, count, s.loss,
        s.absolute, s.squared)
    end
    s.loss, s.correct, s.samples = loss, s.correct + correct, s.samples + samples
    if self.e.scored == "values" then s.absolute, s.squared = absolute, squared end
    s.batch, s.step = s.batch + done, s.step + done
    ctx.step = s.step
    local now = system.clock()
    s.seconds = seconds_before + now - self.paused - started.clock
    if bad and bad.nonfinite then self:stop_nonfinite(epoch, bad) end
    if bad then self:skipped(epoch, bad) end
    self:show_batch()
    self:call "on_batch"
    -- about ten looks a second at the keyboard and at the progress line
    local took = now - before
    if took < 0.05 then count = count * 2 elseif took > 0.2 and count > 1 then count = count // 2 end
    if not each or now - (self.shown or 0) > 0.1 then
      self.shown = now
      self:show(epoch, started)
    end
    if s.batch < self.batches then
      if self:interrupted() then return false end
      each = by_step()      -- the pause may have changed the schedule
      if s.stop then return true end
      if self.hooks.publish_every and now - saved >= self.hooks.publish_every and self:due() then
        self:publish()
        saved = system.clock()
      end
    end
  end
  return true
end

function Trainer:publish()
  self:complete_evaluations()
  local kept = self.before_end
  self.state.lr, self.state.random = kept and kept.lr or self.optimizer.lr, kept and kept.random or random.state()
  local before = system.clock()
  self.hooks.publish(self)
  self.published = system.clock()
  self.publishing = self.published - before      -- seconds that it took
  refresh(self.good, self.model)
  self.holds = false
end

-- The end of an epoch that is not saved now.
function Trainer:hold()
  local ok, kept = pcall(held.hold, self, self.held)
  self.holds, self.held = ok, ok and kept or nil
  refresh(self.good, self.model)
end

--- Saves the last epoch that was finished, if it is not: when the training fails.
function Trainer:save_held()
  if not self.holds then return end
  self.holds = false
  local then_ = held.as_it_was(self, self.held)
  self.complete_evaluations(then_)
  self.hooks.publish(then_)
end

-- Is it time to save again? Saving takes a twentieth of the time at most, and short epochs share a save; what is not
-- saved yet is trained again after a kill, to the same bits. Where each batch is to be saved, or nothing at all, every
-- epoch is.
function Trainer:due()
  local every = self.hooks.publish_every
  return every == nil or every == 0 or not self.published or system.clock() - self.published >= math.max(1,
    20 * self.publishing)
end

-- After Ctrl-C: does the run end here? In a session it is paused, saved, and may go on.
function Trainer:interrupted()
  if not self.hooks.interrupted() then return false end
  if not self.hooks.pause then return true end
  self:publish()
  local before = system.clock()
  local goes_on = self.hooks.pause(self)
  self.paused = self.paused + system.clock() - before
  return not goes_on
end

function Trainer:end_epoch(epoch)
  local s, ctx = self.state, self.ctx
  local before = system.clock()
  self:record_statistics(epoch)
  if s.samples == 0 then
    errors.fail(1, "epoch %d: every step was skipped, because no loss and gradient was finite; stopped", epoch)
  end
  local row = { epoch = epoch, step = s.step, lr = self.optimizer.lr, skipped = s.skipped or 0 }
  ctx.train, s.train = self:of_training(), self:of_training()
  for _, name in ipairs(self.e.measures) do row["train_" .. name] = ctx.train[name] end
  ctx.row = row
  if self.e.splits.val then self:evaluate("val", row) end
  if self.e.test == "epoch" then self:evaluate("test", row) end
  self:own_metrics(row, self.e.test == "epoch")
  s.seconds_elsewhere = system.clock() - before
  row.seconds = s.seconds + s.seconds_elsewhere
  history.append(self.history, self.e.columns, row)
  local rate = s.seconds > 0 and s.samples / s.seconds or 0
  local improved = self:judge(epoch, row)
  s.epoch, s.batch, s.loss, s.correct, s.samples, s.seconds, s.skipped = epoch, 0, 0.0, 0, 0, 0.0, nil
  s.absolute, s.squared = nil, nil
  self.hooks.row(row, improved, rate)
  local writes = self.model:writes()
  self:call "on_epoch"
  s.altered = self.model:writes() ~= writes or nil      -- then the evaluations are of other weights
  self:settle()
end

-- The rule of early stopping: keeps a copy of the best weights, unless it is a function, and may end the run.
function Trainer:judge(epoch, row)
  local rule, s = self.e.stopping, self.state
  if type(rule) == "function" then
    if rule(self.ctx) then s.stop = "stopping" end
    return false
  end
  if rule == nil then return false end
  s.stopping = s.stopping or rule:start()
  local improved, stop = rule:update(s.stopping, epoch, row[rule.monitor])
  if improved then
    self.best = self.best or M.snapshot(self.model)
    refresh(self.best, self.model)
    s.best = { epoch = epoch, value = row[rule.monitor], monitor = rule.monitor }
  end
  if stop then s.stop = "stopping" end
  return improved
end

-- The weights of the best epoch, and a last look at the splits where none has seen these weights yet.
function Trainer:conclude()
  local s = self.state
  self.before_end = before_end.of(self)
  if self.hooks.before_end then self.hooks.before_end() end
  s.ended = s.stop or "epochs"
  local seen = s.batch == 0 and not s.altered      -- a callback may have stopped the run inside an epoch
  if not seen and s.samples > 0 then self.ctx.train = self:of_training() end
  if self.best and s.best and not (seen and s.best.epoch == s.epoch) then
    self.last = M.snapshot(self.model)
    M.restore(self.model, self.best)
    seen = false
  end
  self:results_of_end(seen)
  if not self.e.callbacks.on_end then return end
  local trained, writes = self.last or M.snapshot(self.model), self.model:writes()
  self:call "on_end"
  if self.model:writes() == writes then return end
  self.last, self.final = trained, M.snapshot(self.model)      -- goes on from the first, ends with the second
  self:results_of_end(false)
end

-- What on_start has set once is in the checkpoint.
local function set_once(self)
  return require "perilune.run.record".digest(self.model:state()) .. (self.e.schedule and "" or self.optimizer.lr)
end

-- on_start draws the same numbers whenever the run is continued, and what is drawn later does not depend on it.
function Trainer:start()
  local resumed = self.state.step > 0 and self.e.callbacks.on_start
  local drawn, before = resumed and random.state(), resumed and set_once(self)
  if resumed then random.install(self.state.seed, 0) end
  self:call "on_start"
  if resumed then random.install(self.state.seed, 0, drawn) end
  if resumed and set_once(self) ~= before then
    self.hooks.note("on_start changed the weights or the learning rate of a run that is resumed; the run is marked " ..
      "as edited: write if not ctx.resumed then ... end")
    self:mark_edited "on_start of a resumed run"
  end
  self.hooks.started()
end

--- Trains until an end: true; or false when it was interrupted (all is published, also inside an epoch).
function Trainer:run()
  local s, ctx = self.state, self.ctx
  local reached = s.batch > 0 and s.epoch + 1 or s.epoch
  if reached > self.epochs then
    errors.fail(1, "this run is in epoch %d already, so it cannot end after epoch %d", reached, self.epochs)
  end
  self:start()
  if s.epoch > 0 and s.batch == 0 and s.epoch < self.epochs and not s.stop and self:interrupted() then
    self:publish()
    return false
  end
  while s.epoch < self.epochs and not s.stop do
    local epoch = s.epoch + 1
    ctx.epoch = epoch
    if s.batch == 0 then
      self.optimizer:epoch()
      self:schedule("epoch", epoch)
    end
    ctx.lr = self.optimizer.lr
    if self.has_formulas then require "perilune.nn.define".check_again(self.model) end
    if self.loss_is_formula then require "perilune.nn.define_loss".check_again(self.e.loss) end
    if epoch == 1 and s.batch == 0 and (self.has_formulas or self.loss_is_formula) then
      require "perilune.train.first_batch".verify(self)
    end
    if not self:steps(epoch) then
      self:publish()
      return false
    end
    if s.batch < self.batches then break end    -- a callback stopped the run inside the epoch
    self:end_epoch(epoch)
    if self:due() then self:publish() else self:hold() end
    if s.epoch < self.epochs and not s.stop and self:interrupted() then
      self:publish()
      return false
    end
  end
  self:conclude()
  self:publish()
  return true
end

return M
