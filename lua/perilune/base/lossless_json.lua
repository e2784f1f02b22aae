--- JSON that gives back exactly what it was given, and that other programs can still read: whole floats stay floats,
--- infinities and NaN survive, integers keep all 64 bits, keys may be numbers, strings may hold any bytes.
--
--   value                                   JSON
--   0.1, 12, true, "text"                   the same
--   3.0, 2^53 + 1, 1/0, 0/0                 "3.0", "9007199254740993", "inf", "nan"
--   a string that reads as one of these     the same after "~"
--   a string with bytes that JSON cannot    "%" and two hexadecimal digits a byte
--   a list                                  an array
--   any other table                         an object, its keys as strings by the same rules
local core = require "perilune.core"

local M = {}

local LARGEST = 1 << 53   -- integers up to here are exact as JSON numbers
local named = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

local function number_text(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  if x ~= x then return "nan" end
  if x == math.huge then return "inf" elseif x == -math.huge then return "-inf" end
  local text = ("%.17g"):format(x)
  return text:find "[.e]" and text or text .. ".0"
end

local function reads_as_number(text) return named[text] ~= nil or tonumber(text) ~= nil end

local function pack_string(s)
  if not utf8.len(s) or s:find "\0" then return "%" .. s:gsub(".", function(c) return ("%02x"):format(c:byte()) end) end
  if reads_as_number(s) or s:find "^[~%%]" then return "~" .. s end
  return s
end

local function is_list(t, count)
  for i = 1, count do
    if rawget(t, i) == nil then return false end
  end
  return count > 0
end

local pack

local function pack_table(t, path, parents)
  if parents[t] then error(path .. " contains itself", 0) end
  if getmetatable(t) ~= nil then error(path .. " is an object with a metatable, not a plain table", 0) end
  parents[t] = true
  local count, out = 0, {}
  for _ in next, t do count = count + 1 end
  if is_list(t, count) then
    for i = 1, count do out[i] = pack(t[i], ("%s[%d]"):format(path, i), parents) end
  else
    for key, value in next, t do
      local kind = type(key)
      if kind ~= "string" and kind ~= "number" then error(("%s has a %s as a key"):format(path, kind), 0) end
      local name = kind == "string" and pack_string(key) or number_text(key)
      out[name] = pack(value, path .. "." .. tostring(key), parents)
    end
  end
  parents[t] = nil
  return out
end

function pack(value, path, parents)
  local kind = type(value)
  if kind == "table" then return pack_table(value, path, parents) end
  if kind == "string" then return pack_string(value) end
  if kind == "boolean" then return value end
  if kind ~= "number" then error(("%s is a %s, which a file cannot keep"):format(path, kind), 0) end
  if math.type(value) == "integer" then return value > -LARGEST and value < LARGEST and value or number_text(value) end
  if value == math.floor(value) or value ~= value then return number_text(value) end
  return value
end

local function unpack_string(s)
  local first = s:sub(1, 1)
  if first == "~" then return s:sub(2) end
  if first == "%" then return (s:sub(2):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end
  if named[s] then return named[s] end
  return tonumber(s) or s
end

local function unpack(value)
  if type(value) == "string" then return unpack_string(value) end
  if type(value) ~= "table" then return value end
  local out = {}
  if #value > 0 then
    for i, item in ipairs(value) do out[i] = unpack(item) end
  else
    for key, item in pairs(value) do
      local name = unpack_string(key)
      out[name == name and name or key] = unpack(item)      -- NaN is no key
    end
  end
  return out
end

--- The JSON text of a value; raises, naming the place as in `what`.best.loss, when it holds a function or an object.
function M.encode(value, what)
  return core.json.encode(pack(value, what or "the value", {}))
end

--- The value of a JSON text; or nil and a message.
function M.decode(text)
  local value, message = core.json.decode(text)
  if message then return nil, message end
  return unpack(value)
end

return M
