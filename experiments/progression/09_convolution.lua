-- P09: convolution.
--
-- A filter of 5x5 weights slides over the image and responds wherever its pattern appears: the same few
-- weights everywhere, instead of one for every pixel and unit. Pooling keeps the strongest of 2x2
-- answers. Fewer parameters than P08, and half its errors.
--
-- Documented: 0.80 % test error, weights of epoch 29 restored (003, section 9.5).
-- The rate is constant, as in the listing; the run of the document's repository used P10's schedule
-- (`schedule=tunable`). `correction` as in P04; `init=documented` is told in common/conv5.lua.
local pl = require "perilune"
local conv5 = require "common.conv5"
local nn, optim, data = pl.nn, pl.optim, pl.data

local tunable = pl.arg("schedule", "constant", { "constant", "tunable" }) == "tunable"

return pl.experiment {
  name       = "P09 convolution",
  documented = { error = 0.0080, source = "003, section 9.5" },
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    conv5.conv(1, 8, 28), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    conv5.conv(8, 16, 14), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Flatten(), conv5.logits(16 * 7 * 7),
  },
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 0.001, correction = pl.arg("correction", "epoch", { "epoch", "step" }) },
  schedule   = tunable and pl.schedule.tunable { lr = 0.001, halve_after = 5 } or nil,
  augment    = pl.augment.affine { chance = 0.25, per = "batch", zoom = 0.2, rotate = 25, shift = 0.2, unit = "whole" },
  stopping   = pl.stopping.window { monitor = "train_loss", patience = 20, min_delta_rel = 0.005 },
  epochs     = 150, batch_size = 16,
  test       = "epoch",
}
