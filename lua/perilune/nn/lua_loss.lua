--- Training and evaluating with a loss that is a function of the user's: loss(output, target) -> value, gradient; the
-- mean over the batch, and its gradient for the output.
local core = require "perilune.core"
local decision = require "perilune.nn.decision"

local M = {}

--- As core.trainer.new, whose trainer calls the function after each forward pass.
function M.new(options)
  local o = {}
  for name, value in pairs(options) do o[name] = value end
  o.outputs = decision.kind(options.model, options.loss)
  return core.trainer.new(o)
end

--- As model:evaluate, with such a loss. `split`: a split of a data set.
function M.evaluate(model, split, loss, predictions)
  local result, sum = model:evaluate(split:read(), { predictions = predictions }), 0.0
  for x, y in split:batches(256) do
    local outputs = { model:infer(x) }
    local value = loss(#outputs > 1 and outputs or outputs[1], y)
    sum = sum + (type(value) == "userdata" and value:item() or value) * x:size(1)
  end
  result.loss = sum / split.count
  return result
end

return M
