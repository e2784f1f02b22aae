--- Protocol buffers' wire format, as much as a writer needs: a message is a list of fields { number, kind, value }.
--- https://protobuf.dev/programming-guides/encoding
local M = {}

-- Seven bits a byte, the least first; a set high bit says that more follow. Negative numbers take ten bytes.
local function varint(n)
  local out = {}
  repeat
    local low = n & 127
    n = n >> 7
    out[#out + 1] = string.char(n ~= 0 and low | 128 or low)
  until n == 0
  return table.concat(out)
end

local function key(number, wire) return varint(number << 3 | wire) end
local function bytes(number, s) return key(number, 2) .. varint(#s) .. s end

local encoders = {
  int = function(number, value) return key(number, 0) .. varint(value) end,
  float = function(number, value) return key(number, 5) .. ("<f"):pack(value) end,
  bytes = bytes,
  -- repeated numbers of fields that are packed
  ints = function(number, list)
    local out = {}
    for i, value in ipairs(list) do out[i] = varint(value) end
    return bytes(number, table.concat(out))
  end,
}

--- The bytes of a message. Fields with the value nil are left out: write { number, kind, value } for each.
function M.message(fields)
  local out = {}
  for _, field in ipairs(fields) do
    if field[3] ~= nil then out[#out + 1] = encoders[field[2]](field[1], field[3]) end
  end
  return table.concat(out)
end

--- The most bytes that a message may have.
M.most = (1 << 31) - 1

return M
