-- A memory limit is an error that says what was being made, how much it wants, and what to do.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local memory = require "perilune.base.memory"

local script = cli.write("memory.lua", [[
local pl = require "perilune"
local n, width, batch = pl.arg("n", 200), pl.arg("width", 8), pl.arg("batch", 10)
return pl.experiment { name = "Memory", data = pl.data.digits { train = n, test = 20 }, epochs = 1, batch_size = batch,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.ReLU(), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam {} }
]])

local limit = ": the memory limit of %d+%.%d MiB is reached: %d+%.%d MiB are held and %d+%.%d MiB more are needed; " ..
  "allow more with %-%-memory or PERILUNE_MEMORY"

TestMemory = {}

function TestMemory:test_enough_is_enough()
  local r = cli.run(("run %s --memory 64M --quiet --out enough"):format(script))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
end

function TestMemory:test_what_was_being_made_is_named()
  for words, what in pairs {
    ["n=3000 --memory 1M"] = "a tensor %[3000, 28, 28, 1%] of u8",
    ["width=4000 --memory 3M"] = "the parameters of the model and their gradients",
    ["width=800 --memory 6M"] = "what Adam remembers of each parameter: a tensor %[636016%] of f32",
    ["n=2000 width=400 batch=2000 --memory 21M"] =
    "the activations of a batch of 2000 samples %(a smaller batch_size needs less%)",
    ["n=2000 batch=2000 --memory 3MiB"] = "a batch of 2000 samples",
  } do
    local r = cli.run(("run %s %s --quiet --out short"):format(script, words))
    lu.assertEquals({ r.status, r.out }, { 1, "" }, words)
    lu.assertStrMatches(r.err, "perilune: .*" .. what .. limit .. "\n")
  end
end

function TestMemory:test_the_environment_limits_every_command()
  local code = cli.quote "print(pcall(require 'perilune'.zeros, 1000, 1000)) print(#require 'perilune'.zeros(1000))"
  local r = cli.run("-e " .. code, "PERILUNE_MEMORY=2M")
  lu.assertStrMatches(r.out, "false\t.*a tensor %[1000, 1000%] of f32: the memory limit of 2%.0 MiB is " ..
    "reached.*\n1000\n")
  r = cli.run("version", "PERILUNE_MEMORY=lots")
  lu.assertEquals({ r.status, r.err }, { 2,
    "perilune: PERILUNE_MEMORY: a size such as 500M or 2G is expected, got 'lots'\n" })
  r = cli.run(("run %s --memory x"):format(script))
  lu.assertEquals(r.status, 2)
  lu.assertStrContains(r.err, "a size such as 500M or 2G is expected, got 'x'")
end

function TestMemory:test_sizes()
  lu.assertEquals(memory.bytes "65536", 65536)
  lu.assertEquals(memory.bytes "2G", 2 << 30)
  lu.assertEquals(memory.bytes "1.5 GiB", 3 << 29)
  lu.assertEquals(memory.bytes "800mb", 800 << 20)
  for _, word in ipairs { "", "G", "0", "-1", "1.2.3", "1e30", "5P", "9999999999G" } do
    lu.assertNil((memory.bytes(word)), word)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
