-- P02: mini-batches.
--
-- The gradient of one image is a poor guess at the gradient of all. Averaging it over 32 images gives a
-- steadier step for little more work. One hidden layer instead of two, and now all 60,000 images.
--
-- Documented: 6.75 % test error after 100 epochs (003, section 3.1; its log says 6.72).
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local uniform = initial.uniform(0.5)

return pl.experiment {
  name       = "P02 mini-batches",
  documented = { error = 0.0675, source = "003, section 3.1" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Flatten(),
    nn.Linear(784, 128, uniform), nn.Tanh(),
    nn.Linear(128, 10, uniform), nn.Tanh(),
  },
  loss       = nn.MSE(),
  optimizer  = optim.SGD { lr = 0.1 },
  epochs     = 100, batch_size = 32,
  test       = "epoch",
}
