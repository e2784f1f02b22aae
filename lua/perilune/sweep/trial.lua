--- How far the run in a folder is, told without its HDF5 files: by the last line of its log, by its lock, and by
--- failed.txt, which a trial that failed leaves there.
local core = require "perilune.core"
local log = require "perilune.run.log"
local store = core.store

local M = {}

--- Notes that a trial failed, and why.
function M.fail(folder, message)
  local ok = store.mkdir(folder)
  return ok and store.write_text(folder .. "/failed.txt", (message:gsub("%s+$", "")) .. "\n")
end

--- Forgets a failure.
function M.forgive(folder) store.remove(folder .. "/failed.txt") end

local function is_locked(folder)
  local lock, _, held = store.lock(folder .. "/.lock")
  if lock then lock:release() end
  return held == true
end

--- { state = "finished" | "failed" | "running" | "unfinished" | "missing", epoch, message (of a failure), row = last
--- of the history }
function M.status(folder)
  if core.system.kind(folder) ~= "folder" then return { state = "missing", epoch = 0 } end
  local last = log.last(folder) or {}
  local ended = last.summary
  if ended and log.is_of(ended, folder) then
    return { state = "finished", epoch = ended.epoch, row = ended.last }
  elseif ended then last = ended.last or {} end      -- its file was removed, or cut off
  local failure = store.read_text(folder .. "/failed.txt")
  if failure then
    return { state = "failed", epoch = last.epoch or 0, message = (failure:gsub("%s+$", "")), row = last }
  end
  if is_locked(folder) then return { state = "running", epoch = last.epoch or 0, row = last } end
  local begun = last.epoch or store.exists(folder .. "/checkpoint.h5")
  return { state = begun and "unfinished" or "missing", epoch = last.epoch or 0, row = last }
end

return M
