--- Numbers of a classifier, from its confusion matrix: rows are the actual classes, columns the predicted ones.
local M = {}

local function ratio(a, b) return b > 0 and a / b or 0.0 end

--- Per class and averaged: { classes = { { precision, recall, f1, support }, ... }, macro = {...}, weighted = {...},
-- accuracy =, support =, absent = }. A ratio with nothing below the line is 0, as in the usual reports.
--   precision = right / predicted as this class      recall = right / actually this class      f1 = harmonic mean
-- The macro average is over the classes that occur, as actual or as predicted ones, as in scikit-learn; `absent` of
-- them do not. outside[i] (may be nil): samples of class i that were given none of the classes, an output of NaN for
-- one.
function M.classification(confusion, outside)
  local k, present = #confusion, 0
  local predicted, supports = {}, {}
  for j = 1, k do predicted[j], supports[j] = 0, outside and outside[j] or 0 end
  for i = 1, k do
    for j = 1, k do predicted[j], supports[i] = predicted[j] + confusion[i][j], supports[i] + confusion[i][j] end
  end
  for i = 1, k do
    if supports[i] > 0 or predicted[i] > 0 then present = present + 1 end
  end
  local names, right, total = { "precision", "recall", "f1" }, 0, 0
  local report = { classes = {}, macro = { precision = 0.0, recall = 0.0, f1 = 0.0 },
    weighted = { precision = 0.0, recall = 0.0, f1 = 0.0 },
    absent = k - present }
  for i = 1, k do
    local hit, support = confusion[i][i], supports[i]
    local precision, recall = ratio(hit, predicted[i]), ratio(hit, support)
    local class = { precision = precision, recall = recall, f1 = ratio(2 * precision * recall, precision + recall),
      support = support }
    report.classes[i] = class
    right, total = right + hit, total + support
    for _, name in ipairs(names) do
      report.macro[name] = report.macro[name] + ratio(class[name], present)
      report.weighted[name] = report.weighted[name] + class[name] * support
    end
  end
  for _, name in ipairs(names) do report.weighted[name] = ratio(report.weighted[name], total) end
  report.accuracy, report.support = ratio(right, total), total
  report.macro.support, report.weighted.support = total, total
  return report
end

-- Metrics that a script may name in `metrics = { ... }`; each is given the result of an evaluation
-- { loss, accuracy, error, correct, count, confusion } and returns a number.
M.named = {}

--- Names of the metrics that always are in the history, then of those that can be asked for.
M.standard, M.more = { "loss", "accuracy", "error" }, {}
--- Of targets that are values: mean absolute error, root mean squared error, and R2, the share of their variance that
--- is explained (of all outputs together, each about its own mean: scikit-learn's "variance_weighted").
M.of_values = { "loss", "mae", "rmse", "r2" }

--- Which values of a metric are better: "min" or "max".
M.better = { loss = "min", error = "min", accuracy = "max", mae = "min", rmse = "min", r2 = "max" }

for _, average in ipairs { "macro", "weighted" } do
  for _, name in ipairs { "precision", "recall", "f1" } do
    local full = average .. "_" .. name
    M.more[#M.more + 1], M.better[full] = full, "max"
    M.named[full] = function(result) return M.classification(result.confusion, result.outside)[average][name] end
  end
end

local function without_split(column)
  return column:match "^train_(.*)$" or column:match "^val_(.*)$" or column:match "^test_(.*)$"
end

--- Is the column a share from 0 to 1, shown in percent? A metric of the user's is shown as it was returned: a
--- max_error may be 12.5.
function M.is_share(column)
  local metric = without_split(column)
  return metric == "accuracy" or metric == "error" or M.named[metric] ~= nil
end

--- Is this a column that a history may have: "train_loss", "val_macro_f1"?
function M.is_column(name)
  local metric = without_split(name)
  for _, list in ipairs { M.standard, M.of_values, M.more } do
    for _, known in ipairs(list) do
      if known == metric then return true end
    end
  end
  return name == "epoch" or name == "step" or name == "lr" or name == "seconds" or name == "skipped"
end

--- Pairs of images most often confused: { { actual =, predicted =, count = }, ... }, classes counted from 1.
function M.confused(confusion, most)
  local list = {}
  for i, row in ipairs(confusion) do
    for j, n in ipairs(row) do
      if i ~= j and n > 0 then list[#list + 1] = { actual = i, predicted = j, count = n } end
    end
  end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if a.actual ~= b.actual then return a.actual < b.actual end
    return a.predicted < b.predicted
  end)
  return table.move(list, 1, math.min(most or #list, #list), 1, {})
end

--- The verdict on a test error: "beats" below the documented one, "meets" equal to it or at most one binomial standard
-- deviation of the document's own single run above it, else "misses".
--   std = sqrt(e (1 - e) / count)
function M.verdict(measured, documented, count)
  if measured < documented - 1e-9 then return "beats" end   -- 1 - 0.969 is a little more than 0.031
  local std = math.sqrt(documented * (1 - documented) / (count or 10000))
  return measured <= documented + std and "meets" or "misses"
end

return M
