--- The files that a sweep's script loads. Which ones depends on its arguments, so that a sweep keeps those of all its
--- trials. Each is named as seen from the script's folder: the same sweep may be resumed from elsewhere.
local beside = require "perilune.script.beside"
local loaded = require "perilune.script.loaded"

local M = {}

--- Adds the files of a loaded experiment to a list of { path =, text = }, each once.
function M.add(list, files)
  local known = {}
  for _, file in ipairs(list) do known[file.path] = true end
  for _, file in ipairs(files) do
    if not known[file.path] then list[#list + 1] = { path = file.path, text = file.text } end
    known[file.path] = true
  end
end

--- The path of the first file that is another one now; nil when none is. was: { script =, text =, files = } of the
--- sweep as it is kept; now: the same of what is there. A file that is not loaded now is compared with what lies there.
function M.changed(was, now)
  if was.text ~= now.text then return now.script end
  local texts = {}
  for _, file in ipairs(now.files) do texts[beside.name_of(file.path, now.script)] = file.text end
  for _, file in ipairs(was.files or {}) do
    local name = beside.name_of(file.path, was.script)
    local path = beside.path_of(name, now.script)
    if (texts[name] or loaded.text(path)) ~= file.text then return path end
  end
end

--- Adds the kept files to the list of those that are loaded now.
function M.keep(was, now)
  local known = {}
  for _, file in ipairs(now.files) do known[beside.name_of(file.path, now.script)] = true end
  for _, file in ipairs(was.files or {}) do
    local name = beside.name_of(file.path, was.script)
    if not known[name] then
      now.files[#now.files + 1] = { path = beside.path_of(name, now.script), text = file.text }
    end
  end
end

return M
