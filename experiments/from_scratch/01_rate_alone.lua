-- A01: from scratch, with a learning rate and nothing else.
--
-- A convolution of ten 3x3 kernels, one image a step, 20,000 images (2,000 of each digit).
--
-- Documented: 78.0 % test accuracy after 100 epochs (78.6 % training; 001, section 1.2.1). What holds it there
-- is the document's test loop, which leaves dropout on. Reported both ways: `test_error_with_dropout` is the row's
-- number, `test_error` the proper one.
local pl = require "perilune"
local from_scratch = require "common.from_scratch"
local optim = pl.optim

return pl.experiment {
  name       = "A01 from scratch, a rate alone",
  documented = { error = 0.220, source = "001, section 1.2.1, first case", metric = "test_error_with_dropout" },
  seed       = 1,
  data       = from_scratch.balanced(2000),
  model      = from_scratch.network(10, { 0.4, 0.5, 0.2 }),
  loss       = from_scratch.loss(),
  optimizer  = optim.SGD { lr = 1e-4 },
  metrics    = from_scratch.metrics,
  epochs     = 100, batch_size = 1,
  test       = "end",
}
