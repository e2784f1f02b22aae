--- Training and evaluating with a loss that is a function of the user's: loss(output, target) -> value, gradient; the
-- mean over the batch, and its gradient for the output. Stands in for core.trainer, one step at a time.
local core = require "perilune.core"
local decision = require "perilune.decision"

local outputs = core.loss.outputs

local M = {}

local Steps = {}
Steps.__index = Steps

--- The options of core.trainer.new.
function M.new(options)
  local o = {}
  for name, value in pairs(options) do o[name] = value end
  -- the core's trainer loads, shuffles and augments; of its own losses it needs one that fits the data
  local info = options.data:info()
  local _, _, output = options.model:sizes()
  o.loss = info.classes == 0 and core.loss.MSE() or (#output == 1 and output[1] == 1 and core.loss.BCE()
    or core.loss.CrossEntropy())
  return setmetatable({ model = options.model, loss = options.loss, seed = options.seed, classes = info.classes,
    outputs = decision.kind(options.model, options.loss), loader = core.trainer.new(o) }, Steps)
end

function Steps:batches() return self.loader:batches() end

function Steps:batch(epoch, i)
  self.epoch, self.index = epoch, i
  return self.loader:batch(epoch, i)
end

function Steps:step(x, y, sum, absolute, squared)
  local n = x:size(1)
  self.model:random(self.seed, (self.epoch - 1) * self:batches() + self.index - 1)
  local output = self.model:forward(x)
  local value, grad = self.loss(output, y)
  value = type(value) == "userdata" and value:item() or value
  if value ~= value or math.abs(value) == math.huge then
    local trouble = self.loader:refuse()
    return sum, 0, 0, trouble.skipped, trouble, absolute, squared
  end
  local correct, more_absolute, more_squared = 0, 0.0, 0.0
  if self.classes > 0 then correct = outputs.hits(output, y, self.outputs)
  else more_absolute, more_squared = outputs.errors(output, y, "values") end
  self.model:zero_grad()
  self.model:backward(grad)
  local trouble = self.loader:update()
  if trouble then return sum, 0, 0, trouble.skipped, trouble, absolute, squared end
  return sum + value * n, correct, n, 1, nil, (absolute or 0.0) + more_absolute, (squared or 0.0) + more_squared
end

function Steps:run(epoch, first, count, sum, absolute, squared)
  local correct, samples, skipped, last = 0, 0, 0, nil
  for i = first, first + count - 1 do
    local x, y = self:batch(epoch, i)
    local hits, n, done, trouble
    sum, hits, n, done, trouble, absolute, squared = self:step(x, y, sum, absolute, squared)
    if trouble then
      last, skipped = trouble, skipped + trouble.skipped
      last.skipped = skipped
      if last.broken then return sum, correct, samples, i - first + done, last, absolute, squared end
    end
    correct, samples = correct + hits, samples + n
  end
  return sum, correct, samples, count, last, absolute, squared
end

--- As model:evaluate, with such a loss. `split`: a split of a data set.
function M.evaluate(model, split, loss, predictions)
  local result, sum = model:evaluate(split:read(), { predictions = predictions }), 0.0
  for x, y in split:batches(256) do
    local value = loss(model:infer(x), y)
    sum = sum + (type(value) == "userdata" and value:item() or value) * x:size(1)
  end
  result.loss = sum / split.count
  return result
end

return M
