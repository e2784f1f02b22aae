--- Small figures in the terminal: sparklines, bars of a histogram, heat maps.
local styles = require "perilune.terminal.style"
local text = require "perilune.base.format"

local M = {}

local LEVELS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local EIGHTHS = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }
local ASCII = { "_", ".", "-", "~", "=", "+", "*", "#" }

--- A list of numbers as one letter each, at most `width` of the last ones; log: by orders of magnitude. A gap is a
-- space.
function M.spark(values, width, utf, log)
  local n = values.n or #values
  local first = math.max(1, n - width + 1)
  local low, high
  local function of(v)
    if not v or v ~= v or math.abs(v) == math.huge or (log and v <= 0) then return nil end
    return log and math.log(v) or v
  end
  for i = first, n do
    local v = of(values[i])
    if v then low, high = math.min(low or v, v), math.max(high or v, v) end
  end
  local letters, out = utf and LEVELS or ASCII, {}
  for i = first, n do
    local v = of(values[i])
    out[#out + 1] = not v and " " or letters[high > low and 1 + math.floor((v - low) / (high - low) * 7 + 0.5) or 4]
  end
  return table.concat(out)
end

-- A bar of `length` cells.
local function bar_of(length, style)
  if not style.utf8 then return ("#"):rep(math.floor(length + 0.5)) end
  local eighths = math.floor(length * 8 + 0.5)
  return ("█"):rep(eighths // 8) .. (EIGHTHS[eighths % 8] or "")
end

local function with_title(title, style, width)
  return title and { style.paint(text.clip(styles.clean(title, style.utf8), width), "bold") } or {}
end

--- The lines of bars { { label, value } ... }, one line each, as long as the values are large; one that is not finite
--- has none.
function M.bars(bars, style, options)
  local width = options and options.width or style.width
  local lines = with_title(options and options.title, style, width)
  if #bars == 0 then lines[#lines + 1] = "no values" end
  local labels, values, most, wide, digits = {}, {}, 0.0, 0, 0
  for i, bar in ipairs(bars) do
    labels[i] = text.clip(styles.clean(bar.label, style.utf8), width // 3)
    values[i] = text.number(bar.value + 0.0)
    wide, digits = math.max(wide, text.width(labels[i])), math.max(digits, #values[i])
    if bar.value - bar.value == 0 then most = math.max(most, math.abs(bar.value)) end
  end
  local room = math.max(4, width - wide - digits - 4)
  for i, bar in ipairs(bars) do
    local share = most > 0 and math.abs(bar.value) / most or 0
    local drawn = bar.value - bar.value == 0 and bar_of(share * room, style) or ""
    lines[#lines + 1] = (style.paint(text.pad(labels[i], wide, "right"), "dim") .. " "
      .. style.paint(text.pad(values[i], digits, "right"), "dim") .. " "
      .. style.paint256(drawn, styles.series[1])):gsub(" +$", "")
  end
  return lines
end

--- The lines of a histogram { counts, low, high }: one line a bin; one line where all values are the same.
function M.histogram(h, style, options)
  options = options or {}
  local most, total = 0, 0
  for _, n in ipairs(h.counts) do most, total = math.max(most, n), total + n end
  local lines, starts, wide = with_title(options.title, style, options.width or style.width), {}, 0
  local step = (h.high - h.low) / math.max(1, #h.counts)
  for i = 1, h.high > h.low and #h.counts or 1 do starts[i] = h.low + step * (i - 1) end
  local labels = text.apart(starts)
  for _, label in ipairs(labels) do wide = math.max(wide, #label) end
  local counts = #text.count(most)
  local room = math.max(4, (options.width or style.width) - wide - counts - 4)
  if total == 0 then
    lines[#lines + 1] = "no values"
    return lines
  end
  for i, label in ipairs(labels) do
    local n = h.counts[i]
    local bar = bar_of(n / most * room, style)
    if n > 0 and bar == "" then bar = style.utf8 and "▏" or "." end
    lines[#lines + 1] = (style.paint(text.pad(label, wide, "right"), "dim") .. " "
      .. style.paint(text.pad(text.count(n), counts, "right"), "dim")
      .. " " .. style.paint256(bar, styles.series[1])):gsub(" +$", "")
  end
  return lines
end

--- Shades of a value in [0, 1]: the 256 colours, or letters of growing darkness.
local SHADES = { " ", "░", "▒", "▓", "█" }
local SIGNS = { " ", ".", ":", "#", "@" }

-- So many characters of the shade.
local function cell(share, style, size)
  if style.colour then
    -- from black to the first series' blue, through the cube's blues
    local ramp = { 16, 17, 18, 19, 25, 26, 32, 38, 74, 117 }
    return ("\27[48;5;%dm%s\27[0m"):format(ramp[1 + math.floor(share * (#ramp - 1) + 0.5)], (" "):rep(size))
  end
  local set = style.utf8 and SHADES or SIGNS
  return set[share > 0 and math.max(2, 1 + math.floor(share * (#set - 1) + 0.5)) or 1]:rep(size)
end

--- The least and the largest finite value of a matrix; inf, -inf where there is none.
function M.range(matrix)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(matrix) do
    for _, v in ipairs(row) do
      if v - v == 0 then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  return low, high
end

local WIDEST = 8      -- a cell under a name

--- The lines of a heat map of a matrix: cells by their share of the row's sum (a confusion matrix), or by = "range";
--- the square root lifts small shares. labels: of the classes, else counted from 0; or options.rows and
--- options.columns, else counted from 1. Of a matrix wider than the terminal squares of cells are one: their sum, or
--- mean by range.
function M.heat(matrix, labels, style, options)
  options = options or {}
  local n, m = #matrix, matrix[1] and #matrix[1] or 0
  local width, by_range = style.width, options.by == "range"
  local lines = with_title(options.title, style, width)
  if n == 0 or m == 0 then
    lines[#lines + 1] = "no values"
    return lines
  end
  local function label(i, of)
    return styles.clean(of and of[i] ~= nil and tostring(of[i]) or tostring(by_range and i or i - 1), style.utf8)
  end
  local rows, columns = options.rows or labels, options.columns or labels
  local low, high = M.range(matrix)
  local function strength(v, sum, count)
    if not by_range then return sum > 0 and math.sqrt(math.max(0, v / sum)) or 0 end
    local mean = v / count
    if mean ~= mean then return 0 end
    local share = high > low and (mean - low) / (high - low) or 0.5
    return 0.06 + 0.94 * math.sqrt(math.max(0, math.min(1, share)))
  end
  local wide = 0
  for i = 1, n do wide = math.max(wide, text.width(label(i, rows))) end
  wide = math.min(wide, width // 3)
  local factor = 1
  while factor < m and math.ceil(m / factor) * 2 > width - wide - 1 do factor = factor + 1 end
  local size = 2      -- of a cell
  if factor == 1 then
    local head, widest = {}, 0
    for j = 1, m do widest = math.max(widest, text.width(label(j, columns))) end
    size = math.max(size, math.min(widest + 1, WIDEST, (width - wide - 1) // m))
    local letters = (size > 2 or columns) and size - 1 or size      -- names have a gap between them
    for j = 1, m do head[j] = text.pad(text.clip(label(j, columns), letters), size, "right") end
    lines[#lines + 1] = (style.paint((" "):rep(wide + 1) .. table.concat(head), "dim")):gsub(" +$", "")
  end
  for i = 1, n, factor do
    local sums, counts, sum = {}, {}, 0
    for r = i, math.min(n, i + factor - 1) do
      for j, v in ipairs(matrix[r]) do
        local k = (j - 1) // factor + 1
        if v == v then
          sums[k], counts[k] = (sums[k] or 0) + v, (counts[k] or 0) + 1
          sum = sum + v
        end
      end
    end
    local out = {}
    for k = 1, math.ceil(m / factor) do out[k] = cell(strength(sums[k] or 0, sum, counts[k] or 0), style, size) end
    local name = text.pad(text.clip(label(i, rows), wide), wide, "right")
    lines[#lines + 1] = (style.paint(name, "dim") .. " " .. table.concat(out)):gsub(" +$", "")
  end
  return lines
end

return M
