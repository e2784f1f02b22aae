--- nn.define_loss: a loss from a formula. Its function is recorded when the shapes of outputs and targets are known,
-- and again each epoch; what it computes is then a program of operations that runs in C, like a built-in loss.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local count_of = require "perilune.base.shapes".count
local options = require "perilune.base.options"
local symbol = require "perilune.nn.symbol"
local raise = errors.raise

local M = {}

-- The value that has one number a sample.
local function per_sample(recorder, reduction, ...)
  local result = ...
  if select("#", ...) ~= 1 then raise("forward returns one value, got %d", select("#", ...)) end
  if not symbol.is(result) or symbol.recorder(result) ~= recorder then
    raise("forward returns %s where what a sample costs is due", options.describe(result))
  end
  local total, each = symbol.total(result)
  if (total or reduction) ~= reduction then
    raise('a loss is the %s over the batch; end it with :%s(), over no axes or those of a sample, or say ' ..
      'reduction = "%s"', reduction, reduction, total)
  end
  local sizes, fixed = recorder:shape(symbol.value(result))
  if fixed then raise "the result does not depend on the output: it has no batch axis" end
  recorder:ask(symbol.value(result), 0)
  if #sizes == 0 then return each end
  local axes = {}
  for a = 1, #sizes do axes[a] = a + 1 end
  return each[reduction](each, axes)
end

-- The outputs of a model: a value, or a list of them, which lie one after the other.
local function outputs_of(y, shapes)
  if #shapes == 1 then return y end
  local list, at = {}, 1
  for i, shape in ipairs(shapes) do
    local count = count_of(shape)
    list[i] = y:slice(2, at, at + count - 1):reshape(-1, table.unpack(shape))
    at = at + count
  end
  return list
end

-- What its function captures, as it was when the loss was made: for the message when it has changed.
local watched = setmetatable({}, { __mode = "k" })

--- Raises if the formula of a loss is another one than when it was recorded; other losses are left alone.
function M.check_again(loss)
  if not core.formula.is_loss(loss) then return end
  local ok, message = pcall(core.formula.check_loss_again, loss)
  if ok then return end
  local what = watched[loss] and watched[loss]()
  error(("%s: the formula is another one than when it was recorded%s; what changes is an option of the loss " ..
    "(options = {...}, which forward is given), and another loss"):format(errors.bare(tostring(message)),
    what and ": " .. what or ""), 0)
end

--- nn.define_loss{ forward =, name =, outputs =, reduction =, options = } -> a loss
function M.new(spec)
  local d = options.check("nn.define_loss", spec, { { "name", type = "string", default = "loss" },
    { "forward", type = "any" }, { "options", type = "table" },
    { "reduction", type = "string", default = "mean", choices = { "mean", "sum" } },
    { "outputs", type = "string", choices = core.loss.outputs.names } })
  if type(d.forward) ~= "function" then
    raise("nn.define_loss: forward takes a function, got %s", options.describe(d.forward))
  end
  if not d.name:match "^[%a][%w_ ]*$" or #d.name > 40 then
    raise("nn.define_loss: the name is of at most 40 letters, got '%s'", d.name)
  end
  local forward, label, reduction, o = d.forward, d.name, d.reduction, d.options or {}
  require "perilune.nn.define".check_options(label, o)
  local loss = core.formula.loss({ name = label, reduction = reduction, outputs = d.outputs,
    options = next(o) ~= nil and o or nil }, function(recorder, shapes)
    local y, t = symbol.new(recorder, recorder:input(1)), symbol.new(recorder, recorder:input(2))
    recorder:result(symbol.value(per_sample(recorder, reduction, forward(outputs_of(y, shapes), t, o))))
  end)
  watched[loss] = require "perilune.script.upvalues".watch { { "forward", forward } }
  return loss
end

return M
