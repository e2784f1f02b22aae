--- Initializations that are not the library's defaults.
local M = {}

--- Options of a layer whose weights and biases both start uniform in [-half, half).
function M.uniform(half)
  return { init = { "uniform", -half, half }, bias_init = { "uniform", -half, half } }
end

--- Options of a layer in Keras' default: Glorot uniform, +-sqrt(6 / (fan_in + fan_out)), zero biases.
--- `more` adds further options.
function M.keras(more)
  local options = { init = "xavier", bias_init = "zeros" }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

--- Options of a layer in PyTorch's default: weights and biases uniform in +-1/sqrt(fan_in).
function M.pytorch()
  return { init = "fan_in", bias_init = "fan_in" }
end

return M
