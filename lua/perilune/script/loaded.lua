--- Which Lua files a script has loaded with require, dofile and loadfile, and what they held then: part of the identity
-- of its run, whenever they are loaded. And the reverse: files that are loaded from what a run's file keeps of them.
local errors = require "perilune.base.errors"

local M = {}

local kept = {}       -- path -> text, in place of what lies there: while a run is made again from its file
local seen = {}       -- path -> text of every file loaded so far
local order = {}      -- their paths, in the order of loading
local late = {}       -- path -> was it loaded first while a run trained?
local modules = {}    -- name -> true of each that require loaded from a file of the script's
local sink            -- the files of the experiment that is loaded, or trained: a list like `seen`
local on_change       -- on_change(path, before, now): a file of the sink was loaded again, with another text

--- From now on these files are loaded with these texts; nil: with what lies there.
function M.keep(files)
  kept = {}
  for _, file in ipairs(files or {}) do kept[file.path] = file.text end
end

function M.is_kept(path) return kept[path] ~= nil end

--- The whole text of a file: as kept, else as it lies there; nil when it cannot be read.
function M.text(path)
  if kept[path] then return kept[path] end
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

--- As load, for the text of a file: without a byte order mark, and without a first line that begins with "#".
function M.compile(text, name, ...)
  if text:sub(1, 3) == "\239\187\191" then text = text:sub(4) end
  if text:sub(1, 1) == "#" then text = text:gsub("^[^\n]*", "", 1) end
  return load(text, name, ...)
end

local function add(list, path, text)
  for _, file in ipairs(list) do
    if file.path == path then
      local before = file.last or file.text
      file.last = text ~= file.text and text or nil
      if before ~= text and on_change then on_change(path, before, text) end
      return
    end
  end
  list[#list + 1] = { path = path, text = text, late = on_change and true or nil }
end

--- Notes that a file was loaded.
function M.note(path, text)
  if errors.is_ours("@" .. path) then return end
  if seen[path] == nil then late[path] = on_change ~= nil or nil end
  seen[path], order[#order + 1] = text, path
  if sink then add(sink, path, text) end
end

--- The text that a file had when it was loaded, or has now; nil when it cannot be read.
function M.text_of(path) return seen[path] or M.text(path) end

--- The files loaded since `path` was: a list of { path =, text = }.
function M.since(path)
  local list, known, begun = {}, { [path] = true }, false
  for _, other in ipairs(order) do
    begun = begun or other == path
    if begun and not known[other] then
      known[other] = true
      list[#list + 1] = { path = other, text = seen[other], late = late[other] }
    end
  end
  return list
end

--- Is the file running, as one that this was called from?
function M.is_running(path)
  for level = 2, 200 do
    local info = debug.getinfo(level, "S")
    if info == nil then return false end
    if info.source == "@" .. path or path == "-" and info.source == "=stdin" then return true end
  end
  return false
end

--- Was this file loaded here?
function M.knows(path) return seen[path] ~= nil end

--- Calls f(...) while noting the files that it loads in `list` (nil: nowhere). In training there is changed(path,
--- before, now): it is called for a file of the list that is loaded again and has changed, and what is added to the
--- list is marked as `late`.
function M.collect(list, changed, f, ...)
  local outer_sink, outer_change = sink, on_change
  sink, on_change = list, changed
  local results = table.pack(pcall(f, ...))
  sink, on_change = outer_sink, outer_change
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The function of a file, noted; or nil and a message.
function M.loadfile(path, ...)
  local text = type(path) == "string" and M.text(path)
  if not text then return M.system.loadfile(path, ...) end
  M.note(path, text)
  return M.compile(text, "@" .. path, ...)
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

local function search(name)
  local path = kept_module(name) or package.searchpath(name, package.path)
  if not path then return M.system.search(name) end
  local chunk, message = M.loadfile(path, "bt")
  if not errors.is_ours("@" .. path) then modules[name] = true end
  if chunk then return chunk, path end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

--- Another experiment is loaded: a module of the same name may be another file, and is loaded, and noted, anew.
function M.forget_modules()
  for name in pairs(modules) do package.loaded[name] = nil end
  modules = {}
end

--- The modules of the script that is loaded, to be given to M.bring_back when another one had its turn.
function M.loaded_modules()
  local list = {}
  for name in pairs(modules) do list[name] = package.loaded[name] end
  return list
end

function M.bring_back(list)
  M.forget_modules()
  for name, module in pairs(list) do package.loaded[name], modules[name] = module, true end
end

--- Puts the noting dofile, loadfile and require in the place of Lua's, once.
function M.install()
  if M.system then return end
  M.system = { loadfile = _G.loadfile, dofile = _G.dofile, search = package.searchers[2] }
  rawset(_G, "loadfile", M.loadfile)
  rawset(_G, "dofile", function(path)
    if path == nil then return M.system.dofile() end
    local chunk, message = M.loadfile(path)
    if not chunk then error(message, 0) end
    return chunk()
  end)
  package.searchers[2] = search
end

return M
