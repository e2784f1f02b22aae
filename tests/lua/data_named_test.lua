-- Data sets with formats of their own: EMNIST, QMNIST, CIFAR, from files made here.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local data, locate = pl.data, require "perilune.data.locate"

local scratch = dofile "tests/lua/support_scratch.lua" "data_named_test"
locate.getenv = function(name) return name == "PERILUNE_DATA" and scratch or nil end

local function write(path, bytes)
  assert(pl.store.mkdir(scratch .. "/" .. path:match "^(.*)/"))
  local file <close> = assert(io.open(scratch .. "/" .. path, "wb"))
  file:write(bytes)
  return scratch .. "/" .. path
end

local fails = lu.assertErrorMsgContains

-- A record: labels, then a plane a colour; pixel p of colour c is (p + 100 c) mod 256.
local planes = {}
for c = 0, 2 do
  for p = 0, 1023 do planes[#planes + 1] = string.char((p + 100 * c) % 256) end
end
planes = table.concat(planes)

TestCifar = {}

function TestCifar:test_planes_become_channels()
  local a, b = write("small/a.bin", "\3" .. planes .. "\9" .. planes), write("small/b.bin", "\0" .. planes)
  local x, y = assert(core.readers.cifar({ a, b }, 1, 10))
  lu.assertEquals({ x.shape, y:totable() }, { { 3, 32, 32, 3 }, { 3, 9, 0 } })
  for _, at in ipairs { { 1, 1, 1 }, { 2, 3, 1 }, { 32, 32, 3 }, { 17, 5, 2 } } do
    local p = (at[1] - 1) * 32 + at[2] - 1
    lu.assertEquals(x:select(1, 2):totable()[at[1]][at[2]][at[3]], (p + 100 * (at[3] - 1)) % 256)
  end
  local _, message = core.readers.cifar({ write("small/c.bin", "\1" .. planes:sub(2)) }, 1, 10)
  lu.assertStrContains(message, "c.bin is truncated: it has 3072 bytes, which are no whole records of 3073")
  _, message = core.readers.cifar({ a }, 1, 9)
  lu.assertStrContains(message, "a.bin is damaged: label 9 of record 2, of 9 classes")
end

function TestCifar:test_by_name()
  local d = data.cifar100()
  lu.assertEquals({ d.train.count, d.test.count, d.shape, #d.labels, d.labels[100] },
    { 50000, 10000, { 32, 32, 3 }, 100, "worm" })
  fails("cifar100: no test.bin in " .. scratch .. "/cifar100", d.test.read, d.test)
  write("cifar100/cifar-100-binary/test.bin", ("\19\99" .. planes):rep(10000))
  local x, y = data.cifar100().test:get(10000)
  lu.assertEquals({ y, math.floor(x:totable()[1][2][2] * 255 + 0.5) }, { 99, 101 })
  write("cifar10/test_batch.bin", "\1" .. planes)
  fails("holds 1 samples, and cifar10 test has 10000", function() data.cifar10().test:get(1) end)
end

TestEmnist = {}

-- Images lie on their side in the files; letters count from 1 there.
function TestEmnist:test_images_are_turned()
  local image = {}
  for column = 0, 27 do
    for row = 0, 27 do image[#image + 1] = string.char(row * 2 + column * 100 % 256 // 10) end
  end
  image = table.concat(image)
  write("emnist/emnist-letters-test-images-idx3-ubyte",
    string.pack(">BBBBI4I4I4", 0, 0, 8, 3, 20800, 28, 28) .. image:rep(20800))
  write("emnist/emnist-letters-test-labels-idx1-ubyte", string.pack(">BBBBI4", 0, 0, 8, 1, 20800) .. ("\26"):rep(20800))
  local d = data.emnist "letters"
  local x, y = d.test:get(3)
  lu.assertEquals({ y, d.labels[y + 1], x.shape }, { 25, "Z", { 28, 28, 1 } })
  local list = x:totable()
  for _, at in ipairs { { 0, 0 }, { 5, 9 }, { 27, 1 } } do
    lu.assertEquals(math.floor(list[at[1] + 1][at[2] + 1][1] * 255 + 0.5), at[1] * 2 + at[2] * 100 % 256 // 10)
  end
  lu.assertEquals({ #data.emnist().labels, data.emnist().labels[37] }, { 47, "a" })
  lu.assertEquals(#data.emnist { division = "byclass" }.labels, 62)
  fails("option 'division' is balanced, byclass", data.emnist, "letter")
end

function TestEmnist:test_qmnist_takes_the_first_of_eight_labels()
  write("qmnist/qmnist-test-images-idx3-ubyte",
    string.pack(">BBBBI4I4I4", 0, 0, 8, 3, 60000, 28, 28) .. ("\7"):rep(60000 * 784))
  write("qmnist/qmnist-test-labels-idx2-int",
    string.pack(">BBBBI4I4", 0, 0, 12, 2, 60000, 8) .. string.pack(">i4i4i4i4i4i4i4i4", 4, 1, 9, 5, 3, 6, 7, 8)
      :rep(60000))
  local x, y = data.qmnist().test:get(60000)
  lu.assertEquals({ x.shape, y }, { { 28, 28, 1 }, 4 })
end

-- Without .gz their SHA-256 is not known: at least number and shape are those that were published.
function TestEmnist:test_number_and_shape_are_as_published()
  local function fake(images, n, side)
    write("fashion_mnist/train-images-idx3-ubyte",
      string.pack(">BBBBI4I4I4", 0, 0, 8, 3, n, side, side) .. ("\7"):rep(images * side * side))
    write("fashion_mnist/train-labels-idx1-ubyte", string.pack(">BBBBI4", 0, 0, 8, 1, n) .. ("\1"):rep(images))
    return data.fashion_mnist().train
  end
  local name = scratch .. "/fashion_mnist/train-images-idx3-ubyte holds "
  fails(name .. "20 samples, and fashion_mnist train has 60000; is it the published file?", fake(20, 20, 28).get,
    data.fashion_mnist().train, 1)
  fails(name .. "samples of [4, 4, 1], and those of fashion_mnist train are [28, 28, 1]; is it the published file?",
    fake(60000, 60000, 4).get, data.fashion_mnist().train, 1)
  write("emnist/emnist-digits-test-images-idx3-ubyte",
    string.pack(">BBBBI4I4I4", 0, 0, 8, 3, 40000, 2, 2) .. ("\7"):rep(160000))
  write("emnist/emnist-digits-test-labels-idx1-ubyte", string.pack(">BBBBI4", 0, 0, 8, 1, 40000) .. ("\1"):rep(40000))
  local test = data.emnist("digits").test
  fails("holds samples of [2, 2, 1], and those of emnist test are [28, 28, 1]", test.get, test, 1)
end

function TestEmnist:test_options()
  for _, name in ipairs(data.names()) do
    fails(("data.%s has no option 'train'"):format(name), data[name], { train = 100 })
    fails("validation", data[name], 0.1)
    local kept, _, held = data[name] { validation = 0.1 }:splits()
    local all = data[name]().train.count
    lu.assertEquals({ #kept, #held }, { all - all // 10, all // 10 })
  end
end

function TestEmnist:test_listed_and_missing()
  local fetch = require "perilune.data.fetch"
  fails("no emnist-mnist-train-images-idx3-ubyte in " .. scratch .. "/emnist", function()
    data.emnist("mnist").train:get(1)
  end)
  fails("get it with: perilune data fetch emnist (or unpack gzip.zip from https://", function()
    data.emnist("mnist").train:get(1)
  end)
  local found = {}
  for _, set in ipairs(fetch.list()) do found[set.name] = set end
  lu.assertTrue(found.emnist and found.qmnist and found.cifar10 and found.cifar100 and found.mnist and true)
  lu.assertEquals(data.names()[#data.names()], "cifar100")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
