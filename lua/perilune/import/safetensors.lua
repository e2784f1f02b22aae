--- Reads safetensors: a JSON header { name -> { dtype, shape, data_offsets } } after its length in 8 bytes, then the
--- tensors' bytes without gaps. Nothing that the header says is believed before it is checked.
local core = require "perilune.core"
local printable = require "perilune.base.printable"

local M = {}

local MOST_HEADER = 100 * 1000 * 1000      -- the format's own limit
local MOST_AXES = 6
local METADATA = "__metadata__"

local function fail(format, ...) error(format:format(...), 0) end

-- A list of whole numbers from 0 as JSON gave it; nil for anything else.
local function whole_numbers(t)
  if type(t) ~= "table" then return nil end
  local list, count = {}, 0
  for _ in next, t do count = count + 1 end
  for i = 1, count do
    local n = type(t[i]) == "number" and math.tointeger(t[i])
    if not n or n < 0 then return nil end
    list[i] = n
  end
  return list
end

-- The bytes that a tensor of this shape has; nil where they are more than `most`.
local function bytes_of(shape, size, most)
  local bytes = size
  for _, n in ipairs(shape) do
    if n == 0 then return 0 end
  end
  for _, n in ipairs(shape) do
    if n > most // bytes then return nil end
    bytes = bytes * n
  end
  return bytes
end

-- One entry, checked against the `room` bytes of data: { name =, dtype =, shape =, from =, to = }.
local function entry_of(name, given, room)
  local shown = printable.text(name):sub(1, 80)
  if type(given) ~= "table" then fail("tensor '%s' is described by a %s", shown, type(given)) end
  local dtype, shape, offsets = given.dtype, whole_numbers(given.shape), whole_numbers(given.data_offsets)
  local size = type(dtype) == "string" and core.bytes.size(dtype)
  if type(dtype) ~= "string" then fail("tensor '%s' has no dtype", shown) end
  if not size then
    fail("tensor '%s' has elements of type '%s', which is not read", shown, printable.text(dtype):sub(1, 20))
  end
  if not shape or #shape > MOST_AXES then
    fail("tensor '%s' has no shape of 0 to %d sizes", shown, MOST_AXES)
  end
  if not offsets or #offsets ~= 2 or offsets[1] > offsets[2] or offsets[2] > room then
    fail("tensor '%s' lies outside the %d bytes of data", shown, room)
  end
  if bytes_of(shape, size, room) ~= offsets[2] - offsets[1] then
    fail("tensor '%s' of shape [%s] does not have the %d bytes that belong to it", shown, table.concat(shape, ", "),
      offsets[2] - offsets[1])
  end
  return { name = name, dtype = dtype, shape = shape, from = offsets[1], to = offsets[2] }
end

-- The data without gaps, each byte in one tensor.
local function check_places(entries, room)
  table.sort(entries, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    if a.to ~= b.to then return a.to < b.to end
    return a.name < b.name
  end)
  local at = 0
  for _, entry in ipairs(entries) do
    if entry.from ~= at then fail("byte %d of the data is that of two tensors or of none", math.min(at, entry.from)) end
    at = entry.to
  end
  if at ~= room then fail("%d bytes after the last tensor belong to none", room - at) end
end

local function parse(text)
  if #text < 8 then fail("is cut off: it has %d bytes, where the length of a header has 8", #text) end
  local length = ("<I8"):unpack(text)
  if length < 2 or length > MOST_HEADER or length > #text - 8 then
    fail("is cut off or no safetensors file: the header's length does not fit the file's %d bytes", #text)
  end
  local header, message = core.json.decode(text:sub(9, 8 + length))
  if message or type(header) ~= "table" then
    fail("its header is not JSON%s", message and ": " .. printable.text(message) or "")
  end
  local entries, room = {}, #text - 8 - length
  for name, given in next, header do
    if type(name) ~= "string" then fail "its header is a list, not a table of names" end
    if name ~= METADATA then entries[#entries + 1] = entry_of(name, given, room) end
  end
  check_places(entries, room)
  local list = {}
  for i, entry in ipairs(entries) do
    list[i] = { name = entry.name, dtype = entry.dtype, shape = entry.shape,
      tensor = core.bytes.tensor(entry.dtype, entry.shape, text, 8 + length + entry.from) }
  end
  local metadata = {}
  for key, value in next, type(header[METADATA]) == "table" and header[METADATA] or {} do
    if type(key) == "string" and type(value) == "string" then metadata[key] = value end
  end
  return list, metadata
end

--- The tensors of the bytes of a file, in the order of their data: a list of { name =, dtype =, shape =, tensor =
--- (f32) }, and the metadata, name -> text; or nil and a message.
function M.parse(text)
  local ok, list, metadata = pcall(parse, text)
  if ok then return list, metadata end
  return nil, tostring(list)
end

--- The same of a file.
function M.read(path)
  local text, message = core.store.read_text(path)
  if not text then return nil, message end
  local list, metadata = M.parse(text)
  if not list then return nil, ("%s: %s"):format(path, metadata) end
  return list, metadata
end

return M
