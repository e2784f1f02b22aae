-- print(t): shape and type first, columns aligned, long axes by their ends.
local lu = require "luaunit"
local pl = require "perilune"

local function prints(t, text) lu.assertEquals(tostring(t), text) end

TestPrint = {}

function TestPrint.test_short()
  prints(pl.tensor { { 1, 2 }, { 3, 40 } }, "tensor [2, 2] f32\n   1   2\n   3  40")
  prints(pl.tensor { 0.5, -1.25 }, "tensor [2] f32\n   0.5000  -1.2500")
  prints(pl.tensor({ 1, 200 }, "u8"), "tensor [2] u8\n    1  200")
  prints(pl.tensor(2.5), "tensor [] f32\n  2.5000")
  prints(pl.zeros(0, 3), "tensor [0, 3] f32")
  prints(pl.tensor { 1 / 0, -1 / 0, 0 / 0, 1 }, "tensor [4] f32\n   inf  -inf   nan     1")
  prints(pl.tensor { 1e-7, 2e-7 }, "tensor [2] f32\n  1.0000e-07  2.0000e-07")
  prints(pl.tensor { 123456.5, 1 }, "tensor [2] f32\n  1.2346e+05  1.0000e+00")
  prints(pl.tensor { -0.0, 1 }, "tensor [2] f32\n  0  1")
  local t = pl.zeros(2)
  t:free()
  prints(t, "tensor (freed)")
end

function TestPrint.test_matrices_under_their_indices()
  prints(pl.arange(8):reshape(2, 2, 2), "tensor [2, 2, 2] i32\n[1]\n  1  2\n  3  4\n[2]\n  5  6\n  7  8")
  prints(pl.arange(4):reshape(1, 1, 2, 2), "tensor [1, 1, 2, 2] i32\n[1][1]\n  1  2\n  3  4")
  prints(pl.arange(4):reshape(1, 2, 2, 1), "tensor [1, 2, 2, 1] i32\n[1]\n  1  2\n  3  4")
end

function TestPrint.test_long_axes()
  prints(pl.arange(1000), "tensor [1000] i32\n     1     2     3  ...   998   999  1000")
  prints(pl.full({ 100 }, 1e-9), "tensor [100] f32\n" .. ("  1.0000e-09"):rep(3) .. "  ..." .. ("  1.0000e-09"):rep(3))
  local text = tostring(pl.zeros(60000, 28, 28, 1, "u8"))
  local lines = 0
  for line in text:gmatch "[^\n]+" do
    lines = lines + 1
    lu.assertTrue(#line <= 80, line)
  end
  lu.assertEquals(lines, 18)
  lu.assertStrContains(text, "[60000]")
  lu.assertStrContains(tostring(pl.arange(40):reshape(20, 2)), "   5   6\n  ...\n  35  36")
  lu.assertEquals(select(2, tostring(pl.rand(12, 3)):gsub("\n", "")), 12)
end

-- Rows of up to 20 numbers are whole, and no line is wider than a terminal.
function TestPrint.test_short_rows_are_whole()
  for _, t in ipairs { pl.full({ 10 }, 0.1), pl.full({ 3, 10 }, -0.123456), pl.full({ 2, 10 }, -12.3456),
    pl.full({ 20 }, 0.05), pl.full({ 4, 20 }, -1e-9) } do
    local text, n = tostring(t), 0
    lu.assertNotStrContains(text, "...")
    for line in text:gmatch "[^\n]+" do lu.assertTrue(#line <= 80, line) end
    for _ in text:match "\n(.*)$":gmatch "%S+" do n = n + 1 end
    lu.assertEquals(n, t:count())
  end
  prints(pl.full({ 10 }, 0.1), "tensor [10] f32\n" .. ("  0.1000"):rep(10))
  prints(pl.full({ 10 }, -12.3456), "tensor [10] f32\n" .. ("  -12.35"):rep(10))
  lu.assertStrContains(tostring(pl.rand(21)), "...")
end

function TestPrint.test_views_print_as_they_read()
  lu.assertEquals(tostring(pl.tensor { { 1, 2 }, { 3, 4 } }:T()), "tensor [2, 2] f32\n  1  3\n  2  4")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
