-- A05: from scratch, scaled up.
--
-- 64 kernels, 40,000 images, and the dropout rates of A04.
--
-- Documented: about 80 % test accuracy after 100 epochs, 60 hours on the university's cluster (001,
-- section 2.2.1), with dropout left on (see A01).
local pl = require "perilune"
local from_scratch = require "common.from_scratch"
local optim = pl.optim

return pl.experiment {
  name       = "A05 from scratch, 64 kernels",
  documented = { error = 0.20, source = "001, section 2.2.1: about 80 %", metric = "test_error_with_dropout" },
  seed       = 1,
  data       = from_scratch.balanced(4000),
  model      = from_scratch.network(64, { 0, 0.2, 0.2 }),
  loss       = from_scratch.loss(),
  optimizer  = optim.SGD { lr = 1e-4, decay = 1e-5, momentum = 0.8, momentum_form = "keras" },
  metrics    = from_scratch.metrics,
  epochs     = 100, batch_size = 1,
  test       = "end",
}
