-- Charts in the terminal: right at every width, in letters without UTF-8, without colour where it is not wanted.
local lu = require "luaunit"
local text = require "perilune.base.format"
local series = require "perilune.plot.series"
local chart = require "perilune.terminal.chart"
local marks = require "perilune.terminal.marks"
local styles = require "perilune.terminal.style"

local function style(utf, colour, width)
  return styles.of { tty = true, width = width, utf8 = utf, colour = colour, paint = function(s) return s end }
end

local function some(y, name) return series.new({ y = y, name = name }, "test") end

local function bare(line) return (line:gsub("\27%[[%d;]*m", "")) end

TestChart = {}

function TestChart:test_no_line_is_wider_than_the_terminal()
  local list = {}
  for k = 1, 5 do
    local y = {}
    for i = 1, 300 do y[i] = math.exp(-i / 50 * k) end
    list[k] = some(y, ("a run with a rather long name, number %d"):format(k))
  end
  for width = 20, 250, 3 do
    for _, log in ipairs { false, true } do
      for _, s in ipairs { style(true, true, width), style(true, false, width), style(false, false, width) } do
        local lines = chart.lines(list, { title = ("a title "):rep(40), x = { label = "epoch" }, y = { label = "loss",
          log = log, unit = "percent" } }, s)
        for _, line in ipairs(lines) do
          lu.assertTrue(text.width(bare(line)) <= width, ("%d: %s"):format(width, line))
          if not s.utf8 then lu.assertNil(line:find "[\x80-\xff]", line) end
          if not s.colour then lu.assertNil(line:find "\27", line) end
        end
      end
    end
  end
end

function TestChart:test_the_drawing()
  local lines = chart.lines({ some { 0, 1, 2, 3, 4 } }, { title = "t", x = { label = "x" }, y = {}, width = 30,
    height = 5 }, style(false, false, 80))
  lu.assertEquals(lines, {
    "t",
    "4 +                        ***",
    "  |                 *******",
    "2 +           ******",
    "  |    *******",
    "0 +****",
    "  +-------+------------+------",
    "          2            4",
    "                x",
  })
end

function TestChart:test_odd_histories()
  local nan = 0 / 0
  for name, y in pairs { empty = {}, constant = { 2, 2 }, none = { nan, nan }, single = { 7 }, holes = { 1, nan, 3 },
    large = { 1e300, 1, -1e300 } } do
    for _, log in ipairs { false, true } do
      local lines = chart.lines({ some(y) }, { x = {}, y = { log = log } }, style(true, true, 60))
      local all = table.concat(lines, "\n")
      local nothing = name == "empty" or name == "none"
      lu.assertEquals(all:find("no values", 1, true) ~= nil, nothing, name)
      lu.assertTrue(nothing or all:find "[\u{2801}-\u{28ff}]" ~= nil, name)
      lu.assertNil(all:find "nan")
    end
  end
end

function TestChart:test_peaks_of_a_long_history_are_seen()
  local y = {}
  for i = 1, 100000 do y[i] = 0 end
  y[31415] = 1
  local lines = chart.lines({ some(y) }, { x = {}, y = {}, height = 10, width = 60 }, style(false, false, 60))
  lu.assertStrContains(lines[1] .. lines[2], "*")
end

function TestChart:test_names_are_no_commands_to_the_terminal()
  local lines = chart.lines({ some({ 1, 2 }, "a\27[2Jb"), some({ 2, 1 }, "c") }, { x = {}, y = {} },
    style(true, false, 80))
  lu.assertNil(table.concat(lines):find "\27")
end

TestMarks = {}

function TestMarks:test_sparklines()
  lu.assertEquals(marks.spark({ 0, 1, 2, 3, 4, 5, 6, 7 }, 10, true), "▁▂▃▄▅▆▇█")
  lu.assertEquals(marks.spark({ 0, 7, 0 / 0, 3 }, 3, false), "# _")
  lu.assertEquals(marks.spark({ 1, 10, 100 }, 10, false, true), "_=#")
  lu.assertEquals(marks.spark({}, 10, true), "")
  lu.assertEquals(marks.spark({ 5, 5 }, 10, false), "~~")
end

function TestMarks:test_histogram_and_heat_fit()
  local h = { counts = { 0, 1, 1000000, 5 }, low = -1, high = 3 }
  local matrix, wide = { { 90, 10, 0 }, { 0, 5, 5 }, { 0, 0, 100 } }, {}
  for i = 1, 100 do
    wide[i] = {}
    for j = 1, 100 do wide[i][j] = i == j and 10 or 0 end
  end
  for width = 30, 250 do
    for _, s in ipairs { style(true, true, width), style(true, false, width), style(false, false, width) } do
      for _, lines in ipairs { marks.histogram(h, s), marks.heat(matrix, { "zero", "one", "a long name" }, s),
        marks.heat(wide, nil, s) } do
        for _, line in ipairs(lines) do lu.assertTrue(text.width(bare(line)) <= width, line) end
      end
    end
  end
  lu.assertEquals(marks.heat(matrix, { "a", "b", "c" }, style(false, false, 80)), { "   a b c", "a @@..", "b   ####",
    "c     @@" })
  lu.assertEquals(marks.heat({ { 9, 1 }, { 0, 2 } }, { "no", "yes" }, style(false, false, 80)),
    { "      no yes", " no @@@@....", "yes     @@@@" })
  lu.assertEquals(marks.heat({ { 9, 1 }, { 0, 2 } }, { "no", "yes" }, style(false, false, 8))[1], "    n y")
  lu.assertEquals(marks.histogram({ counts = { 1, 2 }, low = 0, high = 1 }, style(false, false, 20)),
    { "  0 1 ######", "0.5 2 ############" })
  lu.assertEquals(marks.histogram({ counts = { 1, 2 }, low = 1000.1, high = 1000.2 }, style(false, false, 20)),
    { "1000.1 1 #####", "1000.2 2 #########" })
  lu.assertEquals(marks.histogram({ counts = { 3, 0 }, low = 0.1, high = 0.1 }, style(false, false, 20)),
    { "0.1 3 ############" })
end

-- Figures of a script show what their files show: bars with labels and values, shades over the range.
function TestMarks:test_bars_and_heat_of_figures()
  local plain, nan, inf = style(false, false, 30), 0 / 0, math.huge
  lu.assertEquals(marks.bars({ { label = "alpha", value = -5 }, { label = "b", value = 2.5 },
    { label = "", value = nan }, { label = "a very long label", value = inf } }, plain, { title = "t" }),
    { "t", "     alpha  -5 #############", "         b 2.5 #######", "           nan", "a very lon inf" })
  lu.assertEquals({ marks.bars({}, plain), marks.bars({ { label = "a", value = 0 } }, plain) },
    { { "no values" }, { "a 0" } })
  lu.assertEquals(marks.heat({ { -4, -3 }, { -2, nan }, { -inf, inf } }, nil, plain, { by = "range", title = "H",
    columns = { "x", "y" } }), { "H", "   x y", "1 ..##", "2 @@", "3 ..@@" })
  local wide = {}
  for i = 1, 40 do
    wide[i] = {}
    for j = 1, 40 do wide[i][j] = j > 20 and 1 or 0 end
  end
  lu.assertEquals(marks.heat(wide, nil, plain, { by = "range" })[1], " 1 " .. (".") :rep(10) .. ("@"):rep(10))
  local script = 'pl.figure { kind = "bars", values = { 1, 0/0, -2 }, rows = { "a", "b" } }:show()'
  local shown = io.popen(("LC_ALL=C %s -e '%s'"):format((os.getenv "BUILD" or "build") .. "/perilune", script)):read "a"
  lu.assertStrMatches(shown, "a   1 #+\nb nan\n3  %-2 #+\n")
end

-- As Unicode's East_Asian_Width has them; counts that no integer holds.
function TestMarks:test_widths_and_counts()
  for width, all in ipairs { { "é", "✓", "→" }, { "⭐", "✅", "⚡", "🟠", "🪐", "漢" } } do
    for _, one in ipairs(all) do lu.assertEquals(text.width(one), width, one) end
  end
  lu.assertEquals({ text.count(1234567.4), text.count(-1234), text.count(1e300), text.count(math.huge) },
    { "1,234,567", "-1,234", "1e+300", "inf" })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
