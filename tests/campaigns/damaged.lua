-- Damaged run files: flipped bits, every truncation, swapped blocks, bytes appended, taken out and put in. Each is
-- refused with a message that names the file, before libhdf5 has seen a byte of it: this process never even loads
-- libhdf5, which is what its list of mapped files shows. Some go through the commands too, which must end with an exit
-- status that tells.
local campaign = dofile "tests/campaigns/support.lua"
local pl = require "perilune"
local runfile = require "perilune.run.file"

local number, by_command = campaign.count(10000, 700), campaign.count(600, 16)     -- besides truncations
local script = campaign.quote(os.getenv "PWD" .. "/tests/campaigns/tiny_experiment.lua")
local bad = campaign.folder .. "/bad.h5"

local function loaded()
  local maps = campaign.read "/proc/self/maps"
  return maps ~= nil and maps:find "libhdf5" ~= nil
end

local r = campaign.run(("run %s --out whole --quiet"):format(script))
campaign.check(r.status == 0, "the training fails: %s", r.err)
local files = {}
for i, name in ipairs { "checkpoint.h5", "run.h5" } do
  files[i] = campaign.read(campaign.folder .. "/whole/" .. name)
end

local function flipped(bytes)
  local at = math.random(4) == 1 and math.random(512) or math.random(#bytes)
  local bit = 1 << math.random(0, 7)
  return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ bit) .. bytes:sub(at + 1),
    ("bit %d of byte %d flipped"):format(bit, at)
end

local BLOCK = 512
local function swapped(bytes)
  local blocks = #bytes // BLOCK
  local a, b = math.random(blocks), math.random(blocks)
  if a > b then a, b = b, a end
  local function block(i) return bytes:sub((i - 1) * BLOCK + 1, i * BLOCK) end
  if block(a) == block(b) then return nil end
  return bytes:sub(1, (a - 1) * BLOCK) .. block(b) .. bytes:sub(a * BLOCK + 1, (b - 1) * BLOCK) .. block(a)
    .. bytes:sub(b * BLOCK + 1),
    ("blocks %d and %d swapped"):format(a, b)
end

local function longer(bytes)
  local more = math.random(3) == 1 and bytes:sub(1, math.random(#bytes)) or ("\0"):rep(math.random(4096))
  return bytes .. more, ("%d bytes appended"):format(#more)
end

local function shifted(bytes)
  local at, n = math.random(#bytes), math.random(16)
  if math.random(2) == 1 then
    return bytes:sub(1, at) .. ("x"):rep(n) .. bytes:sub(at + 1), ("%d bytes put in after byte %d"):format(n, at)
  end
  return bytes:sub(1, at - 1) .. bytes:sub(at + n), ("bytes from %d taken out"):format(at)
end

local function zeroed(bytes)
  local at = (math.random(#bytes // BLOCK) - 1) * BLOCK
  return bytes:sub(1, at) .. ("\0"):rep(BLOCK) .. bytes:sub(at + BLOCK + 1), ("block at %d zeroed"):format(at)
end

local others = { flipped, flipped, swapped, longer, shifted, zeroed }

-- Truncated at every length; in short form at lengths spread over the whole.
local lengths = {}
for length = 0, #files[1] - 1, campaign.count(1, 67) do lengths[#lengths + 1] = length end

local readers = {
  { "store.open", function(path) return pl.store.open(path) end },
  { "store.verify", function(path) return pl.store.verify(path) end },
  { "runfile.read", function(path) return runfile.read(path) end },
  { "pl.load", function(path) return pl.load(path, { foreign = math.random(2) == 1 and true or nil }) end },
  { "nn.load", function(path) return pl.nn.load(path) end },
}

-- What is not ours any more may be opened as foreign by libhdf5, when asked; only the damage to what is ours is looked
-- at.
local function refused(bytes, what)
  campaign.write("bad.h5", bytes)
  for _, reader in ipairs(readers) do
    if not (reader[1] == "pl.load" and bytes:sub(1, 8) ~= "PERILUNE") then
      local value, message = reader[2](bad)
      campaign.check(value == nil, "%s accepts a file with %s", reader[1], what)
      campaign.check(type(message) == "string" and message:find(bad, 1, true) and not message:find "HDF5 says",
        "%s, with %s: %s", reader[1], what, tostring(message))
    end
  end
  campaign.check(not loaded(), "libhdf5 was loaded for a file with %s", what)
end

local commands = {
  { "verify bad.h5", 1 }, { "show bad.h5", 1 }, { "-e 'assert(pl.nn.load \"bad.h5\")'", 1 }, { "verify damaged", 1 },
    { "show damaged", 1 },
  { ("run %s --out damaged --quiet"):format(script), 1 },
}
campaign.shell "mkdir damaged"

local function refused_by_commands(bytes, what, turn)
  campaign.write("bad.h5", bytes)
  campaign.write("damaged/checkpoint.h5", bytes)
  local command = commands[turn % #commands + 1]
  local result = campaign.run(command[1])
  campaign.check(result.status == command[2], "perilune %s, with %s: exit status %d: %s", command[1], what,
    result.status, result.err)
  campaign.check((result.out .. result.err):find "%.h5" and not (result.out .. result.err):find "HDF5 says",
    "perilune %s, with %s: %s",
    command[1], what, result.out .. result.err)
end

campaign.check(not loaded(), "libhdf5 is loaded before any file was read")
local tried, commanded, every = 0, 0, math.max(1, (#lengths + number) // by_command)
local function try(bytes, what)
  tried = tried + 1
  refused(bytes, what)
  if tried % every == 0 then
    commanded = commanded + 1
    refused_by_commands(bytes, what, commanded)
  end
end

for _, length in ipairs(lengths) do try(files[1]:sub(1, length), ("%d of %d bytes"):format(length, #files[1])) end
local truncations = tried
while tried < truncations + number do
  local bytes, what = others[math.random(#others)](files[math.random(#files)])
  if bytes and bytes ~= files[1] and bytes ~= files[2] then try(bytes, what) end
end

campaign.green("%d damaged files (%d truncations of %d bytes) refused by %d readers each with a message, libhdf5 " ..
  "never loaded; %d through commands, all exit 1",
  tried, truncations, #files[1], #readers, commanded)
