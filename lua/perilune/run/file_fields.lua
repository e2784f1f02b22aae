--- Tables as attributes of a group in a run file (run/file.lua): what is written comes back equal.
local exact = require "perilune.base.lossless_json"
local raise = require "perilune.base.errors".raise

local M = {}

--- The names in a table, sorted; raises when one cannot be a name in a file.
function M.names(t, what)
  local names = {}
  for name in pairs(t) do
    if type(name) ~= "string" or name == "" or #name > 255 or name:find "[/%z]" or name:find "^%.%.?$" then
      raise("%s: '%s' cannot be a name in a file: expected 1 to 255 bytes without '/'", what, tostring(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- A value as an attribute: tables are JSON. So are strings that begin like JSON, so that reading can tell, and those
-- that hold more than UTF-8 without zeros.
local function attribute(value, what)
  local kind = type(value)
  local plain = kind == "string" and not value:find '^[%[{"]' and utf8.len(value) and not value:find "%z"
  if kind == "boolean" or kind == "number" or plain then return value end
  return exact.encode(value, what)
end

local function value_of(attr)
  if type(attr) ~= "string" or not attr:find '^[%[{"]' then return attr end
  return assert(exact.decode(attr))
end

--- A group with an attribute a field of the table, and back.
function M.write(w, path, fields, what)
  w:group(path)
  for _, name in ipairs(M.names(fields, what)) do
    w:attr(path, name, attribute(fields[name], what .. "." .. name))
  end
end

function M.read(r, path)
  local out = {}
  for name, attr in pairs(assert(r:attrs(path))) do out[name] = value_of(attr) end
  return out
end

return M
