--- Text from files and scripts as text of a page: nothing in it can be markup, end a script, or hide as a control
-- character.
local printable = require "perilune.base.printable"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Valid UTF-8 without hidden characters; tabs and newlines stay.
function M.clean(s) return printable.lines(tostring(s)) end

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
  for i, name in ipairs(sorted_keys(value)) do parts[i] = M.json(name) .. ":" .. M.json(value[name]) end
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
