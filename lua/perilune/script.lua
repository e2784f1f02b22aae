--- Loads the files of users: experiments (which return pl.experiment{...}) and plain scripts.
local system = require "perilune.core".system
local errors = require "perilune.errors"

local M = { program = "perilune" }    -- program: as it was called

-- path -> text, in place of what lies there: while an experiment is made again from what its run's file keeps.
local kept = {}

local function chunk_of(path, ...)
  if kept[path] then return load(kept[path], "@" .. path, ...) end
  return loadfile(path, ...)
end

-- Files that are mistaken for scripts, by their first bytes.
local binary = {
  { "^PERILUNE", "is a file of Perilune's, not a script; look at a run with: perilune show FOLDER, load a model with nn.load(path)" },
  { "^\137HDF", "is an HDF5 file, not a script; read it with pl.load(path, { foreign = true }) or data.hdf5 { path = ..., foreign = true }" },
  { "^\31\139", "is a gzip file, not a script" }, { "^%z", "is not a Lua script" }, { "^\127ELF", "is a program, not a Lua script" },
  { "^\137PNG", "is a picture, not a Lua script" }, { "^#!.-python", "is a Python script; a Lua file is expected" },
}

local function check_kind(path)
  local file = io.open(path, "rb")
  if not file then return end
  local first = file:read(64) or ""
  file:close()
  for _, kind in ipairs(binary) do
    if first:find(kind[1]) then errors.fail(1, "%s %s", path, kind[2]) end
  end
end

--- The function of a Lua file (path nil: standard input). Raises one line with file and line when it cannot be read.
function M.load(path)
  if path and not kept[path] and system.kind(path) == "folder" then errors.fail(1, "%s is a folder; a Lua file is expected", path) end
  local chunk, message = chunk_of(path, "t")
  if chunk then return chunk end
  if path and not kept[path] then check_kind(path) end
  errors.fail(1, "%s", path and not message:find(path, 1, true) and ("%s: %s"):format(path, message) or message)
end

-- What a file may require lies beside it or beside its folder: experiments/common/conv5.lua is "common.conv5" for
-- experiments/progression/09_convolution.lua.
local function add_to_path(path)
  local folder = path:match "^(.*)/[^/]*$" or "."
  local above = folder:match "^(.*)/[^/]*$" or (folder == "." and ".." or ".")
  if folder:match "%.%.$" then above = folder .. "/.." end
  local places = ("%s/?.lua;%s/?.lua;"):format(folder, above)
  if package.path:sub(1, #places) ~= places then package.path = places .. package.path end
end

-- The kept file that require(name) would load, as package.searchpath; or one of that name in another place.
local function kept_module(name)
  local inner = name:gsub("%.", "/")
  for template in package.path:gmatch "[^;]+" do
    local before, after = template:match "^(.-)%?(.*)$"
    if before and kept[before .. inner .. after] then return before .. inner .. after end
  end
  for path in pairs(kept) do
    for _, ending in ipairs { "/" .. inner .. ".lua", "/" .. inner .. "/init.lua" } do
      if path:sub(-#ending) == ending then return path end
    end
  end
end

-- Calls f while noting the Lua files that it loads with require, dofile or loadfile.
local function noting_files(f)
  local files, known = {}, {}
  local function note(path)
    if type(path) == "string" and not known[path] then
      known[path] = true
      files[#files + 1] = path
    end
  end
  local before = { dofile = dofile, loadfile = loadfile, search = package.searchers[2] }
  rawset(_G, "dofile", function(path)
    note(path)
    if kept[path] then return assert(chunk_of(path))() end
    return before.dofile(path)
  end)
  rawset(_G, "loadfile", function(path, ...)
    note(path)
    if kept[path] then return chunk_of(path, ...) end
    return before.loadfile(path, ...)
  end)
  package.searchers[2] = function(name)
    local there = kept_module(name)
    if there then
      note(there)
      return assert(chunk_of(there, "t")), there
    end
    local loader, path = before.search(name)
    if type(loader) == "function" then note(path) end
    return loader, path
  end
  local results = table.pack(pcall(f))
  rawset(_G, "dofile", before.dofile)
  rawset(_G, "loadfile", before.loadfile)
  package.searchers[2] = before.search
  if not results[1] then error(results[2], 0) end
  return files, table.unpack(results, 2, results.n)
end

--- Runs an experiment file with the arguments `words` ("lr=0.01") and returns its experiment. The experiment's
-- `script` becomes { path =, text =, arguments = {...}, files = { { path =, text = } that it loaded } }.
function M.experiment(path, words)
  local args = require "perilune.args"
  local random = require "perilune.random"
  local ok, message = args.set(words)
  if not ok then errors.fail(2, "%s", message) end
  local chunk = M.load(path)
  add_to_path(path)
  random.install(0, 1)      -- a script that draws numbers while it is loaded draws the same ones each time
  local files, e = noting_files(chunk)
  random.restore()
  local stranger = args.unasked()
  if stranger then errors.fail(2, "%s: %s", path, stranger) end
  if not require "perilune.experiment".is_experiment(e) then
    errors.fail(1, "%s: returns %s; an experiment file ends with: return pl.experiment { ... }", path, e == nil and "nothing" or "a " .. type(e))
  end
  e.script = { path = path, text = M.read(path), arguments = args.list(), values = args.values(), files = {} }
  for i, file in ipairs(files) do e.script.files[i] = { path = file, text = M.read(file) } end
  return e
end

--- The experiment of a run, made again from `identity` (see identity.lua): what its file keeps of script, arguments and the
-- files that the script loaded.
function M.again(identity)
  for _, file in ipairs(identity.files or {}) do kept[file.path] = file.text end
  kept[identity.path] = identity.script
  local split = require "perilune.data.split"
  local order = split.default_order
  if identity.held_out == nil then split.default_order = "last" end
  local ok, e = pcall(M.experiment, identity.path, identity.arguments or {})
  kept, split.default_order = {}, order
  if not ok then error(e, 0) end
  return e
end

--- The whole text of a file, or "" when it cannot be read.
function M.read(path)
  if kept[path] then return kept[path] end
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text or ""
end

--- Sets the global `arg` as lua(1) does: words[script] becomes arg[0], what is before it has negative indices.
-- name=value words are there for pl.arg too. Returns the arguments of the script.
function M.set_arg(words, script)
  local arg = {}
  for i = 0, #words do arg[i - script] = words[i] end
  rawset(_G, "arg", arg)
  local named = {}
  for _, word in ipairs(arg) do
    if word:match "^[%a_][%w_]*=" then named[#named + 1] = word end
  end
  require "perilune.args".set(named)
  return table.unpack(arg)
end

return M
