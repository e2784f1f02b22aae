-- C01: a dense network that reads the image row by row.
--
-- Two ReLU layers, of 64 and 128 units, act on the 28 pixels of each row, with the same weights for every row; only
-- the last layer sees the whole image.
--
-- Documented test accuracy at rates 0.1, 0.01, 0.001, 0.0001 (`lr=...`): 0.78, 0.95, 0.964, 0.965 (002, table 2).
-- 002 gives no batch size, number of epochs, split or widths: batches of 32, at most 30 epochs, a tenth of
-- the training set held out, three epochs of patience on its accuracy. Keras declares the loss to be on logits and
-- gives it a softmax, a slip; the loss is on logits. Keras' defaults are written out.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local lr = pl.arg("lr", 0.001)
local errors = { [0.1] = 0.22, [0.01] = 0.05, [0.001] = 0.036, [0.0001] = 0.035 }
local keras = initial.keras()

local model = nn.Sequential {
  nn.Reshape { 28, 28 },
  nn.Linear(28, 64, keras), nn.ReLU(),
  nn.Linear(64, 128, keras), nn.ReLU(),
  nn.Flatten(), nn.Linear(28 * 128, 10, keras),
}

return pl.experiment {
  name       = ("C01 DNN, lr %g"):format(lr),
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
