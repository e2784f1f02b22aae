-- Data sets in Lua: what is known before reading, splits, batches, files, and the text of errors.
local lu = require "luaunit"
local pl = require "perilune"
local data = pl.data

local scratch = dofile "tests/lua/support_scratch.lua" "data_test"

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- An IDX file of bytes.
local function idx(shape, bytes)
  return string.pack(">BBBB", 0, 0, 8, #shape) .. string.pack(">" .. ("I4"):rep(#shape), table.unpack(shape)) .. bytes
end

-- n images of 2 x 3 pixels, image i filled with i; labels 0, 1, 2, 0, ...
local function tiny_files(folder, n, part)
  assert(pl.store.mkdir(folder))
  local images, labels = {}, {}
  for i = 1, n do
    images[i] = string.char(i):rep(6)
    labels[i] = string.char((i - 1) % 3)
  end
  write(("%s/%s-images"):format(folder, part), idx({ n, 2, 3 }, table.concat(images)))
  write(("%s/%s-labels"):format(folder, part), idx({ n }, table.concat(labels)))
end

local function tiny(n, test)
  tiny_files(scratch, n, "train")
  if test then tiny_files(scratch, test, "test") end
  return data.idx {
    train_images = scratch .. "/train-images", train_labels = scratch .. "/train-labels",
    test_images = test and scratch .. "/test-images", test_labels = test and scratch .. "/test-labels", labels = 3,
      name = "tiny",
  }
end

-- The first pixel of every image, as the byte it was.
local function bytes_of(split)
  local x = split:tensors()
  local list = {}
  for i, v in ipairs(x:reshape(split.count, -1):select(2, 1):totable()) do list[i] = math.floor(v * 255 + 0.5) end
  return list
end

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertStrContains(message, text)
  return message
end

TestSplit = {}

function TestSplit:test_knows_its_facts_before_it_is_read()
  local d = data.mnist()
  lu.assertEquals({ #d.train, #d.test, d.train.shape, d.classes }, { 60000, 10000, { 28, 28, 1 }, 10 })
  local e = d:subset { per_class = 100 }:validation { fraction = 0.1, stratified = true }:standardize():resize(32)
  lu.assertEquals({ e.train.count, e.held.count, e.test.count }, { 900, 100, 10000 })
  lu.assertEquals(e.train.shape, { 32, 32, 1 })
  lu.assertNil(rawget(d.train, "_core"))
  lu.assertEquals(data.fashion_mnist().labels[10], "Ankle boot")
  lu.assertEquals(data.kmnist().test.name, "kmnist test")
  lu.assertStrContains(tostring(d), "mnist train: 60000 samples of [28, 28, 1], 10 classes")
end

function TestSplit:test_get_tensors_gather()
  local train, test, held = tiny(7, 2):splits()
  lu.assertEquals({ #train, #test, held }, { 7, 2 })
  local x, y = train:get(5)
  lu.assertEquals({ x.shape, y }, { { 2, 3, 1 }, 1 })
  lu.assertAlmostEquals(x:totable()[2][3][1], 5 / 255, 1e-7)
  x, y = train:tensors(3, 4)
  lu.assertEquals({ x.shape, y:totable(), y.dtype }, { { 2, 2, 3, 1 }, { 2, 0 }, "i32" })
  x, y = train:gather { 7, 1, 7 }
  lu.assertEquals({ x.shape, y:totable() }, { { 3, 2, 3, 1 }, { 0, 0, 0 } })
  fails("sample 8 is out of range: tiny train has samples 1 to 7", train.get, train, 8)
  fails("samples 3 to 9 are out of range", train.tensors, train, 3, 9)
  fails("position 0 is out of range: the data set has samples 1 to 7", train.gather, train, { 1, 0 })
end

function TestSplit:test_batches_cover_each_sample_once()
  local train = tiny(11).train
  local function run(n, options)
    local sizes, seen = {}, {}
    for x, y in train:batches(n, options) do
      sizes[#sizes + 1] = x.shape[1]
      lu.assertEquals(y.shape, { x.shape[1] })
      for i = 1, x.shape[1] do
        local byte = math.floor(x:select(1, i):totable()[1][1][1] * 255 + 0.5)
        lu.assertEquals(y:totable()[i], (byte - 1) % 3)
        seen[#seen + 1] = byte
      end
    end
    return sizes, seen
  end
  local sizes, plain = run(4)
  lu.assertEquals({ sizes, plain }, { { 4, 4, 3 }, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } })
  lu.assertEquals((run(4, { drop_last = true })), { 4, 4 })
  local _, mixed = run(4, { shuffle = true, seed = 1 })
  local _, again = run(3, { shuffle = true, seed = 1 })
  local _, other = run(4, { shuffle = true, seed = 2 })
  local _, later = run(4, { shuffle = true, seed = 1, epoch = 1 })
  lu.assertEquals(mixed, again)
  for _, order in ipairs { other, later, plain } do lu.assertNotEquals(mixed, order) end
  table.sort(mixed)
  lu.assertEquals(mixed, plain)
  fails("batches has no option 'shufle'; did you mean 'shuffle'?", train.batches, train, 4, { shufle = true })
  fails("batches takes a number of samples from 1, got 0", train.batches, train, 0)
end

-- The iterator holds what it reads from.
function TestSplit:test_a_loop_outlives_its_data_set()
  local next_batch = tiny(6).train:batches(2)
  collectgarbage()
  collectgarbage()
  local n = 0
  for x in next_batch do n = n + x.shape[1] end
  lu.assertEquals(n, 6)
end

function TestSplit:test_subset()
  local d = tiny(12, 3)
  lu.assertEquals(bytes_of(d:subset { first = 4 }.train), { 1, 2, 3, 4 })
  lu.assertEquals(bytes_of(d:subset { per_class = 2 }.train), { 1, 2, 3, 4, 5, 6 })
  lu.assertEquals(#d:subset { first = 4 }.test, 3)
  lu.assertEquals(#d.train, 12)
  fails("subset: 15 samples are wanted, tiny train has 12", d.subset, d, { per_class = 5 })
  fails("subset takes { first = n } or { per_class = n }", d.subset, d, {})
  local uneven = tiny(11):subset { per_class = 4 - 1 }
  lu.assertEquals(#bytes_of(uneven.train), 9)
end

function TestSplit:test_a_class_with_too_few_samples()
  tiny_files(scratch, 12, "train")
  write(scratch .. "/train-labels", idx({ 12 }, ("\0\0\0\0\0\0\0\0\1\1\2\2")))
  local d = data.idx { train_images = scratch .. "/train-images", train_labels = scratch .. "/train-labels",
    labels = 3 }
  local sub = d:subset { per_class = 3 }
  fails("class 1 has 2 samples, 3 of each are wanted", sub.train.get, sub.train, 1)
end

function TestSplit:test_validation()
  local d = tiny(12, 3):validation { fraction = 0.25, order = "last" }
  lu.assertEquals(bytes_of(d.train), { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
  lu.assertEquals(bytes_of(d.held), { 10, 11, 12 })
  lu.assertEquals({ select("#", d:splits()), (select(3, d:splits())) == d.held }, { 3, true })
  local kept, held = tiny(12).train:validation { fraction = 0.5, stratified = true, seed = 3 }
  local counts, all = { 0, 0, 0 }, bytes_of(kept)
  for _, b in ipairs(bytes_of(held)) do
    counts[(b - 1) % 3 + 1] = counts[(b - 1) % 3 + 1] + 1
    all[#all + 1] = b
  end
  table.sort(all)
  lu.assertEquals({ counts, all }, { { 2, 2, 2 }, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } })
  local function chosen(seed)
    local _, out = tiny(12).train:validation { fraction = 0.5, seed = seed }
    return bytes_of(out)
  end
  lu.assertEquals(chosen(1), chosen(1))
  lu.assertNotEquals(chosen(1), chosen(2))
  local _, _, rule = tiny(12).train:validation(0.5)
  lu.assertEquals(rule, "fraction=0.5, shuffled with seed 1, stratified")
  fails('validation: order is "shuffled" or "last", got "first"', d.train.validation, d.train,
    { fraction = 0.5, order = "first" })
  fails('order = "last" takes no seed', d.train.validation, d.train, { fraction = 0.5, order = "last", seed = 1 })
  fails("validation takes a fraction between 0 and 1, got 5", d.train.validation, d.train, 5)
  fails("3 samples are too few to hold out a fraction of 0.1", d.test.validation, d.test, 0.1)
  fails("tiny already has a validation split", d.validation, d, 0.1)
end

-- A file that is sorted by class: the last rows would be of one class.
function TestSplit:test_validation_is_of_all_classes_by_default()
  local labels = {}
  for i = 1, 100 do labels[i] = (i - 1) // 25 end
  local d = data.from_tensors { x = pl.zeros(100, 2), y = pl.tensor(labels, "i32") }
  local counts = { 0, 0, 0, 0 }
  for _, label in ipairs(d:validation(0.2).held:read():all_labels():totable()) do
    counts[label + 1] = counts[label + 1] + 1
  end
  lu.assertEquals(counts, { 5, 5, 5, 5 })
  local targets = data.from_tensors { x = pl.arange(1, 100):to "f32":reshape(100, 1), y = pl.zeros(100, 1) }
  local x = targets:validation(0.2).held:read():range(1, 20)
  lu.assertNotEquals(x:reshape(-1):totable(), pl.arange(81, 100):to "f32":totable())
end

-- Mean and std are those of the training split, for all splits.
function TestSplit:test_standardize()
  local d = tiny(5, 9):standardize()
  local bytes, mean, square = { 1, 2, 3, 4, 5 }, 3, 0
  for _, b in ipairs(bytes) do square = square + (b - mean) ^ 2 / 5 end
  local std = math.sqrt(square)
  for _, part in ipairs { d.train, d.test } do
    for i, v in ipairs(part:tensors():reshape(#part, -1):select(2, 4):totable()) do
      lu.assertAlmostEquals(v, (i - mean) / std, 1e-5)
    end
  end
  local only = tiny(5, 9):standardize { std = false, per = "pixel" }
  lu.assertAlmostEquals(only.test:get(9):totable()[1][1][1], (9 - mean) / 255, 1e-6)
  fails("standardize: per is \"all\", \"channel\" or \"pixel\", got \"row\"", d.standardize, d, { per = "row" })
  local twice = d:standardize()
  fails("this data set is already standardized", twice.train.get, twice.train, 1)
end

function TestSplit:test_resize()
  local d = tiny(3):resize(4, 6)
  lu.assertEquals(d.train.shape, { 4, 6, 1 })
  local x, y = d.train:get(2)
  lu.assertEquals({ x.shape, y }, { { 4, 6, 1 }, 1 })
  for _, row in ipairs(x:totable()) do for _, v in ipairs(row) do lu.assertAlmostEquals(v[1], 2 / 255, 1e-7) end end
  fails("resize takes a height and a width in pixels, got 0", d.resize, d, 0)
end

TestTensors = {}

function TestTensors:test_labels_targets_and_none()
  local x = pl.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
  local d = data.from_tensors { x = x, y = pl.tensor({ 0, 1, 1 }, "i32"), labels = { "left", "right" } }
  lu.assertEquals({ d.classes, d.labels[2], d.shape, d.name }, { 2, "right", { 2 }, "tensors" })
  local v, y = d.train:get(3)
  lu.assertEquals({ v:totable(), y }, { { 5, 6 }, 1 })
  d = data.from_tensors { x = x, y = pl.tensor { { 0.5, 1 }, { 2, 3 }, { 4, 5 } } }
  lu.assertEquals({ d.classes, d.train.target }, { 0, { 2 } })
  v, y = d.train:get(2)
  lu.assertEquals({ v:totable(), y:totable() }, { { 3, 4 }, { 2, 3 } })
  v, y = data.from_tensors { x = x }.train:tensors()
  lu.assertEquals({ v:totable(), y }, { x:totable() })
  d = data.from_tensors { x = pl.tensor({ { 0 }, { 51 } }, "u8"), y = pl.tensor({ 2, 0 }, "u8") }
  lu.assertAlmostEquals(d.train:get(2):item(), 0.2, 1e-7)
  lu.assertEquals(d.labels, { "0", "1", "2" })
end

function TestTensors:test_errors_point_here_and_say_why()
  local x, two = pl.zeros(3, 2), { "a", "b" }
  local message = fails("training data: label 2 of sample 3 is out of range: 2 classes have labels 0 to 1",
    data.from_tensors, { x = x, y = pl.tensor({ 0, 1, 2 }, "i32"), labels = two })
  lu.assertStrMatches(message, "^[^:]*data_test.lua:%d+: data.from_tensors: .*")
  fails("training data: the data set is empty: its samples are [0, 2]", data.from_tensors, { x = pl.zeros(0, 2) })
  fails("samples [3, 2] and targets [2] differ in number", data.from_tensors, { x = x, y = pl.zeros({ 2 }, "i32") })
  fails("test data: label 3 of sample 1 is out of range: 2 classes have labels 0 to 1",
    data.from_tensors, { x = x, y = pl.tensor({ 0, 1, 1 }, "i32"), test_x = x, test_y = pl.tensor({ 3, 0, 0 }, "i32") })
  fails("data.from_tensors needs x", data.from_tensors, {})
  fails("data.from_tensors has no option 'xs'; did you mean 'x'?", data.from_tensors, { xs = x })
end

function TestTensors:test_hdf5()
  local path = scratch .. "/points.h5"
  assert(pl.save(path, { x = pl.tensor { { 1, 2 }, { 3, 4 } }, y = pl.tensor({ 1, 0 }, "i32"),
    more = { x = pl.ones(1, 2) } }))
  local d = data.hdf5 { path = path, test_x = "more/x" }
  lu.assertEquals({ #d.train, d.classes, d.test:get(1):totable() }, { 2, 2, { 1, 1 } })
  fails("there is no 'z' in " .. path, data.hdf5, { path = path, x = "z" })
  fails("'more' in " .. path .. " is not a tensor", data.hdf5, { path = path, x = "more" })
  fails(scratch .. "/none.h5", data.hdf5, { path = scratch .. "/none.h5" })
end

TestDigits = {}

function TestDigits:test_digits()
  local d = data.digits { train = 300, test = 20, seed = 4 }
  local x, y = d.train:get(300)
  lu.assertEquals(x.shape, { 28, 28, 1 })
  lu.assertTrue(y >= 0 and y <= 9)
  lu.assertEquals(d.train.sha256, data.digits { train = 300, seed = 4 }.train.sha256)
  lu.assertNotEquals(d.train.sha256, data.digits { train = 300, seed = 5 }.train.sha256)
  lu.assertNil(data.digits { test = 0 }.test)
  fails("data.digits: option 'train' takes a number of images, got 0", data.digits, { train = 0 })
  fails("data.digits has no option 'sead'; did you mean 'seed'?", data.digits, { sead = 1 })
end

TestFiles = {}

function TestFiles:test_a_missing_data_set_says_where_it_was_looked_for()
  local locate = require "perilune.data.locate"
  locate.getenv = function(name) return ({ PERILUNE_DATA = "/nowhere/a", XDG_DATA_HOME = "/nowhere/b" })[name] end
  local ok, message = pcall(function() return data.kmnist().train:get(1) end)
  locate.getenv = os.getenv
  lu.assertFalse(ok)
  lu.assertStrContains(message, "kmnist: no train-images-idx3-ubyte (.gz or not; also spelt " ..
    "train-images.idx3-ubyte) in "
    .. "/nowhere/a/kmnist, data/kmnist, /nowhere/b/perilune/kmnist; get it with: perilune data fetch kmnist (or " ..
      "set PERILUNE_DATA)")
  lu.assertStrMatches(message, "^[^:]*data_test.lua:%d+: .*")
end

-- A registry entry of our own, so that the sums are those of tiny files.
local function with_entry(sums, test)
  local registry = require "perilune.data.registry"
  local folder = scratch .. "/named/tiny"
  tiny_files(folder, 4, "train")
  os.rename(folder .. "/train-images", folder .. "/train-images.idx3-ubyte")
  os.rename(folder .. "/train-labels", folder .. "/train-labels-idx1-ubyte")
  registry[#registry + 1] = {
    name = "tiny", title = "tiny", train = 4, test = 4, shape = { 2, 3, 1 }, labels = { "a", "b", "c" }, mirrors = {},
    files = {
      train_images = { name = "train-images-idx3-ubyte", sha256 = sums[1] },
        train_labels = { name = "train-labels-idx1-ubyte", sha256 = sums[2] },
      test_images = { name = "t10k-images-idx3-ubyte" }, test_labels = { name = "t10k-labels-idx1-ubyte" },
    },
  }
  package.loaded["perilune.data"] = nil
  local locate = require "perilune.data.locate"
  locate.getenv = function(name) return name == "PERILUNE_DATA" and scratch .. "/named" or nil end
  local ok, message = pcall(test, require "perilune.data".tiny(), folder)
  locate.getenv = os.getenv
  package.loaded["perilune.data"] = data
  registry[#registry] = nil
  if not ok then error(message, 0) end
end

local sum = function(folder, name) return assert(require "perilune.core".data.file_sha256(folder .. "/" .. name)) end

function TestFiles:test_a_named_data_set_is_found_verified_and_read()
  local known = {}
  with_entry({}, function(d, folder)
    lu.assertEquals(bytes_of(d.train), { 1, 2, 3, 4 })
    known = { sum(folder, "train-images.idx3-ubyte"), sum(folder, "train-labels-idx1-ubyte") }
    fails("no t10k-images-idx3-ubyte", d.test.get, d.test, 1)
  end)
  with_entry(known, function(d) lu.assertEquals(bytes_of(d.train), { 1, 2, 3, 4 }) end)
  with_entry({ known[1], known[1] }, function(d, folder)
    fails(("%s/train-labels-idx1-ubyte is not the published file: its SHA-256 (uncompressed) is %s, expected %s; " ..
      "delete it and fetch it again")
      :format(folder, known[2], known[1]), d.train.get, d.train, 1)
  end)
end

function TestFiles:test_a_damaged_file()
  with_entry({}, function(d, folder)
    write(folder .. "/train-images.idx3-ubyte", idx({ 4, 2, 3 }, "short"))
    fails(folder .. "/train-images.idx3-ubyte is truncated: its header says [4, 2, 3], which is 40 bytes, and it " ..
      "has 21", d.train.get, d.train, 1)
    write(folder .. "/train-images.idx3-ubyte", "<html>not found</html>")
    fails("is not an IDX file", d.train.get, d.train, 1)
  end)
end

function TestFiles:test_idx_names_what_is_missing()
  fails("data.idx needs train_images and train_labels", data.idx, { train_images = "x" })
  fails("cannot open /nowhere/images: No such file or directory", data.idx,
    { train_images = "/nowhere/images", train_labels = "/nowhere/labels" })
end

function TestFiles:test_mnist()
  lu.skipIf(not (os.getenv "PERILUNE_DATA" and require "perilune.data.locate".find("mnist", "t10k-images-idx3-ubyte")),
    "MNIST is not here: set PERILUNE_DATA")
  local train, test = data.mnist():splits()
  local image, label = train:get(1)
  lu.assertEquals(label, 5)
  -- row 5 (from 0) begins with 3 18 18 18 126
  lu.assertAlmostEquals(image:select(1, 6):totable()[13][1], 3 / 255, 1e-7)
  lu.assertEquals((select(2, test:get(1))), 7)
  -- zcat train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz | sha256sum
  lu.assertEquals(train.sha256, "c5097fdd51cfdbe7695fd9df3612695696864b5c424f58d843ffdc5d335e9914")
  local mean, std = train:read():statistics("all", true)
  lu.assertAlmostEquals(mean:item(), 0.1306604762738429, 1e-6)
  lu.assertAlmostEquals(std:item(), 0.30810780717887876, 1e-6)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
