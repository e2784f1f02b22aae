-- Readers of other libraries' files, against what those libraries say is in them (tests/golden/make_readers.py).
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local sorted_keys = require "perilune.base.sorted_keys"
local data, readers = pl.data, core.readers

local folder = "tests/golden/readers/"
local scratch = dofile "tests/lua/support_scratch.lua" "readers_test"
local expected
do
  local file <close> = assert(io.open(folder .. "expected.json"))
  expected = core.json.decode(file:read "a")
end

local function write(name, bytes)
  local path = scratch .. "/" .. name
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
  return path
end

local function flat(t)
  if t:count() == 0 then return {} end
  return t:reshape(-1):totable()
end

-- The same shape and values; numbers that no f32 holds stand for infinity.
local function assert_same(t, e, what)
  lu.assertEquals(t.shape, e.shape, what)
  local values = flat(t)
  lu.assertEquals(#values, #e.values, what)
  for i, v in ipairs(values) do
    local w = e.values[i]
    if math.abs(w) > 1e39 then w = w > 0 and math.huge or -math.huge end
    if v ~= w then lu.fail(("%s: element %d is %s, expected %s"):format(what, i, v, w)) end
  end
end

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertNil(message:find "\n", message)
  lu.assertStrContains(message, pattern)
  return message
end

TestNpy = {}

function TestNpy:test_every_type_and_order()
  local names = sorted_keys(expected.npy)
  lu.assertTrue(#names > 40)
  for _, name in ipairs(names) do
    local e = expected.npy[name]
    local t = assert(readers.npy_read(folder .. name))
    lu.assertEquals(t.dtype, e.type, name)
    assert_same(t, e, name)
    local info = assert(readers.npy_info(folder .. name))
    lu.assertEquals(info.shape, e.shape, name)
  end
end

function TestNpy:test_archives_stored_and_deflated()
  for name, arrays in pairs(expected.npz) do
    lu.assertEquals(readers.npz_list(folder .. name), { "images", "labels", "points" })
    for member, e in pairs(arrays) do
      local t = assert(readers.npy_read(folder .. name, member))
      lu.assertEquals(t.dtype, e.type)
      assert_same(t, e, name .. " " .. member)
    end
  end
end

function TestNpy:test_as_data_sets()
  local d = data.npz { folder .. "stored.npz", x = "images", y = "labels", labels = { "a", "b", "c" } }
  lu.assertEquals({ d.train.count, d.shape, d.labels }, { 12, { 4, 3, 1 }, { "a", "b", "c" } })
  lu.assertNil(rawget(d.train, "_core"))          -- the images have not been read
  local x, y = d.train:tensors()
  lu.assertAlmostEquals(x:totable()[2][1][1][1] * 255, expected.npz["stored.npz"].images.values[13], 1e-4)
  lu.assertEquals(y:totable(), { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 })
  d = data.npz { folder .. "deflated.npz", x = "points", y = "points", test_x = "points", test_y = "points" }
  lu.assertEquals({ d.train.classes, d.train.target, d.shape, d.test.count }, { 0, { 2 }, { 2 }, 12 })
  d = data.npz { x = folder .. "i2_le_c.npy", y = folder .. "f4_be_f.npy" }
  assert_same(d.train:tensors(), expected.npy["i2_le_c.npy"], "samples of integers")
  assert_same(select(2, d.train:tensors()), expected.npy["f4_be_f.npy"], "targets")
  lu.assertEquals(data.npz(folder .. "u1_one_c.npy").train.shape, { 2, 4, 1 })
  d = data.npz { folder .. "stored.npz", x = "images", y = "labels", validation = 0.25 }
  lu.assertEquals({ d.train.count, d.held.count }, { 9, 3 })
end

function TestNpy:test_messages()
  local npz = folder .. "stored.npz"
  fails("there is no 'image' in " .. npz .. " (option 'x'), did you mean 'images'?; it holds: images, labels, points",
    data.npz, { npz, x = "image" })
  fails("data.npz needs x, the name of the samples in", data.npz, { npz })
  fails("label 2 is out of range: 2 classes", data.npz, { npz, x = "images", y = "labels", labels = 2 })
  fails("option 'labels' is for labels, and y has floating-point numbers", data.npz, { npz, x = "images", y = "points",
    labels = 2 })
  fails("samples [3, 2, 4] and targets [6] differ in number", data.npz, { x = folder .. "f4_le_c.npy",
    y = folder .. "special_f2.npy" })
  local function npy(header) return "\x93NUMPY\1\0" .. string.pack("<s2", header .. "\n") end
  local _, why = readers.npy_read(write("c.npy", npy "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }"))
  lu.assertStrContains(why, "elements of NumPy's type '<c8'")
  _, why = readers.npy_read(write("r.npy", npy "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }"))
  lu.assertStrContains(why, "holds records of several fields")
  _, why = readers.npy_read(write("s.npy", npy "{'descr': '<f8', 'fortran_order': False, 'shape': (9, 9), }"))
  lu.assertStrContains(why, "is truncated: its header says [9, 9] of 8 bytes each, and 0 bytes follow")
  _, why = readers.npy_read(write("o.npy",
    npy "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }"))
  lu.assertStrContains(why, "is damaged: its header says")
  _, why = readers.npy_read(write("m.npy", npy "{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }"))
  lu.assertStrContains(why, "has 7 axes; at most 6 are read")
  _, why = readers.npy_read(write("big.npy",
    npy "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }" .. string.pack("<dd", 1, 1e300)))
  lu.assertStrContains(why or "", "element 2 is 1e+300, beyond the range of f32")
end

TestCsv = {}

function TestCsv:test_tables_of_pandas()
  local e = expected.csv
  for _, name in ipairs(e.files) do
    local d = data.csv { folder .. name, target = "kind", delimiter = name:find "tsv" and "\t" or "," }
    local x, y = d.train:tensors()
    assert_same(x, e.x, name)
    lu.assertEquals({ y:totable(), d.labels }, { e.y, e.labels }, name)
    lu.assertEquals(d.features.features[2], "name=com,ma")
  end
end

local function csv(text, options)
  options = options or {}
  options[1] = write("t.csv", text)
  return data.csv(options)
end

function TestCsv:test_targets_and_labels()
  local text = "a,b,c\n1,2,0\n3,4,1\n5,6,1\n"
  local d = csv(text, { target = "c" })
  lu.assertEquals({ d.classes, d.train.target, d.shape }, { 0, { 1 }, { 2 } })
  d = csv(text, { target = "c", labels = { "no", "yes" } })
  lu.assertEquals({ d.labels, select(2, d.train:tensors()):totable() }, { { "no", "yes" }, { 0, 1, 1 } })
  d = csv(text, { target = "c", labels = 3 })
  lu.assertEquals({ d.classes, select(2, d.train:tensors()):totable() }, { 3, { 0, 1, 1 } })
  d = csv("a,t\n1,x\n2,y\n3,x\n", { target = "t", labels = { "y", "x" } })
  lu.assertEquals(select(2, d.train:tensors()):totable(), { 1, 0, 1 })
  d = csv(text, { columns = { "a", "c" }, categories = "c" })
  lu.assertEquals({ d.features.features, d.train:tensors():totable() }, { { "a", "c=0", "c=1" },
    { { 1, 1, 0 }, { 3, 0, 1 }, { 5, 0, 1 } } })
  d = csv("1,2\n3,4\n", { header = false, target = 2 })
  lu.assertEquals(d.train:tensors():totable(), { { 1 }, { 3 } })
  d = csv(text, { target = "c", labels = 2, test = write("u.csv", "c,b,a\n1,8,9\n") })
  lu.assertEquals({ d.test:tensors():totable(), select(2, d.test:tensors()):totable() }, { { { 9, 8 } }, { 1 } })
end

function TestCsv:test_missing_values()
  local text = "a,b\n1,x\n,y\n3,NA\n8,x\n"
  fails("t.csv, line 3, column 'a': a missing value; say missing = \"drop\", \"mean\" or a number", csv, text)
  fails("t.csv, line 3, column 'a': a missing target; missing = \"drop\" leaves such rows out", csv, text,
    { target = "a", missing = "mean" })
  lu.assertEquals(csv(text, { missing = "drop" }).train:tensors():totable(), { { 1, 1, 0 }, { 8, 1, 0 } })
  lu.assertEquals(csv(text, { missing = "mean" }).train:tensors():totable(),
    { { 1, 1, 0 }, { 4, 0, 1 }, { 3, 0, 0 }, { 8, 1, 0 } })
  lu.assertEquals(csv(text, { missing = -1 }).train:tensors():totable()[2], { -1, 0, 1 })
  fails("line 2, column 'b': a missing target", csv, "a,b\n1,\n2,y\n", { target = "b" })
  lu.assertEquals(csv("a\n1\nnone\n3\n", { na = "none", missing = "drop" }).train.count, 2)
end

function TestCsv:test_messages()
  fails("t.csv, line 4: 3 fields, and the lines before it have 2", csv, "a,b\n1,2\n\n1,2,3\n")
  fails("t.csv, line 3: a quote is opened and not closed", csv, "a,b\n1,2\n3,\"x\n4,5\n")
  fails("t.csv, line 2: text after a closing quote", csv, "a,b\n\"1\"2,3\n")
  fails("t.csv, line 3, column 'a': 'oops' stands among numbers; if it means that the value is missing, say " ..
    "na = { \"oops\" }", csv, "a,b\n1,2\noops,3\n")
  fails("column 'a' has numbers with a comma, such as ',25'", csv, "a;b\n1,5;2\n,25;3\n", { delimiter = ";" })
  fails("column 'b' has numbers with a comma", csv, "a;b\n1;2,0\n", { delimiter = ";", target = "b" })
  lu.assertEquals(#csv("a;b\n1,5;2\n2,5;2\n", { delimiter = ";", categories = "a" }).features.features, 3)
  fails("option 'target' takes the name of a column, got a table", csv, "a,b\n1,2\n", { target = { "a", "b" } })
  fails("there is no column 'sort' in", csv, "a,kind\n1,2\n", { target = "sort" })
  fails("its lines have one field each; say delimiter = \";\"", csv, "a;b\n1;2\n")
  fails("the lines before it have 1; say delimiter = \";\"", csv, "a;b\n1,5;2\n")
  fails("the lines before it have 1; say delimiter = \"\\t\"", csv, "a\tb\n1,5\t2\n")
  fails("its first line has numbers only; if it has no header, say header = false", csv, "1,2\n3,4\n")
  fails("two columns are called 'a'", csv, "a,a\n3,4\n")
  fails("has a header and no rows", csv, "a,b\n")
  fails("is empty", csv, "")
  fails("text in UTF-16", csv, "\xff\xfea\0b\0")
  fails("a zero byte in line 2", csv, "a,b\n1\0,2\n")
  fails("a number beyond the range of f32 (3.4e38): '1e39'", csv, "a\n1e39\n")
  fails("option 'missing' is \"drop\"", csv, "a\n1\n", { missing = "median" })
  fails("which is none of the labels 0 to 1", csv, "a,b\n1,2\n", { target = "b", labels = 2 })
  fails("line 2, column 'b': none of the known categories: 'z'", csv, "a,b\n1,x\n",
    { test = write("u.csv", "a,b\n1,z\n") })
  fails("cannot open", data.csv, scratch .. "/nowhere.csv")
end

-- Separators of thousands make texts of numbers; one such text is enough.
function TestCsv:test_numbers_with_commas()
  for text, such in pairs { ['"1.234,56"\n"2.345,67"'] = "1.234,56", ['"1,234,567"\n"12,345"'] = "1,234,567",
    ['"1,234.5"\n"2,345.5"'] = "1,234.5", ['"1 234,5"'] = "1 234,5", ['none\n"-7,5"'] = "-7,5" } do
    fails(("column 'a' has numbers with a comma, such as '%s'; write them with a decimal point and nothing else, or " ..
      "say categories = { \"a\" }"):format(such), csv, "a\n" .. text .. "\n")
  end
  lu.assertEquals(#csv 'a\n"Paris, 12"\n1.2.3\n"4,"\n'.features.features, 3)
end

-- Numbers that f32 holds exactly may be as close as they like.
function TestCsv:test_numbers_whose_differences_f32_loses()
  local text = "a,b,c\n1700000000,1700000001,0\n1700000045,1700000031,1\n"
  fails("t.csv: column 'a' has numbers from 1700000000 to 1700000045, whose differences are lost in f32 (7 digits); " ..
    "subtract an offset first, or leave it out: ignore = { \"a\" }", csv, text)
  fails("'b' has numbers from 1700000001 to 1700000031, whose differences are lost in f32 (7 digits); subtract an " ..
    "offset first", csv, text, { target = "b", ignore = { "a" } })
  lu.assertEquals(csv(text .. "1,2,3\n", { ignore = "a" }).train.count, 3)
  for _, column in ipairs { "16777200\n16777216", "5.1\n5.1", "1700000001\n1700000001", "2024.25\n2024.5",
    "3e-40\n4e-40", "-1e30\n1e30" } do
    lu.assertEquals(#csv("a\n" .. column .. "\n").features.features, 1)
  end
  fails("whose differences are lost", csv, "a\n2024.25\n2024.2501\n")
end

function TestCsv:test_lists_of_columns()
  local text = "id,a,b\n7,1,2\n8,3,4\n"
  for _, option in ipairs { "ignore", "categories", "columns" } do
    fails(("data.csv: option '%s' takes a list, and 'id' is no index in one; write %s = { \"name\" }"):format(option,
      option), csv, text, { target = "b", [option] = { id = true } })
    fails(("data.csv: option '%s' takes a list, and its item 1 is nil"):format(option), csv, text,
      { target = "b", [option] = { nil, "id" } })
  end
  fails("option 'na' takes a text or a list of texts, such as \"-999\", got -999", csv, text, { na = -999 })
  fails("option 'na' takes a text or a list of texts", csv, text, { na = { "?", 1 } })
  fails("option 'na' takes a list, and 'x' is no index in one", csv, text, { na = { x = true } })
end

-- A class that the labels name need not occur among the rows of the training.
function TestCsv:test_labels_that_only_the_test_file_has()
  local function labels(rows, test, given)
    local d = csv("a,k\n" .. rows, { target = "k", labels = given, test = write("u.csv", "a,k\n" .. test) })
    return { d.classes, select(2, d.train:tensors()):totable(), select(2, d.test:tensors()):totable() }
  end
  lu.assertEquals(labels("1,0\n2,1\n", "1,0\n2,2\n", 3), { 3, { 0, 1 }, { 0, 2 } })
  lu.assertEquals(labels("1,0\n2,1\n", "1,2\n", { "x", "y", "z" }), { 3, { 0, 1 }, { 2 } })
  lu.assertEquals(labels("1,b\n2,a\n", "1,a\n2,c\n", { "c", "b", "a" }), { 3, { 1, 2 }, { 2, 0 } })
  lu.assertEquals(labels("1,9\n2,10\n", "1,11\n", 12), { 12, { 9, 10 }, { 11 } })
  fails("none of the known categories: '3'", labels, "1,0\n2,1\n", "1,3\n", 3)
  fails("data.csv: option 'labels' has the name 'x' twice", labels, "1,0\n2,1\n", "1,0\n", { "x", "y", "x" })
end

-- Each column goes where it is said to go, if that is inside.
function TestCsv:test_places_outside_are_refused()
  local file = assert(readers.csv(write("places.csv", "a,b\n1,2\n3,4\n"), ",", true, { "" }))
  for _, at in ipairs { 0, -1, math.mininteger } do
    fails("at counts from 1", file.fill, file, { { role = "number", at = at } }, false, 2)
  end
  for _, at in ipairs { 3, math.maxinteger } do
    fails("column 1 lies outside", file.fill, file, { { role = "number", at = at } }, false, 2)
  end
  fails("column 2 lies outside", file.fill, file, { false, { role = "one_hot", at = 2, names = { "2", "4" } } }, false,
    2)
  fails("column 2 lies outside", file.fill, file, { { role = "number" }, { role = "target", at = 2 } }, false, 1, 1)
  fails("column 2 has no place", file.fill, file, { { role = "number" }, { role = "label" } }, false, 1)
  fails("column 2 has no place", file.fill, file, { { role = "number" }, { role = "target" } }, false, 1, 1, true)
  local x, y = file:fill({ { role = "target" }, { role = "one_hot", at = 2, names = { "2", "4" } } }, false, 3, 1)
  lu.assertEquals({ x:totable(), y:totable() }, { { { 0, 1, 0 }, { 0, 0, 1 } }, { { 1 }, { 3 } } })
end

TestIdx = {}

function TestIdx:test_six_types_and_any_number_of_axes()
  local names = sorted_keys(expected.idx)
  lu.assertEquals(#names, 18)
  for _, name in ipairs(names) do
    local e = expected.idx[name]
    local t = assert(core.data.read_idx_tensor(folder .. name))
    lu.assertEquals(t.dtype, e.type, name)
    assert_same(t, e, name)
  end
end

-- Samples of every type, with labels, as a data set.
function TestIdx:test_as_data_sets()
  local labels = write("labels", string.pack(">BBBBI4", 0, 0, 8, 1, 2) .. "\0\1")
  for _, code in ipairs { "08", "09", "0b", "0c", "0d", "0e" } do
    local name = ("type%s_2.idx"):format(code)
    local d = data.idx { train_images = folder .. name, train_labels = labels, labels = 2 }
    lu.assertEquals(d.shape, { 3 }, name)
    if code ~= "08" then assert_same(d.train:tensors(), expected.idx[name], name) end
  end
end

TestPictures = {}

-- JPEG decoders may differ by a rounding; PNG is exact.
function TestPictures:test_pictures_of_pillow()
  for _, name in ipairs(sorted_keys(expected.image)) do
    for channels, kind in pairs { [1] = "gray", [3] = "rgb" } do
      local e, t = expected.image[name][kind], assert(readers.picture(folder .. name, channels))
      lu.assertEquals({ t.shape, t.dtype }, { e.shape, "u8" }, name)
      local most = name:find "jpg" and 2 or 0
      for i, v in ipairs(flat(t)) do
        if math.abs(v - e.values[i]) > most then
          lu.fail(("%s, %s: byte %d is %d, expected %d"):format(name, kind, i, v, e.values[i]))
        end
      end
    end
  end
end

local function copy(from, to)
  local file <close> = assert(io.open(folder .. from, "rb"))
  return write(to, file:read "a")
end

local function photos()
  for _, name in ipairs { "photos/dog", "photos/cat" } do assert(pl.store.mkdir(scratch .. "/" .. name)) end
  copy("rgb.png", "photos/cat/b.png")
  copy("rgb.jpg", "photos/cat/a.JPG")
  copy("gray.png", "photos/dog/1.png")
  write("photos/dog/.hidden.png", "x")
  write("photos/dog/notes.txt", "x")
  return scratch .. "/photos/"
end

function TestPictures:test_a_folder_of_classes()
  local path = photos()
  local d = data.images { path, size = { 9, 7 }, channels = 3 }
  lu.assertEquals({ d.train.count, d.shape, d.labels, d.name }, { 3, { 9, 7, 3 }, { "cat", "dog" }, "photos" })
  lu.assertNil(rawget(d.train, "_core"))
  local x, y = d.train:tensors()
  lu.assertEquals(y:totable(), { 0, 0, 1 })
  local e = expected.image["rgb.png"].rgb.values
  for i, v in ipairs(flat(x:select(1, 2))) do lu.assertAlmostEquals(v * 255, e[i], 1e-4) end
  -- resized as the data set's own resize does it
  local whole = data.from_tensors { x = readers.picture(folder .. "rgb.jpg", 3):reshape(1, 20, 17, 3) }:resize(9, 7)
  lu.assertTrue(x:select(1, 1):equal(whole.train:tensors():select(1, 1)))
  lu.assertEquals(data.images { path, size = 5, channels = 1, validation = 0.4 }.shape, { 5, 5, 1 })
  local threads = pl.system.threads()
  pl.system.threads(1)
  lu.assertEquals(data.images { path, size = { 9, 7 } }.train.sha256, d.train.sha256)
  pl.system.threads(threads)
end

function TestPictures:test_messages()
  local path = photos()
  fails("b.png has 7 x 9 pixels, and the first picture 17 x 20; say which size = { height, width }", function()
    return data.images(path).train:tensors()
  end)
  fails("option 'channels' is 1 (gray) or 3", data.images, { path, channels = 4 })
  fails("option 'size' takes { height, width }", data.images, { path, size = { 0, 4 } })
  fails("has no folders; it holds a folder for each class", data.images, scratch .. "/photos/cat")
  fails("cannot list", data.images, scratch .. "/nowhere")
  write("photos/dog/2.png", "not a picture")
  fails("photos/dog/2.png is neither a PNG nor a JPEG picture", function()
    return data.images { path, size = 4 }.train:tensors()
  end)
  os.remove(scratch .. "/photos/dog/2.png")
  write("photos/dog/3.gif", "GIF89a")
  fails("photos/dog/3.gif: PNG and JPEG pictures are read; convert it", data.images, path)
  os.remove(scratch .. "/photos/dog/3.gif")
  assert(pl.store.mkdir(scratch .. "/photos_test/cats"))
  copy("rgb.png", "photos_test/cats/b.png")
  fails("photos_test/cats is none of the classes, did you mean 'cat'?", data.images, { path, size = 4,
    test = scratch .. "/photos_test" })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
