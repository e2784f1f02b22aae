--- A sweep that other engines run: one command a line for GNU parallel, or a job array for Slurm. Each command claims
--- its trial by a lock, so that the same list may be worked on twice at once.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local sweep = require "perilune.sweep.run"
local text = require "perilune.base.format"
local trial = require "perilune.sweep.trial"

local M = {}

--- The commands of the trials that are neither finished nor failed.
function M.commands(plan, o)
  local list = {}
  for _, t in ipairs(plan.trials) do
    local state = trial.status(t.folder).state
    if state ~= "finished" and state ~= "failed" then
      list[#list + 1] = text.command(sweep.command(plan, t, { threads = o.threads or 1, memory = o.memory }))
    end
  end
  return list
end

local batch = [=[
#!/bin/sh
# Trains the missing trials of a sweep, one a task; written by perilune sweep --slurm. It may be submitted twice.
#SBATCH --job-name=%s
#SBATCH --array=1-%d
#SBATCH --cpus-per-task=%d
#SBATCH --output=%s/slurm-%%A_%%a.txt
%scd %s || exit 1
eval "$(sed -n "${SLURM_ARRAY_TASK_ID}p" %s)"
status=$?
[ "$status" = 75 ] && exit 0    # another task trains it
exit "$status"
]=]

--- Writes commands.txt and sweep.sbatch into the sweep's folder: the path of the latter and the number of tasks; nil
--- when nothing is missing. o: { threads, memory, time }.
function M.slurm(plan, o)
  local commands = M.commands(plan, o)
  if #commands == 0 then return nil, 0 end
  local memory = o.memory and ("#SBATCH --mem=%dM\n"):format((o.memory * 5 // 4 >> 20) + 200) or ""
  local extra = memory .. (o.time and ("#SBATCH --time=%s\n"):format(o.time) or "")
  local name = plan.folder:match "([^/]*)/*$":gsub("[^%w._-]", "_")
  local path = plan.folder .. "/sweep.sbatch"
  local here = os.getenv "PWD" or "."
  local ok, message = core.store.write_text(plan.folder .. "/commands.txt", table.concat(commands, "\n") .. "\n")
  if ok then
    ok, message = core.store.write_text(path, batch:format(name, #commands, o.threads or 1, plan.folder, extra,
      text.command { here },
      text.command { plan.folder .. "/commands.txt" }))
  end
  if not ok then errors.fail(1, "%s", message) end
  return path, #commands
end

return M
