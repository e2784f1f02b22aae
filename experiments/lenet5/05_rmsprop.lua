-- L05: LeNet-5 by RMSprop.
--
-- AdaGrad that forgets: the squared gradients are averaged over the last ten steps or so.
--
-- Documented: 98.91 % test accuracy (99.9 % training; 004, Part I). As listed it does not use the mean
-- square it computes; the algorithm that it names is trained. Its rate is the best of four on a tenth of the training
-- set held out, and `activation=relu`, which the document also tried, was better there than tanh.
local pl = require "perilune"
local lenet5 = require "common.lenet5"
local nn, optim = pl.nn, pl.optim

return pl.experiment {
  name       = "L05 LeNet-5, RMSprop",
  documented = { error = 0.0109, source = "004, part I, root mean square propagation" },
  seed       = 1,
  data       = lenet5.centred(),
  model      = lenet5.with_tanh(),
  loss       = nn.CrossEntropy { reduction = "sum" },
  optimizer  = optim.RMSprop { lr = pl.arg("lr", 1e-3), beta = 0.9, eps = 1e-8 },
  epochs     = lenet5.epochs, batch_size = 64,
  test       = "end",
}
