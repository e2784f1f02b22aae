--- Trains the seeds of rows that no result is there of, each in a folder of its own below runs/reproduce/, and records
--- what came of it; or trains seed 1 again and compares its weights with the published ones.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local folders = require "perilune.run.folder"
local jobs = require "perilune.sweep.jobs"
local plan = require "perilune.sweep.plan"
local results = require "perilune.reproduce.results"
local script = require "perilune.script"
local sweep = require "perilune.sweep.run"
local tables = require "perilune.reproduce.table"
local trial = require "perilune.sweep.trial"
local verdict = require "perilune.reproduce.verdict"
local Watch = require "perilune.sweep.watch"

local M = { place = "runs/reproduce", verified = "runs/verify" }

--- The task of training a row with a seed: { name, folder, row, seed }.
local function task_of(row, seed, place)
  place = place or M.place
  local words = { row.id, table.unpack(row.words) }
  local name = plan.name(words, seed)
  return { name = name, folder = place .. "/" .. name, row = row, seed = seed }
end

M.task_of = task_of

--- The results of results.csv, and those of finished runs below runs/reproduce/ that it does not have; second, the
--- folders of these.
function M.known(list)
  local by_row, unrecorded = results.read(), {}
  for _, row in ipairs(list) do
    for seed = 1, row.seeds do
      local task = task_of(row, seed, M.place)
      if not results.has(by_row[row.name], seed) and trial.status(task.folder).state == "finished" then
        local line = results.of_run(task.folder)
        if line then
          results.put(by_row, line)
          unrecorded[#unrecorded + 1] = task.folder
        end
      end
    end
  end
  return by_row, unrecorded
end

local function missing(list, by_row)
  local tasks = {}
  for _, row in ipairs(list) do
    for seed = 1, row.seeds do
      if not results.has(by_row[row.name], seed) then tasks[#tasks + 1] = task_of(row, seed, M.place) end
    end
  end
  return tasks
end

-- Forgets a failure; a finished run that is not one of the row, as of an older script, is one.
local function forgive(folder)
  trial.forgive(folder)
  if trial.status(folder).state == "finished" and not results.of_run(folder) then folders.clear(folder) end
end

local function train(tasks, o, settled)
  if #tasks == 0 then return nil end
  for _, task in ipairs(tasks) do
    task.epochs = task.epochs or script.experiment(task.row.path, task.row.words).epochs
    if o.retry then forgive(task.folder) end
  end
  local count = math.min(o.jobs or 1, #tasks)
  local watch = Watch.new { total = #tasks, shown = { "test_error" }, quiet = o.quiet }
  local stopped = jobs.run(tasks, { jobs = count, is_done = function(_, s) return s.state == "finished" end,
    command = function(t)
      return sweep.command({ file = t.row.path }, { words = t.row.words, seed = t.seed, folder = t.folder },
        { threads = sweep.share(o.threads, count) })
    end,
    hooks = {
      settled = function(t, s)
        watch:count(s.epoch - (t.epochs_before or s.epoch))
        local line, why
        if s.state == "finished" then line, why = results.of_run(t.folder) end
        if s.state == "finished" and not line then
          s = { state = "failed", epoch = s.epoch, message = why .. "; --retry trains it again" }
        end
        watch:trial(t.name, s, line and { test_error = verdict.value(t.row, line) })
        if settled then settled(t, line) end
      end,
      tick = function(pool) watch:tick(pool) end,
    } })
  watch:finish()
  return stopped
end

-- Records finished runs in results.csv and the table of the README. Returns why that cannot be done.
local function record(paths)
  local ok, problem = pcall(results.import, paths, tables.publish)
  return not ok and errors.strip(tostring(problem)) or nil
end

--- Trains what is missing of the rows. o: { jobs, threads, retry, quiet }. Returns the results now, how many runs are
--- still missing, and why it stopped before the end.
function M.complete(list, o)
  local by_row, found = M.known(list)      -- found: recorded by no process, as one was killed or had no access
  local unrecorded = #found > 0 and record(found) or nil
  local stopped = train(missing(list, by_row), o, function(task, line)
    if not line then return end
    results.put(by_row, line)
    unrecorded = record { task.folder } or unrecorded
  end)
  if unrecorded then
    io.stderr:write(("perilune: the results are kept in %s only: %s\n"):format(M.place, unrecorded))
  end
  return by_row, #missing(list, by_row), stopped
end

local function published(lines)
  for _, line in ipairs(lines or {}) do
    if line.seed == 1 then return line.weights_sha256 end
  end
end

--- Trains seed 1 of each row again. Returns { row, published, found = digest or nil, message } of each, and why it
--- stopped.
function M.verify(list, o)
  local by_row, tasks, all = results.read(), {}, {}
  for _, row in ipairs(list) do
    local one = { row = row, published = published(by_row[row.name]) }
    all[#all + 1] = one
    if one.published then
      local task = task_of(row, 1, M.verified)
      local state = trial.status(task.folder).state
      if state ~= "unfinished" and state ~= "running" then
        trial.forgive(task.folder)
        if core.system.kind(task.folder) then folders.clear(task.folder) end
      end
      task.one = one
      tasks[#tasks + 1] = task
    else one.message = "no digest of seed 1 is published" end
  end
  local stopped = train(tasks, o, function(task, line)
    task.one.found = line and line.weights_sha256
    task.one.message = not line and "it was not trained to its end" or nil
  end)
  return all, stopped
end

return M
