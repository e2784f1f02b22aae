-- P01: gradient descent, one sample at a time.
--
-- The first network: three layers of tanh, pulled towards the one-hot label by the squared error, with
-- one step of 0.1 times the gradient after every single image.
--
-- Documented: 10.05 % test error after 100 epochs (003, section 2.7).
-- The text says 60,000 shuffled images; the run behind the number saw the first 5,000, in order, and so
-- does this one. `images=60000` trains the text's variant, shuffled.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local images = pl.arg("images", 5000)
local uniform = initial.uniform(0.5)

return pl.experiment {
  name       = "P01 gradient descent",
  documented = { error = 0.1005, source = "003, section 2.7" },
  seed       = 1,
  data       = data.mnist():subset { first = images },
  model      = nn.Sequential {
    nn.Flatten(),
    nn.Linear(784, 100, uniform), nn.Tanh(),
    nn.Linear(100, 50, uniform), nn.Tanh(),
    nn.Linear(50, 10, uniform), nn.Tanh(),
  },
  loss       = nn.MSE(),
  optimizer  = optim.SGD { lr = 0.1 },
  epochs     = 100, batch_size = 1,
  shuffle    = images > 5000,
  test       = "epoch",
}
