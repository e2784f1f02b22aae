--- perilune help [COMMAND | NAME]
local M = { summary = "all commands; one of them, or a function, in full", usage = "[COMMAND|NAME]" }

function M.define(parser)
  parser:argument("command", "A command, a name of the library such as nn.Conv2d, or a word to " ..
    "look for."):args "?"
end

local text = require "perilune.base.format"

local environment = "Environment: PERILUNE_DATA (folder of data sets), PERILUNE_ISA=baseline|avx2|avx512, " ..
  "PERILUNE_MEMORY=2G (the most that tensors, models and data may hold), OMP_NUM_THREADS=2 (so many threads by " ..
  "default, not as many as cores), PERILUNE_CONV=direct|winograd|auto, " ..
  "PERILUNE_FUSE=0 (no fused layers; the same bits), PERILUNE_TRACEBACK=1, PERILUNE_LUA (folder of the library's " ..
  "Lua files, for working on them), NO_COLOR."

local function overview()
  local cli = require "perilune.cli"
  local width = require "perilune.help".width()
  local title = ("Perilune %s: small neural networks, trained from Lua, to the same bits every time."):format(
    require "perilune".version)
  print(table.concat(text.wrap(title, width), "\n") .. "\n")
  local lines = {}
  for _, name in ipairs(cli.commands) do
    local command = cli.command(name)
    lines[#lines + 1] = { ("perilune %s %s"):format(name, command.usage), command.summary }
  end
  lines[#lines + 1] = { "perilune FILE.lua [ARGUMENTS]", "run any Lua script, as lua(1) would" }
  lines[#lines + 1] = { "perilune -e CODE", "run one piece of code" }
  lines[#lines + 1] = { "perilune --threads N FILE.lua | -e CODE", "the same, on N threads" }
  lines[#lines + 1] = { "perilune [-i FILE|RUN]", "an interactive session (after running FILE; with a run)" }
  for _, line in ipairs(lines) do
    local head = ("  %-38s "):format(line[1])
    local beside = text.wrap(line[2], math.max(width - 41, 20))
    if #head > 41 or width < 70 then print("  " .. line[1]) else print(head .. table.remove(beside, 1)) end
    local margin = (" "):rep(width < 70 and 6 or 41)
    for _, more in ipairs(width < 70 and text.wrap(line[2], width - 6) or beside) do print(margin .. more) end
  end
  print()
  for _, line in ipairs(text.wrap(environment, width, "  ")) do print(line) end
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
  local word = options.command
  local known = require "perilune.base.names".foreign(word)
  local near = require "perilune.core".system.nearest(word, cli.commands) or help.nearest(word)
  require "perilune.base.errors".fail(2, "help: there is no command and no name '%s'; %s", word,
    known or near and ("did you mean '%s'?"):format(near) or "they are: " .. table.concat(cli.commands, ", "))
end

return M
