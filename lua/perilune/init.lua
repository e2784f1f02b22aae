--- Perilune: tensors, layers, losses, optimizers and experiments. `local pl = require "perilune"`.
local core = require "perilune.core"

local M = { version = core.system.version() }

for name, f in pairs(core.tensor) do M[name] = f end

M.nn = require "perilune.nn"
M.data = require "perilune.data"

return M
