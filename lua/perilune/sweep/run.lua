--- A sweep from its arguments to its table: `perilune sweep` and pl.sweep.
local choice = require "perilune.sweep.choice"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local halving = require "perilune.sweep.halving"
local jobs = require "perilune.sweep.jobs"
local log = require "perilune.run.log"
local outcome = require "perilune.sweep.outcome"
local patient_lock = require "perilune.base.patient_lock"
local plans = require "perilune.sweep.plan"
local results_csv = require "perilune.sweep.results_csv"
local script = require "perilune.script"
local trial = require "perilune.sweep.trial"
local Watch = require "perilune.sweep.watch"
local system = core.system

local M = {}

--- The command that trains a trial, as words. o: { threads, memory, pause_after }.
function M.command(plan, t, o)
  local words = { script.program, "run", plan.file }
  local function add(...)
    for _, word in ipairs { ... } do words[#words + 1] = tostring(word) end
  end
  add(table.unpack(t.words))
  add("--seed", t.seed, "--out", t.folder, "--trial", "--quiet")
  if o.threads then add("--threads", o.threads) end
  if plan.epochs then add("--epochs", plan.epochs) end
  if o.memory then add("--memory", o.memory) end
  if o.pause_after then add("--pause-after", o.pause_after) end
  return words
end

--- How many threads each of so many jobs has: the cores shared among them.
function M.share(threads, count) return math.max(1, (threads or system.threads()) // count) end

local function final_row(t, shown)
  local run, row = (require "perilune.run.runs".runs(t.folder) or {})[1], {}
  for _, name in ipairs(shown) do row[name] = run and run:value(name) or nil end
  return row
end

-- Trains these trials, each to its end or to epoch `pause`. Returns why it stopped before (see jobs.run).
local function train(plan, trials, o, shown, pause)
  local count = math.min(o.jobs or 1, math.max(#trials, 1))
  local threads = M.share(o.threads, count)
  local watch = Watch.new { total = #trials, shown = shown, quiet = o.quiet }
  local function is_done(_, s)
    return s.state == "finished" or pause and s.epoch >= pause and s.state == "unfinished"
  end
  local waiting, done = {}, 0
  for _, t in ipairs(trials) do
    local s = trial.status(t.folder)
    t.epochs = pause or t.planned
    if is_done(t, s) then done = done + 1
    elseif s.state == "failed" then watch:trial(t.name, s)
    else waiting[#waiting + 1] = t end
  end
  watch:earlier(done)
  local stopped = jobs.run(waiting, { jobs = count, fail_fast = o.fail_fast, is_done = is_done,
    command = function(t) return M.command(plan, t, { threads = threads, memory = o.memory, pause_after = pause }) end,
    hooks = {
      settled = function(t, s)
        watch:count(s.epoch - (t.epochs_before or s.epoch))
        watch:trial(t.name, s, s.state == "finished" and final_row(t, shown) or nil)
      end,
      tick = function(pool) watch:tick(pool) end,
    } })
  watch:finish()
  return stopped
end

-- The mean loss of a configuration's trials at an epoch, or where they ended before it.
local function loss_at(trials, metric, mode, epoch)
  local sum = 0.0
  for _, t in ipairs(trials) do
    local rows = log.rows(t.folder)
    local row = rows[epoch] or rows[#rows]
    if trial.status(t.folder).state == "failed" then row = nil end
    sum = sum + choice.loss(mode, row and row[metric])
  end
  return sum / #trials
end

local function by_configuration(plan)
  local groups = {}
  for _, t in ipairs(plan.trials) do
    groups[t.configuration] = groups[t.configuration] or {}
    table.insert(groups[t.configuration], t)
  end
  return groups
end

local function trials_of(groups, alive)
  local list = {}
  for _, index in ipairs(alive) do table.move(groups[index], 1, #groups[index], #list + 1, list) end
  return list
end

local function halve(plan, o, shown, metric, mode, say)
  local groups, alive = by_configuration(plan), {}
  for i = 1, #plan.configurations do alive[i] = i end
  local rungs = halving.rungs(#alive, plan.trials[1].planned)
  for i, rung in ipairs(rungs) do
    say(("rung %d of %d: %d configurations to epoch %d; the best %d by %s continue"):format(i, #rungs, #alive,
      rung.epoch, rung.keep, metric))
    local stopped = train(plan, trials_of(groups, alive), o, shown, rung.epoch)
    if stopped then return stopped end
    local equals
    alive, equals = halving.survivors(alive, rung.keep, function(index)
      return loss_at(groups[index], metric, mode, rung.epoch)
    end)
    if equals > 0 then say(("%d stopped here, equal to one that continues: of equals the first"):format(equals)) end
  end
  say(("%d of %d configurations to their end"):format(#alive, #plan.configurations))
  return train(plan, trials_of(groups, alive), o, shown)
end

local function check(o)
  if core.system.kind(o.file) ~= "file" then errors.fail(1, "sweep: there is no file %s", o.file) end
  for _, name in ipairs { "seeds", "trials", "jobs" } do
    if o[name] and (math.type(o[name]) ~= "integer" or o[name] < 1) then
      errors.fail(2, "sweep: %s is a whole number from 1, got %s", name, tostring(o[name]))
    end
  end
  if o.sampling_seed and not o.trials then
    errors.fail(2, "sweep: --sampling-seed is what --trials N draws from; without it nothing is drawn")
  end
end

-- A rung compares configurations after so many epochs of the same number.
local function check_epochs(o, loaded)
  local first = loaded[1].epochs
  for _, c in ipairs(loaded) do
    if c.epochs ~= first and not o.epochs then
      errors.fail(2, "sweep: --halving compares configurations of the same number of epochs, not of %d and %d; add " ..
        "--epochs N", first, c.epochs)
    end
  end
end

--- The plan of a sweep and what it is chosen by: plan, metric (or nil), "min" or "max" of it, names of the results
--- shown.
function M.prepare(o)
  check(o)
  local configurations, e, loaded = plans.configurations(o.file, o)
  local metric = choice.metric(e, o.select, #configurations > 1, o.halving)
  local mode = choice.mode(e, metric, o.mode)
  if o.halving and not metric then errors.fail(2, "sweep: --halving needs more than one configuration") end
  if o.halving then check_epochs(o, loaded) end
  local plan = plans.make(o, configurations, e, loaded)
  if o.retry then
    for _, t in ipairs(plan.trials) do trial.forgive(t.folder) end
  end
  return plan, metric, mode, outcome.shown(e, metric)
end

--- Trains what is missing. Options: file, arguments = { "lr=1e-3,1e-2", ... }, seeds, trials, sampling_seed, jobs,
--- threads, out, epochs, halving, select, mode, fail_fast, retry, memory, quiet. Returns { plan, metric, shown, items,
--- configurations, stopped, unwritten = why there is no sweep.csv }.
function M.run(o, say)
  local plan, metric, mode, shown = M.prepare(o)
  say = say or function() end
  local stopped
  if o.halving then stopped = halve(plan, o, shown, metric, mode, say)
  else stopped = train(plan, plan.trials, o, shown) end
  local _ <close> = patient_lock(plan.folder .. "/.sweep.lock")      -- another process may have widened it
  local items = outcome.look(plans.renew(plan))
  local ok, message = results_csv.write(plan, items)
  return { plan = plan, unwritten = not ok and message or nil, metric = metric, shown = shown, items = items,
    stopped = stopped, configurations = outcome.configurations(items, metric, mode, shown) }
end

return M
