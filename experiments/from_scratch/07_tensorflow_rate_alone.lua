-- A07: the TensorFlow twin with a learning rate and nothing else.
--
-- Documented: about 90 % test accuracy after 100 epochs, about 1 hour (001, section 2.2.2).
local pl = require "perilune"
local keras_twin = require "common.keras_twin"
local optim, data = pl.optim, pl.data

return pl.experiment {
  name       = "A07 TensorFlow twin, a rate alone",
  documented = { error = 0.10, source = "001, section 2.2.2: about 90 %" },
  seed       = 1,
  data       = data.mnist():subset { per_class = 4000 },
  model      = keras_twin.network(),
  loss       = keras_twin.loss(),
  optimizer  = optim.SGD { lr = 1e-4 },
  epochs     = 100, batch_size = 64,
  test       = "end",
}
