--- Pixels as a PNG file: small pictures for pages and figures. Grey or RGB, 8 bits; the data is stored, not compressed
--- (a 28 x 28 image takes 900 bytes), which needs no library.
local M = {}

local crc_table = {}
for n = 0, 255 do
  local c = n
  for _ = 1, 8 do c = c & 1 == 1 and 0xedb88320 ~ (c >> 1) or c >> 1 end
  crc_table[n] = c
end

--- The least and the largest finite value of pixels, rows of { channel, ... }.
function M.extremes(pixels)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(pixels) do
    for _, pixel in ipairs(row) do
      for _, v in ipairs(pixel) do
        if v - v == 0 then low, high = math.min(low, v), math.max(high, v) end
      end
    end
  end
  return low, high
end

local function crc32(s)
  local c = 0xffffffff
  for i = 1, #s do c = crc_table[(c ~ s:byte(i)) & 0xff] ~ (c >> 8) end
  return c ~ 0xffffffff
end

local function adler32(s)
  local a, b = 1, 0
  for i = 1, #s do
    a = (a + s:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

local function chunk(kind, data) return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4",
  crc32(kind .. data)) end

-- zlib stream of stored blocks of at most 65,535 bytes
local function stored(data)
  local out = { "\x78\x01" }
  for i = 1, math.max(1, #data), 65535 do
    local block = data:sub(i, i + 65534)
    out[#out + 1] = string.pack("<BI2I2", i + 65535 > #data and 1 or 0, #block, ~#block & 0xffff) .. block
  end
  return table.concat(out) .. string.pack(">I4", adler32(data))
end

--- rows: a list of strings, one a row, with `channels` (1: grey, 3: RGB) bytes a pixel.
function M.encode(rows, width, channels)
  local lines = {}
  for y, row in ipairs(rows) do
    if #row ~= width * channels then
      error(("png: row %d has %d bytes, expected %d"):format(y, #row, width * channels), 2)
    end
    lines[y] = "\0" .. row
  end
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR",
    string.pack(">I4I4BBBBB", width, #rows, 8, channels == 3 and 2 or 0, 0, 0, 0))
    .. chunk("IDAT", stored(table.concat(lines))) .. chunk("IEND", "")
end

local function byte_of(v, low, scale)
  local x = (v - low) * scale
  return x ~= x and 0 or math.max(0, math.min(255, math.floor(x + 0.5)))
end

--- A PNG of nested lists [H][W][C] (C 1 or 3; other counts: the mean), `low` as black and `high` as white.
function M.of_pixels(image, low, high)
  local channels = #image[1][1]
  local rgb = channels == 3
  local scale = high > low and 255 / (high - low) or 0
  local rows = {}
  for y, line in ipairs(image) do
    local bytes = {}
    for x, pixel in ipairs(line) do
      if rgb then bytes[x] = string.char(byte_of(pixel[1], low, scale), byte_of(pixel[2], low, scale),
        byte_of(pixel[3], low, scale))
      else
        local sum = 0
        for c = 1, channels do sum = sum + pixel[c] end
        bytes[x] = string.char(byte_of(sum / channels, low, scale))
      end
    end
    rows[y] = table.concat(bytes)
  end
  return M.encode(rows, #image[1], rgb and 3 or 1)
end

return M
