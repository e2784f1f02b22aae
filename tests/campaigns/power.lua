-- Power cuts. The system calls of a training's saves are recorded; then the disk is imagined after a cut at each of
-- them:
--
--   a file's bytes      are safe once the file was fsynced; of the unsynced ones nothing may be there, all, a part, or
--   zeros names in a folder   (made, renamed, removed) are safe once the folder was; of the unsynced changes any subset
--   may be there
--
-- (The log, which nothing reads back and which a training that goes on writes anew, counts for no state of its own.)
-- Each state is laid out as files and opened by the real reader: the checkpoint is whole, at least as new as the last
-- acknowledged step, and no file derived from it is newer. From some of them the training goes on, to the same bits.
local campaign = dofile "tests/campaigns/support.lua"
local calls_of = dofile "tests/campaigns/recorded_calls.lua"
local runfile = require "perilune.run.file"

local epochs = campaign.count(8, 2)
local go_on_every = campaign.count(15, 40)     -- states
local script = os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua"
local command = ("run %s --out run --quiet --checkpoint-every 0"):format(campaign.quote(script))
local store = require "perilune".store

local function weights(folder)
  local record = runfile.read(folder .. "/run.h5")
  return record and record.state.weights_sha256
end

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

-- The disk: descriptors; names as they are seen now, and as they are safe, with the changes since; inodes likewise.
local disk = { open = {}, names = {}, safe = {}, changes = {}, inodes = {} }

local function change(kind, path, inode, from)
  disk.changes[#disk.changes + 1] = { kind = kind, path = path, inode = inode, from = from }
end

local function apply(names, c)
  if c.from then names[c.from] = nil end
  names[c.path] = c.inode
end

local step = {}
function step.open(c)
  if c.how == "folder" then disk.open[c.fd] = { folder = c.path:gsub("/$", "") } return end
  local inode = disk.names[c.path]
  if not inode then
    inode = { safe = "", data = "", log = c.path:find "%.jsonl" }
    disk.inodes[#disk.inodes + 1] = inode
    disk.names[c.path] = inode
    change("open", c.path, inode)
  elseif c.how == "new" then inode.data = "" end
  disk.open[c.fd] = inode
end
function step.write(c)
  local inode = disk.open[c.fd]
  inode.data = inode.data .. c.data
end
function step.ftruncate(c) disk.open[c.fd].data = disk.open[c.fd].data:sub(1, c.size) end
function step.fsync(c)
  local opened = disk.open[c.fd]
  if not opened.folder then opened.safe = opened.data return end
  local left = {}
  for _, item in ipairs(disk.changes) do
    if folder_of(item.path) == opened.folder then apply(disk.safe, item) else left[#left + 1] = item end
  end
  disk.changes = left
end
function step.close(c) disk.open[c.fd] = nil end
function step.rename(c)
  local inode = disk.names[c.from]
  disk.names[c.from], disk.names[c.path] = nil, inode
  change("rename", c.path, inode, c.from)
end
function step.unlink(c)
  disk.names[c.path] = nil
  change("unlink", c.path)
end
function step.mkdir(c)
  disk.names[c.path] = "folder"
  change("mkdir", c.path, "folder")
end

-- What may be found of an inode's bytes: the safe ones, all, or a mixture of both, of zeros, and of lengths.
local function contents(inode)
  if inode.safe == inode.data then return { inode.data } end
  local cut = math.random(0, #inode.data)
  local sector = 512 * math.random(0, #inode.data // 512)
  return { inode.safe, inode.data, inode.data:sub(1, cut), ("\0"):rep(#inode.data),
    inode.data:sub(1, sector) .. ("\0"):rep(math.min(512, #inode.data - sector)) .. inode.data:sub(sector + 513) }
end

-- The subsets of the unsynced changes of names, in order: all when there are few, else a few of them.
local function subsets(changes)
  local list = {}
  local function take(chosen)
    local names = {}
    for path, inode in pairs(disk.safe) do names[path] = inode end
    for i, item in ipairs(changes) do
      if chosen(i) then apply(names, item) end
    end
    list[#list + 1] = names
  end
  if #changes <= 4 then
    for bits = 0, (1 << #changes) - 1 do take(function(i) return bits >> (i - 1) & 1 == 1 end) end
    return list
  end
  for last = 0, #changes do take(function(i) return i <= last end) end
  for _ = 1, 8 do take(function() return math.random() < 0.5 end) end
  return list
end

local function lay_out(names, bytes)
  os.execute("rm -rf " .. campaign.quote(campaign.folder .. "/run"))
  if names.run ~= "folder" then return end
  assert(store.mkdir(campaign.folder .. "/run"))
  for path, inode in pairs(names) do
    if inode ~= "folder" then campaign.write(path, bytes[inode]) end
  end
end

local seen, states, continued = {}, 0, 0
local acknowledged, expected = 0, nil

local steps = {}      -- by a file's bytes: those of most files are as they were a state before
local function step_of(name, where)
  local path = campaign.folder .. "/run/" .. name
  if not store.exists(path) then return 0 end
  local key = store.sha256(campaign.read(path))
  if not steps[key] then
    local whole, message = store.verify(path)
    local record = whole and runfile.read(path)
    campaign.check(record, "a power cut %s leaves a torn file: %s", where, message)
    steps[key] = record.state.step
  end
  return steps[key]
end

local function go_on(where)
  continued = continued + 1
  local r = campaign.run(("%s --epochs %d"):format(command, 2 * epochs))
  campaign.check(r.status == 0, "after a power cut %s the training does not go on: %s", where, r.err)
  campaign.check(weights(campaign.folder .. "/run") == expected,
    "after a power cut %s the training ends with other bits", where)
end

local function inspect(where)
  local kept = step_of("checkpoint.h5", where)
  campaign.check(kept >= acknowledged, "a power cut %s loses step %d, which was acknowledged: the checkpoint is " ..
    "of step %d", where, acknowledged, kept)
  for _, name in ipairs { "run.h5", "best.h5" } do
    campaign.check(step_of(name, where) <= kept, "a power cut %s leaves a %s newer than the checkpoint", where, name)
  end
end

local function cut(where)
  local choices, largest = {}, 1
  for _, inode in ipairs(disk.inodes) do
    choices[inode] = contents(inode)
    if inode.log then choices[inode] = { choices[inode][math.random(#choices[inode])] } end
    largest = math.max(largest, #choices[inode])
  end
  for _, names in ipairs(subsets(disk.changes)) do
    for which = 1, largest do
      local bytes, parts = {}, {}
      for path, inode in pairs(names) do
        if inode ~= "folder" then
          bytes[inode] = choices[inode][math.min(which, #choices[inode])]
          if not inode.log then parts[#parts + 1] = path .. "\0" .. bytes[inode] end
        end
      end
      table.sort(parts)
      local key = store.sha256(tostring(names.run) .. table.concat(parts, "\0\0")) .. acknowledged
      if not seen[key] then
        seen[key] = true
        states = states + 1
        lay_out(names, bytes)
        inspect(where)
        if states % go_on_every == 0 then go_on(where) end
      end
    end
  end
end

local reference = campaign.run(("%s --epochs %d"):format(command, 2 * epochs))
campaign.check(reference.status == 0, "the training fails: %s", reference.err)
expected = weights(campaign.folder .. "/run")
os.execute("rm -rf " .. campaign.quote(campaign.folder .. "/run"))

local environment = ("ACKNOWLEDGED=%s/record CAMPAIGN_RECORD=%s/record"):format(campaign.quote(campaign.folder),
  campaign.quote(campaign.folder))
for piece = 1, 2 do
  local r = campaign.run(("%s --epochs %d"):format(command, piece * epochs), environment,
    campaign.quote(campaign.faulty_program))
  campaign.check(r.status == 0, "the recorded training fails: %s", r.err)
end
local calls = calls_of(campaign.read(campaign.folder .. "/record"))
for i, call in ipairs(calls) do
  if call.kind == "ack" then acknowledged = call.step
  elseif call.kind ~= "failed" then
    step[call.kind](call)
    -- a write may also reach the disk in part although it was made: states with and without its bytes come before the
    -- fsync
    cut(("after system call %d of %d (%s)"):format(i, #calls, call.line))
  end
end
campaign.green("%d different states of the disk after a cut at each of %d system calls: the old files or the new " ..
  "ones; from %d the training went on, to equal bits",
  states, #calls, continued)
