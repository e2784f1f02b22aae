-- P06: one more layer.
--
-- A second hidden layer of 50 units, half the rate, half the batch, and four times as long.
--
-- Documented: 2.02 % test error after 200 epochs, about 31 s each (003, section 6.3).
-- The first activation is ReLU, as in the repository that made the number; the listing has tanh
-- (`activation=tanh`). The listing's last layer takes 128 inputs, a slip for 50. `correction` as in P04.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local uniform = initial.uniform(0.5)
local First = pl.arg("activation", "relu", { "relu", "tanh" }) == "tanh" and nn.Tanh or nn.ReLU

return pl.experiment {
  name       = "P06 one more layer",
  documented = { error = 0.0202, source = "003, section 6.3" },
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
  epochs     = 200, batch_size = 16,
  test       = "epoch",
}
