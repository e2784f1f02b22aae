--- The steps of an nn.Graph, or of a formula with layers, and which step reads which: for drawings. A step is a call of
--- one of its layers, or an operation of its own.
local M = {}

local function collect(layer, set)
  if set[layer] then return set end
  set[layer] = true
  for i = 1, #layer do collect(layer[i], set) end
  return set
end

--- { steps = { { child = number } or { operation = "add" } }, edges = { { from, to } } }, from 0: the input; nil if the
--- layer is not in the graph (of model:graph()) as a formula.
function M.of(layer, graph)
  local first, last
  for _, row in ipairs(graph.rows) do
    if rawequal(row.layer, layer) and row.last > 0 and not first then first, last = row.first, row.last end
  end
  if not first then return nil end
  local inside, steps, edges, made, seen = {}, {}, {}, {}, {}
  for i = 1, #layer do inside[i] = collect(layer[i], {}) end
  local function child_of(op)
    for i, set in ipairs(inside) do
      if set[op.layer] then return i end
    end
  end
  for i = first, last do
    local op, before = graph.ops[i], steps[#steps]
    local child = not rawequal(op.layer, layer) and child_of(op) or nil
    -- operations of one call follow each other; where the first comes again, it is another call
    local again = before and rawequal(before.begins, op.layer)
    if not child then steps[#steps + 1] = { operation = op.type }
    elseif not before or before.child ~= child or again then
      steps[#steps + 1] = { child = child, begins = op.layer }
    end
    for _, v in ipairs(op.inputs) do
      local from = made[v] or 0
      local key = from .. " " .. #steps
      if not graph.values[v].fixed and from ~= #steps and not seen[key] then
        seen[key] = true
        edges[#edges + 1] = { from, #steps }
      end
    end
    made[op.output] = #steps
  end
  return { steps = steps, edges = edges }
end

--- A lane beside the column of steps for each edge that passes over others: edge -> number from 1; and how many.
function M.lanes(edges)
  local long, ends, lane_of = {}, {}, {}
  for _, edge in ipairs(edges) do
    if edge[2] > edge[1] + 1 then long[#long + 1] = edge end
  end
  table.sort(long, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  for _, edge in ipairs(long) do
    local k = 1
    while ends[k] and ends[k] > edge[1] do k = k + 1 end
    ends[k], lane_of[edge] = edge[2], k
  end
  return lane_of, #ends
end

return M
