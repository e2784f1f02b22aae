-- L06: LeNet-5 by Adam.
--
-- Momentum and RMSprop together, each corrected for its start at zero.
--
-- Documented: 98.75 % test accuracy (99.82 % training; 004, Part I). As listed it does not use the moments
-- it computes; the algorithm that it names is trained, with the documented rate of 1e-2, ten times the usual, which
-- is too high for it; `lr=1e-3` is the best of four rates on a tenth of the training set held out.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L06 LeNet-5, Adam",
  documented = { error = 0.0125, source = "004, part I, adaptive moment estimation" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy { reduction = "sum" },
  optimizer  = optim.Adam { lr = pl.arg("lr", 1e-2), betas = { 0.9, 0.999 }, eps = 1e-8 },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
