--- What came of a sweep: its trials, grouped by configuration; the best; the table; sweep.csv.
local choice = require "perilune.sweep.choice"
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local report = require "perilune.terminal.tables"
local samples = require "perilune.stats.samples"
local text = require "perilune.base.format"
local trial = require "perilune.sweep.trial"

local M = {}

local function finished_run(t)
  local list = require "perilune.run.runs".runs(t.folder)
  return list and list[1]
end

--- Looks at all trials of a plan: a list of { trial, status, run = of a finished one }.
function M.look(plan)
  local list = {}
  for i, t in ipairs(plan.all) do
    local status = trial.status(t.folder)
    list[i] = { trial = t, status = status, run = status.state == "finished" and finished_run(t) or nil }
  end
  return list
end

local function values(items, metric)
  local list = {}
  for _, item in ipairs(items) do
    local x = item.run and metric and item.run:value(metric)
    if x and x == x then list[#list + 1] = x end
  end
  return list
end

-- Has a trial failed, or ended without a number of `metric`? The mean of the others says too much good of it.
local function is_doubtful(items, metric)
  for _, item in ipairs(items) do
    if item.status.state == "failed" or item.run and #values({ item }, metric) == 0 then return true end
  end
  return false
end

--- All configurations, the best first: by `metric`, a mean over seeds, of which "min" or "max" is better (`mode`),
--- those of which a seed failed after the others; without a metric, in order. A list of { words, items, summaries =
--- { [metric] = ... }, loss }.
function M.configurations(items, metric, mode, shown)
  local list, by_key = {}, {}
  for _, item in ipairs(items) do
    local key = table.concat(item.trial.words, "\0")
    local c = by_key[key]
    if not c then
      c = { words = item.trial.words, items = {}, summaries = {}, position = #list }
      by_key[key], list[#list + 1] = c, c
    end
    c.items[#c.items + 1] = item
  end
  for _, c in ipairs(list) do
    for _, name in ipairs(shown) do
      local found = values(c.items, name)
      if #found > 0 then c.summaries[name] = samples.summary(found) end
    end
    local s = metric and c.summaries[metric]
    c.loss = s and choice.loss(mode, s.mean) or math.huge
    c.rank = s == nil and 3 or is_doubtful(c.items, metric) and 2 or 1
  end
  table.sort(list, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    if a.loss ~= b.loss then return a.loss < b.loss end
    return a.position < b.position
  end)
  return list
end

--- The names of the results that a table shows.
function M.shown(e, metric)
  local list = {}
  local function add(name)
    for _, known in ipairs(list) do if known == name then return end end
    list[#list + 1] = name
  end
  if metric then add(metric) end
  for _, split in ipairs { "val", "test" } do
    if split == "test" and e.test or split == "val" and e.splits.val then
      add(split .. (e.classes > 0 and "_error" or "_loss"))
    end
  end
  return list
end

--- Writes sweep.csv: a line a trial, with its arguments and all numbers of its result.
function M.write_csv(plan, items)
  local columns, seen, arguments, results = { "trial" }, {}, {}, {}
  local function note(list, name)
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  local rows = {}
  for i, item in ipairs(items) do
    local t, row = item.trial, {}
    row.trial, row.seed, row.state, row.message = t.name, t.seed, item.status.state, item.status.message
    row.epochs = item.status.epoch
    for _, word in ipairs(t.words) do
      local name, value = word:match "^([^=]*)=(.*)$"
      row["arg." .. name] = value
      note(arguments, "arg." .. name)
    end
    for _, name in ipairs(item.run and item.run:values() or {}) do
      local value = item.run:value(name)
      if math.type(value) and (name:match "^%l+_%l" or name == "seconds") and not row["arg." .. name] then
        row[name] = value
        note(results, name)
      end
    end
    rows[i] = row
  end
  table.sort(arguments)
  table.sort(results)
  local titles = {}
  for _, name in ipairs(arguments) do columns[#columns + 1], titles[name] = name, name:sub(5) end
  for _, name in ipairs { "seed", "state", "epochs" } do columns[#columns + 1] = name end
  table.move(results, 1, #results, #columns + 1, columns)
  columns[#columns + 1] = "message"
  local body = csv.encode(columns, rows)
  local heading = {}
  for i, name in ipairs(columns) do heading[i] = titles[name] or name end
  return core.store.write_text(plan.folder .. "/sweep.csv", csv.line(heading) .. body:sub((body:find("\n", 1, true))))
end

local function spread(name, s)
  if not s then return "-", "", "" end
  local function show(x) return (report.value(name, x):gsub(" %%$", "")) end
  if s.n == 1 then return show(s.mean), "", "" end
  return show(s.mean), show(s.std), show(s.min) .. " to " .. show(s.max)
end

-- The names of arguments that configurations give, sorted.
local function arguments_of(list)
  local names, seen = {}, {}
  for _, c in ipairs(list) do
    for _, word in ipairs(c.words) do
      local name = word:match "^[^=]*"
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

--- The table of configurations as lines.
function M.table(list, shown, metric, term)
  local columns, rows = {}, {}
  local names = arguments_of(list)
  for i, name in ipairs(names) do columns[i] = { name, align = "right" } end
  columns[#columns + 1] = { "seeds", align = "right" }
  for _, name in ipairs(shown) do
    local title = report.title(name) .. (report.value(name, 0.5):find "%%" and " %" or "")
    columns[#columns + 1] = { title, align = "right" }
    columns[#columns + 1] = { "std", align = "right" }
    columns[#columns + 1] = { "min to max" }
  end
  columns[#columns + 1] = { "" }
  for i, c in ipairs(list) do
    local cells, done, failed, rest = {}, 0, 0, 0
    for _, item in ipairs(c.items) do
      if item.run then done = done + 1
      elseif item.status.state == "failed" then failed = failed + 1
      else rest = math.max(rest, item.status.epoch) end
    end
    local given = {}
    for _, word in ipairs(c.words) do
      local name, value = word:match "^([^=]*)=(.*)$"
      given[name] = value
    end
    for n, name in ipairs(names) do cells[n] = given[name] or "" end
    cells[#cells + 1] = ("%d"):format(done)
    for _, name in ipairs(shown) do
      local mean, std, range = spread(name, c.summaries[name])
      for _, cell in ipairs { mean, std, range } do cells[#cells + 1] = cell end
    end
    local notes = {}
    if i == 1 and metric and c.loss < math.huge and #list > 1 then
      notes[1] = choice.of_test(metric) and "best by the TEST set" or "best"
      cells.style = "bold"
    end
    if failed > 0 then notes[#notes + 1] = failed .. " failed" end
    if done + failed < #c.items then
      notes[#notes + 1] = rest > 0 and ("left at epoch %d"):format(rest) or "not begun"
    end
    cells[#columns] = table.concat(notes, ", ")
    rows[i] = cells
  end
  return text.columns(columns, rows, "  ", term.paint, term.width)
end

return M
