-- L01d: LeNet-5 by AdaDelta.
--
-- AdaGrad over a moving window, and without a rate: each step is as long as the recent steps were,
-- relative to the recent gradients.
--
-- Described in 004, Part I, without a number or settings; rho and epsilon are those of AdaDelta's paper.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L01d LeNet-5, AdaDelta",
  documented = { source = "004, part I, described without a number" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy(),
  optimizer  = optim.AdaDelta { lr = 1, rho = 0.95, eps = 1e-6 },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
