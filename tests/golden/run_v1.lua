-- A record with one of everything, as the run files of format version 1 keep it. Returns a function that makes it.
-- perilune tests/golden/run_v1.lua tests/golden/run_v1.h5 wrote the file beside this one; it is never written again.
local pl = require "perilune"

local nan = 0 / 0

local function sample_record()
  return {
    kind = "checkpoint", created = "2020-01-02T03:04:05Z",
    config = { type = "Sequential", config = { p = 0.1, rate = 1.0 }, layers = { { type = "Linear", config = { ["in"] = 4, out = 2 } } } },
    input = { 28, 28, 1 },
    layers = {
      { layer = "01_conv2d", type = "Conv2d", config = { kernel = { 5, 5 } },
        tensors = { { name = "weight", tensor = pl.ones(2, 3) }, { name = "bias", tensor = pl.zeros(3) } } },
      { layer = "03_residual", type = "Residual", tensors = {} },
      { layer = "03_residual/01_linear", type = "Linear", tensors = { { name = "weight", tensor = pl.full({ 2 }, 0.1) } } },
    },
    best = { { layer = "01_conv2d", type = "Conv2d", tensors = { { name = "weight", tensor = pl.full({ 2, 3 }, 7) } } } },
    optimizer = {
      type = "Adam", config = { lr = 0.1 + 0.2, betas = { 0.9, 0.999 } }, counters = { steps = 1234, lr = 0.3 },
      layers = { { layer = "01_conv2d", type = "Adam",
        tensors = { { name = "weight.m", tensor = pl.zeros(2, 3) }, { name = "weight.v", tensor = pl.ones(2, 3) } } } },
    },
    state = {
      epoch = 3, step = 17, seed = math.maxinteger, rate = 1.0, loss = 0.1 + 0.2, worst = 1 / 0, missing = nan, done = false, name = "x",
      curly = '{"not json', quoted = '"', bytes = "\0\255", stopping = { best = 3.0, wait = 2, seen = { 0.5, nan, -1 / 0 } }, user = {},
    },
    history = { columns = { "epoch", "train_loss", "test_error", "correct" }, rows = { { 1, 0.5, nan, 17 }, { 2, 1 / 3, 0.25, 18 } } },
    evaluation = { confusion = { { 5, 0 }, { 1, 4 } }, test_evaluations = 2, recall = { 1.0, 0.8 }, mixed = { 1, 0.5 },
                   ragged = { { 1 }, { 2, 3 } }, classes = { { label = "0", f1 = 0.9 } } },
    provenance = { script = "-- a script\nreturn {}\n", arguments = { "lr=0.1" }, data_sha256 = "ab", threads = 2, build = "x" },
  }
end

if arg and arg[1] and arg[1]:find "run_v1%.h5$" then assert(require "perilune.run.file".write(arg[1], sample_record())) end

return sample_record
