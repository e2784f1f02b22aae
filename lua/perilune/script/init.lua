--- Loads the files of users: experiments (which return pl.experiment{...}) and plain scripts.
local system = require "perilune.core".system
local errors = require "perilune.base.errors"
local loaded = require "perilune.script.loaded"

local M = { program = "perilune" }    -- program: as it was called

local loading = {}      -- text -> true of each experiment file that is being loaded

-- Files that are mistaken for scripts, by their first bytes.
local binary = {
  { "^PERILUNE", "is a file of Perilune's, not a script; look at a run with: perilune show FOLDER, "
    .. "load a model with nn.load(path)" },
  { "^\137HDF", "is an HDF5 file, not a script; read it with pl.load(path, { foreign = true }) "
    .. "or data.hdf5 { path = ..., foreign = true }" },
  { "^\31\139", "is a gzip file, not a script" }, { "^%z", "is not a Lua script" }, { "^\127ELF",
    "is a program, not a Lua script" },
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

--- The function of a Lua file ("-": standard input), and its text, which is read once. Raises one line with file and
--- line when it cannot be read.
function M.load(path)
  if path == "-" and not loaded.is_kept "-" then
    local text = io.read "a" or ""
    loaded.note("-", text)
    local chunk, message = loaded.compile(text, "=stdin", "t")
    return chunk or errors.fail(1, "%s", message), text
  end
  if not loaded.is_kept(path) and system.kind(path) == "folder" then
    errors.fail(1, "%s is a folder; a Lua file is expected", path)
  end
  local text = loaded.text(path)
  local chunk, message
  if text then chunk, message = loaded.compile(text, path == "-" and "=stdin" or "@" .. path, "t")
  else chunk, message = loadfile(path, "t") end
  if chunk then
    loaded.note(path, text)
    return chunk, text
  end
  if not loaded.is_kept(path) then check_kind(path) end
  errors.fail(1, "%s", not message:find(path, 1, true) and ("%s: %s"):format(path, message) or message)
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

--- Runs an experiment file with the arguments `words` ("lr=0.01") and returns its experiment. The experiment's
-- `script` becomes { path =, text =, arguments = {...}, files = { { path =, text = } that it loaded } }. `some`:
-- arguments that take some value of a range (see args.set).
function M.experiment(path, words, some)
  local args = require "perilune.script.args"
  local random = require "perilune.script.random"
  local ok, message = args.set(words, some)
  if not ok then errors.fail(2, "%s", message) end
  local chunk, text = M.load(path)
  if loading[text] then errors.fail(1, "%s is being loaded: what it sweeps is another file", path) end
  add_to_path(path)
  loaded.install()
  loaded.forget_modules()
  local files, outer = {}, random.current()
  random.install(0, 1)      -- a script that draws numbers while it is loaded draws the same ones each time
  loading[text] = true
  local e
  ok, e = pcall(loaded.collect, files, nil, chunk)
  loading[text] = nil
  random.restore(outer)
  if not ok then error(e, 0) end
  local stranger = args.unasked()
  if stranger then errors.fail(2, "%s: %s", path, stranger) end
  if not require "perilune.experiment".is_experiment(e) then
    errors.fail(1, "%s: returns %s; an experiment file ends with: return pl.experiment { ... }", path, e == nil
      and "nothing" or "a " .. type(e))
  end
  e.script = { path = path, text = text, arguments = args.list(), values = args.values(), files = files }
  return e
end

--- Calls f(...), which loads experiments, on behalf of a script: whose arguments and modules are then there again.
function M.aside(f, ...)
  local args = require "perilune.script.args"
  local given, modules = args.current(), loaded.loaded_modules()
  local results = table.pack(pcall(f, ...))
  args.restore(given)
  loaded.bring_back(modules)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The experiment of a run, made again from `identity` (see identity.lua): what its file keeps of script, arguments and
--- the files that the script loaded, then or later. What it loads from now on is what is kept.
function M.again(identity)
  local files = { { path = identity.path, text = identity.script } }
  loaded.keep(table.move(identity.files or {}, 1, #(identity.files or {}), 2, files))
  local split = require "perilune.data.split"
  local order = split.default_order
  if identity.held_out == nil then split.default_order = "last" end
  local ok, e = pcall(M.experiment, identity.path, identity.arguments or {})
  split.default_order = order
  if not ok then error(e, 0) end
  return e
end

--- The whole text of a file as it was loaded, or else as it is, or "" when it cannot be read.
function M.read(path) return loaded.text_of(path) or "" end

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
  require "perilune.script.args".set(named)
  return table.unpack(arg)
end

return M
