-- Nothing that is exported is undescribed and nothing that is described is missing: `pl` and the classes of its
-- objects against lua/meta.
local lu = require "luaunit"
local pl = require "perilune"
local help = require "perilune.help"

-- Rooms whose declarations are still being written. Must be empty.
local awaited = { "^pl%.arg$", "^pl%.experiment$", "^pl%.save$", "^pl%.load$", "^pl%.layer$", "^data%.", "^augment%.", "^stopping%.", "^nn%.", "^layer%.", "^perilune%." }

local function is_awaited(name)
  for _, pattern in ipairs(awaited) do
    if name:find(pattern) then return true end
  end
  return false
end

-- All metatables with a __name of ours that can be reached from the registry and from the functions of our modules.
local function classes()
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
      local i = 1
      while true do
        local name, inner = debug.getupvalue(value, i)
        if not name then break end
        if name ~= "_ENV" then visit(inner) end
        i = i + 1
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

-- name -> true for what users can reach: "pl.zeros", "nn.Conv2d", "tensor.reshape", and "perilune.x" for a class that
-- no declaration knows.
local function exported()
  local names = {}
  for key, value in pairs(pl) do
    if type(value) == "table" and not debug.getmetatable(value) then
      for inner in pairs(value) do names[key .. "." .. inner] = true end
    else
      names["pl." .. key] = true
    end
  end
  for name, meta in pairs(classes()) do
    local class = help.class(name)
    if not class then names[name] = true end
    for method in pairs(class and help.methods(meta) or {}) do names[class.room .. "." .. method] = true end
  end
  return names
end

-- name -> true for what is described, without the fields of objects, which are there or not from case to case.
local function described()
  local names = {}
  for _, entry in ipairs(help.entries()) do
    if entry.kind == "function" and entry.room ~= "" then names[help.name_of(entry)] = true end
    if entry.kind == "class" and (type(pl[entry.room]) == "table" or entry.room == "pl") then
      for _, field in ipairs(entry.fields) do
        if type(pl[field.name]) ~= "table" then names[entry.room .. "." .. field.name] = true end
      end
    end
  end
  return names
end

local function difference(a, b)
  local names = {}
  for name in pairs(a) do
    if not b[name] and not is_awaited(name) then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, " ")
end

TestDescribed = {}

function TestDescribed:test_nothing_exported_is_undescribed()
  lu.assertEquals(difference(exported(), described()), "", "exported, but not described in lua/meta")
end

function TestDescribed:test_nothing_described_is_missing()
  lu.assertEquals(difference(described(), exported()), "", "described in lua/meta, but not there")
end

function TestDescribed:test_every_description_says_something()
  local empty = {}
  for _, entry in ipairs(help.entries()) do
    if #entry.text == 0 then empty[#empty + 1] = help.name_of(entry) end
  end
  lu.assertEquals(table.concat(empty, " "), "", "without a description")
end

function TestDescribed:test_every_parameter_is_an_argument_and_every_argument_a_parameter()
  local wrong = {}
  for _, entry in ipairs(help.entries()) do
    if entry.kind == "function" then
      local declared = {}
      for _, p in ipairs(entry.params) do declared[#declared + 1] = p.name end
      if table.concat(declared, ",") ~= table.concat(entry.arguments, ",") then wrong[#wrong + 1] = help.name_of(entry) end
    end
  end
  lu.assertEquals(table.concat(wrong, " "), "", "@param lines that do not fit the arguments")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
