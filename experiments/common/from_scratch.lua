--- The network of A01 to A05 (document 001), and its way of counting errors.
local pl = require "perilune"
local nn, data = pl.nn, pl.data

local M = {}

--- The first `per_class` training images of each digit; the full test set.
function M.balanced(per_class)
  return data.mnist():subset { per_class = per_class }
end

--- conv `kernels` 3x3 with a bias for every output position, dense 128, dense 10 with a ReLU before the softmax.
--- `drop` lists the dropout rates after the convolution, after dense 128 and after dense 10.
--- The listing sums the gradient of a position's bias over all kernels, a slip; here each has its own. It shuffles the
--- images once and keeps that order; here the order is new in each epoch.
function M.network(kernels, drop)
  local normal = { "normal", 0, 1 }
  local small = { init = { "normal", 0, 0.01 }, bias_init = "zeros" }
  return nn.Sequential {
    nn.Conv2d(1, kernels, 3, { bias = "per-position", init = normal, bias_init = normal }), nn.ReLU(),
    nn.Dropout(drop[1]),
    nn.Flatten(),
    nn.Linear(kernels * 26 * 26, 128, small), nn.ReLU(), nn.Dropout(drop[2]),
    nn.Linear(128, 10, small), nn.ReLU(), nn.Dropout(drop[3]),
    nn.Softmax(),
  }
end

--- Cross entropy whose reported value takes the probability no nearer than 1e-2 to 0 or 1.
function M.loss()
  return nn.ProbabilityCrossEntropy { clip = 1e-2 }
end

--- Metrics of an experiment: the test error as the document counts it, with dropout still on. Dropping one
--- output in five, the right one too, costs a fifth of the right answers and holds these rows near 78 %.
M.metrics = {
  test_error_with_dropout = function(ctx)
    local _, test = ctx.data:splits()
    local wrong = 0
    for x, y in test:batches(1000) do
      wrong = wrong + #y * (1 - pl.accuracy(ctx.model:forward(x), y))
    end
    return wrong / #test
  end,
}

return M
