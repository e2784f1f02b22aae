--- Fetching data sets: mirror after mirror, going on where an earlier attempt stopped. A file takes its place only
--- after its SHA-256 has been found right; until then it is called <name>.part. An archive is unpacked once it is
--- whole, and then deleted.
local core = require "perilune.core"
local locate = require "perilune.data.locate"
local named = require "perilune.data.named"
local published = require "perilune.data.published"
local registry = require "perilune.data.registry"
local sorted_keys = require "perilune.base.sorted_keys"
local system, store = core.system, core.store

local M = {}

-- What is fetched of a data set: { name=, mirrors=, bytes=, files = by key, or archive=, unpacked=, members=,
-- inside= }; or nil, message.
local function entry_of(name)
  local names = {}
  for _, entry in ipairs(registry) do
    if entry.name == name then return entry end
    names[#names + 1] = entry.name
  end
  for _, entry in ipairs(named.entries) do
    local from = published[entry.name]
    if entry.name == name then
      return { name = name, mirrors = from.mirrors, bytes = from.bytes, files = from.files, archive = from.archive,
        unpacked = from.unpacked, members = from.archive and named.members(entry),
        inside = from.archive and entry.inside }
    end
    names[#names + 1] = entry.name
  end
  local near = system.nearest(name, names)
  local hint = near and (", did you mean '%s'?"):format(near) or ""
  return nil, ("there is no data set '%s'%s; there are: %s"):format(name, hint, table.concat(names, ", "))
end

-- The name under which a file is published; sum is that of an archive.
local function published_name(file) return file.sum and file.name or file.name .. ".gz" end

local function size_of(path)
  local file = io.open(path, "rb")
  if not file then return 0 end
  local size = file:seek "end"
  file:close()
  return size or 0
end

--- Is the file at `path` the published one? true; or nil, message.
local function verify(file, path)
  local found, message = core.data.file_sha256(path, file.sha256 ~= nil)
  if not found then return nil, message end
  local known = file.sha256 or file.gz_sha256 or file.sum
  if found == known then return true end
  return nil, ("its SHA-256 is %s, expected %s"):format(found, known)
end

--- The same for a file that somebody may have uncompressed: by its sum, its size, or whether it can be read to its end.
local function whole(file, path)
  local packed = path:find "%.gz$"
  if file.sha256 or (file.gz_sha256 and packed) then return verify(file, path) end
  if file.size and size_of(path) ~= file.size then
    return nil, ("it has %d bytes, expected %d"):format(size_of(path), file.size)
  end
  if packed then return core.data.file_sha256(path, true) end
  return true
end

--- A line that is redrawn on a terminal; nothing elsewhere.
local function progress_of(name, what)
  if not system.isatty(2) then return nil end
  local shown = system.clock()
  return function(now, total)
    if system.clock() - shown < 0.1 then return true end
    shown = system.clock()
    local percent = total > 0 and ("  %3d %%"):format(100 * now // total) or ""
    io.stderr:write(("\r\27[K  %s%s  %.1f MB%s"):format(what or "", name, now / 1e6, percent))
    return true
  end
end

--- One file from one mirror: true; or nil, message. A partial download is resumed, and if the
--- whole then is wrong, fetched anew.
local function fetch_from(mirror, file, target)
  local part, url = target .. ".part", ("%s/%s"):format(mirror, published_name(file))
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
      say(("  %s  verified (SHA-256)"):format(target))
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
      folder = named.folder(entry) }
  end
  return list
end

-- The folder of a data set whose files are all found and whole; false if something is to be fetched into `folder`; or
-- nil, message. `given`: only this folder counts.
local function found(entry, folder, given, say)
  local files = entry.members
  if not files then
    if given then return false end   -- each is looked at when its turn comes
    files = {}
    for i, key in ipairs(sorted_keys(entry.files)) do files[i] = entry.files[key] end
  end
  local place, complete = nil, true
  for _, file in ipairs(files) do
    local target = entry.members and ("%s/%s/%s"):format(folder, entry.inside, file.name)
      or ("%s/%s"):format(folder, published_name(file))
    local path = given and (store.exists(target) and target)
      or not given and named.find(entry, (file.name:gsub("%.gz$", "")))
    local ok, message = false, nil
    if path then ok, message = whole(file, path) end
    if path and not ok then
      if path ~= target then
        return nil, ("%s is not the published file: %s; delete it and fetch again"):format(path, message)
      end
      say(("  %s is not whole and will be fetched again: %s"):format(path, message))
    end
    if not ok then complete = false end
    place = place or path and path:match "^(.*)/"
  end
  return complete and place
end

local function megabytes(bytes) return ("%.0f MB"):format(bytes / 1e6) end

-- Is there space for what is not there yet?
local function has_space(entry, folder)
  local needed = (entry.bytes or 0) + (entry.unpacked or 0)
  if entry.archive then
    local target = ("%s/%s"):format(folder, entry.archive.name)
    needed = needed - size_of(store.exists(target) and target or target .. ".part")
  end
  local free = system.free_space(folder)
  if not free or free >= needed then return true end
  return nil, ("%s needs %s in %s, where %s are free"):format(entry.name, megabytes(needed), folder, megabytes(free))
end

local function unpack_archive(entry, folder, say)
  local archive, into = ("%s/%s"):format(folder, entry.archive.name), ("%s/%s"):format(folder, entry.inside)
  local ok, message = store.mkdir(into)
  if not ok then return nil, message end
  local members = {}
  for i, file in ipairs(entry.members) do members[i] = ("%s/%s"):format(entry.inside, file.name) end
  ok, message = core.data.unpack(archive, into, progress_of(entry.archive.name, "unpacking "), members, entry.unpacked)
  if system.isatty(2) then io.stderr:write "\r\27[K" end
  if not ok then return nil, message end
  os.remove(archive)
  say(("  %s  unpacked, %d files"):format(into, #members))
  return into
end

--- Fetches a data set: the folder it lies in; or nil, message. mirrors = other URLs of the folder that holds the files;
--- to = the folder in which that of the data set is made (by default locate.destination()); say = a function that is
--- given lines to show (by default they are printed).
function M.fetch(name, opts)
  opts = opts or {}
  local entry, message = entry_of(name)
  if not entry then return nil, message end
  local say = opts.say or print
  local folder = ("%s/%s"):format(opts.to or locate.destination(), name)
  local ok
  ok, message = found(entry, folder, opts.to ~= nil, say)
  if ok == nil then return nil, message end
  if ok then
    say(("%s is in %s"):format(name, ok))
    return ok
  end
  if entry.archive then ok, message = core.data.unpack() else ok = true end
  if ok then ok, message = store.mkdir(folder) end
  if not ok then return nil, message end
  local lock <close>, held = store.lock(folder .. "/.lock")          -- two would write into the same .part
  if not lock then return nil, ("%s is not fetched twice at once: %s"):format(name, held) end
  ok, message = has_space(entry, folder)
  if not ok then return nil, message end
  say(("%s: fetching %s to %s%s"):format(name, megabytes(entry.bytes or 0), folder,
    entry.unpacked and ("; it unpacks to at most " .. megabytes(entry.unpacked)) or ""))
  for _, key in ipairs(sorted_keys(entry.files or { archive = true })) do
    local file = entry.files and entry.files[key] or entry.archive
    local target = ("%s/%s"):format(folder, published_name(file))
    if store.exists(target) and verify(file, target) then say(("  %s  is there"):format(target))
    else
      ok, message = fetch_file(opts.mirrors or entry.mirrors, file, target, say)
      if not ok then return nil, message end
    end
  end
  if entry.archive then return unpack_archive(entry, folder, say) end
  return folder
end

return M
