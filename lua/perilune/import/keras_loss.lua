--- The loss that a Keras model was compiled with (training_config, of model.compile), as far as it says what the
--- outputs are: values, or independent logits, each of a label that is there or not. Where it says neither, the last
--- layer does (perilune.nn.decision).
local core = require "perilune.core"

local M = {}

-- Losses between numbers, by Keras' names of the function and of the class, in lower case and without underscores.
local of_values = {}
for name in ([[mse mae mape msle meansquarederror meanabsoluteerror meanabsolutepercentageerror
    meansquaredlogarithmicerror huberloss logcosh poisson cosinesimilarity]]):gmatch "%a+" do
  of_values[name] = true
end

-- "mean_squared_error"; a class with its options; a function by name; or one of these for the only output.
local function name_and_options(loss)
  if type(loss) == "string" then return loss, {} end
  if type(loss) ~= "table" then return nil end
  if loss.class_name == nil then
    local first, only = next(loss)
    if first == nil or next(loss, first) ~= nil or type(only) == "table" and only.class_name == nil then return nil end
    return name_and_options(only)
  end
  if type(loss.config) == "string" then return loss.config, {} end
  return loss.class_name, type(loss.config) == "table" and loss.config or {}
end

--- The counterpart of the loss, and whether it is one of target values; nil: nothing is said. A loss of values that
--- is not known here is taken for MSE: its outputs are the same.
function M.of(training_config, nn)
  if type(training_config) ~= "string" then return nil end
  local config = core.json.decode(training_config)
  local name, options = name_and_options(type(config) == "table" and config.loss or nil)
  if type(name) ~= "string" then return nil end
  name = name:lower():gsub("_", "")
  if name == "huber" then
    local delta = options.delta
    return nn.Huber { delta = type(delta) == "number" and delta > 0 and delta < math.huge and delta or 1 }, true
  end
  if of_values[name] then return nn.MSE(), true end
  if name == "binarycrossentropy" and options.from_logits == true then return nn.BCE(), false end
end

return M
