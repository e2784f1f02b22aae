-- P13: twice as wide.
--
-- The network of P12 with 32 to 128 filters, a batch normalization before the last layer, and every
-- image augmented. The document trained it with TensorFlow on a GPU, because its own code "would have to
-- train for 4 days straight".
--
-- Documented: 0.25 % test error; 85 epochs, weights of epoch 65 restored; 3,022 s on a Colab GPU
-- (003, section 11). Keras' defaults are written out: Glorot uniform weights, zero biases, batch
-- normalization with momentum 0.99 (0.01 in the convention used here) and epsilon 1e-3, Adam with
-- epsilon 1e-7 and a bias correction every step. (Only the running variance is of N - 1, as PyTorch's, where Keras
-- divides by N: 1.6 % more with batches of 64, in evaluation alone.) ImageDataGenerator zooms each axis on its own,
-- shifts by fractions of a pixel, and fills with the nearest pixel. Its early stopping waits 20 epochs for
-- any improvement of the training loss.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local same = initial.keras { padding = "same" }

return pl.experiment {
  name       = "P13 twice as wide",
  documented = { error = 0.0025, source = "003, section 11" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Conv2d(1, 32, 5, same), nn.ReLU(), nn.Dropout(0.2),
    nn.Conv2d(32, 64, 5, same), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Conv2d(64, 96, 5, same), nn.ReLU(), nn.Dropout(0.2),
    nn.Conv2d(96, 128, 5, same), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Flatten(),
    nn.Linear(128 * 7 * 7, 10, initial.keras()), nn.BatchNorm(10, { momentum = 0.01, eps = 1e-3 }),
    nn.Linear(10, 10, initial.keras()),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 0.0005, eps = 1e-7 },
  schedule   = pl.schedule.naive {},
  augment    = pl.augment.affine {
    chance = 1, per = "image", zoom = 0.2, zoom_per_axis = true, rotate = 25,
    shift = 0.2, unit = "fraction", sample = "bilinear", fill = "edge",
  },
  stopping   = pl.stopping.patience { monitor = "train_loss", patience = 20, min_delta = 0 },
  epochs     = 100, batch_size = 64,
  test       = "epoch",
}
