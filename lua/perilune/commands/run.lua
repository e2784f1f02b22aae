--- perilune run FILE [name=value ...]
local errors = require "perilune.errors"
local memory = require "perilune.memory"
local whole = require "perilune.convert".whole

local M = { summary = "train an experiment; an unfinished run goes on", usage = "FILE [name=value ...]",
  description = "Trains the experiment that FILE returns, and writes weights and history into the folder runs/<name>-s<seed>/. " ..
    "The same command goes on with an unfinished run, to the same final bits." }

function M.define(parser)
  parser:argument("file", "A Lua file that ends with: return pl.experiment { ... }")
  parser:argument("arguments", "Arguments that the file reads with pl.arg, such as lr=0.01"):args "*"
  parser:option("--epochs", "Train for at most this many epochs."):convert(whole(1)):argname "<n>"
  parser:option("--seed", "Seed instead of the experiment's."):convert(whole(0)):argname "<n>"
  parser:option("--threads", "Threads (0: as many as cores, fewer beside busy programs). The bits do not depend on it.")
    :convert(whole(0)):argname "<n>"
  parser:option("--out", "Folder of the run, instead of runs/<name>-s<seed>/."):argname "<folder>"
  parser:option("--checkpoint-every", "Seconds between checkpoints inside an epoch (30); there is always one after each epoch.")
    :convert(require "perilune.convert".seconds):argname "<s>"
  memory.option(parser)
  parser:flag("-q --quiet", "Print only the result.")
  parser:flag("--fresh", "Start anew where an unfinished run lies.")
  parser:flag("--force", "Go on with an unfinished run though script, arguments, data or algorithm changed.")
end

function M.run(options)
  memory.limit(options.memory)
  local e = require "perilune.script".experiment(options.file, options.arguments)
  local run = e:run { epochs = options.epochs, seed = options.seed, threads = options.threads, out = options.out, quiet = options.quiet,
    checkpoint_every = options.checkpoint_every, fresh = options.fresh, force = options.force, interruptible = true }
  if options.quiet then print(run.ended == "interrupted" and "interrupted; " .. run:kept() or run:line()) end
  if run.unsaved then
    errors.fail(1, "the end of this run is not in %s: %s; make that possible, then run the same command again, which goes on from what is there",
      run.path, run.unsaved)
  end
  return run.ended == "interrupted" and 130 or 0
end

return M
