--- Text for people: numbers, durations, aligned columns, bars, colour.
local cells = require "perilune.base.cells"
local system = require "perilune.core".system

local M = {}

--- 12810 -> "12,810"
function M.count(n)
  local whole = math.floor(n + 0.5)
  if math.type(whole) ~= "integer" then return ("%.4g"):format(n) end      -- infinite, or beyond 2^63
  local digits = ("%d"):format(whole)
  local sign, body = digits:match "^(%-?)(%d+)$"
  body = body:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. body
end

--- 0.0097 -> "0.97 %"
function M.percent(x, digits)
  if x ~= x then return "nan" end
  return (("%%.%df %%%%"):format(digits or 2)):format(100 * x)
end

--- Numbers with 4 to 9 digits: as many as tell those that differ from the next.
function M.apart(values)
  for digits = 4, 9 do
    local texts, apart = {}, true
    for i, x in ipairs(values) do
      texts[i] = ("%%.%dg"):format(digits):format(x)
      apart = apart and (texts[i] ~= texts[i - 1] or x == values[i - 1])
    end
    if apart or digits == 9 then return texts end
  end
end

--- Four significant digits: 0.001, 0.07123, 1.53e-07; whole numbers as they are.
function M.number(x)
  if math.type(x) == "integer" then return tostring(x) end
  if x ~= x then return "nan" end
  return ("%.4g"):format(x)
end

--- Seconds -> "0.42 s", "8.1 s", "1:23", "2:03:11"
function M.duration(seconds)
  if seconds ~= seconds or seconds >= 1e8 then return "?" end
  if seconds < 1 then return ("%.2f s"):format(seconds) end
  if seconds < 59.95 then return ("%.1f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  local h, m, s = whole // 3600, whole // 60 % 60, whole % 60
  return h > 0 and ("%d:%02d:%02d"):format(h, m, s) or ("%d:%02d"):format(m, s)
end

--- Seconds left, to the second: "0:08", "12:40", "1:02:30"
function M.remaining(seconds)
  if seconds ~= seconds or seconds >= 1e8 then return "?" end
  local whole = math.ceil(seconds)
  local h, m, s = whole // 3600, whole // 60 % 60, whole % 60
  return h > 0 and ("%d:%02d:%02d"):format(h, m, s) or ("%d:%02d"):format(m, s)
end

--- Bytes -> "51.2 KB", "3.4 MB"
function M.bytes(n)
  local units, i = { "B", "KB", "MB", "GB", "TB" }, 1
  while n >= 1000 and i < #units do n, i = n / 1000, i + 1 end
  return i == 1 and ("%d B"):format(n) or (n < 10 and "%.2f %s" or n < 100 and "%.1f %s" or "%.0f %s"):format(n,
    units[i])
end

--- {28, 28, 1} -> "[28, 28, 1]"
function M.shape(shape)
  local sizes = {}
  for i, n in ipairs(shape) do sizes[i] = ("%d"):format(n) end
  return "[" .. table.concat(sizes, ", ") .. "]"
end

--- The name of a class among `labels` (nil: it has none), or its number, from 0.
function M.label(labels, class)
  local name = labels and labels[class + 1]
  return tostring(name == nil and class or name)
end

--- Width in cells of a terminal.
function M.width(s)
  if s:find "\27" then s = s:gsub("\27%[[%d;]*m", "") end      -- colours take no room
  return cells.width(s)
end

--- At most `width` cells of plain text.
function M.clip(s, width)
  return M.width(s) <= width and s or cells.head(s, width)
end

function M.pad(s, width, align)
  local space = (" "):rep(width - M.width(s))
  return align == "right" and space .. s or s .. space
end

--- A text of at most `width` cells; where it was cut, at its end or (`begins`) its beginning, two dots say so.
function M.cut(s, width, begins)
  if M.width(s) <= width then return s end
  local room, dots = math.max(width - 2, 0), (".."):sub(1, width)
  return begins and dots .. cells.tail(s, room) or M.clip(s, room) .. dots
end

-- How many bytes two texts have in common at their beginnings.
local function common(a, b)
  local n = 0
  while n < #a and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
  return n
end

--- Texts of at most `room` cells that differ where they are cut, too: of a long one goes first what it has in common
--- with another at its beginning, but for a few letters.
function M.cut_alike(values, room)
  local sorted, shared, list = {}, {}, {}
  for _, value in ipairs(values) do
    if not shared[value] then sorted[#sorted + 1], shared[value] = value, 0 end
  end
  table.sort(sorted)      -- the text with the longest common beginning is a neighbour
  for i = 2, #sorted do
    local a, b = sorted[i - 1], sorted[i]
    local n = common(a, b)
    shared[a], shared[b] = math.max(shared[a], n), n
  end
  local kept = math.min(8, room // 4)
  for i, value in ipairs(values) do
    local hidden = M.width(value:sub(1, shared[value])) > room - 2 - kept
    local from = M.width(value) > room and hidden and shared[value] - kept or 0
    while from > 0 and (value:byte(from + 1) or 0) & 0xC0 == 0x80 do from = from - 1 end      -- inside a character
    list[i] = M.cut(from > 0 and ".." .. value:sub(from + 1) or value, room)
  end
  return list
end

--- Words on lines of at most `width` (nil: one line); all but the first begin with `indent`. A word without room on any
--- line, such as a digest, goes on on the next.
function M.wrap(s, width, indent)
  if width == nil or M.width(s) <= width then return { s } end
  local lines, line = {}, s:match "^%s*"
  local fresh = true
  for word in s:gmatch "%S+" do
    if not fresh and M.width(line) + 1 + M.width(word) > width then
      lines[#lines + 1] = line
      line, fresh = indent or "", true
    end
    local room = math.max(width - M.width(line), 1)
    while fresh and M.width(word) > room do
      local piece = M.clip(word, room)
      if piece == "" then break end      -- a character is wider than all the room
      lines[#lines + 1] = line .. piece
      word, line = word:sub(#piece + 1), indent or ""
      room = math.max(width - M.width(line), 1)
    end
    line, fresh = line .. (fresh and "" or " ") .. word, false
  end
  lines[#lines + 1] = line
  return lines
end

--- What something is called, and beside it, from column `margin` on, what there is to say, on as many lines as it
--- takes.
function M.beside(name, s, margin, term)
  local lines = M.wrap(s, term.width and term.width - margin)
  for i, line in ipairs(lines) do
    lines[i] = (i == 1 and term.paint(M.pad(name, margin), "dim") or (" "):rep(margin)) .. line
  end
  return lines
end

local function full_title(column) return column.full or column[1] end

-- The last of the shown columns that may go: not the first, and none to be kept.
local function last_to_go(columns, shown)
  for i = #shown, 2, -1 do
    if not columns[shown[i]].keep then return i end
  end
end

local LEAST = 12      -- cells that a column of words keeps

-- Makes the widest of the columns of words narrower, as far as that helps and is sensible; without it the last columns
-- are left out, but for those with `keep`. `shown`, `left_out`: see fitting. Returns how much too wide they are.
local function squeeze(columns, widths, shown, left_out, gap, width)
  local function excess()
    local total = -gap
    for _, c in ipairs(shown) do total = total + widths[c] + gap end
    return total - width
  end
  while excess() > 0 do
    local widest
    for _, c in ipairs(shown) do
      if columns[c].align ~= "right" and widths[c] > LEAST and (not widest or widths[c] > widths[widest]) then
        widest = c
      end
    end
    local last = not widest and last_to_go(columns, shown)
    if widest then widths[widest] = widths[widest] - 1
    elseif last then table.insert(left_out, 1, full_title(columns[table.remove(shown, last)]))
    else break end
  end
  return excess()
end

--- Which columns are shown in `width` characters: a list of their indices, and the titles of those left out. Columns
--- are left out by their `need`, the largest first (of equals the last); without one they stay. `widths`: of each;
--- `gap`: between two.
function M.fitting(columns, widths, gap, width)
  local shown, left_out = {}, {}
  for c = 1, #columns do shown[c] = c end
  while width do
    local total, worst = -gap, nil
    for i, c in ipairs(shown) do
      total = total + widths[c] + gap
      local need = columns[c].need
      if need and (not worst or need >= columns[shown[worst]].need) then worst = i end
    end
    if total <= width or not worst then break end
    left_out[#left_out + 1] = full_title(columns[table.remove(shown, worst)])
  end
  return shown, left_out
end

--- The line under a table that says which columns are not in it; nil when all are.
function M.left_out(titles)
  local named = {}
  for _, title in ipairs(titles) do
    if title ~= "" then named[#named + 1] = title end
  end
  return #named > 0 and "no room for: " .. table.concat(named, ", ") or nil
end

--- Aligned lines. `columns`: a list of { title, align = "left" | "right", style =, need =, keep =, full = its title
--- where it is left out, tail = its cells keep their ends where they are cut }; `rows`: lists of strings (nil: empty),
--- with a `style` of the row or `styles` of its cells. `paint(text, style)` may colour a padded cell. Returns the
--- lines, the titles first. Of what is wider than `width` columns with a `tail` are cut to a quarter of it, then
--- columns are left out (see fitting), which a last line says; if that does not do, words are cut, and then the last
--- columns without `keep` are left out.
function M.columns(columns, rows, gap, paint, width)
  local widths, lines = {}, {}
  gap = gap or "  "
  for c, column in ipairs(columns) do
    widths[c] = M.width(column[1])
    for _, row in ipairs(rows) do widths[c] = math.max(widths[c], M.width(row[c] or "")) end
  end
  local whole = table.move(widths, 1, #widths, 1, {})
  for c, column in ipairs(columns) do
    if column.tail and width then widths[c] = math.min(widths[c], math.max(width // 4, LEAST)) end
  end
  local shown, left_out = M.fitting(columns, widths, #gap, width)
  local free = width and -squeeze(columns, widths, shown, left_out, #gap, width) or 0
  for _, c in ipairs(shown) do
    local more = columns[c].tail and math.max(0, math.min(free, whole[c] - widths[c])) or 0
    widths[c], free = widths[c] + more, free - more
  end
  local function line(texts, heading)
    local out = {}
    for i, c in ipairs(shown) do
      local cell = M.pad(M.cut(texts[c] or "", widths[c], columns[c].tail and not heading), widths[c], columns[c].align)
      local style = heading and "dim" or texts.styles and texts.styles[c] or texts.style or columns[c].style
      out[i] = paint and style and paint(cell, style) or cell
    end
    return (table.concat(out, gap):gsub("%s+$", ""))
  end
  local titles = {}
  for c, column in ipairs(columns) do titles[c] = column[1] end
  if table.concat(titles) ~= "" then lines[1] = line(titles, true) end
  for _, row in ipairs(rows) do lines[#lines + 1] = line(row) end
  local note = M.left_out(left_out)
  if note then table.move(M.wrap(note, width, "  "), 1, 100, #lines + 1, lines) end
  return lines
end

local styles = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36", good = "1;32",
  bad = "1;31", warn = "1;33" }

local function locale_is_utf8()
  local name = os.getenv "LC_ALL"
  if name == nil or name == "" then name = os.getenv "LC_CTYPE" end
  if name == nil or name == "" then name = os.getenv "LANG" end
  return name ~= nil and name:lower():gsub("-", ""):find("utf8", 1, true) ~= nil
end

--- What the file descriptor is good for: { tty =, width = (nil: unknown), colour =, utf8 =, paint = function(text,
--- style) }. Colour only on a terminal, and not with NO_COLOR set or TERM=dumb.
function M.terminal(descriptor)
  local tty = system.isatty(descriptor)
  local no_colour = os.getenv "NO_COLOR"
  local dumb = os.getenv "TERM" == "dumb"
  local t = { tty = tty and not dumb, width = tty and (system.columns(descriptor) or 80) or nil,
    utf8 = locale_is_utf8(),
    colour = tty and not dumb and (no_colour == nil or no_colour == "") }
  function t.paint(s, style)
    if not t.colour or styles[style] == nil or s == "" then return s end
    return "\27[" .. styles[style] .. "m" .. s .. "\27[0m"
  end
  return t
end

--- A command line of these words, each quoted for the shell where that is needed.
function M.command(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = word:find "^[%w_./:=@%%+,-]+$" and word or "'" .. word:gsub("'", "'\\''") .. "'"
  end
  return table.concat(quoted, " ")
end

--- For texts that are returned, not printed: the width of a terminal on standard output, and no colour.
function M.plain()
  return { width = M.terminal(1).width, utf8 = true, colour = false, paint = function(s) return s end }
end

--- A bar of `width` characters, `fraction` of it full.
function M.bar(fraction, width, unicode)
  fraction = math.max(0, math.min(1, fraction))
  if not unicode then
    local full = math.floor(fraction * width + 0.5)
    return ("#"):rep(full), ("."):rep(width - full)
  end
  local halves = math.floor(fraction * width * 2 + 0.5)
  local full = halves // 2
  local half = halves % 2 == 1
  return ("━"):rep(full) .. (half and "╸" or ""), ("─"):rep(width - full - (half and 1 or 0))
end

return M
