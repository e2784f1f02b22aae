-- U03: Adam with epsilon inside the root.
--
-- The document proposes "a modified version of Adam in which we remove the additional hyperparameter".
-- Its pseudocode is Adam with the step m / sqrt(v + epsilon) instead of m / (sqrt(v) + epsilon).
--
-- 000, section 3.1, gives it no number of its own (97.95 % in its section 3.2 belongs to a network that is
-- not described); to be read beside U02, the same network with Adam.
local pl = require "perilune"
local three_convolutions = require "common.three_convolutions"
local nn, optim, data = pl.nn, pl.optim, pl.data

return pl.experiment {
  name       = "U03 epsilon inside the root",
  documented = { source = "000, section 3.1, proposed without a number; beside U02's 0.71 %" },
  seed       = 1,
  data       = data.mnist(),
  model      = three_convolutions(),
  loss       = nn.CrossEntropy(),
  optimizer  = optim.Adam { lr = 1e-3, eps = 1e-8, eps_inside_root = true },
  epochs     = 10, batch_size = 64,
  test       = "epoch",
}
