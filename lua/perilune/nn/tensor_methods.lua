--- Methods of plain tensors that are operations of formulas: computed by the same functions, so to the same bits.
local core = require "perilune.core"
local shapes = require "perilune.base.shapes"
local symbol = require "perilune.nn.symbol"

local M = {}

for _, name in ipairs { "gelu", "silu", "softmax", "log_softmax", "pick", "one_hot" } do
  M[name] = function(t, x, ...)
    if symbol.is(x) then return symbol.methods[name](t, x, ...) end
    local recorder = core.formula.eager()
    local function value(tensor) return symbol.new(recorder, recorder:input(tensor, true)) end
    if core.tensor.is_tensor(x) then x = value(x) end
    return recorder:tensor(symbol.value(symbol.methods[name](value(t), x, ...)))
  end
end

--- [N, ...] as [N, elements of a sample]
function M.flatten(t) return t:reshape(t:size(1), shapes.count(t.shape, 2)) end

return M
