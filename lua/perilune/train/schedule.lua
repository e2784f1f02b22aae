--- Schedules: the learning rate as a function of the epoch, or of the step.
-- A schedule is called as schedule(epoch, previous_rate, ctx) -> rate, at the start of each epoch (from 1). Those that
-- take per = "step" are called before each step instead, with the number of the step (from 1), and what they count is
-- then steps. A function of the script's own may stand wherever a schedule does.
-- `base` below is the option lr, or else the lr that the optimizer was made with; t is the epoch, or step, from 0.
-- All but `tunable` are functions of t (`plateau`: of the history), so a continued run goes on exactly.
local core = require "perilune.core"
local system, json = core.system, core.json
local options = require "perilune.base.options"
local errors = require "perilune.base.errors"
local stopping = require "perilune.train.stopping"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local Schedule = { __name = "pl.schedule" }
Schedule.__index = Schedule

function Schedule:__call(epoch, previous, ctx)
  if math.type(epoch) ~= "integer" or epoch < 1 then
    errors.raise("pl.schedule.%s: epochs (and steps) count from 1, got %s", self.type, options.describe(epoch))
  end
  return self.rate(self, epoch - 1, previous, ctx or {})
end

function Schedule:__tostring()
  local parts = {}
  for i, name in ipairs(sorted_keys(self.options)) do
    local value = self.options[name]
    parts[i] = ("%s = %s"):format(name, type(value) == "table" and json.encode(value) or options.describe(value))
  end
  return ("pl.schedule.%s { %s }"):format(self.type, table.concat(parts, ", "))
end

-- The options and the formula of one kind: rate(self, t, previous, ctx), the options being fields of self.
local function make(name, given, list, rate)
  local self = options.check("pl.schedule." .. name, given, list)
  self.options = options.check("pl.schedule." .. name, given, list)
  self.type, self.rate, self.per = name, rate, self.per or "epoch"
  return setmetatable(self, Schedule)
end

local LR = { "lr", type = "number", low = 0 }
local FACTOR = { "factor", type = "number", low = 0, high = 1, default = 0.1 }
local PER = { "per", type = "string", choices = { "epoch", "step" }, default = "epoch" }
local EPOCHS = { "epochs", type = "integer", low = 1 }

local function base_rate(self, ctx)
  local base = self.lr or ctx.base_lr or ctx.optimizer and ctx.optimizer.base_lr
  return base or errors.raise("pl.schedule.%s: no rate to start from; add lr = ..., which an experiment's " ..
    "optimizer gives otherwise", self.type)
end

-- The whole length, and the number of units in an epoch: 1, or the steps of one. The length is what the script says:
-- --epochs ends a run earlier or later on the same course, so that a continued run is the uninterrupted one.
local function length(self, ctx)
  local epochs = self.epochs or ctx.experiment and ctx.experiment.epochs or ctx.epochs
  if not epochs then
    errors.raise("pl.schedule.%s: add epochs = ..., which an experiment gives otherwise", self.type)
  end
  if self.per == "epoch" then return epochs, 1 end
  local steps = self.steps_per_epoch or ctx.batches or ctx.steps_per_epoch
  if not steps then
    errors.raise("pl.schedule.%s: add steps_per_epoch = ..., which an experiment gives otherwise", self.type)
  end
  return epochs * steps, steps
end

--- The same rate throughout. Options: lr (base).
function M.constant(given)
  return make("constant", given, { LR }, function(self, _, _, ctx) return base_rate(self, ctx) end)
end

--- base * factor^floor(t / every). Options: every (epochs or steps), factor (0.1), lr, per ("epoch", "step").
function M.step(given)
  return make("step", given, {
      { "every", type = "integer", low = 1, required = "add every = the number of epochs between two drops" }, FACTOR,
      LR, PER,
    },
    function(self, t, _, ctx) return base_rate(self, ctx) * system.pow(self.factor, t // self.every) end)
end

--- base * factor^(how many of `at` have come): `at` lists the epochs (or steps), from 1, that begin with a lower rate.
-- Options: at, factor (0.1), lr, per ("epoch", "step").
function M.multi_step(given)
  local self = make("multi_step", given, {
      { "at", type = "table", required = "add at = { 30, 60 }: the epochs that begin with a lower rate" }, FACTOR, LR,
      PER,
    },
    function(self, t, _, ctx)
      local come = 0
      for _, at in options.items(self.at) do
        if t + 1 >= at then come = come + 1 end
      end
      return base_rate(self, ctx) * system.pow(self.factor, come)
    end)
  options.list("pl.schedule.multi_step: option 'at'", self.at, "write at = { 30, 60 }")
  for i, at in options.items(self.at) do
    if math.type(at) ~= "integer" or at < 1 then
      errors.raise("pl.schedule.multi_step: option 'at' lists whole numbers from 1, got %s as item %d",
        options.describe(at), i)
    end
  end
  self.at = table.move(self.at, 1, #self.at, 1, {})      -- the script's own list may change later
  self.options.at = self.at
  return self
end

--- base * factor^t. Options: factor (0.1), lr, per ("epoch", "step").
function M.exponential(given)
  return make("exponential", given, { FACTOR, LR, PER }, function(self, t, _, ctx)
    return base_rate(self, ctx) * system.pow(self.factor, t)
  end)
end

--- base / (1 + k t). Options: k, lr, per ("epoch", "step").
function M.inverse(given)
  return make("inverse", given, { { "k", type = "number", low = 0, required = "add k = ... of base / (1 + k t)" }, LR,
    PER },
    function(self, t, _, ctx) return base_rate(self, ctx) / (1 + self.k * t) end)
end

-- From `from` (at x = 0) to `to` (at x = 1) along half a cosine.
local function anneal(from, to, x) return to + (from - to) * 0.5 * (1 + system.cos(math.pi * x)) end

--- Cosine annealing after a linear warm-up (Loshchilov and Hutter, SGDR, 2017; without restarts): for the W first
-- units base (t + 1) / W, then min + (base - min) (1 + cos(pi (t - W) / (T - W))) / 2, and `min` from T on.
-- Options: epochs (T; the script's), warmup (W, in epochs; 0), min (0), lr, per ("epoch", "step"), steps_per_epoch.
function M.cosine(given)
  return make("cosine", given, {
      EPOCHS, { "warmup", type = "number", low = 0, default = 0 }, { "min", type = "number", low = 0, default = 0 }, LR,
      PER,
      { "steps_per_epoch", type = "integer", low = 1 },
    },
    function(self, t, _, ctx)
      local base, total, unit = base_rate(self, ctx), length(self, ctx)
      local warm = self.warmup * unit
      if t < warm then return base * math.min(1, (t + 1) / warm) end
      if t >= total then return self.min end
      return anneal(base, self.min, (t - warm) / (total - warm))
    end)
end

--- One cycle (Smith and Topin, Super-convergence, 2018; as in PyTorch): from max / div up to max along half a cosine in
-- the first `warmup` part of all units, then down to max / div / final_div at the last.
-- Options: max (base), epochs (the script's), warmup (0.3), div (25), final_div (1e4), per ("step", "epoch"),
-- steps_per_epoch.
function M.one_cycle(given)
  return make("one_cycle", given, {
      { "max", type = "number", low = 0 }, EPOCHS, { "warmup", type = "number", low = 0, high = 1, default = 0.3 },
      { "div", type = "number", low = 1, default = 25 }, { "final_div", type = "number", low = 1, default = 1e4 },
      { "per", type = "string", choices = { "epoch", "step" }, default = "step" },
      { "steps_per_epoch", type = "integer", low = 1 },
    },
    function(self, t, _, ctx)
      local most, total = self.max or base_rate(self, ctx), length(self, ctx)
      local low, last = most / self.div, total - 1
      local peak = math.max(self.warmup * total - 1, 0)
      if t >= last then return self.warmup < 1 and low / self.final_div or most end
      if t < peak then return anneal(low, most, t / peak) end
      return anneal(most, low / self.final_div, (t - peak) / (last - peak))
    end)
end

-- Is a better than b by more than `threshold`, relative to b? As in PyTorch, but of a b below 0 too.
local function is_better(mode, threshold, a, b)
  if mode == "min" then return a < (b > 0 and b * (1 - threshold) or b * (1 + threshold)) end
  return a > (b > 0 and b * (1 + threshold) or b * (1 - threshold))
end

--- Multiplies the rate by `factor`, but not below `min`, when the monitored column of the history has not improved for
--- more than `patience` epochs in a row; an improvement is one by more than `threshold`, relative to the best, and
--- never a value that is not finite. A rate that would fall by no more than `eps` stays. After a drop, `cooldown`
--- epochs pass before bad ones are counted again. A function of the history alone, so there is nothing else to
--- remember. Options: monitor ("train_loss"), patience (10), factor (0.1), threshold (1e-4), cooldown (0), min (0), eps
--- (1e-8), mode ("min", "max"), lr.
function M.plateau(given)
  local self = make("plateau", given, {
      { "monitor", type = "string", default = "train_loss" }, { "patience", type = "integer", low = 0, default = 10 },
      FACTOR, { "threshold", type = "number", low = 0, default = 1e-4 },
      { "cooldown", type = "integer", low = 0, default = 0 },
      { "min", type = "number", low = 0, default = 0 }, { "eps", type = "number", low = 0, default = 1e-8 },
      { "mode", type = "string", choices = { "min", "max" } }, LR,
    },
    function(self, t, _, ctx)
      local rate, best, bad, rest = base_rate(self, ctx), nil, 0, 0
      local column = t > 0 and (ctx.history and ctx.history[self.monitor]
        or errors.raise("pl.schedule.plateau: the history has no column '%s'; monitor one that it has", self.monitor))
      for epoch = 1, t do
        local value = column[epoch] or 0 / 0     -- what was no number is not kept
        local finite = value - value == 0
        if finite and (not best or is_better(self.mode, self.threshold, value, best)) then best, bad = value, 0
        else bad = bad + 1 end
        if rest > 0 then rest, bad = rest - 1, 0 end
        if bad > self.patience then
          local lower = math.max(rate * self.factor, self.min)
          if rate - lower > self.eps then rate = lower end
          rest, bad = self.cooldown, 0
        end
      end
      return rate
    end)
  self.mode = self.mode or stopping.direction(self.monitor)
    or errors.raise("pl.schedule.plateau: is a larger or a smaller '%s' better? Add mode = \"max\" or mode = \"min\"",
      self.monitor)
  return self
end

--- The documented schedule of the tenth to twelfth models of the progression. With e the epoch from 0: the rate starts
-- as lr; below `halve_after` it grows by rate / e (so lr, 2 lr, 3 lr, ...); then it halves at every multiple of
-- `halve_after` except 5 itself. With late = { after = 20, every = 3 }: after epoch 20 at every multiple of 3 instead.
-- Options: halve_after (5), late (none), lr (base).
function M.tunable(given)
  local self = make("tunable", given, { { "halve_after", type = "integer", low = 1, default = 5 },
    { "late", type = "table" }, LR },
    function(self, e, previous, ctx)
      local late = self.late
      if e == 0 then return base_rate(self, ctx) end
      if e < self.halve_after then return previous + previous / e end
      if late and e > late.after then return e % late.every == 0 and previous * 0.5 or previous end
      return e % self.halve_after == 0 and e ~= 5 and previous * 0.5 or previous
    end)
  if self.late then
    self.late = options.check("pl.schedule.tunable: late", self.late, {
      { "after", type = "integer", low = 0, default = 20 }, { "every", type = "integer", low = 1, default = 3 },
    })
  end
  return self
end

--- The documented schedule of the thirteenth model. With e the epoch from 0: lr (e + 1) / 5 below epoch 5, then
-- lr 0.5^floor((e - 5) / 5). Options: lr (0.0005).
function M.naive(given)
  return make("naive", given, { { "lr", type = "number", low = 0, default = 0.0005 } }, function(self, e)
    if e < 5 then return self.lr * (e + 1) / 5 end
    return self.lr * system.pow(0.5, (e - 5) // 5)
  end)
end

return M
