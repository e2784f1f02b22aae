-- perilune bench: what it prints, in tiny measurements.
local lu = require "luaunit"
local core = require "perilune.core"
local cli = dofile "tests/cli/support.lua"

local file = cli.write("small.lua", [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment {
  name = "Small", data = pl.data.digits { train = 80, test = 10 }, epochs = 1, batch_size = 16,
  model = nn.Sequential { nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Residual(nn.Conv2d(2, 2, 3, { padding = "same" })),
    nn.GlobalAvgPool2d(), nn.Linear(2, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 1e-3 },
  augment = function(x, y) return x, y end, test = "end",
}]])

local function bench(words, environment)
  local r = cli.run("bench " .. words .. " --seconds 0.02", environment)
  lu.assertEquals(r.err, "")
  lu.assertEquals(r.status, 0)
  return r.out
end

TestBench = {}

function TestBench:test_a_file()
  local out = bench(file .. " --repeat 2 --threads 1,3")
  for _, word in ipairs { "processor", "GFLOP/s of fused multiply-adds", "training/s", "of peak" } do
    lu.assertStrContains(out, word)
  end
  for _, threads in ipairs { 1, 3 } do
    lu.assertStrMatches(out, (".*\nSmall +16 +%d +[%%d,]+ +[%%d.]+ %%%% +[%%d.,]+ +%%d+ %%%% +[%%d,]+ " ..
      ".*"):format(threads))
  end
end

-- Named experiments are found from elsewhere, beside the program; without MNIST they are trained on digits.
function TestBench:test_names_and_generated_digits()
  local out = bench("p01 LeNet --repeat 1 --threads 1", "PERILUNE_DATA=/nowhere XDG_DATA_HOME=/nowhere")
  lu.assertStrContains(out, "generated digits; MNIST is not here: perilune data fetch mnist")
  lu.assertStrContains(out, "P01 gradient descent")
  lu.assertStrContains(out, "L01 LeNet-5, gradient descent     64")
end

function TestBench:test_for_machines()
  local r = assert(core.json.decode(bench(file .. " --repeat 3 --threads 2 --json")))
  local one = r.results[1]
  lu.assertEquals({ #r.results, one.network, one.name, one.batch, one.threads }, { 1, file, "Small", 16, 2 })
  for _, what in ipairs { one.training, one.inference } do
    lu.assertTrue(what.low > 0 and what.low <= what.median and what.median <= what.high)
  end
  -- multiply-adds of a sample: two convolutions at 26x26 and the last layer; two operations each, a step is three
  -- inferences
  local flops = 2 * (26 * 26 * 2 * (9 + 18) + 20)
  lu.assertAlmostEquals(one.inference.gflops, one.inference.median * flops / 1e9, 1e-9)
  lu.assertAlmostEquals(one.training.gflops, 3 * one.training.median * flops / 1e9, 1e-9)
  lu.assertAlmostEquals(one.training.share, one.training.gflops / r.peaks[1].gflops, 1e-9)
  local head, row = bench(file .. " --repeat 1 --threads 1 --csv"):match "^(network,[^\n]+)\n([^\n]+)\n$"
  lu.assertEquals(select(2, head:gsub(",", "")), select(2, row:gsub(",", "")))
end

-- Epochs that are far shorter than the measurement.
function TestBench:test_very_many_epochs()
  local inside = require "perilune.train.speed"
  local training = inside.training(inside.load(file))
  training.core = { run = function(_, _, _, count)
    lu.assertTrue(count >= 1 and count <= 5)
    return 0.0, 0, 16 * count, count
  end }
  training.augment = {}
  lu.assertTrue(training:run(0.02) > 0)
  lu.assertTrue(training.epoch > 100)
end

function TestBench:test_layers()
  local out = bench(file .. " --layers --threads 1")
  lu.assertStrContains(out, "Small, batch 16, 1 thread: ")
  for _, word in ipairs { " 1 Conv2d", " 3 Residual {", "   1 Conv2d", " 3 Residual } +", " 5 Linear", "passes", "data",
    "loss", "optimizer", "between steps" } do
    lu.assertStrContains(out, "\n" .. word)
  end
  local sum = 0
  for line in out:gmatch "[^\n]+" do
    local share = line:match " ([%d.]+) %%$"
    if share and not line:match "^passes" then sum = sum + tonumber(share) end
  end
  lu.assertAlmostEquals(sum, 100, 1)
end

function TestBench:test_mistakes()
  local function fails(words, message, status)
    local r = cli.run("bench " .. words)
    lu.assertEquals({ r.out, r.status }, { "", status })
    lu.assertEquals(r.err, "perilune: " .. message .. "\n")
  end
  fails("P99", "bench: there is no row, family or file 'P99'; did you mean 'P09'? (perilune reproduce lists them)", 2)
  fails("--layers --json", "bench: --layers is a table for people; it takes no --csv and no --json", 2)
  lu.assertStrContains(cli.run("bench P09 --threads 1,no").err,
    "numbers of threads from 1 to 64 are expected, such as 1,2; got '1,no'")
  lu.assertStrContains(cli.run("bench P09 --seconds 0").err, "a number above 0 is expected, got '0'")
end

-- make bench, without PyTorch and with results of it that are at hand.
TestMakeBench = {}

local function make_bench(words, peer)
  local folder = cli.folder .. "/made"
  os.execute("mkdir -p " .. folder .. "/bench")
  if peer then
    local kept = assert(io.open(folder .. "/bench/peer.json", "wb"))
    kept:write(core.json.encode(peer))
    kept:close()
  end
  local command = ("BUILD=%s PERILUNE_DATA=/nowhere XDG_DATA_HOME=/nowhere PEER=%s SECONDS=0.01 REPEAT=2 %s " ..
    "tests/bench/run.lua %s 2>/dev/null")
    :format(folder, peer and "cached" or "none", cli.program, words)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  lu.assertTrue(pipe:close(), out)
  return out, cli.read(folder .. "/bench/table.md"), core.json.decode(cli.read(folder .. "/bench/ours.json"))
end

function TestMakeBench:test_ours_alone()
  local out, markdown, ours = make_bench "P01"
  lu.assertStrContains(out, "generated digits")
  lu.assertStrContains(out, "without PyTorch")
  lu.assertStrContains(markdown, "\n| P01, 1 | ")
  lu.assertStrContains(markdown, "\n| P01, 256 | ")
  lu.assertEquals({ #ours.P01.all.training.all, #ours.P01.one.inference.all }, { 2, 2 })
end

function TestMakeBench:test_ratios_to_what_pytorch_reached()
  local function rate(x, setting) return { median = x, low = x, high = x, setting = setting } end
  make_bench "P01"
  local found = { version = "9.9", training = rate(10, "eager"), inference = rate(20, "eager"),
    compiled = { training = rate(5, "compiled"), inference = rate(40, "compiled") } }
  local _, markdown, ours = make_bench("table", { P01 = found })
  lu.assertStrContains(markdown, ("| 10 | eager | %.1f |\n"):format(ours.P01.all.training.median / 10))
  lu.assertStrContains(markdown, ("| 40 | compiled | %.1f |\n"):format(ours.P01.all.inference.median / 40))
  lu.assertStrContains(markdown, ("Training: %.1f times as fast as PyTorch (geometric mean of 1 " ..
    "networks)"):format(ours.P01.all.training.median / 10))
  lu.assertStrContains(markdown, "PyTorch 9.9")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
