-- A03: from scratch, with more momentum and a tenth of the rate.
--
-- Documented: 78.1 % test accuracy after 100 epochs (78.4 % training; 001, section 1.2.1), with dropout left on
-- (see A01). The caption says momentum 0.8, the text 0.9 (`momentum=0.9`).
local pl = require "perilune"
local from_scratch = require "common.from_scratch"
local optim = pl.optim

return pl.experiment {
  name       = "A03 from scratch, momentum 0.8",
  documented = { error = 0.219, source = "001, section 1.2.1, second case", metric = "test_error_with_dropout" },
  seed       = 1,
  data       = from_scratch.balanced(2000),
  model      = from_scratch.network(10, { 0.4, 0.5, 0.2 }),
  loss       = from_scratch.loss(),
  optimizer  = optim.SGD { lr = 1e-4, decay = 1e-5, momentum = pl.arg("momentum", 0.8), momentum_form = "keras" },
  metrics    = from_scratch.metrics,
  epochs     = 100, batch_size = 1,
  test       = "end",
}
