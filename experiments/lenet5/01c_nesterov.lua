-- L01c: LeNet-5 by Nesterov's accelerated gradient.
--
-- Momentum that takes the gradient where the momentum is about to lead, and so brakes before the bend.
--
-- Described in 004, Part I, without a number or settings; the rate and the momentum are ours.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L01c LeNet-5, Nesterov",
  documented = { source = "004, part I, described without a number" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy(),
  optimizer  = optim.SGD { lr = pl.arg("lr", 0.01), momentum = 0.9, nesterov = true },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
