--- The part of a report about several runs: curves over each other, a table that sorts, which settings differ, and how
--- the result depends on them.
local curves = require "perilune.plot.curves"
local facts = require "perilune.html.facts"
local palette = require "perilune.plot.palette"
local parallel = require "perilune.plot.parallel"
local runs = require "perilune.plot.runs"
local series_of = require "perilune.plot.series"
local text = require "perilune.base.format"
local titles = require "perilune.terminal.tables"

local M = {}

local MOST = 12      -- curves in one chart

-- Names of settings in which runs differ, in order; each run's by name.
local function differences(list)
  local names, known, by_run = {}, {}, {}
  for r, run in ipairs(list) do
    by_run[r] = {}
    for _, setting in ipairs(facts.settings(run, true)) do
      by_run[r][setting[1]] = { setting[2] }
      if not known[setting[1]] then
        known[setting[1]] = true
        names[#names + 1] = setting[1]
      end
    end
  end
  local differ, same = {}, {}
  for _, name in ipairs(names) do
    local first, equal = by_run[1][name] and by_run[1][name][1], true
    for r = 2, #list do equal = equal and (by_run[r][name] and by_run[r][name][1]) == first end
    if equal then same[#same + 1] = { name, first } else differ[#differ + 1] = name end
  end
  return differ, same, by_run
end

M.differences = differences

-- The metric by which most of the runs are judged, and each run's value.
local function results(list)
  local count, metric, all = {}, nil, {}
  for i, run in ipairs(list) do
    all[i] = facts.result(run)
    if all[i].value then
      local name = all[i].metric
      count[name] = (count[name] or 0) + 1
      if not metric or count[name] > count[metric] then metric = name end
    end
  end
  local values = {}
  for i in ipairs(list) do values[i] = all[i].metric == metric and all[i].value or false end
  return metric or "train_loss", values
end

M.results = results

-- As results, without the values of unfinished runs.
local function final_results(list)
  local metric, values = results(list)
  for i, run in ipairs(list) do values[i] = facts.is_finished(run) and values[i] end
  return metric, values
end

-- The finished run with the smallest result; nil when none has one.
function M.best(list)
  local _, values = final_results(list)
  local best
  for i, v in ipairs(values) do
    if v and v == v and (not best or v < values[best]) then best = i end
  end
  return best
end

-- The values of a setting, one a run, as they stand in the table.
local function shown_settings(list, by_run, name)
  local values = {}
  for i in ipairs(list) do values[i] = by_run[i][name] and tostring(by_run[i][name][1]) or "-" end
  return text.cut_alike(values, 60)
end

local function table_of_runs(page, list, differ, by_run, anchors)
  local metric = results(list)
  local best = M.best(list)
  local documented, chosen = false, false
  for _, run in ipairs(list) do
    documented = documented or (run.provenance.documented or {}).error ~= nil
    chosen = chosen or run.state.best ~= nil
  end
  local columns = { { "run" }, { titles.title(metric), number = true }, { "state" }, { "epochs", number = true },
    { "time", number = true } }
  if documented then table.insert(columns, 3, { "documented", number = true }) end
  if chosen then table.insert(columns, #columns, { "best epoch", number = true }) end
  local tagged = false
  local tags = {}
  for i, run in ipairs(list) do
    tags[i] = run.folder and table.concat(require "perilune.run.notes".read(run.folder).tags, ", ") or ""
    tagged = tagged or tags[i] ~= ""
  end
  for _, name in ipairs(differ) do
    local numeric = true
    for r in ipairs(list) do numeric = numeric and (by_run[r][name] == nil or tonumber(by_run[r][name][1]) ~= nil) end
    columns[#columns + 1] = { name, number = numeric, values = shown_settings(list, by_run, name) }
  end
  if tagged then columns[#columns + 1] = { "tags" } end
  local escape, rows = require "perilune.html.escape".text, {}
  for i, run in ipairs(list) do
    local name, error = run.label, (run.provenance.documented or {}).error
    local best_epoch, value = run.state.best and run.state.best.epoch, facts.value_of(run, metric)
    local row = { best = i == best,
      anchors[i] and { name, markup = ('<a href="#%s">%s</a>'):format(anchors[i], escape(name)) } or name,
      { facts.value(metric, value), value or 0 / 0 } }
    if documented then row[#row + 1] = { error and text.percent(error) or "", error } end
    row[#row + 1] = facts.ending(run)
    row[#row + 1] = { ("%d"):format(run.state.epoch or #run.history), run.state.epoch or #run.history }
    if chosen then row[#row + 1] = { best_epoch and ("%d"):format(best_epoch) or "", best_epoch } end
    row[#row + 1] = { text.duration(facts.seconds(run)), facts.seconds(run) }
    for _, column in ipairs(columns) do
      if column.values then
        local setting = by_run[i][column[1]]
        row[#row + 1] = { setting and column.values[i] or "", setting and tonumber(setting[1]) or 0 / 0 }
      end
    end
    if tagged then row[#row + 1] = tags[i] end
    rows[i] = row
  end
  page:tag("h3", "Runs")
  page:table(columns, rows, { sort = true, caption = "A click on a title sorts. Bold: the best "
    .. titles.title(metric) .. "." })
end

local function spread(values)
  local sum, n, low, high = 0, 0, math.huge, -math.huge
  for _, v in ipairs(values) do sum, n, low, high = sum + v, n + 1, math.min(low, v), math.max(high, v) end
  if n == 0 then return nil end
  local mean, squares = sum / n, 0
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return { n = n, mean = mean, std = n > 1 and math.sqrt(squares / (n - 1)) or 0 / 0, low = low, high = high }
end

-- The spread of a metric over a family's finished runs; nil when none of them has it.
local function spread_of(family, metric)
  local values = {}
  for _, run in ipairs(family.runs) do
    local result = facts.result(run)
    if facts.is_finished(run) and result.value and result.metric == metric then values[#values + 1] = result.value end
  end
  return spread(values)
end

local function table_of_families(page, families, metric)
  local rows = {}
  for i, family in ipairs(families) do
    local s = spread_of(family, metric)
    local n = s and s.n or 0
    local function cell(v) return { s and v == v and facts.value(metric, v) or "–", s and v or 0 / 0 } end
    rows[i] = { family.name, { ("%d"):format(n), n }, cell(s and s.mean), cell(s and s.std),
      cell(s and s.low), cell(s and s.high) }
  end
  page:table({ { "experiment" }, { "seeds", number = true }, { "mean " .. titles.title(metric), number = true },
    { "std", number = true },
    { "least", number = true }, { "largest", number = true } }, rows, { sort = true })
end

local function overlay(page, list, families)
  local banded = false
  for _, family in ipairs(families) do banded = banded or #family.runs > 1 end
  page:tag("h3", "Curves")
  if banded then
    page:tag("p", "A line is the mean over the seeds, the band lies between the least and the largest.",
      'class="muted"')
  end
  local shown = families
  if #families > MOST then
    local ranked, metric = {}, (results(list))
    for i, family in ipairs(families) do
      local s = spread_of(family, metric)
      ranked[i] = { family = family, value = s and s.mean == s.mean and s.mean or math.huge, i = i }
    end
    table.sort(ranked, function(a, b) if a.value ~= b.value then return a.value < b.value end return a.i < b.i end)
    shown = {}
    for i = 1, MOST do shown[i] = ranked[i].family end
    page:tag("p", ("The %d best of %d."):format(MOST, #families), 'class="muted"')
  end
  page:raw '<div class="grid">'
  local wanted = {}
  for _, pattern in ipairs { "_error$", "_loss$", "^lr$" } do      -- in this order
    for _, metric in ipairs(runs.columns(list)) do if metric:find(pattern) then wanted[#wanted + 1] = metric end end
  end
  for _, metric in ipairs(wanted) do
    local series = {}
    for i, family in ipairs(shown) do
      local members = {}
      for _, run in ipairs(family.runs) do
        for _, name in ipairs(run.history.columns) do
          if name == metric then members[#members + 1] = runs.series({ run }, metric)[1] end
        end
      end
      local s = #members > 1 and series_of.band(members, family.name) or members[1]
      if s then
        s.name, s.mark = family.name, #members == 1 and s.mark or nil
        s.colour, s.dash = palette.of(i)
        series[#series + 1] = s
      end
    end
    if #series > 0 then
      local axis = runs.axis(metric)
      local title = axis.label:gsub("^train ", "training "):gsub("^val ", "validation ")
      page:figure(curves.draw(series, { title = title:sub(1, 1):upper() .. title:sub(2), x = { label = "epoch" },
        y = { unit = axis.unit, log = metric:find "^train.*_loss$" and series_of.suits_log(series) }, legend = true }),
          title .. " over the epochs")
    end
  end
  page:raw "</div>"
end

-- Arguments of the scripts in which the runs differ, as axes.
local function setting_axes(list)
  local names, known, values = {}, {}, {}
  for r, run in ipairs(list) do
    for _, pair in ipairs(facts.arguments(run)) do
      local name = pair[1]
      if not known[name] then
        known[name] = true
        names[#names + 1] = name
        values[name] = {}
      end
      values[name][r] = type(pair[2]) == "table" and facts.flat(pair[2]) or pair[2]
    end
  end
  table.sort(names)
  local axes = {}
  for _, name in ipairs(names) do
    local axis, first, differ = { name = name, values = {} }, values[name][1], false
    for r = 1, #list do
      local v = values[name][r]
      differ = differ or v ~= first
      if type(v) == "boolean" then v = tostring(v) end
      axis.values[r] = v ~= nil and v      -- false where the run has none
    end
    if differ then axes[#axes + 1] = axis end
  end
  return axes
end

local function dependence(page, list)
  local axes = setting_axes(list)
  if #axes == 0 or #list < 3 then return end
  local metric, values = final_results(list)
  local unit = runs.axis(metric).unit
  local names = {}
  for i, run in ipairs(list) do names[i] = run.label end
  page:tag("h3", "How the result depends on the settings")
  local all = table.move(axes, 1, #axes, 1, {})
  all[#all + 1] = { name = titles.title(metric), values = values, unit = unit }
  page:figure(parallel.draw(all, names, { title = "Parallel coordinates: a line is a run, the best one is strong",
    width = math.max(560, 150 * #all) }),
    "Parallel coordinates")
  page:raw '<div class="grid">'
  for _, axis in ipairs(axes) do
    local made = parallel.axis(axis.values)
    local s = { name = nil, n = 0, x = {}, y = {}, points = true, colour = "c1" }
    local words = {}
    for i, v in ipairs(axis.values) do
      local x = v
      if made.words and v then
        words[tostring(v)] = words[tostring(v)] or #words + 1
        x = words[tostring(v)]
        words[x] = tostring(v)
      end
      if v ~= false and values[i] then
        s.n = s.n + 1
        s.x[s.n], s.y[s.n] = x, values[i]
      end
    end
    local label = axis.name
    if made.words then
      local parts = {}
      for i, word in ipairs(words) do parts[i] = ("%d: %s"):format(i, word) end
      label = axis.name .. " (" .. table.concat(parts, ", ") .. ")"
    end
    page:figure(curves.draw({ s }, { title = titles.title(metric) .. " against " .. axis.name, x = { label = label,
      log = made.scale and made.scale.log, pad = true },
      y = { unit = unit }, legend = false }), titles.title(metric) .. " against " .. axis.name)
  end
  page:raw "</div>"
end

--- Adds the comparison. anchors: ids of the sections of runs that have one.
function M.add(page, list, anchors)
  local families = runs.families(list)
  local differ, same, by_run = differences(list)
  table_of_runs(page, list, differ, by_run, anchors)
  if #families > 1 or #list > #families then
    local several = false
    for _, family in ipairs(families) do several = several or #family.runs > 1 end
    if several then table_of_families(page, families, (results(list))) end
  end
  overlay(page, list, families)
  dependence(page, list)
  page:tag("h3", "Settings that all share")
  if #differ == 0 then page:tag("p", "The runs do not differ in their settings.") end
  page:raw "<details><summary>Settings</summary>"
  page:pairs(same)
  page:raw "</details>"
end

return M
