--- The architecture of a model as a drawing: blocks from top to bottom with output shapes and parameters; the branches
--- of a residual block beside each other, from the dot where they part to the "+" where they join. The layers and
--- operations of an nn.Graph are in a column in their order, with a line from each to those that read it.
local dataflow = require "perilune.plot.dataflow"
local display = require "perilune.plot.display"
local text = require "perilune.base.format"

local M = {}

local WIDE, TALL, FLAT, GAP, APART, SMALL, LANE = 190, 36, 20, 14, 16, 90, 10

--- The tree of a built model: { type, name, detail, output, parameters, children }, from what `model:rows()` says of
-- each path.
function M.tree(model, rows)
  local at = {}
  for _, row in ipairs(rows) do
    if row.part ~= "fork" then at[row.path] = row end
  end
  local graph
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
    if #layer > 0 and layer.type ~= "Sequential" and layer.type ~= "Residual" then
      graph = graph or model:graph()
      node.flow = dataflow.of(layer, graph)
    end
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

-- Each call of a layer is a block; the operations between them are small ones. Beside them the lanes of lines that
-- pass over others.
kinds.flow = function(node)
  local w, h = 0, 2 * GAP
  for _, child in ipairs(node.children) do measure(child) end
  for _, step in ipairs(node.flow.steps) do
    local child = node.children[step.child]
    step.w, step.h = child and child.w or SMALL, child and child.h or FLAT
    w, h = math.max(w, step.w), h + step.h + GAP
  end
  local _, lanes = dataflow.lanes(node.flow.edges)
  return w + 2 * LANE * (lanes + 1), h - GAP
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
  node.kind = node.flow and "flow" or node.type == "Residual" and "residual"
    or (#node.children > 0 and "sequence" or "block")
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

function drawers.flow(d, node, x, y)
  local middle, steps = x + node.w / 2, node.flow.steps
  local function line(points) d:line(points, { stroke = "muted", width = 1.2 }) end
  local lane_of, right = dataflow.lanes(node.flow.edges), middle
  local places = { [0] = { y = y + 3, h = 0, w = 0, out = y + 3 } }
  local at = y + 2 * GAP
  for i, step in ipairs(steps) do
    local within = step.child and node.children[step.child].kind == "flow"      -- lines go to its dot
    places[i] = { y = at, h = step.h, w = step.w, left = within and 0 or step.w / 2, into = within and at + 3
      or at + step.h / 2, out = within and at + step.h + GAP / 2 or at + step.h / 2 }
    right = math.max(right, middle + step.w / 2)
    at = at + step.h + GAP
  end
  for _, edge in ipairs(node.flow.edges) do
    local from, to, lane = places[edge[1]], places[edge[2]], lane_of[edge]
    if not lane then line { middle, from.y + from.h, middle, to.y }
    else
      local way, top, bottom = right + LANE * lane, from.out, to.into
      local left = from.left or 0
      if left == 0 then line { middle, from.y + from.h, middle, top } end
      line { middle + left, top, way, top, way, bottom, middle + to.left, bottom }
      d:add("circle", { x = middle + to.left, y = bottom, r = 2.5, fill = "muted" })
    end
  end
  d:add("circle", { x = middle, y = y + 3, r = 3, fill = "muted" })
  for i, step in ipairs(steps) do
    local place = places[i]
    if step.child then draw(d, node.children[step.child], middle - place.w / 2, place.y)
    else
      d:rect(middle - place.w / 2, place.y, place.w, place.h,
        { fill = "paper", stroke = "muted", width = 1, round = 9 })
      d:text(middle, place.y + 14, display.fit(step.operation, place.w - 8, 12), { size = 12, anchor = "middle" })
    end
  end
end

-- Only layers of a Sequential follow each other; those of a formula that was not built are listed, without lines.
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
  d:text(width / 2, top + 12, "input " .. (input and table.concat(input, " × ") or ""),
    { size = 12, anchor = "middle", fill = "muted" })
  d:line({ width / 2, top + 18, width / 2, top + 30 }, { stroke = "muted", width = 1.2 })
  draw(d, tree, x, top + 30)
  return d
end

return M
