--- The progression on one screen: what each model added, its documented and its measured error, and where they lie on
--- a logarithmic axis.
local text = require "perilune.base.format"
local verdict = require "perilune.reproduce.verdict"

local M = {}

-- Positions of errors between the smallest and the largest, 1 to width.
local function axis(errors, width)
  local low, high = math.huge, 0
  for _, x in ipairs(errors) do
    if x > 0 then low, high = math.min(low, x), math.max(high, x) end
  end
  local span = math.log(high) - math.log(low)
  return function(x)
    if x <= 0 then return 1 end
    return 1 + math.floor((width - 1) * (span > 0 and (math.log(x) - math.log(low)) / span or 0) + 0.5)
  end
end

-- A line of the axis with the documented error and ours on it; both in one place: ours.
local function marks(place, width, documented, measured, signs)
  local cells = {}
  for i = 1, width do cells[i] = " " end
  local last = math.max(documented and place(documented) or 1, measured and place(measured) or 1)
  for i = 1, last - 1 do cells[i] = signs.line end
  if documented then cells[place(documented)] = signs.documented end
  if measured then cells[place(measured)] = signs.measured end
  return table.concat(cells, "", 1, last)
end

--- Lines for the rows of a family that are no variants.
function M.lines(list, by_row, term)
  local signs = { line = ".", documented = "o", measured = "x" }
  if term.utf8 then signs = { line = "·", documented = "○", measured = "●" } end
  local kept, errors = {}, {}
  for _, row in ipairs(list) do
    if not row.variant then
      local v = verdict.of(row, by_row[row.name])
      kept[#kept + 1] = { row = row, v = v }
      if row.error then errors[#errors + 1] = row.error end
      if v then errors[#errors + 1] = v.error.mean end
    end
  end
  local width = math.max(12, math.min(44, (term.width or 100) - 62))
  local place, rows = axis(errors, width), {}
  for i, item in ipairs(kept) do
    local row, v = item.row, item.v
    rows[i] = { row.id, row.idea, row.error and ("%.2f"):format(100 * row.error) or "-",
      v and ("%.2f"):format(100 * v.error.mean) or "", v and (v.verdict or "-") or "missing",
      marks(place, width, row.error, v and v.error.mean, signs) }
    rows[i].style = not v and "dim" or v.verdict == "misses" and "yellow" or nil
  end
  local heading = ("%s documented, %s measured (logarithmic)"):format(signs.documented, signs.measured)
  local lines = text.columns({ { "row" }, { "what it adds", need = 1 }, { "doc. %", align = "right" },
    { "mean %", align = "right" }, { "verdict" }, { heading } }, rows, "  ", term.paint, term.width)
  lines[#lines + 1] = ""
  return lines
end

return M
