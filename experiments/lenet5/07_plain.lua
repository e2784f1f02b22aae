-- L07: LeNet-5 with ReLU, without regularization.
--
-- The ground on which L08 to L10 stand: three convolutions on 32x32 images, Adam, 15 epochs.
--
-- Documented: 98.75 % test accuracy after the 15th epoch (99.82 % training; best 98.82 %; 004, Part II, case 1).
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L07 LeNet-5, plain",
  documented = { error = 0.0125, source = "004, part II, case 1" },
  seed       = 1,
  data       = lenet5.resized(),
  model      = lenet5.with_relu { batch_norm = false, dropout = false },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3 },
  epochs     = 15, batch_size = 64,
  test       = "epoch",
}
