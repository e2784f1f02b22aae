-- Every documented experiment, one row each, and the variants that its file offers: what `perilune reproduce`,
-- `perilune bench` and the table in README.md read.
--   id, arguments   name a row: "P04", "P04 correction=step"
--   file            in this folder
--   idea            what the row adds to the one before
--   section         of the document, where the number is
--   error           documented, as a fraction; nil: described without a number
--   metric          what that number is of, where it is not the test error with dropout off
--   f1              documented macro F1
--   seconds         documented time of a training
--   seeds           seeds 1, 2, ... to be trained: 5 (the default) where a run takes under 5 minutes, 3 under 30,
--                   else 1; P10 to P13 themselves have 3
local minutes, hours = 60, 3600
local dropout_on = "test_error_with_dropout"

local families = {
  {
    name = "progression", document = "003", title = "thirteen networks, each adding one idea",
    { id = "P01", file = "01_gradient_descent", section = "2.7", error = 0.1005,
      idea = "gradient descent, a sample at a time", { "images=60000" } },
    { id = "P02", file = "02_mini_batches", section = "3.1", error = 0.0675, idea = "mini-batches" },
    { id = "P03", file = "03_cross_entropy", section = "4.1", error = 0.0310, seconds = 100 * 27,
      idea = "softmax and cross entropy" },
    { id = "P04", file = "04_adam", section = "5.1", error = 0.0264, seconds = 30 * 24, idea = "Adam",
      { "correction=step" } },
    { id = "P05", file = "05_dropout", section = "6.2", error = 0.0219, seconds = 50 * 28, idea = "dropout",
      { "activation=relu batch=32 correction=epoch" } },
    { id = "P06", file = "06_one_more_layer", section = "6.3", error = 0.0202, seconds = 200 * 31,
      idea = "one more layer", { "activation=tanh", seeds = 3 }, { "correction=step" } },
    { id = "P07", file = "07_augmentation", section = "6.5", error = 0.0193, seconds = 54 * minutes,
      idea = "data augmentation", { "correction=step" } },
    { id = "P08", file = "08_early_stopping", section = "8.1", error = 0.0158, seconds = 138.5 * minutes,
      idea = "early stopping, He initialization", { "correction=epoch" } },
    { id = "P09", file = "09_convolution", section = "9.5", error = 0.0080, seeds = 3, idea = "convolution",
      { "correction=step", seeds = 3 }, { "schedule=tunable", seeds = 5 } },
    { id = "P10", file = "10_learning_rate_schedule", section = "10.1", error = 0.0044,
      seeds = 3, seconds = 822 * minutes, idea = "learning-rate schedule",
      { "correction=step", seeds = 1 }, { "network=listing", seeds = 3 } },
    { id = "P11", file = "11_scale_up", section = "10.2", error = 0.0042, seeds = 3, seconds = 1967 * minutes,
      idea = "scale up", { "correction=step", seeds = 1 } },
    { id = "P12", file = "12_faster_halving", section = "10.3", error = 0.0040, seeds = 3, seconds = 1186 * minutes,
      idea = "faster halving", { "correction=step", seeds = 1 } },
    { id = "P13", file = "13_twice_as_wide", section = "11", error = 0.0025, seeds = 3, seconds = 3022,
      idea = "twice as wide, every image augmented" },
  },
  {
    name = "lenet5", document = "004", title = "LeNet-5: optimizers, then two regularizers",
    { id = "L01", file = "01_gradient_descent", section = "I, gradient descent", error = 0.1196,
      idea = "gradient descent" },
    { id = "L01b", file = "01b_mini_batch_sgd", section = "I, without a number", idea = "mini-batch SGD" },
    { id = "L01c", file = "01c_nesterov", section = "I, without a number", idea = "Nesterov's accelerated gradient" },
    { id = "L01d", file = "01d_adadelta", section = "I, without a number", idea = "AdaDelta" },
    { id = "L02", file = "02_sgd", section = "I, stochastic gradient descent", error = 0.0407,
      idea = "SGD, gradients summed" },
    { id = "L03", file = "03_momentum", section = "I, SGD with momentum", error = 0.0181, idea = "momentum",
      { "lr=0.003" } },
    { id = "L04", file = "04_adagrad", section = "I, adaptive gradient descent", error = 0.0609, idea = "AdaGrad" },
    { id = "L05", file = "05_rmsprop", section = "I, root mean square propagation", error = 0.0109, idea = "RMSprop",
      { "activation=relu" } },
    { id = "L06", file = "06_adam", section = "I, adaptive moment estimation", error = 0.0125, idea = "Adam",
      { "lr=0.001" } },
    { id = "L07", file = "07_plain", section = "II, case 1", error = 0.0125, idea = "ReLU, no regularization" },
    { id = "L08", file = "08_batch_norm", section = "II, case 2", error = 0.0105, idea = "batch normalization" },
    { id = "L09", file = "09_dropout", section = "II, case 3", error = 0.0115, idea = "dropout" },
    { id = "L10", file = "10_batch_norm_dropout", section = "II, case 4", error = 0.0115, idea = "both" },
  },
  {
    name = "efficiency", document = "000", title = "accuracy for few parameters",
    { id = "U01", file = "01_lenet5", section = "notebook, first model", error = 0.0162, idea = "a small LeNet-5" },
    { id = "U02", file = "02_three_convolutions", section = "notebook, second model", error = 0.0071,
      idea = "three convolutions, dropout" },
    { id = "U03", file = "03_epsilon_inside_root", section = "3.1, without a number",
      idea = "U02 with epsilon inside Adam's root" },
  },
  {
    name = "from_scratch", document = "001", title = "a hand-written network beside its TensorFlow twin",
    { id = "A01", file = "01_rate_alone", section = "1.2.1, first case", error = 0.220, metric = dropout_on, seeds = 1,
      idea = "a learning rate alone" },
    { id = "A02", file = "02_momentum", section = "1.2.1, second case", error = 0.241, metric = dropout_on, seeds = 1,
      idea = "momentum, a decaying rate" },
    { id = "A03", file = "03_more_momentum", section = "1.2.1, second case", error = 0.219, metric = dropout_on,
      seeds = 1, idea = "more momentum, a tenth of the rate" },
    { id = "A04", file = "04_adam", section = "1.2.1, third case", metric = dropout_on, seeds = 1,
      idea = "Adam" },
    { id = "A05", file = "05_scaled_up", section = "2.2.1", error = 0.20, metric = dropout_on,
      seeds = 1, seconds = 60 * hours, idea = "64 kernels, 40,000 images" },
    { id = "A06", file = "06_tensorflow_momentum", section = "2.2.1", error = 0.09, seeds = 1, seconds = hours,
      idea = "the TensorFlow twin" },
    { id = "A07", file = "07_tensorflow_rate_alone", section = "2.2.2", error = 0.10, seeds = 1, seconds = hours,
      idea = "its rate alone" },
  },
  {
    name = "architectures", document = "002",
    title = "dense, convolutional and residual networks at four learning rates",
    { id = "C01", file = "01_dnn", section = "table 2",
      idea = "dense, row by row", rates = { 0.22, 0.05, 0.036, 0.035 }, f1 = { [4] = 0.965 } },
    { id = "C02", file = "02_convnet", section = "table 2",
      idea = "convolutional", rates = { 0.89, 0.02, 0.013, 0.009 }, f1 = { [4] = 0.991 } },
    { id = "C03", file = "03_resnet", section = "table 2", seeds = 3,
      idea = "residual", rates = { 0.03, 0.01, 0.018, 0.011 }, f1 = { [3] = 0.992 } },
  },
}

local rows = {}

local function add(family, row, arguments, fields)
  local new = { family = family.name, document = family.document, arguments = arguments, metric = "test_error",
    seeds = 5 }
  for _, name in ipairs { "id", "section", "error", "metric", "seconds", "seeds", "idea" } do
    if row[name] ~= nil then new[name] = row[name] end
  end
  new.file = ("%s/%s.lua"):format(family.name, row.file)
  for name, value in pairs(fields or {}) do new[name] = value end
  new.name = arguments == "" and new.id or new.id .. " " .. arguments
  rows[#rows + 1] = new
end

for _, family in ipairs(families) do
  for _, row in ipairs(family) do
    if not row.rates then add(family, row, "") end
    for i, lr in ipairs(row.rates and { "0.1", "0.01", "0.001", "0.0001" } or {}) do
      add(family, row, "lr=" .. lr, { error = row.rates[i], f1 = row.f1[i], also = "macro_f1" })
    end
    for _, variant in ipairs(row) do add(family, row, variant[1], { seeds = variant.seeds, variant = true }) end
  end
end

return { families = families, rows = rows }
