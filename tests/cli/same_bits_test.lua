-- The same weights and history for any number of threads and for AVX2 and AVX-512: a run with convolutions, pooling,
-- batch normalization, dropout and augmentation, large enough that the threads share every layer.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local script = cli.write("bits.lua", [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment {
  name = "Bits", epochs = 2, batch_size = 32, validation = 0.2,
  data = pl.data.digits { train = 320, test = 128, seed = 5 },
  model = nn.Sequential {
    nn.Conv2d(1, 16, 5, { padding = "same" }), nn.BatchNorm(16), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Residual { nn.Sequential { nn.Conv2d(16, 16, 3, { padding = "same" }), nn.ELU() } }, nn.AvgPool2d(2),
    nn.Dropout(0.2),
    nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10) },
  loss = nn.CrossEntropy { label_smoothing = 0.05 }, optimizer = pl.optim.Adam { lr = 0.002, clip_norm = 1 },
  schedule = pl.schedule.cosine { warmup = 0.5, per = "step" },
  augment = { pl.augment.affine { chance = 0.7, per = "image", rotate = 20, zoom = 0.2, shift = 0.1 },
    pl.augment.noise { std = 0.02 } },
}
]])

-- The digest of the weights and the history without its times.
local function result(name, options, environment)
  local r = cli.run(("run %s --out %s --quiet %s"):format(script, name, options), environment)
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  return cli.run("show " .. name).out:match "SHA%-256 (%x+)" .. "\n" ..
    cli.run(("show %s --csv"):format(name)).out:gsub(",[^,\n]*\n", "\n")
end

local expected = result("threads-1", "--threads 1")

TestBits = {}

function TestBits:test_threads()
  for threads = 2, 4 do lu.assertEquals(result("threads-" .. threads, "--threads " .. threads), expected) end
end

function TestBits:test_instruction_sets()
  local isa = assert(cli.run("version").out:match "kernels%s+(%w+)")
  if isa ~= "avx512" then lu.skip "this processor has no AVX-512" end
  lu.assertEquals(result("avx2", "--threads 2", "PERILUNE_ISA=avx2"), expected)
end

function TestBits:test_another_seed_gives_others()
  lu.assertNotEquals(result("seed-2", "--threads 1 --seed 2"), expected)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
