--- Heat maps: a matrix as cells of one colour, the darker the larger the share of its row (a confusion matrix) or of
-- the range.
local display = require "perilune.plot.display"
local marks = require "perilune.terminal.marks"

local M = {}

local MOST = 40      -- rows or columns beyond which cells carry no numbers and no titles

local function label(labels, i) return labels and labels[i] ~= nil and tostring(labels[i]) or tostring(i) end

--- matrix: rows of numbers. options: title, rows and columns (labels), x and y (what the axes are), by = "row" (share
--- of the row's sum) or "range", width, format(value), confusion (all but the diagonal is wrong).
function M.draw(matrix, options)
  local n, m = #matrix, matrix[1] and #matrix[1] or 0
  local width = options.width or 480
  local names = 20
  for i = 1, n do names = math.max(names, math.min(110, display.text_width(label(options.rows, i), 12) + 8)) end
  local left = names + (options.y and 20 or 0)
  local top = (options.title and 28 or 6) + (options.x and 20 or 0) + 20
  local cell = m > 0 and math.min(46, (width - left - 8) / m) or 0
  local d = display.new(width, top + cell * n * (cell > 30 and 0.8 or 1) + 10)
  local high = cell > 30 and cell * 0.8 or cell
  if options.title then d:text(4, 17, display.fit(options.title, width - 8, 14), { size = 14, bold = true }) end
  if n == 0 or m == 0 then
    d.height = top + 20
    d:text(width / 2, top, "no values", { anchor = "middle", fill = "muted" })
    return d
  end
  if options.x then d:text(left + cell * m / 2, top - 24, options.x, { anchor = "middle", size = 12 }) end
  if options.y then d:text(14, top + high * n / 2, options.y, { anchor = "middle", size = 12, turn = -90 }) end
  local low, most = marks.range(matrix)
  local numbers = n <= MOST and m <= MOST and cell >= 18
  local every = math.max(1, math.ceil(14 / math.max(cell, 1)))
  for j = 1, m, every do
    d:text(left + cell * (j - 0.5), top - 6, display.fit(label(options.columns, j), math.max(cell * every, 14), 12),
      { anchor = "middle", size = 12, fill = "muted" })
  end
  for i, row in ipairs(matrix) do
    local sum, y = 0, top + high * (i - 1)
    for _, v in ipairs(row) do sum = sum + v end
    if (i - 1) % math.max(1, math.ceil(13 / math.max(high, 1))) == 0 then
      d:text(left - 6, y + high / 2 + 4, display.fit(label(options.rows, i), names, 12),
        { anchor = "end", size = 12, fill = "muted" })
    end
    for j, v in ipairs(row) do
      local share = options.by == "range" and (most > low and (v - low) / (most - low) or 0.5) or (sum > 0 and v / sum
        or 0)
      if share ~= share then share = 0 end
      -- few among many must be seen: the square root lifts small shares
      local strength = v == 0 and options.by ~= "range" and 0 or 0.06 + 0.94 * math.sqrt(math.max(0,
        math.min(1, share)))
      local wrong = options.by ~= "range" and i ~= j and (n == m or options.confusion)
      local text = options.format and options.format(v) or (math.tointeger(v) and ("%d"):format(math.tointeger(v))
        or v ~= v and "nan" or ("%.3g"):format(v))
      d:rect(left + cell * (j - 1), y, cell - 1, high - 1, { fill = strength > 0 and (wrong and "c2" or "c1")
        or "block",
        opacity = strength > 0 and strength or nil, round = cell > 12 and 2 or nil,
        title = n * m <= 2500 and ("%s, %s: %s"):format(label(options.rows, i), label(options.columns, j), text)
          or nil })
      if numbers and (v ~= 0 or options.by == "range") then
        d:text(left + cell * (j - 0.5) - 0.5, y + high / 2 + 4, text, { anchor = "middle", size = math.min(12,
          cell / (#text * 0.6 + 0.4)),
          fill = strength > 0.6 and "on" or "ink" })
      end
    end
  end
  return d
end

return M
