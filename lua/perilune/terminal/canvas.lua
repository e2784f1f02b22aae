--- A canvas of characters for curves: dots of braille letters, 2 x 4 a character, where one curve or colours can be
-- told apart;
-- else one letter a curve. Coordinates are in [0, 1], y upwards.
local M = {}
M.__index = M

-- bits of a braille letter by column and row, from the top
local BITS = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } }

--- width and height in characters; braille: dots, else letters.
function M.new(width, height, braille)
  local self = setmetatable({ width = width, height = height, braille = braille, cells = {}, owner = {} }, M)
  self.across, self.down = braille and width * 2 or width, braille and height * 4 or height
  return self
end

local function dot(self, px, py, mark)
  if px < 0 or py < 0 or px >= self.across or py >= self.down then return end
  local x, y = px, py
  local bit
  if self.braille then
    x, y = px // 2, py // 4
    bit = BITS[px % 2 + 1][py % 4 + 1]
  end
  local cell = y * self.width + x
  self.cells[cell] = bit and (self.cells[cell] or 0) | bit or mark.letter
  self.owner[cell] = mark
end

local function place(self, x, y)
  return math.floor(x * (self.across - 1) + 0.5), math.floor((1 - y) * (self.down - 1) + 0.5)
end

--- A dot. mark: { letter, colour }; the last one drawn in a cell gives it its colour.
function M:point(x, y, mark)
  if x < -1e-9 or x > 1 + 1e-9 or y < -1e-9 or y > 1 + 1e-9 then return end
  local px, py = place(self, x, y)
  dot(self, px, py, mark)
end

-- The piece of a line that lies in the unit square (Liang and Barsky): from and to as shares of it; nil when none
-- does.
local function inside(x1, y1, x2, y2)
  local from, to = 0.0, 1.0
  for _, edge in ipairs { { x1 - x2, x1 }, { x2 - x1, 1 - x1 }, { y1 - y2, y1 }, { y2 - y1, 1 - y1 } } do
    local p, q = edge[1], edge[2]
    if p == 0 then
      if q < 0 then return nil end
    elseif p < 0 then from = math.max(from, q / p)
    else to = math.min(to, q / p) end
  end
  if from <= to then return from, to end
end

--- A straight line between two points, as far as it is on the canvas.
function M:line(x1, y1, x2, y2, mark)
  local from, to = inside(x1, y1, x2, y2)
  if not from then return end
  x1, y1, x2, y2 = x1 + (x2 - x1) * from, y1 + (y2 - y1) * from, x1 + (x2 - x1) * to, y1 + (y2 - y1) * to
  local ax, ay = place(self, x1, y1)
  local bx, by = place(self, x2, y2)
  local steps = math.max(math.abs(bx - ax), math.abs(by - ay), 1)
  for i = 0, steps do
    dot(self, math.floor(ax + (bx - ax) * i / steps + 0.5), math.floor(ay + (by - ay) * i / steps + 0.5), mark)
  end
end

--- The rows of characters, from the top; paint(text, colour) may colour a stretch.
function M:rows(paint)
  local rows = {}
  for y = 0, self.height - 1 do
    local out, stretch, colour = {}, {}, nil
    local function flush()
      if #stretch == 0 then return end
      local s = table.concat(stretch)
      out[#out + 1] = colour and paint(s, colour) or s
      stretch = {}
    end
    for x = 0, self.width - 1 do
      local cell = self.cells[y * self.width + x]
      local mark = cell and self.owner[y * self.width + x]
      local c = mark and mark.colour
      if c ~= colour then
        flush()
        colour = c
      end
      stretch[#stretch + 1] = not cell and " " or self.braille and utf8.char(0x2800 + cell) or cell
    end
    flush()
    rows[y + 1] = table.concat(out)
  end
  return rows
end

return M
