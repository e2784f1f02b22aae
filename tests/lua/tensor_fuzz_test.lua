-- Random calls with random arguments: each returns or raises a message; nothing crashes and nothing is lost.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"

local odd = { "f32", "i32", "x", 0 / 0, 1 / 0, -1 / 0, math.maxinteger, math.mininteger, 2 ^ 31, -2 ^ 31 - 1, 0.5, true,
  false }
local options = { { keepdim = true }, { seed = 3 }, { descending = true }, { correction = 1 }, {}, { foo = 1 } }

local function sorted_functions(t, without)
  local names = {}
  for name, f in pairs(t) do
    if type(f) == "function" and not without[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function any(list) return list[math.random(#list)] end

local pool

local function value(depth)
  local kind = math.random(12)
  if kind <= 5 and #pool > 0 then return any(pool) end
  if kind <= 8 then return math.random(-4, 7) end
  if kind == 9 then return any(odd) end
  if kind == 10 then return any(options) end
  if kind == 11 or depth > 3 then return nil end
  local list = {}
  for i = 1, math.random(0, 4) do list[i] = value(depth + 1) end
  return list
end

TestFuzz = {}

function TestFuzz.test_random_calls()
  math.randomseed(11)
  collectgarbage() collectgarbage()
  local before = core.system.memory()
  core.system.memory_limit(before + (256 << 20))     -- absurd sizes are refused, not tried
  local methods = debug.getregistry()["perilune.tensor"]
  local names = sorted_functions(methods, { __gc = true, __close = true, free = true, show = true })
  local functions = sorted_functions(core.tensor, {})
  local returned, raised = 0, 0
  pool = { pl.ones(2, 3) }
  for i = 1, 20000 do
    local n, arguments = math.random(0, 4), {}
    for k = 1, n do arguments[k] = value(0) end
    local ok, first, second
    if math.random() < 0.3 then
      ok, first, second = pcall(core.tensor[any(functions)], table.unpack(arguments, 1, n))
    else
      ok, first, second = pcall(methods[any(names)], any(pool), table.unpack(arguments, 1, n))
    end
    returned, raised = returned + (ok and 1 or 0), raised + (ok and 0 or 1)
    if not ok then lu.assertTrue(type(first) == "string" and #first > 10, tostring(first)) end
    for _, t in ipairs { ok and first or false, second } do
      if pl.is_tensor(t) and t:count() < 5000 then
        lu.assertStrContains(tostring(t), "tensor [")
        pool[#pool < 40 and #pool + 1 or math.random(40)] = t
      end
    end
    if i % 200 == 0 then pool[math.random(#pool)] = pl.rand(math.random(0, 3), math.random(3), math.random(3)) end
  end
  core.system.memory_limit(0)
  pl.seed(0)
  lu.assertTrue(returned > 2000 and raised > 2000)
  pool = {}
  collectgarbage() collectgarbage()
  lu.assertEquals(core.system.memory(), before)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
