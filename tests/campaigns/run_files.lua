-- Looks at the folder of a run of tiny_experiment.lua. What is wrong there ends the campaign red; `how` says after
-- what.
local runfile = require "perilune.run.file"
local store = require "perilune".store

return function(campaign)
  local M = {}

  --- What a finished training left, in one string: weights of run.h5 and best.h5, how it ended, the log without its
  --- times.
  function M.result(folder, how)
    local parts = {}
    for _, name in ipairs { "run.h5", "best.h5" } do
      local record, message = runfile.read(folder .. "/" .. name)
      campaign.check(record, "%s: of a finished run: %s", how, message)
      parts[#parts + 1] = record.state.weights_sha256 .. (name == "run.h5" and record.state.ended or "")
    end
    return table.concat(parts, " ") .. campaign.read(folder .. "/log.jsonl"):gsub('"seconds":[^,}]*',
      ""):gsub('"created":"[^"]*"', ""):gsub('"bytes":%d+', "")
  end

  local function text_of(value, skip)
    if type(value) == "userdata" then return store.sha256(value) end
    if type(value) ~= "table" then return math.type(value) == "float" and ("%a"):format(value) or tostring(value) end
    local parts = {}
    for key, item in pairs(value) do
      if not skip[key] then parts[#parts + 1] = tostring(key) .. "=" .. text_of(item, skip) end
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
  end

  --- All that the files of a finished training hold, but for times and what it ran on: digests of weights, best weights
  --- and optimizer slots; state, history and evaluation. And the weights' SHA-256 alone.
  function M.everything(folder, how)
    local skip = { seconds = true, seconds_elsewhere = true, created = true, provenance = true }
    local parts, weights = {}, nil
    for _, name in ipairs { "checkpoint.h5", "run.h5", "best.h5" } do
      if store.exists(folder .. "/" .. name) then
        local record, message = runfile.read(folder .. "/" .. name)
        campaign.check(record, "%s: of a finished run: %s", how, message)
        if name == "run.h5" then weights = record.state.weights_sha256 end
        for c, column in ipairs(record.history.columns) do
          for _, row in ipairs(record.history.rows) do row[c] = column ~= "seconds" and row[c] or 0 end
        end
        parts[#parts + 1] = name .. text_of(record, skip)
      end
    end
    return table.concat(parts, "\n"), weights
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

  --- Every file is whole, the checkpoint at least of the step that was acknowledged, nothing derived from it newer.
  --- Returns the checkpoint's step.
  function M.whole(folder, acknowledged, how)
    local kept = M.step(folder, "checkpoint.h5", how)
    campaign.check(kept >= acknowledged, "lost, by a %s: the checkpoint is of step %d, though step %d was acknowledged",
      how, kept, acknowledged)
    for _, name in ipairs { "run.h5", "best.h5" } do
      campaign.check(M.step(folder, name, how) <= kept, "%s is newer than checkpoint.h5 after a %s", name, how)
    end
    return kept
  end

  return M
end
