--- Figures of rows: a family's documented and measured errors side by side; the curves of a row's runs that lie here.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local verdict = require "perilune.reproduce.verdict"

local M = {}

--- The errors of rows that are no variants, documented and measured (with a band from the lowest to the highest seed).
function M.family(list, by_row, title)
  local documented = { name = "documented", x = {}, y = {} }
  local measured = { name = "measured, lowest to highest seed", x = {}, y = {}, low = {}, high = {} }
  local first, last, row_index = nil, nil, 0
  for _, row in ipairs(list) do
    if not row.variant then
      row_index = row_index + 1
      first, last = first or row.id, row.id
      local v = verdict.of(row, by_row[row.name])
      if row.error then documented.x[#documented.x + 1], documented.y[#documented.y + 1] = row_index, row.error end
      if v then
        local n = #measured.x + 1
        measured.x[n], measured.y[n] = row_index, v.error.mean
        measured.low[n], measured.high[n] = v.error.min, v.error.max
      end
    end
  end
  local fields = { kind = "points", title = title, x = ("%s to %s"):format(first, last), y = "test error", log = true,
    percent = true }
  for _, series in ipairs { documented, measured } do
    if #series.x > 0 then fields[#fields + 1] = series end
  end
  return require "perilune".figure(fields)
end

-- The finished runs of rows that lie below a folder.
local function runs_of(list, task_of)
  local runs = {}
  for _, row in ipairs(list) do
    for seed = 1, row.seeds do
      local path = task_of(row, seed).folder
      if core.system.kind(path .. "/run.h5") == "file" then runs[#runs + 1] = require "perilune.run.runs".run(path) end
    end
  end
  return runs
end

--- Draws the curves of the rows' runs that lie here, in the terminal or (`out`) as a file. Without any, false.
function M.curves(list, task_of, out)
  local runs = runs_of(list, task_of)
  if #runs == 0 then
    if not out then return false end
    errors.fail(1, "reproduce: no run of these rows lies below runs/reproduce/, so there are no curves to draw")
  end
  local metric = runs[1].history.test_error and "test_error" or "train_loss"
  require "perilune".plot(runs, metric, { log = true, bands = #runs > 1, out = out })
  return true
end

return M
