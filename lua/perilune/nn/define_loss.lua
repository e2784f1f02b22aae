--- nn.define_loss: a loss from a formula. The result is a function loss(output, target) -> value, gradient, as
-- experiments take it; each call computes the operations one by one and goes back through them (a tape).
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local symbol = require "perilune.nn.symbol"
local raise = errors.raise

local function batch_of(what, label, t)
  if not core.tensor.is_tensor(t) then raise("%s: the %s is a tensor, got %s", label, what, options.describe(t)) end
  if t:dim() < 1 or t:size(1) < 1 then raise("%s: the %s is a batch [N, ...] of at least one sample", label, what) end
  return t:size(1)
end

-- The value that has one number a sample.
local function per_sample(label, recorder, ...)
  local result = ...
  if select("#", ...) ~= 1 then raise("%s: forward returns one value, got %d", label, select("#", ...)) end
  if not symbol.is(result) or symbol.recorder(result) ~= recorder then
    raise("%s: forward returns %s where what a sample costs is due", label, options.describe(result))
  end
  if symbol.total(result) == "sum" then
    raise("%s: a loss is the mean over the batch; end it with :mean(), or sum over the axes of a sample", label)
  end
  local sizes, fixed = recorder:shape(symbol.value(result))
  if fixed then raise("%s: the result does not depend on the output: it has no batch axis", label) end
  if #sizes == 0 then return result end
  local axes = {}
  for a = 1, #sizes do axes[a] = a + 1 end
  return result:mean(axes)
end

return function(spec)
  local d = options.check("nn.define_loss", spec, { { "name", type = "string", default = "loss" },
    { "forward", type = "any" } })
  if type(d.forward) ~= "function" then
    raise("nn.define_loss: forward takes a function, got %s", options.describe(d.forward))
  end
  local label, forward = d.name, d.forward
  return function(output, target)
    local n = batch_of("output", label, output)
    if batch_of("target", label, target) ~= n then
      raise("%s: %d outputs and %d targets; both have one row a sample", label, n, target:size(1))
    end
    local recorder = core.formula.eager(n)
    local y = symbol.new(recorder, recorder:input(output, false))
    local t = symbol.new(recorder, recorder:input(target, false))
    local cost = per_sample(label, recorder, forward(y, t))
    local grad = recorder:backward(symbol.value(cost), 1 / n)[1]
    return cost:detach():mean(), grad or core.tensor.zeros(output.shape)
  end
end
