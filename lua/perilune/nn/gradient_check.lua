--- Compares gradients that users' functions return with finite differences: of losses, and of models with layers in
-- Lua.
local core = require "perilune.core"
local shapes = require "perilune.base.shapes"

local M = {}

local STEP, TOLERANCE = 1e-2, 0.05

-- A tensor of that shape with fixed values in [-1, 1): the check says the same each time.
local function made_up(shape, salt)
  local values = {}
  for i = 1, shapes.count(shape) do values[i] = 2 * core.system.random(salt, 8, 0, 0, i) - 1 end
  return core.tensor.tensor(values):reshape(table.unpack(shape))
end

local function dot(a, b) return (a * b):sum() end

-- Along a few directions v, f(x + h v) - f(x - h v) = 2 h grad . v; returns the smallest relative difference, because a
-- kink of a ReLU on the way makes some of them large. 0 where no value is finite: made-up numbers tell nothing there.
local function difference(f, x, grad)
  local least
  for salt = 1, 5 do
    local v = made_up(x.shape, salt)
    local numeric = (f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP)
    local analytic = dot(grad, v)
    local far = math.abs(numeric - analytic) / math.max(math.abs(numeric), math.abs(analytic), 1e-3)
    if numeric - numeric == 0 then least = math.min(least or math.huge, far == far and far or math.huge) end
  end
  return least or 0
end

local function complain(what, how_far, remedy)
  return ("%s: its gradient differs from finite differences by %.0f %%; %s"):format(what, 100 * how_far, remedy)
end

--- Of a loss function, for outputs of that shape (one sample), and targets of that shape (that of the outputs). nil, or
-- a message.
function M.loss(loss, output, classes, targets)
  local x = made_up({ 4, table.unpack(output) }, 7)
  local target = made_up({ 4, table.unpack(targets or output) }, 9)
  if classes > 0 then target = core.tensor.tensor({ 0, 1 % classes, 2 % classes, 0 }, "i32") end
  local function value(at)
    local v = loss(at, target)
    return type(v) == "number" and v or v:item()
  end
  local _, grad = loss(x, target)
  if not core.tensor.is_tensor(grad) then
    return "the loss returns (value, gradient): the second value must be a tensor"
  end
  local far = difference(value, x, grad)
  if far > TOLERANCE then
    return complain("the loss", far, "it returns (mean over the batch, gradient of that mean for the output)")
  end
end

--- Of a model with layers in Lua, for its input. nil, or a message.
function M.model(model, input)
  local x = made_up({ 4, table.unpack(input) }, 7)
  local weights = {}      -- one an output
  local function value(at)
    model:random(1, 0)        -- the same dropout each time
    local outputs, sum = { model:forward(at) }, 0
    for i, y in ipairs(outputs) do
      weights[i] = weights[i] or made_up(y.shape, 8 + i)
      sum = sum + dot(y, weights[i])
    end
    return sum
  end
  value(x)
  local far = difference(value, x, (function()
    value(x)
    return model:backward(#weights > 1 and weights or weights[1], true)
  end)())
  if far > TOLERANCE then
    return complain("the model", far, "look at the backward functions of its layers in Lua (Lambda)")
  end
end

-- A step of an optimizer that is the script's, on copies. nil, or a message.
local function try_step(e)
  local model, optimizer = e.model:clone(), e.optimizer:clone()
  model:zero_grad()
  local ok, problem = pcall(function() optimizer:bind(model):step "ignore" end)
  return not ok and tostring(problem) or nil
end

-- A loss on several outputs as one on a flat output, and that output's shape.
local function flattened(loss, outputs)
  if #outputs == 1 then return loss, outputs[1] end
  local sizes, width = {}, 0
  for i, shape in ipairs(outputs) do
    sizes[i] = shapes.count(shape)
    width = width + sizes[i]
  end
  return function(flat, target)
    local list, at, n = {}, 1, flat:size(1)
    for i, shape in ipairs(outputs) do
      list[i] = flat:slice(2, at, at + sizes[i] - 1):contiguous():reshape(n, table.unpack(shape))
      at = at + sizes[i]
    end
    local value, grads = loss(list, target)
    if type(grads) ~= "table" then return value, nil end
    local parts = {}
    for i, g in ipairs(grads) do parts[i] = g:reshape(n, sizes[i]) end
    return value, core.tensor.cat(parts, 2)
  end, { width }
end

--- Of what an experiment takes from the script: its loss, the layers of its model, its optimizer. nil, or a message.
-- The model is a copy, so that nothing of a training that follows is touched.
function M.experiment(e)
  if not e.check_gradients then return nil end
  local broken = core.optim.step_function(e.optimizer) and try_step(e)
  if broken then return broken end
  local _, input, _, has_functions, outputs = e.model:sizes()
  local wrong
  if type(e.loss) == "function" then
    local loss, output = flattened(e.loss, outputs)
    wrong = M.loss(loss, output, e.classes, e.splits.train.target)
  end
  wrong = wrong or has_functions and M.model(e.model:clone(), input) or nil
  return wrong and wrong .. " (check_gradients = false in the experiment: meant to be so)"
end

return M
