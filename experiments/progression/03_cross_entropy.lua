-- P03: softmax and cross entropy.
--
-- The ten outputs become probabilities, and the loss is the surprise at the right one: -log p. Unlike
-- the squared error of a tanh, its gradient does not vanish where the network is confidently wrong.
-- (nn.CrossEntropy contains the softmax; the model ends with the logits.)
--
-- Documented: 3.10 % test error after 100 epochs, about 27 s each (003, section 4.1).
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local uniform = initial.uniform(0.5)

return pl.experiment {
  name       = "P03 cross entropy",
  documented = { error = 0.0310, source = "003, section 4.1" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Flatten(),
    nn.Linear(784, 128, uniform), nn.Tanh(),
    nn.Linear(128, 10, uniform),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.SGD { lr = 0.1 },
  epochs     = 100, batch_size = 32,
  test       = "epoch",
}
