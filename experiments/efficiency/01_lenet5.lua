-- U01: a small LeNet-5.
--
-- 44,426 parameters, 41,854 of them in the dense layers.
--
-- Documented: 98.38 % test accuracy after 10 epochs, test loss 0.0584 (000, its notebook). The document uses the
-- test set as its validation set; nothing is chosen by it. Keras' defaults are written out: Glorot uniform
-- weights, zero biases, Adam with epsilon 1e-7.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local keras = initial.keras()

return pl.experiment {
  name       = "U01 small LeNet-5",
  documented = { error = 0.0162, source = "000, notebook, first model" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Conv2d(1, 6, 5, keras), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5, keras), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 120, keras), nn.ReLU(),
    nn.Linear(120, 84, keras), nn.ReLU(),
    nn.Linear(84, 10, keras),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3, eps = 1e-7 },
  epochs     = 10, batch_size = 64,
  test       = "epoch",
}
