--- The architecture of a model as a drawing: blocks from top to bottom with output shapes and parameters; the branches
--- of a residual block beside each other, from the dot where they part to the "+" where they join.
local display = require "perilune.plot.display"
local text = require "perilune.base.format"

local M = {}

local WIDE, TALL, FLAT, GAP, APART = 190, 36, 20, 14, 16

--- The tree of a built model: { type, name, detail, output, parameters, children }, from what `model:rows()` says of
-- each path.
function M.tree(model, rows)
  local at = {}
  for _, row in ipairs(rows) do
    if row.part ~= "fork" then at[row.path] = row end
  end
  local function visit(layer)
    local row = at[layer:path()]
    local node = { type = layer.type, name = layer.name, output = row and row.output, parameters = row
      and row.parameters or 0, children = {} }
    local config = layer:config().config or {}
    local kernel, stride = config.kernel, config.stride
    local function pair(v) return type(v) == "table" and (v[1] == v[2] and tostring(v[1]) or v[1] .. "x" .. v[2])
      or tostring(v) end
    if kernel then node.detail = (type(kernel) == "table" and ("%dx%d"):format(kernel[1], kernel[2] or kernel[1])
      or pair(kernel))
      .. (stride and pair(stride) ~= "1" and layer.type:find "Conv" and "/" .. pair(stride) or "") end
    if config.p then node.detail = ("%.4g"):format(config.p) end
    for i = 1, #layer do node.children[i] = visit(layer[i]) end
    return node
  end
  return visit(model)
end

local measure

-- What is drawn of a node: width and height, and with them how. A container without drawing of its own is its
-- children in a row.
local kinds = {}

kinds.block = function(node) return WIDE, node.parameters > 0 and TALL or FLAT end

kinds.sequence = function(node)
  local w, h = 0, 0
  for i, child in ipairs(node.children) do
    measure(child)
    w, h = math.max(w, child.w), h + child.h + (i > 1 and GAP or 0)
  end
  return math.max(w, 20), h
end

kinds.residual = function(node)
  local w, h = 0, 0
  for i, child in ipairs(node.children) do
    measure(child)
    w, h = w + child.w + (i > 1 and APART or 0), math.max(h, child.h)
  end
  if #node.children == 1 then w = w + APART + 24 end      -- the shortcut is a line
  return w, h + 2 * GAP + 22
end

function measure(node)
  node.kind = node.type == "Residual" and "residual" or (#node.children > 0 and "sequence" or "block")
  node.w, node.h = kinds[node.kind](node)
end

local draw
local drawers = {}

function drawers.block(d, node, x, y)
  local title = node.type .. (node.detail and " " .. node.detail or "")
  local tall = node.h == TALL
  local colour = node.parameters > 0 and "c1" or "muted"
  d:rect(x, y, node.w, node.h, { fill = "block", stroke = colour, width = 1, round = 4,
    title = ("%s%s"):format(title, node.name ~= "" and (' "%s"'):format(node.name) or "") })
  local shape = node.output and (#node.output > 0 and table.concat(node.output, " × ") or "1") or ""
  local room = node.w - 14 - display.text_width(shape, 11)
  if not tall and node.name ~= "" then title = title .. " " .. node.name end
  d:text(x + 7, y + (tall and 15 or 14), display.fit(title, room, 12), { size = 12, bold = tall })
  d:text(x + node.w - 7, y + (tall and 15 or 14), shape, { size = 11, anchor = "end", fill = "muted" })
  if tall then
    local words = text.count(node.parameters) .. (node.parameters == 1 and " parameter" or " parameters")
    if node.name ~= "" then words = node.name .. ", " .. words end
    d:text(x + 7, y + 29, display.fit(words, node.w - 12, 11), { size = 11, fill = "muted" })
  end
end

-- Only layers of a Sequential follow each other; those of a graph or a formula are listed, without lines between.
function drawers.sequence(d, node, x, y)
  local chain = node.type == "Sequential"
  for i, child in ipairs(node.children) do
    if i > 1 then
      if chain then d:line({ x + node.w / 2, y, x + node.w / 2, y + GAP }, { stroke = "muted", width = 1.2 }) end
      y = y + GAP
    end
    draw(d, child, x + (node.w - child.w) / 2, y)
    y = y + child.h
  end
end

-- The middle of a branch, through which its line goes.
function drawers.residual(d, node, x, y)
  local middle, bottom = x + node.w / 2, y + node.h - 16
  local columns, at = {}, x
  for _, child in ipairs(node.children) do
    columns[#columns + 1] = { child = child, x = at }
    at = at + child.w + APART
  end
  if #node.children == 1 then columns[#columns + 1] = { x = at, w = 24 } end
  d:add("circle", { x = middle, y = y + 3, r = 3, fill = "muted" })
  for _, column in ipairs(columns) do
    local child = column.child
    local cx = column.x + (child and child.w or column.w) / 2
    d:line({ middle, y + 3, cx, y + 3, cx, y + 3 + GAP }, { stroke = "muted", width = 1.2 })
    local from = y + 3 + GAP
    if child then
      draw(d, child, column.x, from)
      from = from + child.h
    end
    d:line({ cx, from, cx, bottom + 4, middle, bottom + 4 }, { stroke = "muted", width = 1.2 })
  end
  d:add("circle", { x = middle, y = bottom + 5, r = 8, fill = "paper", stroke = "ink", width = 1.2 })
  d:text(middle, bottom + 9, "+", { size = 13, anchor = "middle" })
end

function draw(d, node, x, y) drawers[node.kind](d, node, x, y) end

--- tree: of M.tree; input: the shape of a sample. options: title, width (at least; grows with the branches).
function M.draw(tree, input, options)
  measure(tree)
  local top = options.title and 32 or 8
  local width = math.max(options.width or 0, tree.w + 24)
  local d = display.new(width, top + tree.h + 46)
  if options.title then d:text(4, 17, display.fit(options.title, width - 8, 14), { size = 14, bold = true }) end
  local x = (width - tree.w) / 2
  d:text(width / 2, top + 12, "input " .. (input and table.concat(input, " × ") or ""), { size = 12,
    anchor = "middle", fill = "muted" })
  d:line({ width / 2, top + 18, width / 2, top + 30 }, { stroke = "muted", width = 1.2 })
  draw(d, tree, x, top + 30)
  return d
end

return M
