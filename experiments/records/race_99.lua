-- The race to 99 %: from the start of the process to the verdict, 99.0 % of MNIST's test set right, in as little time
-- as it takes.
--
-- One pass over the training set. The image is halved at once by a convolution with stride 2, so that the two that
-- follow work on 14 x 14 and 7 x 7 pixels; batch norm makes a large rate possible; the last layer begins at zero; the
-- rate rises over the first fifth of the steps and falls to nothing (one cycle); smoothed labels are worth a fifth of
-- the errors.
--
-- Chosen on the last 10,000 training images, held out of training (`held=10000`, which leaves the test set alone): some
-- sixty networks and schedules with 2 to 4 seeds each, three of them with 10; this is the fastest whose mean error is
-- two standard errors below 1 %. Then it was trained on all 60,000 images with seeds 1 to 10 and tested. Results, what
-- the test set had shown before, and how to repeat it: README.md beside this file.
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data

local held = pl.arg("held", 0)

return pl.experiment {
  name       = "Race to 99 percent",
  seed       = 1,
  data       = data.mnist(),
  model      = nn.Sequential {
    nn.Conv2d(1, 8, 5, { stride = 2, padding = "same", init = "he" }), nn.BatchNorm(8), nn.ReLU(),
    nn.Conv2d(8, 16, 3, { padding = "same", init = "he" }), nn.MaxPool2d(2), nn.BatchNorm(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, { padding = "same", init = "he" }), nn.BatchNorm(32), nn.ReLU(),
    nn.Flatten(), nn.Linear(7 * 7 * 32, 10, { init = "zeros" }),
  },
  loss       = nn.CrossEntropy { label_smoothing = 0.1 },
  optimizer  = optim.Adam { lr = 0.02, betas = { 0.9, 0.99 } },
  schedule   = pl.schedule.one_cycle { warmup = 0.2 },
  epochs     = 1, batch_size = 64,
  validation = held > 0 and { fraction = held / 60000, order = "last" } or 0, test = held == 0 and "end",
}
