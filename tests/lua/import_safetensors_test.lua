-- The reader of safetensors: files as others write them, and 200 damaged ones, each with an error of one line.
local lu = require "luaunit"
local pl = require "perilune"
local safetensors = require "perilune.import.safetensors"

local function file(header, data)
  return ("<I8"):pack(#header) .. header .. data
end

TestReader = {}

function TestReader:test_every_type_of_element()
  local data = ("<d"):pack(-1.5) .. ("<f"):pack(0.1) .. "\0\60" .. "\0\191\128\63" .. ("<i8i4i2i1"):pack(-3, -4, -5, -6)
    .. ("<I8I4I2I1"):pack(7, 8, 9, 250) .. "\1"
  local types = { { "F64", 8, -1.5 }, { "F32", 4, 0.1 }, { "F16", 2, 1 }, { "BF16", 2, -0.5 }, { "BF16", 2, 1 },
    { "I64", 8, -3 }, { "I32", 4, -4 }, { "I16", 2, -5 }, { "I8", 1, -6 }, { "U64", 8, 7 }, { "U32", 4, 8 },
    { "U16", 2, 9 }, { "U8", 1, 250 }, { "BOOL", 1, 1 } }
  local parts, at = {}, 0
  for i, t in ipairs(types) do
    parts[i] = ('"t%02d":{"dtype":"%s","shape":[],"data_offsets":[%d,%d]}'):format(i, t[1], at, at + t[2])
    at = at + t[2]
  end
  local list, metadata = safetensors.parse(file('{"__metadata__":{"a":"b"},' .. table.concat(parts, ",") .. "}", data))
  lu.assertNotNil(list, metadata)
  for i, t in ipairs(types) do
    lu.assertEquals(list[i].name, ("t%02d"):format(i))
    lu.assertAlmostEquals(list[i].tensor:item(), t[3], 1e-8)
  end
  lu.assertEquals(metadata, { a = "b" })
end

-- Half precision: subnormal numbers, the largest, infinities, NaN.
function TestReader:test_half_precision()
  local words = { 0x0001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x7e00 }
  local list = safetensors.parse(file('{"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]}}',
    ("<" .. ("I2"):rep(8)):pack(table.unpack(words))))
  local h = list[1].tensor:totable()
  lu.assertEquals({ table.unpack(h, 1, 7) }, { 2.0 ^ -24, 1023 * 2.0 ^ -24, 2.0 ^ -14, 65504.0, math.huge, -math.huge,
    -0.0 })
  lu.assertTrue(h[8] ~= h[8])
end

-- What perilune export writes comes back.
function TestReader:test_what_is_written_is_read()
  local tensors = { { name = "a/b \"c\"", tensor = pl.randn(3, 4) }, { name = "none", tensor = pl.zeros(0, 5) },
    { name = "z", tensor = pl.randn(2, 1, 3) } }
  local list, metadata = safetensors.parse(require "perilune.export.safetensors".bytes(tensors, { format = "pt" }))
  lu.assertEquals(metadata, { format = "pt" })
  local by = {}
  for _, t in ipairs(list) do by[t.name] = t.tensor end
  for _, t in ipairs(tensors) do lu.assertTrue(by[t.name]:equal(t.tensor), t.name) end
end

local function whole()
  return file('{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},' ..
    '"b":{"dtype":"U8","shape":[4],"data_offsets":[24,28]}}', ("x"):rep(28))
end

local function refused(text, what)
  local list, message = safetensors.parse(text)
  lu.assertNil(list, what)
  lu.assertEquals(type(message), "string", what)
  lu.assertNil(message:find "\n", what)
  lu.assertTrue(#message > 10 and #message < 300, what)
  return message
end

function TestReader:test_what_is_wrong_is_said()
  for header, message in pairs {
    ['{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}}'] = "does not have the 20 bytes",
    ['{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]}}'] = "byte 0 of the data",
    ['{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"b":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}']
      = "is that of two tensors",
    ['{"a":{"dtype":"F32","shape":[4,3],"data_offsets":[0,48]}}'] = "lies outside the 28 bytes",
    ['{"a":{"dtype":"F8_E4M3","shape":[28],"data_offsets":[0,28]}}'] = "type 'F8_E4M3', which is not read",
    ['{"a":{"dtype":"U8","shape":[-28],"data_offsets":[0,28]}}'] = "has no shape",
    ['{"a":{"dtype":"U8","shape":[2.5],"data_offsets":[0,28]}}'] = "has no shape",
    ['{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,28],"data_offsets":[0,28]}}'] = "has no shape of 0 to 6 sizes",
    ['{"a":{"dtype":"U8","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,28]}}'] = "has no shape",
    ['{"a":{"dtype":"F32","shape":[4611686018427387,1024,1024],"data_offsets":[0,28]}}'] = "does not have",
    ['{"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20]}}'] = "8 bytes after the last tensor",
    ['{"a":7}'] = "described by a number",
    ['[1,2]'] = "is a list", ['{"a":'] = "not JSON",
  } do lu.assertStrContains(refused(file(header, ("x"):rep(28)), header), message) end
  lu.assertStrContains(refused(("<I8"):pack(1 << 62) .. "{}", "length"), "header's length")
  lu.assertStrContains(refused("abc", "short"), "is cut off")
end

function TestReader:test_200_damaged_files()
  local text, refusals = whole(), 0
  for n = 0, #text - 1 do refused(text:sub(1, n), n) end
  lu.assertTrue(#text >= 100)
  for i = 1, 200 do
    local at = 1 + (i * 7919) % #text
    local byte = string.char((text:byte(at) + 1 + i * 31 % 255) & 255)
    local list, message = safetensors.parse(text:sub(1, at - 1) .. byte .. text:sub(at + 1))
    if not list then
      refusals = refusals + 1
      lu.assertNil(message:find "\n")
    end
  end
  lu.assertTrue(refusals > 100)
  lu.assertStrContains(select(2, safetensors.read "/nowhere/x.safetensors"), "/nowhere/x.safetensors")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
