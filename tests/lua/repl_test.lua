-- The session's parts that need no terminal: what is a whole chunk, which locals outlive it, how values are printed,
-- what completes a name, and the history file.
local lu = require "luaunit"
local pl = require "perilune"
local source = require "perilune.repl.source"
local printing = require "perilune.repl.printing"
local completion = require "perilune.repl.completion"
local history = require "perilune.repl.history"
local scratch = dofile "tests/lua/support_scratch.lua" "repl"

TestSource = {}

function TestSource:test_incomplete_input()
  for _, text in ipairs {
    "f(", "for i = 1, 2 do", "if x then y() else", "x = {", "function f()", "s = [[abc", "--[[ remark", "x =",
    "return {", "{ 1,", "-f(", "1 +", "'a' ..",
  } do
    local chunk, why = source.compile(text, 1, {})
    lu.assertNil(chunk, text)
    lu.assertEquals(why, "incomplete", text)
  end
end

function TestSource:test_wrong_input_is_not_waited_for()
  for _, text in ipairs { "x = = 1", "end", "x = 'abc", "1 +* 2", "local 3" } do
    local chunk, why = source.compile(text, 4, {})
    lu.assertNil(chunk, text)
    lu.assertStrMatches(why, "stdin:4: .*")
  end
end

function TestSource:test_expressions_are_told_from_statements()
  local cases = { ["1 + 1"] = true, ["f(1)"] = true, ["=2"] = true, ["'x', 2"] = true, ["x = 1"] = false, [""] = false,
    ["-- remark"] = false,
    ["local x"] = false, ["a.b:c()"] = true }
  for text, prints in pairs(cases) do
    local chunk, found = source.compile(text, 1, {})
    lu.assertIsFunction(chunk, text)
    lu.assertEquals(found, prints, text)
  end
end

function TestSource:test_outermost_locals_become_variables_of_the_session()
  local env = setmetatable({}, { __index = _G })
  local function run(text) return assert(source.compile(text, 1, env))() end
  run "local x = 1"
  lu.assertEquals(env.x, 1)
  run "local a, b <const> = x + 1, 'two'"
  lu.assertEquals({ env.a, env.b }, { 2, "two" })
  run "local a"
  lu.assertNil(env.a)
  run "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end"
  lu.assertEquals(run "fib(10)", 55)
  run "local p = [[local q]] -- local r\nlocal s = 'it\\'s local t'"
  lu.assertEquals({ env.p, env.s }, { "local q", "it's local t" })
  run "local v\n(function() w = 3 end)()"
  lu.assertNil(env.v)
  lu.assertEquals(env.w, 3)
end

function TestSource:test_inner_locals_stay_local()
  local env = setmetatable({}, { __index = _G })
  assert(source.compile([[
    do local a = 1 end
    for i = 1, 2 do local b = i end
    if true then local c = 1 else local d = 2 end
    repeat local e = 1 until e == 1
    while true do local f = 1 break end
    local g = function() local h = 1 return h end
    local k <close> = nil]], 1, env))()
  for _, name in ipairs { "a", "b", "c", "d", "e", "f", "h", "i", "k" } do lu.assertNil(rawget(env, name), name) end
  lu.assertIsFunction(env.g)
end

function TestSource:test_lines_keep_their_numbers()
  local chunk = source.compile("local x = 1\nlocal y\nerror 'here'", 7, setmetatable({}, { __index = _G }))
  local _, message = pcall(chunk)
  lu.assertEquals(message, "stdin:9: here")
end

TestPrinting = {}

function TestPrinting:test_plain_values()
  for text, value in pairs { ["nil"] = nil, ["12"] = 12, ["0.5"] = 0.5, ["true"] = true, ["a\nb"] = "a\nb" } do
    lu.assertEquals(printing.format(value), text)
  end
end

function TestPrinting:test_small_tables_take_one_line_with_sorted_keys()
  lu.assertEquals(printing.format {}, "{}")
  lu.assertEquals(printing.format { 3, 1, "x", z = 1, a = { true }, ["two words"] = 2, [2.5] = 0, ["end"] = 9 },
    '{ 3, 1, "x", [2.5] = 0, a = { true }, ["end"] = 9, ["two words"] = 2, z = 1 }')
end

function TestPrinting:test_long_tables_are_broken_and_cut()
  local t = {}
  for i = 1, 30 do t[("key%02d"):format(i)] = ("value %d"):format(i) end
  local text = printing.format(t, 80)
  lu.assertStrContains(text, "{\n  key01 = \"value 1\",\n")
  lu.assertStrContains(text, "... 10 more\n}")
  local numbers = {}
  for i = 1, 1000 do numbers[i] = i end
  text = printing.format(numbers, 60)
  lu.assertStrContains(text, "... 900 more")
  for line in text:gmatch "[^\n]+" do lu.assertTrue(#line <= 60, line) end
end

function TestPrinting:test_bytes_and_long_text_in_tables()
  lu.assertEquals(printing.format { "\xff", s = "é" }, '{ "\\xff", s = "é" }')
  lu.assertEquals(printing.format { s = ("日"):rep(200) }, '{\n  s = "' .. ("日"):rep(100) .. '..."\n}')
  lu.assertEquals(printing.format { s = ("\xff"):rep(300) }, '{\n  s = "' .. ("\\xff"):rep(200) .. '..."\n}')
end

function TestPrinting:test_depth_and_cycles_end()
  local t = { 1 }
  t.self = t
  lu.assertEquals(printing.format(t), "{ 1, self = {... itself} }")
  local shared = { 7 }
  lu.assertEquals(printing.format { shared, shared }, "{ { 7 }, { 7 } }")
  lu.assertEquals(printing.format { { { { { 1, 2 } } } } }, "{ { { { {... 2 entries} } } } }")
end

function TestPrinting:test_functions()
  lu.assertEquals(printing.format(pl.nn.Linear), "function nn.Linear(inputs, outputs [, options])")
  local own = function(a, b, ...) return a, b, ... end
  lu.assertStrMatches(printing.format(own), "function%(a, b, %.%.%.%) .*repl_test%.lua:%d+")
end

function TestPrinting:test_tensors_and_models_in_tables_take_one_line()
  local t = { x = pl.zeros(2, 3), m = pl.nn.Sequential { pl.nn.ReLU() } }
  lu.assertEquals(printing.format(t), "{ m = Sequential ..., x = tensor f32 [2, 3] }")
end

TestCompletion = {}

local function complete(before, env)
  local taken, insertion, listing = completion.complete(before, env or _G, 60)
  return before:sub(1, #before - taken) .. insertion, listing
end

function TestCompletion:test_globals_fields_and_methods()
  local env = { pl = pl, nn = pl.nn, t = pl.zeros(2, 2), deep = { er = { value = 1, very = 2 } }, text = "abc" }
  env.model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(4, 2) }
  lu.assertEquals(complete("f(mod", env), "f(model")
  lu.assertEquals(complete("x = nn.Lin", env), "x = nn.Linear")
  lu.assertEquals(complete("t:resh", env), "t:reshape")
  lu.assertEquals(complete("model:for", env), "model:forward")
  lu.assertEquals(complete("model[2].bia", env), "model[2].bias")
  lu.assertEquals(complete("text:uppe", env), "text:upper")
  lu.assertEquals({ complete("t.sha", env), complete("t:sha", env) }, { "t.shape", "t:sha" })
  lu.assertEquals({ complete("model[1].weigh", env), complete("model[2].weigh", env) },
    { "model[1].weigh", "model[2].weight" })
  lu.assertEquals({ complete("deep:e", env), complete("pl:tenso", env) }, { "deep:e", "pl:tensor" })
  lu.assertEquals(complete("deep.er.v", env), "deep.er.v")
  lu.assertEquals(select(2, complete("deep.er.v", env)), "value  very")
  lu.assertEquals(complete("a..dee", env), "a..deep")
  lu.assertEquals(complete("t[dee", env), "t[deep")
  lu.assertEquals(complete("whi", env), "while")
end

function TestCompletion:test_upper_and_lower_case_are_equal_when_nothing_fits()
  lu.assertEquals(complete("nn.conv", { nn = pl.nn }), "nn.Conv2d")
end

function TestCompletion:test_names_of_help()
  lu.assertEquals(complete 'help "nn.Lin', 'help "nn.Linear')
  lu.assertEquals(complete "help('layer.forw", "help('layer.forward")
end

function TestCompletion:test_options_in_the_table_of_a_constructor()
  local env = { pl = pl, nn = pl.nn, optim = pl.optim, train = pl.data.digits { train = 10, test = 0 }.train }
  lu.assertEquals(complete("optim.Adam { weight", env), "optim.Adam { weight_decay")
  lu.assertEquals(complete("nn.Conv2d(1, 8, 5, { pad", env), "nn.Conv2d(1, 8, 5, { padding")
  lu.assertEquals(complete("nn.Conv2d(1, 8, 5, { stride = 2, ini", env), "nn.Conv2d(1, 8, 5, { stride = 2, init")
  lu.assertEquals(complete("pl.experiment { name = 'x', epo", env), "pl.experiment { name = 'x', epochs")
  lu.assertEquals(complete("for x, y in train:batches(64, { shuf", env), "for x, y in train:batches(64, { shuffle")
  lu.assertEquals(complete("e = pl.experiment { model = nn.Sequential { nn.Lin", env),
    "e = pl.experiment { model = nn.Sequential { nn.Linear")
  lu.assertStrContains(select(2, complete("optim.SGD { lr = 1, ", env)), "momentum")
  lu.assertNotStrContains(select(2, complete("optim.SGD { lr = 1, ", env)), "lr ")
  lu.assertEquals(complete("x = { pad", { pad_value = 1 }), "x = { pad_value")
end

function TestCompletion:test_names_of_files_in_quotes()
  local env = { nn = pl.nn }
  lu.assertEquals(complete('nn.load "tests/lua/repl_te', env), 'nn.load "tests/lua/repl_test.lua')
  lu.assertEquals(complete("dofile('experiments/progres", env), "dofile('experiments/progression/")
  lu.assertEquals(complete('x = "no/such/folder/fi', env), 'x = "no/such/folder/fi')
end

-- A line counts characters, not bytes, and takes whole ones only.
function TestCompletion:test_names_that_are_not_ascii()
  local folder = scratch .. "/names"
  assert(pl.store.mkdir(folder))
  for _, name in ipairs { "données-é", "données-è", "日本-a", "日本-ab", "x\xff1", "x\xff2" } do
    assert(pl.store.write_text(folder .. "/" .. name, ""))
  end
  local function tab(word) return { completion.complete('x = "' .. folder .. "/" .. word, {}, 60) } end
  lu.assertEquals(tab "donn", { 4, "données-" })
  lu.assertEquals(tab "donné", { 5, "données-" })
  lu.assertEquals(tab "données-", { 0, "", "données-è  données-é" })
  lu.assertEquals(tab "日", { 1, "日本-a" })
  lu.assertEquals(tab("x")[2], "")
end

function TestCompletion:test_blank_text_is_indented_and_nonsense_left_alone()
  lu.assertEquals(complete "", "  ")
  for _, text in ipairs { "nothing.here", "x:", "3.", "f(", ")..(", "a[1", "no:t" } do
    lu.assertEquals(complete(text, {}), text)
  end
end

function TestCompletion:test_looking_never_calls_or_raises()
  local env = { bad = setmetatable({}, { __index = function() error "touched" end }) }
  lu.assertEquals(complete("bad.x.y", env), "bad.x.y")
end

function TestCompletion:test_looking_at_a_data_set_does_not_read_it()
  local train = pl.data.mnist():splits()
  local touched = false
  rawset(train, "read", function() touched = true end)
  lu.assertEquals(complete("train:batche", { train = train }), "train:batches")
  lu.assertStrContains(select(2, complete("train.", { train = train })), "sha256")
  lu.assertFalse(touched)
end

TestHistory = {}

function TestHistory:test_lines_come_back_and_folders_are_made()
  local path = scratch .. "/state/a/b/history"
  lu.assertEquals(history.load(path), {})
  history.add(path, "x = 1")
  history.add(path, "   ")
  history.add(path, "print 'ü'")
  lu.assertEquals(history.load(path), { "x = 1", "print 'ü'" })
end

function TestHistory:test_a_long_file_is_cut_to_the_newest()
  local path = scratch .. "/long"
  local file = io.open(path, "w")
  for i = 1, 2500 do file:write("line ", i, "\n") end
  file:close()
  local lines = history.load(path)
  lu.assertEquals({ #lines, lines[1], lines[1000] }, { 1000, "line 1501", "line 2500" })
  lu.assertEquals(history.load(path), lines)
end

function TestHistory:test_whatever_the_file_is()
  local folder, pipe, binary, huge = scratch .. "/folder", scratch .. "/pipe", scratch .. "/binary", scratch .. "/huge"
  os.execute(("mkdir -p '%s'; rm -f '%s'; mkfifo '%s'"):format(folder, pipe, pipe))
  for _, path in ipairs { folder, pipe, "/dev/zero", "/dev/null" } do
    lu.assertEquals(history.load(path), {})
    history.add(path, "x")
  end
  local file = io.open(binary, "wb")
  file:write("a\0b\n\xff\xfe\n\27[31mred\n", ("x"):rep(20000), "\nx = 1\r\n\tprint 'ü'")
  file:close()
  lu.assertEquals(history.load(binary), { "x = 1", "\tprint 'ü'" })
  file = io.open(huge, "wb")
  for _ = 1, 30 do file:write(("y"):rep(1 << 20), "\n") end
  file:write("last\n")
  file:close()
  lu.assertEquals(history.load(huge), { "last" })
  lu.assertEquals(io.open(huge):seek "end", 5)
end

function TestHistory:test_what_cannot_be_written_is_no_error()
  history.add("/proc/nowhere/history", "x")
  history.add(nil, "x")
  lu.assertEquals(history.load "/proc/nowhere/history", {})
  lu.assertEquals(history.load(nil), {})
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
