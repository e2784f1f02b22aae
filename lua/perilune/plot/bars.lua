--- Bars: a histogram (counts between edges), or one bar a label.
local display = require "perilune.plot.display"
local frame = require "perilune.plot.frame"
local scale = require "perilune.plot.scale"
local text = require "perilune.base.format"

local M = {}

local function largest(values)
  local _, high = scale.range({ values })
  return high or 0
end

--- A histogram: counts[i] values lie between low + (i - 1) w and low + i w, w = (high - low) / #counts. options: as of
-- plot/curves.lua, and colour.
function M.histogram(h, options)
  local sx = scale.new(h.low, h.high, { pad = false, unit = options.x and options.x.unit, count = options.ticks or 6 })
  local sy = scale.new(0, math.max(1, largest(h.counts)), { zero = true, log = false, whole = true, count = 4 })
  local d, plot = frame.new { width = options.width, height = options.height, title = options.title,
    x = { label = options.x and options.x.label, scale = sx }, y = { label = options.y and options.y.label,
      scale = sy } }
  local n = #h.counts
  if n == 0 or largest(h.counts) == 0 then
    frame.empty(d, plot, "no values")
    return d
  end
  -- a range of no width is one bar in the middle
  for i, count in ipairs(h.counts) do
    if count > 0 then
      local from, to = sx:at(h.low + (h.high - h.low) * (i - 1) / n), sx:at(h.low + (h.high - h.low) * i / n)
      if to - from < 1e-9 then from, to = 0.45, 0.55 end
      local x, w, height = plot.x + plot.w * from, plot.w * (to - from), plot.h * sy:at(count)
      d:rect(x, plot.y + plot.h - height, math.max(0.6, w - (w > 3 and 0.6 or 0)), height, { fill = options.colour
        or "c1",
        title = ("%.4g to %.4g: %d"):format(h.low + (h.high - h.low) * (i - 1) / n, h.low + (h.high - h.low) * i / n,
          count) })
    end
  end
  return d
end

--- One horizontal bar a label. bars: { { label, value, title } ... }; values that are not finite have no bar.
--- `format` makes a value a text.
function M.labelled(bars, options)
  local width = options.width or 480
  local top = options.title and 30 or 6
  local d = display.new(width, top + #bars * 20 + 8)
  if options.title then d:text(4, 17, display.fit(options.title, width - 8, 14), { size = 14, bold = true }) end
  local most, names = 0.0, 40
  for _, bar in ipairs(bars) do
    if bar.value == bar.value and math.abs(bar.value) ~= math.huge then most = math.max(most, math.abs(bar.value)) end
    names = math.min(width * 0.45, math.max(names, display.text_width(bar.label, 12) + 8))
  end
  local room = width - names - 70
  for i, bar in ipairs(bars) do
    local y = top + (i - 1) * 20
    d:text(names - 6, y + 14, display.fit(bar.label, names - 8, 12), { size = 12, anchor = "end" })
    local share = most > 0 and math.abs(bar.value) / most or 0
    if share ~= share or share > 1 then share = 0 end
    d:rect(names, y + 3, room * share, 14, { fill = options.colour or "c1", title = bar.title })
    d:text(names + room * share + 6, y + 14, options.format and options.format(bar.value)
      or text.number(bar.value + 0.0), { size = 12, fill = "muted" })
  end
  return d
end

return M
