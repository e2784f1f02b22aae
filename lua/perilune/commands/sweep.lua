--- perilune sweep FILE name=value,value ...
local convert = require "perilune.base.cli_options"
local errors = require "perilune.base.errors"
local memory = require "perilune.base.memory"
local text = require "perilune.base.format"

local M = { summary = "train every combination of arguments, with several seeds", usage = "FILE name=value,value ...",
  description = "Trains FILE with each combination of the values (lr=1e-3,1e-2 width=1..5), each trial in a " ..
    "folder of its own below runs/sweep-<FILE>/. Killed at any moment, the same command trains what is missing and " ..
    "nothing twice; so do several at once." }

-- As sbatch takes it: minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s.
local function time_limit(word)
  local rest = word:gsub("^%d+%-", "")
  if rest:find "^%d+$" or rest:find "^%d+:%d+$" or rest:find "^%d+:%d+:%d+$" then return word end
  return nil, ("a time such as 30 (minutes), 2:00:00 or 1-12 (days and hours) is expected, got '%s'"):format(word)
end

function M.define(parser)
  parser:argument("file", "A Lua file that ends with: return pl.experiment { ... }")
  parser:argument("arguments", "What varies: lr=1e-3,1e-2 (a list), width=1..5 (whole numbers), lr=lin:0..1 and " ..
    "lr=log:1e-4..1e-1 (drawn at " ..
    "random, with --trials), channels=[8,16],[16,32] (lists)."):args "*"
  parser:option("--seeds", "Train each with seeds 1 to this (1)."):convert(convert.whole(1)):argname "<n>"
  parser:option("--trials", "Draw so many combinations at random instead of all."):convert(convert.whole(1))
    :argname "<n>"
  parser:option("--sampling-seed", "What --trials draws from (1); more trials begin with the same ones.")
    :convert(convert.whole(0)):argname "<n>"
  parser:option("--jobs", "So many trials at a time (1); the cores are shared among them. With --slurm: so many " ..
    "tasks (all)."):convert(convert.whole(1))
    :argname "<n>"
  parser:option("--threads", "Threads of all trials together, instead of all cores; with --list and --slurm: of " ..
    "each (1)."):convert(convert.whole(1)):argname "<n>"
  parser:option("--epochs", "At most so many epochs a trial."):convert(convert.whole(1)):argname "<n>"
  parser:option("--out", "Folder of the sweep."):argname "<folder>"
  parser:flag("--halving", "Successive halving: all for a few epochs, the better half for twice as many, and so on.")
  parser:option("--select", "Choose by: validation (default), a column such as val_loss, test, or none. A metric of " ..
    "your own that reads ctx.test is to be called test_...: else the test set chooses unnoticed.")
    :argname "<metric>"
  parser:option("--mode", "Of a metric of your own: is its max or its min the best?"):choices { "min", "max" }
    :argname "<mode>"
  parser:flag("--fail-fast", "Stop when a trial fails; else it is marked, and the others go on.")
  parser:flag("--retry", "Train again what is marked as failed.")
  parser:flag("--list", "Only print a command a line for each missing trial, for GNU parallel.")
  parser:flag("--slurm", "Only write a job array over the missing trials, for sbatch.")
  parser:option("--time", "Time limit of a task of --slurm, such as 2:00:00."):convert(time_limit):argname "<time>"
  memory.option(parser)
  parser:flag("-q --quiet", "Print only the table.")
end

-- What the sweep says at its end.
local function finish(r, o, term)
  local outcome = require "perilune.sweep.outcome"
  local choice = require "perilune.sweep.choice"
  local script = require "perilune.script"
  local failed, rest, ours = 0, 0, {}
  for _, t in ipairs(r.plan.trials) do ours[t.name] = true end
  for _, item in ipairs(r.items) do
    if ours[item.trial.name] and item.status.state == "failed" then failed = failed + 1
    elseif ours[item.trial.name] and item.status.state ~= "finished" then rest = rest + 1 end
  end
  if not o.quiet then print() end
  for _, line in ipairs(outcome.table(r.configurations, r.shown, r.metric, term)) do print(line) end
  local best, equals = outcome.best(r.configurations, r.metric)
  local chosen = best and #r.configurations > 1
  local function say(name, ...)
    for _, line in ipairs(text.beside(name, (...):format(select(2, ...)), 15, term)) do print(line) end
  end
  print()
  if r.unwritten then say("not written", "%s", r.unwritten)
  else say("all numbers", "%s/sweep.csv", r.plan.folder) end
  if r.configurations.data_note then say("data", "%s", r.configurations.data_note) end
  if chosen then
    local tie = equals > 1 and (" (the first of %d equals)"):format(equals) or ""
    if choice.of_test(r.metric) then
      say("chosen by", "%s, of the TEST set%s: its error is no estimate of that on new data", r.metric, tie)
    else
      local whole = #best.items == best.summaries[r.metric].n
      say("chosen by", "%s, mean over seeds%s%s", r.metric, whole and "" or " that have a result; not all have", tie)
    end
    local words = { script.program, "run", r.plan.file }
    local function add(list) table.move(list, 1, #list, #words + 1, words) end
    add(best.words)
    for _, item in ipairs(best.items) do
      if item.run then
        add { "--seed", ("%d"):format(item.trial.seed) }
        break
      end
    end
    if r.plan.epochs then add { "--epochs", ("%d"):format(r.plan.epochs) } end
    -- on one line, however narrow the terminal is: it is to be copied
    print(term.paint(text.pad("the best again", 15), "dim") .. text.command(words))
  end
  if failed > 0 then say("failed", "%d; --retry trains %s again", failed, failed == 1 and "it" or "them") end
  if r.stopped == "interrupted" then say("interrupted", "%d left; the same command resumes", rest)
  elseif rest > 0 and not o.halving then
    say("left", "%d; the same command resumes %s", rest, rest == 1 and "it" or "them")
  end
  if r.stopped == "interrupted" then return require "perilune.core".system.interrupt_status() end
  return (failed > 0 or r.unwritten or rest > 0 and not o.halving) and 1 or 0
end

-- --list and --slurm.
local function for_others(options, o)
  local sweep, elsewhere = require "perilune.sweep.run", require "perilune.sweep.elsewhere"
  if o.halving then
    errors.fail(2, "sweep: --halving waits for all trials at each rung; it runs here, not with --list or --slurm")
  elseif options.list and options.slurm then errors.fail(2, "sweep: --list or --slurm, one of them")
  elseif options.list and (o.jobs or options.time) then
    errors.fail(2, "sweep: %s: with --list it is for GNU parallel to say (parallel -j 4 --timeout 3600)", o.jobs
      and "--jobs" or "--time")
  end
  local plan = sweep.prepare(o)
  local function note_failed(count)
    if count > 0 then io.stderr:write(("%d failed; with --retry they are trained again\n"):format(count)) end
  end
  if options.list then
    local commands, failed = elsewhere.commands(plan, o)
    for _, line in ipairs(commands) do print(line) end
    note_failed(failed)
    return 0
  end
  o.time = options.time
  local path, count, missing, failed = elsewhere.slurm(plan, o)
  if not path then print(("nothing is missing in %s"):format(plan.folder))
  else
    print(("%d task%s; submit with: %s"):format(count, count == 1 and "" or "s", text.command { "sbatch", path }))
    if count < missing then
      local more = "%d more are missing than an array takes; when it is done, the same command writes the rest"
      print(more:format(missing - count))
    end
  end
  note_failed(failed)
  return 0
end

function M.run(options)
  local sweep = require "perilune.sweep.run"
  local o = { file = options.file, arguments = options.arguments, seeds = options.seeds, trials = options.trials,
    sampling_seed = options.sampling_seed, jobs = options.jobs, threads = options.threads, epochs = options.epochs,
    out = options.out, halving = options.halving, select = options.select, mode = options.mode,
    fail_fast = options.fail_fast, retry = options.retry, memory = options.memory, quiet = options.quiet }
  if options.list or options.slurm then return for_others(options, o) end
  if options.time then errors.fail(2, "sweep: --time is the time limit of a task of --slurm") end
  local term = text.terminal(1)
  local r = sweep.run(o, function(line) if not o.quiet then print(term.paint(line, "cyan")) end end)
  return finish(r, o, term)
end

return M
