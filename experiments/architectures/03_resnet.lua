-- C03: residual blocks.
--
-- The first stage of ResNet-50: each block learns what to *add* to its input, which a shortcut carries past it,
-- so that a gradient always finds a way back. 1x1 convolutions narrow 256 channels to 64, the 3x3 works there,
-- and another 1x1 widens them again.
--
-- Documented test accuracy at rates 0.1, 0.01, 0.001, 0.0001 (`lr=...`): 0.97, 0.99, 0.982, 0.989 (002, table 2; its
-- table 1 has 0.992, said to be at 0.001).
-- 002 gives no batch size, number of epochs or split: batches of 32, at most 30 epochs, a tenth of
-- the training set held out, three epochs of patience on its accuracy. Keras declares the loss to be on logits and
-- gives it a softmax, a slip; the loss is on logits. Keras' defaults are written out.
local pl = require "perilune"
local initial = require "common.initial"
local nn, optim, data = pl.nn, pl.optim, pl.data

local lr = pl.arg("lr", 0.001)
local errors = { [0.1] = 0.03, [0.01] = 0.01, [0.001] = 0.018, [0.0001] = 0.011 }
local keras, same = initial.keras(), initial.keras { padding = "same" }

local function norm(channels)
  return nn.BatchNorm(channels, { momentum = 0.01, eps = 1e-3 })
end

--- 1x1 to 64, 3x3, 1x1 to 256, beside `shortcut` (nil: the input as it is).
local function bottleneck(channels, shortcut)
  return nn.Sequential {
    nn.Residual(nn.Sequential {
      nn.Conv2d(channels, 64, 1, keras), norm(64), nn.ReLU(),
      nn.Conv2d(64, 64, 3, same), norm(64), nn.ReLU(),
      nn.Conv2d(64, 256, 1, keras), norm(256),
    }, shortcut),
    nn.ReLU(),
  }
end

local model = nn.Sequential {
  nn.Conv2d(1, 64, 3, keras), norm(64), nn.ReLU(), nn.MaxPool2d(3, { stride = 2 }),
  bottleneck(64, nn.Sequential { nn.Conv2d(64, 256, 1, keras), norm(256) }),
  bottleneck(256),
  nn.GlobalAvgPool2d(),
  nn.Linear(256, 10, keras),
}

return pl.experiment {
  name       = ("C03 ResNet, lr %g"):format(lr),
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
