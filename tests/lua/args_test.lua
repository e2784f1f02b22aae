-- Arguments of scripts: pl.arg and the words of the command line.
local lu = require "luaunit"
local pl = require "perilune"
local args = require "perilune.script.args"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  lu.assertFalse(ok)
  return (text:gsub("^.-args_test%.lua:%d+: ", "@ "))
end

TestArgs = {}

function TestArgs:test_takes_the_type_of_the_default()
  lu.assertTrue(args.set { "lr=0.01", "width=64", "name=x=y", "deep=true", "rates=1,2,3", "whole=3" })
  lu.assertEquals(pl.arg("lr", 0.1), 0.01)
  lu.assertEquals(pl.arg("width", 32), 64)
  lu.assertEquals(math.type(pl.arg("width", 32)), "integer")
  lu.assertEquals(math.type(pl.arg("whole", 0.5)), "float")
  lu.assertEquals(pl.arg("name", "a"), "x=y")
  lu.assertEquals(pl.arg("deep", false), true)
  lu.assertEquals(pl.arg("rates", { 0 }), { 1, 2, 3 })
  lu.assertEquals(pl.arg("absent", 7), 7)
  lu.assertNil(args.unasked())
end

function TestArgs:test_wrong_values()
  args.set { "lr=fast", "width=1.5", "deep=maybe", "act=tahn" }
  lu.assertEquals(message(function() pl.arg("lr", 0.1) end), "@ argument lr=fast: expects a number, such as lr=0.1")
  lu.assertEquals(message(function() pl.arg("width", 32) end),
    "@ argument width=1.5: expects a whole number, such as width=32; any number with pl.arg(\"width\", 32.0)")
  lu.assertEquals(message(function() pl.arg("deep", true) end), "@ argument deep=maybe: expects true or false")
  lu.assertEquals(message(function() pl.arg("act", "tanh", { "tanh", "relu" }) end),
    "@ argument act=tahn: one of tanh, relu is expected, did you mean tanh?")
  lu.assertEquals(message(function() pl.arg "folder" end),
    "@ the script needs the argument folder: write folder=... on the command line")
end

function TestArgs:test_unasked_arguments_name_the_nearest()
  args.set { "lr=0.01", "widht=64" }
  pl.arg("lr", 0.1)
  pl.arg("width", 32)
  lu.assertEquals(args.unasked(), "the script has no argument 'widht'; did you mean 'width'?")
  args.set { "zzz=1" }
  lu.assertEquals(args.unasked(), "the script takes no arguments; got zzz=1")
end

function TestArgs:test_words_that_are_no_arguments()
  lu.assertEquals({ args.set { "lr" } }, { nil,
    "'lr' is not an argument of a script; arguments are written name=value, such as lr=0.01" })
  lu.assertEquals({ args.set { "a=1", "a=2" } }, { nil, "argument 'a' is given twice" })
  args.set { "b=2", "a=1" }
  lu.assertEquals(args.list(), { "a=1", "b=2" })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
