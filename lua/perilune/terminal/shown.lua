--- Lists that draw themselves: at the prompt by being the result, in a script by list:show().
local M = {}

local Shown = { __name = "perilune.shown" }
Shown.__index = Shown

--- The list, with lines(self) -> lines of text as its drawing.
function M.new(list, lines)
  Shown.lines_of[list] = lines
  return setmetatable(list, Shown)
end

Shown.lines_of = setmetatable({}, { __mode = "k" })

--- Prints the drawing.
function Shown:show() print(tostring(self)) end

function Shown:__tostring() return table.concat(Shown.lines_of[self](self), "\n") end

return M
