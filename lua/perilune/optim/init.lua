--- pl.optim: the constructors of the core, and optimizers of the script's own.
local core = require "perilune.core"

local M = {}
for name, constructor in pairs(core.optim) do
  if name ~= "host" and name ~= "step_function" then M[name] = constructor end
end

function M.define(fields) return require "perilune.optim.define".define(fields) end

return M
