--- Completion: what may follow the text before the cursor. Names of variables, fields of tables, methods and
--- fields of objects; in `help "` the names that help knows, in other quotes names of files; the options of a function
--- in the table that it is given.
local cells = require "perilune.base.cells"
local sorted_keys = require "perilune.base.sorted_keys"
local M = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch "%a+" do KEYWORDS[#KEYWORDS + 1] = word end

local function is_name(key) return type(key) == "string" and key:match "^[%a_][%w_]*$" end

local function index(object, key)
  local ok, value = pcall(function() return object[key] end)
  if ok then return value end
end

local function kind_of(value) return type(value) == "function" and "method" or "field" end

--- Adds the names in a table and in the tables that its __index leads to: name -> "field" or "method".
local function add_table(found, t, seen)
  if type(t) ~= "table" or seen[t] then return end
  seen[t] = true
  for key, value in next, t do
    if is_name(key) then found[key] = found[key] or kind_of(value) end
  end
  local meta = debug.getmetatable(t)
  if type(meta) == "table" then add_table(found, rawget(meta, "__index"), seen) end
end

--- Adds methods and fields of an object: what its metatable holds and what help knows of its class. A field of the C
--- side is looked at, since not every layer has a weight; one of the Lua side is not, since it may read a file.
local function add_object(found, object)
  local help = require "perilune.help"
  local meta = debug.getmetatable(object)
  if type(meta) ~= "table" then return end
  local declared = help.members(object)
  for name in pairs(help.methods(meta)) do found[name] = declared[name] or "method" end
  for name, kind in pairs(declared) do
    if type(object) == "table" or kind == "method" or index(object, name) ~= nil then found[name] = kind end
  end
end

--- All names that may follow `object` and a dot; or only the functions, which may follow a colon.
function M.members(object, only_functions)
  local found = {}
  if type(object) == "table" then add_table(found, object, {}) end
  if type(object) == "table" or type(object) == "userdata" then add_object(found, object) end
  if type(object) == "string" then add_table(found, string, {}) end
  local names = {}
  for key, kind in pairs(found) do
    if not only_functions or kind == "method" then names[#names + 1] = key end
  end
  table.sort(names)
  return names
end

--- The value of `model[3].weight` in the session, found without calling anything; nil when there is none.
local function value_of(path, env)
  local name, rest = path:match "^([%a_][%w_]*)(.*)$"
  if not name then return nil end
  local value = index(env, name)
  while rest ~= "" and value ~= nil do
    local key, after = rest:match "^%.([%a_][%w_]*)(.*)$"
    if not key then
      key, after = rest:match "^%[(%d+)%](.*)$"
      key = math.tointeger(key)
    end
    if key == nil then return nil end
    value, rest = index(value, key), after
  end
  return value
end

local function globals(env)
  local found = {}
  add_table(found, env, {})
  for _, word in ipairs(KEYWORDS) do found[word] = true end
  return sorted_keys(found)
end

--- What is open at the end of `text`: the quote of a string and where it begins, or nil; and a list of { bracket, place
--- }.
local function open_at_end(text)
  local stack, i = {}, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == '"' or c == "'" then
      local at = i + 1
      while at <= #text and text:sub(at, at) ~= c do at = at + (text:sub(at, at) == "\\" and 2 or 1) end
      if at > #text then return i, stack end
      i = at
    elseif c == "(" or c == "{" or c == "[" then stack[#stack + 1] = { c, i }
    elseif c == ")" or c == "}" or c == "]" then stack[#stack] = nil end
    i = i + 1
  end
  return nil, stack
end

--- The names of files that may go on with what stands in quotes: the last part of its path, and what its folder holds.
local function files(given)
  local folder, word = given:match "^(.*/)([^/]*)$"
  local store, system = require "perilune.core".store, require "perilune.core".system
  local names = store.listdir(folder or ".") or {}
  for i, name in ipairs(names) do
    if name:sub(1, 1) == "." and (word or given):sub(1, 1) ~= "." then name = "_" .. name end      -- hidden
    names[i] = name .. (system.kind((folder or "") .. names[i]) == "folder" and "/" or "")
  end
  return word or given, names
end

--- The options that may follow in the table at the end of `text`, whose brackets are open: { "lr", ... } or nil.
local function options_of(text, stack, env)
  local brace = stack[#stack]
  if not brace or brace[1] ~= "{" then return nil end
  local before = text:sub(1, brace[2] - 1)
  local call = before:match "([%a_][%w_.:%[%]]*)%s*$"
  local paren = stack[#stack - 1]
  if not call and paren and paren[1] == "(" then call = text:sub(1, paren[2] - 1):match "([%a_][%w_.:%[%]]*)%s*$" end
  local owner, name = (call or ""):match "^(.-)[.:]?([%a_][%w_]*)$"
  if not name then return nil end
  local holder = owner == "" and env or value_of(owner, env)
  if holder == nil then return nil end
  local help = require "perilune.help"
  local entry = help.entry(index(holder, name))
  local names = {}
  for _, parameter in ipairs(entry and entry.params or {}) do
    local class = help.options(parameter)
    for _, field in ipairs(class and class.fields or {}) do
      if not text:sub(brace[2]):find("%f[%w_]" .. field.name .. "%s*=") then names[#names + 1] = field.name end
    end
  end
  table.sort(names)
  return #names > 0 and names or nil
end

--- Before the cursor: the word being written, and all names that could stand in its place.
local function candidates(before, env)
  local topic = before:match "help%s*%(?%s*[\"']([%w_.:]*)$"
  if topic then return topic, require "perilune.help".names() end
  local quote, stack = open_at_end(before)
  if quote then return files(before:sub(quote + 1)) end
  local begun, key = before:match "^(.*[{,]%s*)([%a_]?[%w_]*)$"
  local options = begun and options_of(begun, stack, env)
  if options then return key, options end
  local chain = before:match "[%w_.:%[%]]*$"
  chain = chain:match "^.*%[([%a_][^%[%]]*)$" or chain:match "^.*%.%.(.*)$" or chain
  local path, mark, word = chain:match "^(.*)([.:])([%w_]*)$"
  if not path then
    word = chain:match "[%a_][%w_]*$" or ""
    return word, word == "" and {} or globals(env)
  end
  local object = value_of(path, env)
  if object == nil then return word, {} end
  return word, M.members(object, mark == ":")
end

-- What all of them begin with, in whole characters: a line takes no others.
local function common_prefix(names)
  local prefix = names[1]
  for _, name in ipairs(names) do
    while name:sub(1, #prefix) ~= prefix do prefix = prefix:sub(1, -2) end
  end
  local whole, bad = utf8.len(prefix)
  return whole and prefix or prefix:sub(1, bad - 1)
end

--- Names in columns, read downwards.
function M.columns(names, width)
  local widest = 0
  for _, name in ipairs(names) do widest = math.max(widest, cells.width(name)) end
  local across = math.max(1, (width + 2) // (widest + 2))
  local down = (#names + across - 1) // across
  local lines = {}
  for row = 1, down do
    local line = {}
    for i = row, #names, down do line[#line + 1] = names[i] .. (" "):rep(widest - cells.width(names[i])) end
    lines[row] = table.concat(line, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- For line editing: how many characters before the cursor to take away, what to insert, and what to list.
--- When no name begins as the word does, upper and lower case are taken as equal.
function M.complete(before, env, width)
  if before:match "^%s*$" then return 0, "  " end
  local word, names = candidates(before, env)
  local fitting = {}
  for _, name in ipairs(names) do
    local hidden = name:sub(1, 1) == "_" and word:sub(1, 1) ~= "_"
    if name:sub(1, #word) == word and not hidden then fitting[#fitting + 1] = name end
  end
  if #fitting == 0 then
    for _, name in ipairs(names) do
      if name:sub(1, #word):lower() == word:lower() then fitting[#fitting + 1] = name end
    end
  end
  if #fitting == 0 then return 0, "" end
  local prefix = common_prefix(fitting)
  if #prefix > #word or #prefix == #word and prefix ~= word then return utf8.len(word) or #word, prefix end
  if #fitting == 1 then return 0, "" end
  return 0, "", M.columns(fitting, width)
end

return M
