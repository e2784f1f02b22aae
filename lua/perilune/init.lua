--- Perilune: tensors, layers, losses, optimizers and experiments. `local pl = require "perilune"`.
local core = require "perilune.core"

local M = { version = core.system.version() }

for name, f in pairs(core.tensor) do M[name] = f end
debug.getmetatable(core.tensor.zeros(1)).show = function(...) return require "perilune.terminal.image".show(...) end

-- Loaded when first used: start-up is milliseconds.
local function later(module, name) return function(...) return require(module)[name](...) end end
local tensor = debug.getmetatable(core.tensor.zeros(1))
tensor.plot, tensor.hist = later("perilune.plot", "tensor"), later("perilune.plot", "hist")
for _, name in ipairs { "gelu", "silu", "softmax", "log_softmax", "pick", "one_hot", "flatten" } do
  tensor[name] = later("perilune.nn.tensor_methods", name)
end
M.gradient_check = later("perilune.nn.differences", "check")
M.plot, M.figure = later("perilune.plot", "plot"), later("perilune.plot.figure", "new")
M.report = later("perilune.html.report", "write")
M.grad, M.value_and_grad = later("perilune.nn.grad", "grad"), later("perilune.nn.grad", "value_and_grad")

M.system = require "perilune.base.system"
M.nn, M.optim = require "perilune.nn", require "perilune.optim"
M.accuracy = require "perilune.nn.decision".accuracy
M.data = require "perilune.data"
M.schedule = require "perilune.train.schedule"
local stopping = require "perilune.train.stopping"
M.stopping = { window = stopping.window, patience = stopping.patience }
M.experiment = core.system.in_c(require "perilune.experiment".new)
M.arg = require "perilune.script.args".get
M.augment = require "perilune.data.augment"

local saveload = require "perilune.nn.model_file"
M.save, M.load = saveload.save, saveload.load
M.nn.load = saveload.load_model
function M.nn.import(path)
  if type(path) ~= "string" then require "perilune.base.errors".raise "nn.import takes the name of a file" end
  return require "perilune.import.keras".read(path)
end
M.store = core.store
function M.run(...) return require "perilune.run.runs".run(...) end
function M.runs(...) return require "perilune.run.runs".runs(...) end
function M.sweep(...) return require "perilune.sweep.from_lua"(...) end
function M.compare(...) return require "perilune.stats.from_lua"(...) end

local names = require "perilune.base.names"
for name, value in pairs(M) do
  if type(value) == "table" and getmetatable(value) == nil then names.module(value, name) end
end
for _, class in ipairs { "reader", "writer", "lock" } do names.seal(debug.getregistry()["perilune.store." .. class]) end
names.methods(debug.getregistry()["perilune.layer"], core.nn.methods)
names.not_called(debug.getregistry()["perilune.optimizer"])
names.methods(debug.getregistry()["perilune.tensor"], debug.getregistry()["perilune.tensor"])
names.module(M, "pl")

return M
