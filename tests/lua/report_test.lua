-- Tables and numbers for people; a run's own helpers (plain values, random numbers, captured variables, history).
local lu = require "luaunit"
local text = require "perilune.base.format"
local report = require "perilune.terminal.tables"
local history = require "perilune.run.history"
local random = require "perilune.script.random"
local captured = require "perilune.script.upvalues"

TestText = {}

function TestText:test_numbers()
  lu.assertEquals(text.count(12810), "12,810")
  lu.assertEquals(text.count(999), "999")
  lu.assertEquals(text.count(-1234567), "-1,234,567")
  lu.assertEquals(text.percent(0.0097), "0.97 %")
  lu.assertEquals({ text.number(0.001), text.number(1.53e-7), text.number(3), text.number(0 / 0) },
    { "0.001", "1.53e-07", "3", "nan" })
  lu.assertEquals({ text.duration(0.417), text.duration(8.13), text.duration(59.97), text.duration(83.4),
    text.duration(7391) },
    { "0.42 s", "8.1 s", "1:00", "1:23", "2:03:11" })
  lu.assertEquals({ text.bytes(999), text.bytes(51240), text.bytes(3400000) }, { "999 B", "51.2 KB", "3.40 MB" })
  lu.assertEquals(text.shape { 28, 28, 1 }, "[28, 28, 1]")
end

function TestText:test_columns_align_by_characters_not_bytes()
  local narrow = { { "a", need = 2 }, { "b" }, { "c", need = 1 }, { "d", need = 2 } }
  lu.assertEquals(text.columns(narrow, { { "aaaa", "bbbb", "cccc", "dddd" } }, nil, nil, 22),
    { "a     b     c     d", "aaaa  bbbb  cccc  dddd" })
  lu.assertEquals(text.columns(narrow, { { "aaaa", "bbbb", "cccc", "dddd" } }, nil, nil, 21),
    { "a     b     c", "aaaa  bbbb  cccc", "no room for: d" })
  lu.assertEquals(text.columns(narrow, { { "aaaa", "bbbb", "cccc", "dddd" } }, nil, nil, 4),
    { "b", "bbbb", "no", "  ro", "  om", "  fo", "  r:", "  d,", "  a,", "  c" })
  -- words that have no room are cut, and then columns are left out
  local words = { { "name" }, { "n", align = "right" } }
  lu.assertEquals(text.columns(words, { { "a long name, really", "12345" } }, nil, nil, 20),
    { "name               n", "a long name..  12345" })
  lu.assertEquals(text.columns(words, { { "a long name, really", "12345" } }, nil, nil, 15),
    { "name", "a long nam..", "no room for: n" })
  lu.assertEquals(text.wrap("digest 0123456789abcdef", 12, "  "), { "digest", "  0123456789", "  abcdef" })
  lu.assertEquals(text.wrap("one two three", 8, " "), { "one two", " three" })
  lu.assertEquals(text.columns({ { "a" }, { "n", align = "right" } }, { { "·", "1" }, { "xyz", "100" } }),
    { "a      n", "·      1", "xyz  100" })
end

function TestText:test_clip()
  lu.assertEquals(text.clip("━━━x", 2), "━━")
  lu.assertEquals(text.clip("abc", 5), "abc")
end

-- Cells of a terminal, not characters: of Chinese two each, of marks that combine none.
function TestText:test_wide_characters_and_marks()
  for s, width in pairs { ["日本"] = 4, ["zié"] = 3, ["zie\u{301}"] = 3, ["✓ ●━"] = 4,
    ["\u{1F600}x"] = 3, ["ﾃ"] = 1, ["한"] = 2,
    ["\xff\xfe"] = 2, [""] = 0 } do
    lu.assertEquals(text.width(s), width, s)
  end
  lu.assertEquals({ text.clip("日本語", 5), text.clip("日本語", 1), text.clip("e\u{301}e\u{301}", 1) },
    { "日本", "", "e\u{301}" })
  lu.assertEquals({ text.wrap("日本語", 3), text.wrap("日本", 1) }, { { "日", "本", "語" }, { "日本" } })
  local lines = text.columns({ { "a" }, { "b" } }, { { "日本", "1" }, { "xyzu", "2" } })
  lu.assertEquals({ lines[2], lines[3] }, { "日本  1", "xyzu  2" })
end

-- Paths that begin alike are told by their ends.
function TestText:test_a_column_that_is_cut_at_its_beginning()
  local lines = text.columns({ { "path", tail = true }, { "n", align = "right" } },
    { { "runs/a-long-name-s1", "1" }, { "runs/日本本-name-s2", "2" } }, "  ", nil, 16)
  lu.assertEquals(lines, { "path           n", "..ong-name-s1  1", "..本-name-s2   2" })
end

function TestText:test_bar_has_its_width_whatever_the_fraction()
  for i = -2, 22 do
    local full, empty = text.bar(i / 20, 10, true)
    lu.assertEquals(utf8.len(full .. empty), 10)
    full, empty = text.bar(i / 20, 10, false)
    lu.assertEquals(#full + #empty, 10)
  end
end

TestReport = {}

function TestReport:test_a_confusion_matrix_that_is_too_wide()
  local function matrix(n)
    local m = {}
    for i = 1, n do
      m[i] = {}
      for j = 1, n do m[i][j] = i == j and 90 or (i + j) % 7 == 0 and 3 or 0 end
    end
    return m
  end
  local labels = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot" }
  for width = 70, 100, 10 do
    local term = { width = width, utf8 = true, paint = function(s) return s end }
    local lines, listed = report.confusion(matrix(10), labels, term)
    lu.assertEquals({ #lines, listed }, { 11 })
    for _, line in ipairs(lines) do lu.assertTrue(text.width(line) <= width, line) end
    lines, listed = report.confusion(matrix(100), nil, term)
    lu.assertTrue(listed and (#lines == 22 or #lines == 23))
    for _, line in ipairs(lines) do lu.assertTrue(text.width(line) <= width, line) end
  end
end

function TestReport:test_confusion_matrix()
  lu.assertEquals(report.confusion { { 975, 0, 5 }, { 0, 12, 0 }, { 1, 0, 100 } }, {
    "     0   1    2",
    "0  975   ·    5",
    "1    ·  12    ·",
    "2    1   ·  100" })
end

-- Colours belong to cells: a label of several words shifts none.
function TestReport:test_colours_of_a_confusion_matrix()
  local function paint(cell, style) return ("<%s %s>"):format(style, (cell:gsub("^ +", ""))) end
  local term = { utf8 = false, paint = paint }
  local lines = report.confusion({ { 8, 2, 0 }, { 0, 9, 1 }, { 0, 0, 7 } }, { "a b c", "d e", "f" }, term)
  for i, diagonal in ipairs { 8, 9, 7 } do
    lu.assertEquals(lines[i + 1]:match "<green (%d+)>", tostring(diagonal))
    lu.assertEquals(select(2, lines[i + 1]:gsub("<green", "")), 1)
  end
  lu.assertStrContains(lines[2], "<yellow 2>")
  lu.assertStrContains(lines[3], "<yellow 1>")
end

function TestReport:test_classification_report()
  local lines = report.classification({ { 8, 2 }, { 1, 9 } }, { "cat", "dog" })
  lu.assertEquals(lines[1], "class             precision  recall      F1  support")
  lu.assertEquals(lines[2], "cat                  0.8889  0.8000  0.8421       10")
  lu.assertEquals(lines[5], "accuracy                             0.8500       20")
  lu.assertEquals(lines[7], "weighted average     0.8535  0.8500  0.8496       20")
end

function TestReport:test_history_table_and_csv()
  local h = history.new()
  history.append(h, { "epoch", "train_loss", "test_error" }, { epoch = 1, train_loss = 0.25 })
  history.append(h, { "epoch", "train_loss", "test_error" }, { epoch = 2, train_loss = 0.125, test_error = 0.02 })
  lu.assertEquals(report.history(h, nil, 2), { "epoch  train loss  test error", "    1      0.2500           -",
    "    2      0.1250      2.00 %  best" })
  lu.assertEquals(report.csv(h), { "epoch,train_loss,test_error", "1,0.25,", "2,0.125,0.02" })
  lu.assertEquals(report.csv(h, false), { "part,epoch,train_loss,test_error", "history,1,0.25,",
    "history,2,0.125,0.02" })
  lu.assertEquals(report.csv(h, { epoch = 1, test_error = 0.5, ['a "b",c'] = 3 }),
    { 'part,epoch,train_loss,test_error,"a ""b"",c"', "history,1,0.25,,",
    "history,2,0.125,0.02,", "final,1,,0.5,3" })
end

function TestReport:test_model_table_adds_up()
  local lines, total = report.model {
    { path = "01_conv2d", type = "Conv2d", name = "", output = { 28, 28, 8 }, parameters = 208, work = 156800,
      memory = 25088 },
    { path = "02_residual", type = "Residual", name = "", output = { 28, 28, 8 }, parameters = 0, work = 0, memory = 0,
      part = "fork" },
    { path = "02_residual/01_relu", type = "ReLU", name = "", output = { 28, 28, 8 }, parameters = 0, work = 0,
      memory = 25088 },
    { path = "02_residual", type = "Residual", name = "", output = { 28, 28, 8 }, parameters = 0, work = 0, memory = 0,
      part = "join" },
    { path = "03_linear", type = "Linear", name = "fc1", output = { 10 }, parameters = 62730, work = 62720,
      memory = 40 } }
  lu.assertEquals(total, { parameters = 62938, work = 219520, memory = 50216 })
  lu.assertEquals(lines, {
    "layer            output          parameters  multiply-adds   memory",
    " 1 Conv2d        [N, 28, 28, 8]         208        156,800  25.1 KB",
    " 2 Residual {    [N, 28, 28, 8]",
    "   1 ReLU        [N, 28, 28, 8]                             25.1 KB",
    " 2 Residual } +  [N, 28, 28, 8]",
    " 3 Linear \"fc1\"  [N, 10]             62,730         62,720     40 B",
    "total                                62,938        219,520  50.2 KB" })
end

function TestReport:test_against_the_documented_number()
  lu.assertEquals(report.against({ error = 0.008, source = "003" }, 0.0088, 10000), "documented 0.80 % (003): meets")
  lu.assertNil(report.against(nil, 0.01))
  lu.assertNil(report.against({ source = "002" }, 0.01))
end

TestHistory = {}

function TestHistory:test_columns_by_name()
  local h = history.new()
  history.append(h, { "epoch", "test_error" }, { epoch = 1 })
  history.append(h, { "epoch", "test_error" }, { epoch = 2, test_error = 0.5 })
  lu.assertEquals(h.test_error[2], 0.5)
  lu.assertNil(h.test_error[1])
  lu.assertEquals(tostring(h.test_error), "- 0.5")
  lu.assertEquals(#h, 2)
  lu.assertEquals(h[2].epoch, 2)
  lu.assertNil(h.val_loss)
  lu.assertErrorMsgContains("the history has no column 'no_such_column'", function() return h.no_such_column end)
end

function TestHistory:test_goes_through_a_file_form()
  local h = history.new()
  history.append(h, { "epoch", "lr" }, { epoch = 1 })
  history.append(h, { "epoch", "lr" }, { epoch = 2, lr = 0.1 })
  local again = history.new(history.saved(h))
  lu.assertEquals(again.rows, h.rows)
  lu.assertEquals(again.columns, h.columns)
end

TestRandom = {}

function TestRandom:tearDown() random.restore() end

function TestRandom:test_is_a_function_of_seed_and_continues_from_its_state()
  random.install(3, 0)
  local first = { math.random(), math.random(10), math.random(-5, 5) }
  local saved = random.state()
  local rest = { math.random(), math.random(1000000) }
  random.install(3, 0)
  lu.assertEquals({ math.random(), math.random(10), math.random(-5, 5) }, first)
  random.install(3, 0, saved)
  lu.assertEquals({ math.random(), math.random(1000000) }, rest)
  random.install(4, 0)
  lu.assertNotEquals(math.random(), first[1])
end

function TestRandom:test_ranges_and_errors_of_math_random()
  random.install(1, 0)
  local seen = {}
  for _ = 1, 500 do
    local n = math.random(3)
    lu.assertEquals(math.type(n), "integer")
    seen[n] = true
  end
  lu.assertEquals(seen, { true, true, true })
  lu.assertEquals(math.type(math.random(0)), "integer")
  lu.assertEquals(math.type(math.random(math.mininteger, math.maxinteger)), "integer")
  lu.assertErrorMsgContains("interval is empty", math.random, 2, 1)
  lu.assertErrorMsgContains("no integer representation", math.random, 1.5)
  math.randomseed(5)
  local a = math.random()
  math.randomseed(5)
  lu.assertEquals(math.random(), a)
end

function TestRandom:test_gives_the_original_back()
  local before = math.random
  random.install(1, 0)
  lu.assertNotEquals(math.random, before)
  random.restore()
  lu.assertEquals(math.random, before)
end

TestCaptured = {}

function TestCaptured:test_names_the_variable_that_changed()
  local count, constant, list = 0, 1, {}
  local check = captured.watch { { "schedule", function() return constant end }, { "callbacks.on_epoch", function()
    count = count + 1 return list
  end } }
  lu.assertNil(check())
  count = 1
  lu.assertEquals(check(), "callbacks.on_epoch changes the captured variable 'count'")
  count = 0
  lu.assertNil(check())
  list[1] = "x"
  lu.assertEquals(check(), "callbacks.on_epoch changes the captured variable 'list'")
end

function TestCaptured:test_looks_into_captured_functions()
  local hidden = 0
  local function bump() hidden = hidden + 1 end
  local check = captured.watch { { "schedule", function() bump() end } }
  bump()
  lu.assertEquals(check(), "schedule changes the captured variable 'hidden'")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
