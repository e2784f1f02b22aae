--- The folder of a run: which one, whether an unfinished run lies there, and whether it is the same run. In it
-- checkpoint.h5 alone counts; run.h5, best.h5 and log.jsonl are derived from it and written after it.
local core = require "perilune.core"
local system, store = core.system, core.store

local M = {}

--- "P09 convolution" -> "p09-convolution"
function M.slug(name)
  local slug = name:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return slug ~= "" and slug or "run"
end

local function config_of(object)
  if type(object) == "function" then return "a function" end
  local ok, config = pcall(function() return object:config() end)
  return ok and core.json.encode(config) or tostring(object)
end

-- What an experiment is set up as, as far as it can be told from outside: for experiments made in a session, and for variants
-- that one script makes of another's.
local function setup_of(e)
  local augment = {}
  for i, item in ipairs(e.augment.built_in) do augment[i] = config_of(item) end
  for _ = 1, #e.augment.functions do augment[#augment + 1] = "a function" end
  local rule = e.stopping
  return { model = config_of(e.model), loss = config_of(e.loss), optimizer = config_of(e.optimizer), augment = table.concat(augment, ", "),
    schedule = e.schedule and (type(e.schedule) == "table" and tostring(e.schedule) or "a function") or "none",
    stopping = rule and ("%s, monitor %s, patience %s, min_delta %s, min_delta_rel %s"):format(rule.type, rule.monitor, rule.patience, rule.min_delta,
      rule.min_delta_rel) or "none",
    batch_size = e.batch_size, shuffle = e.shuffle, drop_last = e.drop_last, test = e.test,
    validation = type(e.validation) == "table" and core.json.encode(e.validation) or e.validation }
end

--- What makes a run this run: its script and arguments, the files the script loaded, data, seed, algorithm. The number
-- of epochs, threads and what is printed do not.
function M.identity(e, seed)
  local script = e.script or { text = "", arguments = {}, files = {} }
  local train, test, held = e.splits.train, e.splits.test, e.splits.val
  local digests = { train.sha256 }
  for _, split in ipairs { held or false, test or false } do
    if split then digests[#digests + 1] = split.sha256 end
  end
  local _, isa = system.processor()
  local convolution = os.getenv "PERILUNE_CONV"
  return { name = e.name, script = script.text, path = script.path, arguments = script.arguments, files = script.files, seed = seed,
    setup = setup_of(e), data = e.data.name, data_sha256 = table.concat(digests, " "),
    labels = e.data.labels, algorithm = (isa == "baseline" and "unfused" or "fused") .. (convolution and convolution ~= "" and ", convolution " .. convolution or "") }
end

local function first_difference(was, now)
  local function lines(text)
    local list = {}
    for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
    return list
  end
  local a, b = lines(was), lines(now)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      local function quote(line) return line and "'" .. line:gsub("^%s+", "") .. "'" or "nothing" end
      return ("line %d was %s, now %s"):format(i, quote(a[i]), quote(b[i]))
    end
  end
  return "the line ends differ"
end

--- How the identity `now` differs from the kept one: a list of phrases, empty when it is the same run.
function M.differences(was, now)
  local list = {}
  local function differ(what, a, b)
    if a ~= b then list[#list + 1] = ("%s: was %s, now %s"):format(what, a == "" and "none" or tostring(a), b == "" and "none" or tostring(b)) end
  end
  if was.script ~= now.script then list[#list + 1] = "script: " .. first_difference(was.script, now.script) end
  local before, seen = {}, {}
  for _, file in ipairs(was.files or {}) do before[file.path] = file.text end
  for _, file in ipairs(now.files) do
    seen[file.path] = true
    if before[file.path] == nil then list[#list + 1] = file.path .. " is loaded now and was not"
    elseif before[file.path] ~= file.text then list[#list + 1] = file.path .. ": " .. first_difference(before[file.path], file.text) end
  end
  for _, file in ipairs(was.files or {}) do
    if not seen[file.path] then list[#list + 1] = file.path .. " was loaded and is not now" end
  end
  differ("arguments", table.concat(was.arguments or {}, " "), table.concat(now.arguments, " "))
  differ("data set", was.data, now.data)
  if was.data == now.data and was.data_sha256 ~= now.data_sha256 then list[#list + 1] = ("the contents of data set %s changed"):format(now.data) end
  if #list == 0 then
    for _, name in ipairs { "model", "loss", "optimizer", "schedule", "augment", "stopping", "batch_size", "shuffle", "drop_last", "validation", "test" } do
      differ(name, (was.setup or {})[name], now.setup[name])
    end
  end
  differ("seed", was.seed, now.seed)
  differ("algorithm", was.algorithm, now.algorithm)
  return list
end

local function checkpoint(path) return path .. "/checkpoint.h5" end

-- The record of the run in a folder; nil when there is none.
local function read(path)
  if system.kind(checkpoint(path)) ~= "file" then return nil end
  local record, message = require "perilune.runfile".read(checkpoint(path))
  if not record then error({ message = ("%s; start anew with --fresh"):format(message) }, 0) end
  return record
end

local function state_of(record) return record.state or {} end

-- Whether a finished run can simply go on: it ended because its epochs were over, and more are wanted now.
local function may_go_on(record, epochs)
  local s = state_of(record)
  return s.ended == "epochs" and epochs > (s.epoch or 0)
end

-- Makes the folder and tries to write there: before the training, not after it.
local function make(path)
  local ok, message = store.mkdir(path)
  if ok then ok, message = store.write_text(path .. "/.probe", "") end
  if not ok then error({ message = ("cannot write into the run's folder %s: %s; choose another with --out DIR"):format(path, message) }, 0) end
  store.remove(path .. "/.probe")
end

--- Chooses the folder. options: out, epochs, seed, fresh, force. Returns the path and the record to go on from (nil: none), and
-- whether that record is of a finished run with nothing left to do.
function M.choose(e, options, identity)
  local base = options.out or ("runs/%s-s%d"):format(M.slug(e.name), options.seed)
  local number, path, record = 1, base, nil
  while true do
    path = (number == 1 or options.out) and base or ("%s-%d"):format(base, number)
    record = not options.fresh and read(path) or nil
    local taken = options.fresh and system.kind(checkpoint(path)) == "file" and not options.out and (read(path) or {}).state
    local finished = record and state_of(record).ended
    local another = finished and not options.out and (not may_go_on(record, options.epochs)
      or (#M.differences(record.state.identity, identity) > 0 and not options.force))
    if not another and not (taken and taken.ended) then break end
    number = number + 1
  end
  make(path)
  if not record then return path end
  local differences = M.differences(record.state.identity, identity)
  if #differences > 0 and not options.force then
    local kind = state_of(record).ended and "a finished" or "an unfinished"
    error({ message = ("%s holds %s run that differs: %s; start anew with --fresh, choose another folder with --out DIR, or go on regardless with --force")
      :format(path, kind, table.concat(differences, "; ")) }, 0)
  end
  if state_of(record).captured and not options.force then
    error({ message = ("%s cannot be continued exactly: %s, which is in no checkpoint; keep it in ctx.state and start anew with --fresh, or go on regardless with --force")
      :format(path, record.state.captured) }, 0)
  end
  return path, record, state_of(record).ended ~= nil and not may_go_on(record, options.epochs)
end

--- Removes what an earlier run left: a new one begins here.
function M.clear(path)
  for _, name in ipairs { "checkpoint.h5", "run.h5", "best.h5", "log.jsonl" } do store.remove(path .. "/" .. name) end
end

return M
