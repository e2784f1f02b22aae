--- What came of a sweep: its trials, grouped by configuration; the best; the table.
local choice = require "perilune.sweep.choice"
local metrics = require "perilune.train.metrics"
local report = require "perilune.terminal.tables"
local sorted_keys = require "perilune.base.sorted_keys"
local samples = require "perilune.stats.samples"
local text = require "perilune.base.format"
local trial = require "perilune.sweep.trial"
local written = require "perilune.sweep.values".text

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

-- Has a trial no number of `metric`: failed, not ended yet, or ended without one? The mean of the others may say too
-- much good of it.
local function is_doubtful(items, metric) return #values(items, metric) < #items end

-- How far the trials are that have no result: the last epoch of any, and the mean of the metric where all of them have
-- one.
local function progress(items, metric)
  local reached, sum, count, all = 0, 0.0, 0, metric ~= nil
  for _, item in ipairs(items) do
    if not item.run and item.status.state ~= "failed" then
      local x = item.status.row and item.status.row[metric or ""]
      reached, all = math.max(reached, item.status.epoch), all and x ~= nil and x == x
      sum, count = sum + (x or 0), count + 1
    end
  end
  return reached, all and count > 0 and sum / count or nil
end

-- The digest and the name of the data that a finished run was trained on; nil where they are not known.
local function data_of(run)
  if not run then return nil end
  local listed = rawget(run, "listed")
  if listed and listed.data_sha256 then return listed.data_sha256, listed.data or "the data" end
  local ok, identity = pcall(function() return run.identity end)
  if ok and identity then return identity.data_sha256, identity.data or "the data" end
end

-- What there is to say of the data of finished runs; nil where it is the same. Second: does it differ among the runs of
-- one configuration, whose mean then says nothing? Among configurations it may differ by an argument.
local function data_note(list)
  local by_name, note = {}, nil
  for _, c in ipairs(list) do
    local first
    for _, item in ipairs(c.items) do
      local digest, name = data_of(item.run)
      if digest and digest ~= (first or digest) then
        return ("%s changed between trials of a configuration (%s): none is the best; train all with another --out DIR")
          :format(name, #c.words > 0 and table.concat(c.words, " ") or "no arguments"), true
      elseif digest then
        first = digest
        by_name[name] = by_name[name] or digest
        if by_name[name] ~= digest then
          note = ("%s is not the same for all configurations: by an argument, or it changed meanwhile"):format(name)
        end
      end
    end
  end
  return note, false
end

--- All configurations, the best first: by `metric`, a mean over seeds, of which "min" or "max" is better (`mode`),
--- those of which a seed failed or is not finished after the others, and last those that have no result, by how far
--- they came; without a metric, in order. A list of { words, items, summaries = { [metric] = ... }, loss, rank }, with
--- its data_note, and `mixed` where the data allows none to be the best.
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
    c.reached, c.last = progress(c.items, metric)
    for _, name in ipairs(shown) do
      local found = values(c.items, name)
      if #found > 0 then c.summaries[name] = samples.summary(found) end
    end
    local s = metric and c.summaries[metric]
    c.loss = s and choice.loss(mode, s.mean) or math.huge
    c.rank = s == nil and 3 or is_doubtful(c.items, metric) and 2 or 1
  end
  list.data_note, list.mixed = data_note(list)
  if not metric then return list end
  table.sort(list, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    if a.loss ~= b.loss then return a.loss < b.loss end
    if a.rank == 3 and a.reached ~= b.reached then return a.reached > b.reached end
    local x, y = choice.loss(mode, a.last), choice.loss(mode, b.last)
    if a.rank == 3 and x ~= y then return x < y end
    return a.position < b.position
  end)
  return list
end

--- The best of the configurations, and how many equal it, itself included; nil when none is.
function M.best(list, metric)
  local best, equals = list[1], 0
  if not metric or not best or best.loss == math.huge or list.mixed then return nil end
  for _, c in ipairs(list) do equals = equals + (c.rank == best.rank and c.loss == best.loss and 1 or 0) end
  return best, equals
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

local function show(name, x) return (report.value(name, x):gsub(" %%$", "")) end

local function spread(name, s)
  if not s then return "-", "", "" end
  if s.n == 1 then return show(name, s.mean), "", "" end
  return show(name, s.mean), show(name, s.std), show(name, s.min) .. " to " .. show(name, s.max)
end

--- The value of an argument in a trial, as text: as the sweep gave it, or else as the script's default was.
function M.argument(item, name)
  for _, word in ipairs(item.trial.words) do
    local given, value = word:match "^([^=]*)=(.*)$"
    if given == name then return value end
  end
  local value = item.run and item.run.arguments[name]
  if value ~= nil then return (written(value)) end
end

--- The names of arguments that any of the trials was given, sorted.
function M.arguments(items)
  local names = {}
  for _, item in ipairs(items) do
    for _, word in ipairs(item.trial.words) do names[word:match "^[^=]*"] = true end
  end
  return sorted_keys(names)
end

local function argument_of(c, name)
  for _, item in ipairs(c.items) do
    local value = M.argument(item, name)
    if value then return value end
  end
  return ""
end

-- Columns of a table: the arguments and the metric stay on a narrow terminal, the rest goes by its `need`.
local function columns_of(list, names, shown)
  local columns, several = {}, false
  for i, name in ipairs(names) do
    local numeric = true
    for _, c in ipairs(list) do numeric = numeric and (tonumber(argument_of(c, name)) or argument_of(c, name) == "") end
    columns[i] = { name, align = numeric and "right" or nil }
  end
  for _, c in ipairs(list) do
    for _, s in pairs(c.summaries) do several = several or s.n > 1 end
  end
  columns[#columns + 1] = { "seeds", align = "right", need = 1 }
  for i, name in ipairs(shown) do
    local title = report.title(name)
    local function add(word, column)
      column[1], column.full, column.need = word, word == title and title or word .. " of " .. title, column.need
      columns[#columns + 1] = column
    end
    add(title .. (metrics.is_share(name) and " %" or ""), { align = "right", need = i > 1 and 4 or nil })
    columns[#columns].full = title
    if several then
      add("std", { align = "right", need = i > 1 and 5 or 2 })
      add("min to max", { need = i > 1 and 6 or 3 })
    end
  end
  columns[#columns + 1] = { "", keep = true }
  return columns, several
end

-- What there is to say of a configuration beside its numbers.
local function notes_of(c, metric)
  local notes, done, failed = {}, 0, 0
  for _, item in ipairs(c.items) do
    if item.run then done = done + 1 elseif item.status.state == "failed" then failed = failed + 1 end
  end
  if failed > 0 then notes[1] = failed .. " failed" end
  local left = #c.items - done - failed
  if left > 0 then
    local at = c.reached > 0 and ("left at epoch %d"):format(c.reached) or "not begun"
    if c.reached > 0 and c.last then at = at .. (" (%s)"):format(report.value(metric, c.last)) end
    notes[#notes + 1] = left < #c.items and left .. " " .. at or at
  end
  return notes, done
end

--- The table of configurations as lines.
function M.table(list, shown, metric, term)
  local items, rows = {}, {}
  for _, c in ipairs(list) do table.move(c.items, 1, #c.items, #items + 1, items) end
  local names = M.arguments(items)
  local columns, several = columns_of(list, names, shown)
  local best = M.best(list, metric)
  for i, c in ipairs(list) do
    local cells = {}
    for n, name in ipairs(names) do cells[n] = argument_of(c, name) end
    local notes, done = notes_of(c, metric)
    cells[#cells + 1] = ("%d"):format(done)
    for _, name in ipairs(shown) do
      local mean, std, range = spread(name, c.summaries[name])
      for k, cell in ipairs { mean, std, range } do
        if k == 1 or several then cells[#cells + 1] = cell end
      end
    end
    if c == best and #list > 1 then
      table.insert(notes, 1, choice.of_test(metric) and "best by the TEST set" or "best")
      cells.style = "bold"
    end
    cells[#columns] = table.concat(notes, ", ")
    rows[i] = cells
  end
  return text.columns(columns, rows, "  ", term.paint, term.width)
end

return M
