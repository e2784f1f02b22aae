--- What a model's outputs mean, and pl.accuracy. A loss says what its outputs are ("logits", "probabilities", ...: the
--- rules are in runtime/loss/decision.c); a model remembers the loss that it was trained with. Where none is known, the
--- last layer says it: Softmax and Sigmoid make probabilities, LogSoftmax log-probabilities, and all else is taken for
--- logits.
local core = require "perilune.core"
local options = require "perilune.base.options"

local M = {}

local trained_with = setmetatable({}, { __mode = "k" })
local regressions = setmetatable({}, { __mode = "k" })

--- Layers that give on what they are given, as far as meaning goes.
local transparent = { Dropout = true, Flatten = true, Reshape = true, Identity = true }

--- The layer that makes the model's outputs what they are; nil if there is none.
function M.last_layer(layer)
  if layer.type ~= "Sequential" then return not transparent[layer.type] and layer or nil end
  for i = #layer, 1, -1 do
    local found = M.last_layer(layer[i])
    if found then return found end
  end
end

local made_by = { Softmax = "probabilities", Sigmoid = "probabilities", LogSoftmax = "log-probabilities" }

local function of_layers(model)
  local last = M.last_layer(model)
  return last and made_by[last.type]
end

--- The model was, or will be, trained with this loss; is_regression: on target values, not on classes.
function M.remember(model, loss, is_regression)
  trained_with[model], regressions[model] = loss, is_regression or nil
end
function M.loss_of(model) return trained_with[model], regressions[model] end

--- That loss as files keep it; nil if there is none, or a function of the script.
function M.described(model)
  local loss = trained_with[model]
  return type(loss) == "userdata" and loss:config() or nil
end

--- The kind of a model's outputs, trained with `loss` (nil: the one that it remembers). Values that a last layer makes
-- probabilities are those.
function M.kind(model, loss)
  loss = loss or trained_with[model]
  local kind = type(loss) == "userdata" and loss:outputs() or of_layers(model) or "logits"
  return kind == "values" and of_layers(model) or kind
end

--- The share of rows that are right: pl.accuracy(scores, labels [, { loss = }]). Without a loss scores are logits, of
--- which one a row decides for label 1 above 0.
function M.accuracy(scores, labels, opts)
  local loss = options.check("pl.accuracy", opts,
    { { "loss", type = "userdata", hint = "such as nn.BCE { logits = false }" } }).loss
  local right, count = core.loss.outputs.hits(scores, labels, loss and loss:outputs() or "logits")
  if count == 0 then error("accuracy: of no rows; expects at least one", 0) end
  return right / count
end

return M
