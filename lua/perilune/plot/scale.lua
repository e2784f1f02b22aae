--- Scales of axes: a range of values, mapped to [0, 1], with ticks at round values.
--
--   linear   position = (v - low) / (high - low)           ticks at multiples of 1, 2 or 5 times a power of ten
--   log      position = log(v / low) / log(high / low)     ticks at powers of ten; at 2 and 5 times these where
-- there are few
--
-- Values that are not finite have no position, nor have those at or below 0 on a logarithmic axis.
local format = require "perilune.base.format"

local M = {}

local LARGEST = 1e280

local Scale = {}
Scale.__index = Scale

local function finite(v) return v == v and v ~= math.huge and v ~= -math.huge end

--- Least and largest of the values that have a position; nil when none has. `lists`: lists of values, nil among them.
function M.range(lists, log)
  local low, high
  for _, list in ipairs(lists) do
    for i = 1, list.n or #list do
      local v = list[i]
      if v and finite(v) and not (log and v <= 0) then
        if not low or v < low then low = v end
        if not high or v > high then high = v end
      end
    end
  end
  return low, high
end

local function nice_step(width, count)
  local raw = width / count
  local power = 10.0 ^ math.floor(math.log(raw, 10))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * 0.999999 then return factor * power end
  end
  return 10 * power
end

local function exponent(v) return v == 0 and 0 or math.floor(math.log(math.abs(v), 10) + 1e-9) end

--- A tick's value as text, exact to `step`: "0.25", "1,500", "20k", "3M", "5e-06". unit = "percent": "2.5 %".
function M.label(v, step, unit)
  if unit == "percent" then v, step = v * 100, step * 100 end
  if math.abs(v) < step * 1e-6 then return unit == "percent" and "0 %" or "0" end
  local largest, suffix = math.abs(v), ""
  local text
  if largest >= 1e15 or (v ~= 0 and largest < 1e-4) then
    local digits = math.max(0, math.min(15, exponent(v) - exponent(step)))
    text = (("%%.%de"):format(digits)):format(v):gsub("e([+-])0?(%d)", "e%1%2"):gsub("e%+", "e")
  else
    if step >= 1e9 or (largest >= 1e10 and step >= 1e8) then v, step, suffix = v / 1e9, step / 1e9, "G"
    elseif step >= 1e6 or (largest >= 1e7 and step >= 1e5) then v, step, suffix = v / 1e6, step / 1e6, "M"
    elseif step >= 1e3 and largest >= 1e4 then v, step, suffix = v / 1e3, step / 1e3, "k" end
    local digits = math.max(0, math.min(15, -exponent(step)))
    -- 0.25 has a digit more than the power of ten of its step says
    while digits < 12 and math.abs(step * 10 ^ digits - math.floor(step * 10 ^ digits + 0.5)) > 1e-6 do
      digits = digits + 1
    end
    text = (("%%.%df"):format(digits)):format(v)
    if suffix == "" and not text:find("%.") then text = format.count(tonumber(text)) end
  end
  return text .. suffix .. (unit == "percent" and " %" or "")
end

local linear_ticks
function linear_ticks(self, count, whole, unit)
  local step = nice_step(self.high - self.low, count)
  if whole then step = math.max(1.0, step) end
  local first, ticks = math.ceil(self.low / step - 1e-9), {}
  for k = first, first + 100 do
    local v = k * step
    if v > self.high + step * 1e-9 then break end
    ticks[#ticks + 1] = { value = v, label = M.label(v, step, unit) }
  end
  if #ticks < 2 and count < 20 then return linear_ticks(self, count + 1, whole, unit) end
  return ticks
end

local function log_ticks(self, count, unit)
  local first, last = math.ceil(math.log(self.low, 10) - 1e-9), math.floor(math.log(self.high, 10) + 1e-9)
  local ticks = {}
  local decades = last - first + 1
  if decades >= 2 then
    local factors = decades <= 2 and { 1, 2, 5 } or { 1 }
    local every = math.max(1, math.ceil(decades / count))
    for k = first - 1, last do
      for _, factor in ipairs(factors) do
        local v = factor * 10.0 ^ k
        if v >= self.low * (1 - 1e-9) and v <= self.high * (1 + 1e-9) and (k - first) % every == 0 then
          ticks[#ticks + 1] = { value = v, label = M.label(v, v, unit) }
        end
      end
    end
    return ticks
  end
  for k = first - 1, last do
    for _, factor in ipairs { 1, 2, 5 } do
      local v = factor * 10.0 ^ k
      if v >= self.low * (1 - 1e-9) and v <= self.high * (1 + 1e-9) then
        ticks[#ticks + 1] = { value = v, label = M.label(v, v, unit) }
      end
    end
  end
  return #ticks >= 2 and ticks or linear_ticks(self, count, false, unit)
end

--- A scale for values from `low` to `high` (nil: there are none). options: log, whole (ticks at whole numbers only),
--- unit, count (about so many ticks), pad (widens the range to round values; true unless false), zero (the range begins
--- at 0).
function M.new(low, high, options)
  options = options or {}
  local log = options.log
  if log and low and low <= 0 then error("a logarithmic scale begins above 0", 2) end
  local self = setmetatable({ log = log or false, empty = low == nil, unit = options.unit }, Scale)
  if low == nil then low, high = log and 0.1 or 0.0, 1.0 end
  local least = log and 1 / LARGEST or -LARGEST      -- room for margins
  low, high = math.max(least, math.min(low + 0.0, LARGEST)), math.max(least, math.min(high + 0.0, LARGEST))
  if options.zero and not log then low = math.min(low, 0.0) end
  if log then
    if high / low < 1.0001 then low, high = low / 2, high * 2
    elseif options.pad ~= false then
      local margin = math.exp((math.log(high) - math.log(low)) * 0.03)
      low, high = low / margin, high * margin
    end
  else
    -- a range that doubles cannot tell apart, or that overflows, is made one that they can
    local size = math.max(math.abs(low), math.abs(high))
    if high - low <= size * 1e-12 then
      local around = size > 0 and size * 0.1 or 0.5
      if options.whole then around = math.max(around, 0.5) end
      low, high = low - around, high + around
    elseif options.pad ~= false then
      local margin = (high / 2 - low / 2) * 0.08
      local touches_zero = low >= 0 and low - margin < 0
      low, high = touches_zero and 0.0 or low - margin, high + margin
    end
  end
  self.low, self.high = low, high
  local count = options.count or 5
  self.ticks = log and log_ticks(self, count, options.unit) or linear_ticks(self, count, options.whole, options.unit)
  return self
end

--- The position of a value: 0 at the low end, 1 at the high end; nil when it has none.
function Scale:at(v)
  if not v or not finite(v) then return nil end
  if not self.log then return (v - self.low) / (self.high - self.low) end
  if v <= 0 then return nil end
  return (math.log(v) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
end

return M
