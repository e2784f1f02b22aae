--- perilune help [COMMAND | NAME]
local M = { summary = "all commands; one of them, or a function, in full", usage = "[COMMAND|NAME]" }

function M.define(parser)
  parser:argument("command", "A command, or a name of the library such as nn.Conv2d, to tell more about."):args "?"
end

local function overview()
  local cli = require "perilune.cli"
  print(("Perilune %s: small neural networks, trained from Lua, to the same bits every time.\n"):format(require "perilune".version))
  local lines = {}
  for _, name in ipairs(cli.commands) do
    local command = require("perilune.commands." .. name)
    lines[#lines + 1] = { ("perilune %s %s"):format(name, command.usage), command.summary }
  end
  lines[#lines + 1] = { "perilune FILE.lua [ARGUMENTS]", "run any Lua script, as lua(1) would" }
  lines[#lines + 1] = { "perilune -e CODE", "run one piece of code" }
  lines[#lines + 1] = { "perilune [-i FILE|RUN]", "an interactive session (after running FILE; with a run)" }
  for _, line in ipairs(lines) do print(("  %-38s %s"):format(line[1], line[2])) end
  print "\nEnvironment: PERILUNE_DATA (folder of data sets), PERILUNE_ISA=baseline|avx2|avx512, PERILUNE_MEMORY=2G"
  print "(the most that tensors, models and data may hold), PERILUNE_CONV=direct|winograd|auto,"
  print "PERILUNE_FUSE=0 (layer by layer, no steps of weights inside the backward pass, no answers by pieces; the same bits),"
  print "PERILUNE_TRACEBACK=1, PERILUNE_LUA (folder of the library's Lua files, for working on them), NO_COLOR."
end

function M.run(options)
  if not options.command then
    overview()
    return 0
  end
  local cli = require "perilune.cli"
  for _, name in ipairs(cli.commands) do
    if name == options.command then
      print((cli.parser(name):get_help()))
      return 0
    end
  end
  local help = require "perilune.help"
  if help.text(options.command) then
    help.print(options.command)
    return 0
  end
  local near = require "perilune.core".system.nearest(options.command, cli.commands) or help.nearest(options.command)
  require "perilune.errors".fail(2, "help: there is no command and no name '%s'%s", options.command,
    near and ("; did you mean '%s'?"):format(near) or "; they are: " .. table.concat(cli.commands, ", "))
end

return M
