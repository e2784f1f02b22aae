--- The TensorFlow network that document 001 sets beside its own (A06, A07): one bias a filter, Keras'
--- initialization, batches of 64, and a dropout of 0.2 *after* the softmax, in training only.
local pl = require "perilune"
local initial = require "common.initial"
local nn = pl.nn

local M = {}

function M.network()
  local keras = initial.keras()
  return nn.Sequential {
    nn.Conv2d(1, 64, 3, keras), nn.ReLU(),
    nn.Flatten(),
    nn.Linear(64 * 26 * 26, 128, keras), nn.ReLU(), nn.Dropout(0.2),
    nn.Linear(128, 10, keras), nn.Softmax(), nn.Dropout(0.2),
  }
end

--- Keras divides the probabilities by the sum of those that were not dropped; an image whose right one was
--- dropped teaches nothing.
function M.loss()
  return nn.ProbabilityCrossEntropy { clip = 1e-7, clip_gradient = true, normalize = true }
end

return M
