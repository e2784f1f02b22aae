--- The rows of experiments/index.lua: where they are, and which one is meant.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local script = require "perilune.script"
local system = core.system

local M = {}

local loaded = {}      -- folder -> index

--- The folder of experiments: here, or beside the folder of the program (which was built or installed there).
function M.folder()
  local folders = { "experiments" }
  local program = script.program
  if not program:find "/" then
    for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
      if system.kind(folder .. "/" .. program) == "file" then
        program = folder .. "/" .. program
        break
      end
    end
  end
  local folder = (system.realpath(program) or program):match "^(.*)/[^/]*$"      -- ~/bin may hold a link to it
  if folder then
    folders[#folders + 1] = folder .. "/../experiments"
    folders[#folders + 1] = folder .. "/../share/perilune/experiments"
  end
  for _, candidate in ipairs(folders) do
    if system.kind(candidate .. "/index.lua") == "file" then return candidate end
  end
  errors.fail(1, "the documented experiments are not in %s; go to the folder that holds experiments/",
    table.concat(folders, ", "))
end

--- The index: { families = { { name, document, title }, ... }, rows = { { name, id, arguments, file, ... }, ... } }.
function M.index()
  local folder = M.folder()
  if not loaded[folder] then
    local index = script.load(folder .. "/index.lua")()
    for i, row in ipairs(index.rows) do
      row.position, row.words = i, {}
      for word in row.arguments:gmatch "%S+" do row.words[#row.words + 1] = word end
      row.path = folder .. "/" .. row.file
    end
    loaded[folder] = index
  end
  return loaded[folder], folder
end

--- The row of that name ("P04 correction=step"), or nil.
function M.row(name)
  for _, row in ipairs(M.index().rows) do
    if row.name:upper() == name:upper() then return row end
  end
end

--- The rows that a word means: a family, a row with its variants ("P04"), one row ("P04 correction=step"), a file of
--- them. `command` names who asks, for the error.
function M.find(word, command)
  local index, found, names = M.index(), {}, {}
  local wanted = word:upper()
  local file = word:gsub("^.*experiments/", "")
  for _, family in ipairs(index.families) do names[#names + 1] = family.name end
  for _, row in ipairs(index.rows) do
    if row.family:upper() == wanted or row.id:upper() == wanted or row.name:upper() == wanted or row.file == file then
      found[#found + 1] = row
    end
    names[#names + 1] = row.name
  end
  if #found > 0 then return found end
  local near = system.nearest(word, names)
  errors.fail(2, "%s: there is no row, family or file '%s'%s (perilune reproduce lists them)", command, word,
    near and ("; did you mean '%s'?"):format(near) or "")
end

return M
