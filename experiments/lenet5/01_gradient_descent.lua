-- L01: LeNet-5 by gradient descent.
--
-- Each weight moves against its gradient, by a fixed rate. The document's "gradient descent" too takes
-- one batch a step. Its log ends at iteration 16,000: 17 epochs here.
--
-- Documented: 88.04 % test accuracy (87.49 % training; 004, Part I). Its class cannot run as listed (it
-- multiplies the rate by the parameters themselves); the algorithm that it names is trained.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L01 LeNet-5, gradient descent",
  documented = { error = 0.1196, source = "004, part I, gradient descent" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy { reduction = "sum" },
  optimizer  = optim.SGD { lr = 1e-3 },
  epochs     = 17, batch_size = 64,
  test       = "end",
}
