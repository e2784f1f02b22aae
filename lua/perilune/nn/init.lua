--- pl.nn: layers and models. Each layer of perilune.core has its constructor here; what a model can do beyond
--- running (predicting, counting, summing up) is added to its methods.
local core = require "perilune.core"
local abouts = require "perilune.nn.about"
local decision = require "perilune.nn.decision"
local weights = require "perilune.nn.weights"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"

local M = {}
local internal = { methods = true, examples = true, Formula = true, origin = true, mark_origin = true }
for name, value in pairs(core.nn) do
  if not internal[name] then M[name] = value end
end

for name, constructor in pairs(core.loss) do
  if name ~= "from_config" and name ~= "outputs" then M[name] = constructor end
end

-- Formulas of the script's own; loaded when first used.
function M.define(spec) return require "perilune.nn.define".define(spec) end
function M.define_loss(spec) return require "perilune.nn.define_loss".new(spec) end
function M.Graph(forward, opts) return require "perilune.nn.define".graph(forward, opts) end

local methods = core.nn.methods

local clone = methods.clone

--- A model of its own with the same layers and weights, which remembers the same loss and run.
function methods:clone()
  local copy = clone(self)
  decision.remember(copy, decision.loss_of(self))
  abouts.remember(copy, abouts.of(self))
  weights.mark(copy, weights.origin(self))
  return copy
end

local function only(what, opts, ...)
  return options.check(what, opts, { ... })
end

local function refuse_values(what)
  errors.raise("%s: this model's outputs are values, not scores of classes; use model:infer, or name the loss: " ..
    "{ loss = nn.CrossEntropy() }", what)
end

local LOSS = { "loss", type = { "userdata", "function" } }

--- Labels (i32 [N], from 0) that the outputs decide for, by the rule of the loss (options: loss); -1 where they are
-- NaN.
function methods:predict(x, opts)
  local loss = only("predict", opts, LOSS).loss
  local kind = decision.kind(self, loss)
  if not loss and kind == "values" and select(2, decision.loss_of(self)) then refuse_values "predict" end
  return core.loss.outputs.decide(self:infer(x), kind)
end

--- Probabilities [N, K], by the rule of the loss (options: loss); of one output that of label 1.
function methods:probabilities(x, opts)
  local kind = decision.kind(self, only("probabilities", opts, LOSS).loss)
  return core.loss.outputs.probabilities(self:infer(x), kind)
    or refuse_values "probabilities"
end

--- One pass over a data set: { loss =, count = }, with labels accuracy, error, correct and
--- confusion[actual][predicted], with targets mae, rmse and r2. Options: loss = a loss; dropout = true leaves dropout
--- on; confusion = false spares the table;
--- predictions = true: also { predictions =, probabilities = }, tensors with the label predicted for each sample and
--- its probability.
function methods:evaluate(data, opts)
  local o = only("evaluate", opts, LOSS, { "dropout", type = "boolean" },
    { "confusion", type = "boolean", default = true },
    { "predictions", type = "boolean" })
  if type(o.loss) == "function" then
    return require "perilune.nn.lua_loss".evaluate(self, data, o.loss, o.predictions)
  end
  local mode = o.dropout and "dropout" or "infer"
  local result = core.trainer.evaluate(self, data, o.loss, decision.kind(self, o.loss), mode, o.confusion,
    o.predictions)
  if result.correct then
    result.accuracy, result.error = result.correct / result.count, (result.count - result.correct) / result.count
  end
  return result
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
  local tables, format = require "perilune.terminal.tables", require "perilune.base.format"
  return table.concat((tables.model(self:rows(shape), format.plain())), "\n")
end

--- Writes the model for other programs: the ending of the file's name says the format.
function methods:export(path)
  if type(path) ~= "string" then errors.raise "export takes the name of a file, such as digits.onnx" end
  local formats = require "perilune.export"
  errors.must(formats.write(self, formats.of_path(path), path))
  abouts.warn(self, "export", "this")
  return true
end

-- Looking into models; loaded when first used.
function methods:show_graph() return require "perilune.nn.define".show_model(self) end
function methods:mistakes(split, opts) return require "perilune.look.model".mistakes(self, split, opts) end
function methods:show() return require "perilune.look.model".show(self) end
function methods:statistics() return require "perilune.look.model".statistics(self) end
local activations = methods.activations
function methods:activations(x) return require "perilune.look.model".activations(activations(self, x)) end

-- The value of an option as one word; nil for none.
local function option_text(name, value)
  if type(value) == "number" then return require "perilune.base.format".number(value) end
  if type(value) ~= "table" then return value ~= nil and tostring(value) or nil end
  local same = name ~= "shape" and #value == 2 and value[1] == value[2]
  return same and tostring(value[1]) or table.concat(value, "x")
end

-- A line a layer: its options as they are declared, but for those that have their defaults. `met`: the layers so far.
local function describe(layer, indent, lines, met)
  local name = layer.name ~= "" and (' "%s"'):format(require "perilune.base.printable".text(layer.name)) or ""
  local parts = {}
  for _, option in ipairs(layer:options()) do
    local value, default = option_text(option.name, option.value), option_text(option.name, option.default)
    if value and value ~= default then
      local plain = option.name == "in" or option.name == "out"
      parts[#parts + 1] = plain and value or ("%s=%s"):format(option.name, value)
    end
  end
  local inside = table.concat(parts, ", "):gsub("^(%S+), (%d+)", "%1 -> %2")
  local shared = met[layer] and ", shared" or ""
  lines[#lines + 1] = ("%s%s%s%s%s"):format(indent, layer.type, name, inside ~= "" and "(" .. inside .. ")" or "",
    shared)
  if met[layer] then return lines end
  met[layer] = true
  for i = 1, #layer do describe(layer[i], indent .. "  ", lines, met) end
  return lines
end

-- run:model() is run.model: the weights of a run are asked for either way.
debug.getmetatable(core.nn.ReLU()).__call = function(layer, of)
  if getmetatable(of) == "perilune.symbol" then return require "perilune.nn.symbol".call(layer, of) end
  if require "perilune.run.result".is(of) then return layer end
  errors.raise("a layer is applied with layer:infer(x), or with layer:forward(x) in training; " ..
    "it is no function")
end

--- A layer prints as itself and what it contains, a line each.
debug.getmetatable(core.nn.ReLU()).__tostring = function(layer)
  return table.concat(describe(layer, "", {}, {}), "\n")
end

return M
