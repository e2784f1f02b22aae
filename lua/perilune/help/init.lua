--- Help: finds the declaration (lua/meta) that a name or a value stands for and prints it.
local core = require "perilune.core"
local layout = require "perilune.help.layout"
local parse = require "perilune.help.parse"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

-- Read once, on first use:
--   entries   all declarations, in the order of the files' names
--   by_name   "nn.conv2d" -> entry ; by_last  "conv2d" -> list of entries
--   by_class  "perilune.Tensor" -> entry of the class ; by_module  "tensor" -> entry of the class
--   by_field  "frozen" -> list of { class =, field = }, where classes declare a field of that name
local index

--- "nn.Conv2d", "tensor.reshape", "help": what an entry is called.
function M.name_of(entry)
  if entry.kind == "class" then return entry.module or entry.class end
  return (entry.module ~= "" and entry.module .. "." or "") .. entry.name
end

local function add(list, key, entry)
  list[key] = list[key] or {}
  table.insert(list[key], entry)
end

--- The fields of a class and of those that it extends.
local function all_fields(class)
  local parent = class and index.by_class[class.parent]
  if not parent then return class and class.fields or {} end
  local fields = table.move(class.fields, 1, #class.fields, 1, {})
  local more = all_fields(parent)
  return table.move(more, 1, #more, #fields + 1, fields)
end

local function load_index()
  if index then return index end
  index = { entries = {}, by_name = {}, by_last = {}, by_class = {}, by_module = {}, by_field = {} }
  local files = core.meta()
  for _, file in ipairs(sorted_keys(files)) do
    for _, entry in ipairs(parse.parse(files[file])) do
      entry.file = file
      local again = entry.kind == "class" and index.by_class[entry.class]   -- the class's members go on in another file
      if entry.class and not again then index.by_class[entry.class] = entry end
      if (entry.module or entry.kind == "function") and not again then
        table.insert(index.entries, entry)
        index.by_name[M.name_of(entry):lower()] = entry
      end
      if entry.kind == "class" and entry.module and not again then index.by_module[entry.module] = entry end
      for _, field in ipairs(entry.fields) do
        add(index.by_field, field.name:lower(), { class = entry.class, field = field })
      end
      if entry.kind == "function" then add(index.by_last, entry.name:lower(), entry) end
    end
  end
  local fields = {}
  for name, class in pairs(index.by_class) do fields[name] = all_fields(class) end
  for name, class in pairs(index.by_class) do class.fields, class.members = fields[name], {} end
  for _, entry in ipairs(index.entries) do
    local module = entry.kind == "function" and index.by_module[entry.module]
    if module then table.insert(module.members, entry) end
  end
  return index
end

--- All declarations of functions and modules, in a fixed order.
function M.entries() return load_index().entries end

--- The names that help knows, sorted.
function M.names()
  local names = {}
  for i, entry in ipairs(M.entries()) do names[i] = M.name_of(entry) end
  table.sort(names)
  return names
end

local function index_value(object, key)
  local ok, value = pcall(function() return object[key] end)
  if ok then return value end
end

local function add_functions(found, t)
  for key, value in next, t do
    if type(key) == "string" and not key:find "^__" and type(value) == "function" then found[key] = value end
  end
end

--- The methods that a metatable gives: its own functions, those of its __index table, or those of the tables that its
--- __index function keeps.
function M.methods(meta)
  local found, access = {}, rawget(meta, "__index")
  add_functions(found, meta)
  if type(access) == "table" then add_functions(found, access) end
  for i = 1, type(access) == "function" and debug.getinfo(access, "u").nups or 0 do
    local name, kept = debug.getupvalue(access, i)
    if type(kept) == "table" and name ~= "_ENV" then add_functions(found, kept) end
  end
  return found
end

--- The metatables of all our classes by their __name: "perilune.tensor" and so on. Those made in C are in the registry;
--- those made in Lua are found from the functions of the modules that use them.
function M.classes()
  local found, seen = {}, {}
  local function visit(value)
    local kind = type(value)
    if (kind ~= "table" and kind ~= "function") or seen[value] then return end
    seen[value] = true
    if kind == "table" then
      local name = rawget(value, "__name")
      if type(name) == "string" and name:find "^perilune%." then found[name] = value end
      for _, inner in next, value do visit(inner) end
      visit(debug.getmetatable(value))
    else
      for i = 1, debug.getinfo(value, "u").nups do
        local name, inner = debug.getupvalue(value, i)
        if name ~= "_ENV" then visit(inner) end
      end
    end
  end
  for name, module in pairs(package.loaded) do
    if name:find "^perilune" then visit(module) end
  end
  for name, meta in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^perilune%." then found[name] = meta end
  end
  return found
end

--- What `pl` holds under the name of an entry, or the method of that name; nil when there is none.
local function value_of(entry, classes)
  local pl = require "perilune"
  local value = pl
  for part in (entry.module or ""):gmatch "[%w_]+" do
    if part ~= "pl" then value = index_value(value, part) end
  end
  if type(value) == "table" then
    local found = entry.kind == "class" and value or index_value(value, entry.name)
    if found ~= nil then return found end
  end
  local class = index.by_module[entry.module]
  local meta = class and classes[class.class:lower()]
  if not meta then return nil end
  return entry.kind == "class" and meta or M.methods(meta)[entry.name]
end

local by_value, modules_then

local function count_modules()
  local count = 0
  for name in next, package.loaded do
    if name:find "^perilune" then count = count + 1 end
  end
  return count
end

--- `anew`: made again if modules were loaded since; the walk through all of them takes milliseconds.
local function load_values(anew)
  if by_value and not (anew and modules_then ~= count_modules()) then return by_value end
  load_index()
  by_value = {}
  local classes = {}
  for name, meta in pairs(M.classes()) do classes[name:lower()] = meta end
  for _, entry in ipairs(index.entries) do
    local value = value_of(entry, classes)
    if value ~= nil and by_value[value] == nil then by_value[value] = entry end
  end
  by_value[M.help] = index.by_name.help
  modules_then = count_modules()
  return by_value
end

--- The declaration of the class whose metatable has that __name: "perilune.tensor" is class perilune.Tensor.
function M.class(name)
  for class, entry in pairs(load_index().by_class) do
    if entry.module and class:lower() == name:lower() then return entry end
  end
end

--- The declaration of the module "nn", "tensor", ...
function M.module(name) return load_index().by_module[name] end

--- The declaration of the options that a parameter stands for, if it stands for options.
function M.options(parameter)
  local class = load_index().by_class[parameter.type]
  return class and not class.module and class or nil
end

--- The class that an object belongs to.
local function class_of(object)
  local meta = debug.getmetatable(object)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and M.class(name) or nil
end

--- What the class of an object declares: name -> "field" or "method".
function M.members(object)
  local class, found = class_of(object), {}
  for _, member in ipairs(class and class.members or {}) do found[member.name] = "method" end
  for _, field in ipairs(class and class.fields or {}) do
    if field.name:match "^[%a_]" then found[field.name] = "field" end
  end
  return found
end

--- The declaration of a documented function, else nil.
function M.entry(f) return load_values()[f] or load_values(true)[f] end

--- The fields that a class declares, by its full name: "perilune.Context".
function M.fields(class)
  local entry = load_index().by_class[class]
  return entry and entry.fields or {}
end

--- "nn.Conv2d(inputs, outputs, kernel [, options])" for a documented function, else nil.
function M.signature(f)
  local entry = load_values()[f]
  return entry and layout.signature(entry)
end

local function clean(name)
  return (name:gsub(":", "."):gsub("%(.*$", ""):gsub("^perilune%.", "pl."):gsub("%s+", ""):lower())
end

--- The entries that a name may mean: exactly that name, or else those whose last part or beginning it is.
local function find(name)
  load_index()
  local key = clean(name)
  local exact = index.by_name[key] or index.by_name[key:gsub("^pl%.", "")] or index.by_name["pl." .. key]
  if exact then return { exact } end
  if index.by_last[key] then return index.by_last[key] end
  for class, entry in pairs(index.by_class) do
    if class:lower() == key or class:lower() == "perilune." .. key:gsub("^pl%.", "") then return { entry } end
  end
  local beginning = {}
  for _, entry in ipairs(index.entries) do
    local full = M.name_of(entry):lower()
    if full:sub(1, #key) == key or (entry.name or ""):lower():sub(1,
      #key) == key then beginning[#beginning + 1] = entry end
  end
  return key ~= "" and beginning or {}
end

-- "OptimGroup.frozen" with its text, for each class that declares a field of that name.
local function fields_called(key)
  local list = {}
  for i, found in ipairs(index.by_field[key] or {}) do
    list[i] = { kind = "class", class = ("%s.%s"):format(found.class:gsub("^perilune%.", ""), found.field.name),
      text = { found.field.text } }
  end
  return list
end

-- The declarations in whose texts a word, or words, occur.
local function mentions(words)
  local pattern = "%f[%w_]" .. words:lower():gsub("%p", "%%%0"):gsub("s$", "") .. "%l?%l?%l?%f[^%w_]"
  local list, seen = {}, {}
  local function look(entry)
    local texts = table.move(entry.text, 1, #entry.text, 1, {})
    for _, items in ipairs { entry.params, entry.fields, entry.returns } do
      for _, item in ipairs(items) do texts[#texts + 1] = item.text end
    end
    if not seen[entry] and table.concat(texts, " "):lower():find(pattern) then list[#list + 1] = entry end
    seen[entry] = true
  end
  for _, entry in ipairs(index.entries) do look(entry) end
  for _, class in ipairs(sorted_keys(index.by_class)) do look(index.by_class[class]) end
  return list
end

local MOST = 12      -- declarations that are named where a word occurs

-- The page about a word that is no name: the fields called so, or where it occurs.
local function found_inside(word, width)
  local names = require "perilune.base.names"
  local fields = names.foreign(word, "word") and {} or fields_called(clean(word))
  if #fields > 0 then
    return layout.list(fields, width, ('"%s" is a field or an option; help "%s" tells more:'):format(word,
      fields[1].class:match "^[^.]*"))
  end
  if names.foreign(word) or not word:find "^%a[%w%s_-]+$" then return nil end
  local list = mentions(word)
  if #list == 0 then return nil end
  local more = #list > MOST and (", and %d more"):format(#list - MOST) or ""
  return layout.list(table.move(list, 1, MOST, 1, {}), width, ('"%s" is in the text of these%s:'):format(word, more))
end

--- The known name nearest to a mistaken one, or nil.
function M.nearest(name)
  local key = clean(name)
  local last = key:match "[^.]*$"
  local shorts, full_of = {}, {}
  for _, entry in ipairs(M.entries()) do
    local short = (entry.name or entry.module):lower()
    if not full_of[short] then
      shorts[#shorts + 1] = short
      full_of[short] = M.name_of(entry)
    end
  end
  table.sort(shorts)
  local best = core.system.nearest(last, shorts)
  return best and full_of[best]
end

-- The page for a name or value; or nil and what to say instead.
local function page(topic, width)
  load_index()
  if topic == nil then return layout.topics(index, width) end
  if type(topic) == "string" then
    local found = find(topic)
    if #found == 1 then return layout.entry(found[1], M.options, width) end
    if #found > 1 then return layout.list(found, width, ("%d names fit \"%s\":"):format(#found, topic)) end
    local inside = found_inside(topic, width)
    if inside then return inside end
    local near, known = M.nearest(topic), require "perilune.base.names".foreign(topic)
    return nil, ("help knows no \"%s\"; %s"):format(topic, known or near and ("nearest is " .. near)
      or "help() lists the topics")
  end
  local entry = load_values()[topic] or load_values(true)[topic]
  if not entry and type(topic) ~= "function" then entry = class_of(topic) end
  if entry then return layout.entry(entry, M.options, width) end
  return nil, ("this %s is not part of Perilune; help() lists the topics"):format(type(topic))
end

--- The text for a name or value, in lines of at most `width`; or nil and what to say instead.
function M.text(topic, width)
  width = width or 100
  local text, problem = page(topic, width)
  return text and layout.fit(text, width), problem
end

--- In a module that is printed as a value: its functions, in short. Nil for other tables.
function M.module_text(t, width)
  local entry = load_values()[t]
  return entry and entry.kind == "class" and layout.room_short(entry, width) or nil
end

--- The width of pages: that of the terminal, but no more than can be read well.
function M.width()
  return math.max(40, math.min(100, core.system.columns(1) or 100))
end

--- Prints; returns whether something was found.
function M.print(topic)
  local text, problem = M.text(topic, M.width())
  print(text or problem)
  return text ~= nil
end

--- For the session: prints and returns nothing.
function M.help(topic) M.print(topic) end

return M
