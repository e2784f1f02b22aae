--- A sweep that other engines run: one command a line for GNU parallel, or a job array for Slurm. Each command claims
--- its trial by a lock, so that the same list may be worked on twice at once.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local sweep = require "perilune.sweep.run"
local text = require "perilune.base.format"
local trial = require "perilune.sweep.trial"

local M = {}

local MOST_TASKS = 1000      -- of an array; Slurm's MaxArraySize is 1001 unless a cluster says otherwise

--- The commands of the trials that are neither finished nor failed, and how many have failed.
function M.commands(plan, o)
  local list, failed = {}, 0
  for _, t in ipairs(plan.trials) do
    local state = trial.status(t.folder).state
    if state == "failed" then failed = failed + 1
    elseif state ~= "finished" then
      list[#list + 1] = text.command(sweep.command(plan, t, { threads = o.threads or 1, memory = o.memory }))
    end
  end
  return list, failed
end

local batch = [=[
#!/bin/sh
# Trains the missing trials of a sweep, one a task; written by perilune sweep --slurm. It may be submitted twice.
#SBATCH --job-name=%s
#SBATCH --array=1-%d%s
#SBATCH --cpus-per-task=%d
#SBATCH --output="%s/slurm-%%A_%%a.txt"
%scd %s || exit 1
case "$SLURM_ARRAY_TASK_ID" in
%s
*) echo "there is no task '$SLURM_ARRAY_TASK_ID'; submit this file with sbatch" >&2; exit 2 ;;
esac
status=$?
[ "$status" = 75 ] && exit 0    # another task trains it
exit "$status"
]=]

local function working_folder()
  local pipe = io.popen "pwd"
  local path = pipe and pipe:read "l"
  if pipe then pipe:close() end
  return path or errors.fail(1, "sweep: the working folder is not known: pwd says nothing")
end

-- The path of a task's output in a comment that sbatch reads: in quotes, and %% stands for a percent sign.
local function pattern(path) return (path:gsub('["\\]', "\\%0"):gsub("%%", "%%%%")) end

--- Writes sweep.sbatch into the sweep's folder: its path, the number of its tasks, how many trials are missing in all
--- and how many have failed; nil when nothing is missing. The script holds the commands, so that what was submitted
--- stays what it is when it is written anew. o: { threads, memory, time, jobs = at a time }.
function M.slurm(plan, o)
  local commands, failed = M.commands(plan, o)
  if #commands == 0 then return nil, 0, 0, failed end
  local count, cases, extra = math.min(#commands, MOST_TASKS), {}, ""
  for i = 1, count do cases[i] = ("%d) %s ;;"):format(i, commands[i]) end
  if o.memory then extra = ("#SBATCH --mem=%dM\n"):format((o.memory * 5 // 4 >> 20) + 200) end
  if o.time then extra = extra .. ("#SBATCH --time=%s\n"):format(o.time) end
  local name = plan.folder:match "([^/]*)/*$":gsub("[^%w._-]", "_")
  local path, here = plan.folder .. "/sweep.sbatch", working_folder()
  local folder = plan.folder:sub(1, 1) == "/" and plan.folder or here .. "/" .. plan.folder
  local at_a_time = o.jobs and ("%%%d"):format(o.jobs) or ""
  local script = batch:format(name, count, at_a_time, o.threads or 1, pattern(folder), extra, text.command { here },
    table.concat(cases, "\n"))
  local ok, message = core.store.write_text(path, script)
  if not ok then errors.fail(1, "%s", message) end
  return path, count, #commands, failed
end

return M
