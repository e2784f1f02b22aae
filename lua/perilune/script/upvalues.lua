--- Watches the variables that users' functions capture. What a schedule or callback must remember belongs in
-- ctx.state, which is checkpointed; a captured variable that changes during the run is not, so that such a run
-- cannot be continued exactly. Looks at numbers, strings, booleans, and plain tables of them.
local core = require "perilune.core"

local M = {}

local DEPTH, ITEMS = 4, 2000

local function is_module(value)
  for _, module in pairs(package.loaded) do
    if module == value then return true end
  end
  return false
end

local function digest(value, depth, seen, out)
  local t = type(value)
  if t == "number" or t == "string" or t == "boolean" or t == "nil" then
    out[#out + 1] = t == "number" and ("%s%a"):format(math.type(value), value) or t .. tostring(value)
  elseif t == "table" and getmetatable(value) == nil and depth < DEPTH and not seen[value] and not is_module(value) then
    seen[value] = true
    local items = {}
    for k, v in pairs(value) do
      if #items >= ITEMS then break end
      if type(k) == "string" or type(k) == "number" then
        local inner = {}
        digest(v, depth + 1, seen, inner)
        items[#items + 1] = tostring(k) .. "=" .. table.concat(inner, ",")
      end
    end
    table.sort(items)
    out[#out + 1] = "{" .. table.concat(items, ";") .. "}"
  else
    out[#out + 1] = t       -- objects are not looked into: tensors and models have checkpoints of their own
  end
end

local function each_upvalue(f, visit, seen)
  if seen[f] then return end
  seen[f] = true
  for i = 1, 255 do
    local name, value = debug.getupvalue(f, i)
    if name == nil then return end
    if name ~= "_ENV" and name ~= "" then
      if type(value) == "function" then each_upvalue(value, visit, seen)
      else visit(name, value) end
    end
  end
end

local function scan(functions)
  local found = {}
  for _, entry in ipairs(functions) do
    each_upvalue(entry[2], function(name, value)
      local out = {}
      digest(value, 0, {}, out)
      found[#found + 1] = { where = entry[1], name = name, digest = table.concat(out) }
    end, {})
  end
  return found
end

--- A digest of a function: its code, and the plain values that it captures. nil of a function in C.
function M.fingerprint(f)
  local ok, code = pcall(string.dump, f, true)
  if not ok then return nil end
  local words = { code }
  for _, found in ipairs(scan { { "", f } }) do words[#words + 1] = found.name .. "=" .. found.digest end
  return (core.store.sha256(table.concat(words, "\n")):sub(1, 16))
end

--- `functions`: a list of { "callbacks.on_epoch", f }. Returns check() -> nil, or "callbacks.on_epoch changes its
-- captured variable 'count'" once one of them has changed since.
function M.watch(functions)
  local list = {}
  for _, entry in ipairs(functions) do
    if type(entry[2]) == "function" then list[#list + 1] = entry end
  end
  local before = scan(list)
  return function()
    for i, now in ipairs(scan(list)) do
      local was = before[i]
      if was == nil or was.digest ~= now.digest then
        return ("%s changes the captured variable '%s'"):format(now.where, now.name)
      end
    end
  end
end

return M
