-- P07: data augmentation.
--
-- More images for nothing: a quarter of the batches is altered before it is learnt, each image zoomed,
-- turned and shifted by a random amount, for that step only. A seven remains a seven.
--
-- Documented: 1.93 % test error after 100 epochs, in 54 minutes (003, section 6.5).
-- The network is P06's; `activation` and `correction` as there.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local uniform = initial.uniform(0.5)
local First = pl.arg("activation", "relu", { "relu", "tanh" }) == "tanh" and nn.Tanh or nn.ReLU

return pl.experiment {
  name       = "P07 augmentation",
  documented = { error = 0.0193, source = "003, section 6.5" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Flatten(),
    nn.Linear(784, 128, uniform), First(), nn.Dropout(0.2),
    nn.Linear(128, 50, uniform), nn.ReLU(), nn.Dropout(0.2),
    nn.Linear(50, 10, uniform),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 0.0005, correction = pl.arg("correction", "epoch", { "epoch", "step" }) },
  augment    = pl.augment.affine { chance = 0.25, per = "batch", zoom = 0.2, rotate = 25, shift = 0.2, unit = "whole" },
  epochs     = 100, batch_size = 16,
  test       = "epoch",
}
