-- L08: LeNet-5 with batch normalization.
--
-- After the first pooling, each of the six channels is brought to mean 0 and variance 1 over the batch, then
-- given a learnt scale and offset: the next layer sees values of a known size.
--
-- Documented: 98.95 % test accuracy after the 15th epoch (99.61 % training; best 99.13 %; 004, Part II, case 2).
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L08 LeNet-5, batch norm",
  documented = { error = 0.0105, source = "004, part II, case 2" },
  seed       = 1,
  data       = lenet5.resized(),
  model      = lenet5.with_relu { batch_norm = true, dropout = false },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3 },
  epochs     = 15, batch_size = 64,
  test       = "epoch",
}
