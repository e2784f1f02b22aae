-- How layers print: with every option that has not its default, as the class declares them.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

TestPrint = {}

function TestPrint:test_options_that_are_not_the_default()
  local function says(layer, text) lu.assertEquals(tostring(layer), text) end
  says(nn.LeakyReLU(0.3), "LeakyReLU(slope=0.3)")
  says(nn.LeakyReLU(), "LeakyReLU")
  says(nn.ELU(0.5), "ELU(alpha=0.5)")
  says(nn.GELU { approximate = "tanh" }, "GELU(approximate=tanh)")
  says(nn.BatchNorm(8, { momentum = 0.01 }), "BatchNorm(features=8, momentum=0.01)")
  says(nn.Conv2d(1, 8, 5, { padding = "same" }), "Conv2d(1 -> 8, kernel=5, padding=same)")
  says(nn.Conv2d(8, 8, { 3, 2 }, { stride = 2, bias = false }), "Conv2d(8 -> 8, kernel=3x2, stride=2, bias=false)")
  says(nn.Linear(16, 4, { bias = false, name = "fc" }), 'Linear "fc"(16 -> 4, bias=false)')
  says(nn.Reshape { 4, 4 }, "Reshape(shape=4x4)")
  says(nn.Sequential { nn.Dropout(0.2), nn.Residual(nn.ReLU()) }, "Sequential\n  Dropout(p=0.2)\n  Residual\n    ReLU")
end

function TestPrint:test_every_option_of_every_layer_is_known()
  for name, constructor in pairs(nn) do
    local ok, layer = pcall(constructor, 2, 3, 1)
    if name:match "^%u" and ok and type(layer) == "userdata" and layer.options then
      local config = layer:config().config or {}
      for _, option in ipairs(layer:options()) do
        lu.assertEquals(option.value, config[option.name], name .. "." .. option.name)
        config[option.name] = nil
      end
      config.name = nil
      lu.assertNil(next(config), name)
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
