--- Text from files and scripts made safe to print: what could move a terminal's cursor, colour, rename or reprogram it
--- is shown as an escape: \27 as "\x1b", bytes that are not UTF-8 as "\xff", controls and directions of Unicode as
--- "\u{202e}". Pages and figures use it too, where hidden text deceives as well.
local M = {}

local named = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

-- C1 controls, line and paragraph separators, marks and overrides of writing direction, zero-width and other invisible
-- characters, and what is no character (XML forbids it).
local function is_hidden(code)
  return code >= 0x80 and code <= 0x9f or code >= 0x200b and code <= 0x200f or code >= 0x2028 and code <= 0x202e
    or code >= 0x2060 and code <= 0x206f or code == 0xfeff or code >= 0xe0000 and code <= 0xe007f
    or code >= 0xfdd0 and code <= 0xfdef or code & 0xfffe == 0xfffe
end

local function byte_escape(c) return named[c] or ("\\x%02x"):format(c:byte()) end

local function escape_wide(s)
  local out, at = {}, 1
  while at <= #s do
    local length = utf8.len(s, at, at)
    if not length then
      out[#out + 1] = byte_escape(s:sub(at, at))
      at = at + 1
    else
      local code, stop = utf8.codepoint(s, at), utf8.offset(s, 2, at)
      out[#out + 1] = is_hidden(code) and ("\\u{%x}"):format(code) or s:sub(at, stop - 1)
      at = stop
    end
  end
  return table.concat(out)
end

local function escaped(s, controls)
  if s:find "[\x80-\xff]" then s = escape_wide(s) end
  return (s:gsub(controls, byte_escape))
end

--- A value whose texts, also those in tables, are UTF-8, as JSON is: of those that are not, bytes are escaped.
function M.in_utf8(value)
  if type(value) == "string" then return utf8.len(value) and value or M.text(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[M.in_utf8(key)] = M.in_utf8(item) end
  return copy
end

--- One line of text: newlines and tabs are escaped too.
function M.text(s) return escaped(s, "[\0-\x1f\x7f]") end

--- Text of several lines, such as a script: newlines and tabs stay; the ends of lines that Windows writes are newlines.
function M.lines(s) return escaped(s:gsub("\r\n", "\n"), "[\0-\x08\x0b-\x1f\x7f]") end

local scripts = { script = true, text = true }      -- kept as they are: compared, and shown line by line

local function all(value, key)
  if type(value) == "string" then return scripts[key] and value or M.text(value) end
  if type(value) ~= "table" then return value end
  local out = {}
  for k, item in next, value do out[type(k) == "string" and M.text(k) or k] = all(item, k) end
  return out
end

--- A record of a run's file with names, labels, settings and messages safe to print; scripts stay as they are.
function M.record(record)
  return all(record)
end

return M
