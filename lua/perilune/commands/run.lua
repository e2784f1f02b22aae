--- perilune run FILE [name=value ...]
local errors = require "perilune.base.errors"
local memory = require "perilune.base.memory"
local whole = require "perilune.base.cli_options".whole

local M = { summary = "train an experiment; an unfinished run is resumed", usage = "FILE [name=value ...]",
  description = "Trains the experiment that FILE returns, and writes weights and history into the folder " ..
    "runs/<name>-s<seed>/. The same command resumes an unfinished run, to the same final bits." }

function M.define(parser)
  parser:argument("file", "A Lua file that ends with: return pl.experiment { ... }")
  parser:argument("arguments", "Arguments that the file reads with pl.arg, such as lr=0.01"):args "*"
  parser:option("--epochs", "Train for at most this many epochs."):convert(whole(1)):argname "<n>"
  parser:option("--seed", "Seed instead of the experiment's."):convert(whole(0)):argname "<n>"
  parser:option("--threads", "Threads (0: as many as cores, fewer beside busy programs). The bits do not depend " ..
    "on it.")
    :convert(whole(0)):argname "<n>"
  parser:option("--out", "Folder of the run, instead of runs/<name>-s<seed>/."):argname "<folder>"
  parser:option("--pause-after", "Save and end after this epoch; without it the same command resumes, to the same " ..
    "bits."):convert(whole(1)):argname "<n>"
  parser:option("--checkpoint-every", "Seconds between checkpoints inside an epoch (30); also one " ..
    "after each epoch, unless saving would take more than a twentieth of the time.")
    :convert(require "perilune.base.cli_options".seconds):argname "<s>"
  memory.option(parser)
  parser:flag("-q --quiet", "Print only the result.")
  parser:flag("--watch", "In a full screen: curves while it trains (as perilune watch); q leaves the view, and " ..
    "the run goes on.")
  parser:flag("--fresh", "Start anew where an unfinished run lies, or in --out any run: it stays until " ..
    "the new one is saved first.")
  parser:flag("--trial", "As one of a sweep: left to a process that trains it already (exit status 75); a failure " ..
    "is noted in the folder's failed.txt; ends, all saved, when the process that started it does. Needs --out.")
  parser:flag("--force", "Resume an unfinished run though script, arguments, data or algorithm changed.")
end

local function train(options, leave)
  local e = require "perilune.script".experiment(options.file, options.arguments)
  local run = e:run { epochs = options.epochs, seed = options.seed, threads = options.threads, out = options.out,
    quiet = options.quiet,
    checkpoint_every = options.checkpoint_every, fresh = options.fresh, force = options.force, interruptible = true,
    pause_after = options.pause_after, leave = leave, watch = options.watch or false }
  if options.quiet then print(run.ended == "interrupted" and "interrupted; " .. run:kept() or run:line()) end
  if run.unsaved then
    errors.fail(1, "the end of this run is not in %s: %s; make that possible, then run the same command again, " ..
      "which resumes from what is there",
      run.path, run.unsaved)
  end
  if run.ended ~= "interrupted" then return 0 end
  if options.pause_after and run.state.epoch >= options.pause_after then return 0 end
  return require "perilune.core".system.interrupt_status()
end

local TAKEN = 75     -- EX_TEMPFAIL

-- A trial of a sweep: the lock of its folder is the claim to it, and its failure is noted there.
local function train_trial(options)
  local id = require "perilune.core".process.id
  local trial = require "perilune.sweep.trial"
  if not options.out then errors.fail(2, "run: --trial needs --out DIR") end
  local _, parent = id()
  local ok, result = pcall(train, options, function() return select(2, id()) ~= parent end)
  if ok then return result end
  if type(result) == "table" and result.held then
    io.stderr:write("perilune: ", result.message, "\n")
    return TAKEN
  end
  trial.fail(options.out, errors.strip(tostring(type(result) == "table" and result.message or result)))
  error(result, 0)
end

function M.run(options)
  memory.limit(options.memory)
  if options.trial then return train_trial(options) end
  return train(options)
end

return M
