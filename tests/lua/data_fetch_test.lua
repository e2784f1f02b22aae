-- `perilune data fetch` against a server on loopback: verified, resumed, the next mirror after a failure.
local lu = require "luaunit"
local core = require "perilune.core"
local fetch = require "perilune.data.fetch"
local registry = require "perilune.data.registry"
local store = core.store

local scratch = dofile "tests/lua/support_scratch.lua" "data_fetch_test"
local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
assert(store.mkdir(scratch .. "/served"))

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local served = { ["train-images"] = ("train images "):rep(500), ["train-labels"] = ("train labels"):rep(50),
  ["test-images"] = "test images",
  ["test-labels"] = "test labels" }
local files = {}
for name, bytes in pairs(served) do
  write(("%s/served/%s"):format(scratch, name), bytes)
  files[(name:gsub("-", "_"))] = { name = name, sha256 = store.sha256(bytes) }
end
registry[#registry + 1] = { name = "toy", title = "toy", train = 1, test = 1, shape = { 1 }, labels = { "0" },
  mirrors = {}, files = files }

-- Those of the registry and those whose files have a format of their own, in order.
local function known_names()
  local names = {}
  for _, list in ipairs { registry, require "perilune.data.named".entries } do
    for _, entry in ipairs(list) do names[#names + 1] = entry.name end
  end
  return names
end

local server = os.execute "python3 -c '' 2>/dev/null"
  and io.popen(("exec python3 '%s' '%s/served' 2>&1"):format(here .. "http_server.py", scratch))
local port = server and server:read "l"
local base = ("http://127.0.0.1:%s"):format(port)

-- Fetches toy from these mirrors into an own folder: ok, message, the lines said, the folder.
local turn = 0
local function run(mirrors, prepare)
  lu.skipIf(not port, "python3 is needed for a server on loopback")
  turn = turn + 1
  os.remove(scratch .. "/served/requests")
  local said, to = {}, ("%s/%d"):format(scratch, turn)
  assert(store.mkdir(to .. "/toy"))
  if prepare then prepare(to .. "/toy") end
  for i, name in ipairs(mirrors) do mirrors[i] = base .. "/" .. name end
  local ok, message = fetch.fetch("toy", { mirrors = mirrors, to = to, say = function(line)
    said[#said + 1] = line
  end })
  return ok, message, table.concat(said, "\n"), to .. "/toy"
end

-- What the server was asked for: "/ok/train-images.gz 0" and so on.
local function requests()
  return store.exists(scratch .. "/served/requests") and read(scratch .. "/served/requests") or ""
end

local function assert_whole(folder)
  local names = {}
  for name, bytes in pairs(served) do
    lu.assertEquals(core.data.file_sha256(("%s/%s.gz"):format(folder, name), true), store.sha256(bytes))
    names[#names + 1] = name .. ".gz"
  end
  table.sort(names)
  lu.assertEquals(store.listdir(folder), names)
end

TestFetch = {}

function TestFetch:test_fetches_and_verifies()
  local folder, message, said, expected = run { "ok" }
  lu.assertNil(message)
  lu.assertEquals(folder, expected)
  assert_whole(folder)
  lu.assertStrContains(said, folder .. "/train-images.gz  verified")
end

function TestFetch:test_what_is_there_is_not_fetched_again()
  local folder = run { "ok" }
  os.remove(scratch .. "/served/requests")
  local lines = {}
  lu.assertEquals(fetch.fetch("toy", { mirrors = { base .. "/ok" }, to = folder:match "^(.*)/",
    say = function(l) lines[#lines + 1] = l end }), folder)
  lu.assertEquals(requests(), "")
  lu.assertStrContains(table.concat(lines, "\n"), "train-images.gz  is there")
end

function TestFetch:test_a_404_leads_to_the_next_mirror()
  local folder, _, said = run { "gone", "ok" }
  assert_whole(folder)
  lu.assertStrContains(said, "/gone/train-images.gz: the server answers 404")
end

function TestFetch:test_nobody_listens()
  local ok, message = run { "ok" }
  lu.assertTrue(ok ~= nil, message)
  local listener = { "http://127.0.0.1:1" }
  ok, message = fetch.fetch("toy", { mirrors = listener, to = scratch .. "/nobody", say = function() end })
  lu.assertNil(ok)
  lu.assertStrContains(message, "could not be fetched: http://127.0.0.1:1/")
end

function TestFetch:test_a_wrong_checksum_is_refused()
  local ok, message, _, folder = run { "wrong" }
  lu.assertNil(ok)
  lu.assertStrContains(message, "test-images could not be fetched: " .. base
    .. "/wrong/test-images.gz: its SHA-256 is ")
  lu.assertStrContains(message, "expected " .. store.sha256(served["test-images"]))
  lu.assertEquals(store.listdir(folder), {})
  assert_whole((run { "wrong", "ok" }))
end

function TestFetch:test_a_truncated_file_is_refused_and_gone_on_with()
  local ok, message = run { "cut" }
  lu.assertNil(ok)
  lu.assertStrContains(message, "/cut/test-images.gz: ")
  local folder = run { "cut", "ok" }
  assert_whole(folder)
  lu.assertStrMatches(requests(), ".*/cut/train%-images.gz 0\n/ok/train%-images.gz [1-9]%d*\n.*")
  ok, message = run { "short" }
  lu.assertNil(ok)
  lu.assertStrContains(message, "is damaged")
end

function TestFetch:test_resumes_what_an_earlier_attempt_left()
  local donor = run { "ok" }
  local part = read(donor .. "/train-images.gz")
  local folder = run({ "ok" }, function(to) write(to .. "/train-images.gz.part", part:sub(1, 20)) end)
  assert_whole(folder)
  lu.assertStrContains(requests(), "/ok/train-images.gz 20\n")
end

-- A server that knows no Range, a complete part, and a part with wrong bytes.
function TestFetch:test_resuming_what_cannot_be_resumed()
  local donor = run { "ok" }
  local part = read(donor .. "/train-images.gz")
  assert_whole((run({ "whole" }, function(to) write(to .. "/train-images.gz.part", part:sub(1, 20)) end)))
  assert_whole((run({ "ok" }, function(to) write(to .. "/train-images.gz.part", part) end)))
  assert_whole((run({ "ok" }, function(to) write(to .. "/train-images.gz.part", "wrong bytes") end)))
end

-- Two at once would write into the same file; whoever comes second says so, and the lock is gone in the end.
function TestFetch:test_one_at_a_time()
  local lock
  local ok, message, _, folder = run({ "ok" }, function(to) lock = assert(store.lock(to .. "/.lock")) end)
  lu.assertNil(ok)
  lu.assertStrMatches(message, "toy is not fetched twice at once: .*/toy/%.lock is held by process %d+")
  lu.assertEquals(requests(), "")
  lock:release()
  lu.assertEquals(store.listdir(folder), {})
  assert_whole((run { "ok" }))
end

function TestFetch:test_follows_redirections() assert_whole((run { "moved" })) end

-- Where data sets are looked for: in the folder that the environment names, if it does.
function TestFetch:test_the_folder()
  local locate = require "perilune.data.locate"
  for _, case in ipairs { { "/a", "/x", "/a" }, { "", "/x", "/x/perilune" }, { nil, "/x", "/x/perilune" },
    { nil, nil, "/home/.local/share/perilune" } } do
    local environment = { PERILUNE_DATA = case[1], XDG_DATA_HOME = case[2], HOME = "/home" }
    locate.getenv = function(name) return environment[name] end
    local found = locate.destination()
    locate.getenv = os.getenv
    lu.assertEquals(found, case[3])
  end
end

function TestFetch:test_errors()
  local ok, message = fetch.fetch "mnits"
  lu.assertNil(ok)
  lu.assertEquals(message, "there is no data set 'mnits', did you mean 'mnist'?; there are: " ..
    table.concat(known_names(), ", "))
  ok, message = fetch.fetch("toy", { to = "/proc/nowhere", say = function() end })
  lu.assertNil(ok)
  lu.assertStrContains(message, "/proc/nowhere")
end

function TestFetch:test_only_http()
  local ok, message = core.data.download("file:///etc/hostname", scratch .. "/hostname")
  lu.assertNil(ok)
  lu.assertStrContains(message, "file:///etc/hostname: ")
  lu.assertEquals(read(scratch .. "/hostname"), "")
end

function TestFetch:test_list_names_every_data_set()
  local names = {}
  for i, entry in ipairs(fetch.list()) do names[i] = entry.name end
  lu.assertEquals(names, known_names())
  for _, name in ipairs { "mnist", "fashion_mnist", "kmnist", "toy", "emnist", "qmnist", "cifar10", "cifar100" } do
    lu.assertTableContains(names, name)
  end
end

local status = lu.LuaUnit.run("-o", "tap")
if port then
  core.data.download(base .. "/quit", scratch .. "/quit")
  server:close()
end
os.exit(status, true)
