--- perilune show RUN
local errors = require "perilune.base.errors"
local text = require "perilune.base.format"
local report = require "perilune.terminal.tables"
local history = require "perilune.run.history"

local M = { summary = "a run's history, confusion matrix, precision, recall, F1",
  usage = "RUN [--csv | --json] [--heat]",
  description = "Shows a run: its folder, or one of the files in it (run.h5, checkpoint.h5, best.h5)." }

function M.define(parser)
  parser:argument("run", "A run's folder, or a file in it.")
  parser:flag("--csv", "Only history and final results, as comma-separated values with all digits.")
  parser:flag("--json", "What the run is, its history and its final results, as JSON.")
  parser:flag("--heat", "The confusion matrix as a heat map; also where its numbers are wider than the terminal.")
  parser:flag("--history", "The whole history, also when it is long.")
end

local function shortened(lines, all)
  if all or #lines <= 31 then return lines end
  local short = table.move(lines, 1, 6, 1, {})
  short[#short + 1] = ("  ... %d more (--history shows all)"):format(#lines - 26)
  return table.move(lines, #lines - 19, #lines, #short + 1, short)
end

local function say(lines)
  for _, line in ipairs(lines) do print(line) end
end

local ends = { stopping = ", stopped early", callback = ", stopped by a callback", epochs = "" }

local function summary(record, past, path, term)
  local skipped = history.sum(past, "skipped") + (record.state and record.state.skipped or 0)
  local s, p = record.state or {}, record.provenance or {}
  local identity = s.identity or {}
  local rows = {
    { "file", path },
    { "script", identity.path and identity.path .. (p.arguments and p.arguments ~= "" and " " .. p.arguments or "")
      or "none (made in a session)" },
    { "data", identity.data },
    { "derived", identity.recipe ~= "" and identity.recipe or nil },
    { "val set", identity.held_out ~= "none" and identity.held_out or nil },
    { "start", identity.start and "weights with SHA-256 " .. identity.start },
    { "seed", s.seed and ("%d"):format(s.seed) },
    { "epochs", ("%d%s"):format(s.epoch or 0, s.ended and ends[s.ended] or ", unfinished") },
    { "best", s.best and ("epoch %d: %s %s"):format(s.best.epoch, report.title(s.best.monitor),
      report.value(s.best.monitor, s.best.value)) },
    { "edited", s.edited and ("by hand: %s; its script alone does not make these bits"):format(s.edited) },
    { "skipped", skipped > 0 and ("%d steps, whose loss or gradient was not finite"):format(skipped) },
    { "SHA-256", s.weights_sha256 and s.weights_sha256 .. " (weights)" },
    { "build", ("%s, %s, %s, %s thread(s)"):format(p.build or "?", p.compiler or "?", p.processor or "?", p.threads
      or "?") },
  }
  print(term.paint(identity.name or "model", "bold"))
  for _, row in ipairs(rows) do
    if row[2] then say(text.beside(row[1], row[2], row[1] == "SHA-256" and 8 or 9, term)) end
  end
end

-- The confusion matrix: as numbers where these fit.
local function confusion(result, labels, term, heat)
  local matrix = result.confusion
  local lines, too_wide = report.confusion(matrix, labels, term, result.outside)
  if heat or too_wide then
    lines = require "perilune.terminal.marks".heat(matrix, labels, require "perilune.terminal.style".of(term))
  end
  say(lines)
end

local function evaluation(name, result, labels, term, heat)
  if not result then return end
  print()
  local line, measured = ("%s: loss %s"):format(name, text.number(result.loss or 0 / 0)), report.measured(result)
  line = measured and line .. ", " .. measured or line
  for _, part in ipairs(text.wrap(line, term.width, "  ")) do print(term.paint(part, "bold")) end
  if not result.confusion then return end
  print()
  say(report.classification(result.confusion, labels, term, result.outside))
  print()
  say(text.wrap("Confusion matrix: a row is the actual class, a column what the network says.", term.width))
  print()
  confusion(result, labels, term, heat)
end

-- Older files have accuracies of targets that are values, which say nothing; their histories have none.
local function without_classes(result, past)
  if result and not result.confusion and not past.train_error then result.error = nil end
  return result
end

local function export(path, json)
  local runs = require "perilune.run.runs"
  local run, message = runs.run(path)
  if not run then errors.fail(1, "%s", message) end
  if json then print(runs.json(run)) else say(report.csv(run.history, run.state.ended and runs.final(run) or false)) end
  return 0
end

function M.run(options)
  local path = require "perilune.run.folder".file(options.run)
  local record, message = require "perilune.run.file".read(path)
  if not record then errors.fail(1, "%s", message) end
  local past = history.new(record.history)
  if options.csv or options.json then
    if options.csv and options.json then errors.fail(2, "show: give --csv or --json, not both") end
    return export(options.run, options.json)
  end
  local term = text.terminal(1)
  summary(record, past, path, term)
  local s = record.state or {}
  if #past > 0 then
    print()
    say(shortened(report.history(past, term, s.best and s.best.epoch, s.best and s.best.monitor), options.history))
  end
  local results = record.evaluation or {}
  local labels = s.identity and s.identity.labels
  evaluation("Validation set", without_classes(results.val, past), labels, term, options.heat)
  evaluation("Test set", without_classes(results.test, past), labels, term, options.heat)
  return 0
end

return M
