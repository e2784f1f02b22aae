--- Fetching data sets: mirror after mirror, going on where an earlier attempt stopped. A file takes its place only
--- after its SHA-256 has been found right; until then it is called <name>.gz.part.
local core = require "perilune.core"
local locate = require "perilune.data.locate"
local named = require "perilune.data.named"
local registry = require "perilune.data.registry"
local system, store = core.system, core.store

local M = {}

local function entry_of(name)
  local names = {}
  local known = named.entry(name)
  if known then
    local folders = locate.folders()
    return nil, ("%s is not downloaded: %s"):format(name, named.advice(known, { folders[#folders] .. "/" .. name }))
  end
  for i, entry in ipairs(registry) do
    if entry.name == name then return entry end
    names[i] = entry.name
  end
  local near = system.nearest(name, names)
  return nil, ("there is no data set '%s'%s; there are: %s"):format(name, near and (", did you mean '%s'?"):format(near)
    or "",
    table.concat(names, ", "))
end

local function keys_of(entry)
  local keys = {}
  for key in pairs(entry.files) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- Is the file at `path` the published one? true; or nil, message.
local function verify(file, path)
  local found, message = core.data.file_sha256(path, file.sha256 ~= nil)
  if not found then return nil, message end
  local known = file.sha256 or file.gz_sha256
  if found == known then return true end
  return nil, ("its SHA-256 is %s, expected %s"):format(found, known)
end

--- A line that is redrawn on a terminal; nothing elsewhere.
local function progress_of(name)
  if not system.isatty(2) then return nil end
  local shown = system.clock()
  return function(now, total)
    if system.clock() - shown < 0.1 then return true end
    shown = system.clock()
    local percent = total > 0 and ("  %3d %%"):format(100 * now // total) or ""
    io.stderr:write(("\r\27[K  %s  %.1f MB%s"):format(name, now / 1e6, percent))
    return true
  end
end

--- One file from one mirror: true; or nil, message. A partial download is resumed, and if the
--- whole then is wrong, fetched anew.
local function fetch_from(mirror, file, target)
  local part, url = target .. ".part", ("%s/%s.gz"):format(mirror, file.name)
  for _ = 1, 2 do
    local resumed = store.exists(part)
    local ok, message = core.data.download(url, part, progress_of(file.name))
    if system.isatty(2) then io.stderr:write "\r\27[K" end
    if not ok then return nil, message end
    ok, message = verify(file, part)
    if ok then return os.rename(part, target) end
    os.remove(part)
    if not resumed then return nil, ("%s: %s"):format(url, message) end
  end
end

local function fetch_file(mirrors, file, target, say)
  local reasons = {}
  for _, mirror in ipairs(mirrors) do
    local ok, message = fetch_from(mirror, file, target)
    if ok then
      say(("  %s  verified"):format(target))
      return true
    end
    say("  " .. message)
    reasons[#reasons + 1] = message
  end
  return nil, ("%s could not be fetched: %s"):format(file.name, table.concat(reasons, "; "))
end

--- The data sets known by name: { name=, title=, train=, test=, folder = where it lies, or nil }.
function M.list()
  local list = {}
  for i, entry in ipairs(registry) do
    local paths = locate.find_all(entry)
    list[i] = { name = entry.name, title = entry.title, train = entry.train, test = entry.test,
      folder = paths and paths.train_images:match "^(.*)/" or nil }
  end
  for _, entry in ipairs(named.entries) do
    list[#list + 1] = { name = entry.name, title = entry.title, train = entry.train, test = entry.test,
      folder = named.folder(entry), by_hand = true }
  end
  return list
end

--- Fetches a data set: the folder it lies in; or nil, message. mirrors = other URLs of the folder that holds the files;
--- to = the folder in which that of the data set is made (by default the last one that is searched); say = a function
--- that is given lines to show (by default they are printed).
function M.fetch(name, opts)
  opts = opts or {}
  local entry, message = entry_of(name)
  if not entry then return nil, message end
  local say, folders = opts.say or print, locate.folders()
  if not opts.to then
    local paths = locate.find_all(entry)
    if paths then
      local folder = paths.train_images:match "^(.*)/"
      say(("%s is in %s"):format(name, folder))
      return folder
    end
  end
  local folder = ("%s/%s"):format(opts.to or folders[#folders], name)
  local ok
  ok, message = store.mkdir(folder)
  if not ok then return nil, message end
  say(("%s: fetching to %s"):format(name, folder))
  for _, key in ipairs(keys_of(entry)) do
    local file = entry.files[key]
    local target = ("%s/%s.gz"):format(folder, file.name)
    if store.exists(target) and verify(file, target) then say(("  %s  is there"):format(target))
    else
      ok, message = fetch_file(opts.mirrors or entry.mirrors, file, target, say)
      if not ok then return nil, message end
    end
  end
  return folder
end

return M
