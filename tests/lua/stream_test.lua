-- Streamed data sets: the samples of the files, in an order that is a function of seed and epoch, the same bits for any
-- number of threads and however a training is cut; and files that go wrong while they are read.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local data, nn, optim = pl.data, pl.nn, pl.optim

local golden = "tests/golden/readers/"
local scratch = dofile "tests/lua/support_scratch.lua" "stream_test"
local N = 1000

-- 1000 images [8, 8, 1]; a window of 4 KiB holds 16 of them.
local path = scratch .. "/images.h5"
do
  pl.seed(5)
  local x = pl.rand(N, 8, 8, 1)
  local y = {}
  for i = 1, N do y[i] = i % 4 end
  assert(pl.save(path, { x = x, y = pl.tensor(y, "i32"), bytes = x:mul(255):to "u8", test_x = x:slice(1, 1, 100),
    test_y = pl.tensor(y, "i32"):slice(1, 1, 100) }))
end

local function streamed(options)
  options = options or {}
  options[1], options.stream = path, true
  return data.hdf5(options)
end

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertStrContains(message, text)
  lu.assertNil(message:find "\n", message)
end

local function weights(model)
  local list = {}
  for _, tensor in model:parameters() do list[#list + 1] = tensor end
  return core.store.sha256(table.unpack(list))
end

local function trainer_of(split, options, width)
  local model = nn.Sequential { nn.Flatten(), nn.Linear(width or 64, 8), nn.ReLU(), nn.Linear(8, 4) }
  model:initialize(5)
  local optimizer = optim.Adam { lr = 0.01 }
  optimizer:bind(model)
  local o = { model = model, loss = nn.CrossEntropy(), optimizer = optimizer, data = split, batch_size = 24, seed = 7 }
  for name, value in pairs(options or {}) do o[name] = value end
  return model, core.trainer.new(o), optimizer
end

TestStream = {}

function TestStream:setUp() core.streams.set_window(4096) end
function TestStream:tearDown()
  core.streams.set_window(1 << 24)
  core.system.threads(0)
end

function TestStream:test_the_samples_are_those_of_the_file()
  local s, m = streamed(), data.hdf5(path)
  lu.assertEquals({ s.train.count, s.shape, s.classes, s.test.count }, { N, { 8, 8, 1 }, 4, 100 })
  lu.assertNil(rawget(s.train, "_core"))
  local x, y = s.train:tensors()
  local mx, my = m.train:tensors()
  lu.assertTrue(x:equal(mx) and y:equal(my))
  lu.assertTrue(s.train:gather { 1000, 1, 500, 500 }:equal((m.train:gather { 1000, 1, 500, 500 })))
  lu.assertTrue(streamed { x = "bytes" }.train:tensors():equal((data.hdf5 { path, x = "bytes" }.train:tensors())))
  local how = { fraction = 0.2, seed = 3 }
  local _, _, held = s:validation(how):splits()
  local _, _, mheld = m:validation(how):splits()
  lu.assertTrue(held:tensors():equal((mheld:tensors())))
  local ms = m:standardize { per = "pixel" }
  lu.assertTrue(s:standardize { per = "pixel" }.test:tensors():equal((ms.test:tensors())))
  local model = nn.Sequential { nn.Flatten(), nn.Linear(64, 4) }
  model:build { 8, 8, 1 }
  lu.assertEquals(model:evaluate(s.train).correct, model:evaluate(m.train).correct)
end

-- Chunks that are read in several pieces, of rows of an odd number of bytes; all of them, and most of them.
function TestStream:test_chunks_in_pieces()
  local file, labels = scratch .. "/pieces.h5", {}
  for i = 1, N do labels[i] = i % 4 end
  assert(pl.save(file, { x = pl.rand(N, 301):mul_(255):to "u8", y = pl.tensor(labels, "i32") }))
  local s, m = data.hdf5 { file, stream = true }, data.hdf5(file)
  lu.assertTrue(s.train:tensors():equal((m.train:tensors())))
  for _, fraction in ipairs { 0, 0.1 } do
    local how = { fraction = fraction, seed = 3 }
    local split = fraction > 0 and s:validation(how).train or s.train
    local sums = {}
    for threads = 1, 2 do
      core.system.threads(threads)
      local model, trainer = trainer_of(split, nil, 301)
      for epoch = 1, 2 do trainer:run(epoch, 1, 37) end
      sums[threads] = weights(model)
    end
    lu.assertEquals(sums[1], sums[2])
  end
end

-- Bytes that this process has read so far; nil where the system does not tell (it is Linux that does).
local function bytes_read()
  local file <close> = io.open "/proc/self/io"
  return file and tonumber(file:read("a"):match "rchar: (%d+)")
end

-- An epoch reads a file once: windows cut no chunk, also where the last chunk is shorter, samples are held out, or a
-- batch is larger than two windows. So does an evaluation, whose threads would fetch the same chunk in turns.
function TestStream:test_every_chunk_is_read_once()
  if not bytes_read() then lu.skip "this system does not say how much is read" end
  local file, bytes = scratch .. "/once.h5", 800 * 25000 * 4
  assert(pl.save(file, { x = pl.rand(800, 25000), y = pl.zeros({ 800 }, "i32") }))   -- four chunks
  local function check(what, f)
    local before = bytes_read()
    f()
    local times = (bytes_read() - before) / bytes
    lu.assertTrue(times > 0.7 and times < 1.02, ("%s: the file was read %.2f times"):format(what, times))
  end
  core.streams.set_window(1 << 24)
  for _, how in ipairs { { fraction = 0 }, { fraction = 0.1, seed = 3 }, { fraction = 0.1, order = "last" } } do
    local set = data.hdf5 { file, labels = 4, stream = true }
    local split = how.fraction > 0 and set:validation(how).train or set.train
    for threads = 1, 2 do
      core.system.threads(threads)
      for _, batch in ipairs { 100, 450 } do
        local model, trainer = trainer_of(split, { batch_size = batch }, 25000)
        for epoch = 1, 2 do
          check(("epoch %d of batches of %d"):format(epoch, batch), function()
            trainer:run(epoch, 1, (#split + batch - 1) // batch)
          end)
        end
        check("evaluation", function() model:evaluate(split) end)
      end
    end
  end
end

-- Types, layouts and filters as h5py writes them.
function TestStream:test_files_of_h5py()
  local file <close> = assert(io.open(golden .. "expected.json"))
  for name, e in pairs(core.json.decode(file:read "a").h5) do
    if #e.shape > 1 then
      local stream, info = core.streams.hdf5(golden .. "sets.h5", name)
      lu.assertNotNil(stream, info)
      local t = assert(core.streams.read(stream, info))
      lu.assertEquals(t.shape, e.shape, name)
      for i, v in ipairs(t:reshape(-1):totable()) do lu.assertEquals(v, e.values[i], name) end
    end
  end
end

-- Filters, chunks that went through fewer of them than others, chunks that have grown, booleans, labels in a column:
-- the same as what is stored plainly, whether it is streamed or read at once.
function TestStream:test_packed_by_h5py()
  local function read(stream, x, y)
    return data.hdf5 { golden .. "filters.h5", x = x, y = y or "labels", stream = stream, foreign = not stream or nil }
      .train:tensors()
  end
  local _, labels = read(true, "runs")
  for name, plain in pairs { lzf_runs = "runs", lzf_noise = "noise", lzf_floats = "floats", deflate_runs = "runs",
    fletcher_runs = "runs", sum_first = "floats", flags = "flags_as_numbers" } do
    for _, stream in ipairs { true, false } do
      local x, y = read(stream, name, "column")
      lu.assertTrue(x:equal((read(stream, plain))), name)
      lu.assertTrue(y:equal(labels), name)
    end
  end
  lu.assertTrue(read(false, "scale_offset"):equal(read(false, "runs"):mul(255):round()))
  lu.assertEquals(read(false, "flags"):max(), 1)
  local function of_user_block(stream)
    local set = data.hdf5 { golden .. "user_block.h5", x = "x", stream = stream, foreign = not stream or nil }
    return set.train:tensors()
  end
  lu.assertTrue(of_user_block(true):equal((of_user_block(false))))
  lu.assertEquals(data.hdf5 { golden .. "filters.h5", x = "runs", y = "labels", labels = 5, foreign = true }.classes, 5)
end

-- However HDF5 finds chunks.
function TestStream:test_indices()
  local function read(file, name, stream)
    local d = data.hdf5 { golden .. file, x = name, y = name, stream = stream, foreign = not stream or nil }
    return (d.train:tensors())
  end
  local new = { "fixed", "packed", "one", "growable", "growable_twice" }
  local old = { "shrunk", "boxes", table.unpack(new) }
  for file, names in pairs { ["indices_new.h5"] = new, ["indices_old.h5"] = old } do
    for _, name in ipairs(names) do
      for _, stream in ipairs { true, false } do
        local x = read(file, name, stream)
        lu.assertTrue(x:reshape(40, 6):equal(pl.arange(0, 239):reshape(40, 6)), file .. " " .. name)
      end
    end
  end
  for _, stream in ipairs { true, false } do
    local bytes = read("indices_old.h5", "deep", stream):mul(255):round():reshape(-1):totable()
    for i = 1, 1200 do lu.assertEquals(bytes[i], (i - 1) % 256) end
  end
end

function TestStream:test_an_epoch_has_every_sample_once()
  local s = streamed()
  local seen, first, others = {}, {}, 0
  local all = s.train:tensors():reshape(N, 64)
  local index = {}
  for i, row in ipairs(all:select(2, 1):totable()) do index[row] = i end
  for epoch = 1, 2 do
    local count = 0
    for x in s.train:batches(64, { shuffle = true, seed = 1, epoch = epoch }) do
      for _, v in ipairs(x:reshape(x:size(1), 64):select(2, 1):totable()) do
        count = count + 1
        seen[index[v]] = (seen[index[v]] or 0) + 1
        if epoch == 1 then first[count] = index[v] elseif first[count] ~= index[v] then others = others + 1 end
      end
    end
  end
  for i = 1, N do lu.assertEquals(seen[i], 2) end
  lu.assertTrue(others > N * 0.9)          -- another order in the next epoch
  local sorted = 0
  for i = 2, N do sorted = sorted + (first[i] == first[i - 1] + 1 and 1 or 0) end
  lu.assertTrue(sorted < N // 4)
end

-- In the order of the file a stream trains to the bits of the set in memory.
function TestStream:test_without_shuffling_the_bits_are_those_of_memory()
  local model, trainer = trainer_of(data.hdf5(path).train, { shuffle = false })
  for epoch = 1, 2 do trainer:run(epoch, 1, 42) end
  local expected = weights(model)
  model, trainer = trainer_of(streamed().train, { shuffle = false })
  for epoch = 1, 2 do trainer:run(epoch, 1, 42) end
  lu.assertEquals(weights(model), expected)
end

function TestStream:test_the_same_bits_for_any_threads_and_cuts()
  local function run(threads, pieces)
    core.system.threads(threads)
    local model, trainer = trainer_of(streamed():standardize().train)
    for epoch = 1, 2 do
      local at = 1
      for _, n in ipairs(pieces) do
        trainer:run(epoch, at, n)
        at = at + n
      end
    end
    return weights(model)
  end
  local expected = run(1, { 42 })
  lu.assertEquals(run(2, { 42 }), expected)
  lu.assertEquals(run(3, { 1, 20, 21 }), expected)
  -- resumed in the middle, by a trainer that has read nothing before
  local model, trainer, optimizer = trainer_of(streamed():standardize().train)
  trainer:run(1, 1, 30)
  local again = core.trainer.new { model = model, loss = nn.CrossEntropy(), optimizer = optimizer, batch_size = 24,
    seed = 7, data = streamed():standardize().train }
  again:run(1, 31, 12)
  again:run(2, 1, 42)
  lu.assertEquals(weights(model), expected)
end

-- With a batch smaller than the team some members take no sample: whoever waits for one must read it.
function TestStream:test_first_batches_of_one_sample()
  core.system.threads(0)
  local split = streamed().train:read()
  local zeros = pl.zeros(1, 4)
  for seed = 1, 60 do
    local _, trainer = trainer_of(split, { batch_size = 1, seed = seed, outputs = "logits",
      loss = function() return 0, zeros end })
    trainer:run(1, 1, 1)
    if seed % 20 == 0 then collectgarbage() end
  end
end

function TestStream:test_a_batch_larger_than_a_window()
  core.streams.set_window(1024)
  local model, trainer = trainer_of(streamed().train, { batch_size = 400 })
  trainer:run(1, 1, 3)
  local expected = weights(model)
  core.system.threads(1)
  model, trainer = trainer_of(streamed().train, { batch_size = 400 })
  trainer:run(1, 1, 3)
  lu.assertEquals(weights(model), expected)
end

function TestStream:test_an_experiment_is_resumed_to_the_same_bits()
  local function experiment()
    return pl.experiment { name = "streamed", seed = 1, data = streamed(), batch_size = 32, loss = nn.CrossEntropy(),
      model = nn.Sequential { nn.Flatten(), nn.Linear(64, 4) }, optimizer = optim.Adam { lr = 0.01 }, epochs = 4,
      validation = 0.1, test = "end" }
  end
  local whole = experiment():run { quiet = true, out = scratch .. "/whole" }
  experiment():run { quiet = true, out = scratch .. "/cut", epochs = 2 }
  local cut = experiment():run { quiet = true, out = scratch .. "/cut" }
  lu.assertEquals(cut.history.val_loss[4], whole.history.val_loss[4])
  lu.assertEquals(weights(assert(nn.load(scratch .. "/cut"))), weights(assert(nn.load(scratch .. "/whole"))))
end

local function photos()
  for k, class in ipairs { "cat", "dog" } do
    assert(pl.store.mkdir(("%s/photos/%s"):format(scratch, class)))
    for i, name in ipairs { "rgb.png", "gray.png", "rgb.jpg", "palette.png" } do
      local from <close> = assert(io.open(golden .. name, "rb"))
      local to <close> = assert(io.open(("%s/photos/%s/%d%s"):format(scratch, class, i * k, name:match "%.%w+$"), "wb"))
      to:write(from:read "a")
    end
  end
  return scratch .. "/photos"
end

function TestStream:test_pictures()
  core.streams.set_window(300)
  local folder = photos()
  local s, m = data.images { folder, size = 8, stream = true }, data.images { folder, size = 8 }
  lu.assertEquals({ s.train.count, s.shape, s.labels }, { 8, { 8, 8, 3 }, { "cat", "dog" } })
  local x, y = s.train:tensors()
  local mx, my = m.train:tensors()
  lu.assertTrue(x:equal(mx) and y:equal(my))
  local sum = s.train.sha256
  os.remove(folder .. "/dog/2.png")
  fails("dog/2.png", function() return s.train:tensors() end)
  lu.assertNotEquals(data.images { folder, size = 8, stream = true }.train.sha256, sum)
end

-- A file that is written anew while it is read, with as many bytes, is noticed: nothing of it is mixed in in silence.
function TestStream:test_a_file_that_changes_ends_what_reads_it()
  local copy = scratch .. "/changed.h5"
  assert(pl.save(copy, { x = pl.zeros(N, 64), y = pl.zeros({ N }, "i32") }))
  assert(pl.save(scratch .. "/other.h5", { x = pl.ones(N, 64), y = pl.zeros({ N }, "i32") }))
  local evaluated = data.hdf5({ copy, labels = 4, stream = true }).train
  local _, trainer = trainer_of(data.hdf5({ copy, labels = 4, stream = true }).train)
  trainer:run(1, 1, 42)
  assert(os.execute(("cat %s/other.h5 >%s"):format(scratch, copy)))
  fails("'x' of " .. copy .. " was changed while it was read", trainer.run, trainer, 2, 1, 42)
  fails("was changed while it was read", evaluated.tensors, evaluated)
end

-- A file that is cut off while a training reads it ends the training with its name.
function TestStream:test_what_cannot_be_read_ends_a_training()
  local copy = scratch .. "/cut.h5"
  assert(pl.save(copy, { x = pl.rand(12000, 1024), y = pl.zeros({ 12000 }, "i32") }))   -- in several chunks
  local from <close> = assert(io.open(copy, "rb"))
  local bytes = from:read "a"
  local function write(text)
    local file <close> = assert(io.open(copy, "wb"))
    file:write(text)
  end
  local d = data.hdf5 { copy, labels = 4, stream = true }
  d.train:read()
  local _, trainer = trainer_of(d.train, nil, 1024)
  write(bytes:sub(1, #bytes // 3))
  fails("cut.h5", trainer.run, trainer, 1, 1, 500)
  local model = nn.Sequential { nn.Linear(1024, 4) }
  model:build { 1024 }
  fails("cut.h5", model.evaluate, model, d.train)
end

-- A chunk that is read to its place is held against its sum: when all is read, and in a training.
function TestStream:test_a_damaged_chunk_is_an_error()
  local copy = scratch .. "/damaged.h5"
  local d = pl.rand(300, 64)
  assert(pl.save(copy, { x = d, y = pl.zeros({ 300 }, "i32") }))
  local from <close> = assert(io.open(copy, "rb"))
  local bytes = from:read "a"
  local row = {}
  for i, v in ipairs(d:slice(1, 200, 200):reshape(-1):totable()) do row[i] = string.pack("<f", v) end
  local at = assert(bytes:find(table.concat(row), 1, true))
  assert(os.execute(("cp -p %s %s/time"):format(copy, scratch)))
  local stream, info = core.streams.hdf5(copy, "x")
  local split = data.hdf5({ copy, labels = 4, stream = true }).train
  split:read()
  local _, trainer = trainer_of(split)
  local file <close> = assert(io.open(copy, "wb"))
  file:write(bytes:sub(1, at + 9), string.char(bytes:byte(at + 10) ~ 64), bytes:sub(at + 11))
  file:flush()
  assert(os.execute(("touch -r %s/time %s"):format(scratch, copy)))      -- by its time it is as it was
  local t, message = core.streams.read(stream, info)
  lu.assertNil(t)
  lu.assertStrContains(message, "its sum is not that of its bytes")
  fails("its sum is not that of its bytes", trainer.run, trainer, 1, 1, 3)
end

-- Images of bytes have a channel, also where the file names none, and a number a sample one feature.
function TestStream:test_shapes_are_those_of_the_set_in_memory()
  local file = scratch .. "/shapes.h5"
  assert(pl.save(file, { images = pl.zeros({ 4, 3, 2 }, "u8"), series = pl.rand(4, 3, 2), numbers = pl.rand(4) }))
  for name, shape in pairs { images = { 3, 2, 1 }, series = { 3, 2 }, numbers = { 1 } } do
    for _, stream in ipairs { false, true } do
      lu.assertEquals(data.hdf5({ file, x = name, stream = stream }).train.shape, shape)
    end
  end
end

-- Default names need not be there; what is there must be readable, and is not passed over in silence.
function TestStream:test_messages()
  fails("images.h5 has no 'nothing'", streamed, { x = "nothing" })
  assert(pl.save(scratch .. "/group.h5", { x = pl.rand(4, 2), test_x = { a = pl.rand(4, 2) } }))
  fails("option 'test_x': 'test_x' of", data.hdf5, { scratch .. "/group.h5", stream = true })
  fails("cannot open", data.hdf5, { scratch .. "/nowhere.h5", stream = true })
  fails("a streamed data set is not resized", function() return streamed():resize(4).train:tensors() end)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
