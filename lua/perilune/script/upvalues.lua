--- Watches what users' functions share with the rest of a script: the variables that they capture, and the global ones
-- that they name. What a schedule or callback must remember belongs in ctx.state, which is checkpointed; a variable
-- that changes during the run is not, so that such a run cannot be continued exactly. Looks at numbers, strings,
-- booleans, tensors, and tables of them: plain ones, objects and modules of the script, also those that a function
-- requires when it is called; and at where a coroutine is.
local core = require "perilune.core"
local errors = require "perilune.base.errors"

local M = {}

-- Of tables in tables; of the items of a variable; of all tensors: what is larger is data.
local DEPTH, ITEMS, ELEMENTS = 16, 1 << 14, 1 << 20

local function has_functions_of_ours(t)
  for _, f in next, t do
    if type(f) == "function" and errors.is_ours(debug.getinfo(f, "S").source) then return true end
  end
  return false
end

-- Is it a table of the script's own, also an object or a module of its own? Those of the library have checkpoints.
local function is_of_script(t)
  local meta = getmetatable(t)
  if meta ~= nil and (type(meta) ~= "table" or has_functions_of_ours(meta)
      or type(meta.__index) == "table" and has_functions_of_ours(meta.__index)) then return false end
  for name, module in pairs(package.loaded) do
    if module == t then return not (name == "_G" or name == "perilune" or name:find "^perilune%.") end
  end
  return true
end

local digest

-- Where a coroutine is, and its local variables.
local function digest_of_thread(thread, how, depth, seen)
  local items = { coroutine.status(thread) }
  for level = 0, 50 do
    local info = debug.getinfo(thread, level, "l")
    if not info then break end
    items[#items + 1] = info.currentline
    for i = 1, 250 do
      local name, value = debug.getlocal(thread, level, i)
      if name == nil then break end
      items[#items + 1] = digest(value, how, depth + 1, seen)
    end
  end
  return table.concat(items, ";")
end

-- The items of a table, in an order that does not depend on where its keys lie in memory.
local function digest_of_items(t, how, depth, seen)
  local items, names, length = {}, {}, rawlen(t)
  local function add(name, value)
    if seen.items >= ITEMS then return end
    seen.items = seen.items + 1
    items[#items + 1] = name .. "=" .. digest(value, how, depth, seen)
  end
  for i = 1, math.min(length, ITEMS) do add(i, rawget(t, i)) end
  for k in next, length <= ITEMS and t or {} do
    if #names > ITEMS then break end
    local in_list = math.type(k) == "integer" and k >= 1 and k <= length
    if type(k) == "string" or type(k) == "number" and not in_list then names[#names + 1] = k end
  end
  table.sort(names, function(a, b)
    if type(a) ~= type(b) then return type(a) == "number" end
    return a < b
  end)
  for _, name in ipairs(names) do add(name, rawget(t, name)) end
  return "{" .. table.concat(items, ";") .. "}"
end

-- how.alike: objects, and none yet, are the same: a function may make one when it is first called; and coroutines are
-- looked into, if they were there at the first look (how.threads). how.kept: tensors count by their elements, but for
-- those that checkpoints have; how.left: so many at most. how.user: ctx.state, which checkpoints have. how.known:
-- digests of variables that several functions share. seen: the tables around this one; its field `items`: how many
-- items were looked at.
function digest(value, how, depth, seen)
  local t = type(value)
  if t == "number" then return ("%s%a"):format(math.type(value), value) end
  if t == "string" or t == "boolean" or t == "nil" and not how.alike then return t .. tostring(value) end
  if t == "thread" and how.alike and depth < DEPTH and how.threads(value) then
    return digest_of_thread(value, how, depth, seen)
  end
  if t == "table" and depth < DEPTH and value ~= how.user and not seen[value] and is_of_script(value) then
    if depth == 0 and how.known[value] then return how.known[value] end
    seen[value] = true
    local found = digest_of_items(value, how, depth + 1, seen)
    seen[value] = nil
    if depth == 0 then how.known[value] = found end
    return found
  end
  if how.kept and core.tensor.is_tensor(value) and value:count() <= how.left then
    for _, item in ipairs(how.kept) do
      if core.tensor.overlap(item.tensor, value) then return "object" end
    end
    how.left = how.left - value:count()
    return core.store.sha256(value)
  end
  return how.alike and "object" or t      -- not looked into: models have checkpoints of their own
end

-- Is the string among the constants of a function, as string.dump (of Lua 5.4) writes short ones?
local function has_constant(code, text)
  return #text <= 40 and code:find(("\4%c%s"):format(0x80 | #text + 1, text), 1, true) ~= nil
end

-- Visits the variables of a function of a script, and of the functions that are their values: visit(words, name,
-- value), the words being what the function does when the value changes.
-- code_of(f): what string.dump gives; nil where global variables, and what the library remembers, do not matter.
local function each_variable(f, visit, seen, code_of)
  if seen[f] or code_of and errors.is_ours(debug.getinfo(f, "S").source) then return end
  seen[f] = true
  local function look(kind, name, value)
    if type(value) == "function" then return each_variable(value, visit, seen, code_of) end
    visit(("changes the %s '%s'"):format(kind, name), name, value)
  end
  local globals
  for i = 1, 255 do
    local name, value = debug.getupvalue(f, i)
    if name == nil then break end
    if name == "_ENV" then globals = value
    elseif name ~= "" then look("captured variable", name, value)
    elseif type(value) == "thread" then visit("goes on in a coroutine", "coroutine", value) end      -- coroutine.wrap
  end
  local code = code_of and code_of(f)
  if not code or type(globals) ~= "table" then return end
  local named = {}
  for name in next, globals do
    if type(name) == "string" and has_constant(code, name) then named[#named + 1] = name end
  end
  table.sort(named)
  for _, name in ipairs(named) do look("global variable", name, rawget(globals, name)) end
  local modules = {}
  for name, module in next, package.loaded do
    if type(name) == "string" and type(module) == "table" and is_of_script(module) and has_constant(code, name) then
      modules[#modules + 1] = name
    end
  end
  table.sort(modules)
  for _, name in ipairs(modules) do look("module", name, package.loaded[name]) end
end

local function dump(f)
  local ok, code = pcall(string.dump, f, true)
  return ok and code or nil
end

-- A list of { name =, words =, digest = }: the variables of these functions.
local function scan(functions, how, code_of)
  local found, scratch = {}, { alike = true, user = how.user, threads = how.threads, known = {} }
  how.known = {}
  for _, entry in ipairs(functions) do
    each_variable(entry[2], function(words, name, value)
      local way = entry.scratch and scratch or how
      found[#found + 1] = { name = name, digest = digest(value, way, 0, { items = 0 }),
        words = ("%s %s"):format(entry[1], words) }
    end, {}, code_of)
  end
  return found
end

--- A digest of a function: its code, and the plain values that it captures. nil of a function in C.
function M.fingerprint(f)
  local words = { dump(f) }
  if not words[1] then return nil end
  for _, found in ipairs(scan({ { "", f } }, {})) do words[#words + 1] = found.name .. "=" .. found.digest end
  return (core.store.sha256(table.concat(words, "\n")):sub(1, 16))
end

-- check() -> the words of the first variable that is not what it was when this was called.
local function watch(list, user, kept)
  local threads, is_first = setmetatable({}, { __mode = "k" }), true
  local function was_there(thread)
    threads[thread] = threads[thread] or is_first or nil
    return threads[thread]
  end
  local function by_words()
    local found, all = {}, scan(list, { alike = true, user = user, kept = kept, left = ELEMENTS, threads = was_there },
      dump)
    for _, item in ipairs(all) do found[item.words] = (found[item.words] or "") .. item.digest .. "\n" end
    return found, all
  end
  local before, first = by_words()
  is_first = false
  local NONE = "object\n"      -- yet: a function that is made meanwhile is as an object
  return function()
    local now, all = by_words()
    for _, items in ipairs { first, all } do
      for _, item in ipairs(items) do
        if (before[item.words] or NONE) ~= (now[item.words] or NONE) then return item.words end
      end
    end
  end
end

--- `functions`: a list of { "callbacks.on_epoch", f, scratch = }; scratch: tensors that it changes are worked with
-- within a step. `kept`: a list of { tensor = } that checkpoints have; `user`: ctx.state, which they have too. Returns
-- check() -> nil, or "callbacks.on_epoch changes the captured variable 'count'" once one of them has changed since;
-- second, whether it is a tensor, which may also be there to be worked with.
function M.watch(functions, kept, user)
  local list = {}
  for _, entry in ipairs(functions) do
    if type(entry[2]) == "function" then list[#list + 1] = entry end
  end
  local values, tensors = watch(list, user), watch(list, user, kept or {})
  return function()
    local words = values()
    if words then return words, false end
    return tensors(), true
  end
end

return M
