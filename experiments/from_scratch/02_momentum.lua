-- A02: from scratch, with momentum and a decaying rate.
--
-- The rate is lr / (1 + decay * step): a third after one epoch, 0.5 % after a hundred.
--
-- Documented: 75.9 % test accuracy after 100 epochs (76.6 % training; 001, section 1.2.1), with dropout left on
-- (see A01).
local pl = require "perilune"
local from_scratch = require "common.from_scratch"
local optim = pl.optim

return pl.experiment {
  name       = "A02 from scratch, momentum 0.5",
  documented = { error = 0.241, source = "001, section 1.2.1, second case", metric = "test_error_with_dropout" },
  seed       = 1,
  data       = from_scratch.balanced(2000),
  model      = from_scratch.network(10, { 0.4, 0.5, 0.2 }),
  loss       = from_scratch.loss(),
  optimizer  = optim.SGD { lr = 1e-3, decay = 1e-4, momentum = 0.5, momentum_form = "keras" },
  metrics    = from_scratch.metrics,
  epochs     = 100, batch_size = 1,
  test       = "end",
}
