-- Local heaps whose free blocks are no list, and indices that are no tree, in which libhdf5 goes round until memory or
-- the stack ends: refused, read at once or as a stream. All is read by another process, whose memory and time are
-- limited.
local lu = require "luaunit"
local store = require "perilune.core".store
local scratch = dofile "tests/lua/support_scratch.lua" "hdf5_circles_test"

local NO_LIST = "the free blocks of a heap of names are no list"
local sanitized = (os.getenv "SANITIZE" or "") ~= ""     -- sanitizers reserve address space: it is no limit then
local limits = "ulimit -t 20; " .. (sanitized and "" or "ulimit -v 4000000; ")

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(name, text)
  local path = scratch .. "/" .. name
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

local reader = write("reader.lua", [=[
local pl = require "perilune"
local ways = {
  foreign = function() return assert(pl.load(arg[1], { foreign = true })) end,
  own = function() return assert(pl.load(arg[1])) end,
  once = function() return pl.data.hdf5 { arg[1], x = arg[3], y = arg[3], foreign = true }.train:tensors() end,
  stream = function() return pl.data.hdf5 { arg[1], x = arg[3], y = arg[3], stream = true }.train:tensors() end,
}
local ok, message = pcall(ways[arg[2]])
print(ok and "read" or message)
]=])

local function outcome(text, way, name)
  local path = write("circles.h5", text)
  local pipe <close> = assert(io.popen(("%s%s/perilune %s %s %s %s 2>&1"):format(limits, os.getenv "BUILD" or "build",
    reader, path, way, name or "x")))
  return pipe:read "a"
end

local function put(text, at, bytes) return text:sub(1, at) .. bytes .. text:sub(at + #bytes + 1) end

-- Each heap with free blocks: where it begins (from 0), the format of a number, its size, first block, data's address.
local function heaps(text, number)
  local found, from = {}, 1
  while true do
    local at = text:find("HEAP\0", from, true)
    if not at then return found end
    local size, first, address = ("<" .. number .. number .. "I8"):unpack(text, at + 8)
    if first > 1 then
      found[#found + 1] = { at = at - 1, number = "<" .. number, size = size, first = first, data = address }
    end
    from = at + 1
  end
end

-- The first free block leads to itself.
local function circle(text, heap) return put(text, heap.data + heap.first, heap.number:pack(heap.first)) end

-- The first block begins so near to the data's end that its size is outside, and leads to itself.
local function outside(text, heap)
  local first = heap.number:pack(heap.size - 8)
  return put(put(text, heap.at + 16, first), heap.data + heap.size - 8, first)
end

TestHeaps = {}

function TestHeaps:test_circles_in_each_heap_of_a_file()
  local text = read "tests/golden/lenet5_keras.h5"
  local found = heaps(text, "I8")
  lu.assertTrue(#found > 10)
  lu.assertEquals(outcome(text, "foreign"), "read\n")
  for i, heap in ipairs(found) do
    local user_block = i % 2 == 0 and ("\0"):rep(512) or ""
    lu.assertStrContains(outcome(user_block .. circle(text, heap), "foreign"), NO_LIST)
  end
  lu.assertStrContains(outcome(put(text, 12449, "\0"), "foreign"), NO_LIST)     -- data said to lie elsewhere
end

function TestHeaps:test_streams()
  local text, name = read "tests/golden/readers/sets.h5", "shuffle"
  local heap = heaps(text, "I8")[1]
  for _, user_block in ipairs { "", ("\0"):rep(512) } do
    lu.assertEquals(outcome(user_block .. text, "stream", name), "read\n")
    lu.assertStrContains(outcome(user_block .. circle(text, heap), "stream", name), NO_LIST)
    lu.assertStrContains(outcome(user_block .. outside(text, heap), "stream", name), NO_LIST)
  end
end

function TestHeaps:test_reserved_bytes_mean_nothing()
  local text = read "tests/golden/readers/sets.h5"
  local heap = heaps(text, "I8")[1]
  local reserved = put(text, heap.at + 5, "\1\2\3")
  lu.assertEquals(outcome(reserved, "foreign"), "read\n")
  lu.assertEquals(outcome(reserved, "stream", "shuffle"), "read\n")
  lu.assertStrContains(outcome(circle(reserved, heap), "foreign"), NO_LIST)
  lu.assertStrContains(outcome(circle(reserved, heap), "stream", "shuffle"), NO_LIST)
end

function TestHeaps:test_a_block_that_is_not_all_inside()
  local text = read "tests/golden/readers/sets.h5"
  lu.assertStrContains(outcome(outside(text, heaps(text, "I8")[1]), "foreign"), NO_LIST)
end

function TestHeaps:test_lengths_of_4_bytes()
  local text = read "tests/golden/readers/lengths4.h5"
  local damaged = circle(text, heaps(text, "I4")[1])
  for _, way in ipairs { "foreign", "stream" } do
    lu.assertEquals(outcome(text, way), "read\n")
    lu.assertStrContains(outcome(damaged, way), NO_LIST)
    lu.assertStrContains(outcome(put(text, 14, "\16"), way), "its lengths 16, where 2, 4 or 8 are read")
  end
end

-- A file whose digest is right was still not written by us.
function TestHeaps:test_files_that_begin_as_ours()
  local text = read "tests/golden/readers/sets.h5"
  local damaged = circle(text, heaps(text, "I8")[1])
  local head = "PERILUNE" .. ("<I4I4I8"):pack(1, 512, 512 + #damaged)
  local digest = store.sha256(head .. damaged):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)
  for _, way in ipairs { "foreign", "own" } do
    lu.assertStrContains(outcome(head .. digest .. ("\0"):rep(456) .. damaged, way), NO_LIST)
  end
end

TestTrees = {}

-- Of the index at `at`, whose keys have so many bytes, entry 0 leads to `child`, on a level above.
local function lead(text, at, key, child) return put(put(text, at + 5, "\1"), at + 24 + key, ("<I8"):pack(child)) end

-- The first node of a type, names (0) or chunks (1).
local function node(text, kind) return assert(text:find("TREE" .. string.char(kind) .. "\0", 1, true)) - 1 end

local function keys(kind) return kind == 0 and 8 or 32 end     -- of "chunked", which has two axes

function TestTrees:test_a_node_that_leads_to_itself()
  local text = read "tests/golden/readers/sets.h5"
  for kind = 0, 1 do
    local at = node(text, kind)
    for _, user_block in ipairs { "", ("\0"):rep(512) } do
      local damaged = user_block .. lead(text, at, keys(kind), at)
      for _, way in ipairs { "once", "stream" } do
        lu.assertStrContains(outcome(damaged, way, "chunked"), "an index leads to a node of a wrong level")
      end
    end
  end
end

-- Two entries of a new root lead to the same leaf, a copy behind the file's end.
function TestTrees:test_a_node_to_which_two_lead()
  local text = read "tests/golden/readers/sets.h5"
  for kind = 0, 1 do
    local at, key = node(text, kind), keys(kind)
    local leaf = text:sub(at + 1, at + 24 + 64 * (key + 8) + key)
    local last = leaf:sub(25 + leaf:byte(7) * (key + 8)):sub(1, key)
    local once = put(put(lead(text, at, key, #text), at + 6, "\1\0"), at + 24 + key + 8, last) .. leaf
    once = put(once, 40, ("<I8"):pack(#once))
    local twice = put(put(once, at + 6, "\2\0"), at + 24 + key + 8 + key, ("<I8"):pack(#text))
    for _, way in ipairs { "once", "stream" } do
      lu.assertEquals(outcome(once, way, "chunked"), "read\n")
      lu.assertStrContains(outcome(twice, way, "chunked"), "an index leads twice to the same place")
    end
  end
end

-- What is marked as open for writing may be half new and half old.
function TestTrees:test_files_that_are_being_written()
  local sound = read "tests/golden/readers/indices_new.h5"
  for flags, expected in pairs { [0] = "read\n", [1] = "still open for writing", [4] = "still open for writing" } do
    for _, way in ipairs { "once", "stream" } do
      local text = put(sound, 11, string.char(flags))
      lu.assertStrContains(outcome(text, way, "fixed"), expected)
    end
  end
end

-- Structures in an image of libhdf5's cache are not read by themselves, and so not checked.
function TestTrees:test_an_image_of_a_cache()
  local text = read "tests/golden/readers/cache_image.h5"
  for _, way in ipairs { "once", "stream" } do
    lu.assertStrContains(outcome(text, way, "fixed"), "holds an image of libhdf5's cache")
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
