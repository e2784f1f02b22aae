-- Files of each format that were damaged, 200 of each: read, or refused with one line; never a crash (make asan).
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"
local data, readers = pl.data, core.readers

local scratch = dofile "tests/lua/support_scratch.lua" "readers_damage_test"
local folder, NUMBER = "tests/golden/readers/", 200

local state = 12345
local function below(n)      -- a generator of its own: the same damage in every run
  state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
  return (state >> 30) % n
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- One to four of: a bit flipped, a byte replaced, a piece taken out or doubled, the end cut off.
local function damage(bytes)
  for _ = 1, 1 + below(4) do
    local at, how = 1 + below(#bytes), below(6)
    local n = math.min(1 + below(16), #bytes - at + 1)
    if how == 0 then bytes = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ (1 << below(8))) .. bytes:sub(at + 1)
    elseif how == 1 then bytes = bytes:sub(1, at - 1) .. string.char(below(256)) .. bytes:sub(at + 1)
    elseif how == 2 then bytes = bytes:sub(1, at - 1) .. bytes:sub(at + n)
    elseif how == 3 then bytes = bytes:sub(1, at + n - 1) .. bytes:sub(at)
    elseif how == 4 then bytes = bytes:sub(1, at - 1) .. ("\255"):rep(math.min(n, 8)) .. bytes:sub(at + math.min(n, 8))
    elseif #bytes > 40 then bytes = bytes:sub(1, at) end
    if bytes == "" then bytes = "x" end
  end
  return bytes
end

-- `try(path)`: reads the file; a value, or nil and a message, or an error.
local function check(names, try, suffix)
  local refused, originals = 0, {}
  for i, name in ipairs(names) do originals[i] = read(folder .. name) end
  for i = 1, NUMBER do
    local path = ("%s/damaged%s"):format(scratch, suffix or names[1]:match "%.%w+$")
    local file = assert(io.open(path, "wb"))
    file:write(damage(originals[1 + i % #names]))
    file:close()
    local ok, value, message = pcall(try, path)
    if not ok then message = tostring(value) end
    if not ok or value == nil then
      refused = refused + 1
      lu.assertIsString(message)
      lu.assertTrue(#message > 10 and #message < 600 and not message:find "\n", message)
      lu.assertNil(message:find "perilune/%w+/%w+%.lua", message)       -- a slip in the library's own Lua
    end
  end
  print(("# %d of %d refused"):format(refused, NUMBER))
  lu.assertTrue(refused > NUMBER // 8)
end

TestDamage = {}

function TestDamage:test_npy()
  check({ "f8_le_c.npy", "i2_be_f.npy", "u1_one_c.npy", "version2.npy", "special_f2.npy" }, readers.npy_read)
end

function TestDamage:test_npz()
  check({ "stored.npz", "deflated.npz" }, function(path)
    local d = data.npz { path, x = "images", y = "labels" }
    return d.train:tensors()
  end)
end

function TestDamage:test_csv()
  check({ "table.csv", "table_crlf.csv", "table_bom.csv", "table.csv.gz" }, function(path)
    return data.csv { path, target = "kind" }.train:tensors()
  end)
end

function TestDamage:test_idx()
  check({ "type08_2.idx", "type0b_6.idx", "type0e_2.idx" }, core.data.read_idx_tensor)
end

function TestDamage:test_hdf5()
  check({ "sets.h5" }, function(path)
    return data.hdf5 { path = path, x = "shuffle", y = "group/labels", foreign = true }.train:tensors()
  end)
  check({ "filters.h5" }, function(path)
    return data.hdf5 { path = path, x = "lzf_floats", y = "column", foreign = true }.train:tensors()
  end)
end

-- Texts of variable length, as Keras writes them: a byte of a reference, or of the collection that it leads to, which
-- libhdf5 1.10 follows into nowhere.
function TestDamage:test_hdf5_texts_of_variable_length()
  local path, bytes = scratch .. "/texts.h5", read "tests/golden/lenet5_keras.h5"
  local at = bytes:find("GCOL", 1, true)
  local address, places, from = ("<I8"):pack(at - 1), {}, 1
  for i = 0, 63 do places[#places + 1] = at + i end
  while true do
    local found = bytes:find(address, from, true)
    if not found then break end
    local length, _, index = ("<I4I8I4"):unpack(bytes, found - 4)
    for i = -4, 11 do
      if length > 0 and length < 1 << 16 and index > 0 and index < 256 then places[#places + 1] = found + i end
    end
    from = found + 1
  end
  lu.assertTrue(#places > 80)
  local function load(text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return pl.load(path, { foreign = true })
  end
  local refused = 0
  lu.assertNotNil(load(bytes))
  for _, value in ipairs { 0, 1, 127, 128, 255 } do
    for _, place in ipairs(places) do
      local t, message = load(bytes:sub(1, place - 1) .. string.char(value) .. bytes:sub(place + 1))
      if not t then
        refused = refused + 1
        lu.assertNil(message:find "\n", message)
      end
    end
  end
  lu.assertTrue(refused > 50)
end

-- As streams: where bytes lie is known from libhdf5, and what lies there is read without it.
function TestDamage:test_hdf5_streamed()
  for _, name in ipairs { "shuffle", "chunked", "type_be_f8" } do
    check({ "sets.h5" }, function(path)
      return data.hdf5 { path, x = name, y = name, stream = true }.train:tensors()
    end)
  end
  for _, name in ipairs { "lzf_runs", "lzf_floats", "deflate_runs" } do
    check({ "filters.h5" }, function(path)
      return data.hdf5 { path, x = name, y = "column", stream = true }.train:tensors()
    end)
  end
end

-- Of every chunk its length and the filters that it skipped: libhdf5 believes these and reads beyond what they make of
-- it. Refused, or the same values (not where shuffling was skipped, which leaves no trace, or a chunk lies elsewhere).
function TestDamage:test_hdf5_chunks()
  local NODE, SHUFFLED, SETS = "TREE\1", { shuffle = true, lzf_floats = true, sum_first = true }, {
    ["sets.h5"] = { "chunked", "gzip", "shuffle", "growable" },
    ["filters.h5"] = { "lzf_runs", "lzf_noise", "lzf_floats", "deflate_runs", "fletcher_runs",
      "scale_offset", "sum_first" },
  }
  local path, refused, tried = scratch .. "/chunk.h5", 0, 0
  local function values(file, name, stream)
    local labels = file:find "sets" and "group/labels" or "labels"
    return data.hdf5 { path, x = name, y = labels, stream = stream, foreign = not stream or nil }.train:tensors()
  end
  local function put(bytes)
    local file <close> = assert(io.open(path, "wb"))
    file:write(bytes)
  end
  for name, sets in pairs(SETS) do
    local bytes = read(folder .. name)
    put(bytes)
    local right = {}
    for _, set in ipairs(sets) do right[set] = values(name, set) end
    local node = bytes:find(NODE, 1, true)
    while node do
      local entries = string.unpack("<I2", bytes, node + 6)
      for at = node + 24, node + 24 + 40 * (entries - 1), 40 do   -- a key of 32 bytes (2 axes), an address
        for _, byte in ipairs { 0, 1, 4, 8 } do
          local i = at + byte
          put(bytes:sub(1, i - 1) .. string.char(bytes:byte(i) ~ 1) .. bytes:sub(i + 1))
          for _, set in ipairs(sets) do
            for _, stream in ipairs { false, true } do
              local ok, x = pcall(values, name, set, stream)
              tried, refused = tried + 1, refused + (ok and 0 or 1)
              lu.assertTrue(not ok or SHUFFLED[set] or byte == 8 or x:equal(right[set]), set)
              lu.assertTrue(ok or not tostring(x):find "\n", tostring(x))
            end
          end
        end
      end
      node = bytes:find(NODE, node + 1, true)
    end
  end
  print(("# %d of %d refused"):format(refused, tried))
  lu.assertTrue(refused > 100)
end

-- Two chunks of the same place, of which one is longer, whichever is found: libhdf5 finds them in two ways.
function TestDamage:test_hdf5_chunks_twice()
  local path, refused = scratch .. "/twice.h5", 0
  for name, sets in pairs { ["sets.h5"] = { "chunked", "gzip" }, ["filters.h5"] = { "lzf_runs", "lzf_noise" } } do
    local bytes = read(folder .. name)
    for node in bytes:gmatch "()TREE\1" do
      local entries = string.unpack("<I2", bytes, node + 6)
      for k = 1, entries - 1 do
        for _, length in ipairs { 1, 11, 4000 } do
          local from, to = node + 24 + 40 * (k - 1), node + 24 + 40 * k
          local file <close> = assert(io.open(path, "wb"))
          file:write(bytes:sub(1, to - 1), string.pack("<I4I4", length, 0), bytes:sub(from + 8, from + 31),
            bytes:sub(to + 32))
          file:close()
          for _, set in ipairs(sets) do
            for _, stream in ipairs { false, true } do
              local ok, message = pcall(data.hdf5, { path, x = set, stream = stream, foreign = not stream or nil })
              refused = refused + (ok and 0 or 1)
              lu.assertTrue(ok or not tostring(message):find "\n", tostring(message))
            end
          end
        end
      end
    end
  end
  lu.assertTrue(refused > 20)
end

-- What the scale-offset filter was told: how many elements a chunk has, and of how many bytes.
function TestDamage:test_hdf5_scale_offset()
  local bytes, path = read(folder .. "filters.h5"), scratch .. "/scale.h5"
  local told = bytes:find(string.pack("<I4I4I4I4I4", 2, 7, 7 * 25, 0, 4), 1, true)
  for _, at in ipairs { told + 8, told + 16 } do
    for _, value in ipairs { 1, 80, 1 << 30 } do
      local file <close> = assert(io.open(path, "wb"))
      file:write(bytes:sub(1, at - 1), string.pack("<I4", value), bytes:sub(at + 4))
      file:close()
      local _, message = pcall(data.hdf5, { path, x = "scale_offset", foreign = true })
      lu.assertStrContains(message, "was told of other chunks than it has")
    end
  end
end

-- A layout of another kind, in which nothing is stored of what the axes say: libhdf5 reads from nowhere.
function TestDamage:test_hdf5_layout()
  local bytes, path, tried, right = read(folder .. "filters.h5"), scratch .. "/layout.h5", 0, {}
  for _, name in ipairs { "runs", "noise", "floats", "flags" } do
    right[name] = data.hdf5({ folder .. "filters.h5", x = name, foreign = true }).train:tensors()
  end
  for at in bytes:gmatch "()\3\1" do   -- version 3, contiguous, becomes version 2, compact
    local file <close> = assert(io.open(path, "wb"))
    file:write(bytes:sub(1, at - 1), "\2", bytes:sub(at + 1))
    file:close()
    for _, stream in ipairs { false, true } do
      for _, name in ipairs { "runs", "noise", "floats", "flags" } do
        local ok, set = pcall(data.hdf5, { path, x = name, stream = stream, foreign = not stream or nil })
        tried = tried + (ok and 0 or 1)
        lu.assertTrue(ok or not tostring(set):find "\n", tostring(set))
        lu.assertTrue(not ok or set.train:tensors():equal(right[name]), name)
      end
    end
  end
  lu.assertTrue(tried >= 4)
end

-- A pipe would be waited for, for ever.
function TestDamage:test_a_named_pipe_is_no_file()
  local pipe = scratch .. "/pipe"
  assert(os.execute("mkfifo " .. pipe))
  for _, given in ipairs { { data.hdf5, { pipe, stream = true } }, { data.hdf5, { pipe } }, { data.csv, { pipe } },
    { data.npz, { pipe, x = "x" } }, { data.npz, { x = pipe } }, { core.data.idx_head, pipe } } do
    local ok, message = pcall(function() return assert(given[1](given[2])) end)
    lu.assertFalse(ok)
    lu.assertStrContains(tostring(message), "file")
    lu.assertStrContains(tostring(message), "pipe")
  end
end

function TestDamage:test_png()
  check({ "rgb.png", "gray.png", "bits.png", "palette.png", "alpha.png", "deep.png" }, function(path)
    return readers.picture(path, 3)
  end)
end

function TestDamage:test_jpeg()
  check({ "rgb.jpg", "gray.jpg", "progressive.jpg" }, function(path) return readers.picture(path, 1) end)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
