--- A full screen that shows lines with the terminal's colour codes in them (as text.terminal paints them).
local core = require "perilune.core"
local text = require "perilune.base.format"

local M = {}

local basic = { 4, 1, 2, 5, 3, 6, 3, 7 }      -- of 8 colours, nearest to the series'

local Screen = {}
Screen.__index = Screen
Screen.__close = function(self) self:close() end

--- Opens it; nil and a message where that cannot be.
function M.open()
  local screen, message = core.screen.open()
  if not screen then return nil, message end
  return setmetatable({ screen = screen }, Screen)
end

--- What may be drawn on it: see terminal/style.lua.
function Screen:style()
  local term = require "perilune.base.format".terminal(1)
  local no_colour = (os.getenv "NO_COLOR" or "") ~= ""
  term.tty, term.colour = true, not no_colour and self.screen:colours() >= 8
  local style = require "perilune.terminal.style".of(term)
  if not term.colour then
    -- bold and dim are no colours
    local codes = { bold = "1", dim = "2" }
    function style.paint(s, name) return codes[name] and ("\27[%sm%s\27[0m"):format(codes[name], s) or s end
  end
  return style
end

function Screen:size() return self.screen:size() end
function Screen:key(milliseconds) return self.screen:key(milliseconds) end
function Screen:close() self.screen:close() end

local function nearest(colour, colours)
  if colours >= 256 or colour < 8 then return colour end
  for i, c in ipairs(require "perilune.terminal.style".series) do if c == colour then return basic[i] end end
  return 7
end

-- The attributes that a code sets, from those before it.
local function apply(codes, now, colours)
  if codes == "" or codes == "0" then return {} end
  local c = codes:match "^38;5;(%d+)$"
  local new = { bold = now.bold, dim = now.dim, colour = now.colour }
  if c then new.colour = nearest(math.tointeger(c), colours) return new end
  for code in codes:gmatch "%d+" do
    local n = math.tointeger(code)
    if n == 0 then new = {} elseif n == 1 then new.bold = true elseif n == 2 then new.dim = true
    elseif n >= 30 and n <= 37 then new.colour = n - 30 end
  end
  return new
end

--- Shows lines, from the top.
function Screen:show(lines)
  local s, colours = self.screen, self.screen:colours()
  s:erase()
  local rows = s:size()
  for y = 1, math.min(rows, #lines) do
    local line, x, at, style, stack = lines[y], 0, 1, {}, {}
    while at <= #line do
      local from, to, codes = line:find("\27%[([%d;]*)m", at)
      local piece = line:sub(at, (from or #line + 1) - 1)
      if piece ~= "" then
        s:put(y - 1, x, piece, style.bold or false, style.dim or false, false, colours > 0 and style.colour or -1)
        x = x + text.width(piece)
      end
      if not from then break end
      -- a reset inside a painted stretch gives back what was painted around it
      if codes == "0" or codes == "" then style = table.remove(stack) or {}
      else
        stack[#stack + 1] = style
        style = apply(codes, style, colours)
      end
      at = to + 1
    end
  end
  s:refresh()
end

return M
