--- The parameters of a model in PyTorch's order of axes, and back. There images are [N, C, H, W]: convolutions are
--- [out, in, kh, kw], and the features after a Flatten are in the order (channel, row, column), here in (row, column,
--- channel), until a Linear mixes them.
local errors = require "perilune.base.errors"

local M = {}

local function transpose(t) return t:transpose(1, 2):contiguous() end

-- Rows in the order (row, column, channel) from or to (channel, row, column); `shape` is { h, w, c }.
local function rows_to_pytorch(t, shape)
  local rest = t:size(1) > 0 and t:count() // t:size(1) or 1
  local out = t:reshape(shape[1], shape[2], shape[3], rest):permute(3, 1, 2, 4):contiguous()
  return out:reshape(table.unpack(t.shape))
end

local function rows_from_pytorch(t, shape)
  local rest = t:size(1) > 0 and t:count() // t:size(1) or 1
  local out = t:reshape(shape[3], shape[1], shape[2], rest):permute(2, 3, 1, 4):contiguous()
  return out:reshape(table.unpack(t.shape))
end

local function same(t) return t end

-- The two conversions of a parameter. `image`: the shape of the image whose features are its input's, or nil.
local function conversions(op, name, tensor, image)
  local axes = tensor:dim()
  if op.type == "Conv2d" then
    if axes == 4 then
      return function(t) return t:permute(4, 3, 1, 2):contiguous() end,
        function(t) return t:permute(3, 4, 2, 1):contiguous() end
    elseif axes == 3 then                       -- a bias for every position
      return function(t) return t:permute(3, 1, 2):contiguous() end,
        function(t) return t:permute(2, 3, 1):contiguous() end
    end
  elseif op.type == "Linear" and name == "weight" then
    if not image then return transpose, transpose end
    return function(t) return transpose(rows_to_pytorch(t, image)) end,
      function(t) return rows_from_pytorch(transpose(t), image) end
  elseif op.type == "BatchNorm" and image then
    return function(t) return rows_to_pytorch(t, image) end, function(t) return rows_from_pytorch(t, image) end
  end
  return same, same
end

local order = { "weight", "bias", "running_mean", "running_var" }

-- Names of a layer's own parameters in the usual order, then any others.
local function names_of(params)
  local names, seen = {}, {}
  for _, name in ipairs(order) do
    if params[name] then names[#names + 1], seen[name] = name, true end
  end
  local others = {}
  for name in pairs(params) do
    if not seen[name] then others[#others + 1] = name end
  end
  table.sort(others)
  return table.move(others, 1, #others, #names + 1, names)
end

-- Operations of formulas that keep the order of features: their output has that of their inputs.
local mixing = { matmul = true, cat = true, slice = true, permute = true, reshape = true, one_hot = true, pick = true }

-- The shape of the image whose features an operation's output has in the order (row, column, channel). A formula's
-- reshape is a "Reshape" here, too (graph.lua).
local function image_of(op)
  local input, output = op.inputs[1], op.output
  if op.type == "cat" then
    for _, value in ipairs(op.inputs) do
      if value.image then
        errors.fail(1, "the features of %s are those of flattened images one after the other, whose order in " ..
          "PyTorch is not known here", op.owner)
      end
    end
  end
  if (op.type == "Flatten" or op.type == "Reshape") and #input.shape == 3 and #output.shape == 1 then
    return input.shape
  end
  if op.type == "Linear" or mixing[op.type] or #output.shape ~= 1 then return nil end
  for _, value in ipairs(op.inputs) do
    if value.image then return value.image end
  end
end

--- All parameters and statistics of a graph in order: { name = "fc1.weight", kind = "weight", owner = "fc1", tensor =,
--- to_pytorch =, from_pytorch = }, conversions f(tensor) -> tensor. Those of formulas have the formula's name and their
--- own, "gate.a", and lie as they are.
function M.parameters(graph)
  local list, seen = {}, {}
  local function add(owner, name, tensor, to, from)
    local full = owner .. "." .. name
    if seen[full] then return end                    -- a layer at a second place has the same parameters
    seen[full] = true
    list[#list + 1] = { name = full, kind = name, owner = owner, tensor = tensor, to_pytorch = to, from_pytorch = from }
  end
  for _, op in ipairs(graph.ops) do
    op.output.image = image_of(op)
    for _, name in ipairs(names_of(op.params)) do
      add(op.owner, name, op.params[name], conversions(op, name, op.params[name], op.inputs[1].image))
    end
    for _, value in ipairs(op.inputs) do
      if value.owner then add(value.owner, value.name, value.tensor, same, same) end
    end
  end
  return list
end

return M
