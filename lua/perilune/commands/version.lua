--- perilune version: what this program is and what it runs on.
local core = require "perilune.core"

local M = { summary = "version, processor, kernels in use, libraries", usage = "" }

function M.define() end

function M.run()
  local system = core.system
  local processor, isa = system.processor()
  local lines = {
    { "Perilune", system.version() },
    { "processor", processor },
    { "kernels", isa .. (os.getenv "PERILUNE_ISA" and " (PERILUNE_ISA)" or "") },
    { "threads", ("%d"):format(system.threads()) },
    { "compiler", system.compiler() },
    { "Lua", _VERSION:match "%d.*" },
  }
  if core.store and core.store.library then lines[#lines + 1] = { "HDF5", core.store.library() } end
  for _, line in ipairs(lines) do print(("%-10s %s"):format(line[1], line[2])) end
  return 0
end

return M
