-- A sweep that is begun in one folder and resumed from another, of a script that loads modules beside it and above it.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

cli.write("project/exp/x.lua", [[
local pl = require "perilune"
local width = require("models." .. pl.arg "model") + require "beside_it"
return pl.experiment { name = "elsewhere", data = pl.data.digits { train = 60, test = 20 }, epochs = 2, batch_size = 20,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 }, test = "end" }
]])
cli.write("project/exp/beside_it.lua", "return 1")
cli.write("project/models/a.lua", "return 3")
cli.write("project/models/b.lua", "return 4")
local top = cli.folder .. "/project"

local function sweep(folder, words)
  cli.folder = folder
  local r = cli.run("sweep " .. words .. " --quiet")
  cli.folder = top:match "^(.*)/"
  return { r.err, r.status }
end

TestElsewhere = {}

function TestElsewhere:test_modules_above_the_script()
  lu.assertEquals(sweep(top, "exp/x.lua model=a --out s"), { "", 0 })
  lu.assertEquals(sweep(top, "exp/x.lua model=b --out s"), { "", 0 })
  lu.assertEquals(sweep(top .. "/exp", "x.lua model=a --out ../s"), { "", 0 })
end

function TestElsewhere:test_an_unfinished_trial()
  lu.assertEquals(sweep(top, "exp/x.lua model=a --seeds 2 --out t"), { "", 0 })
  local trial = top .. "/t/model=a-s2"
  os.execute("rm -r " .. cli.quote(trial))
  cli.folder = top
  cli.run "run exp/x.lua model=a --seed 2 --pause-after 1 --quiet --out t/model=a-s2"
  lu.assertEquals(sweep(top .. "/exp", ("'%s/exp/x.lua' model=a --seeds 2 --out ../t"):format(top)), { "", 0 })
  lu.assertStrContains(cli.run("runs project/t --columns seed,state --csv").out, "2,finished")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
