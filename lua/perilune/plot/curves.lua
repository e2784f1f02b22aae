--- Curves over each other, with bands; and clouds of points. The display's `hover` says what a page shows under the
-- pointer.
local frame = require "perilune.plot.frame"
local palette = require "perilune.plot.palette"
local scale = require "perilune.plot.scale"
local thin = require "perilune.plot.thin"

local M = {}

local function whole(list)
  for i = 1, list.n or #list do
    local v = list[i]
    if v and v == v and v % 1 ~= 0 then return false end
  end
  return true
end

--- The scales of series: what of them can be seen on these axes. Also for the terminal.
function M.scales(series, x, y)
  local xs, ys, counts = {}, {}, true
  for _, s in ipairs(series) do
    -- an x where no y can be seen makes the axis no longer: only points that have both count
    local sx, sy = { n = 0 }, { n = 0 }
    for i = 1, s.n do
      local vx, vy = s.x[i], s.y[i]
      local seen = vy and vy == vy and vy ~= math.huge and vy ~= -math.huge and not (y.log and vy <= 0)
      if seen and vx and not (x.log and vx <= 0) then
        sx.n, sy.n = sx.n + 1, sy.n + 1
        sx[sx.n], sy[sy.n] = vx, vy
      end
    end
    xs[#xs + 1], ys[#ys + 1] = sx, sy
    if s.low then ys[#ys + 1] = s.low end
    if s.high then ys[#ys + 1] = s.high end
    counts = counts and whole(sx)
  end
  local low_x, high_x = scale.range(xs, x.log)
  local low_y, high_y = scale.range(ys, y.log)
  if y.from and not (y.log and y.from <= 0) then low_y = y.from end
  if y.to then high_y = y.to end
  if low_y and high_y and low_y > high_y then low_y, high_y = high_y, low_y end
  local sx = scale.new(low_x, high_x, { log = x.log, unit = x.unit, whole = counts, pad = x.pad or false,
    count = x.count or 6 })
  local sy = scale.new(low_y, high_y, { log = y.log, unit = y.unit, count = y.count or 5, pad = not (y.from and y.to) })
  return sx, sy
end

-- The unbroken parts of a series as lists of x1, y1, x2, y2, ...
local function parts(s, ys, sx, sy, plot)
  local list, part = {}, nil
  for i = 1, s.n do
    local x, y = sx:at(s.x[i]), sy:at(ys[i])
    if x and y then
      if not part then
        part = {}
        list[#list + 1] = part
      end
      part[#part + 1] = plot.x + plot.w * x
      part[#part + 1] = plot.y + plot.h * (1 - y)
    else part = nil end
  end
  return list
end

local function draw_band(items, s, sx, sy, plot, colour)
  local shape = {}
  local function flush()
    if #shape < 1 then return end
    local points = {}
    for _, p in ipairs(shape) do
      points[#points + 1] = p[1]
      points[#points + 1] = p[2]
    end
    for i = #shape, 1, -1 do
      points[#points + 1] = shape[i][1]
      points[#points + 1] = shape[i][3]
    end
    items[#items + 1] = { kind = "area", points = points, fill = colour, opacity = 0.18 }
    shape = {}
  end
  for i = 1, s.n do
    local x, low, high = sx:at(s.x[i]), sy:at(s.low[i]), sy:at(s.high[i])
    if x and high then
      shape[#shape + 1] = { plot.x + plot.w * x, plot.y + plot.h * (1 - high), plot.y + plot.h * (1 - (low or 0)) }
    else flush() end
  end
  flush()
end

local function draw_series(items, s, sx, sy, plot)
  for _, points in ipairs(parts(s, s.y, sx, sy, plot)) do
    if s.points or #points == 2 then
      for i = 1, #points, 2 do
        items[#items + 1] = { kind = "circle", x = points[i], y = points[i + 1], r = 3, fill = s.colour }
      end
    end
    if not s.points and #points > 2 then
      items[#items + 1] = { kind = "line", points = points, stroke = s.colour, width = 1.8, dash = s.dash }
    end
  end
end

--- series: as plot/series.lua makes them; options: width, height, title, x and y = { label, log, unit, from, to },
-- legend (false:
-- none), empty (what an empty plot says). Returns a display.
function M.draw(series, options)
  local x, y = options.x or {}, options.y or {}
  local sx, sy = M.scales(series, x, y)
  local drawn, legend = {}, {}
  for i, s in ipairs(series) do
    local thinned = thin.series(s, 240)
    local copy = {}
    for key, value in pairs(thinned) do copy[key] = value end
    if not copy.colour then copy.colour, copy.dash = palette.of(i) end
    drawn[i] = copy
    if copy.name then legend[#legend + 1] = copy end
  end
  local show_legend = options.legend ~= false and (#legend > 1 or (#legend == 1 and options.legend))
  local d, plot = frame.new { width = options.width, height = options.height, title = options.title,
    x = { label = x.label, scale = sx },
    y = { label = y.label, scale = sy }, legend = show_legend and legend or nil }
  if sy.empty then
    frame.empty(d, plot, options.empty or (y.log and "no values above 0" or "no values"))
    return d
  end
  local items = {}
  for _, s in ipairs(drawn) do
    if s.low and s.high then draw_band(items, s, sx, sy, plot, s.colour) end
  end
  for _, s in ipairs(drawn) do draw_series(items, s, sx, sy, plot) end
  for _, s in ipairs(drawn) do
    local m = s.mark
    local mx, my = m and sx:at(m.x), m and sy:at(m.y)
    if mx and my then
      items[#items + 1] = { kind = "circle", x = plot.x + plot.w * mx, y = plot.y + plot.h * (1 - my), r = 4.5,
        fill = "paper", stroke = s.colour,
        width = 2, title = m.label }
    end
  end
  d:group(items, 0, 0, { plot.x - 5, plot.y - 5, plot.w + 10, plot.h + 10 })
  d.hover = { plot = plot, x = sx, y = sy, series = drawn, x_label = x.label, y_unit = y.unit }
  return d
end

return M
