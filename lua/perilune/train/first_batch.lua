--- Where a model or a loss has formulas, the first batch of a training is also computed operation by operation,
-- nothing fused and each value in memory of its own, and must agree to the last bit. `perilune check` does so on
-- made-up samples.
local core = require "perilune.core"
local errors = require "perilune.base.errors"

local M = {}

-- `model`: one whose gradients may be lost.
local function compare(model, loss, x, y)
  local ok, message = pcall(core.formula.verify, model, x)
  if ok and core.formula.is_loss(loss) then
    local outputs = { model:infer(x) }
    ok, message = pcall(core.formula.verify_loss, loss, #outputs > 1 and outputs or outputs[1], y)
  end
  return not ok and errors.bare(tostring(message)) or nil
end

--- Of the trainer of epochs.lua, at the beginning of its first epoch.
function M.verify(trainer)
  local x, y = trainer.core:batch(1, 1)
  local wrong = compare(trainer.model, trainer.e.loss, x, y)
  if wrong then errors.fail(1, "the first batch: %s", wrong) end
end

-- Random values of that shape, the same each time.
local function made_up(count, sizes)
  return core.tensor.rand({ count, table.unpack(sizes) }, { seed = 1 })
end

--- Of an experiment whose data are not read: nil, or a message.
function M.check(e)
  if not core.formula.is_recorded(e.model) and not core.formula.is_loss(e.loss) then return nil end
  local n, _, input, output = math.min(e.batch_size, 64), e.model:sizes()
  local y
  if e.classes > 0 then
    local labels = {}
    for i = 1, n do labels[i] = (i - 1) % e.classes end
    y = core.tensor.tensor(labels, "i32")
  else
    y = made_up(n, output)
  end
  return compare(e.model:clone(), e.loss, made_up(n, input), y)
end

return M
