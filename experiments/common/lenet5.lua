--- LeNet-5 as document 004 builds it, twice: on 28x28 images with tanh for its optimizers (Part I, L01
--- to L06), and on 32x32 images with ReLU for its regularizers (Part II, L07 to L10).
---
--- Part I trains 25,000 batches of 64, each a window of the training set at a random place; here a batch
--- is 64 shuffled images, and 26 epochs of 938 batches are 24,388 iterations. What its code does
--- besides is kept where it is meant: the gradient is summed over the batch, not averaged (each file's
--- loss says so). Convolutions and biases start as intended, sqrt(2 / fan_in) and zero; the code has
--- sqrt(2 / channels) and normal(0, 1), which `init=documented` trains. Not kept, being slips: a second
--- softmax inside the loss, and a backward pass of the convolution that rotates the wrong axes. From the test images it
--- subtracts their own mean; here the mean of the
--- training images, which leaves them at 0.0019.
local pl = require "perilune"
local initial = require "common.initial"
local nn, data = pl.nn, pl.data

local M = {}

--- Part I: at most the documented 25,000 iterations.
M.epochs = 26

--- Part I: pixels / 255, minus the mean of all training pixels.
function M.centred()
  return data.mnist():standardize { std = false }
end

--- Part I: conv 6, conv 16, dense 120, 84, 10; `activation=relu` instead of tanh, as was also tried.
function M.with_tanh()
  local documented = pl.arg("init", "he", { "he", "documented" }) == "documented"
  local Activation = pl.arg("activation", "tanh", { "tanh", "relu" }) == "relu" and nn.ReLU or nn.Tanh
  local function options(inputs)
    if not documented then return { init = "he" } end
    return { init = { "normal", 0, math.sqrt(2 / inputs) }, bias_init = { "normal", 0, 1 } }
  end
  return nn.Sequential {
    nn.Conv2d(1, 6, 5, options(1)), Activation(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5, options(6)), Activation(), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 120, options(256)), Activation(),
    nn.Linear(120, 84, options(120)), Activation(),
    nn.Linear(84, 10, options(84)),
  }
end

--- Part II: images resized to 32x32, so that the third convolution sees 5x5 and leaves 120 values.
function M.resized()
  return data.mnist():resize(32, 32)
end

--- Part II: PyTorch's initialization. `use.batch_norm`: after the first pooling; `use.dropout`: 0.4 before
--- the last ReLU.
function M.with_relu(use)
  local torch = initial.pytorch()
  local layers = {}
  local function add(...)
    for _, layer in ipairs { ... } do layers[#layers + 1] = layer end
  end
  add(nn.Conv2d(1, 6, 5, torch), nn.ReLU(), nn.MaxPool2d(2))
  if use.batch_norm then add(nn.BatchNorm(6)) end
  add(nn.Conv2d(6, 16, 5, torch), nn.ReLU(), nn.MaxPool2d(2))
  add(nn.Conv2d(16, 120, 5, torch), nn.ReLU())
  add(nn.Flatten(), nn.Linear(120, 84, torch))
  if use.dropout then add(nn.Dropout(0.4)) end
  add(nn.ReLU(), nn.Linear(84, 10, torch))
  return nn.Sequential(layers)
end

return M
