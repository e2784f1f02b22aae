--- perilune data list | fetch NAME...
local errors = require "perilune.base.errors"
local text = require "perilune.base.format"

local M = { summary = "data sets: what is there; download one", usage = "list | fetch NAME..." }

function M.define(parser)
  parser:require_command(true)
  parser:command_target "action"
  parser:command("list", "Data sets known by name, and where each was found.")
  local fetch = parser:command("fetch", "Download data sets: several mirrors, resumed, verified.")
  fetch:argument("names", "Such as mnist or fashion_mnist."):args "+"
  fetch:option("--to", "Folder to put them in, instead of $PERILUNE_DATA or ~/.local/share/perilune.")
    :argname "<folder>"
end

local function list()
  local rows, missing = {}, nil
  for i, set in ipairs(require "perilune.data.fetch".list()) do
    local where = set.folder or "not here"
    rows[i] = { set.name, set.title, text.count(set.train), text.count(set.test), where }
    missing = missing or not set.folder and set.name
  end
  rows[#rows + 1] = { "digits", "digits drawn by a generator", "any", "any", "built in" }
  local columns = { { "name" }, { "what", need = 1 }, { "train", align = "right" },
    { "test", align = "right" }, { "where" } }
  for _, line in ipairs(text.columns(columns, rows, "  ", nil, text.terminal(1).width)) do print(line) end
  if missing then print(("to get one: perilune data fetch %s"):format(missing)) end
  return 0
end

function M.run(options)
  if options.action == "list" then return list() end
  local fetch = require "perilune.data.fetch"
  for _, name in ipairs(options.names) do
    local ok, message = fetch.fetch(name, { to = options.to })
    if not ok then errors.fail(1, "%s", message) end
  end
  return 0
end

return M
