--- perilune sweep FILE name=value,value ...
local convert = require "perilune.base.cli_options"
local errors = require "perilune.base.errors"
local memory = require "perilune.base.memory"
local text = require "perilune.base.format"

local M = { summary = "train every combination of arguments, with several seeds", usage = "FILE name=value,value ...",
  description = "Trains FILE with each combination of the values (lr=1e-3,1e-2 width=1..5), each trial in a " ..
    "folder of its own below runs/sweep-<FILE>/. Killed at any moment, the same command trains what is missing and " ..
    "nothing twice; so do several at once." }

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
  parser:option("--jobs", "So many trials at a time (1); the cores are shared among them."):convert(convert.whole(1))
    :argname "<n>"
  parser:option("--threads", "Threads of all trials together, instead of all cores; with --list and --slurm: of " ..
    "each (1)."):convert(convert.whole(1)):argname "<n>"
  parser:option("--epochs", "At most so many epochs a trial."):convert(convert.whole(1)):argname "<n>"
  parser:option("--out", "Folder of the sweep."):argname "<folder>"
  parser:flag("--halving", "Successive halving: all for a few epochs, the better half for twice as many, and so on.")
  parser:option("--select", "Choose by: validation (default), a column such as val_loss, test, or none.")
    :argname "<metric>"
  parser:option("--mode", "Of a metric of your own: is its max or its min the best?"):choices { "min", "max" }
    :argname "<mode>"
  parser:flag("--fail-fast", "Stop when a trial fails; else it is marked, and the others go on.")
  parser:flag("--retry", "Train again what is marked as failed.")
  parser:flag("--list", "Only print a command a line for each missing trial, for GNU parallel.")
  parser:flag("--slurm", "Only write a job array over the missing trials, for sbatch.")
  parser:option("--time", "Time limit of a task of --slurm, such as 2:00:00."):argname "<time>"
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
  local best = r.configurations[1]
  local chosen = r.metric and #r.configurations > 1 and best.loss < math.huge
  local lines = { { "all numbers", r.plan.folder .. "/sweep.csv" } }
  if chosen then
    if choice.of_test(r.metric) then
      local warning = ", of the TEST set: its error is no estimate of that on new data"
      lines[#lines + 1] = { "chosen by", r.metric .. warning }
    else lines[#lines + 1] = { "chosen by", r.metric .. ", mean over seeds" } end
    local words = { script.program, "run", r.plan.file }
    table.move(best.words, 1, #best.words, #words + 1, words)
    if r.plan.epochs then table.move({ "--epochs", ("%d"):format(r.plan.epochs) }, 1, 2, #words + 1, words) end
    lines[#lines + 1] = { "the best again", text.command(words) }
  end
  if failed > 0 then
    lines[#lines + 1] = { "failed", ("%d; --retry trains %s again"):format(failed, failed == 1 and "it" or "them") }
  end
  if r.stopped == "interrupted" then
    lines[#lines + 1] = { "interrupted", ("%d left; the same command resumes"):format(rest) }
  elseif rest > 0 and not o.halving then
    lines[#lines + 1] = { "left", ("%d; the same command resumes them"):format(rest) }
  end
  print()
  for _, line in ipairs(lines) do print(term.paint(text.pad(line[1], 15), "dim") .. line[2]) end
  if r.stopped == "interrupted" then return require "perilune.core".system.interrupt_status() end
  return (failed > 0 or rest > 0 and not o.halving) and 1 or 0
end

function M.run(options)
  local sweep = require "perilune.sweep.run"
  local o = { file = options.file, arguments = options.arguments, seeds = options.seeds, trials = options.trials,
    sampling_seed = options.sampling_seed, jobs = options.jobs, threads = options.threads, epochs = options.epochs,
    out = options.out, halving = options.halving, select = options.select, mode = options.mode,
    fail_fast = options.fail_fast, retry = options.retry, memory = options.memory, quiet = options.quiet }
  if options.list or options.slurm then
    if o.halving then
      errors.fail(2, "sweep: --halving waits for all trials at each rung; it runs here, not with --list or --slurm")
    end
    local elsewhere = require "perilune.sweep.elsewhere"
    local plan = sweep.prepare(o)
    if options.list then
      for _, line in ipairs(elsewhere.commands(plan, o)) do print(line) end
      return 0
    end
    o.time = options.time
    local path, count = elsewhere.slurm(plan, o)
    if not path then print(("nothing is missing in %s"):format(plan.folder))
    else
      print(("%d task%s; submit with: sbatch %s"):format(count, count == 1 and "" or "s", text.command { path }))
    end
    return 0
  end
  local term = text.terminal(1)
  local r = sweep.run(o, function(line) if not o.quiet then print(term.paint(line, "cyan")) end end)
  return finish(r, o, term)
end

return M
