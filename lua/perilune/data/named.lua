--- Data sets known by name whose files have a format of their own: EMNIST, QMNIST, CIFAR-10, CIFAR-100. They are read
--- from a folder of their name, where the ones in registry.lua lie; published.lua says where they are fetched from.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local locate = require "perilune.data.locate"
local options = require "perilune.base.options"
local parts = require "perilune.data.parts"
local sorted_keys = require "perilune.base.sorted_keys"
local raise = errors.raise
local split = require "perilune.data.split"

local M = {}

local function characters(text)
  local list = {}
  for c in text:gmatch "." do list[#list + 1] = c end
  return list
end

local digits, capitals = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
local merged = characters(digits .. capitals .. "abdefghnqrt")

--- EMNIST's ways of dividing its characters: labels, sizes of the training and test set, the first label in the
--- files.
local emnist = {
  balanced = { labels = merged, train = 112800, test = 18800, first = 0 },
  byclass = { labels = characters(digits .. capitals .. capitals:lower()), train = 697932, test = 116323, first = 0 },
  bymerge = { labels = merged, train = 697932, test = 116323, first = 0 },
  digits = { labels = characters(digits), train = 240000, test = 40000, first = 0 },
  letters = { labels = characters(capitals), train = 124800, test = 20800, first = 1 },
  mnist = { labels = characters(digits), train = 60000, test = 10000, first = 0 },
}

local cifar10 = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck" }

local cifar100 = {}
for name in ([[apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
  can
  castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
  flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
  motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
  poppy
  porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel
  streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
  willow_tree wolf woman worm]]):gmatch "%S+" do cifar100[#cifar100 + 1] = name end

--- What is known of each: its title, how many samples, the files of each part (also looked for in `inside`, the folder
--- that the published archive makes, and that fetching makes), the bytes of each file where these are known, and where
--- the archive is.
M.entries = {
  { name = "emnist", title = "EMNIST: handwritten letters and digits", train = 112800, test = 18800,
    source = "gzip.zip from https://www.nist.gov/itl/products-and-services/emnist-dataset", inside = "gzip" },
  { name = "qmnist", title = "QMNIST: MNIST with all 60,000 test digits", train = 60000, test = 60000,
    source = "the files of https://github.com/facebookresearch/qmnist", inside = "qmnist" },
  { name = "cifar10", title = "CIFAR-10: photographs of ten kinds", train = 50000, test = 10000,
    source = "cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html", inside = "cifar-10-batches-bin",
    files = { train = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin" }, test = { "test_batch.bin" } }, sizes = { train = 30730000, test = 30730000 } },
  { name = "cifar100", title = "CIFAR-100: photographs of a hundred kinds", train = 50000, test = 10000,
    source = "cifar-100-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html", inside = "cifar-100-binary",
    files = { train = { "train.bin" }, test = { "test.bin" } }, sizes = { train = 153700000, test = 30740000 } },
}

function M.entry(name)
  for _, entry in ipairs(M.entries) do
    if entry.name == name then return entry end
  end
end

--- The files of a part: train or test; of EMNIST for a way of dividing it.
function M.files_of(entry, part, way)
  if entry.files then return entry.files[part] end
  local images, labels
  if entry.name == "emnist" then
    local stem = ("emnist-%s-%s"):format(way or "balanced", part)
    images, labels = stem .. "-images-idx3-ubyte", stem .. "-labels-idx1-ubyte"
  else
    images, labels = ("qmnist-%s-images-idx3-ubyte"):format(part), ("qmnist-%s-labels-idx2-int"):format(part)
  end
  return { images, labels }
end

--- Path of a file of an entry; or nil, the folders looked at.
function M.find(entry, name)
  local path, looked = locate.find(entry.name, name)
  if not path and entry.inside then path = locate.find(entry.name .. "/" .. entry.inside, name) end
  return path, looked
end

--- The files in the archive of an entry: { name = as it is published, size = bytes or nil }.
function M.members(entry)
  local list = {}
  local function add(way)
    for _, part in ipairs { "train", "test" } do
      for _, name in ipairs(M.files_of(entry, part, way)) do
        list[#list + 1] = entry.files and { name = name, size = entry.sizes[part] } or { name = name .. ".gz" }
      end
    end
  end
  if entry.files then add() else
    for _, way in ipairs(sorted_keys(emnist)) do add(way) end
  end
  return list
end

local function paths_of(entry, part, way)
  local paths = {}
  for i, name in ipairs(M.files_of(entry, part, way)) do
    local path, looked = M.find(entry, name)
    if not path then
      raise("%s: no %s in %s; get it with: perilune data fetch %s (or unpack %s there, or set PERILUNE_DATA)",
        entry.name, name, table.concat(looked, ", "), entry.name, entry.source)
    end
    paths[i] = path
  end
  return paths
end

--- The folder in which all files of an entry lie (for EMNIST: those of the balanced division); nil if one is missing.
function M.folder(entry)
  local folder
  for _, part in ipairs { "train", "test" } do
    for _, name in ipairs(M.files_of(entry, part)) do
      local path = M.find(entry, name)
      if not path then return nil end
      folder = path:match "^(.*)/"
    end
  end
  return folder
end

-- Images u8 [N, 28, 28, 1] and labels i32 [N] of a pair of IDX files. EMNIST's images lie on their side: rows are
-- columns.
local function read_pair(paths, transposed, first)
  local read = core.data.read_idx_tensor
  local x, y = errors.must(read(paths[1])), errors.must(read(paths[2]))
  if x:dim() ~= 3 then raise("%s has %d axes; images have 3", paths[1], x:dim()) end
  if transposed then x = x:transpose(2, 3):contiguous() end
  if y:dim() == 2 then y = y:select(2, 1):contiguous() end
  y = y:to "i32"
  if first ~= 0 then y = y:sub(first) end
  local shape = x.shape
  return x:reshape(shape[1], shape[2], shape[3], 1), y, paths
end

-- validation: the option of that name.
local function make(entry, counts, shape, labels, validation, read)
  local built = {}
  for _, part in ipairs { "train", "test" } do
    built[part] = split.new {
      name = entry.name .. " " .. part, count = counts[part], shape = shape, labels = labels, classes = #labels,
      load = function()
        local x, y, paths = read(part)
        parts.check_published(paths[1], entry.name .. " " .. part, x.shape, { counts[part], table.unpack(shape) })
        local ok, ds = pcall(core.data.new, x, y, #labels)
        if not ok then raise("%s: %s", paths[#paths], errors.bare(ds)) end
        return ds
      end,
    }
  end
  return parts.dataset(entry.name, built.train, built.test, validation)
end

local function validation_of(name, given)
  return options.read("data." .. name, given, { validation = options.none }, "validation").validation
end

--- EMNIST (Cohen et al. 2017). division = "balanced" (47 classes), "byclass", "bymerge", "digits", "letters" or
--- "mnist".
function M.emnist(given)
  local o = parts.options("data.emnist", given, { division = "balanced", validation = options.none }, "division")
  local way = emnist[o.division]
  if not way then
    raise("data.emnist: option 'division' is balanced, byclass, bymerge, digits, letters or mnist, got %s",
      options.describe(o.division))
  end
  local entry = M.entry "emnist"
  return make(entry, way, { 28, 28, 1 }, way.labels, o.validation, function(part)
    return read_pair(paths_of(entry, part, o.division), true, way.first)
  end)
end

--- QMNIST (Yadav, Bottou 2019): MNIST's training digits, and all 60,000 of the test digits.
function M.qmnist(given)
  local entry, validation = M.entry "qmnist", validation_of("qmnist", given)
  return make(entry, entry, { 28, 28, 1 }, characters(digits), validation, function(part)
    return read_pair(paths_of(entry, part), false, 0)
  end)
end

local function cifar(name, given, labels, label_bytes)
  local entry, validation = M.entry(name), validation_of(name, given)
  return make(entry, entry, { 32, 32, 3 }, labels, validation, function(part)
    local paths = paths_of(entry, part)
    local x, y = errors.must(core.readers.cifar(paths, label_bytes, #labels))
    return x, y, paths
  end)
end

--- CIFAR-10 and CIFAR-100 (Krizhevsky 2009), the binary version.
function M.cifar10(given) return cifar("cifar10", given, cifar10, 1) end
function M.cifar100(given) return cifar("cifar100", given, cifar100, 2) end

return M
