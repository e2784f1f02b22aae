-- What a sweep varies, its combinations and the names of its trials; other processes.
local lu = require "luaunit"
local args = require "perilune.script.args"
local core = require "perilune.core"
local plan = require "perilune.sweep.plan"
local values = require "perilune.sweep.values"
local scratch = dofile "tests/lua/support_scratch.lua" "sweep_values"

TestValues = {}

function TestValues:test_lists_and_ranges()
  lu.assertEquals(values.parse "lr=1e-3,0.1", { name = "lr", values = { "1e-3", "0.1" } })
  lu.assertEquals(values.parse "width=3..6", { name = "width", values = { "3", "4", "5", "6" } })
  lu.assertEquals(values.parse "width=-1..1", { name = "width", values = { "-1", "0", "1" } })
  lu.assertEquals(values.parse "channels=[8,16],4,[16,32]", { name = "channels", values = { "8,16", "4", "16,32" } })
  lu.assertEquals(values.parse "path=../a,b..c", { name = "path", values = { "../a", "b..c" } })
  lu.assertEquals(values.parse "lr=log:1e-4..1", { name = "lr", text = "log:1e-4..1", kind = "log", low = 1e-4,
    high = 1 })
  lu.assertEquals(values.parse "lr=lin:-1..1", { name = "lr", text = "lin:-1..1", kind = "lin", low = -1, high = 1 })
  lu.assertEquals(values.parse "lr=lig:1..5", { name = "lr", values = { "lig:1..5" } })      -- no kind of range
  lu.assertEquals(values.parse "channels=[],[8]", { name = "channels", values = { "", "8" } })
end

function TestValues:test_a_grid()
  local parameters = values.parse_all { "b=1,2", "a=x,y,z" }
  lu.assertEquals(values.grid(parameters), { { "a=x", "b=1" }, { "a=x", "b=2" }, { "a=y", "b=1" }, { "a=y", "b=2" },
    { "a=z", "b=1" }, { "a=z", "b=2" } })
  lu.assertEquals(values.grid {}, { {} })
end

-- One value, however it is written; words stay as they are.
function TestValues:test_values_written_otherwise()
  local defaults = { lr = 0.1, width = 4, name = "x", bias = false }
  local parameters = values.parse_all { "lr=1e-3,0.001,0.0010,1", "width=16,1.6e1", "name=01,1", "bias=yes,0,true,Off" }
  values.settle(parameters, defaults)
  local found = {}
  for _, p in ipairs(parameters) do found[p.name] = p.values end
  lu.assertEquals(found, { lr = { "0.001", "1" }, width = { "16" }, name = { "01", "1" },
    bias = { "true", "false" } })
end

local function settled(word, default)
  local p = values.parse(word)
  values.settle({ p }, { [p.name] = default })
  return p.values
end

-- A number stays the same double, and two that differ in their last bit are two values.
function TestValues:test_every_bit_of_a_number()
  for _, x in ipairs { 1 / 3, 0.1 + 0.2, math.pi * 1e200, 2.0 ^ 53 + 2, 5e-324, -1e22 } do
    local found = settled(("lr=%.17g,%.17g,%.17g"):format(x, x * (1 + 2.0 ^ -52), x), 0.1)
    lu.assertEquals(tonumber(found[1]), x)
    lu.assertEquals(#found, x == 5e-324 and 1 or 2)
  end
  lu.assertEquals(settled("lr=0.3333333333333333,0.33333333333333331", 0.1), { "0.3333333333333333" })
  lu.assertEquals(settled("n=9007199254740993,9007199254740992", 1), { "9007199254740993", "9007199254740992" })
  lu.assertEquals(settled("lr=9007199254740993,9007199254740992", 0.1), { "9007199254740992" })
end

-- The items of a list are values of the kind that those of the default are.
function TestValues:test_lists_written_otherwise()
  lu.assertEquals(settled("c=[8,16],[8, 16],[8.0,16],[16,8],8,[]", { 4 }), { "8,16", "16,8", "8", "" })
  lu.assertEquals(settled("c=[1e-3,1],[0.001,1.0]", { 0.5 }), { "0.001,1" })
  lu.assertEquals(settled("c=[yes,no],[true,0]", { false }), { "true,false" })
  lu.assertEquals(settled("c=[a,1],[a,1.0],[a, 1]", { "x" }), { "a,1", "a,1.0", "a, 1" })
end

function TestValues:test_no_infinite_numbers()
  lu.assertEquals(settled("lr=1e400,nan", 0.1), { "1e400", "nan" })      -- for the script to refuse by that name
  for _, word in ipairs { "lr=1e400", "lr=-1e400" } do
    lu.assertTrue(args.set { word })
    lu.assertErrorMsgContains("argument " .. word .. ": expects a finite number, such as lr=0.1", args.get, "lr", 0.1)
    lu.assertErrorMsgContains("argument " .. word .. ": expects a finite number, such as lr=0.1", args.get, "lr",
      { 0.1 })
    lu.assertErrorMsgContains("argument " .. word .. ": expects a whole number, such as lr=3", args.get, "lr", 3)
  end
  args.set { "lr=nan" }
  lu.assertErrorMsgContains("argument lr=nan: expects a number, such as lr=0.1", args.get, "lr", 0.1)
  args.set {}
end

-- Half of the draws of a logarithmic range lie below its geometric mean, half of a linear one's below its middle.
function TestValues:test_draws_fill_their_range()
  local parameters = values.parse_all { "a=log:0.01..100", "b=lin:2..4", "c=p,q" }
  values.settle(parameters, { a = 1.0, b = 1.0, c = "p" })
  local below, middle, p = 0, 0, 0
  for _, words in ipairs(values.random(parameters, 1000, 5)) do
    local a, b = tonumber(words[1]:sub(3)), tonumber(words[2]:sub(3))
    lu.assertTrue(a >= 0.01 and a <= 100 and b >= 2 and b <= 4)
    below, middle, p = below + (a < 1 and 1 or 0), middle + (b < 3 and 1 or 0), p + (words[3] == "c=p" and 1 or 0)
  end
  for _, count in ipairs { below, middle, p } do lu.assertTrue(math.abs(count - 500) < 60, count) end
end

local function counted(word, count)
  local parameters = values.parse_all { word, "x=lin:0..1" }      -- x: so that no two draws are the same
  values.settle(parameters, { n = 1, x = 1.0 })
  local times = {}
  for _, words in ipairs(values.random(parameters, count, 3)) do
    local n = math.tointeger(tonumber(words[1]:match "^n=(.*)$"))
    times[n] = (times[n] or 0) + 1
  end
  return times
end

-- The ends of a range are as likely as what lies between.
function TestValues:test_whole_numbers_are_drawn_alike()
  local times = counted("n=lin:1..4", 2000)
  for n = 1, 4 do lu.assertTrue(math.abs(times[n] - 500) < 100, ("%d: %d times"):format(n, times[n])) end
  lu.assertNil(times[0] or times[5])
  times = counted("n=log:1..8", 2000)
  for n = 1, 8 do
    local wanted = 2000 * math.log((n + 0.5) / (n - 0.5)) / math.log(8.5 / 0.5)
    lu.assertTrue(math.abs(times[n] - wanted) < 5 * math.sqrt(wanted), ("%d: %d times"):format(n, times[n]))
  end
  times = counted("n=lin:1.5..3.9", 100)
  lu.assertEquals({ times[1], times[4] }, {})
  lu.assertEquals(times[2] + times[3], 100)
end

-- Six digits, and no value beyond an end.
function TestValues:test_draws_of_a_narrow_range()
  local parameters = values.parse_all { "a=lin:0.99999951..0.99999962" }
  values.settle(parameters, { a = 1.0 })
  for _, words in ipairs(values.random(parameters, 5, 1)) do
    local x = tonumber(words[1]:sub(3))
    lu.assertTrue(x >= 0.99999951 and x <= 0.99999962, words[1])
  end
end

-- The digits are enough to draw many values of a range that is narrow for its place.
function TestValues:test_many_draws_of_a_narrow_range()
  for word, count in pairs { ["a=lin:0.1000001..0.1000002"] = 500, ["a=lin:-5e-9..5e-9"] = 100,
    ["a=log:123456.001..123456.002"] = 50, ["a=lin:0..1e-300"] = 50 } do
    local parameters = values.parse_all { word }
    values.settle(parameters, { a = 1.0 })
    lu.assertEquals(#values.random(parameters, count, 1), count)
  end
  local parameters = values.parse_all { "a=lin:2..4" }      -- as ever
  lu.assertStrMatches(values.random(parameters, 1, 1)[1][1], "a=%d%.%d?%d?%d?%d?%d")
end

-- To learn the types of its arguments a script is given a value of each range that any of its kind takes.
function TestValues:test_a_script_is_loaded_with_values_of_the_ranges()
  local ranges = values.parse_all { "n=lin:2..9", "x=lin:0..1", "word=log:1..2", "none=lin:1.2..1.4" }
  lu.assertTrue(args.set({ "a=1" }, ranges))
  lu.assertEquals({ args.get("n", 4), args.get("x", 0.5), args.get("word", "z") }, { 5, 0.5, "1.5" })
  lu.assertErrorMsgContains("argument none=lin:1.2..1.4: no whole number lies in that range", args.get, "none", 1)
  lu.assertErrorMsgContains("argument n=lin:2..9: expects true or false", args.get, "n", true)
  args.set {}
end

function TestValues:test_all_of_a_small_set_can_be_drawn()
  local parameters = values.parse_all { "a=1,2,3", "b=x,y" }
  local seen, list = {}, values.random(parameters, 6, 1)
  for _, words in ipairs(list) do seen[table.concat(words, " ")] = true end
  lu.assertEquals(#list, 6)
  for _, words in ipairs(values.grid(parameters)) do lu.assertTrue(seen[table.concat(words, " ")]) end
end

function TestValues:test_names_of_folders()
  lu.assertEquals(plan.name({ "lr=0.01", "width=32" }, 1), "lr=0.01,width=32-s1")
  lu.assertEquals(plan.name({}, 3), "s3")
  local slash, other = plan.name({ "path=a/b" }, 1), plan.name({ "path=a_b" }, 1)
  lu.assertStrMatches(slash, "path=a_b%-%x+%-s1")
  lu.assertEquals(other, "path=a_b-s1")
  local long = plan.name({ "x=" .. ("9"):rep(300) }, 1)
  lu.assertTrue(#long < 255)
  lu.assertNotEquals(long, plan.name({ "x=" .. ("9"):rep(301) }, 1))
  lu.assertNotEquals(plan.name({ "a=x,b=1" }, 1), plan.name({ "a=x", "b=1" }, 1))
end

TestProcess = {}

function TestProcess:test_exit_status_and_output()
  local out = scratch .. "/out"
  local pid = assert(core.process.spawn({ "sh", "-c", "echo one; echo two >&2; read x; echo $x; exit 7" }, out))
  lu.assertEquals({ core.process.wait(pid, true) }, { 7 })
  local file = assert(io.open(out, "rb"))
  lu.assertEquals(file:read "a", "one\ntwo\n\n")
  file:close()
  lu.assertEquals({ core.process.wait(pid) }, { nil, 0 })      -- it is no child any more
end

function TestProcess:test_signals()
  local pid = assert(core.process.spawn { "sleep", "20" })
  lu.assertEquals(select("#", core.process.wait(pid)), 0)
  lu.assertTrue(core.process.kill(pid, "KILL"))
  lu.assertEquals({ core.process.wait(pid, true) }, { nil, 9 })
  lu.assertEquals({ core.process.kill(pid, "TERM") }, { nil, "cannot signal the process: No child processes" })
end

function TestProcess:test_mistakes()
  lu.assertEquals({ core.process.spawn { "no-such-program" } },
    { nil, "cannot start no-such-program: No such file or directory" })
  lu.assertError(core.process.spawn, {})
  lu.assertError(core.process.spawn, { "sh", 3 })
  lu.assertError(core.process.kill, 1, "KILL")
  lu.assertError(core.process.kill, 0, "KILL")
  lu.assertError(core.process.kill, 99999, "STOP")
end

-- kill(2) takes 0 and -1, and what is cut to them, for groups or for every process.
function TestProcess:test_only_children_are_signalled()
  for _, id in ipairs { 0, -1, 1, math.maxinteger, (1 << 32) - 1, 1 << 32 } do
    lu.assertErrorMsgContains("the id of a process is expected", core.process.kill, id, "TERM")
  end
  local _, parent = core.process.id()
  local signalled, message = core.process.kill(parent, "TERM")
  lu.assertNil(signalled)
  lu.assertStrContains(message, "cannot signal")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
