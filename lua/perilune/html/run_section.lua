--- The part of a report about one run: result, curves, what it gets wrong, settings, how to run it again.
local bars = require "perilune.plot.bars"
local curves = require "perilune.plot.curves"
local facts = require "perilune.html.facts"
local heat = require "perilune.plot.heat"
local metrics = require "perilune.train.metrics"
local runs = require "perilune.plot.runs"
local series_of = require "perilune.plot.series"
local text = require "perilune.base.format"
local titles = require "perilune.terminal.tables"

local M = {}

local function tile(page, value, what, class)
  local T = require "perilune.html.escape".text
  page:raw(('<div class="tile"><b%s>%s</b><span>%s</span></div>'):format(class and (' class="%s"'):format(class)
    or "", T(value), T(what)))
end

local function tiles(page, run)
  local result = facts.result(run)
  local verdict, documented = facts.verdict(run, result)
  page:raw '<div class="tiles">'
  tile(page, facts.value(result.metric, result.value), titles.title(result.metric) ..
    (result.correct and (", %s of %s wrong"):format(text.count(result.count - result.correct),
      text.count(result.count)) or ""))
  if documented then
    tile(page, text.percent(documented.error), "documented" .. (documented.source and ", " .. documented.source
      or "") ..
      (not verdict and run.provenance.planned and (", after %d epochs"):format(run.provenance.planned) or ""))
    if verdict then tile(page, verdict .. " it", "verdict", verdict == "misses" and "bad" or "good") end
  end
  local s = run.state
  tile(page, ("%d"):format(s.epoch or #run.history), "epochs, " .. facts.ending(run))
  if s.best then
    tile(page, ("%d"):format(s.best.epoch),
      ("best epoch: %s %s"):format(titles.title(s.best.monitor), titles.value(s.best.monitor, s.best.value)))
  end
  local parameters = run.parameters
  if parameters then tile(page, text.count(parameters), "parameters") end
  tile(page, text.duration(facts.seconds(run)), "training" .. (run.provenance.threads
    and (", %s thread%s"):format(run.provenance.threads,
    run.provenance.threads == 1 and "" or "s") or ""))
  if run.seed then tile(page, ("%d"):format(run.seed), "seed") end
  page:raw "</div>"
end

-- Columns of a history that belong in one chart.
local groups = {
  { title = "Loss", pattern = "_loss$", log = true },
  { title = "Error", pattern = "_error$", belongs = metrics.is_share, unit = "percent" },
  { title = "Learning rate", pattern = "^lr$" },
}

local function columns_of(run, group)
  local names = {}
  for _, name in ipairs(run.history.columns) do
    if name:find(group.pattern) and (not group.belongs or group.belongs(name)) then names[#names + 1] = name end
  end
  return names
end

local function chart(page, run, title, names, unit, may_log)
  local series = {}
  for _, name in ipairs(names) do
    local s = runs.series({ run }, name)[1]
    s.name = titles.title(name):gsub("^train ", "training "):gsub("^val ", "validation ")
    if run.state.best and run.state.best.monitor ~= name and #names > 1 then s.mark = nil end
    series[#series + 1] = s
  end
  local log = may_log and series_of.suits_log(series)
  page:figure(curves.draw(series, { title = title .. (log and ", logarithmic" or ""), x = { label = "epoch" },
    y = { unit = unit, log = log },
    legend = #names > 1 }), title .. " over the epochs")
end

local function history(page, run)
  page:tag("h3", "Curves")
  if #run.history == 0 then return page:absent "No epoch has ended yet." end
  page:raw '<div class="grid">'
  local used = { epoch = true, step = true, seconds = true, skipped = true }
  for _, group in ipairs(groups) do
    local names = columns_of(run, group)
    for _, name in ipairs(names) do used[name] = true end
    if #names > 0 then chart(page, run, group.title, names, group.unit, group.log) end
  end
  for _, name in ipairs(run.history.columns) do
    if not used[name] and not (name:find "_accuracy$" and metrics.is_share(name)) then
      chart(page, run, titles.title(name), { name }, runs.axis(name).unit)
    end
  end
  page:raw "</div>"
  if run.state.best then
    page:tag("p", ("The ring marks the best epoch, %d, chosen on the %s."):format(run.state.best.epoch,
      titles.title(run.state.best.monitor)), 'class="muted"')
  end
  local columns, rows = {}, {}
  for c, name in ipairs(run.history.columns) do columns[c] = { titles.title(name), number = true } end
  for r, row in ipairs(run.history.rows) do
    local cells = { best = run.state.best and run.state.best.epoch == row.epoch }
    for c, name in ipairs(run.history.columns) do cells[c] = { titles.value(name, row[name]), row[name] } end
    rows[r] = cells
  end
  page:raw "<details><summary>All values</summary>"
  if #rows > 2000 then
    page:tag("p", ("The first and last 1,000 of %s epochs; perilune show --csv prints all."):format(text.count(#rows)),
      'class="muted"')
    rows = table.move(rows, #rows - 999, #rows, 1001, table.move(rows, 1, 1000, 1, {}))
  end
  page:table(columns, rows, { sort = true })
  page:raw "</details>"
end

local function classification(page, confusion, labels, outside)
  local report = metrics.classification(confusion, outside)
  local rows = {}
  local function row(name, r)
    local cells = { name }
    for i, key in ipairs { "precision", "recall", "f1" } do cells[i + 1] = { ("%.4f"):format(r[key]), r[key] } end
    cells[5] = { text.count(r.support), r.support }
    rows[#rows + 1] = cells
  end
  for i, class in ipairs(report.classes) do row(text.label(labels, i - 1), class) end
  row("macro average", report.macro)
  row("weighted average", report.weighted)
  page:table({ { "class" }, { "precision", number = true }, { "recall", number = true }, { "F1", number = true },
    { "support", number = true } }, rows,
    { sort = true, caption = ("Accuracy %s of %s samples"):format(text.percent(report.accuracy),
      text.count(report.support)) })
end

-- A picture as nested lists [H][W][C].
local function pixels_of(picture)
  local s = picture.shape
  if #s == 2 then picture = picture:reshape(s[1], s[2], 1) end
  return picture:totable()
end

local function mistakes(page, result, labels)
  local list = result.mistakes
  if not list then
    return page:absent("The mistakes are not in this file: a run that is trained by this version of Perilune " ..
      "keeps the 50 worst of each evaluated split.")
  end
  if #list == 0 then return page:tag("p", "There are no mistakes.") end
  local title = "The %d most confident mistakes: actual → predicted, probability, index in the split."
  page:tag("p", title:format(#list), 'class="muted"')
  local pictures = {}
  for _, m in ipairs(list) do
    if m.picture then
      local actual, predicted = text.label(labels, m.label), text.label(labels, m.prediction)
      pictures[#pictures + 1] = { pixels = pixels_of(m.picture), low = 0, high = 255,
        caption = ("%s → %s"):format(actual, predicted),
        second = ("%.0f %% #%d"):format(100 * m.probability, m.index),
        title = ("%s, taken for %s with probability %.4f; sample %d"):format(actual, predicted, m.probability,
          m.index) }
    end
  end
  if #pictures > 0 then return page:pictures(pictures, 56) end
  local rows = {}
  for i, m in ipairs(list) do
    rows[i] = { { ("%d"):format(m.index), m.index }, text.label(labels, m.label), text.label(labels, m.prediction),
      { ("%.4f"):format(m.probability), m.probability } }
  end
  page:table({ { "index", number = true }, { "actual" }, { "predicted" }, { "probability", number = true } }, rows,
    { sort = true })
end

local function confused(page, confusion, labels)
  local worst = metrics.confused(confusion, 8)
  if #worst == 0 then return end
  local list = {}
  for i, pair in ipairs(worst) do
    list[i] = { label = ("%s taken for %s"):format(text.label(labels, pair.actual - 1), text.label(labels,
      pair.predicted - 1)), value = pair.count }
  end
  page:figure(bars.labelled(list, { title = "Most often confused", format = text.count, colour = "c2" }),
    "Most often confused classes")
end

local function split(page, run, name, result)
  local title = name == "test" and "Test set" or name == "val" and "Validation set" or name
  page:tag("h3", title)
  local labels = run.identity.labels
  if result.loss then
    local measured = titles.measured(result)
    page:tag("p", ("loss %s%s"):format(text.number(result.loss), measured and ", " .. measured or ""))
  end
  if not result.confusion then return end
  local names, counts, outside = {}, {}, result.outside      -- outside: samples that were given none of the classes
  for i, row in ipairs(result.confusion) do
    names[i], counts[i] = text.label(labels, i - 1), table.move(row, 1, #row, 1, {})
    if outside then counts[i][#row + 1] = outside[i] end
  end
  local predicted = table.move(names, 1, #names, 1, {})
  if outside then predicted[#names + 1] = "none" end
  page:raw '<div class="grid">'
  page:figure(heat.draw(counts, { title = "Confusion matrix", rows = names, columns = predicted,
    x = "predicted", y = "actual", confusion = true,
    format = text.count }), "Confusion matrix")
  page:raw "<div>"
  classification(page, result.confusion, labels, outside)
  page:raw "</div>"
  confused(page, result.confusion, labels)
  page:raw "</div>"
  mistakes(page, result, labels)
end

local function evaluations(page, run)
  local any = false
  for _, name in ipairs { "test", "val" } do
    if run.evaluation[name] then
      any = true
      split(page, run, name, run.evaluation[name])
    end
  end
  if not any then
    page:tag("h3", "Test set")
    page:absent('No split was evaluated yet: a run evaluates the test set at its end (test = "end") or after each ' ..
      'epoch (test = "epoch").')
  end
end

local function settings(page, run)
  page:tag("h3", "Settings")
  local rows = {}
  for i, setting in ipairs(facts.settings(run)) do rows[i] = { setting[1], setting[2] } end
  if #rows == 0 then page:absent "The file keeps no settings." end
  page:pairs(rows)
  page:tag("h3", "Environment")
  page:pairs(facts.environment(run))
  page:tag("h3", "Run it again")
  local commands = facts.commands(run)
  if #commands > 0 then page:tag("pre", table.concat(commands, "\n"))
  else page:absent "This run was made in a session; an experiment in a file can be run again by a command." end
  local id = run.identity
  if id.script and id.script ~= "" then
    page:raw(("<details><summary>%s</summary>"):format(require "perilune.html.escape".text("Script: "
      .. (id.path or "experiment.lua"))))
    page:tag("pre", id.script)
    page:raw "</details>"
    for _, file in ipairs(id.files or {}) do
      if type(file) == "table" and file.text then
        page:raw(("<details><summary>%s</summary>"):format(require "perilune.html.escape".text("Loaded by it: "
          .. tostring(file.path))))
        page:tag("pre", file.text)
        page:raw "</details>"
      end
    end
  end
end

local function notes(page, run)
  if not run.folder then return end
  local found = require "perilune.run.notes".read(run.folder)
  if #found.tags > 0 then page:tag("p", "Tags: " .. table.concat(found.tags, ", ")) end
  for _, note in ipairs(found.notes) do
    page:raw(('<p>%s <span class="muted">%s</span></p>'):format(require "perilune.html.escape".text(note.text),
      require "perilune.html.escape".text(note.time)))
  end
end

--- Adds the section of a run. id: the anchor; alone: is it the only one?
function M.add(page, run, id, alone)
  page:tag(alone and "h1" or "h2", run.name .. (alone and "" or (run.label ~= run.name and " – " .. run.label or "")),
    ('id="%s"'):format(id))
  if run.problem then return page:tag("p", "This run cannot be read: " .. run.problem, 'class="bad"') end
  page:tag("p", table.concat({ run.path, run.identity.data }, " · "), 'class="muted"')
  notes(page, run)
  tiles(page, run)
  history(page, run)
  evaluations(page, run)
  require "perilune.html.model_section".add(page, run)
  settings(page, run)
end

return M
