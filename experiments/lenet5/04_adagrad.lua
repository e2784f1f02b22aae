-- L04: LeNet-5 by AdaGrad.
--
-- Each weight's rate is divided by the root of all its squared gradients so far: rarely used weights
-- keep large steps, and all steps shrink for ever.
--
-- Documented: 93.91 % test accuracy (95.32 % training; 004, Part I). Its class cannot run as listed (it
-- asks for a function and arguments that it is not given); the algorithm that it names is trained.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L04 LeNet-5, AdaGrad",
  documented = { error = 0.0609, source = "004, part I, adaptive gradient descent" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy { reduction = "sum" },
  optimizer  = optim.AdaGrad { lr = 1e-2, eps = 1e-6 },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
