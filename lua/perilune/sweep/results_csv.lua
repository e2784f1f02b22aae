--- sweep.csv: a line a trial, with its arguments and the numbers of its result; of a trial that has not ended, those of
--- its last epoch (the column `state` tells).
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local outcome = require "perilune.sweep.outcome"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local common = { trial = true, seed = true, state = true, epochs = true, message = true }
local no_result = { epoch = true, epochs = true, step = true, lr = true, seed = true, best_epoch = true, created = true,
  when = true }

-- The results of a trial by name.
local function results_of(item)
  local found, run = {}, item.run
  for _, name in ipairs(run and run:values() or {}) do
    if not no_result[name] and run.arguments[name] == nil then found[name] = run:value(name) end
  end
  for name, value in pairs(not run and item.status.row or {}) do
    if not no_result[name] then found[name] = value end
  end
  for name, value in pairs(found) do
    if not math.type(value) then found[name] = nil end
  end
  return found
end

--- Writes it into the folder of the plan; true, or nil and a message.
function M.write(plan, items)
  local results, all, rows = {}, {}, {}
  for i, item in ipairs(items) do
    results[i] = results_of(item)
    for name in pairs(results[i]) do all[name] = true end
  end
  local arguments, titles = outcome.arguments(items), {}
  for i, name in ipairs(arguments) do titles[i] = (common[name] or all[name]) and "arg." .. name or name end
  for i, item in ipairs(items) do
    local t, row = item.trial, results[i]
    row.trial, row.seed, row.state, row.message = t.name, t.seed, item.status.state, item.status.message
    row.epochs = item.status.epoch
    for n, name in ipairs(arguments) do row[titles[n]] = outcome.argument(item, name) end
    rows[i] = row
  end
  local columns = { "trial" }
  for _, list in ipairs { titles, { "seed", "state", "epochs" }, sorted_keys(all), { "message" } } do
    table.move(list, 1, #list, #columns + 1, columns)
  end
  return core.store.write_text(plan.folder .. "/sweep.csv", csv.encode(columns, rows))
end

return M
