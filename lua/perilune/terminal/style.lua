--- What a chart in the terminal may use: letters, colours of series, width.
local printable = require "perilune.base.printable"
local text = require "perilune.base.format"

local M = {}

-- nearest of the 256 colours to those of plot/palette.lua
M.series = { 32, 166, 36, 175, 214, 74, 142, 245 }
M.letters = { "*", "o", "+", "x", "#", "@", "%", "=", "a", "b", "c", "d", "e", "f", "g", "h" }

--- term: text.terminal(...); returns it with `paint256(s, n)` and a width (80 when it is unknown).
function M.of(term)
  term = term or text.terminal(1)
  local style = { tty = term.tty, colour = term.colour, utf8 = term.utf8, width = term.width or 80,
    paint = term.paint }
  function style.paint256(s, n)
    if not term.colour or not n then return s end
    return ("\27[38;5;%dm%s\27[0m"):format(n, s)
  end
  return style
end

--- The mark of the i-th curve of `count`: letter and colour.
function M.mark(i, style)
  return { letter = M.letters[(i - 1) % #M.letters + 1], colour = style.colour and M.series[(i - 1) % #M.series + 1]
    or nil }
end

--- Text from a file made safe for a terminal; in ASCII where the locale has no more.
function M.clean(s, utf)
  s = printable.text(tostring(s))
  if utf == false then s = s:gsub("[\xc2-\xf4][\x80-\xbf]*", "?") end
  return s
end

return M
