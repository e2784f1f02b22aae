--- Perilune: tensors, layers, losses, optimizers and experiments. `local pl = require "perilune"`.
local core = require "perilune.core"

local M = { version = core.system.version() }

for name, f in pairs(core.tensor) do M[name] = f end
debug.getmetatable(core.tensor.zeros(1)).show = function(...) return require "perilune.picture".show(...) end

M.system = require "perilune.system"
M.nn, M.optim = require "perilune.nn", core.optim
M.data = require "perilune.data"
M.schedule = require "perilune.schedule"
local stopping = require "perilune.stopping"
M.stopping = { window = stopping.window, patience = stopping.patience }
M.experiment = core.system.in_c(require "perilune.experiment".new)
M.arg = require "perilune.args".get
M.augment = require "perilune.augment"

local saveload = require "perilune.saveload"
M.save, M.load = saveload.save, saveload.load
M.nn.load = saveload.load_model
M.store = core.store
function M.run(...) return require "perilune.runs".run(...) end
function M.runs(...) return require "perilune.runs".runs(...) end

return M
