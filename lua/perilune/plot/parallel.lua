--- Parallel coordinates: one vertical axis a setting, the last one a metric; one line a run, the better the stronger.
local display = require "perilune.plot.display"
local scale = require "perilune.plot.scale"

local M = {}

-- A scale for values that are numbers, or words in order of appearance; false: a run has none.
local function axis_of(values, unit)
  local numbers, words, index = {}, {}, {}
  local all = true
  for _, v in ipairs(values) do
    if type(v) == "number" then numbers[#numbers + 1] = v elseif v then all = false end
    if v and not index[tostring(v)] then
      words[#words + 1] = tostring(v)
      index[tostring(v)] = #words
    end
  end
  if all and #numbers > 0 then
    local low, high = scale.range { numbers }
    -- settings such as learning rates span orders of magnitude
    local log = low and low > 0 and high / low >= 8
    local s = scale.new(low, high, { log = log, unit = unit, pad = low == high, count = 4 })
    return { at = function(v) return type(v) == "number" and s:at(v) or nil end, ticks = s.ticks, scale = s }
  end
  local ticks = {}
  local n = #words
  local function at(v)
    local i = v and index[tostring(v)]
    return i and (n == 1 and 0.5 or (i - 1) / (n - 1))
  end
  for i, word in ipairs(words) do ticks[i] = { label = word, value = word } end
  return { at = at, ticks = ticks, words = true }
end

M.axis = axis_of

--- axes: { { name, values = one a run (number, string or false), unit } ... }, the last one the metric, small is
-- good unless `largest`.
-- names: one a run. options: title, width, height.
function M.draw(axes, names, options)
  local width, height = options.width or 1000, options.height or 320
  local d = display.new(width, height)
  local top = options.title and 34 or 10
  if options.title then d:text(4, 17, options.title, { size = 14, bold = true }) end
  local left, right, bottom = 60, 70, height - 30
  local function x_of(a) return #axes == 1 and width / 2 or left + (width - left - right) * (a - 1) / (#axes - 1) end
  local made = {}
  for a, axis in ipairs(axes) do made[a] = axis_of(axis.values, axis.unit) end
  local order, metric = {}, axes[#axes].values
  for i = 1, #names do order[i] = i end
  local function worth(i)
    local at = made[#axes].at(metric[i])
    return at and (options.largest and 1 - at or at) or 2
  end
  table.sort(order, function(i, j)
    if worth(i) ~= worth(j) then return worth(i) > worth(j) end
    return i < j
  end)
  for rank, i in ipairs(order) do
    local points = {}
    for a, axis in ipairs(axes) do
      local at = axis.values[i] ~= false and made[a].at(axis.values[i])
      if at then
        points[#points + 1] = x_of(a)
        points[#points + 1] = bottom - (bottom - top - 16) * at
      end
    end
    local best = rank == #order
    if #points >= 4 then d:line(points, { stroke = best and "c2" or "c1", width = best and 3 or 1.3 }) end
  end
  for a, axis in ipairs(axes) do
    local x = x_of(a)
    d:line({ x, top + 16, x, bottom }, { stroke = "ink", width = 1 })
    d:text(x, bottom + 18, display.fit(axis.name, (width - left - right) / math.max(1, #axes - 1) - 6, 12),
      { anchor = "middle", size = 12, bold = true })
    for _, tick in ipairs(made[a].ticks) do
      local at = made[a].at(tick.value)
      if at then
        local y = bottom - (bottom - top - 16) * at
        d:line({ x - 4, y, x, y }, { stroke = "ink", width = 1 })
        d:text(x - 7, y + 4, display.fit(tick.label, 90, 11), { anchor = "end", size = 11, fill = "muted" })
      end
    end
  end
  return d
end

return M
