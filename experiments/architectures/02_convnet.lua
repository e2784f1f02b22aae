-- C02: a small convolutional network: 32, 64 and 64 filters, then a dense layer of 64.
--
-- Documented test accuracy at rates 0.1, 0.01, 0.001, 0.0001 (`lr=...`): 0.11, 0.98, 0.987, 0.991 (002, table 2).
-- The first says that a rate can be too large to learn anything.
-- 002 gives no batch size, number of epochs, split or widths: batches of 32, at most 30 epochs, a tenth of
-- the training set held out, three epochs of patience on its accuracy. Keras declares the loss to be on logits and
-- gives it a softmax, a slip; the loss is on logits. Keras' defaults are written out.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local lr = pl.arg("lr", 0.001)
local errors = { [0.1] = 0.89, [0.01] = 0.02, [0.001] = 0.013, [0.0001] = 0.009 }
local keras = initial.keras()

local model = nn.Sequential {
  nn.Conv2d(1, 32, 3, keras), nn.ReLU(), nn.MaxPool2d(2),
  nn.Conv2d(32, 64, 3, keras), nn.ReLU(), nn.MaxPool2d(2),
  nn.Conv2d(64, 64, 3, keras), nn.ReLU(),
  nn.Flatten(),
  nn.Linear(576, 64, keras), nn.ReLU(),
  nn.Linear(64, 10, keras),
}

return pl.experiment {
  name       = ("C02 ConvNet, lr %g"):format(lr),
  documented = { error = errors[lr], source = "002, table 2" },
  seed       = 1,
  data       = data.mnist(),
  model      = model,
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = lr, eps = 1e-7 },
  stopping   = pl.stopping.patience { monitor = "val_accuracy", patience = 3 },
  validation = { fraction = 0.1, order = "last" },
  epochs     = 30, batch_size = 32,
  test       = "end",
}
