--- Tables about models, histories and results, as lists of lines. `term` (text.terminal) says what may be painted.
local text = require "perilune.base.format"
local metrics = require "perilune.train.metrics"
local printable = require "perilune.base.printable"
local csv = require "perilune.base.csv"

local M = {}

local plain = { paint = function(s) return s end, colour = false, utf8 = true }

--- One value of a history column as text.
function M.value(column, x)
  if x == nil or x ~= x then return "-" end
  if x - x ~= 0 then return text.number(x) end
  if (column == "epoch" or column == "step" or column == "skipped") and math.tointeger(x) then
    return ("%d"):format(x)
  end
  if column == "seconds" then return text.duration(x) end
  if column == "samples_per_second" then return text.count(x) end
  if column:match "_loss$" then
    if x == 0 or math.abs(x) >= 1e-3 and math.abs(x) < 1e4 then return ("%.4f"):format(x) end
    return ("%.2e"):format(x)
  end
  if metrics.is_share(column) then return text.percent(x) end
  if column:match "_r2$" then return ("%.4f"):format(x) end
  return text.number(x + 0.0)
end

-- How long a column is kept where there is little room: the smaller, the longer.
local needs = { epoch = 0, train_loss = 1, val_error = 2, test_error = 2, train_accuracy = 3, val_accuracy = 4,
  test_accuracy = 4, train_error = 4,
  val_rmse = 2, test_rmse = 2, val_loss = 4, lr = 5, test_r2 = 5, seconds = 6, test_loss = 7, samples_per_second = 8,
    step = 9 }

--- The need of a history's column (text.fitting); of the one that is monitored and of the epoch there is none: they
--- stay.
function M.need(column, monitored)
  if column == monitored or column == "epoch" then return nil end
  return needs[column] or 3
end

local titles = { seconds = "time", samples_per_second = "samples/s" }
local spelt = { mae = "MAE", rmse = "RMSE", r2 = "R2" }

--- "train_loss" -> "train loss"
function M.title(column)
  if titles[column] then return titles[column] end
  return (column:gsub("_", " "):gsub("%w+$", spelt))
end

--- What an evaluation measured, in words: "error 1.60 % (8 of 500 wrong)", "RMSE 0.0599, MAE 0.0475, R2 0.9925"; nil if
--- nothing but a loss.
function M.measured(result)
  if result.error then
    return ("error %s (%s of %s wrong)"):format(text.percent(result.error), text.count(result.count - result.correct),
      text.count(result.count))
  elseif result.rmse then
    return ("RMSE %s, MAE %s, R2 %s"):format(text.number(result.rmse), text.number(result.mae),
      M.value("_r2", result.r2))
  end
end

--- The history as a table, one line an epoch; `best` marks that epoch; the `monitored` column is shown however narrow
--- it is.
function M.history(history, term, best, monitored)
  term = term or plain
  local columns, rows = {}, {}
  for c, name in ipairs(history.columns) do
    columns[c] = { M.title(name), align = "right", need = M.need(name, monitored) }
  end
  columns[#columns + 1] = { "" }
  for r, row in ipairs(history.rows) do
    local cells = {}
    for c, name in ipairs(history.columns) do cells[c] = M.value(name, row[name]) end
    if best == row.epoch then cells[#columns], cells.style = "best", "bold" end
    rows[r] = cells
  end
  return text.columns(columns, rows, "  ", term.paint, term.width)
end

--- The history as comma-separated values, with all digits. `final`: { name = number }, the results of the final
--- weights: a last row; a first column then says of each row whether it is of the "history" or "final". false: that
--- column, but no such row.
function M.csv(history, final)
  local columns, known = {}, {}
  for _, name in ipairs(history.columns) do
    columns[#columns + 1], known[name] = name, true
  end
  local extra = {}
  for name in pairs(final or {}) do
    if not known[name] then extra[#extra + 1] = name end
  end
  table.sort(extra)
  local last = columns[#columns] == "seconds" and #columns or #columns + 1
  for i, name in ipairs(extra) do table.insert(columns, last + i - 1, name) end
  local lines, shift = {}, final ~= nil and 1 or 0
  local function add(part, value)
    local cells = { part }
    for c, name in ipairs(columns) do
      local x = value(name)
      cells[c + shift] = x == x and x or nil      -- NaN is an empty cell
    end
    lines[#lines + 1] = csv.line(cells, #columns + shift)
  end
  add("part", function(name) return name end)
  for _, row in ipairs(history.rows) do add("history", function(name) return row[name] end) end
  if final then add("final", function(name) return final[name] end) end
  return lines
end

local function label(labels, i) return printable.text(text.label(labels, i - 1)) end

-- A matrix that no terminal has room for: its commonest confusions.
local function commonest(confusion, labels, term)
  local rows = {}
  for i, w in ipairs(metrics.confused(confusion, 20)) do
    rows[i] = { label(labels, w.actual), label(labels, w.predicted), text.count(w.count) }
  end
  local lines = text.columns({ { "is" }, { "taken for" }, { "times", align = "right" } }, rows, "  ", term.paint,
    term.width)
  local note = ("(the %d commonest; the matrix of %d classes is wider than the terminal)"):format(#rows, #confusion)
  return table.move(text.wrap(note, term.width, "  "), 1, 10, #lines + 1, lines)
end

-- Titles of columns cut to what the columns' numbers need, where the labels are too wide for the terminal.
local function cut_titles(columns, rows, width)
  local total = 0
  for c, column in ipairs(columns) do
    local widest = 0
    for _, row in ipairs(rows) do widest = math.max(widest, text.width(row[c])) end
    if c > 1 then column[1] = text.clip(column[1], math.max(widest, 3)) end
    total = total + math.max(widest, text.width(column[1])) + 2
  end
  return total - 2 <= width
end

--- The confusion matrix; nothing confused is a dot. Samples that were given none of the classes (`outside`, or nil) are
--- its last column. Second: true where it has no room, and the commonest confusions are listed.
function M.confusion(confusion, labels, term, outside)
  term = term or plain
  local columns, rows = { { "", align = "right", style = "dim" } }, {}
  local none, worst = term.utf8 and "·" or ".", metrics.confused(confusion, 5)
  for j = 1, #confusion do columns[j + 1] = { label(labels, j), align = "right" } end
  if outside then columns[#confusion + 2] = { "none", align = "right" } end
  for i, counts in ipairs(confusion) do     -- the diagonal stands out, so do the commonest confusions
    local cells = { label(labels, i), styles = {} }
    local function put(c, n, style)
      cells[c], cells.styles[c] = n == 0 and none or ("%d"):format(n), n == 0 and "dim" or style
    end
    for j, n in ipairs(counts) do put(j + 1, n, j == i and "green" or nil) end
    if outside then put(#counts + 2, outside[i], "yellow") end
    for _, w in ipairs(worst) do
      if w.actual == i then cells.styles[w.predicted + 1] = "yellow" end
    end
    rows[i] = cells
  end
  local lines = text.columns(columns, rows, "  ", term.paint)
  if term.width and text.width(text.columns(columns, rows)[1]) > term.width then
    if not cut_titles(columns, rows, term.width) then return commonest(confusion, labels, term), true end
    lines = text.columns(columns, rows, "  ", term.paint)
  end
  return lines
end

--- Precision, recall, F1 and support of each class, with macro and weighted averages.
function M.classification(confusion, labels, term, outside)
  term = term or plain
  local report = metrics.classification(confusion, outside)
  local rows = {}
  local function row(name, r)
    rows[#rows + 1] = { name, ("%.4f"):format(r.precision), ("%.4f"):format(r.recall), ("%.4f"):format(r.f1),
      text.count(r.support) }
  end
  for i, class in ipairs(report.classes) do row(label(labels, i), class) end
  rows[#rows + 1] = { "" }
  rows[#rows + 1] = { "accuracy", "", "", ("%.4f"):format(report.accuracy), text.count(report.support) }
  row("macro average", report.macro)
  row("weighted average", report.weighted)
  local lines = text.columns({ { "class" }, { "precision", align = "right" }, { "recall", align = "right" },
    { "F1", align = "right" },
    { "support", align = "right", need = 1 } }, rows, "  ", term.paint, term.width)
  if report.absent > 0 then
    local note = ("macro average: over the %d classes that occur, actual or predicted (as scikit-learn)"):format(
      #confusion - report.absent)
    table.move(text.wrap(note, term.width, "  "), 1, 10, #lines + 1, lines)
  end
  return lines
end

--- A row's layer as a line of a table: indented by depth, numbered, with the name if it has one.
function M.layer(row)
  local _, depth = row.path:gsub("/", "")
  local number = row.path:match "(%d+)_[^/]*$" or ""
  local layer = ("  "):rep(depth) .. number:gsub("^0", " ") .. " " .. row.type
    .. (row.name ~= "" and (' "%s"'):format(printable.text(row.name)) or "")
  return layer .. (row.shared and " (shared)" or "")
    .. (row.part == "fork" and " {" or row.part == "join" and " } +" or "")
end

--- The layers of a model: output shape of a batch, parameters, multiply-adds and memory of a sample, and the totals.
-- `rows`: as model:rows(shape) gives them. A Residual has a row where it splits and one where it joins again.
function M.model(rows, term)
  term = term or plain
  local cells = {}
  local total = { parameters = 0, work = 0, memory = 0 }
  local function amount(n, format) return n == 0 and "" or format(n) end
  for i, row in ipairs(rows) do
    cells[i] = { M.layer(row), "[N" .. (#row.output > 0 and ", " or "") .. table.concat(row.output, ", ") .. "]",
      amount(row.parameters, text.count),
      amount(row.work, text.count), amount(row.memory, text.bytes) }
    for name in pairs(total) do total[name] = total[name] + row[name] end
  end
  cells[#cells + 1] = { "total", "", text.count(total.parameters), text.count(total.work), text.bytes(total.memory),
    style = "bold" }
  local lines = text.columns({ { "layer" }, { "output", need = 1 }, { "parameters", align = "right" },
    { "multiply-adds", align = "right", need = 2 }, { "memory", align = "right", need = 3 } }, cells, "  ", term.paint,
      term.width)
  return lines, total
end

local verdict_style = { beats = "good", meets = "good", misses = "warn" }

--- "documented 0.80 % (003, section 9.5): meets it", or nil when there is nothing to compare with.
function M.against(documented, measured, count, term)
  term = term or plain
  if documented == nil or documented.error == nil or measured == nil then return nil end
  local verdict = metrics.verdict(measured, documented.error, count)
  return ("documented %s%s: %s"):format(text.percent(documented.error), documented.source
    and (" (%s)"):format(documented.source) or "",
    term.paint(verdict, verdict_style[verdict]))
end

return M
