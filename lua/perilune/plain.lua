--- Plain values (numbers, strings, booleans, tables of them) as JSON and back, exactly: whole floats stay floats,
-- infinities and NaN survive, keys may be anything plain. Used for what users' functions keep in ctx.state.
local M = {}

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do
    if type(k) ~= "string" and type(k) ~= "number" and type(k) ~= "boolean" then return nil, type(k) end
    keys[#keys + 1] = k
  end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    if type(a) == "boolean" then return not a and b end
    return a < b
  end)
  return keys
end

local encode

local encoders = {
  boolean = function(value) return value end,
  string = function(value)
    if not utf8.len(value) or value:find("\0", 1, true) then
      return "x" .. value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    end
    return "s" .. value
  end,
  number = function(value)
    if math.type(value) == "integer" then return ("i%d"):format(value) end
    if value ~= value then return "fnan" end
    return "f" .. ("%a"):format(value)
  end,
  table = function(value, path, parents)
    if parents[value] then return nil, path .. " contains itself" end
    if getmetatable(value) ~= nil then return nil, path .. " has a metatable" end
    local keys, stranger = sorted_keys(value)
    if keys == nil then return nil, ("%s has a key that is a %s"):format(path, stranger) end
    parents[value] = true
    local pairs_list = {}
    for _, key in ipairs(keys) do
      local inner = ("%s[%s]"):format(path, type(key) == "string" and ("%q"):format(key) or tostring(key))
      local item, why = encode(value[key], inner, parents)
      if item == nil then return nil, why end
      pairs_list[#pairs_list + 1] = { encode(key), item }
    end
    parents[value] = nil
    return { t = pairs_list }
  end,
}

function encode(value, path, parents)
  local encoder = encoders[type(value)]
  if not encoder then return nil, ("%s is a %s"):format(path, type(value)) end
  return encoder(value, path, parents)
end

--- A value that JSON can carry; or nil and what is in the way ("ctx.state["f"] is a function").
function M.encode(value, name)
  return encode(value, name or "the value", {})
end

local function decode(value)
  if type(value) == "boolean" then return value end
  if type(value) == "table" then
    local t = {}
    for _, pair in ipairs(value.t or {}) do
      if type(pair) ~= "table" then error("not a plain value", 0) end
      local key = decode(pair[1])
      if key == nil or key ~= key then error("not a plain value", 0) end
      t[key] = decode(pair[2])
    end
    return t
  end
  if type(value) ~= "string" then error("not a plain value", 0) end
  local kind, body = value:sub(1, 1), value:sub(2)
  if kind == "s" then return body end
  if kind == "x" then return (body:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end
  if kind == "i" then return math.tointeger(tonumber(body)) or error("not a plain value", 0) end
  if kind == "f" then
    if body == "nan" then return 0 / 0 end
    if body == "inf" then return math.huge end
    if body == "-inf" then return -math.huge end
    return (tonumber(body) or error("not a plain value", 0)) + 0.0
  end
  error("not a plain value", 0)
end

--- The value that was encoded; or nil and a message.
function M.decode(value)
  local ok, result = pcall(decode, value)
  if ok then return result end
  return nil, tostring(result)
end

return M
