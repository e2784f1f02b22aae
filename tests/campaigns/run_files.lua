-- Looks at the folder of a run of tiny_experiment.lua. What is wrong there ends the campaign red; `how` says after what.
local runfile = require "perilune.runfile"
local store = require "perilune".store

return function(campaign)
  local M = {}

  --- What a finished training left, in one string: weights of run.h5 and best.h5, how it ended, the log without its times.
  function M.result(folder, how)
    local parts = {}
    for _, name in ipairs { "run.h5", "best.h5" } do
      local record, message = runfile.read(folder .. "/" .. name)
      campaign.check(record, "%s: of a finished run: %s", how, message)
      parts[#parts + 1] = record.state.weights_sha256 .. (name == "run.h5" and record.state.ended or "")
    end
    return table.concat(parts, " ") .. campaign.read(folder .. "/log.jsonl"):gsub('"seconds":[^,}]*', "")
  end

  --- The step that a file of the run is of; 0 when it is not there.
  function M.step(folder, name, how)
    local path = folder .. "/" .. name
    if not store.exists(path) then return 0 end
    local whole, message = store.verify(path)
    local record = whole and runfile.read(path)
    campaign.check(record, "torn, by a %s: %s", how, message)
    return record.state.step
  end

  --- Every file is whole, the checkpoint at least of the step that was acknowledged, nothing derived from it newer. Returns
  -- the checkpoint's step.
  function M.whole(folder, acknowledged, how)
    local kept = M.step(folder, "checkpoint.h5", how)
    campaign.check(kept >= acknowledged, "lost, by a %s: the checkpoint is of step %d, though step %d was acknowledged", how, kept, acknowledged)
    for _, name in ipairs { "run.h5", "best.h5" } do
      campaign.check(M.step(folder, name, how) <= kept, "%s is newer than checkpoint.h5 after a %s", name, how)
    end
    return kept
  end

  return M
end
