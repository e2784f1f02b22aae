-- A06: the TensorFlow twin of A05.
--
-- The same layers in batches of 64, with a dropout after the softmax: a fifth of the time the right answer is
-- taken away, so training accuracy stays low while test accuracy, without dropout, climbs.
--
-- Documented: about 91 % test accuracy after 100 epochs (below 70 % training), about 1 hour (001, section 2.2.1).
local pl = require "perilune"
local keras_twin = require "common.keras_twin"
local optim, data = pl.optim, pl.data

return pl.experiment {
  name       = "A06 TensorFlow twin, momentum",
  documented = { error = 0.09, source = "001, section 2.2.1: about 91 %" },
  seed       = 1,
  data       = data.mnist():subset { per_class = 4000 },
  model      = keras_twin.network(),
  loss       = keras_twin.loss(),
  optimizer  = optim.SGD { lr = 1e-4, decay = 1e-5, momentum = 0.8, momentum_form = "keras" },
  epochs     = 100, batch_size = 64,
  test       = "end",
}
