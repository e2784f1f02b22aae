--- perilune reproduce [ROW|FAMILY ...]
local errors = require "perilune.errors"
local results = require "perilune.reproduce.results"
local rows = require "perilune.reproduce.rows"
local tables = require "perilune.reproduce.table"
local text = require "perilune.text"
local core = require "perilune.core"

local M = { summary = "documented experiments beside what is measured of them", usage = "[ROW|FAMILY]",
  description = "Without a row: the table of what is documented, measured and missing. With rows (P09), a family (lenet5): their table. " ..
    "Results are kept in experiments/results.csv, and the table in experiments/README.md is made of them." }

function M.define(parser)
  parser:argument("rows", 'Rows ("P09", "P04 correction=step") or families (progression, lenet5, efficiency, from_scratch, architectures).'):args "*"
  parser:option("--import", "Add finished run folders to results.csv, where script, arguments and data are those of a row; make the table anew."):args "*"
    :argname "<folder>"
end

local function import(paths)
  local folders, passed = {}, 0
  for _, path in ipairs(paths) do
    path = path:gsub("/+$", "")
    if core.system.kind(path .. "/run.h5") == "file" then folders[#folders + 1] = path
    elseif core.system.kind(path) then passed = passed + 1
    else errors.fail(1, "reproduce: there is no %s", path) end
  end
  local taken, left = results.import(folders)
  tables.publish()
  for _, item in ipairs(left) do
    if item[2] == "the run is not finished" then passed = passed + 1
    else io.stderr:write(("perilune: %s: %s\n"):format(item[1], item[2])) end
  end
  print(("%d run%s added to %s/results.csv%s"):format(#taken, #taken == 1 and "" or "s", rows.folder(),
    passed > 0 and (", %d not finished yet"):format(passed) or ""))
  local refused = 0
  for _, item in ipairs(left) do refused = refused + (item[2] == "the run is not finished" and 0 or 1) end
  return refused == 0 and 0 or 1
end

function M.run(options)
  if options.import then return import(options.import) end
  local list = {}
  for _, word in ipairs(options.rows) do
    local found = rows.find(word, "reproduce")
    table.move(found, 1, #found, #list + 1, list)
  end
  if #list == 0 then list = rows.index().rows end
  for _, line in ipairs(tables.screen(list, results.read(), text.terminal(1))) do print(line) end
  return 0
end

return M
