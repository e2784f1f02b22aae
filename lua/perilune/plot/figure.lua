--- pl.figure { ... }: figures of a script's own, drawn by the same code as reports: f:show(), f:svg(), f:save "x.svg".
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local series = require "perilune.plot.series"

local M = {}

local Figure = { __name = "perilune.figure" }
Figure.__index = Figure

local kinds = { "lines", "points", "bars", "histogram", "heat", "images", "network" }
local fields = {
  { "kind", type = "string", default = "lines", choices = kinds }, { "title", type = "string" },
    { "x", type = "string" }, { "y", type = "string" },
  { "log", type = { "boolean", "string" }, choices = { "x", "y", "xy" } }, { "percent", type = "boolean",
    default = false },
  { "width", type = "number", low = 120, high = 10000 }, { "height", type = "number", low = 80, high = 10000 },
  { "values", type = "any" }, { "bins", type = "integer", low = 1, high = 4096, default = 64 },
  { "matrix", type = "any" }, { "rows", type = "table" }, { "columns", type = { "table", "integer" } },
  { "images", type = "userdata" }, { "captions", type = "table" }, { "count", type = "integer", low = 1, default = 64 },
  { "model", type = "userdata" }, { "panels", type = "table" }, { "legend", type = "boolean" },
}

local line_fields = { { "name", type = { "string", "number" } }, { "x", type = "any" }, { "y", type = "any",
  required = "add y = a list of numbers" },
  { "low", type = "any" }, { "high", type = "any" }, { "colour", type = "string" }, { "dash", type = "string" } }

local function is_tensor(v) return core.tensor.is_tensor(v) end

-- An item of a figure of lines: { name =, x =, y = }, or the values themselves.
local function line_of(item, i)
  local what = "pl.figure: line " .. i
  if type(item) == "table" and getmetatable(item) == nil and (item.y ~= nil or item.name ~= nil or item.x ~= nil) then
    item = options.check(what, item, line_fields, "field")
    if item.colour and not item.colour:match "^c[1-8]$" and not item.colour:match "^#%x%x%x%x%x%x$" then
      errors.raise('%s: colour is "c1" to "c8" or "#rrggbb", got %q', what, item.colour)
    end
  else item = { y = item } end
  return series.new(item, what)
end

local function matrix_of(value, what)
  if is_tensor(value) then
    if value:dim() ~= 2 then errors.raise("%s takes a matrix, got a tensor of %d axes", what, value:dim()) end
    return value:totable()
  end
  if type(value) ~= "table" then errors.raise("%s is missing: add a list of rows or a tensor of two axes", what) end
  for i, row in options.items(value) do
    if type(row) ~= "table" or #row ~= #value[1] then
      errors.raise("%s: row %d has not as many values as the first", what, i)
    end
    for j, v in options.items(row) do
      if type(v) ~= "number" then
        errors.raise("%s: [%d][%d] is %s; a number is expected", what, i, j, options.describe(v))
      end
    end
  end
  return value
end

--- Counts of values (a tensor or a list) in bins.
function M.histogram_of(values, bins, what)
  if not is_tensor(values) then
    local list = series.numbers(values, what)
    local dense = {}
    for i = 1, list.n do dense[#dense + 1] = list[i] end
    values = #dense > 0 and core.tensor.tensor(dense, "f32") or core.tensor.zeros { 0 }
  end
  return values:histogram(bins)
end

--- Images of a tensor [H, W], [H, W, 1 or 3], [N, H, W] or [N, H, W, C] as nested lists, at most `count`.
function M.images_of(t, count)
  local s = t.shape
  local batch
  if #s == 2 then batch = t:reshape(1, s[1], s[2], 1)
  elseif #s == 3 and (s[3] == 1 or s[3] == 3) then batch = t:reshape(1, s[1], s[2], s[3])
  elseif #s == 3 then batch = t:reshape(s[1], s[2], s[3], 1)
  elseif #s == 4 then batch = t
  else errors.raise("images: takes [H, W], [N, H, W] or [N, H, W, C], got a tensor of %d axes", #s) end
  local n = math.min(batch:size(1), count)
  return n > 0 and batch:slice(1, 1, n):totable() or {}
end

-- Fields that some kinds have no use for would be ignored without a word.
local only_for = {
  log = { lines = true, points = true }, percent = { lines = true, points = true },
  x = { lines = true, points = true, histogram = true, heat = true },
  y = { lines = true, points = true, histogram = true, heat = true },
}

local function check_use(self, given)
  for _, name in ipairs { "log", "percent", "x", "y" } do
    if given[name] ~= nil and (self.panels or not only_for[name][self.kind]) then
      errors.raise("pl.figure: %s has no use for '%s'", self.panels and "a figure of panels" or "kind = \""
        .. self.kind .. "\"", name)
    end
  end
  if math.type(self.columns) == "integer" and self.columns < 1 then
    errors.raise("pl.figure: columns is 1 or more, got %d", self.columns)
  end
end

--- Makes a figure; see help(pl.figure).
function M.new(given)
  if type(given) ~= "table" then errors.raise("pl.figure takes a table, got %s", options.describe(given)) end
  local named, items = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then items[key] = value else named[key] = value end
  end
  local self = options.check("pl.figure", named, fields, "field")
  self.log_x, self.log_y = self.log == "x" or self.log == "xy", self.log == true or self.log == "y" or self.log == "xy"
  local kind = self.kind
  check_use(self, named)
  if self.panels then
    for i, panel in options.items(self.panels) do
      if getmetatable(panel) ~= Figure then self.panels[i] = M.new(panel) end
    end
  elseif kind == "lines" or kind == "points" then
    self.series = {}
    for i, item in ipairs(items) do
      self.series[i] = line_of(item, i)
      self.series[i].points = kind == "points"
    end
  elseif kind == "histogram" then
    if self.values == nil then errors.raise "pl.figure: a histogram needs values = a tensor or a list" end
    self.histogram = M.histogram_of(self.values, self.bins, "pl.figure: values")
  elseif kind == "bars" then
    local list = series.numbers(self.values, "pl.figure: values")
    self.bars = {}
    for i = 1, list.n do
      self.bars[i] = { label = tostring(self.rows and self.rows[i] or i), value = list[i] or 0 / 0 }
    end
  elseif kind == "heat" then self.matrix = matrix_of(self.matrix, "pl.figure: matrix")
  elseif kind == "images" then
    if not is_tensor(self.images) then
      errors.raise "pl.figure: images = a tensor [N, H, W] or [N, H, W, C] is missing"
    end
    local first = M.images_of(self.images, 1)[1]
    if first and not (first[1] and first[1][1] and first[1][1][1]) then
      errors.raise("pl.figure: images of no pixels, [%s]", table.concat(self.images.shape, ", "))
    end
  elseif kind == "network" then
    if not self.model then errors.raise "pl.figure: model = a model is missing" end
  end
  return setmetatable(self, Figure)
end

local drawers = {}

function drawers.lines(self, width, height)
  return require "perilune.plot.curves".draw(self.series, { width = width, height = height, title = self.title,
    legend = self.legend,
    x = { label = self.x, log = self.log_x }, y = { label = self.y, log = self.log_y, unit = self.percent
      and "percent" or nil } })
end
drawers.points = drawers.lines

function drawers.histogram(self, width, height)
  return require "perilune.plot.bars".histogram(self.histogram, { width = width, height = height, title = self.title,
    x = { label = self.x },
    y = { label = self.y } })
end

function drawers.bars(self, width)
  return require "perilune.plot.bars".labelled(self.bars, { width = width, title = self.title })
end

function drawers.heat(self, width)
  return require "perilune.plot.heat".draw(self.matrix, { width = width, title = self.title, x = self.x, y = self.y,
    rows = self.rows,
    columns = type(self.columns) == "table" and self.columns or nil, by = "range" })
end

function drawers.images(self, width)
  local images = {}
  for i, pixels in ipairs(M.images_of(self.images, self.count)) do
    images[i] = { pixels = pixels, caption = self.captions and self.captions[i] ~= nil and tostring(self.captions[i])
      or nil }
  end
  return require "perilune.plot.images".draw(images,
    { width = width, title = self.title, columns = math.type(self.columns) == "integer" and self.columns or nil })
end

function drawers.network(self, width)
  local network = require "perilune.plot.network"
  local _, input = self.model:sizes()
  if not input then errors.raise "pl.figure: the model has no shapes yet; call model:build { 28, 28, 1 } first" end
  return network.draw(network.tree(self.model, self.model:rows()), input, { width = width, title = self.title })
end

--- The figure as a display list.
function Figure:display()
  local width, height = self.width or 480, self.height or 300
  if not self.panels then return drawers[self.kind](self, width, height) end
  local across = math.type(self.columns) == "integer" and self.columns or math.min(2, math.max(1, #self.panels))
  local shown = {}
  for i, panel in options.items(self.panels) do shown[i] = panel:display() end
  local d = require "perilune.plot.display".new(0, 0)
  local y = 0
  if self.title then
    d:text(4, 20, self.title, { size = 16, bold = true })
    y = 30
  end
  for first = 1, #shown, across do
    local x, tall = 0, 0
    for i = first, math.min(first + across - 1, #shown) do
      d:group(shown[i].items, x, y)
      x, tall = x + shown[i].width + 10, math.max(tall, shown[i].height)
      d.width = math.max(d.width, x - 10)
    end
    y = y + tall + 10
  end
  d.height = math.max(40, y)
  d.width = math.max(d.width, 120)
  return d
end

--- The figure as the text of an SVG file.
function Figure:svg() return require "perilune.plot.svg".render(self:display(), { label = self.title }) .. "\n" end

--- Writes it: the ending says how, .svg, .png or .pdf.
function Figure:save(path) return require "perilune.plot.save".save(self:svg(), path) end

--- Draws it in the terminal.
function Figure:show()
  local style = require "perilune.terminal.style".of()
  local lines
  if self.panels then
    for _, panel in ipairs(self.panels) do panel:show() end
    return
  end
  if self.series then
    lines = require "perilune.terminal.chart".lines(self.series, { title = self.title, x = { label = self.x,
      log = self.log_x },
      y = { label = self.y, log = self.log_y, unit = self.percent and "percent" or nil } }, style)
  elseif self.histogram then
    lines = require "perilune.terminal.marks".histogram(self.kind == "histogram" and self.bins == 64 and
      M.histogram_of(self.values, 16, "values") or self.histogram, style, { title = self.title })
  elseif self.kind == "heat" then
    lines = require "perilune.terminal.marks".heat(self.matrix, nil, style, { title = self.title, by = "range",
      rows = self.rows, columns = type(self.columns) == "table" and self.columns or nil })
  elseif self.kind == "images" then
    local t = self.images
    if self.title then print(self.title) end
    local s = t.shape
    if #s == 4 and s[4] ~= 1 and s[4] ~= 3 then t = t:mean(4) end
    t:show { count = self.count }
    return
  elseif self.kind == "bars" then
    lines = require "perilune.terminal.marks".bars(self.bars, style, { title = self.title })
  else lines = require "perilune.terminal.tables".model(self.model:rows()) end
  for _, line in ipairs(lines) do print(line) end
end

function Figure:__tostring()
  return ('figure%s: %s; f:show() draws it here, f:save "figure.svg" writes it'):format(self.title and " "
    .. self.title or "",
    self.panels and #self.panels .. " panels" or self.kind)
end

return M
