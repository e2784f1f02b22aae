-- What perilune compare claims nothing of, and what it tells apart: runs that failed, copies, algorithms.
local lu = require "luaunit"
local pl = require "perilune"
local cli = dofile "tests/cli/support.lua"

cli.write("failing.lua", [[
local pl = require "perilune"
local lr, fails = pl.arg("lr", 0.1), pl.arg("fails", 0)
return pl.experiment { name = "failing", data = pl.data.digits { train = 100, test = 100 }, epochs = 2, batch_size = 20,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = lr }, callbacks = { on_start = function(ctx)
    if fails > 0 and ctx.seed > fails then error "planned" end
  end } }
]])

local function run(words, environment)
  local r = cli.run("run failing.lua --quiet --threads 1 " .. words, environment)
  lu.assertEquals({ r.err, r.status }, { "", 0 })
end

TestLeftOut = {}

-- Those that failed may have been the worst: nothing is claimed of the others of their folder.
function TestLeftOut:test_trials_that_failed()
  for seed = 1, 4 do run(("lr=0.0001 --seed %d --out low/%d"):format(seed, seed)) end
  local r = cli.run "sweep failing.lua lr=0.3 fails=3 --seeds 4 --select none --out high"
  lu.assertEquals(r.status, 1)
  r = cli.run "compare low high"
  lu.assertStrContains(r.err, "failed before anything was saved")
  lu.assertStrContains(r.out, "no difference is claimed, as 1 run in high has no result: the test error of A minus")
  lu.assertStrContains(cli.run("compare low high/*s1 high/*s2 high/*s3").out, "B has the lower test error")
end

-- Convolutions of another algorithm have other bits: such runs are no copies of each other.
function TestLeftOut:test_algorithms()
  for _, algorithm in ipairs { "direct", "winograd" } do
    for seed = 1, 2 do
      run(("--seed %d --out both/%s-%d"):format(seed, algorithm, seed), "PERILUNE_CONV=" .. algorithm)
    end
  end
  local r = cli.run "compare both"
  lu.assertEquals(r.err, "")
  lu.assertStrMatches(r.out, "A  .*\nB  .*algorithm +fused, convolution direct +fused, convolution winograd\n.*")
end

function TestLeftOut:test_copies_from_lua()
  for seed = 1, 2 do
    for _, lr in ipairs { "0.2", "0.4" } do run(("lr=%s --seed %d --out lua/%s-%d"):format(lr, seed, lr, seed)) end
  end
  local function at(name) return assert(pl.run(cli.folder .. "/lua/" .. name)) end
  local a, b = { at "0.2-1", at "0.2-1", at "0.2-2" }, { at "0.4-1", at "0.4-2" }
  for _, row in ipairs(pl.compare(a, b).results) do
    if row.name == "test_error" then
      lu.assertEquals(row.summaries[1].n, 2)
      lu.assertAlmostEquals(row.summaries[1].mean, (a[1].test.error + a[3].test.error) / 2, 1e-12)
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
