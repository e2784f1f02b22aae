-- What the api campaign calls: all functions that can be reached from the library, and the methods of objects.
local pl = require "perilune"
local core = require "perilune.core"

-- Not called: what takes the process or the terminal away, goes to the network, lifts the limits of this test; runs
-- without end, or as long, as it is told, which the experiments below do within bounds; and what Lua calls an object's
-- end by, which no script does.
local left_alone = { exit = true, line = true, download = true, fetch = true, catch_interrupt = true,
  memory_limit = true, threads = true, sleep = true,
  run = true, __gc = true, digits = true, peak = true, bench = true }

local functions, seen = {}, {}
local function collect(path, holder, depth)
  if seen[holder] then return end
  seen[holder] = true
  local names = {}
  for name in next, holder do
    if type(name) == "string" and not left_alone[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value, inner = rawget(holder, name), path .. "." .. name
    if type(value) == "function" then functions[#functions + 1] = { name = inner, f = value }
    elseif type(value) == "table" and depth > 0 then collect(inner, value, depth - 1) end
  end
end
collect("pl", pl, 3)
collect("core", core, 2)
local from_public = #functions

-- The methods of an object, a list of { name =, f = }: its metatable, the table that is its __index, and the tables
-- that a C function there keeps.
local methods_of = {}
local function collect_methods(object)
  local meta = debug.getmetatable(object)
  if type(meta) ~= "table" or methods_of[meta] then return methods_of[meta] end
  local first = #functions + 1
  local name = tostring(rawget(meta, "__name") or type(object))
  collect(name, meta, 0)
  local index = rawget(meta, "__index")
  if type(index) == "table" then collect(name, index, 0) end
  for i = 1, type(index) == "function" and 5 or 0 do
    local _, upvalue = debug.getupvalue(index, i)
    if type(upvalue) == "table" then collect(name, upvalue, 0) end
  end
  methods_of[meta] = table.move(functions, first, #functions, 1, {})
  return methods_of[meta]
end

return { functions = functions, from_public = from_public, collect_methods = collect_methods }
