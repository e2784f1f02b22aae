--- perilune rerun RUN: the script kept in a run's file, run again; are these the same bits?
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local memory = require "perilune.base.memory"
local folder = require "perilune.run.folder"
local history = require "perilune.run.history"
local identity = require "perilune.run.identity"
local record = require "perilune.run.record"
local printable = require "perilune.base.printable"
local runfile = require "perilune.run.file"
local text = require "perilune.base.format"
local trained = require "perilune.script.trained"
local whole = require "perilune.base.cli_options".whole
local system = core.system

local M = { summary = "run the script kept in a run's file again: the same bits?", usage = "RUN [--epochs N]",
  description = "Makes the experiment again from what the file of a run keeps (script, files that it loaded, " ..
    "arguments, seed), trains it in a folder of its own, and compares history and weights. The script of a run " ..
    "that was not trained by you on this machine needs --trust. Exit status 0: the same bits; 1: it says what " ..
    "differs, epoch and metric first." }

function M.define(parser)
  parser:argument("run", "A run's folder, or a file in it (run.h5, checkpoint.h5, best.h5).")
  parser:option("--epochs", "Train and compare only the first epochs; of the history, not of the weights.")
    :convert(whole(1)):argname "<n>"
  parser:option("--out", "Folder to train in, which is kept. Without it what differs is kept in <RUN>-rerun " ..
    "(-rerun-2 and so on where that is taken)."):argname "<folder>"
  parser:option("--threads", "Threads (0: as many as cores, fewer beside busy programs). The bits do not depend on it.")
    :convert(whole(0)):argname "<n>"
  parser:flag("--keep", "Keep the folder also when the bits are the same.")
  memory.option(parser)
  parser:flag("-q --quiet", "Print only what was found.")
  parser:flag("--trust", "Run the script kept in the file though you did not train it on this machine: look at it " ..
    "first.")
  parser:flag("--force", "Train though data or algorithm are known to differ.")
end

local function read(path, tensors)
  local found, message = runfile.read(path, { tensors = tensors, raw = true })
  if not found then errors.fail(1, "%s", message) end
  return found
end

local SHOWN = 8      -- lines of a script

-- A file may come from anyone, and its script is a program: it is run only when this user has run it here before, or
-- says so.
local function check_trust(path, was, trust)
  if trust or trained.knows(was) then return end
  local lines, n = {}, 0
  for line in (was.script .. "\n"):gmatch "(.-)\n" do
    n = n + 1
    if n <= SHOWN then lines[n] = "  | " .. text.clip(printable.text((line:gsub("\t", "  "))), 100) end
  end
  io.stderr:write(("%s keeps the script %s (%d lines, SHA-256 %s), which begins\n%s\n"):format(printable.text(path),
    printable.text(was.path), n,
    trained.digest(was), table.concat(lines, "\n")))
  for _, file in ipairs(was.files or {}) do io.stderr:write(("  and loads %s\n"):format(printable.text(file.path))) end
  errors.fail(1, "this user has not trained it on this machine, and running it means running whatever it says: " ..
    "add --trust if you do trust %s", path)
end

-- The experiment that a file's run was of. What is known to be different before training is an error.
local function again(path, found, force, trust)
  local was, s = found.state and found.state.identity, found.state
  if not was then errors.fail(1, "%s holds no run that could be made again, only a %s", path, found.kind or "file") end
  if not was.path or was.script == "" then
    errors.fail(1, "%s: this run was made in a session; there is no script to run again", path)
  end
  if s.edited then
    errors.fail(1, "%s: this run was edited by hand (%s); a script alone does not make it again", path, s.edited)
  end
  if was.runs_itself then
    errors.fail(1, "%s: its script trains by itself, so nothing but the script as a whole can run it again: " ..
      "perilune %s", path, printable.text(was.path))
  end
  check_trust(path, was, trust)
  local e = require "perilune.script".again(was)
  for _, split in pairs(e.splits) do errors.guard(split.read, split) end
  local differences = identity.differences(was, identity.of(e, was.seed))
  if #differences > 0 and not force then
    errors.fail(1, "%s cannot become the same bits: %s; train nevertheless with --force", path,
      table.concat(differences, "; "))
  end
  return e, differences
end

-- The folder, if nothing is in it but what a run puts there.
local function remove(path)
  folder.clear(path)
  os.remove(path)
end

local function same_number(a, b) return a == b or a ~= a and b ~= b end

-- The first epoch and metric in which two histories differ, in words; nil when they do not, over `epochs` rows.
local function history_difference(was, now, epochs)
  for i = 1, epochs do
    if not now[i] then return ("the run ended after epoch %d, and then after epoch %d"):format(#was, #now) end
    for _, name in ipairs(was.columns) do
      local a, b = was[i][name], now[i][name]
      if name ~= "seconds" and (a == nil) ~= (b == nil) then
        return ("epoch %d: %s was %s"):format(i, name, a and "measured and is not now" or "not measured and is now")
      end
      if name ~= "seconds" and a and not same_number(a, b) then
        return ("epoch %d: %s was %.17g, now %.17g"):format(i, name, a, b)
      end
    end
  end
end

local function digest(layers)
  local tensors = {}
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do tensors[#tensors + 1] = item end
  end
  return record.digest(tensors)
end

-- The weights of a file against those that the second run left: both digests, or nil when there is nothing to compare
-- with.
local function weights(found, out)
  local s = found.state
  if s.batch ~= 0 and not s.ended then return nil end      -- in the middle of an epoch
  if found.kind == "best" then return s.weights_sha256, read(out .. "/best.h5", false).state.weights_sha256 end
  if s.ended and found.kind == "run" then
    return s.weights_sha256, read(out .. "/run.h5", false).state.weights_sha256
  end
  return digest(found.layers), digest(read(out .. "/checkpoint.h5", true).layers)
end

-- What is not part of a run's identity, and was another: a reason to look for when bits differ.
local function surroundings(was)
  local processor, isa = system.processor()
  local list = {}
  local function compare(what, a, b)
    if a and a ~= b then list[#list + 1] = ("%s was %s, now %s"):format(what, a, b) end
  end
  compare("Perilune", was.build, system.version())
  compare("the compiler", was.compiler, system.compiler())
  compare("the processor", was.processor, ("%s (%s)"):format(processor, isa))
  return list
end

-- Does an unfinished second run lie in `out`, to go on with until that epoch? In a folder that was `named` nothing is
-- overwritten that another run has put there, or the first.
local function goes_on(path, out, named, now, epochs)
  local kept = folder.find(out)
  if not kept then return false end
  local left = runfile.read(system.kind(out .. "/checkpoint.h5") and out .. "/checkpoint.h5" or kept,
    { tensors = false, raw = true })
  local s = left and left.state
  local same = s and s.identity and #identity.differences(s.identity, now) == 0
  if named and (not same or system.file_id(out) == system.file_id(path:match "^(.*)/" or ".")) then
    errors.fail(1, "%s holds %s already; choose another folder with --out", out, same and "the run itself" or "a run")
  end
  return same and left.kind == "checkpoint" and not s.ended and (s.epoch or 0) < epochs
end

-- Where a run is trained again if no folder was named: beside it, in a hidden folder that is nobody else's.
local function scratch_of(path)
  local base = path:gsub("/[^/]*%.h5$", ""):gsub("%.h5$", ""):gsub("/+$", "")
  local above, name = base:match "^(.*/)([^/]*)$"
  return ("%s.%s-rerun"):format(above or "", name or base)
end

-- Keeps such a folder, as the first of <RUN>-rerun, <RUN>-rerun-2, ... that is free. Returns its name.
local function keep(scratch)
  local base, number = scratch:gsub("%.([^/]*)$", "%1"), 1
  local path = base
  while system.kind(path) do
    number = number + 1
    path = ("%s-%d"):format(base, number)
  end
  return os.rename(scratch, path) and path or scratch
end

function M.run(options)
  memory.limit(options.memory)
  local path = folder.file(options.run)
  local found = read(path, true)
  local e, differences = again(path, found, options.force, options.trust)
  local s, was = found.state, history.new(found.history)
  local epochs = math.min(options.epochs or #was, #was)
  if epochs == 0 then errors.fail(1, "%s: no epoch is finished; there is nothing to compare", path) end
  local partial = epochs < #was
  local out = options.out or scratch_of(path)
  local resumes = goes_on(path, out, options.out, identity.of(e, s.seed), epochs)
  local pause_after = (partial or not s.ended) and epochs or nil      -- ctx.epochs stays what it was
  local run = e:run { epochs = found.provenance.epochs or epochs, pause_after = pause_after, seed = s.seed,
    threads = options.threads, out = out,
    quiet = options.quiet, fresh = not resumes, interruptible = true,
    silent = true }
  if run.ended == "interrupted" and not (pause_after and run.state.epoch >= pause_after) then
    print("interrupted; " .. run:kept())
    return system.interrupt_status()
  end
  local difference = history_difference(was, run.history, epochs)
  if not difference and not partial and #run.history ~= #was then
    difference = ("the run ended after epoch %d, and now after epoch %d"):format(#was, #run.history)
  end
  local before, after
  if not partial then before, after = weights(found, out) end
  if not difference and before ~= after then
    difference = ("the weights: their SHA-256 was %s, now %s"):format(before, after)
  end
  if difference then
    print("different: " .. difference)
    for _, line in ipairs(differences) do print("  " .. line) end
    for _, line in ipairs(surroundings(found.provenance or {})) do print("  " .. line) end
    print(("  the second run is in %s"):format(options.out or keep(out)))
    return 1
  end
  local also = before and (", weights with SHA-256 %s"):format(before) or ""
  print(("the same bits: %d epoch%s of history%s"):format(epochs, epochs == 1 and "" or "s", also))
  if options.keep and not options.out then print("the second run is in " .. keep(out))
  elseif not options.out then remove(out) end
  return 0
end

return M
