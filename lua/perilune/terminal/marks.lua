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

--- The lines of a histogram { counts, low, high }: one line a bin.
function M.histogram(h, style, options)
  options = options or {}
  local most, total = 0, 0
  for _, n in ipairs(h.counts) do most, total = math.max(most, n), total + n end
  local lines, labels, wide = {}, {}, 0
  local step = (h.high - h.low) / math.max(1, #h.counts)
  for i = 1, #h.counts do
    labels[i] = ("%.4g"):format(h.low + step * (i - 1))
    wide = math.max(wide, #labels[i])
  end
  local counts = #text.count(most)
  local room = math.max(4, (options.width or style.width) - wide - counts - 4)
  if options.title then
    lines[1] = style.paint(text.clip(styles.clean(options.title, style.utf8), options.width or style.width), "bold")
  end
  if total == 0 then
    lines[#lines + 1] = "no values"
    return lines
  end
  for i, n in ipairs(h.counts) do
    local length = n / most * room
    local bar
    if style.utf8 then
      local eighths = math.floor(length * 8 + 0.5)
      bar = ("█"):rep(eighths // 8) .. (EIGHTHS[eighths % 8] or "")
    else bar = ("#"):rep(math.floor(length + 0.5)) end
    if n > 0 and bar == "" then bar = style.utf8 and "▏" or "." end
    lines[#lines + 1] = (style.paint(text.pad(labels[i], wide, "right"), "dim") .. " "
      .. style.paint(text.pad(text.count(n), counts, "right"), "dim")
      .. " " .. style.paint256(bar, styles.series[1])):gsub(" +$", "")
  end
  return lines
end

--- Shades of a value in [0, 1], two characters wide: 24 greys of the 256 colours, or letters of growing darkness.
local SHADES = { "  ", "░░", "▒▒", "▓▓", "██" }
local SIGNS = { "  ", "..", "::", "##", "@@" }

local function cell(share, style)
  if style.colour then
    -- from black to the first series' blue, through the cube's blues
    local ramp = { 16, 17, 18, 19, 25, 26, 32, 38, 74, 117 }
    return ("\27[48;5;%dm  \27[0m"):format(ramp[1 + math.floor(share * (#ramp - 1) + 0.5)])
  end
  local set = style.utf8 and SHADES or SIGNS
  return set[share > 0 and math.max(2, 1 + math.floor(share * (#set - 1) + 0.5)) or 1]
end

--- The lines of a heat map of a matrix: rows by their share of the row's sum, lifted by the square root. labels of rows
--- and columns. A matrix wider than the terminal is summed over squares of cells first.
function M.heat(matrix, labels, style, width)
  local n, m = #matrix, matrix[1] and #matrix[1] or 0
  if n == 0 or m == 0 then return { "no values" } end
  width = width or style.width
  local function label(i) return styles.clean(labels and labels[i] ~= nil and tostring(labels[i]) or tostring(i - 1),
    style.utf8) end
  local wide = 0
  for i = 1, n do wide = math.max(wide, text.width(label(i))) end
  wide = math.min(wide, width // 3)
  local factor = 1
  while factor < m and math.ceil(m / factor) * 2 > width - wide - 1 do factor = factor + 1 end
  local lines = {}
  if factor == 1 then
    local head = {}
    for j = 1, m do head[j] = text.pad(text.clip(label(j), 2), 2, "right") end
    lines[1] = (style.paint((" "):rep(wide + 1) .. table.concat(head), "dim")):gsub(" +$", "")
  end
  for i = 1, n, factor do
    local sums, sum = {}, 0
    for r = i, math.min(n, i + factor - 1) do
      for j, v in ipairs(matrix[r]) do
        local k = (j - 1) // factor + 1
        if v == v then
          sums[k] = (sums[k] or 0) + v
          sum = sum + v
        end
      end
    end
    local out = {}
    for k = 1, math.ceil(m / factor) do
      out[k] = cell(sum > 0 and math.sqrt(math.max(0, (sums[k] or 0) / sum)) or 0, style)
    end
    local name = text.pad(text.clip(label(i), wide), wide, "right")
    lines[#lines + 1] = (style.paint(name, "dim") .. " " .. table.concat(out)):gsub(" +$", "")
  end
  return lines
end

return M
