--- pl.grad and pl.value_and_grad: gradients on plain tensors, by a tape. The function runs once with values that have
-- both numbers and a record of the operations that made them; then the record is gone through backwards.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local symbol = require "perilune.nn.symbol"
local raise = errors.raise

local M = {}

local function check_arguments(what, ...)
  local count = select("#", ...)
  if count == 0 then raise("%s: the function that it returns takes the tensors to take gradients for", what) end
  for i = 1, count do
    local x = select(i, ...)
    if type(x) ~= "number" and not core.tensor.is_tensor(x) then
      raise("%s: argument %d is %s; gradients are those for tensors and numbers", what, i, options.describe(x))
    end
    if type(x) ~= "number" and x.dtype ~= "f32" then
      raise("%s: argument %d is %s; a gradient is that for an f32 tensor, convert it with :to(\"f32\"), or let the " ..
        "function capture it", what, i, x.dtype)
    end
  end
end

-- value, { gradients }
local function run(what, f, ...)
  check_arguments(what, ...)
  local recorder = core.formula.eager()
  local inputs = {}
  for i = 1, select("#", ...) do
    inputs[i] = symbol.new(recorder, recorder:input((select(i, ...)), true))
  end
  symbol.set_children(recorder, function() raise("%s: layers are called in models; use layer:infer(x)", what) end)
  local result = table.pack(f(table.unpack(inputs)))
  if result.n ~= 1 then raise("%s: the function returns one number, got %d values", what, result.n) end
  local y = result[1]
  if type(y) == "number" or core.tensor.is_tensor(y) then
    raise("%s: the result does not depend on the arguments: it is %s", what, options.describe(y))
  end
  if not symbol.is(y) or symbol.recorder(y) ~= recorder then
    raise("%s: the function returns %s where a number is due", what, options.describe(y))
  end
  if y:count() ~= 1 then
    raise("%s: the function returns %s where one number is due; end it with :sum() or :mean()", what,
      symbol.shape_text(y))
  end
  local grads = recorder:backward(symbol.value(y))
  for i = 1, #inputs do
    local x = select(i, ...)
    if type(x) == "number" then grads[i] = grads[i] and grads[i]:item() or 0.0
    else grads[i] = grads[i] or core.tensor.zeros(x.shape) end
  end
  return y:item(), grads
end

local function taker(what, f, finish)
  if type(f) ~= "function" then raise("%s takes a function, got %s", what, options.describe(f)) end
  return function(...) return finish(run(what, f, ...)) end
end

--- pl.grad(f)(x, ...) -> the gradient of f(x, ...) for each argument
function M.grad(f)
  return taker("pl.grad", f, function(_, grads) return table.unpack(grads) end)
end

--- pl.value_and_grad(f)(x, ...) -> f(x, ...), and its gradient for each argument
function M.value_and_grad(f)
  return taker("pl.value_and_grad", f, function(value, grads) return value, table.unpack(grads) end)
end

return M
