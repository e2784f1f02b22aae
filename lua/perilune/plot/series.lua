--- Series of a plot: { name, n, x = {...}, y = {...}, low = {...}, high = {...} }, from whatever a caller has:
--- lists, columns of a history, tensors of one axis. low and high make a band.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"

local M = {}

--- Numbers as a list with `n`; nil stays nil (a gap). What a list lacks is a gap too.
function M.numbers(value, what)
  if core.tensor.is_tensor(value) then
    if value:dim() ~= 1 then errors.raise("%s takes a tensor of one axis, got %d", what, value:dim()) end
    local list = value:totable()
    list.n = #list
    return list
  end
  if type(value) ~= "table" then
    errors.raise("%s takes a list of numbers or a tensor of one axis, got %s", what, options.describe(value))
  end
  local list = { n = math.tointeger(rawget(value, "n")) or #value }
  for i = 1, list.n do
    local v = value[i]
    if v ~= nil and type(v) ~= "number" then
      errors.raise("%s: item %d is %s; a number is expected", what, i, options.describe(v))
    end
    list[i] = v
  end
  return list
end

--- A checked series; x counts from 1 unless given.
function M.new(given, what)
  local y = M.numbers(given.y, what .. ".y")
  local series = { name = given.name and tostring(given.name) or nil, n = y.n, y = y, colour = given.colour,
    dash = given.dash, mark = given.mark,
    points = given.points }
  if given.x then
    series.x = M.numbers(given.x, what .. ".x")
    if series.x.n ~= y.n then errors.raise("%s: x has %d values and y %d", what, series.x.n, y.n) end
  else
    series.x = { n = y.n }
    for i = 1, y.n do series.x[i] = i end
  end
  for _, name in ipairs { "low", "high" } do
    if given[name] then
      series[name] = M.numbers(given[name], what .. "." .. name)
      if series[name].n ~= y.n then errors.raise("%s: %s has %d values and y %d", what, name, series[name].n, y.n) end
    end
  end
  return series
end

--- A series of several: the mean of each x over those that have it, between the least and the largest value.
function M.band(list, name)
  local at, xs = {}, {}
  for _, series in ipairs(list) do
    for i = 1, series.n do
      local x, y = series.x[i], series.y[i]
      if x and y and y == y and y ~= math.huge and y ~= -math.huge then
        local cell = at[x]
        if not cell then
          cell = { sum = 0.0, n = 0, low = y, high = y }
          at[x] = cell
          xs[#xs + 1] = x
        end
        cell.sum, cell.n = cell.sum + y, cell.n + 1
        cell.low, cell.high = math.min(cell.low, y), math.max(cell.high, y)
      end
    end
  end
  table.sort(xs)
  local out = { name = name, n = #xs, x = xs, y = {}, low = {}, high = {} }
  for i, x in ipairs(xs) do
    local cell = at[x]
    out.y[i], out.low[i], out.high[i] = cell.sum / cell.n, cell.low, cell.high
  end
  return out
end

--- Is a logarithmic axis right for these series: all values positive, and over more than one order of magnitude?
function M.suits_log(list)
  local low, high
  for _, s in ipairs(list) do
    for i = 1, s.n do
      local v = s.y[i]
      if v and v == v then
        if v <= 0 then return false end
        low, high = math.min(low or v, v), math.max(high or v, v)
      end
    end
  end
  return low ~= nil and high / low > 20
end

return M
