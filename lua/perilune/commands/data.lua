--- perilune data list | fetch NAME...
local text = require "perilune.text"

local M = { summary = "data sets: what is there; download one", usage = "list | fetch NAME..." }

function M.define(parser)
  parser:require_command(true)
  parser:command_target "action"
  parser:command("list", "Data sets known by name, and where each was found.")
  local fetch = parser:command("fetch", "Download data sets: several mirrors, resumed, verified.")
  fetch:argument("names", "Such as mnist or fashion_mnist."):args "+"
  fetch:option("--to", "Folder to put them in, instead of the XDG data folder."):argname "<folder>"
end

local function list()
  local locate = require "perilune.data.locate"
  local rows = {}
  for _, entry in ipairs(require "perilune.data.registry") do
    local paths = locate.find_all(entry)
    local any = paths and paths[next(paths)]
    rows[#rows + 1] = { entry.name, entry.title, text.count(entry.train), text.count(entry.test), any and any:match "^(.*)/" or "not here: perilune data fetch " .. entry.name }
  end
  rows[#rows + 1] = { "digits", "digits drawn by a generator", "any", "any", "built in" }
  for _, line in ipairs(text.columns({ { "name" }, { "what" }, { "train", align = "right" }, { "test", align = "right" }, { "where" } }, rows)) do
    print(line)
  end
  return 0
end

function M.run(options)
  if options.action == "list" then return list() end
  local fetch = require "perilune.fetch"
  for _, name in ipairs(options.names) do
    local ok, message = fetch.fetch(name, { to = options.to })
    if not ok then error({ message = message }, 0) end
  end
  return 0
end

return M
