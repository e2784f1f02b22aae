-- Formulas that call formulas: how deep, how often they are recorded, and what their errors name.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

TestNested = {}

function TestNested.test_formulas_nest_a_few_levels()
  local function nested(levels)
    local layer = nn.Identity()
    for _ = 1, levels do
      local inner = layer
      layer = nn.Graph(function(x) return inner(x) + 1 end)
    end
    return layer:build { 2 }
  end
  lu.assertEquals(nested(5):infer(pl.zeros(1, 2)):totable(), { { 5, 5 } })
  lu.assertStrContains(select(2, pcall(nested, 9)), "nest deeper than 6")
end

-- However often it is called, a formula is recorded twice for a shape; the calls of nested ones multiply, to a limit.
function TestNested.test_nested_formulas_are_recorded_once_a_shape()
  local function nested(levels, calls, count)
    local layer = nn.Identity()
    for level = 1, levels do
      local inner = layer
      layer = nn.Graph(function(x)
        count[level] = (count[level] or 0) + 1
        for _ = 1, calls do x = inner(x) end
        return x + 1
      end)
    end
    return layer:build { 2 }
  end
  local count = {}
  local model = nested(5, 4, count)
  lu.assertEquals(count, { 2, 2, 2, 2, 2 })
  lu.assertEquals(model:infer(pl.zeros(1, 2)):totable(), { { 341, 341 } })
  local again = nn.from_config(model:config()):build { 2 }
  lu.assertEquals(again:infer(pl.zeros(1, 2)):totable(), { { 341, 341 } })
  lu.assertErrorMsgContains("the model uses its layers more than 65536 times", nested, 6, 10, {})
  lu.assertErrorMsgContains("takes more than 1048576 operations", nested, 2, 1500, {})
end

-- A message of a layer within names one line, and the layers on the way.
function TestNested.test_errors_of_nested_layers()
  local Inner = nn.define { name = "Inner", layers = function() return { fc = nn.Linear(3, 4) } end,
    forward = function(self, x)
      local y = self.fc(x)
      return y
    end }
  local Outer = nn.define { name = "Outer", layers = function() return { inner = Inner() } end,
    forward = function(self, x)
      local y = self.inner(x)
      return y
    end }
  local model = nn.Sequential { nn.Flatten(), Outer() }
  local _, message = pcall(model.forward, model, pl.randn(2, 5))
  local _, lines = message:gsub("define_nested_test%.lua:%d+: ", "")
  lu.assertEquals(lines, 1, message)
  lu.assertStrContains(message, "layer 2 (Outer): layer 2.1 (Inner): layer 2.1.1 (Linear): expects 3 features")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
