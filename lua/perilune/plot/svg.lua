--- A display list as SVG. In a page colours are classes (html/style.lua), so that light and dark need no second figure;
--- in a file of its own they are written out, on white.
local escape = require "perilune.html.escape"
local palette = require "perilune.plot.palette"

local M = {}

local function number(v)
  if v ~= v or v == math.huge or v == -math.huge then return "0" end
  return (("%.1f"):format(math.max(-1e6, math.min(1e6, v))):gsub("%.0$", ""):gsub("^%-0$", "0"))
end

-- fill or stroke of a role: in a page a class, else the colour itself
local function paint(self, property, colour)
  if not colour then return "", "" end
  if colour == "none" or colour:sub(1, 1) == "#" then return (' %s="%s"'):format(property, colour), "" end
  if self.page then return "", property:sub(1, 1) .. "-" .. colour end
  return (' %s="%s"'):format(property, assert(palette.light[colour], colour)), ""
end

local function colours(self, item)
  local fill, fill_class = paint(self, "fill", item.fill or (item.kind ~= "text" and "none") or "ink")
  local stroke, stroke_class = paint(self, "stroke", item.stroke)
  local classes = fill_class ~= "" and stroke_class ~= "" and fill_class .. " " .. stroke_class or fill_class
    .. stroke_class
  local out = fill .. stroke
  if classes ~= "" then out = out .. (' class="%s"'):format(classes) end
  if item.opacity then
    out = out .. (' fill-opacity="%s"'):format(("%.3f"):format(item.opacity):gsub("0+$", ""):gsub("%.$", ""))
  end
  if item.width then out = out .. (' stroke-width="%s"'):format(number(item.width)) end
  if item.dash then out = out .. (' stroke-dasharray="%s"'):format(item.dash) end
  return out
end

local function path(points, closed)
  local out, command = {}, "M"
  for i = 1, #points, 2 do
    out[#out + 1] = command .. number(points[i]) .. " " .. number(points[i + 1])
    command = "L"
  end
  return table.concat(out) .. (closed and "Z" or "")
end

local function ended(name, title)
  if not title then return "/>" end
  return ("><title>%s</title></%s>"):format(escape.text(title), name)
end

local writers = {}

function writers.line(self, item)
  if #item.points < 4 then return "" end
  return ('<path d="%s"%s stroke-linejoin="round"/>'):format(path(item.points), colours(self, item))
end

function writers.area(self, item)
  if #item.points < 4 then return "" end
  return ('<path d="%s"%s/>'):format(path(item.points, true), colours(self, item))
end

function writers.rect(self, item)
  return ('<rect x="%s" y="%s" width="%s" height="%s"%s%s%s'):format(number(item.x), number(item.y),
    number(math.max(0, item.w)),
    number(math.max(0, item.h)), item.round and (' rx="%s"'):format(number(item.round)) or "", colours(self, item),
      ended("rect", item.title))
end

function writers.circle(self, item)
  return ('<circle cx="%s" cy="%s" r="%s"%s%s'):format(number(item.x), number(item.y), number(item.r), colours(self,
    item),
    ended("circle", item.title))
end

function writers.text(self, item)
  local turn = item.turn and (' transform="rotate(%s %s %s)"'):format(number(item.turn), number(item.x),
    number(item.y)) or ""
  return ('<text x="%s" y="%s" font-size="%s"%s%s%s%s%s>%s</text>'):format(number(item.x), number(item.y),
    number(item.size or 12),
    item.anchor and item.anchor ~= "start" and (' text-anchor="%s"'):format(item.anchor) or "", item.bold
      and ' font-weight="600"' or "",
    item.mono and ' font-family="monospace"' or "", turn, colours(self, item), escape.text(item.s))
end

function writers.image(_, item)
  local crisp = 'preserveAspectRatio="none" image-rendering="optimizeSpeed" style="image-rendering:pixelated"'
  return ('<image x="%s" y="%s" width="%s" height="%s" ' .. crisp .. ' href="data:image/png;base64,%s"%s')
    :format(number(item.x), number(item.y), number(item.w), number(item.h), escape.base64(item.png),
      ended("image", item.title))
end

function writers.group(self, item)
  local clip = ""
  if item.clip then
    self.clips = self.clips + 1
    local id = ("%sclip%d"):format(self.id, self.clips)
    local c = item.clip
    clip = (' clip-path="url(#%s)"'):format(id)
    self.definitions[#self.definitions + 1] =
      ('<clipPath id="%s"><rect x="%s" y="%s" width="%s" height="%s"/></clipPath>'):format(id,
      number(c[1]), number(c[2]), number(c[3]), number(c[4]))
  end
  local move = (item.dx ~= 0 or item.dy ~= 0) and (' transform="translate(%s %s)"'):format(number(item.dx),
    number(item.dy)) or ""
  local out = {}
  for i, inner in ipairs(item.items) do out[i] = writers[inner.kind](self, inner) end
  return ("<g%s%s>%s</g>"):format(clip, move, table.concat(out))
end

--- The SVG text of a display. options: page (for a page: colours as classes, no background), id (prefix of ids, unique
--- in the page), label (what it shows, for those who do not see it), class.
function M.render(display, options)
  options = options or {}
  local self = { page = options.page, id = options.id or "", clips = 0, definitions = {} }
  local body = {}
  for i, item in ipairs(display.items) do body[i] = writers[item.kind](self, item) end
  local head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s"%s%s role="img" ' ..
    'font-family="system-ui, sans-serif"%s>'):format(
    number(display.width), number(display.height),
    options.page and "" or (' width="%s" height="%s"'):format(number(display.width), number(display.height)),
    options.class and (' class="%s"'):format(options.class) or "",
    options.label and (' aria-label="%s"'):format(escape.text(options.label)) or "")
  local definitions = #self.definitions > 0 and "<defs>" .. table.concat(self.definitions) .. "</defs>" or ""
  local paper = options.page and "" or ('<rect width="100%%" height="100%%" fill="%s"/>'):format(palette.light.paper)
  return head .. definitions .. paper .. table.concat(body, "\n") .. "</svg>"
end

return M
