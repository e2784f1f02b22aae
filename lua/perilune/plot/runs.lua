--- Runs as figures and reports read them: from files alone. A source is a path (a run's folder or file, a folder of
--- runs, the beginning of the names of runs in runs/), a run, a history, or a list of these.
---
---   { name, label, path, folder, seed, history, state, identity, arguments, epochs, evaluation, provenance, record,
--- problem, experiment (a run of this session) }
local claim = require "perilune.stats.claim"
local compare = require "perilune.stats.compare"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local history = require "perilune.run.history"
local metrics = require "perilune.train.metrics"
local options = require "perilune.base.options"
local system, store = core.system, core.store

local M = {}

local DEEP = 6      -- folders in folders that are looked into

local holds_run = require "perilune.run.folder".find

--- The folders of runs in and below a folder, sorted; also those that have only a log yet; begun: or only a lock.
function M.folders(path, found, depth, begun)
  found = found or {}
  if holds_run(path) or system.kind(path .. "/log.jsonl") == "file"
    or (begun and system.kind(path .. "/.lock") == "file") then
    found[#found + 1] = path
    return found
  end
  if (depth or 0) >= DEEP then return found end
  for _, name in ipairs(store.listdir(path) or {}) do
    local inner = path .. "/" .. name
    if name:sub(1, 1) ~= "." and system.kind(inner) == "folder" then
      M.folders(inner, found, (depth or 0) + 1, begun)
    end
  end
  return found
end

-- "lenet5" -> runs/lenet5-* and runs/lenet5/*
local function by_prefix(word)
  local found = {}
  if word:find "/" then return found end
  for _, name in ipairs(store.listdir "runs" or {}) do
    if (name == word or name:sub(1, #word + 1) == word .. "-") and system.kind("runs/"
      .. name) == "folder" then M.folders("runs/" .. name, found) end
  end
  return found
end

--- The run in a folder or file, weights left out unless `tensors`. A file that cannot be read is a run with `problem`.
function M.read(path, tensors)
  local file = system.kind(path) == "folder" and holds_run(path) or path
  local folder = system.kind(path) == "folder" and path or path:match "^(.*)/[^/]*$" or "."
  local record, message = require "perilune.run.file".read(file, { tensors = tensors or false })
  local s = record and record.state or {}
  local identity = s.identity or {}
  local base = folder:gsub("/+$", ""):match "[^/]+$"
  local name = identity.name or base
  local provenance = record and record.provenance or {}
  return { path = file, folder = folder, name = name, label = base == "." and name or base, seed = s.seed,
    history = history.new(record and record.history), state = s, identity = identity, evaluation = record
      and record.evaluation or {}, arguments = provenance.values or identity.arguments, epochs = provenance.epochs,
    provenance = provenance, record = record, problem = not record and message or nil }
end

local function paths_of(word)
  local kind = system.kind(word)
  if kind == "file" then return { word } end
  local found = kind == "folder" and M.folders(word) or by_prefix(word)
  if #found > 0 then return found end
  if kind == "folder" then
    errors.fail(1, "%s holds no run: there is neither run.h5 nor checkpoint.h5 in it or in folders below", word)
  end
  local names = store.listdir "runs" or {}
  local near = system.nearest(word:match "[^/]*$", names)
  errors.fail(1, "there is no run '%s'%s", word, near and ("; did you mean 'runs/%s'?"):format(near)
    or "; a run is named by its folder, such as runs/my-first-s1")
end

local function add(list, source, what, tensors)
  if type(source) == "string" then
    for _, path in ipairs(paths_of(source)) do list[#list + 1] = M.read(path, tensors) end
    return
  end
  local meta = getmetatable(source)
  local class = type(meta) == "table" and meta.__name
  if class == "perilune.history" then
    list[#list + 1] = { name = "", label = "history " .. #list + 1, history = source, state = {},
      identity = {}, evaluation = {}, provenance = {} }
  elseif class == "perilune.run" then
    local path, name = source.path, source.name
    list[#list + 1] = { name = name, path = path, folder = path, seed = source.seed, history = source.history
      or history.new(),
      label = path and path:match "[^/]+$" or ("%s, seed %s"):format(name, source.seed or "?"), state = source.state
        or {}, arguments = source.arguments, epochs = source.epochs,
      identity = source.identity or {}, evaluation = source.evaluation or {}, provenance = {} }
  elseif type(source) == "table" and (#source > 0 or next(source) == nil) then
    for _, inner in ipairs(source) do add(list, inner, what, tensors) end
  else
    errors.raise("%s takes runs: folders, runs that were trained, or a list of these; got %s", what,
      options.describe(source))
  end
end

-- Runs that are called the same get their paths as labels.
local function tell_apart(list)
  local count = {}
  for _, run in ipairs(list) do count[run.label] = (count[run.label] or 0) + 1 end
  for i, run in ipairs(list) do
    if count[run.label] > 1 then
      run.label = run.folder and run.folder ~= run.label and run.folder or ("%s (%d)"):format(run.label, i)
    end
  end
end

--- All runs that the sources name. what: who asks, for messages.
function M.list(sources, what, tensors)
  local list = {}
  add(list, sources, what, tensors)
  tell_apart(list)
  return list
end

--- Runs that differ in their seed alone, together: { { name, runs } ... } in order of appearance; copies count once.
function M.families(list)
  local families, index = {}, {}
  for i, run in ipairs(list) do
    local key = run.identity.script and compare.key(run) or "alone " .. i
    if not index[key] then
      index[key] = { name = run.name, runs = {} }
      families[#families + 1] = index[key]
    end
    table.insert(index[key].runs, run)
  end
  -- families of one name are called by their arguments; those of the same arguments too, by their first runs
  local function rename(name_of)
    local count = {}
    for _, family in ipairs(families) do count[family.name] = (count[family.name] or 0) + 1 end
    for _, family in ipairs(families) do
      if count[family.name] > 1 then family.name = name_of(family.runs[1]) end
    end
  end
  for _, family in ipairs(families) do family.runs = claim.distinct(family) end
  rename(function(run)
    local words = table.concat(run.identity.arguments or {}, " ")
    return words ~= "" and words or run.label
  end)
  rename(function(run) return run.label end)
  return families
end

--- All columns of the runs' histories, in order of first appearance.
function M.columns(list)
  local columns, known = {}, {}
  for _, run in ipairs(list) do
    for _, name in ipairs(run.history.columns) do
      if not known[name] then
        known[name] = true
        columns[#columns + 1] = name
      end
    end
  end
  return columns
end

--- The series of a metric: one a run that has it; with `bands` one a family. Raises when none has it, naming those
-- that there are.
function M.series(list, metric, bands)
  local names = M.columns(list)
  local known = false
  for _, name in ipairs(names) do known = known or name == metric end
  if not known then
    local near = system.nearest(metric, names)
    local have = #names == 0 and "; no epoch has ended yet" or ("; there are: %s"):format(table.concat(names, ", "))
    errors.fail(1, "no run has a metric '%s'%s%s", metric, near and ("; did you mean '%s'?"):format(near) or "", near
      and "" or have)
  end
  local function of(run)
    local s = { name = run.label, n = #run.history, x = {}, y = {} }
    local best = run.state.best
    for i, row in ipairs(run.history.rows) do
      s.x[i], s.y[i] = row.epoch or i, row[metric]
      if best and best.epoch == row.epoch and row[metric] then
        s.mark = { x = row.epoch, y = row[metric], label = "best epoch " .. best.epoch }
      end
    end
    return s
  end
  local series = {}
  local function has(run)
    for _, name in ipairs(run.history.columns) do if name == metric then return true end end
  end
  if not bands then
    for _, run in ipairs(list) do if has(run) then series[#series + 1] = of(run) end end
    return series
  end
  local plot = require "perilune.plot.series"
  for _, family in ipairs(M.families(list)) do
    local members = {}
    for _, run in ipairs(family.runs) do if has(run) then members[#members + 1] = of(run) end end
    if #members == 1 then series[#series + 1] = members[1]
    elseif #members > 1 then
      series[#series + 1] = plot.band(members, ("%s, %d seeds"):format(family.name, #members))
    end
  end
  return series
end

--- How a metric is shown: title, unit of its axis, and whether it is best seen on a logarithmic axis.
function M.axis(metric)
  local title = metric == "lr" and "learning rate" or require "perilune.terminal.tables".title(metric)
  if metric == "seconds" then title = "seconds" end
  return { label = title, unit = metrics.is_share(metric) and "percent" or nil }
end

return M
