--- perilune runs [FOLDER] [FILTER]
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local filter = require "perilune.run.filter"
local metrics = require "perilune.train.metrics"
local result = require "perilune.run.result"
local report = require "perilune.terminal.tables"
local sorted_keys = require "perilune.base.sorted_keys"
local text = require "perilune.base.format"
local clean = require "perilune.terminal.style".clean      -- files may come from elsewhere

local M = { summary = "a table of the runs in a folder", usage = "[FOLDER] [FILTER]",
  description = "Lists the runs below FOLDER (runs): name, arguments, state, best epoch, results, duration, when. " ..
    "A filter is one or more conditions, " ..
    "such as lr>=1e-3 state=finished name~lenet 'test_error<2%'; all of them hold. " ..
    "Trials that failed before anything was saved are named on standard error." }

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

-- The results of a split that are shown: errors of classes, RMSEs of values, losses of runs that have neither. Second:
-- those of fewer than half of the runs.
local function results_of(list, split)
  local count, columns, rare = {}, {}, {}
  for _, run in ipairs(list) do
    local name = run:value(split .. "_error") and "_error" or run:value(split .. "_rmse") and "_rmse"
      or run:value(split .. "_loss") and "_loss"
    if name then count[name] = (count[name] or 0) + 1 end
  end
  for _, name in ipairs { "_error", "_rmse", "_loss" } do
    local to = count[name] and (2 * count[name] >= #list and columns or rare)
    if to then to[#to + 1] = split .. name end
  end
  return columns, rare
end

-- The arguments that differ somewhere (`all`: every one), sorted: those that at least half of the runs have, and the
-- others.
local function arguments_of(list, all)
  local first, count, varies, common, rare = {}, {}, {}, {}, {}
  for _, run in ipairs(list) do
    for name, value in pairs(run.arguments or {}) do
      local shown = type(value) == "table" and core.json.encode(value) or tostring(value)
      first[name], count[name] = first[name] or shown, (count[name] or 0) + 1
      varies[name] = varies[name] or all or first[name] ~= shown
    end
  end
  for _, name in ipairs(sorted_keys(varies)) do
    if varies[name] and not result.is_field(name) then
      local to = 2 * count[name] >= #list and common or rare
      to[#to + 1] = name
    end
  end
  return common, rare
end

-- How long a column is kept where a terminal is narrow: the smaller, the longer; without one it stays.
local needs = { when = 8, seconds = 7, best_epoch = 6, epoch = 5, name = 4, tags = 2 }
local COMMON, RARE = 3, 9      -- of arguments
local VALIDATION, RARE_RESULT = 1, 2

-- The columns shown when none are asked for, and the need of each. all: also arguments that are the same everywhere.
local function usual_columns(list, all)
  local columns, need = {}, {}
  local function add(names, of)
    for _, name in ipairs(names) do columns[#columns + 1], need[name] = name, of or needs[name] end
  end
  local common, rare = arguments_of(list, all)
  local tagged = false
  for _, run in ipairs(list) do tagged = tagged or run:value "tags" ~= nil end
  add { "path", "name" }
  add(common, COMMON)
  add { "seed", "state", "epoch", "best_epoch" }
  for _, split in ipairs { "val", "test" } do
    local usual, few = results_of(list, split)
    add(usual, split == "val" and VALIDATION or nil)
    add(few, RARE_RESULT)
  end
  add { "seconds", "when", tagged and "tags" or nil }
  add(rare, RARE)
  return columns, need
end

-- Numbers before words, what is missing (or NaN) last, whichever way; equals keep their order.
local function sort(list, name, falling)
  local keys, at, value_of = {}, {}, result.reader(list)
  for i, run in ipairs(list) do
    local value = value_of(run, name)
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
  return name == "seconds" or metrics.is_share(name) or name:find "_loss$" or name:find "_r2$"
    or name:find "_rmse$" or name:find "_mae$"
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

local style_of = { unfinished = "dim", failed = "red" }

-- The titles and rows of a table; need: of columns that may be left out (text.columns).
local function table_of(list, columns, need)
  local titles, rows, value_of = {}, {}, result.reader(list)
  for i, name in ipairs(columns) do
    titles[i] = { clean(report.title(name)), need = need and need[name], tail = name == "path" }
  end
  for r, run in ipairs(list) do
    rows[r] = {}
    for i, name in ipairs(columns) do
      local value = value_of(run, name)
      rows[r][i] = name == "when" and type(value) == "string" and value:sub(1, 16):gsub("T", " ") or cell(name, value)
      if type(value) == "number" then titles[i].align = "right" end
    end
    rows[r].style = style_of[run:value "state"]
  end
  return titles, rows
end

--- The lines of a table of runs; columns (nil: the usual ones): those that were asked for, which are not left out
--- before others.
function M.lines(list, columns, term)
  local need
  if not columns then columns, need = usual_columns(list) end
  local titles, rows = table_of(list, columns, need)
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
  local columns, all = {}, list
  for name in (options.columns or ""):gmatch "[^,%s]+" do
    columns[#columns + 1] = filter.check_name(all, name, "runs")
  end
  list = filter.apply(all, table.concat(conditions, " "))
  if options.reverse and not options.sort then errors.fail(2, "runs: --reverse needs --sort NAME") end
  if options.sort then sort(list, filter.check_name(all, options.sort, "runs"), options.reverse) end
  local asked_for = #columns > 0 and columns or nil
  columns = asked_for or usual_columns(list, options.csv or options.json)
  if options.csv or options.json then
    local rows, value_of = {}, result.reader(list)
    for i, run in ipairs(list) do
      rows[i] = {}
      for _, name in ipairs(columns) do
        local value = value_of(run, name)
        if type(value) == "table" and options.csv then value = core.json.encode(value) end
        if value == value and (type(value) ~= "number" or value - value == 0) then rows[i][name] = value end
      end
    end
    if options.csv then io.write(csv.encode(columns, rows)) else print(core.json.encode(core.json.list(rows), true)) end
    return 0
  end
  local lines = options.markdown and markdown_lines(list, columns) or M.lines(list, asked_for, text.terminal(1))
  for _, line in ipairs(lines) do print(line) end
  return 0
end

return M
