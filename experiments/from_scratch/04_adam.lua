-- A04: from scratch, with Adam.
--
-- No dropout after the convolution, 0.2 after the dense layer.
--
-- Documented: several runs, each stuck at 10 % test accuracy, or later and never above 50 % (001, section 1.2.1), with
-- dropout left on (see A01); no number to compare with. Its text blames the initial weights: the last ReLU can fall
-- silent for every image, and then no gradient is left to wake it. Epsilon is that of listing A.8.
local pl = require "perilune"
local from_scratch = require "common.from_scratch"
local optim = pl.optim

return pl.experiment {
  name       = "A04 from scratch, Adam",
  documented = { source = "001, section 1.2.1, third case, stuck at 10 % or below 50 % accuracy",
    metric = "test_error_with_dropout" },
  seed       = 1,
  data       = from_scratch.balanced(2000),
  model      = from_scratch.network(10, { 0, 0.2, 0.2 }),
  loss       = from_scratch.loss(),
  optimizer  = optim.Adam { lr = 1e-4, eps = 1e-7, decay = 1e-5 },
  metrics    = from_scratch.metrics,
  epochs     = 100, batch_size = 1,
  test       = "end",
}
