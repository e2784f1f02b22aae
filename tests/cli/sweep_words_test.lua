-- The words of a sweep's values: those that earlier trials were begun with, and numbers that are none. Nothing trains.
local lu = require "luaunit"
local core = require "perilune.core"
local cli = dofile "tests/cli/support.lua"

cli.write("flags.lua", [[
local pl = require "perilune"
local lr = pl.arg("lr", 0.1)
pl.arg("flag", true)
pl.arg("sizes", { 4 })
return pl.experiment { name = "flags", data = pl.data.digits { train = 60, test = 20 }, epochs = 1, batch_size = 20,
  validation = 0.25, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = lr } }
]])

TestWords = {}

-- Trials that were begun with a value written otherwise are resumed in their folders.
function TestWords:test_values_of_earlier_trials_keep_their_words()
  cli.run "sweep flags.lua flag=true,false lr=0.01 --list --out older"
  local path = cli.folder .. "/older/sweep.json"
  local text = cli.read(path):gsub("flag=true", "flag=yes"):gsub("flag=false", "flag=no"):gsub("lr=0.01", "lr=1e-2")
  cli.write("older/sweep.json", text)
  for _, flags in ipairs { "yes,no", "true,false" } do
    local folders, r = {}, cli.run(("sweep flags.lua lr=0.010,0.2 flag=%s --list --out older"):format(flags))
    for line in r.out:gmatch "[^\n]+" do
      folders[#folders + 1] = line:match "run flags.lua (.-) %-%-seed" .. " | " .. line:match "older/(%S+)"
    end
    table.sort(folders)
    lu.assertEquals(folders, { "flag=false lr=0.2 | flag=false,lr=0.2-s1", "flag=no lr=1e-2 | flag=no,lr=1e-2-s1",
      "flag=true lr=0.2 | flag=true,lr=0.2-s1", "flag=yes lr=1e-2 | flag=yes,lr=1e-2-s1" })
    lu.assertEquals(#core.json.decode(cli.read(path)).trials, 4)
  end
end

local function trials_of(folder)
  local list = {}
  for i, t in ipairs(core.json.decode(cli.read(cli.folder .. "/" .. folder .. "/sweep.json")).trials) do
    list[i] = table.concat(t.arguments, " ")
  end
  return list
end

-- An argument that joins the grid with its default among its values, or leaves it, makes no new trial of an old one.
function TestWords:test_a_default_said_and_unsaid()
  for _, words in ipairs { "lr=0.01,0.2", "lr=0.01,0.2 sizes=4,8", "sizes=4", "flag=on sizes=[4],[8] lr=0.2", "" } do
    local r = cli.run("sweep flags.lua " .. words .. " --list --out defaults")
    lu.assertEquals({ r.err, r.status }, { "", 0 })
  end
  lu.assertEquals(trials_of "defaults", { "lr=0.01", "lr=0.2", "lr=0.01 sizes=8", "lr=0.2 sizes=8", "sizes=4" })
end

-- The default of one argument may depend on another: what is unsaid is that of each configuration.
function TestWords:test_defaults_that_depend_on_arguments()
  local text = cli.read(cli.folder .. "/flags.lua")
  cli.write("depending.lua", (text:gsub('pl.arg%("sizes", { 4 }%)', 'pl.arg("width", pl.arg("kind", "a") == "a" ' ..
    'and 8 or 16)\npl.arg("words", { "a,b" })')))
  cli.run "sweep depending.lua kind=a,b --list --out depending"
  cli.run "sweep depending.lua kind=a,b width=8,16 --list --out depending"
  lu.assertEquals(trials_of "depending", { "kind=a", "kind=b", "kind=a width=16", "kind=b width=8" })
  cli.run "sweep depending.lua kind=a words=[a,b] --list --out depending"      -- two words, not one
  lu.assertEquals(#trials_of "depending", 5)
end

function TestWords:test_the_seed_is_no_argument()
  local text = cli.read(cli.folder .. "/flags.lua")
  cli.write("seeded.lua", (text:gsub('name = "flags"', 'seed = pl.arg("seed", 1), %0')))
  local r = cli.run "sweep seeded.lua seed=1..5 --list --out seeded"
  lu.assertEquals({ r.err, r.out, r.status }, { "perilune: the arguments change the experiment's seed, which a " ..
    "sweep sets itself; leave that out, and use --seeds N: seeds 1 to N of each configuration\n", "", 2 })
end

function TestWords:test_a_list_of_booleans_in_the_table()
  local item = { trial = { words = {} }, run = { arguments = { norm = { true, false }, sizes = { 4, 0.5 } } } }
  local outcome = require "perilune.sweep.outcome"
  lu.assertEquals({ outcome.argument(item, "norm"), outcome.argument(item, "sizes") }, { "true,false", "4,0.5" })
end

-- The default tells what a list is of, also where the first list is empty.
function TestWords:test_one_list_is_one_trial()
  local r = cli.run "sweep flags.lua flag=no 'sizes=[],[8,16],[8, 16],[8.0,16]' --list --out lists"
  lu.assertEquals({ r.err, select(2, r.out:gsub("\n", "")) }, { "", 2 })
end

function TestWords:test_too_many_trials()
  for _, words in ipairs { "lr=1,2 --seeds 1000000000", "lr=lin:0..1 --trials 1000000000", "--seeds 100001" } do
    local r = cli.run(("sweep flags.lua %s --list --out many"):format(words))
    lu.assertEquals({ r.err, r.status }, { "perilune: sweep: that would be more than 100000 trials\n", 2 }, words)
  end
  local r = cli.run "sweep flags.lua lr=-5000000000000000000..5000000000000000000 --list --out many"
  lu.assertStrContains(r.err, "the range has more than 100000 values")
  lu.assertNil(core.system.kind(cli.folder .. "/many"))
end

-- A plan that does not say what its trials are was not written by a sweep.
function TestWords:test_a_damaged_plan()
  for name, text in pairs { a = "", b = ', "script": "flags.lua", "text": "", "trials": [ { "seed": "x" } ]' } do
    cli.write(name .. "/sweep.json", '{ "format": "perilune sweep", "version": 1' .. text .. " }")
    lu.assertEquals(cli.run("sweep flags.lua --out " .. name).err,
      ("perilune: %s/sweep.json is damaged: it does not say which trials it is of\n"):format(name))
  end
end

function TestWords:test_numbers_are_finite()
  for _, word in ipairs { "1e400", "-1e400" } do
    for _, values in ipairs { word, "0.1," .. word } do
      local r = cli.run(("sweep flags.lua lr=%s --out infinite"):format(values))
      lu.assertEquals({ r.err, r.status, r.out }, { ("perilune: flags.lua:2: argument lr=%s: expects a finite " ..
        "number, such as lr=0.1\n"):format(word), 1, "" })
    end
  end
  lu.assertNil(core.system.kind(cli.folder .. "/infinite"))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
