-- Data sets published as archives: fetched from a server on loopback, verified, unpacked; and archives that are damaged
-- or hostile.
local lu = require "luaunit"
local core = require "perilune.core"
local fetch = require "perilune.data.fetch"
local named = require "perilune.data.named"
local published = require "perilune.data.published"
local store = core.store

local scratch = dofile "tests/lua/support_scratch.lua" "data_archive_test"
require "perilune.data.locate".getenv = function(name) return name == "PERILUNE_DATA" and scratch .. "/home" or nil end
local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local served = scratch .. "/served"
assert(store.mkdir(served))
local python = os.execute(("python3 '%smake_archives.py' '%s' 2>/dev/null"):format(here, served))
local server = python and io.popen(("exec python3 '%shttp_server.py' '%s' 2>&1"):format(here, served))
local port = server and server:read "l"
local can_unpack, why = core.data.unpack()

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function needs()
  lu.skipIf(not port, "python3 is needed for archives and a server on loopback")
  lu.skipIf(not can_unpack, why)
end

local turn = 0
local function fresh()
  turn = turn + 1
  local folder = ("%s/%d"):format(scratch, turn)
  assert(store.mkdir(folder .. "/toy"))
  return folder
end

TestUnpack = {}

-- Unpacks in/a.bin and in/b.bin: ok, message, the folder.
local function unpack(archive, members, most)
  needs()
  local folder = fresh() .. "/toy"
  local ok, message = core.data.unpack(served .. "/" .. archive, folder, nil, members or { "in/a.bin", "in/b.bin" },
    most or 100000)
  return ok, message, folder
end

local function assert_whole(folder, ending)
  lu.assertEquals(store.listdir(folder), { "a.bin" .. (ending or ""), "b.bin" .. (ending or "") })
  if ending then return end
  for _, name in ipairs { "a.bin", "b.bin" } do
    lu.assertTrue(read(folder .. "/" .. name) == read(served .. "/" .. name), name)
  end
end

function TestUnpack:test_tar_and_zip()
  for _, archive in ipairs { "good.tar.gz", "dotted.tar.gz", "good.zip", "linked_folder.tar.gz" } do
    local ok, message, folder = unpack(archive)
    lu.assertEquals({ archive, ok, message }, { archive, true })
    assert_whole(folder)
  end
end

-- Paths of the archive are never followed: what is asked for goes under its last name, the rest nowhere.
function TestUnpack:test_nothing_is_written_elsewhere()
  for _, archive in ipairs { "outside.tar.gz", "outside.zip" } do
    local ok, message, folder = unpack(archive)
    lu.assertEquals({ archive, ok, message }, { archive, true })
    assert_whole(folder)
  end
  local ok, message, folder = unpack "traversal.tar.gz"
  lu.assertEquals({ ok, store.listdir(folder) }, { nil, {} })
  lu.assertStrContains(message, "traversal.tar.gz holds no in/a.bin")
  for _, place in ipairs { scratch, served, folder:match "^(.*)/" } do
    lu.assertNil(store.exists(place .. "/outside"))
  end
end

function TestUnpack:test_all_or_none()
  local words = {
    ["missing.tar.gz"] = "holds no in/b.bin", ["missing.zip"] = "holds no in/b.bin",
    ["twice.tar.gz"] = "holds in/a.bin twice", ["symlink.tar.gz"] = "in/a.bin is no file there",
    ["hardlink.tar.gz"] = "in/a.bin is no file there", ["device.tar.gz"] = "in/a.bin is no file there",
    ["damaged.tar.gz"] = "is damaged: ", ["damaged.zip"] = "is damaged: ", ["truncated.tar.gz"] = "is damaged: ",
    ["truncated.zip"] = "is damaged: ", ["text.tar.gz"] = "is damaged: ", ["nowhere.zip"] = "cannot read ",
    ["empty.tar.gz"] = "empty.tar.gz ",
    ["bomb.tar.gz"] = "unpacks to more than 100000 bytes", ["bomb.zip"] = "unpacks to more than 100000 bytes",
    ["bomb_beside.tar.gz"] = "unpacks to more than 100000 bytes", ["many.tar.gz"] = "unpacks to more than 100000 bytes",
  }
  for archive, text in pairs(words) do
    local ok, message, folder = unpack(archive)
    lu.assertEquals({ archive, ok, store.listdir(folder) }, { archive, nil, {} })
    lu.assertStrContains(message, served .. "/" .. archive)
    lu.assertStrContains(message, text)
    lu.assertNotStrContains(message, "\n")
  end
end

-- Whatever byte is lost, there is an error or the right files, never a part of them.
function TestUnpack:test_cut_anywhere()
  needs()
  for _, archive in ipairs { "good.tar.gz", "good.zip" } do
    local bytes = read(served .. "/" .. archive)
    for length = 0, #bytes - 1, 97 do
      write(served .. "/cut", bytes:sub(1, length))
      local ok, message, folder = unpack "cut"
      if ok then assert_whole(folder)
      else lu.assertEquals({ type(message), store.listdir(folder) }, { "string", {} }) end
    end
  end
end

function TestUnpack:test_cannot_write_and_stopped()
  needs()
  local ok, message = core.data.unpack(served .. "/good.zip", "/proc/nowhere", nil, { "in/a.bin" }, 1e6 // 1)
  lu.assertNil(ok)
  lu.assertStrContains(message, "cannot write /proc/nowhere/a.bin.part: ")
  local folder = fresh() .. "/toy"
  for _, progress in ipairs { function() return false end, function() error "no" end } do
    ok, message = core.data.unpack(served .. "/good.zip", folder, progress, { "in/a.bin", "in/b.bin" }, 1000000)
    lu.assertEquals({ ok, message }, { nil, "stopped; " .. served .. "/good.zip is kept" })
    lu.assertEquals(store.listdir(folder), {})
  end
end

TestFetchArchive = {}

-- The data set toy, published as this archive.
local function publish(archive, ending, unpacked)
  local entry = named.entry "toy"
  if not entry then
    entry = { name = "toy", title = "toy", train = 1, test = 1, source = archive, inside = "in" }
    named.entries[#named.entries + 1] = entry
  end
  entry.files = { train = { "a.bin" .. (ending or "") }, test = { "b.bin" .. (ending or "") } }
  entry.sizes = ending and {} or { train = 3000, test = 5000 }
  published.toy = { mirrors = {}, bytes = 10000, unpacked = unpacked or 100000,
    archive = { name = archive, sum = core.data.file_sha256(served .. "/" .. archive) } }
end

-- Fetches toy: ok, message, lines, the folder that was fetched to.
local function run(kinds, to)
  needs()
  os.remove(served .. "/requests")
  local said, mirrors = {}, {}
  to = to or fresh()
  for i, kind in ipairs(kinds) do mirrors[i] = ("http://127.0.0.1:%s/%s"):format(port, kind) end
  local ok, message = fetch.fetch("toy", { mirrors = mirrors, to = to, say = function(line)
    said[#said + 1] = line
  end })
  return ok, message, table.concat(said, "\n"), to .. "/toy"
end

local function requests() return store.exists(served .. "/requests") and read(served .. "/requests") or "" end

function TestFetchArchive:test_verified_unpacked_and_deleted()
  needs()
  for archive, ending in pairs { ["good.tar.gz"] = false, ["good.zip"] = false, ["inner.zip"] = ".gz" } do
    publish(archive, ending or nil)
    local ok, message, said, folder = run { "plain" }
    lu.assertEquals({ ok, message }, { folder .. "/in" })
    assert_whole(folder .. "/in", ending or nil)
    lu.assertEquals(store.listdir(folder), { "in" })
    lu.assertStrContains(said, "toy: fetching 0 MB to " .. folder .. "; it unpacks to at most 0 MB")
    lu.assertStrContains(said, archive .. "  verified (SHA-256)")
    lu.assertStrContains(said, folder .. "/in  unpacked, 2 files")
    ok, _, said = run({ "plain" }, folder:match "^(.*)/")
    lu.assertEquals({ ok, said, requests() }, { folder .. "/in", "toy is in " .. folder .. "/in", "" })
  end
end

function TestFetchArchive:test_a_wrong_sum_is_not_unpacked()
  needs()
  publish "good.tar.gz"
  local ok, message, _, folder = run { "plainwrong" }
  lu.assertNil(ok)
  lu.assertStrContains(message, "good.tar.gz could not be fetched: http://")
  lu.assertStrContains(message, "/plainwrong/good.tar.gz: its SHA-256 is ")
  lu.assertEquals(store.listdir(folder), {})
end

function TestFetchArchive:test_an_interrupted_fetch_is_resumed()
  needs()
  publish "good.tar.gz"
  local ok, _, _, folder = run { "plaincut" }
  lu.assertNil(ok)
  lu.assertEquals(store.listdir(folder), { "good.tar.gz.part" })
  ok = run({ "plain" }, folder:match "^(.*)/")
  lu.assertEquals(ok, folder .. "/in")
  lu.assertStrMatches(requests(), "/plain/good.tar.gz [1-9]%d*\n")
  assert_whole(folder .. "/in")
end

-- Stopped while it unpacked: the archive is there, and of its files some, or parts.
function TestFetchArchive:test_an_interrupted_unpacking_is_done_again()
  needs()
  publish "good.tar.gz"
  local to = fresh()
  assert(store.mkdir(to .. "/toy/in"))
  write(to .. "/toy/good.tar.gz", read(served .. "/good.tar.gz"))
  write(to .. "/toy/in/a.bin", read(served .. "/a.bin"))
  write(to .. "/toy/in/b.bin.part", "part")
  local ok, _, said = run({ "plain" }, to)
  lu.assertEquals({ ok, requests() }, { to .. "/toy/in", "" })
  lu.assertStrContains(said, "good.tar.gz  is there")
  assert_whole(ok)
end

function TestFetchArchive:test_a_file_that_is_not_whole_is_fetched_again()
  needs()
  for archive, ending in pairs { ["good.tar.gz"] = "", ["inner.zip"] = ".gz" } do
    publish(archive, ending ~= "" and ending or nil)
    local _, _, _, folder = run { "plain" }
    local path = folder .. "/in/b.bin" .. ending
    write(path, read(path):sub(1, 1000))
    local ok, message, said = run({ "plain" }, folder:match "^(.*)/")
    lu.assertEquals({ ok, message }, { folder .. "/in" })
    lu.assertStrContains(said, path .. " is not whole and will be fetched again: ")
    assert_whole(ok, ending ~= "" and ending or nil)
  end
end

-- Of what lies elsewhere nothing is overwritten.
function TestFetchArchive:test_a_wrong_file_elsewhere_is_named()
  needs()
  publish "good.tar.gz"
  assert(store.mkdir(scratch .. "/home/toy"))
  write(scratch .. "/home/toy/a.bin", "short")
  local ok, message = fetch.fetch("toy", { say = function() end })
  lu.assertNil(ok)
  lu.assertEquals(message, scratch .. "/home/toy/a.bin is not the published file: it has 5 bytes, expected 3000; " ..
    "delete it and fetch again")
  os.remove(scratch .. "/home/toy/a.bin")
end

function TestFetchArchive:test_damaged_and_hostile_archives_with_the_right_sum()
  needs()
  for _, archive in ipairs { "damaged.zip", "missing.tar.gz", "bomb.tar.gz", "symlink.tar.gz", "text.tar.gz" } do
    publish(archive)
    local ok, message, _, folder = run { "plain" }
    lu.assertNil(ok)
    lu.assertStrContains(message, archive)
    lu.assertEquals(store.listdir(folder .. "/in"), {})
  end
end

function TestFetchArchive:test_the_space_is_asked_for_first()
  needs()
  publish("good.tar.gz", nil, 1 << 60)
  local ok, message, _, folder = run { "plain" }
  lu.assertEquals({ ok, requests() }, { nil, "" })
  lu.assertStrMatches(message, "toy needs 1152921504607 MB in " .. folder:gsub("%p", "%%%0") ..
    ", where %d+ MB are free")
end

-- What is published of each: sums of 64 digits, and every file that is read is fetched.
function TestFetchArchive:test_the_table()
  for _, name in ipairs { "emnist", "qmnist", "cifar10", "cifar100" } do
    local from, entry = published[name], named.entry(name)
    lu.assertTrue(#from.mirrors > 0 and from.bytes > 0)
    local fetched = {}
    for _, file in pairs(from.files or { from.archive }) do
      lu.assertStrMatches(file.sum or file.gz_sha256, ("%x"):rep(64))
      fetched[file.name] = true
    end
    for _, file in ipairs(from.archive and named.members(entry) or {}) do
      fetched[file.name:gsub("%.gz$", "")] = true
    end
    for _, part in ipairs { "train", "test" } do
      for _, way in ipairs(name == "emnist" and { "balanced", "byclass", "letters", "mnist" } or { "" }) do
        for _, file in ipairs(named.files_of(entry, part, way)) do lu.assertTrue(fetched[file], file) end
      end
    end
  end
  lu.assertEquals(#named.members(named.entry "emnist"), 24)
end

local status = lu.LuaUnit.run("-o", "tap")
if port then
  core.data.download(("http://127.0.0.1:%s/quit"):format(port), scratch .. "/quit")
  server:close()
end
os.exit(status, true)
