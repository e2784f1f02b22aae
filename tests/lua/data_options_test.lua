-- Options and arguments of data sets that do not fit: said where they are given, in the words of the script.
local lu = require "luaunit"
local pl = require "perilune"
local data = pl.data
local scratch = dofile "tests/lua/support_scratch.lua" "data_options_test"

local x, y = pl.rand(10, 3, { seed = 1 }), pl.zeros({ 10 }, "i32")
local set = data.from_tensors { x = x, y = y, labels = { "a", "b" } }

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok, text)
  lu.assertStrContains(message, text)
  lu.assertStrMatches(message, "tests/lua/data_options_test.lua:%d+: .*")
end

TestDataOptions = {}

-- Labels that a script has named stay with what is derived from its data set.
function TestDataOptions:test_labels_that_were_named()
  local named = data.from_tensors { x = x, y = y, labels = { "a", "b" } }
  named.labels = { "yes", "no" }
  for _, derived in ipairs { named:validation(0.2), named:subset { first = 4 }, named:standardize() } do
    lu.assertEquals(derived.labels, { "yes", "no" })
  end
end

-- One stray label is no reason for a name of each class up to it.
function TestDataOptions:test_a_label_beyond_reason()
  local labels = pl.zeros({ 4 }, "i32")
  labels[1] = 2147483647
  fails("data.from_tensors: training data: label 2147483647 is beyond 65536 classes; are these targets?",
    pl.data.from_tensors, { x = pl.ones(4, 2), y = labels })
end

-- A spread too small to divide by is none.
function TestDataOptions:test_standardize_by_almost_nothing()
  local samples = pl.zeros(1000, 2)
  samples[1][1], samples[3][2] = 2e-38, 1
  local train = pl.data.from_tensors { x = samples }:standardize { per = "pixel" }.train:tensors()
  lu.assertTrue(train:abs():max() < 100)
end

function TestDataOptions:test_standardize()
  fails('standardize takes a table of options, got "pixel"; write standardize { per = "pixel" }', set.standardize, set,
    "pixel")
  fails("standardize: option 'from' takes a split, such as set.train, got a data set", set.train.standardize, set.train,
    { from = set })
  fails("standardize: option 'from' takes a split, such as set.train, got 3", set.standardize, set, { from = 3 })
  lu.assertTrue(set:standardize().train:tensors():equal((set.train:standardize { from = set.train }
    :tensors())))
end

function TestDataOptions:test_positions()
  for text, given in pairs { ['got "1"'] = "1", ["got 1.5"] = 1.5, ["got true"] = true, ["got a table"] = { 1 } } do
    fails("tensors takes the positions of two samples, from 1 to 10, " .. text, set.train.tensors, set.train, given)
  end
  lu.assertEquals(set.train:tensors(2, 4 / 2):size(1), 1)
end

function TestDataOptions:test_digits()
  fails("data.digits: option 'seed' takes a whole number, got 1.5", data.digits, { train = 1, test = 0, seed = 1.5 })
  lu.assertEquals(data.digits({ train = 1, test = 0, seed = 3.0 }).train.count, 1)
end

function TestDataOptions:test_names_of_classes()
  local function named(names) return data.from_tensors { x = x, y = y, labels = names } end
  fails("data.from_tensors: option 'labels' has the name 'a' twice", named, { "a", "b", "a" })
  fails("data.from_tensors: option 'labels' takes the names of the classes, got 2 as item 2", named, { "a", 2 })
  fails("data.from_tensors: option 'labels' takes a list, and its item 2 is nil", named, { "a", nil, "b" })
  fails("data.idx: option 'labels' has the name 'a' twice", data.idx, { train_images = "x", labels = { "a", "a" } })
  fails("data.from_tensors: option 'labels' is for labels, and y has floating-point numbers: targets; make it whole " ..
    'numbers: y:to "i32"', data.from_tensors, { x = x, y = pl.zeros(10), labels = { "a", "b" } })
  fails("data.from_tensors got labels, the names of the classes, without y", data.from_tensors,
    { x = x, labels = { "a", "b" } })
end

function TestDataOptions:test_tensors()
  for name, given in pairs { x = 5, y = { 0, 1 }, test_x = "x", test_y = 5 } do
    local options = { x = x, y = y, test_x = x, test_y = y }
    options[name] = given
    fails(("data.from_tensors: option '%s' takes a tensor, got "):format(name), data.from_tensors, options)
  end
end

function TestDataOptions:test_names_and_paths()
  for _, reader in ipairs { "csv", "npz", "images" } do
    fails(("data.%s: option 'name' takes a string, got a table"):format(reader), data[reader],
      { "x", name = {} })
  end
  fails("data.csv: option 'test' takes a string, got 3", data.csv, { "x", test = 3 })
  fails("data.images: option 'size' takes a list, and 'height' is no index in one; write size = { height, width }",
    data.images, { scratch, size = { 2, height = 5 } })
  fails("data.images: option 'size' takes { height, width } in pixels, got a table", data.images,
    { "x", size = { 8, 8, 3 } })
end

-- Of all samples: 1 to 1000, read in several chunks.
function TestDataOptions:test_statistics_of_many_samples()
  local rows = pl.arange(1, 1000):to "f32":reshape(1000, 1)
  local train = data.from_tensors { x = pl.cat({ rows, rows * -2 }, 2) }.train
  local std = ((1000 ^ 2 - 1) / 12) ^ 0.5
  local mean, spread = train:read():statistics("all", true)
  lu.assertAlmostEquals(mean:item(), -250.25, 1e-3)
  lu.assertAlmostEquals(spread:item(), (2.5 * (std ^ 2 + 500.5 ^ 2) - 250.25 ^ 2) ^ 0.5, 1e-3)
  local means, spreads = train:read():statistics("pixel", true)
  lu.assertTrue(means:equal(pl.tensor { 500.5, -1001 }, 1e-3), tostring(means))
  lu.assertTrue(spreads:equal(pl.tensor { std, 2 * std }, 1e-3), tostring(spreads))
end

-- Columns of a table have units of their own: each is standardized by itself.
function TestDataOptions:test_standardize_of_rows_is_by_feature()
  local rows = pl.tensor { { 1, 1000 }, { 2, 3000 }, { 3, 5000 } }
  local d = data.from_tensors { x = rows }:standardize()
  lu.assertEquals(d.train:tensors():sum(1):totable(), { 0, 0 })
  lu.assertStrContains(d:derivation(), "standardize per=pixel std=true")
  local images = data.from_tensors { x = rows:reshape(3, 2, 1) }
  lu.assertStrContains(images:standardize():derivation(), "standardize per=all std=true")
  lu.assertStrContains(images:standardize { from = d.train }:derivation(), "standardize per=all std=true")
end

local function csv(text, given)
  local file <close> = assert(io.open(scratch .. "/t.csv", "w"))
  file:write(text)
  file:close()
  given[1] = scratch .. "/t.csv"
  return data.csv(given)
end

function TestDataOptions:test_a_text_of_its_own_in_every_row_is_no_category()
  local lines = { "id,v" }
  for i = 1, 20 do lines[#lines + 1] = ("r%d,%d"):format(i, i) end
  local text = table.concat(lines, "\n") .. "\n"
  fails("column 'id' has 20 different texts in 20 rows, too many for a feature each; leave it out: ignore = " ..
    '{ "id" }, or say categories = { "id" }', csv, text, {})
  lu.assertEquals(csv(text, { ignore = { "id" } }).train.shape, { 1 })
  lu.assertEquals(csv(text, { categories = { "id" } }).train.shape, { 21 })
  lu.assertEquals(csv(table.concat(lines, "\n", 1, 20) .. "\n", {}).train.shape, { 20 })      -- few rows
end

function TestDataOptions:test_names_of_classes_that_are_numbers()
  local function labels(given)
    return select(2, csv("v,k\n1,7\n2,5\n3,7\n", { target = "k", labels = given }).train:tensors()):totable()
  end
  lu.assertEquals(labels { "5", "7" }, { 1, 0, 1 })
  lu.assertEquals(labels { "7", "5", "6" }, { 0, 1, 0 })
  fails("column 'k' holds '5', which is none of the labels 0 to 1", labels, { "7", "6" })
end

-- As of every reader, 0 holds nothing out.
function TestDataOptions:test_no_validation_set()
  assert(pl.save(scratch .. "/set.h5", { x = x, y = y }))
  for _, stream in ipairs { false, true } do
    local d = data.hdf5 { scratch .. "/set.h5", validation = 0, stream = stream }
    lu.assertEquals({ d.train.count, d.held }, { 10 })
  end
end

-- Labels of nothing: the column or tensor that holds them was forgotten, and would be a feature.
function TestDataOptions:test_labels_without_a_target()
  fails("data.csv got labels, the names of the classes, without target, the column that holds them", csv,
    "v,k\n1,a\n2,b\n", { labels = { "a", "b" } })
  fails("data.npz got labels, the names of the classes, without y", data.npz, { x = "x.npy", labels = 2 })
  assert(pl.save(scratch .. "/unlabelled.h5", { x = x }))
  for _, stream in ipairs { false, true } do
    fails("got labels, the names of the classes, without y", data.hdf5,
      { scratch .. "/unlabelled.h5", labels = 2, stream = stream })
  end
end

function TestDataOptions:test_folders_that_are_sets()
  local path = scratch .. "/sets"
  local function made(...)
    os.execute("rm -rf " .. path)
    for _, name in ipairs { ... } do os.execute(("mkdir -p %s/%s"):format(path, name)) end
    return data.images, path
  end
  local function say(test)
    return ("; are its folders the classes? say data.images { %q, test = %q }"):format(path .. "/train", path .. test)
  end
  fails("there is no picture in " .. path .. "/test" .. say "/test", made("test/a", "train/a", "val/a"))
  fails("there is no picture in " .. path .. "/train" .. say "/val", made("train/a", "val/a"))
  fails("there is no picture in " .. path .. "/animals; it holds folders, and a class has its pictures in a folder " ..
    "of its own", made("animals/cat", "plants/rose"))
  local ok, message = pcall(made("cat", "dog"))
  lu.assertFalse(ok)
  lu.assertStrMatches(message, ".*there is no picture in " .. path:gsub("%p", "%%%0") .. "/cat")
end

function TestDataOptions:test_labels_of_floating_point()
  local function write(name, text)
    local f <close> = assert(io.open(scratch .. name, "wb"))
    f:write(text)
    return scratch .. name
  end
  local images = write("/images", string.pack(">BBBBI4I4I4", 0, 0, 8, 3, 2, 2, 2) .. ("x"):rep(8))
  local labels = write("/labels", string.pack(">BBBBI4ff", 0, 0, 13, 1, 2, 0, 1))
  local d = data.idx { train_images = images, train_labels = labels }
  fails("/labels holds floating-point numbers; labels are whole numbers", function() return d.train:tensors() end)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
