-- L09: LeNet-5 with dropout.
--
-- Two fifths of the 84 dense units are silenced at random in training.
--
-- Documented: 98.85 % test accuracy after the 15th epoch (99.57 % training; best 99.25 %; 004, Part II, case 3).
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L09 LeNet-5, dropout",
  documented = { error = 0.0115, source = "004, part II, case 3" },
  seed       = 1,
  data       = lenet5.resized(),
  model      = lenet5.with_relu { batch_norm = false, dropout = true },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3 },
  epochs     = 15, batch_size = 64,
  test       = "epoch",
}
