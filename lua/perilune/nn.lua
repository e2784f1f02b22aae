--- pl.nn: layers and models. Each layer of perilune.core has its constructor here; what a model can do beyond
--- running (predicting, counting, summing up) is added to its methods.
local core = require "perilune.core"
local options = require "perilune.options"

local M = {}
for name, value in pairs(core.nn) do
  if name ~= "methods" and name ~= "metatable" then M[name] = value end
end

for name, constructor in pairs(core.loss) do
  if name ~= "from_config" then M[name] = constructor end
end

local methods = core.nn.methods

--- Labels (i32 [N], from 0) of the largest output of each sample.
function methods:predict(x)
  local y = self:infer(x)
  return y:reshape(y:size(1), -1):argmax(2):to "i32" - 1
end

--- Probabilities [N, K]: softmax of the outputs, unless the model ends in Softmax itself.
function methods:probabilities(x)
  local y = self:infer(x)
  local last = self
  while #last > 0 do last = last[#last] end
  if last.type == "Softmax" then return y end
  return core.nn.Softmax():infer(y)
end

local evaluate_options = { { "loss", type = "userdata" }, { "dropout", type = "boolean" }, { "confusion", type = "boolean" },
  { "predictions", type = "boolean" } }

--- One pass over a data set: { loss =, accuracy =, error =, correct =, count =, confusion = [actual][predicted] }.
--- Options: loss = a loss; dropout = true leaves dropout on; confusion = false spares the table; predictions = true: also
--- { predictions =, probabilities = }, tensors with the label predicted for each sample and the probability it was given.
function methods:evaluate(data, opts)
  opts = options.check("evaluate", opts, evaluate_options)
  local loss, correct, count, confusion, predictions, probabilities = core.trainer.evaluate(self, data, opts.loss,
    opts.dropout and "noise" or "infer", opts.confusion ~= false,
    opts.predictions and require "perilune.mistakes".activation(self, opts.loss) or nil)
  return {
    loss = opts.loss and loss or nil, correct = correct, count = count, accuracy = correct / count, error = (count - correct) / count,
    confusion = confusion, predictions = predictions, probabilities = probabilities,
  }
end

--- Iterates over trained parameters in order: name ("05_linear.weight"), tensor.
function methods:parameters()
  local list, i = self:state(), 0
  return function()
    repeat i = i + 1 until not list[i] or list[i].trained
    if list[i] then return list[i].layer .. "." .. list[i].name, list[i].tensor end
  end
end

--- Number of trained parameters.
function methods:count()
  return (self:sizes())
end

--- Table of layers as text: output shape, parameters, multiply-adds and bytes of a sample. `shape`: of one sample, if
--- the model has not been built.
function methods:summary(shape)
  return table.concat((require "perilune.report".model(self:rows(shape), require "perilune.text".plain())), "\n")
end

local function describe(layer, indent, lines)
  local name = layer.name ~= "" and (' "%s"'):format(layer.name) or ""
  local config = layer:config().config or {}
  local parts = {}
  for _, key in ipairs { "in", "out", "kernel", "stride", "padding", "features", "p", "shape" } do
    local value = config[key]
    if type(value) == "table" then
      local same = #value == 2 and value[1] == value[2]
      value = same and value[1] or table.concat(value, "x")
    end
    if value ~= nil and not ((key == "stride") and value == 1) and not (key == "padding" and value == 0) then
      parts[#parts + 1] = (key == "in" or key == "out") and tostring(value) or ("%s=%s"):format(key, tostring(value))
    end
  end
  local inside = table.concat(parts, ", "):gsub("^(%S+), (%d+)", "%1 -> %2")
  lines[#lines + 1] = ("%s%s%s%s"):format(indent, layer.type, name, inside ~= "" and "(" .. inside .. ")" or "")
  for i = 1, #layer do describe(layer[i], indent .. "  ", lines) end
  return lines
end

-- run:model() is run.model: the weights of a run are asked for either way.
core.nn.metatable.__call = function(layer, of)
  if require "perilune.result".is(of) then return layer end
  require "perilune.errors".raise("a layer is applied with layer:infer(x), or with layer:forward(x) in training; it is no function")
end

--- A layer prints as itself and what it contains, a line each.
core.nn.metatable.__tostring = function(layer)
  return table.concat(describe(layer, "", {}), "\n")
end

return M
