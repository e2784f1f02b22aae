--- A page under construction: its pieces in order, and the figures and tables in it. All text given to it is escaped
-- here.
local escape = require "perilune.html.escape"
local images = require "perilune.plot.images"
local svg = require "perilune.plot.svg"

local M = {}
M.__index = M

local T = escape.text
local POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

function M.new() return setmetatable({ parts = {}, figures = 0 }, M) end

--- Markup, as it is.
function M:raw(s) self.parts[#self.parts + 1] = s end

--- An element with text: page:tag("h2", "Results", 'id="r"').
function M:tag(name, s, attributes)
  self:raw(("<%s%s>%s</%s>"):format(name, attributes and " " .. attributes or "", T(s), name))
end

--- A line that says what is missing and how to record it.
function M:absent(s) self:tag("p", s, 'class="absent"') end

-- What a chart shows under the pointer.
local function hover_json(hover)
  local series = {}
  for i, s in ipairs(hover.series) do
    local function list(values)
      if not values then return nil end
      local out = { n = s.n }
      for k = 1, s.n do out[k] = values[k] end
      return out
    end
    series[i] = { name = s.name, colour = s.colour, x = list(s.x), y = list(s.y), low = list(s.low),
      high = list(s.high) }
  end
  return escape.json { plot = hover.plot, low = hover.x.low, high = hover.x.high, log = hover.x.log,
    label = hover.x_label, unit = hover.y_unit,
    series = series }
end

--- A figure from a display; label: for those who do not see it. natural: in its own size rather than as wide as its
-- column.
function M:figure(display, label, natural)
  self.figures = self.figures + 1
  local hover = display.hover
  local class = hover and "chart" or natural and "natural" or nil
  local width = natural and (' style="width:%dpx"'):format(math.ceil(display.width))
    or display.width < 480 and (' style="max-width:%dpx"'):format(math.ceil(display.width * 1.2)) or ""
  local drawn = svg.render(display, { page = true, id = ("f%d-"):format(self.figures), label = label })
  if width ~= "" then drawn = drawn:gsub("<svg ", "<svg" .. width .. " ", 1) end
  self:raw(("<figure%s>%s%s</figure>"):format(class and (' class="%s"'):format(class) or "", drawn,
    hover and ('<script type="application/json">%s</script>'):format(hover_json(hover)) or ""))
end

--- Small pictures beside each other: as plot/images.lua takes them. size: of the longer side, in pixels.
function M:pictures(list, size)
  local out = { '<div class="pics">' }
  for _, image in ipairs(list) do
    local h, w = #image.pixels, #image.pixels[1]
    local scale = size / math.max(h, w)
    local title = T(image.title or image.caption)
    out[#out + 1] = ('<figure><img alt="%s" title="%s" width="%d" height="%d" src="data:image/png;base64,%s">'):format(
      title, title, math.floor(w * scale + 0.5), math.floor(h * scale + 0.5),
        escape.base64(images.encode(image)))
    out[#out + 1] = ("<figcaption>%s%s</figcaption></figure>\n"):format(T(image.caption or ""), image.second
      and ("<span>%s</span>"):format(T(image.second)) or "")
  end
  out[#out + 1] = "</div>"
  self:raw(table.concat(out))
end

--- A table. columns: { title, number = is it right-aligned }; rows: lists of cells, each a text or { text, value (to
-- sort by) };
-- row.best marks it. options: sort, caption.
function M:table(columns, rows, options)
  options = options or {}
  local out = { ('<div class="scroll"><table%s>'):format(options.sort and ' class="sort"' or "") }
  if options.caption then out[#out + 1] = ("<caption>%s</caption>"):format(T(options.caption)) end
  out[#out + 1] = "<thead><tr>"
  for _, column in ipairs(columns) do
    out[#out + 1] = ("<th%s>%s</th>"):format(column.number and ' class="n"' or "", T(column[1]))
  end
  out[#out + 1] = "</tr></thead><tbody>\n"
  for _, row in ipairs(rows) do
    out[#out + 1] = row.best and '<tr class="best">' or "<tr>"
    for c, column in ipairs(columns) do
      local cell = row[c]
      local text, value, markup = cell, nil, nil
      if type(cell) == "table" then text, value, markup = cell[1], cell[2], cell.markup end
      local sort = ""
      if options.sort and column.number then
        sort = (' data-v="%s"'):format(type(value) == "number" and value == value and ("%.17g"):format(value) or "")
      end
      out[#out + 1] = ("<td%s%s>%s</td>"):format(column.number and ' class="n"' or column.setting and ' class="wide"'
        or "", sort, markup or T(text == nil and "" or text))
    end
    out[#out + 1] = "</tr>\n"
  end
  out[#out + 1] = "</tbody></table></div>"
  self:raw(table.concat(out))
end

--- Names and values in two columns; nil values are left out.
function M:pairs(rows)
  local out = { '<div class="scroll"><table class="facts"><tbody>\n' }
  for _, row in ipairs(rows) do
    if row[2] ~= nil and row[2] ~= "" then
      out[#out + 1] = ('<tr><th scope="row">%s</th><td>%s</td></tr>\n'):format(T(row[1]), T(row[2]))
    end
  end
  out[#out + 1] = "</tbody></table></div>"
  if #out > 2 then self:raw(table.concat(out)) end
end

--- The whole page. It may load nothing: its security policy forbids every address but pictures in itself.
function M:text(title)
  return table.concat({ "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ('<meta http-equiv="Content-Security-Policy" content="%s">'):format(POLICY),
    ("<title>%s</title>"):format(T(title)), '<link rel="icon" href="data:,">', "<style>"
      .. require "perilune.html.style".text() .. "</style>", "</head>",
    "<body>", table.concat(self.parts, "\n"), "<script>" .. require "perilune.html.script" .. "</script>", "</body>",
      "</html>", "" }, "\n")
end

return M
