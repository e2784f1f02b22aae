--- Every layer, loss, optimizer and kind of training makes the bits that it has always made (tests/golden/bits.txt),
--- whatever the instruction set, compiler and number of threads. Without fused multiply-adds they are others.
local lu = require "luaunit"
local bits = dofile "tests/golden/make_bits.lua"

local function recorded()
  local list = {}
  for line in io.lines "tests/golden/bits.txt" do list[#list + 1] = line end
  return list
end

TestGoldenBits = {}

function TestGoldenBits:test_every_line_is_reproduced()
  local program = (os.getenv "BUILD" or "build") .. "/perilune"
  local p = assert(io.popen(program .. " version"))
  local isa = p:read "a":match "kernels%s+(%w+)"
  p:close()
  lu.skipIf(isa == "baseline" or isa == "neon", "the recorded bits are those of AVX2 and AVX-512, these kernels are "
    .. isa)
  local list = recorded()
  local now, changed = bits.lines(program), {}
  local have = {}
  for _, line in ipairs(list) do have[line] = true end
  for _, line in ipairs(now) do
    if not have[line] then changed[#changed + 1] = line end
  end
  lu.assertEquals(table.concat(changed, "\n"), "", "other bits, or cases without a line in tests/golden/bits.txt")
  lu.assertEquals(#now, #list)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
