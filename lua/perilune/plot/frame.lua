--- The frame of a chart: title, axes with ticks, grid, legend. Charts draw into `plot`, a rectangle in it.
local display = require "perilune.plot.display"

local M = {}

local SIZE = 12

local function longest(ticks)
  local width = 0
  for _, tick in ipairs(ticks) do width = math.max(width, display.text_width(tick.label, SIZE)) end
  return width
end

-- The entries of a legend in rows that fit the width: { { entry, x } ... } a row.
local function legend_rows(entries, width)
  local rows, row, x = {}, {}, 0
  for _, entry in ipairs(entries) do
    local name = display.fit(entry.name, width - 26, SIZE)
    local w = 24 + display.text_width(name, SIZE) + 14
    if x + w > width and #row > 0 then
      rows[#rows + 1] = row
      row, x = {}, 0
    end
    row[#row + 1] = { entry = entry, name = name, x = x }
    x = x + w
  end
  if #row > 0 then rows[#rows + 1] = row end
  return rows
end

local function draw_legend(d, rows, x0, y0)
  for r, row in ipairs(rows) do
    local y = y0 + (r - 1) * 17
    for _, cell in ipairs(row) do
      local e, x = cell.entry, x0 + cell.x
      if e.points then d:add("circle", { x = x + 9, y = y - 4, r = 3.5, fill = e.colour })
      else d:line({ x, y - 4, x + 18, y - 4 }, { stroke = e.colour, width = 2.2, dash = e.dash }) end
      d:text(x + 24, y, cell.name, { size = SIZE })
    end
  end
end

--- The text of an axis' label with its unit.
local function title_of(axis) return axis.label end

--- Begins a chart. options: width, height, title, x and y = { label, scale }, legend = { { name, colour, dash } ... }.
-- Returns the display and the plot's rectangle { x, y, w, h }.
function M.new(options)
  local width, height = options.width or 480, options.height or 300
  local d = display.new(width, height)
  local top = 8
  if options.title then
    d:text(4, 17, display.fit(options.title, width - 8, 14), { size = 14, bold = true })
    top = 28
  end
  local rows = legend_rows(options.legend or {}, width - 12)
  if #rows > 0 then
    draw_legend(d, rows, 6, top + 12)
    top = top + 17 * #rows + 4
  end
  local left = 12 + longest(options.y.scale.ticks) + (title_of(options.y) and 18 or 0)
  local bottom = 22 + (title_of(options.x) and 18 or 0)
  local plot = { x = left, y = top + 6, w = width - left - 16, h = height - top - 6 - bottom }
  for _, tick in ipairs(options.y.scale.ticks) do
    local y = plot.y + plot.h * (1 - options.y.scale:at(tick.value))
    d:line({ plot.x, y, plot.x + plot.w, y }, { stroke = "grid", width = 1 })
    d:text(plot.x - 6, y + 4, tick.label, { size = SIZE, anchor = "end", fill = "muted" })
  end
  local last = -math.huge
  for _, tick in ipairs(options.x.scale.ticks) do
    local x = plot.x + plot.w * options.x.scale:at(tick.value)
    local half = display.text_width(tick.label, SIZE) / 2
    d:line({ x, plot.y + plot.h, x, plot.y + plot.h + 4 }, { stroke = "muted", width = 1 })
    if x - half > last + 4 and x + half <= width then      -- a label that would run into the last one is left out
      d:text(x, plot.y + plot.h + 17, tick.label, { size = SIZE, anchor = "middle", fill = "muted" })
      last = x + half
    end
  end
  d:line({ plot.x, plot.y, plot.x, plot.y + plot.h, plot.x + plot.w, plot.y + plot.h }, { stroke = "muted", width = 1 })
  if title_of(options.x) then
    d:text(plot.x + plot.w / 2, height - 6, options.x.label, { size = SIZE, anchor = "middle" })
  end
  if title_of(options.y) then
    d:text(14, plot.y + plot.h / 2, options.y.label, { size = SIZE, anchor = "middle", turn = -90 })
  end
  return d, plot
end

--- A line of small text in the middle of a plot: why it is empty.
function M.empty(d, plot, why)
  d:text(plot.x + plot.w / 2, plot.y + plot.h / 2, display.fit(why, plot.w, SIZE),
    { size = SIZE, anchor = "middle", fill = "muted" })
end

return M
