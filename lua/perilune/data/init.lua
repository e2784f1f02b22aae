--- pl.data: data sets by name, from tensors and from files. A data set knows its shape, number and label names
--- from the start and is read when its first sample is needed.
local core = require "perilune.core"
local dataset = require "perilune.data.dataset"
local errors = require "perilune.base.errors"
local locate = require "perilune.data.locate"
local options = require "perilune.base.options"
local parts = require "perilune.data.parts"
local raise = errors.raise
local registry = require "perilune.data.registry"
local sorted_keys = require "perilune.base.sorted_keys"
local split = require "perilune.data.split"

local M = {}

local function missing(entry, name, looked)
  raise("%s: no %s (.gz or not; also spelt %s) in %s; get it with: perilune data fetch %s (or set PERILUNE_DATA)",
    entry.name, name, (name:gsub("%-idx", ".idx")), table.concat(looked, ", "), entry.name)
end

--- Compares a file with the sum in the registry; `found` is that of its uncompressed bytes.
local function verify(file, path, found)
  local known = file.sha256
  if not known and file.gz_sha256 and path:find "%.gz$" then
    known, found = file.gz_sha256, core.data.file_sha256(path)
  end
  if known and known ~= found then
    raise("%s is not the published file: its SHA-256%s is %s, expected %s; delete it and fetch it again",
      path, file.sha256 and " (uncompressed)" or "", found, known)
  end
end

local function read_named(entry, part)
  local image_file, label_file = entry.files[part .. "_images"], entry.files[part .. "_labels"]
  local images, looked = locate.find(entry.name, image_file.name)
  if not images then missing(entry, image_file.name, looked) end
  local labels
  labels, looked = locate.find(entry.name, label_file.name)
  if not labels then missing(entry, label_file.name, looked) end
  local ds, image_sum, label_sum = errors.must(core.data.read_idx(images, labels, #entry.labels))
  verify(image_file, images, image_sum)
  verify(label_file, labels, label_sum)
  local info = ds:info()
  parts.check_published(images, entry.name .. " " .. part, { info.count, table.unpack(info.shape) },
    { entry[part], table.unpack(entry.shape) })
  return ds
end

local function named(entry, opts)
  local o, made = options.read("data." .. entry.name, opts, { validation = options.none }, "validation"), {}
  for _, part in ipairs { "train", "test" } do
    made[part] = split.new {
      name = entry.name .. " " .. part, count = entry[part], shape = entry.shape, labels = entry.labels,
      classes = #entry.labels,
      load = function() return read_named(entry, part) end,
    }
  end
  return parts.dataset(entry.name, made.train, made.test, o.validation)
end

for _, entry in ipairs(registry) do
  M[entry.name] = function(opts) return named(entry, opts) end
end

--- Handwritten-looking digits drawn from a seed, 28x28; no files. train, test = how many (test = 0: none).
function M.digits(opts)
  local o = options.read("data.digits", opts, { train = 60000, test = 10000, seed = 1 }, "train")
  if not math.tointeger(o.seed) then
    raise("data.digits: option 'seed' takes a whole number, got %s", tostring(o.seed))
  end
  local labels = parts.numbered_labels(10)
  local function part(word, count, stream)
    if math.type(count) ~= "integer" or count < 0 or (word == "train" and count == 0) then
      raise("data.digits: option '%s' takes a number of images, got %s", word, tostring(count))
    end
    return count > 0 and split.new {
      name = "digits " .. word, count = count, shape = { 28, 28, 1 }, labels = labels, classes = 10,
      load = function() return core.data.digits(count, o.seed, stream) end,
    } or nil
  end
  return dataset.new { name = "digits", train = part("train", o.train, 0), test = part("test", o.test, 1) }
end

--- A split of a core data set that is in memory already.
local function wrap(ds, name, labels)
  local info = ds:info()
  return split.new {
    name = name, count = info.count, shape = info.shape, target = info.target, classes = info.classes,
    labels = info.classes > 0 and (labels or parts.numbered_labels(info.classes)) or nil,
    load = function() return ds end,
  }
end

--- x, y = training samples [N, ...] and labels (i32 or u8 [N]) or targets (f32 [N, ...]); test_x, test_y likewise;
--- labels = names of the classes; name. Pixels given as u8 have the value byte / 255.
function M.from_tensors(opts)
  local o = options.read("data.from_tensors", opts, {
    x = options.none, y = options.none, test_x = options.none, test_y = options.none, labels = options.none,
    name = "tensors",
  }, "x")
  if not o.x then raise "data.from_tensors needs x, the samples [N, ...]" end
  if o.labels and (type(o.labels) ~= "table" or type(o.labels[1]) ~= "string") then
    raise("data.from_tensors: option 'labels' takes the names of the classes, such as { \"cat\", \"dog\" }, got " ..
      "%s; the label of each sample is in y",
      options.describe(o.labels))
  end
  if o.labels then parts.labels("data.from_tensors", o.labels) end
  if o.labels and not o.y then raise "data.from_tensors got labels, the names of the classes, without y" end
  for _, name in ipairs { "x", "y", "test_x", "test_y" } do
    local t = o[name]
    if t ~= nil and not core.tensor.is_tensor(t) then
      raise("data.from_tensors: option '%s' takes a tensor, got %s", name, options.describe(t))
    end
    if o.labels and t and name:find "y$" and t.dtype == "f32" then
      raise("data.from_tensors: option 'labels' is for labels, and %s has floating-point numbers: targets; make it " ..
        "whole numbers: %s:to \"i32\"", name, name)
    end
  end
  if o.test_y and not o.test_x then raise "data.from_tensors got test_y without test_x" end
  local function part(x, y, word, classes)
    if y and y.dtype == "u8" then y = y:to "i32" end
    if y and y.dtype == "i32" and #y.shape == 2 and y:size(2) == 1 then y = y:reshape(-1) end
    local ok, ds = pcall(core.data.new, x, y, classes)
    if not ok then raise("data.from_tensors: %s: %s", word, errors.bare(ds)) end
    if y and y.dtype == "i32" then parts.check_largest("data.from_tensors: " .. word, y) end
    return ds
  end
  local train = wrap(part(o.x, o.y, "training data", o.labels and #o.labels or 0), o.name .. " train", o.labels)
  local tests = o.test_x and part(o.test_x, o.test_y, "test data", train.classes)
  local test = tests and wrap(tests, o.name .. " test", tests:info().classes > 0 and train.labels or nil)
  return dataset.new { name = o.name, train = train, test = test }
end

local function idx_part(o, part, labels)
  local images, labels_file = o[part .. "_images"], o[part .. "_labels"]
  if not images or not labels_file then
    raise("data.idx needs %s_images and %s_labels, the paths of two IDX files", part, part)
  end
  local shape = errors.must(core.data.idx_head(images))
  local count = table.remove(shape, 1)
  if #shape == 2 then shape[3] = 1 end
  return split.new {
    name = ("%s %s"):format(o.name, part), count = count, shape = shape, labels = labels, classes = #labels,
    load = function()
      return (errors.must(core.data.read_idx(images, labels_file, #labels)))
    end,
  }
end

--- IDX files, plain or gzip: train_images, train_labels, test_images, test_labels = paths; labels = names of the
--- classes, or their number (10); name. Images [N, H, W] become [N, H, W, 1].
function M.idx(opts)
  local o = options.read("data.idx", opts, {
    train_images = options.none, train_labels = options.none, test_images = options.none, test_labels = options.none,
    labels = options.none, name = "idx",
  }, "train_images")
  local labels = parts.labels("data.idx", o.labels or 10)
  local train = idx_part(o, "train", labels)
  return dataset.new { name = o.name, train = train, test = (o.test_images or o.test_labels)
    and idx_part(o, "test", labels) or nil }
end

-- "x [60000, 28, 28, 1], group/y [60000]": the tensors of a loaded file.
local function contents(content)
  local list = {}
  local function visit(t, path)
    for _, name in ipairs(sorted_keys(t)) do
      local value = t[name]
      if type(value) == "table" then visit(value, path .. name .. "/")
      elseif core.tensor.is_tensor(value) then
        list[#list + 1] = ("%s%s [%s]"):format(path, name, table.concat(value.shape, ", "))
      end
    end
  end
  visit(content, "")
  if #list > 12 then list = { table.concat(list, ", ", 1, 12), ("%d more"):format(#list - 12) } end
  return #list > 0 and table.concat(list, ", ") or "no tensors"
end

--- Tensors of an HDF5 file: path; x, y, test_x, test_y = their names in the file ("group/name" for nested ones); labels
--- and name as for from_tensors. foreign = true reads files that other programs wrote.
function M.hdf5(opts)
  local o = parts.options("data.hdf5", opts, {
    path = options.none, x = "x", y = "y", test_x = "test_x", test_y = "test_y", labels = options.none, name = "hdf5",
    foreign = false, stream = false, validation = options.none,
  }, "path")
  if type(o.path) ~= "string" then raise "data.hdf5 needs path, the name of a file" end
  if o.stream then return require "perilune.data.streamed".set(o, type(opts) == "table" and opts or {}) end
  local content, skipped = errors.must(require "perilune.nn.model_file".load(o.path, { foreign = o.foreign }))
  local function find(option, needed)
    local value, why = content, skipped and skipped["/" .. o[option]:gsub("^/", "")]
    if why then raise("data.hdf5: option '%s': %s", option, why) end
    for name in o[option]:gmatch "[^/]+" do value = type(value) == "table" and value[name] or nil end
    if not value and (needed or (type(opts) == "table" and opts[option])) then
      raise("data.hdf5: there is no '%s' in %s (option '%s'); it holds: %s", o[option], o.path, option,
        contents(content))
    end
    if value and type(value) ~= "userdata" then raise("data.hdf5: '%s' in %s is not a tensor", o[option], o.path) end
    if not value or option:find "y$" then return value end
    if #value.shape == 0 then raise("data.hdf5: '%s' in %s is a single number", o[option], o.path) end
    if value.dtype == "i32" then value = value:to "f32" end
    return value:reshape(value:size(1), table.unpack(parts.sample_shape(value.shape, value.dtype)))
  end
  local labels = parts.labels("data.hdf5", o.labels)
  local function targets(option)
    local y = find(option)
    if y and y.dtype == "i32" then
      parts.check_largest("data.hdf5", y, (" of '%s' in %s"):format(o[option], o.path))
    end
    return y and parts.targets(("data.hdf5: option '%s'"):format(option), y, y.dtype ~= "f32", labels)
  end
  local set = M.from_tensors {
    x = find("x", true), y = targets "y", test_x = find "test_x", test_y = targets "test_y", labels = labels,
    name = o.name,
  }
  return parts.hold_out(set, o.validation)
end

-- Readers that are loaded when they are first used; what they do is said where they are.
for name, module in pairs { npz = "arrays", csv = "csv", images = "images", emnist = "named", qmnist = "named",
  cifar10 = "named", cifar100 = "named" } do
  M[name] = core.system.in_c(function(...) return require("perilune.data." .. module)[name](...) end)
end

--- The names of the data sets that are found by name: "mnist", ...
function M.names()
  local names = {}
  for i, entry in ipairs(registry) do names[i] = entry.name end
  for _, entry in ipairs(require "perilune.data.named".entries) do names[#names + 1] = entry.name end
  return names
end

return M
