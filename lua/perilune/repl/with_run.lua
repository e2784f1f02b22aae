--- perilune -i RUN: the prompt with a run, its model and its data. Nothing that the run's file holds is executed: the
--- data are those of a known name, or of the script where it still lies as it was and this user has trained it here.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local script = require "perilune.script"
local registry = require "perilune.data.registry"

local M = {}

--- Is this the folder of a run, or a file in one?
function M.is_run(path)
  if core.system.kind(path) == "folder" then return require "perilune.run.folder".find(path) ~= nil end
  return path:match "%.h5$" ~= nil and core.system.kind(path) == "file"
end

-- What a script derived from a known set (a part of it, standardized) only the script makes again.
local function data_of(run)
  local id = run.identity
  for _, known in ipairs(registry) do
    if known.name == id.data and id.recipe == "" then return require "perilune.data"[known.name]() end
  end
  local why = (not id.path or script.read(id.path) ~= id.script) and "is not here as it was"
    or not require "perilune.script.trained".knows(id) and "you have not trained on this machine"
  if why then
    return nil, ("its data are not here: they were made by %s, which %s"):format(id.path or "a session", why)
  end
  local ok, e = pcall(script.experiment, id.path, id.arguments or {})
  if not ok then return nil, "its data are not here: " .. errors.strip(tostring(e)) end
  rawset(_G, "e", e)
  return e.data
end

--- Loads the run and sets the session's `run`, `model` and `dataset` (and `e`, its experiment, where the script is
--- here as it was).
function M.load(path)
  local run, message = require "perilune.run.runs".run(path)
  if not run then errors.fail(1, "%s", message) end
  rawset(_G, "run", run)
  rawset(_G, "model", run.model)
  local dataset, why = data_of(run)
  rawset(_G, "dataset", dataset)
  print(tostring(run))
  local names = "run, model" .. (dataset and ", dataset" or "") .. (rawget(_G, "e") and ", e" or "")
  print(("%s are here%s"):format(names, why and "; " .. why or ""))
end

return M
