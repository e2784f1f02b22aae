--- pl.data.images: a folder of pictures, a folder a class. Names are taken in ascending order of bytes, so that the
--- same folder is the same data set everywhere.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local parts = require "perilune.data.parts"
local raise = errors.raise
local split = require "perilune.data.split"

local M = {}

local read = { png = true, jpg = true, jpeg = true }
local unread = { gif = true, bmp = true, webp = true, tif = true, tiff = true, heic = true, svg = true, avif = true }

local function join(folder, name) return (folder:gsub("/+$", "")) .. "/" .. name end

--- The pictures in a folder, in order. What is hidden or no picture is left out; a picture that cannot be read here is
--- an error.
function M.pictures_in(folder)
  local list = {}
  for _, name in ipairs(errors.must(core.store.listdir(folder))) do
    local extension = (name:match "%.(%w+)$" or ""):lower()
    if name:sub(1, 1) ~= "." and (read[extension] or unread[extension]) then
      local path = join(folder, name)
      if unread[extension] then raise("%s: PNG and JPEG pictures are read; convert it", path) end
      list[#list + 1] = path
    end
  end
  return list
end

-- The folders in a folder, in order, without hidden ones.
local function folders_in(folder)
  local list = {}
  for _, name in ipairs(errors.must(core.store.listdir(folder))) do
    if name:sub(1, 1) ~= "." and core.system.kind(join(folder, name)) == "folder" then list[#list + 1] = name end
  end
  return list
end

-- `known`: a set of the folders there.
local function no_picture(folder, name, known)
  local path, advice = join(folder, name), ""
  if known.train and #folders_in(path) > 0 then
    local other = known.test and "test" or known.val and "val" or "validation"
    advice = ("; are its folders the classes? say data.images { %q, test = %q }"):format(join(folder, "train"),
      join(folder, other))
  elseif #folders_in(path) > 0 then
    advice = "; it holds folders, and a class has its pictures in a folder of its own"
  end
  raise("data.images: there is no picture in %s%s", path, advice)
end

-- The paths of all pictures and the class of each, 0, 1, ...; `classes`: their names, in order.
local function collect(folder, classes)
  local number, paths, labels = {}, {}, {}
  for k, name in ipairs(classes) do number[name] = k - 1 end
  for _, name in ipairs(folders_in(folder)) do
    local pictures = M.pictures_in(join(folder, name))
    if not number[name] then
      local near = core.system.nearest(name, classes)
      raise("data.images: %s is none of the classes%s: %s", join(folder, name),
        near and (", did you mean '%s'?"):format(near) or "", table.concat(classes, ", ", 1, math.min(#classes, 12)))
    end
    if #pictures == 0 then no_picture(folder, name, number) end
    for _, path in ipairs(pictures) do paths[#paths + 1], labels[#labels + 1] = path, number[name] end
  end
  return paths, labels
end

local function part(o, folder, name, classes)
  local paths, labels = collect(folder, classes)
  local height, width = o.height, o.width
  if not height then
    height, width = errors.must(core.readers.picture_info(paths[1]))
  end
  if o.stream then
    return require "perilune.data.streamed".pictures(paths, labels, { height, width, o.channels }, classes, name,
      o.height ~= nil)
  end
  return split.new {
    name = name, count = #paths, shape = { height, width, o.channels }, labels = classes, classes = #classes,
    load = function()
      local x = errors.must(core.readers.pictures(paths, o.height or 0, o.width or 0, o.channels))
      local ok, ds = pcall(core.data.new, x, core.tensor.tensor(labels, "i32"), #classes)
      if not ok then raise("%s: %s", name, errors.bare(ds)) end
      return ds
    end,
  }
end

-- Height and width from the option: a number of pixels, { height, width }, or nil.
local function size_of(size)
  if size == nil then return nil end
  local height, width = size, size
  if type(size) == "table" then
    options.list("data.images: option 'size'", size, "write size = { height, width }")
    height, width = size[1], size[2] or size[1]
  end
  for _, n in ipairs { height or false, width or false } do
    if math.type(n) ~= "integer" or n < 1 or n > 65536 or (type(size) == "table" and #size > 2) then
      raise("data.images: option 'size' takes { height, width } in pixels, got %s", options.describe(size))
    end
  end
  return height, width
end

--- A folder whose folders are the classes: photos/cat/1.jpg, photos/dog/2.png; PNG and JPEG. Where there are
--- photos/train and photos/test, these are the splits. size = { height, width }: every picture is resized (nil: all
--- have one size); channels = 1 (gray) or 3; stream = true: they stay in their files (streamed.lua); test = another
--- such folder; validation = a fraction to hold out; name.
function M.images(given)
  local o = parts.options("data.images", given, { path = options.none, size = options.none, channels = 3,
    stream = false, test = options.none, validation = options.none, name = options.none }, "path")
  if type(o.path) ~= "string" then
    raise "data.images needs a folder: data.images { \"photos/\", size = { 32, 32 } }"
  end
  if o.channels ~= 1 and o.channels ~= 3 then
    raise("data.images: option 'channels' is 1 (gray) or 3 (colours), got %s", tostring(o.channels))
  end
  o.height, o.width = size_of(o.size)
  o.name = o.name or o.path:gsub("/+$", ""):match "([^/]*)$"
  local classes = folders_in(o.path)
  if not o.test and #classes == 2 and classes[1] == "test" and classes[2] == "train" then
    o.path, o.test = join(o.path, "train"), join(o.path, "test")
    classes = folders_in(o.path)
  end
  if #classes < 2 then
    raise("data.images: %s has %s; it holds a folder for each class, with its pictures in it", o.path,
      #classes == 0 and "no folders" or ("one folder, '%s'"):format(classes[1]))
  end
  local train = part(o, o.path, o.name .. " train", classes)
  local test = o.test and part(o, o.test, o.name .. " test", classes)
  if test and (test.shape[1] ~= train.shape[1] or test.shape[2] ~= train.shape[2]) then
    raise("data.images: the pictures of %s have %d x %d pixels, those of %s %d x %d; say which size they are to have",
      o.test, test.shape[2], test.shape[1], o.path, train.shape[2], train.shape[1])
  end
  return parts.dataset(o.name, train, test, o.validation)
end

return M
