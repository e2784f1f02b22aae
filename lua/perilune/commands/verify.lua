--- perilune verify FILE...
local errors = require "perilune.base.errors"
local printable = require "perilune.base.printable"
local system = require "perilune.core".system

local M = { summary = "check that files are whole", usage = "FILE...",
  description = "Reads each file in full and checks its digest, its structure and the sums of its data. A folder: " ..
    "every .h5 file of a run in it." }

function M.define(parser)
  parser:argument("files", "Files, or folders of runs."):args "+"
end

function M.run(options)
  local verify = require "perilune.core".store.verify
  local bad = 0
  local function check(path)
    local ok, message = verify(path)
    print(printable.text(ok and ("%s: whole"):format(path) or message))
    if not ok then bad = bad + 1 end
  end
  for _, path in ipairs(options.files) do
    if system.kind(path) == "folder" then
      local found = false
      for _, name in ipairs { "checkpoint.h5", "run.h5", "best.h5" } do
        local file = path .. "/" .. name
        if system.kind(file) then
          found = true
          check(file)
        end
      end
      if not found then errors.fail(1, "%s holds no run: there is no checkpoint.h5, run.h5 or best.h5 in it", path) end
    else check(path) end
  end
  return bad == 0 and 0 or 1
end

return M
