--- How wide text is in a terminal, in cells: East Asian characters and pictographs take two, combining marks none.
local M = {}

-- First and last code point of each range, in order (Unicode's East_Asian_Width W and F, in blocks; combining marks).
local wide = { 0x1100, 0x115F, 0x2E80, 0x303E, 0x3041, 0xA4CF, 0xA960, 0xA97C, 0xAC00, 0xD7A3, 0xF900, 0xFAFF, 0xFE30,
  0xFE6F, 0xFF01, 0xFF60, 0xFFE0, 0xFFE6, 0x1F300, 0x1F64F, 0x1F680, 0x1F6FF, 0x1F900, 0x1F9FF, 0x20000, 0x3FFFD }
local none = { 0x300, 0x36F, 0x483, 0x489, 0x591, 0x5BD, 0x610, 0x61A, 0x64B, 0x65F, 0x200B, 0x200F, 0x20D0, 0x20FF,
  0x3099, 0x309A, 0xFE00, 0xFE0F }

local function within(ranges, c)
  for i = 1, #ranges, 2 do
    if c < ranges[i] then return false end
    if c <= ranges[i + 1] then return true end
  end
  return false
end

local function of(c)
  if c < 0x300 then return 1 end
  return within(none, c) and 0 or within(wide, c) and 2 or 1
end

--- Cells of a text; bytes that are no UTF-8 count one each.
function M.width(s)
  if not s:find "[\xCC-\xF4]" then return utf8.len(s) or #s end
  if not utf8.len(s) then return #s end
  local total = 0
  for _, c in utf8.codes(s) do total = total + of(c) end
  return total
end

--- The longest beginning of a text that `width` cells hold.
function M.head(s, width)
  if not utf8.len(s) then return s:sub(1, math.max(width, 0)) end
  local total = 0
  for at, c in utf8.codes(s) do
    total = total + of(c)
    if total > width then return s:sub(1, at - 1) end
  end
  return s
end

--- The longest end of a text that `width` cells hold; it does not begin with a mark of what was cut off.
function M.tail(s, width)
  if not utf8.len(s) then return width > 0 and s:sub(-width) or "" end
  local left = M.width(s) - width
  for at, c in utf8.codes(s) do
    if left <= 0 and of(c) > 0 then return s:sub(at) end
    left = left - of(c)
  end
  return ""
end

return M
