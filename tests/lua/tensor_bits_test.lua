-- The bits of results, as checksums: the same for every compiler, its settings, any number of threads and every
-- instruction set (but for what is made of fused multiply-adds: without them it has bits of its own).
local lu = require "luaunit"
local pl = require "perilune"
local system = require "perilune.core".system

-- Fletcher's checksum of the f32 bits in row order.
local function checksum(t)
  local a, b = 1, 0
  local function walk(v)
    if type(v) == "table" then
      for i = 1, #v do walk(v[i]) end
    else
      a = (a + string.unpack("<I4", string.pack("<f", v))) % 4294967291
      b = (b + a) % 4294967291
    end
  end
  walk(type(t) == "number" and t or t:totable())
  return ("%08x%08x"):format(a, b)
end

local x, y = pl.randn(97, 301, { seed = 1 }), pl.randn(97, 301, { seed = 2 })
local positive = x:abs() + 0.01

local cases = {
  randn = { "74eb9557331e2ff3", function() return x end },
  rand = { "22841ef0a2875f2b", function() return pl.rand(1000, { seed = 3 }) end },
  arithmetic = { "c135d21360e43d25", function() return (x * y - x / positive + 0.1) % 0.7 end },
  pow = { "018343bed39f7a18", function() return positive ^ 1.7 end },
  sin = { "498ba7fca3fe236e", function() return (x * 50):sin() end },
  cos = { "cb19c5bb53b6ae29", function() return (x * 50):cos() end },
  sqrt = { "e37c7a0a56873235", function() return positive:sqrt() end },
  sum = { "c19e9260c19e9260", function() return x:sum() end },
  sum_rows = { "21579b6e0a685375", function() return x:sum(2) end },
  sum_columns = { "7acbe51071d5fc07", function() return x:sum(1) end },
  std = { "a42f805f50feb01c", function() return x:std(1, { correction = 1 }) end },
  norm = { "d58ec3dbd923311d", function() return x:norm(2) end },
  prod = { "e4a47235ba67535f", function() return positive:slice(2, 1, 40):prod(2) end },
}
local with_fma = {
  sigmoid = { "70eafcf53c76c553", function() return x:sigmoid() end },
  tanh = { "42d5dd68e7b3ef67", function() return x:tanh() end },
  log = { "39eb9ebb46eef0d5", function() return positive:log() end },
  exp = { "e79811ba1daa0a77", function() return x:exp() end },
  matmul = { "5d50c23307d8e237", function() return x:matmul(y:T()) end },
  wide = { "1418cf0554a4408f", function() return x:T():matmul(y) end },
  vector = { "2ffd98a7aa0f331c", function() return x:matmul(y[1]) end },
}

TestBits = {}

for _, list in ipairs { cases, with_fma } do
  for name, case in pairs(list) do
    TestBits["test_" .. name] = function()
      local _, isa = system.processor()
      if list == with_fma and isa == "baseline" then
        lu.skip("the baseline instruction set has no fused multiply-add")
      end
      for _, threads in ipairs { 1, 2, 3 } do
        system.threads(threads)
        local found = checksum(case[2]())
        lu.assertEquals(found, case[1], name .. " on " .. threads .. " threads")
      end
      system.threads(0)
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
