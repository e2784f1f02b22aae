--- A display list: what is to be drawn, in order, in a plane whose y grows downwards. Renderers (plot/svg.lua) walk it.
--- Colours are roles of plot/palette.lua ("ink", "c1") or "#rrggbb".
---
---   { kind = "line", points = { x1, y1, x2, y2, ... }, stroke, width, dash }
---   { kind = "area", points = {...}, fill, opacity }
---   { kind = "rect", x, y, w, h, fill, stroke, opacity, round, title }
---   { kind = "circle", x, y, r, fill, stroke, title }
---   { kind = "text", x, y, s, anchor = "start" | "middle" | "end", size, fill, bold, turn (degrees), mono }
---   { kind = "image", x, y, w, h, png (bytes), title }
---   { kind = "group", items = {...}, clip = { x, y, w, h }, dx, dy }
local M = {}
M.__index = M

function M.new(width, height) return setmetatable({ width = width, height = height, items = {} }, M) end

function M:add(kind, item)
  item.kind = kind
  self.items[#self.items + 1] = item
  return item
end

function M:line(points, item)
  item = item or {}
  item.points = points
  return self:add("line", item)
end

function M:rect(x, y, w, h, item)
  item = item or {}
  item.x, item.y, item.w, item.h = x, y, w, h
  return self:add("rect", item)
end

function M:text(x, y, s, item)
  item = item or {}
  item.x, item.y, item.s = x, y, tostring(s)
  return self:add("text", item)
end

--- The items of another display, moved by dx, dy; clip: only what lies in { x, y, w, h }.
function M:group(items, dx, dy, clip)
  return self:add("group", { items = items, dx = dx or 0, dy = dy or 0, clip = clip })
end

--- About how wide a text is: the generic sans-serif's letters are 0.55 of their size on average.
function M.text_width(s, size) return (utf8.len(s) or #s) * (size or 12) * 0.56 end

--- The text, cut to fit a width.
function M.fit(s, width, size)
  local most = math.floor(width / ((size or 12) * 0.56))
  local length = utf8.len(s)
  if not length then
    s = s:gsub("[\x80-\xff]", "?")
    length = #s
  end
  if length <= most then return s end
  return s:sub(1, utf8.offset(s, math.max(1, most)) - 1) .. "…"
end

return M
