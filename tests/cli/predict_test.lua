-- perilune predict: pictures, arrays and rows of a table, made ready as the samples of the training were.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local core = require "perilune.core"
local pl = require "perilune"

local golden = os.getenv "PWD" .. "/tests/golden/readers/"

cli.write("digits.lua", [[
local pl = require "perilune"
return pl.experiment { name = "digits", seed = 1, epochs = 3, batch_size = 16, loss = pl.nn.CrossEntropy(),
  data = pl.data.digits { train = 600, test = 50 }:standardize { per = pl.arg("per", "all") },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, optimizer = pl.optim.Adam { lr = 0.003 } }
]])
local rows = { "long,wide,colour,kind" }
for i = 0, 89 do
  rows[#rows + 1] = ("%d,%d,%s,%s"):format(i % 3 * 10 + i % 2, i % 7, i % 2 == 0 and "red" or "blue",
    ({ "rose", "tulip", "lily" })[i % 3 + 1])
end
cli.write("flowers.csv", table.concat(rows, "\n") .. "\n")
cli.write("flowers.lua", [[
local pl = require "perilune"
return pl.experiment { name = "flowers", seed = 1, epochs = 40, batch_size = 8, loss = pl.nn.CrossEntropy(),
  data = pl.data.csv { "flowers.csv", target = "kind" }:standardize { per = "pixel" },
  model = pl.nn.Sequential { pl.nn.Linear(4, 3) }, optimizer = pl.optim.Adam { lr = 0.05 } }
]])
cli.write("prices.lua", [[
local pl = require "perilune"
return pl.experiment { name = "prices", seed = 1, epochs = 2, batch_size = 8, loss = pl.nn.MSE(),
  data = pl.data.csv { "flowers.csv", target = "wide", ignore = "kind" },
  model = pl.nn.Sequential { pl.nn.Linear(3, 1) }, optimizer = pl.optim.SGD { lr = 0.001 } }
]])
for _, name in ipairs { "digits", "flowers", "prices" } do
  local done = cli.run("run " .. name .. ".lua --quiet")
  assert(done.status == 0, done.err)
end
assert(cli.run("run digits.lua per=pixel --quiet --out by-pixel").status == 0)

local function npy_header(type, shape)
  local header = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }\n"):format(type, table.concat(shape, ", "))
  return "\x93NUMPY\1\0" .. string.pack("<s2", header)
end

local function npy(name, shape, bytes) return cli.write(name, npy_header("|u1", shape) .. bytes) end

-- The first test images as bytes, bright where `f` says so.
local test = pl.data.digits { train = 600, test = 50 }.test
local function bytes_of(n, f)
  local list = {}
  for i, v in ipairs(test:tensors(1, n):reshape(-1):totable()) do
    local byte = math.floor(v * 255 + 0.5)
    list[i] = string.char(f and f(byte) or byte)
  end
  return table.concat(list)
end

local function json(words)
  local done = cli.run("predict " .. words .. " --json")
  -- a model that was saved by itself knows nothing of the data, and predict says so
  local alone = words:match "^(%S+)%.h5 "
  lu.assertEquals(done.err, alone and ("perilune: predict: %s.h5 is a model without a run, so that how its data " ..
    "were prepared is not known: values are taken as they are\n"):format(alone) or "")
  return core.json.decode(done.out)
end

TestPredict = {}

-- What the model says of the test split itself, whose standardizing the file has to have kept.
function TestPredict:test_an_array_is_standardized_as_the_training_was()
  npy("five.npy", { 5, 28, 28 }, bytes_of(5))
  for folder, per in pairs { ["runs/digits-s1"] = "all", ["by-pixel"] = "pixel" } do
    local set = pl.data.digits { train = 600, test = 50 }:standardize { per = per }
    local model = assert(pl.nn.load(cli.folder .. "/" .. folder))
    local p = model:probabilities((set.test:tensors(1, 5))):totable()
    local found = json(folder .. " five.npy")
    lu.assertEquals(#found, 5)
    for i, one in ipairs(found) do
      lu.assertEquals({ one.row, one.file }, { i, "five.npy" })
      for k = 1, 10 do lu.assertAlmostEquals(one.probabilities[tostring(k - 1)], p[i][k], 1e-6) end
    end
  end
  npy("one.npy", { 28, 28 }, bytes_of(1))
  lu.assertNil(json "runs/digits-s1 one.npy"[1].row)
end

-- A gray PNG of Pillow with a dark, then with a bright border: the same digits after all.
function TestPredict:test_pictures_are_resized_and_inverted()
  local done = cli.run("predict runs/digits-s1 " .. golden .. "gray.png " .. golden .. "rgb.jpg")
  lu.assertEquals({ done.status, done.err }, { 0, "" })
  lu.assertStrContains(done.out, "from 7 x 9")
  lu.assertStrContains(done.out, "from 17 x 20")
  lu.assertStrContains(done.out, "Pictures as the model's input: 28 x 28, gray; --invert yes or no")
  local unseen = require "perilune.data.unseen"
  lu.assertEquals({ unseen.inverts("auto", 0.02, 0.9), unseen.inverts("auto", 0.02, 0.3),
    unseen.inverts("auto", 0.95, 0.1), unseen.inverts("auto", nil, 0.9), unseen.inverts("yes", 0.02, 0.1),
    unseen.inverts("no", 0.02, 0.9) }, { true, false, true, false, true, false })
  local plain, turned = json("runs/digits-s1 --invert no " .. golden .. "gray.png"),
    json("runs/digits-s1 --invert yes " .. golden .. "gray.png")
  lu.assertEquals({ plain[1].inverted, turned[1].inverted, turned[1].resized_from }, { false, true, { 9, 7 } })
  local model, x = pl.nn.load(cli.folder .. "/runs/digits-s1"), core.readers.picture(golden .. "gray.png", 1)
  local set = pl.data.digits { train = 600, test = 50 }
  local mean, std = set.train:read():statistics("all", true)
  x = pl.data.from_tensors { x = x:reshape(1, 9, 7, 1) }:resize(28).train:tensors()
  local p = model:probabilities(x:mul(-1):add(1):sub(mean:item()):div(std:item())):totable()[1]
  for k = 1, 10 do lu.assertAlmostEquals(turned[1].probabilities[tostring(k - 1)], p[k], 1e-6) end
end

function TestPredict:test_rows_of_a_table()
  cli.write("more.csv", "kind,colour,wide,long\n?,red,1,0\n,blue,3,11\nlily,blue,5,21\n")   -- in another order
  local done = cli.run "predict runs/flowers-s1 more.csv --csv"
  lu.assertEquals(done.err, "")
  local lines = {}
  for line in done.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  lu.assertEquals(lines[1], "file,row,label,probability,p_lily,p_rose,p_tulip")
  lu.assertStrContains(lines[2], "more.csv,1,rose,")
  lu.assertStrContains(lines[3], "more.csv,2,tulip,")
  lu.assertStrContains(lines[4], "more.csv,3,lily,")
  done = cli.run "predict runs/prices-s1 flowers.csv"
  lu.assertStrMatches(done.out:match "[^\n]*", "file%s+output")
  lu.assertEquals(#json "runs/prices-s1 flowers.csv"[90].outputs, 1)
end

function TestPredict:test_rows_without_a_header()
  local lines = {}
  for i = 0, 39 do lines[#lines + 1] = ("%d,%d,%s"):format(i % 2 * 10, i % 7, i % 2 == 0 and "a" or "b") end
  cli.write("bare.csv", table.concat(lines, "\n") .. "\n")
  cli.write("bare.lua", [[
local pl = require "perilune"
return pl.experiment { name = "bare", seed = 1, epochs = 20, batch_size = 8, loss = pl.nn.CrossEntropy(),
  data = pl.data.csv { "bare.csv", target = 3, header = false },
  model = pl.nn.Sequential { pl.nn.Linear(2, 2) }, optimizer = pl.optim.Adam { lr = 0.05 } }
]])
  lu.assertEquals(cli.run "run bare.lua --quiet".status, 0)
  local results = json "runs/bare-s1 bare.csv"
  lu.assertEquals({ #results, results[1].label, results[2].label }, { 40, "a", "b" })
end

-- Delimiter, names that are numbers, and what means a missing value: kept with the run.
function TestPredict:test_rows_are_read_as_the_table_of_the_training()
  local lines = { "2019;2020;kind" }
  for i = 0, 59 do
    lines[#lines + 1] = ("%d;%s;%s"):format(i % 2 * 10, i % 5 == 4 and -999 or i % 2, i % 2 == 0 and "a" or "b")
  end
  cli.write("years.csv", table.concat(lines, "\n") .. "\n")
  cli.write("years.lua", [[
local pl = require "perilune"
return pl.experiment { name = "years", seed = 1, epochs = 20, batch_size = 8, loss = pl.nn.CrossEntropy(),
  data = pl.data.csv { "years.csv", target = "kind", delimiter = ";", na = "-999",
    missing = pl.arg("missing", "mean") },
  model = pl.nn.Sequential { pl.nn.Linear(2, 2) }, optimizer = pl.optim.Adam { lr = 0.05 } }
]])
  lu.assertEquals(cli.run "run years.lua --quiet".status, 0)
  local found, wrong = json "runs/years-s1 years.csv", 0
  lu.assertEquals(#found, 60)
  for i, one in ipairs(found) do wrong = wrong + (one.label == (i % 2 == 1 and "a" or "b") and 0 or 1) end
  lu.assertEquals(wrong, 0)
  cli.write("only.csv", "2020;2019\n0;0\n-999;10\n")
  cli.write("only.tsv", "2020\t2019\n0\t0\n-999\t10\n")
  cli.write("commas.csv", "2020,2019\n0,0\n-999,10\n")
  local first = json "runs/years-s1 only.csv"
  lu.assertAlmostEquals(first[2].probabilities.b, found[10].probabilities.b, 1e-6)
  for _, words in ipairs { "only.tsv", "commas.csv --delimiter ," } do
    local other = json("runs/years-s1 " .. words)
    lu.assertEquals(other[1].probabilities, first[1].probabilities)
    lu.assertEquals(other[2].probabilities, first[2].probabilities)
  end
  lu.assertEquals(cli.run "run years.lua --quiet missing=drop --out dropped".status, 0)
  local done = cli.run "predict dropped only.csv"
  lu.assertEquals(done.status, 1)
  lu.assertStrContains(done.err, "only.csv, line 3, column '2020': a missing value; such rows are predicted where " ..
    "the training's table was read with missing")
end

-- A table of numbers whose first row has one twice; and a model that was trained on labels by their squared error.
function TestPredict:test_values_and_labels()
  cli.write("squares.lua", (cli.read(cli.folder .. "/flowers.lua"):gsub("CrossEntropy", "MSE"):gsub('"flowers"',
    '"squares"')))
  lu.assertEquals(cli.run "run squares.lua --quiet".status, 0)
  local found = json "runs/squares-s1 flowers.csv"
  lu.assertEquals({ found[1].label, found[3].label, #found[1].outputs }, { "rose", "lily", 3 })
  local lines = {}
  local written = cli.run("predict runs/squares-s1 flowers.csv --csv").out
  for line in written:gmatch "[^\n]+" do lines[#lines + 1] = line end
  lu.assertEquals(lines[1], "file,row,label,output_1,output_2,output_3")
  lu.assertEquals(select(2, lines[2]:gsub(",", "")), 5)
  lu.assertStrMatches(cli.run("predict runs/squares-s1 flowers.csv").out, "file%s+label%s+output\n.*")
  local model = pl.nn.Sequential { pl.nn.Linear(3, 2) }
  model:build { 3 }
  assert(model:save(cli.folder .. "/numbers.h5"))
  cli.write("same.csv", "3,3,0\n1,2,3\n")
  lu.assertEquals(#json "numbers.h5 same.csv", 2)
  lu.assertErrorMsgContains("its first line has numbers only; if it has no header, say header = false", pl.data.csv,
    { cli.folder .. "/same.csv" })
  cli.write("near.csv", "left,right,kind\n.1,.2,rose\n.2,.1,tulip\n.1,.1,lily\n")     -- standardized, 3e38 is infinite
  cli.write("near.lua", (cli.read(cli.folder .. "/squares.lua"):gsub("squares", "near"):gsub("flowers.csv", "near.csv")
    :gsub("Linear%(4, 3", 'Linear(2, 3, { init = { "constant", 1 } }')))
  cli.write("far.csv", "left,right,kind\n3e38,-3e38,rose\n")
  lu.assertEquals(cli.run "run near.lua --quiet".status, 0)
  lu.assertStrMatches(cli.run("predict runs/near-s1 far.csv --csv").out,
    "file,row,label,output_1,output_2,output_3\nfar.csv,1,,,[^\n]*\n")
end

-- Of several outputs all are given; what is not a number is no label.
function TestPredict:test_several_outputs_and_nan()
  local stem, left, right = pl.nn.Linear(3, 4), pl.nn.Linear(4, 2), pl.nn.Linear(4, 3)
  local model = pl.nn.Graph(function(x)
    local h = stem(x):tanh()
    return left(h), right(h)
  end)
  model:build { 3 }
  model:initialize(1)
  assert(model:save(cli.folder .. "/two.h5"))
  cli.write("three.csv", "1,2,3\n0.5,0.25,0\n")
  local _, second = model:infer(pl.tensor { { 1, 2, 3 }, { 0.5, 0.25, 0 } })
  local found = json "two.h5 three.csv"
  lu.assertEquals({ found[1].others, found[2].others }, { { second:totable()[1] }, { second:totable()[2] } })
  local lines = {}
  for line in cli.run("predict two.h5 three.csv --csv").out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  lu.assertEquals(lines[1], "file,row,label,probability,p_0,p_1,output_2_1,output_2_2,output_2_3")
  lu.assertAlmostEquals(tonumber(lines[3]:match ",([^,]*)$"), second:totable()[2][3], 1e-6)
  lu.assertStrContains(cli.run("predict two.h5 three.csv").out, "Of 2 outputs the first; --csv and --json have all.")
  cli.write("one.csv", "1,2,3\n")      -- one row, and no header
  lu.assertEquals(json "two.h5 one.csv"[1].others, { second:totable()[1] })
  cli.write("header.csv", "a,b,c\n")
  lu.assertStrContains(cli.run("predict two.h5 header.csv").err, "perilune: header.csv has a header and no rows\n")
  left.weight:fill_(0 / 0)
  assert(model:save(cli.folder .. "/nan.h5"))
  local none = json "nan.h5 three.csv"[1]
  lu.assertEquals({ none.label, none.probability }, {})
  lu.assertStrMatches(cli.run("predict nan.h5 three.csv").out, ".*three.csv:1  none%s+an output is not a number\n.*")
  lu.assertStrContains(cli.run("predict nan.h5 three.csv --csv").out, "three.csv,1,,,")
end

-- Of a model that was trained on numbers, its largest ones tell what a byte is there.
function TestPredict:test_images_that_were_no_bytes()
  local unseen, preparation = require "perilune.data.unseen", require "perilune.data.preparation"
  local x = pl.rand { 4, 8, 8, 1 }
  local function prepared(scaled) return preparation.of(pl.data.from_tensors({ x = scaled, name = "x" }).train) end
  local function read(path, p) return unseen.read(path, { shape = { 28, 28, 1 }, preparation = p, invert = "no" }).x end
  local unit, bright = prepared(x), prepared(x:mul(255))
  local bytes = read(golden .. "gray.png", { pixels = true })
  lu.assertTrue(bytes:max() <= 1)
  lu.assertTrue(read(golden .. "gray.png", unit):equal(bytes))
  lu.assertTrue(read(golden .. "gray.png", bright):equal(bytes:mul(255)))
  for most, other in pairs { [4] = prepared(x:mul(4095)), [2] = prepared(x:mul(3)) } do
    lu.assertErrorMsgContains("trained on images with values up to " .. most, read, golden .. "gray.png", other)
  end
  local path = npy("plain.npy", { 28, 28 }, bytes_of(1))
  lu.assertTrue(read(path, unit):max() <= 1)
  lu.assertTrue(read(path, bright):max() > 2)
  local drawn = require "perilune.export.prepare"
  lu.assertEquals(drawn.of({ preparation = bright }).steps, { { mean = { 0 }, std = { 1 / 255 } } })
  lu.assertEquals(drawn.of({ preparation = unit }).steps, {})
  -- a data set of that name is a reader, not a set of images
  lu.assertEquals(drawn.of({ data = "hdf5", recipe = "train: resize 32x32" }).field, { 28, 28 })
end

-- Images from -1 to 1, or with a mean taken off by the script: what a byte is there is not known.
function TestPredict:test_images_with_negative_values()
  local unseen, preparation = require "perilune.data.unseen", require "perilune.data.preparation"
  local x = pl.rand { 300, 8, 8, 1 }
  local function prepared(values) return preparation.of(pl.data.from_tensors({ x = values }).train) end
  local function read(path, p) return unseen.read(path, { shape = { 28, 28, 1 }, preparation = p, invert = "no" }).x end
  local path, noisy = npy("plain.npy", { 28, 28 }, bytes_of(1)), prepared(x:sub(0.02))
  for _, shifted in ipairs { prepared(x:mul(2):sub(1)), prepared(x:sub(0.13)), prepared(x:sub(0.13):mul(255)) } do
    for what, file in pairs { ["what a picture's bytes are"] = golden .. "gray.png", ["holds bytes (uint8)"] = path } do
      lu.assertErrorMsgContains("trained on images with values from -", read, file, shifted)
      lu.assertErrorMsgContains(what, read, file, shifted)
    end
    lu.assertErrorMsgContains("from -", require "perilune.export.prepare".of, { preparation = shifted })
  end
  lu.assertErrorMsgContains("up to 40", read, path, prepared(x:gt(0.5):to "f32":mul(4095)))
  lu.assertTrue(read(golden .. "gray.png", noisy):equal(read(golden .. "gray.png", { pixels = true })))
  lu.assertTrue(read(path, noisy):max() <= 1)
end

-- As of arrays, values beyond 1 are no pixels.
function TestPredict:test_rows_for_a_model_of_bytes()
  local unseen, job = require "perilune.data.unseen", { shape = { 3 }, preparation = { pixels = true } }
  lu.assertErrorMsgContains("bytes.csv holds values up to 255, and the pixels that the model was trained on are from 0",
    unseen.read, cli.write("bytes.csv", "0,128,255\n0,0,10\n"), job)
  local x = unseen.read(cli.write("unit.csv", "0,0.5,1\n1,0,0\n"), job).x
  lu.assertEquals(x:totable(), { { 0, 0.5, 1 }, { 1, 0, 0 } })
end

function TestPredict:test_messages()
  local function fails(words, text, status)
    local done = cli.run("predict " .. words)
    lu.assertEquals({ done.status, done.out }, { status or 1, "" })
    lu.assertStrContains(done.err, text)
    lu.assertEquals(select(2, done.err:gsub("\n", "")), 1)
  end
  npy("bad.npy", { 2, 27, 28 }, ("\0"):rep(2 * 27 * 28))
  fails("runs/digits-s1 bad.npy", "bad.npy holds [2, 27, 28], and the model takes samples of [28, 28, 1]")
  local bytes = {}
  for i = 1, 784 do bytes[i] = string.pack("<f", i % 256) end
  cli.write("bright.npy", npy_header("<f4", { 28, 28 }) .. table.concat(bytes))
  fails("runs/digits-s1 bright.npy", "bright.npy holds values up to 255, and the pixels that the model was trained " ..
    "on are from 0 to 1")
  fails("runs/digits-s1 flowers.csv", "flowers.csv has 4 features a row, and the model takes samples of [28, 28, 1]")
  fails("runs/flowers-s1 " .. golden .. "gray.png", "takes samples of [4], and a picture is [height, width, 1 or 3]")
  fails("runs/digits-s1 nowhere.png", "cannot open nowhere.png")
  fails("runs/digits-s1 digits.lua", "digits.lua: pictures (.png, .jpg), rows (.csv, .tsv) and arrays (.npy) are read")
  fails("nowhere five.npy", "nowhere")
  fails("runs/digits-s1 five.npy --csv --json", "one of --csv and --json is enough", 2)
  cli.write("short.csv", "long,wide\n1,2\n")
  fails("runs/flowers-s1 short.csv", "short.csv has no column 'colour', which the samples need")
  cli.write("new.csv", "long,wide,colour\n1,2,green\n")
  fails("runs/flowers-s1 new.csv", "new.csv, line 2, column 'colour': none of the known categories: 'green'")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
