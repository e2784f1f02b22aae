--- pl.system: the machine, threads, memory, and elementary functions with fixed bits.
local core = require "perilune.core"

local M = {}

for _, name in ipairs { "version", "processor", "compiler", "threads", "memory", "memory_limit", "clock", "isatty",
  "columns", "random",
  "exp", "log", "sin", "cos", "tanh", "pow" } do M[name] = core.system[name] end

return M
