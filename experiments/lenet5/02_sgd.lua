-- L02: LeNet-5 by stochastic gradient descent.
--
-- As L01, with a tenth of its rate and to the end of the documented 25,000 iterations.
--
-- Documented: 95.93 % test accuracy (95.67 % training; 004, Part I).
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L02 LeNet-5, SGD",
  documented = { error = 0.0407, source = "004, part I, stochastic gradient descent" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy { reduction = "sum" },
  optimizer  = optim.SGD { lr = 1e-4 },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
