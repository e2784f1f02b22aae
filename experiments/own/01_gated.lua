-- Own 1: a layer written as a formula.
--
-- A gated linear unit multiplies what a linear layer computes by a number from 0 to 1 that a second one computes:
--
--   y = (x A + c) * sigmoid(x B)
--
-- `nn.define` takes the parameters' shapes and the formula. The formula is recorded once, its gradient comes by itself,
-- and it runs in C like a built-in layer. `which=relu` trains a network with as many parameters and ReLU instead.
-- Measured, seeds 1 to 3: 2.52 % test error (2.43 to 2.66), with ReLU 2.34 % (2.17 to 2.54).
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data

local GatedLinear = nn.define {
  name    = "GatedLinear",
  params  = function(o) return { a = { o[1], o[2] }, b = { o[1], o[2] }, c = { shape = { o[2] }, init = "zeros" } } end,
  forward = function(self, x) return (x:matmul(self.a) + self.c) * x:matmul(self.b):sigmoid() end,
}

local which = pl.arg("which", "gated", { "gated", "relu" })

return pl.experiment {
  name       = "Own 1, gated network",
  seed       = 1,
  data       = data.mnist(),
  model      = which == "gated"
    and nn.Sequential { nn.Flatten(), GatedLinear(784, 100), nn.Linear(100, 10) }
    or nn.Sequential { nn.Flatten(), nn.Linear(784, 199), nn.ReLU(), nn.Linear(199, 10) },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3 },
  epochs     = 5, batch_size = 64,
  test       = "end",
}
