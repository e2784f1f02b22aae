-- P11: scale up.
--
-- Four convolutions, 16 to 64 filters, the image halved after every second one. Nothing new but size.
--
-- Documented: 0.42 % test error; 94 epochs, weights of epoch 70 restored; 1,967 minutes (003, section 10.2).
-- `correction` as in P04, `init=documented` as told in common/conv5.lua.
local pl = require "perilune"
local conv5 = require "common.conv5"
local nn, optim, data = pl.nn, pl.optim, pl.data

return pl.experiment {
  name       = "P11 scale up",
  documented = { error = 0.0042, source = "003, section 10.2" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    conv5.conv(1, 16, 28), nn.ReLU(), nn.Dropout(0.2),
    conv5.conv(16, 32, 28), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    conv5.conv(32, 48, 14), nn.ReLU(), nn.Dropout(0.2),
    conv5.conv(48, 64, 14), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Flatten(), conv5.logits(64 * 7 * 7),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 0.001, correction = pl.arg("correction", "epoch", { "epoch", "step" }) },
  schedule   = pl.schedule.tunable { lr = 0.001, halve_after = 5 },
  augment    = pl.augment.affine { chance = 0.5, per = "batch", zoom = 0.2, rotate = 25, shift = 0.2, unit = "whole" },
  stopping   = pl.stopping.window { monitor = "train_loss", patience = 25, min_delta_rel = 0.005 },
  epochs     = 150, batch_size = 16,
  test       = "epoch",
}
