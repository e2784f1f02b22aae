-- Figures: scales and their ticks, thinning, SVG with every kind of history, PNG, escaping.
local lu = require "luaunit"
local pl = require "perilune"
local scale = require "perilune.plot.scale"
local thin = require "perilune.plot.thin"
local escape = require "perilune.html.escape"
local scratch = dofile "tests/lua/support_scratch.lua"("plot")
local store = pl.store

-- Axes of settings: a run without a value has no place, and does not make words of the others' numbers.
TestParallel = {}

function TestParallel:test_runs_without_a_value()
  local axis = require "perilune.plot.parallel".axis
  local numbers, words = axis { false, 0.4, 0.025 }, axis { "adam", false, "sgd" }
  lu.assertNil(numbers.words)
  lu.assertTrue(numbers.at(0.025) < numbers.at(0.4))
  lu.assertFalse(words.at(false) or false)
  lu.assertEquals({ words.at "adam", words.at "sgd", #words.ticks }, { 0, 1, 2 })
end

local function labels(s)
  local list = {}
  for i, tick in ipairs(s.ticks) do list[i] = tick.label end
  return table.concat(list, " ")
end

TestScale = {}

function TestScale:test_ticks_are_round_and_inside()
  lu.assertEquals(labels(scale.new(0, 10, { pad = false })), "0 2 4 6 8 10")
  lu.assertEquals(labels(scale.new(0, 0.05, { pad = false, unit = "percent" })), "0 % 1 % 2 % 3 % 4 % 5 %")
  lu.assertEquals(labels(scale.new(0, 60000, { pad = false, count = 3 })), "0 20k 40k 60k")
  lu.assertEquals(labels(scale.new(1, 3, { pad = false, whole = true })), "1 2 3")
  lu.assertEquals(labels(scale.new(1000000, 1000010, { pad = false, count = 3 })), "1,000,000 1,000,005 1,000,010")
  lu.assertEquals(labels(scale.new(1e-7, 5e-7, { pad = false, count = 4 })), "1e-7 2e-7 3e-7 4e-7 5e-7")
  lu.assertEquals(labels(scale.new(0.001, 1, { log = true })), "0.001 0.01 0.1 1")
  lu.assertEquals(labels(scale.new(1e-30, 1e30, { log = true })):match "^%S+", "1e-31")
end

function TestScale:test_every_range_has_two_ticks_within_it_and_labels_that_differ()
  local ends = { -1.7e308, -1e12, -5, -1e-9, 0, 1e-300, 1e-5, 0.9999999, 1, 1.0000001, 3, 99.5, 1e5, 1e12 + 1,
    1e12 + 2, 1.7e308 }
  for _, low in ipairs(ends) do
    for _, high in ipairs(ends) do
      if low <= high then
        for _, log in ipairs { false, true } do
          if not log or low > 0 then
            local s = scale.new(low, high, { log = log })
            local what = ("%g to %g%s: %s"):format(low, high, log and " log" or "", labels(s))
            lu.assertTrue(#s.ticks >= 2 and #s.ticks < 20, what)
            local seen = {}
            for _, tick in ipairs(s.ticks) do
              local at = s:at(tick.value)
              lu.assertTrue(at > -1e-6 and at < 1 + 1e-6, what)
              lu.assertNil(seen[tick.label], what)
              seen[tick.label] = true
            end
          end
        end
      end
    end
  end
end

function TestScale:test_no_values_one_value_and_values_without_a_position()
  lu.assertTrue(scale.new(nil, nil).empty)
  local s = scale.new(3, 3)
  lu.assertAlmostEquals(s:at(3), 0.5, 1e-9)
  lu.assertNil(s:at(0 / 0))
  lu.assertNil(s:at(math.huge))
  lu.assertNil(scale.new(1, 10, { log = true }):at(0))
  lu.assertEquals({ scale.range({ { 0 / 0, -1, math.huge, 5 } }) }, { -1, 5 })
  lu.assertEquals({ scale.range({ { 0, -1, 5, 2 } }, true) }, { 2, 5 })
end

TestThin = {}

function TestThin:test_extremes_and_gaps_stay()
  local y = {}
  for i = 1, 100000 do y[i] = math.sin(i / 1000) end
  y[31415], y[77777], y[50000] = 9, -9, 0 / 0
  local kept = thin.indices(y, 100000, 200)
  lu.assertTrue(#kept <= 1000)
  local seen = {}
  for k, i in ipairs(kept) do
    seen[i] = true
    lu.assertTrue(k == 1 or i > kept[k - 1])
  end
  for _, i in ipairs { 1, 31415, 50000, 77777, 100000 } do lu.assertTrue(seen[i], i) end
  lu.assertEquals(#thin.indices({ 1, 2, 3 }, 3, 200), 3)
  local flat = { n = 5000, x = {}, y = {}, low = {}, high = {} }
  for i = 1, 5000 do flat.x[i], flat.y[i], flat.low[i], flat.high[i] = i, 1, 1, i == 2345 and 50 or 1 end
  lu.assertEquals(math.max(table.unpack(thin.series(flat, 200).high)), 50)      -- the peak of a band
end

TestSvg = {}

-- Well-formed as far as tags go, and no coordinate that is not a number.
local function check(svg)
  lu.assertStrContains(svg, "<svg ")
  for _, word in ipairs { "nan", "inf", "%-?1%.#" } do lu.assertNil(svg:gsub("base64,[^\"]*",
    ""):gsub("<text.-</text>", ""):find('"' .. word), word) end
  local open = {}
  for closing, name, rest in svg:gmatch "<(/?)([%a]+)([^>]*)>" do
    if closing == "/" then lu.assertEquals(table.remove(open), name)
    elseif rest:sub(-1) ~= "/" then open[#open + 1] = name end
  end
  lu.assertEquals(open, {})
  return svg
end

function TestSvg:test_every_kind_of_history()
  local nan, long = 0 / 0, {}
  for i = 1, 100000 do long[i] = math.sin(i / 1000) + 1e-4 * i end
  long[31415] = 1000
  local cases = { empty = {}, constant = { 2, 2, 2 }, none = { nan, nan }, holes = { 1, nan, 3, math.huge, 5 },
    single = { 7 }, zeros = { 0, 0, 0 },
    negative = { -1, -2 }, long = long }
  for name, y in pairs(cases) do
    for _, log in ipairs { false, true } do
      local svg = check(pl.figure { title = name, log = log, { y = y, name = name } }:svg())
      lu.assertTrue(#svg < 60000, name .. " " .. #svg)
      local nothing = name == "empty" or name == "none" or (log and (name == "zeros" or name == "negative"))
      lu.assertEquals(svg:find("no values", 1, true) ~= nil, nothing, name .. (log and " log" or ""))
    end
  end
  lu.assertStrContains(pl.figure { { y = { 7 } } }:svg(), "<circle")
  lu.assertEquals(select(2, pl.figure { { y = cases.holes } }:svg():gsub("<circle", "")),
    3)     -- points alone between gaps
end

function TestSvg:test_points_lie_where_their_values_are()
  local d = pl.figure { { y = { 0, 5, 10 } } }:display()
  local h = d.hover
  local group = d.items[#d.items]
  local line = group.items[1]
  for i, v in ipairs { 0, 5, 10 } do
    lu.assertAlmostEquals(line.points[2 * i - 1], h.plot.x + h.plot.w * (i - 1) / 2, 1e-6)
    lu.assertAlmostEquals(line.points[2 * i], h.plot.y + h.plot.h * (1 - h.y:at(v)), 1e-6)
  end
  lu.assertNotNil(group.clip)
end

function TestSvg:test_text_is_text()
  local evil = "</text><script>alert('x')</script> \"&\" \27[31m\0 \xff"
  local svg = check(pl.figure { title = evil, x = evil, y = evil, { name = evil, y = { 1, 2 } }, { name = evil,
    y = { 2, 3 } } }:svg())
  lu.assertNil(svg:find "<script")
  lu.assertNil(svg:find "[%z\1-\8\11-\31]")
  lu.assertNotNil(utf8.len(svg))
  local heat = check(pl.figure { kind = "heat", matrix = { { 1, 2 }, { 3, 4 } }, rows = { evil, evil },
    columns = { evil, evil } }:svg())
  lu.assertNil(heat:find "<script")
end

function TestSvg:test_the_other_kinds()
  local nn = pl.nn
  local model = nn.Sequential { nn.Conv2d(1, 2, 3, { padding = "same", name = "<first>" }), nn.ReLU(),
    nn.Residual { nn.Sequential { nn.Conv2d(2, 2, 1), nn.ReLU() }, nn.Conv2d(2, 2, 1) }, nn.Residual(nn.ReLU()),
      nn.Flatten(), nn.Linear(128, 3) }
  model:build { 8, 8, 1 }
  local drawn = check(pl.figure { kind = "network", model = model }:svg())
  for _, word in ipairs { "Conv2d 3x3", "&lt;first&gt;", "8 × 8 × 2", "387 parameters",
    ">+<" } do lu.assertStrContains(drawn, word) end
  check(pl.figure { kind = "histogram", values = pl.randn { 100 } }:svg())
  check(pl.figure { kind = "histogram", values = {} }:svg())
  check(pl.figure { kind = "histogram", values = { 3, 3, 3 } }:svg())
  check(pl.figure { kind = "heat", matrix = pl.rand { 100, 100 } }:svg())
  check(pl.figure { kind = "heat", matrix = {} }:svg())
  check(pl.figure { kind = "bars", values = { 1, 2, 0 / 0 }, rows = { "a", "b", "c" } }:svg())
  check(pl.figure { kind = "images", images = pl.rand { 5, 8, 8, 3 }, captions = { "1", "2" } }:svg())
  check(pl.figure { title = "both", panels = { { { y = { 1, 2 } } }, { kind = "histogram", values = { 1,
    2 } } } }:svg())
end

function TestSvg:test_mistakes_are_named()
  lu.assertErrorMsgContains("did you mean 'title'", pl.figure, { titel = "x" })
  lu.assertErrorMsgContains("pl.figure: line 1.y: item 2 is \"x\"", pl.figure, { { 1, "x" } })
  lu.assertErrorMsgContains("x has 1 values and y 2", pl.figure, { { x = { 1 }, y = { 1, 2 } } })
  lu.assertErrorMsgContains("columns is 1 or more, got 0", pl.figure, { panels = {}, columns = 0 })
  lu.assertErrorMsgContains("images of no pixels, [2, 0, 3]", pl.figure,
    { kind = "images", images = pl.zeros(2, 0, 3) })
  lu.assertErrorMsgContains("kind = \"bars\" has no use for 'percent'", pl.figure,
    { kind = "bars", values = { 0.5 }, percent = true })
  lu.assertErrorMsgContains("row 2 has not as many values", pl.figure, { kind = "heat", matrix = { { 1, 2 }, { 3 } } })
  local ok, message = pcall(function() pl.figure { { 1, 2 } }:save(scratch .. "/x.jpg") end)
  lu.assertFalse(ok)
  lu.assertStrContains(tostring(message), "ends in .svg, .png or .pdf")
end

-- A band reaches above and below its line, also in the terminal.
function TestSvg:test_a_band_in_the_terminal()
  local style = { width = 60, utf8 = false, paint = function(s) return s end, paint256 = function(s) return s end }
  local function rows(low, high)
    local series = { { n = 3, x = { 1, 2, 3 }, y = { 5, 5, 5 }, low = low, high = high } }
    local lines, drawn = require "perilune.terminal.chart".lines(series, { title = "t", y = { from = 0, to = 10 } },
      style), 0
    for i = 2, 17 do if lines[i]:find "[^%s|+%d.]" then drawn = drawn + 1 end end
    return drawn
  end
  lu.assertEquals({ rows(), rows({ 1, 1, 1 }, { 9, 9, 9 }) }, { 1, 3 })
end

TestHistogram = {}

function TestHistogram:test_against_a_plain_loop()
  local t = pl.randn { 3, 1000 }
  local h = t:histogram(7, -1, 2)
  local counts, sum, n = { 0, 0, 0, 0, 0, 0, 0 }, 0, 0
  for _, v in ipairs(t:reshape(-1):totable()) do
    n, sum = n + 1, sum + v
    if v >= -1 and v <= 2 then
      local bin = math.min(7, math.floor((v + 1) / 3 * 7) + 1)
      counts[bin] = counts[bin] + 1
    end
  end
  lu.assertEquals(h.counts, counts)
  lu.assertAlmostEquals(h.mean, sum / n, 1e-6)
  lu.assertAlmostEquals(h.std, t:std(nil, { correction = 0 }), 1e-5)
  lu.assertEquals({ h.count, h.min, h.max, h.low, h.high }, { 3000, t:min(), t:max(), -1.0, 2.0 })
end

function TestHistogram:test_what_is_not_finite_is_counted_apart()
  local h = pl.tensor({ 1, 2, 0, 0 / 0, math.huge, -math.huge }):histogram(2)
  lu.assertEquals({ h.count, h.zeros, h.nonfinite, h.min, h.max }, { 3, 1, 3, 0.0, 2.0 })
  lu.assertEquals(h.counts, { 1, 2 })
  lu.assertEquals(pl.zeros({ 0 }):histogram(3).counts, { 0, 0, 0 })
  lu.assertEquals(pl.full({ 5 }, 3):histogram(4).counts, { 5, 0, 0, 0 })
  lu.assertErrorMsgContains("bins", function() pl.zeros(1):histogram(0) end)
  local t = pl.tensor { 0, 4 }
  lu.assertErrorMsgContains("the high end, 1.0, lies below the low one, 2.0", t.histogram, t, 3, 2, 1)
  lu.assertErrorMsgContains("the high end, 4.0, lies below the low one, 10.0", t.histogram, t, 3, 10)
  lu.assertErrorMsgContains("the high end, -1.0, lies below the low one, 0.0", t.histogram, t, 3, nil, -1)
  lu.assertErrorMsgContains("the high end, 4.0, lies below the low one, 1000.0", t.hist, t, { low = 1000 })
end

TestPng = {}

function TestPng:test_a_decoder_reads_it()
  local rows = require "perilune.plot.png"
  local path = scratch .. "/x.png"
  assert(store.write_text(path, rows.of_pixels({ { { 0 }, { 1 } }, { { 0.5 }, { 2 } } }, 0, 1)))
  local code = "import sys,zlib,struct\nb=open(sys.argv[1],'rb').read()\nassert " ..
    "b[:8]==b'\\x89PNG\\r\\n\\x1a\\n'\ni=8\nout=[]\nwhile i<len(b):\n" ..
    " n,=struct.unpack('>I',b[i:i+4]);k=b[i+4:i+8];d=b[i+8:i+8+n]\n" ..
    " assert struct.unpack('>I',b[i+8+n:i+12+n])[0]==zlib.crc32(k+d)\n" ..
    " out+=[zlib.decompress(d)] if k==b'IDAT' else []\n i+=12+n\nprint(out[0].hex())"
  if not os.execute "command -v python3 >/dev/null 2>&1" then lu.skip "python3 is not there" end
  store.write_text(scratch .. "/png.py", code)
  local pipe = io.popen(("python3 %s/png.py %s"):format(scratch, path))
  lu.assertEquals(pipe:read "l", "0000ff0080ff")
  pipe:close()
end

-- One value that is not finite would leave all the others one shade.
function TestPng:test_what_is_not_finite_has_no_part_in_the_limits()
  lu.assertEquals({ require "perilune.plot.png".extremes { { { 1 }, { 0 / 0 } }, { { math.huge }, { 3 } } } }, { 1, 3 })
end

TestEscape = {}

function TestEscape:test_text_and_json()
  lu.assertEquals(escape.text "<a href='x' b=\"y\">&", "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;")
  lu.assertEquals(escape.text "a\0b\27c\xffd\u{202e}e\u{ffff}\r\n", [[a\x00b\x1bc\xffd\u{202e}e\u{ffff}]] .. "\n")
  lu.assertEquals(require "perilune.terminal.style".clean "a\27b\nc", [[a\x1bb\nc]])
  lu.assertEquals(escape.json { "</script>", 1, 0.5, 0 / 0, true, { a = "'&" } },
    '["\\u003c/script\\u003e",1,0.5,null,true,{"a":"\\u0027\\u0026"}]')
  for i = 0, 255 do lu.assertNotNil(utf8.len(escape.text(string.char(i)))) end
  for n = 0, 6 do
    local bytes = ("\0\1\xff\xfe\x80"):rep(2):sub(1, n)
    lu.assertEquals(#escape.base64(bytes) % 4, 0)
  end
  lu.assertEquals(escape.base64 "Perilune", "UGVyaWx1bmU=")
end

-- The steps of an nn.Graph and who reads whom: skips, a layer that is called twice in a row, operations of its own.
function TestSvg:test_the_edges_of_a_graph()
  local nn, dataflow = pl.nn, require "perilune.plot.dataflow"
  local stem, block = nn.Linear(4, 4), nn.Sequential { nn.Linear(4, 4), nn.ReLU() }
  local model = nn.Graph(function(x)
    local s = stem(x)
    return pl.cat({ block(block(s)) + s, x:tanh() }, -1)
  end):build { 4 }
  local flow = dataflow.of(model, model:graph())
  local words = {}
  for i, step in ipairs(flow.steps) do words[i] = step.operation or step.child end
  lu.assertEquals(words, { 1, 2, 2, "add", "tanh", "cat" })
  local edges = {}
  for i, edge in ipairs(flow.edges) do edges[i] = table.concat(edge, "-") end
  table.sort(edges)
  lu.assertEquals(table.concat(edges, " "), "0-1 0-5 1-2 1-4 2-3 3-4 4-6 5-6")
  local _, lanes = dataflow.lanes(flow.edges)
  lu.assertEquals(lanes, 2)
  local drawn = check(pl.figure { kind = "network", model = model }:svg())
  for _, word in ipairs { "tanh", "cat", "add" } do lu.assertStrContains(drawn, ">" .. word .. "<") end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
