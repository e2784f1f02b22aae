--- The command line: one function a command.
local M = {}

--- Runs the program with the arguments of the command line (arg[0] is the program); returns its exit status.
function M.main(arg)
  local script = assert(loadfile(arg[1]))
  script(table.unpack(arg, 2))
  return 0
end

return M
