--- perilune runs [FOLDER] [FILTER]
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local filter = require "perilune.run.filter"
local is_field = require "perilune.run.result".is_field
local report = require "perilune.terminal.tables"
local text = require "perilune.base.format"
local clean = require "perilune.terminal.style".clean      -- files may come from elsewhere

local M = { summary = "a table of the runs in a folder", usage = "[FOLDER] [FILTER]",
  description = "Lists the runs below FOLDER (runs): name, arguments, state, best epoch, results, duration, when. " ..
    "A filter is one or more conditions, " ..
    "such as lr>=1e-3 state=finished name~lenet 'test_error<2%'; all of them hold." }

local formats = { "csv", "json", "markdown" }

function M.define(parser)
  parser:argument("words", "The folder (runs), and conditions: NAME=VALUE, !=, <, <=, >, >=, ~ (contains) or !~.")
    :args "*"
  parser:option("--sort", "Sort by this name, numbers as numbers; what has no such value comes last."):argname "<name>"
  parser:flag("--reverse", "The largest first.")
  parser:option("--columns", "Only these, separated by commas: arguments, results such as test_error, name, " ..
    "state, seed, epoch, path, when."):argname "<names>"
  parser:flag("--csv", "As comma-separated values, with all digits.")
  parser:flag("--json", "As JSON.")
  parser:flag("--markdown", "As a table in Markdown.")
end

local function read(words)
  local folder, conditions = nil, {}
  for _, word in ipairs(words) do
    if word:find "[=<>~]" and core.system.kind(word) ~= "folder" then conditions[#conditions + 1] = word
    elseif folder then
      errors.fail(2, "runs: '%s' is a second folder; a condition has one of = != < <= > >= ~ !~ in it", word)
    else folder = word end
  end
  return folder or "runs", conditions
end

-- The columns shown when none are asked for: arguments that differ somewhere, and results that some run has.
local function usual_columns(list)
  local first, varies, arguments, results = {}, {}, {}, {}
  for _, run in ipairs(list) do
    for name, value in pairs(run.arguments or {}) do
      local shown = type(value) == "table" and core.json.encode(value) or tostring(value)
      if first[name] == nil then
        first[name] = shown
        arguments[#arguments + 1] = name
      elseif first[name] ~= shown then varies[name] = not is_field(name) end
    end
    for _, name in ipairs { "val_error", "test_error", "val_loss", "test_loss", "tags" } do
      if run:value(name) then results[name] = true end
    end
  end
  table.sort(arguments)
  local columns = { "path", "name" }
  for _, name in ipairs(arguments) do
    if varies[name] then columns[#columns + 1] = name end
  end
  for _, name in ipairs { "seed", "state", "epoch", "best_epoch" } do columns[#columns + 1] = name end
  for _, split in ipairs { "val", "test" } do
    if results[split .. "_error"] then columns[#columns + 1] = split .. "_error"
    elseif results[split .. "_loss"] then columns[#columns + 1] = split .. "_loss" end
  end
  columns[#columns + 1] = "seconds"
  columns[#columns + 1] = "when"
  if results.tags then columns[#columns + 1] = "tags" end
  return columns
end

-- Numbers before words, what is missing (or NaN) last, whichever way; equals keep their order.
local function sort(list, name, falling)
  local keys, at = {}, {}
  for i, run in ipairs(list) do
    local value = run:value(name)
    if type(value) == "table" then value = core.json.encode(value) end
    if type(value) == "boolean" then value = tostring(value) end
    keys[run], at[run] = value == value and value or nil, i
  end
  table.sort(list, function(a, b)
    local x, y = keys[a], keys[b]
    if x == y then return at[a] < at[b] end
    if x == nil or y == nil then return y == nil end
    if type(x) ~= type(y) then return type(x) == "number" end
    if falling then return x > y end
    return x < y
  end)
end

local counts = { epoch = true, epochs = true, best_epoch = true, seed = true }

-- Is it the name of a result? In a log one of exactly 0 or 1 is an integer.
local function measured(name)
  return name == "seconds" or report.is_share(name) or name:find "_loss$" or name:find "_r2$"
end

local function cell(name, value)
  if value == nil then return "" end
  if type(value) == "table" then return clean(core.json.encode(value)) end
  if type(value) == "number" then
    local whole = math.tointeger(value)
    if whole and (counts[name] or math.type(value) == "integer" and not measured(name)) then
      return ("%d"):format(whole)
    end
    return report.value(name, value + 0.0)
  end
  return clean(tostring(value))
end

-- What is left out first where a terminal is narrow; what is not named here stays as long as anything.
local need = { when = 8, seconds = 7, best_epoch = 6, epoch = 5, state = 4, name = 3, tags = 2, seed = 1 }

-- The titles and rows of a table; asked: were these columns asked for?
local function table_of(list, columns, asked)
  local titles, rows = {}, {}
  for i, name in ipairs(columns) do
    titles[i] = { clean(report.title(name)), need = not asked and need[name] or nil, tail = name == "path" }
  end
  for r, run in ipairs(list) do
    rows[r] = {}
    for i, name in ipairs(columns) do
      local value = run:value(name)
      rows[r][i] = name == "when" and type(value) == "string" and value:sub(1, 16):gsub("T", " ") or cell(name, value)
      if type(value) == "number" then titles[i].align = "right" end
    end
    if run:value "state" == "unfinished" then rows[r].style = "dim" end
  end
  return titles, rows
end

--- The lines of a table of runs; asked: were these columns asked for? They are not left out before others then.
function M.lines(list, columns, term, asked)
  local titles, rows = table_of(list, columns or usual_columns(list), asked)
  local lines = text.columns(titles, rows, "  ", term.paint, term.width)
  lines[#lines + 1] = term.paint(("%d run%s"):format(#list, #list == 1 and "" or "s"), "dim")
  return lines
end

local function markdown_lines(list, columns)
  local titles, rows = table_of(list, columns)
  local function line(cells)
    for i, c in ipairs(cells) do cells[i] = c:gsub("|", "\\|") end
    return (("| " .. table.concat(cells, " | ") .. " |"):gsub("  +", " "))
  end
  local heads, rule, lines = {}, {}, {}
  for i, title in ipairs(titles) do heads[i], rule[i] = title[1], title.align and "---:" or "---" end
  for i, cells in ipairs(rows) do lines[i] = line(cells) end
  table.insert(lines, 1, line(heads))
  table.insert(lines, 2, "|" .. table.concat(rule, "|") .. "|")
  return lines
end

function M.run(options)
  local asked = 0
  for _, name in ipairs(formats) do asked = asked + (options[name] and 1 or 0) end
  if asked > 1 then errors.fail(2, "runs: one of --csv, --json and --markdown is enough") end
  local folder, conditions = read(options.words)
  local list, problems = require "perilune.run.runs".runs(folder)
  if not list then errors.fail(1, "runs: %s", problems) end
  for _, problem in ipairs(problems) do io.stderr:write("perilune: ", problem.path, ": ", problem.message, "\n") end
  list = filter.apply(list, table.concat(conditions, " "))
  local columns = {}
  for name in (options.columns or ""):gmatch "[^,%s]+" do
    columns[#columns + 1] = filter.check_name(list, name, "runs")
  end
  if options.sort then
    sort(list, filter.check_name(list, options.sort, "runs"), options.reverse)
  end
  if #columns == 0 then columns = usual_columns(list) end
  if options.csv or options.json then
    local rows = {}
    for i, run in ipairs(list) do
      rows[i] = {}
      for _, name in ipairs(columns) do
        local value = run:value(name)
        if type(value) == "table" and options.csv then value = core.json.encode(value) end
        if value == value and (type(value) ~= "number" or value - value == 0) then rows[i][name] = value end
      end
    end
    if options.csv then io.write(csv.encode(columns, rows)) else print(core.json.encode(core.json.list(rows), true)) end
    return 0
  end
  local lines = options.markdown and markdown_lines(list, columns)
    or M.lines(list, columns, text.terminal(1), options.columns ~= nil)
  for _, line in ipairs(lines) do print(line) end
  return 0
end

return M
