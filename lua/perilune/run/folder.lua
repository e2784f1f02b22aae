--- The folder of a run: which one, and whether a run to go on with lies there. In it checkpoint.h5 alone counts;
--- run.h5, best.h5 and log.jsonl are derived from it and written after it.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local identity = require "perilune.run.identity"
local system, store = core.system, core.store

local M = {}

--- "P09 convolution" -> "p09-convolution". Other letters than English ones stay, whatever the locale; bytes that are no
--- UTF-8 are written as numbers.
function M.slug(name)
  if not utf8.len(name) then name = name:gsub("[\128-\255]", function(c) return ("-%02x-"):format(c:byte()) end) end
  local slug = name:gsub("[A-Z]", function(c) return string.char(c:byte() + 32) end)
  slug = slug:gsub("[^a-z0-9\128-\255]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return slug ~= "" and slug or "run"
end

local function checkpoint(path) return path .. "/checkpoint.h5" end

--- The file of the run in a folder, or nil.
function M.find(path)
  for _, name in ipairs { "run.h5", "checkpoint.h5" } do
    if system.kind(path .. "/" .. name) == "file" then return path .. "/" .. name end
  end
end

--- The file to look at when a run is named by its folder; any other path is itself; or nil and a message.
function M.file_of(path)
  if system.kind(path) ~= "folder" then return path end
  local file = M.find(path)
  return file, not file and path .. " holds no run: there is neither run.h5 nor checkpoint.h5 in it" or nil
end

--- The same, and what is wrong ends the program.
function M.file(path)
  local file, message = M.file_of(path)
  return file or errors.fail(1, "%s", message)
end

local of_run = { ["run.h5"] = true, ["checkpoint.h5"] = true, ["best.h5"] = true }

--- Ends the program where writing `target` would replace the file that is read, or a file of a run.
function M.spare(path, target)
  local id = system.file_id(target)
  if not id then return end
  if id == system.file_id(path) then errors.fail(1, "%s is the file that is read; choose another name", target) end
  for name in pairs(of_run) do
    if id == system.file_id(path .. "/" .. name) then
      errors.fail(1, "%s is a file of the run that is read; choose another name", target)
    end
  end
  if of_run[target:match "[^/]*$"] then errors.fail(1, "%s is a file of a run; choose another name", target) end
end

-- The record of the run in a folder; nil when there is none. tensors = false: without its weights. A file that cannot
-- be continued from is an error, unless the run is to start anew anyway.
local function read(path, fresh, tensors)
  if system.kind(checkpoint(path)) ~= "file" then return nil end
  local record, message = require "perilune.run.file".read(checkpoint(path), { tensors = tensors, raw = true })
  if record and not (record.kind == "checkpoint" and record.state and record.state.identity) then
    record, message = nil, checkpoint(path) .. " is not a checkpoint of a run"
  end
  if not record and not fresh then errors.fail(1, "%s; start anew with --fresh", message) end
  return record
end

-- The weights that lie in a folder without a checkpoint: a file's name, or nil.
local function remains(path)
  for _, name in ipairs { "run.h5", "best.h5" } do
    if system.kind(path .. "/" .. name) == "file" and system.kind(checkpoint(path)) ~= "file" then return name end
  end
end

-- Whether a finished run can simply go on: it ended because its epochs were over, and more are wanted now.
local function may_go_on(record, epochs)
  local s = record.state
  return s.ended == "epochs" and epochs > (s.epoch or 0)
end

-- Makes the folder and tries to write there: before the training, not after it.
local function make(path)
  local ok, message = store.mkdir(path)
  if ok then ok, message = store.write_text(path .. "/.probe", "") end
  if not ok then
    errors.fail(1, "cannot write into the run's folder %s: %s; choose another with --out DIR", path, message)
  end
  store.remove(path .. "/.probe")
end

-- The first of base, base-2, base-3, ... in which this run can begin or go on. With `fresh` an unfinished one is
-- overwritten; never what is finished.
local function next_free(base, options, now)
  local number = 1
  while true do
    local path = number == 1 and base or ("%s-%d"):format(base, number)
    local record = read(path, options.fresh, false)
    local another = record and not record.state.ended and not options.fresh
      and identity.differences(record.state.identity, now).functions
    if not (record and record.state.ended) and not remains(path) and not another then return path end
    local goes_on = record and may_go_on(record, options.epochs)
      and (options.force or #identity.differences(record.state.identity, now) == 0)
    if goes_on and not options.fresh then return path end
    number = number + 1
  end
end

-- Two processes that train into one folder would overwrite each other's files.
local function lock(path)
  local got, message, held = store.lock(path .. "/.lock")
  if got then return got end
  if not held then errors.fail(1, "%s; choose another folder with --out DIR", message) end
  errors.fail_held("another run is training into %s (%s); wait until it ends, or choose another folder with --out DIR",
    path, message)
end

local function refuse_if_different(path, record, now)
  local was, captured = record.state.identity, record.state.captured
  local differences = identity.differences(was, now)
  -- what a function captures and changes makes it another one in the same process
  if #differences > 0 and not (captured and differences.functions) then
    errors.fail(1, "%s holds %s run that differs: %s; start anew with --fresh, choose another folder with --out " ..
      "DIR, or resume regardless with --force", path, record.state.ended and "a finished" or "an unfinished",
        table.concat(differences, "; "))
  end
  if captured then
    errors.fail(1, "%s cannot be continued exactly: %s, which is in no checkpoint; keep it in ctx.state and start " ..
      "anew with --fresh, or resume regardless with --force", path, captured)
  end
end

--- Chooses the folder. options: out, epochs, seed, fresh, force; `now`: the run's identity. Returns the path, the
--- record to go on from (nil: none), and whether that record is of a finished run with nothing left to do. `run.lock`
--- becomes the folder's lock. Last, what `force` overruled: why this is not the run that it was, or nil.
function M.choose(run, e, options, now)
  local path = options.out or next_free(("runs/%s-s%d"):format(M.slug(e.name), options.seed), options, now)
  make(path)
  run.lock = lock(path)
  local left = not options.fresh and remains(path)
  if left then
    errors.fail(1, "%s holds %s, and no checkpoint.h5 to resume from: choose another folder with --out DIR, or " ..
      "overwrite it with --fresh", path, left)
  end
  local record = not options.fresh and read(path) or nil
  if not record then return path end
  if not options.force then refuse_if_different(path, record, now) end
  return path, record, record.state.ended ~= nil and not may_go_on(record, options.epochs),
    identity.differences(record.state.identity, now)[1] or record.state.captured
end

--- Removes what an earlier run left beside the checkpoint.
function M.clear_derived(path)
  for _, name in ipairs { "run.h5", "best.h5", "log.jsonl" } do store.remove(path .. "/" .. name) end
end

--- Removes what an earlier run left. The checkpoint last: without it the others would be in the way of the next.
function M.clear(path)
  M.clear_derived(path)
  store.remove(checkpoint(path))
end

return M
