--- Text from files and scripts as text of a page: nothing in it can be markup, end a script, or hide as a control
-- character.
local M = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Valid UTF-8: other bytes become U+FFFD, control characters their pictures (U+2400), except tab and newline. So do
--- the characters that turn the direction of text, and what XML forbids.
function M.clean(s)
  s = tostring(s)
  if not s:find "[^\t\n\x20-\x7e]" then return s end
  local out, i = {}, 1
  while i <= #s do
    local b = s:byte(i)
    local length = b < 0x80 and 1 or b >= 0xc2 and b < 0xe0 and 2 or b >= 0xe0 and b < 0xf0 and 3 or b >= 0xf0
      and b < 0xf5 and 4 or 0
    local piece = length > 0 and s:sub(i, i + length - 1)
    if not piece or not utf8.len(piece) then
      out[#out + 1] = "\u{FFFD}"
      i = i + 1
    else
      local c = utf8.codepoint(piece)
      if c == 9 or c == 10 then out[#out + 1] = piece
      elseif c < 32 then out[#out + 1] = c == 13 and "" or utf8.char(0x2400 + c)
      elseif c == 127 then out[#out + 1] = "\u{2421}"
      elseif (c >= 0x80 and c < 0xa0) or (c >= 0x202a and c <= 0x202e) or (c >= 0x2066 and c <= 0x2069)
        or c & 0xfffe == 0xfffe
        or (c >= 0xfdd0 and c <= 0xfdef) or c == 0x2028 or c == 0x2029 then out[#out + 1] = "\u{FFFD}"
      else out[#out + 1] = piece end
      i = i + length
    end
  end
  return table.concat(out)
end

--- For the text of an element and for attributes in quotes.
function M.text(s) return (M.clean(s):gsub("[&<>\"']", entities)) end

--- A value as JSON that can stand inside <script>: no "<", no "&", and numbers that are not finite are null.
function M.json(value)
  local kind = type(value)
  if kind == "nil" then return "null" end
  if kind == "boolean" then return tostring(value) end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then return "null" end
    return math.type(value) == "integer" and tostring(value) or (("%.7g"):format(value))
  end
  if kind == "string" then
    return '"' .. M.clean(value):gsub('[\\"<>&\'\t\n]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  end
  local parts = {}
  if #value > 0 or value.n then
    for i = 1, value.n or #value do parts[i] = M.json(value[i]) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = M.json(name) .. ":" .. M.json(value[name]) end
  return #parts == 0 and "[]" or "{" .. table.concat(parts, ",") .. "}"
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes as base64, for data: addresses.
function M.base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local function letter(shift)
      local k = (n >> shift & 63) + 1
      return alphabet:sub(k, k)
    end
    out[#out + 1] = letter(18) .. letter(12) .. (b and letter(6) or "=") .. (c and letter(0) or "=")
  end
  return table.concat(out)
end

return M
