-- L01b: LeNet-5 by mini-batch stochastic gradient descent.
--
-- The gradient averaged over the batch, so that the rate does not depend on the batch's size (L01 and L02
-- sum it: 64 times the rate).
--
-- Described in 004, Part I, without a number or settings; the rate is ours.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L01b LeNet-5, mini-batch SGD",
  documented = { source = "004, part I, described without a number" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy(),
  optimizer  = optim.SGD { lr = pl.arg("lr", 0.05) },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
