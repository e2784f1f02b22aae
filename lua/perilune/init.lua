--- Perilune: tensors, layers, losses, optimizers and experiments. `local pl = require "perilune"`.
local core = require "perilune.core"

local M = { version = core.system.version() }

return M
