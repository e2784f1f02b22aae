-- pl.sweep: values of every kind, what it leaves alone of the script that calls it, its mistakes.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

cli.write("swept.lua", [[
local pl = require "perilune"
local module = require "number"
local lr, text, flag, sizes = pl.arg("lr", 0.1), pl.arg("text", "-"), pl.arg("flag", false), pl.arg("sizes", { 4 })
local width = pl.arg("width", 3)
return pl.experiment { name = "swept", data = pl.data.digits { train = 60, test = 20 }, epochs = 1, batch_size = 20,
  validation = 0.25, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = lr }, callbacks = { on_start = function()
    local file = assert(io.open("ledger", "ab"))
    file:write(("<%s> %s %s\n"):format(text, flag, table.concat(sizes, "/")))
    file:close()
  end } }
]])
cli.write("number.lua", "return {}")

local function run(script, words)
  os.remove(cli.folder .. "/ledger")
  cli.write("script.lua", 'local pl = require "perilune"\n' .. script)
  return cli.run(words or "script.lua")
end

TestFromLua = {}

-- A value in a list is that value, whatever is in it; a text is read as on the command line.
function TestFromLua:test_values_of_every_kind()
  local r = run [[
local s = pl.sweep { script = "swept.lua", out = "kinds",
  arguments = { text = { "a,b", "1..2", "" }, flag = { true }, sizes = { { 1, 2 }, { 3 } }, lr = 0.5 } }
for _, c in ipairs(s.configurations) do
  local a = c.arguments
  print(("%s %s %s %s"):format(a.text, a.flag == true, table.concat(a.sizes, "/"), a.lr))
end
print(#pl.sweep { script = "swept.lua", out = "texts", arguments = { text = "a,b" } }.configurations)
]]
  lu.assertEquals(r.err, "")
  local lines = {}
  for line in r.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  lu.assertEquals(table.remove(lines), "2")
  table.sort(lines)
  lu.assertEquals(lines, { " true 1/2 0.5", " true 3 0.5", "1..2 true 1/2 0.5", "1..2 true 3 0.5", "a,b true 1/2 0.5",
    "a,b true 3 0.5" })
  local begun = {}
  for line in io.lines(cli.folder .. "/ledger") do begun[#begun + 1] = line end
  table.sort(begun)
  lu.assertEquals(begun, { "<1..2> true 1/2", "<1..2> true 3", "<> true 1/2", "<> true 3", "<a,b> true 1/2",
    "<a,b> true 3", "<a> false 4", "<b> false 4" })
end

-- A trial trains with the number that was given, to its last bit.
function TestFromLua:test_every_bit_of_a_number()
  local r = run [[
local s = pl.sweep { script = "swept.lua", out = "bits", arguments = { lr = { 1 / 3, 1 / 3 + 2.0 ^ -54 } } }
print(#s.configurations)
for _, c in ipairs(s.configurations) do
  print(c.arguments.lr == 1 / 3 or c.arguments.lr == 1 / 3 + 2.0 ^ -54, c.runs[1].arguments.lr == c.arguments.lr)
end
]]
  lu.assertEquals({ r.err, r.out }, { "", "2\ntrue\ttrue\ntrue\ttrue\n" })
end

-- A trial that was begun with an argument unsaid has it among its arguments when it is swept later.
function TestFromLua:test_arguments_that_were_unsaid()
  local r = run [[
pl.sweep { script = "swept.lua", out = "unsaid", arguments = { lr = 0.5 } }
local s = pl.sweep { script = "swept.lua", out = "unsaid", arguments = { lr = 0.5, width = { 3, 4 } } }
local widths = {}
for i, c in ipairs(s.configurations) do widths[i] = c.arguments.width end
table.sort(widths)
print(#s.configurations, table.concat(widths, " "), s.best ~= nil, s.data_note)
]]
  lu.assertEquals({ r.err, r.out }, { "", "2\t3 4\ttrue\tnil\n" })
end

-- An experiment that sweeps another one while it is loaded is itself afterwards: arguments, random numbers, modules.
function TestFromLua:test_the_calling_script_stays_as_it_is()
  local body = [[
local number = require "number"
local first, drawn = pl.arg("lr", 0.5), math.random()
%s
print(first == pl.arg("lr", 0.5), pl.arg("width", 1), require "number" == number, drawn, math.random(),
  pl.rand { 1 }:item())
return pl.experiment { name = "outer", data = pl.data.digits { train = 60, test = 20 }, epochs = 1, batch_size = 20,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = pl.arg("lr", 0.5) } }
]]
  local with = run(body:format [[pl.sweep { script = "swept.lua", out = "inner", arguments = { lr = { 0.1, 0.2 } } }]],
    "run script.lua lr=0.25 width=9 --quiet --out with")
  lu.assertEquals(with.err, "")
  lu.assertStrMatches(with.out, "true\t9\ttrue\t.*")
  local without = run(body:format "", "run script.lua lr=0.25 width=9 --quiet --out without")
  lu.assertEquals(with.out, without.out)
  -- and so does a plain script, also after an error
  local r = run([[print(pcall(pl.sweep, { script = "swept.lua", arguments = { lrr = 1 } }), pl.arg("lr", 1.0))]],
    "script.lua lr=0.25")
  lu.assertStrMatches(r.out, "false\t0.25\n")
end

function TestFromLua:test_mistakes()
  local function fails(arguments, message)
    local r = run(("pl.sweep { script = 'swept.lua', out = 'bad', arguments = %s }"):format(arguments))
    lu.assertEquals({ r.err, r.status, r.out }, { "perilune: script.lua:2: " .. message .. "\n", 1, "" })
  end
  local no_value = "is no value of an argument: trials are processes of their own, which are given numbers, " ..
    "strings, true or false, and lists of these; let the script choose by a name"
  fails("{ lr = print }", "pl.sweep: argument 'lr': a function " .. no_value)
  fails("{ lr = { 0.1, print } }", "pl.sweep: argument 'lr': a function " .. no_value)
  fails("{ lr = {} }", "pl.sweep: argument 'lr': a list of values is expected, such as { 0.01, 0.1 }")
  fails("{ lr = { nil, 0.1 } }", "pl.sweep: argument 'lr' takes a list, and its item 1 is nil")
  fails("{ sizes = { { 'a,b' } } }",
    "pl.sweep: argument 'sizes': 'a,b' in a list has a comma, which separates its items")
  fails("{ 1, 2 }", "pl.sweep: arguments are named, such as arguments = { lr = { 0.01, 0.1 } }")
  fails("{ lr = 'x' }", "swept.lua:3: argument lr=x: expects a number, such as lr=0.1")
  fails("{ lrr = 1 }", "swept.lua: the script has no argument 'lrr'; did you mean 'lr'?")
end

function TestFromLua:test_a_file_does_not_sweep_itself()
  for _, words in ipairs { "script.lua", "run script.lua" } do
    local r = run([[local s = pl.sweep { script = "script.lua" } return s]], words)
    lu.assertEquals(r.err, "perilune: script.lua:2: script.lua is being loaded: what it sweeps is another file\n")
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
