--- perilune reproduce [ROW|FAMILY ...]
local errors = require "perilune.base.errors"
local results = require "perilune.reproduce.results"
local rows = require "perilune.reproduce.rows"
local tables = require "perilune.reproduce.table"
local text = require "perilune.base.format"
local core = require "perilune.core"
local whole = require "perilune.base.cli_options".whole

local M = { summary = "documented experiments beside what is measured of them", usage = "[ROW|FAMILY]",
  description = "Without a row: the table of what is documented, measured and missing. With rows (P09) or a " ..
    "family (lenet5): trains the seeds that are missing, and shows the rows. Results are kept in " ..
    "experiments/results.csv; the table in experiments/README.md is made of them." }

function M.define(parser)
  parser:argument("rows", 'Rows ("P09", "P04 correction=step") or families (progression, lenet5, efficiency, ' ..
    "from_scratch, architectures)."):args "*"
  parser:option("--jobs", "So many runs at a time (1); the cores are shared among them."):convert(whole(1))
    :argname "<n>"
  parser:option("--threads", "Threads of all runs together, instead of all cores. The bits do not depend on it.")
    :convert(whole(1)):argname "<n>"
  parser:flag("--verify", "Train seed 1 again: are its weights the published ones?")
  parser:flag("--show", "Train nothing, only show.")
  parser:option("--figure", "Also draw: of a family the errors, of rows the curves of the runs here; .svg, .png or " ..
    ".pdf."):argname "<file>"
  parser:flag("--retry", "Train again what failed.")
  parser:option("--import", "Add finished run folders to results.csv, where script, arguments and data are those " ..
    "of a row; make the table anew."):args "*"
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
  local taken, left = results.import(folders, tables.publish)
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

local function is_family(word)
  for _, row in ipairs(rows.index().rows) do
    if row.family == word:lower() then return true end
  end
  return false
end

-- A figure as a file where one is asked for; of rows that were trained here, curves in the terminal.
local function draw(list, by_row, options)
  local figure, train = require "perilune.reproduce.figure", require "perilune.reproduce.train"
  local family = true
  for _, word in ipairs(options.rows) do family = family and is_family(word) end
  if options.figure and family then
    local families = {}
    for i, word in ipairs(options.rows) do families[i] = word:lower() end
    figure.family(list, by_row, families[1] and table.concat(families, ", ")):save(options.figure)
  elseif options.figure then figure.curves(list, train.task_of, options.figure)
  elseif not family and #options.rows == 1 and text.terminal(1).tty and figure.curves(list, train.task_of) then
    print()
  end
end

local function show(list, by_row, options)
  local term, words = text.terminal(1), options.rows
  draw(list, by_row, options)
  local lines
  if #words == 1 and words[1]:lower() == "progression" then
    lines = require "perilune.reproduce.ladder".lines(list, by_row, term)
    local shown = {}
    for _, row in ipairs(list) do
      if not row.variant then shown[#shown + 1] = row end
    end
    lines[#lines + 1] = tables.summary(shown, by_row)
  else lines = tables.screen(list, by_row, term) end
  for _, line in ipairs(lines) do print(line) end
end

local function verify(list, options)
  local all, stopped = require "perilune.reproduce.train".verify(list, options)
  local different = 0
  for _, one in ipairs(all) do
    local what
    if one.found == nil then what = one.message or "interrupted; the same command resumes"
    elseif one.found == one.published then what = "the same weights, SHA-256 " .. one.found
    else what = ("different: SHA-256 %s was published, now %s"):format(one.published, one.found) end
    if not one.found or one.found ~= one.published then different = different + 1 end
    print(("%s: %s"):format(one.row.name, what))
  end
  if stopped == "interrupted" then return require "perilune.core".system.interrupt_status() end
  return different == 0 and 0 or 1
end

function M.run(options)
  if options.import then return import(options.import) end
  if options.verify and (options.show or options.figure) then
    errors.fail(2, "reproduce: --verify trains and compares digests; it takes no --show and no --figure")
  end
  if options.figure then require "perilune.plot.save".check(options.figure) end
  local train = require "perilune.reproduce.train"
  local list, seen = {}, {}
  for _, word in ipairs(options.rows) do
    for _, row in ipairs(rows.find(word, "reproduce")) do
      if not seen[row] then list[#list + 1] = row end
      seen[row] = true
    end
  end
  if #list == 0 then
    if options.verify then
      errors.fail(2, "reproduce: --verify needs a row, such as: perilune reproduce P09 --verify")
    end
    list, options.show = rows.index().rows, true
  end
  if options.verify then return verify(list, options) end
  if options.show then
    show(list, train.known(list), options)
    return 0
  end
  local by_row, missing, stopped = train.complete(list, options)
  show(list, by_row, options)
  if stopped == "interrupted" then
    print "interrupted; the same command resumes"
    return require "perilune.core".system.interrupt_status()
  end
  return missing == 0 and 0 or 1
end

return M
