--- The parameters of a model in PyTorch's order of axes, and back. There images are [N, C, H, W]: convolutions are
--- [out, in, kh, kw], and the features after a Flatten are in the order (channel, row, column), here in (row, column,
--- channel), until a Linear mixes them.
local shapes = require "perilune.base.shapes"

local M = {}

local same_shape, count = shapes.equal, shapes.count

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

-- Is (row, column, channel) another order than (channel, row, column)?
local function order_matters(shape) return #shape == 3 and shape[3] > 1 and shape[1] * shape[2] > 1 end

-- Values of three axes are images, [C, H, W] in PyTorch, but for those whose axes a formula has arranged: `plain`.
local function is_image(value) return #value.shape == 3 and not value.plain and not value.fixed end

local reshapes = { Flatten = true, Reshape = true }     -- a formula's reshape is a "Reshape" here, too (graph.lua)
local of_images = { Conv2d = true, MaxPool2d = true, AvgPool2d = true, GlobalAvgPool2d = true, BatchNorm = true }
-- Operations in which the order of features matters.
local ordered = { slice = true, one_hot = true, pick = true }

-- What a reshape makes of the order; returns why it is not known.
local function reshape(op, input, output)
  local from, to = input.shape, output.shape
  local image = input.image or is_image(input) and order_matters(from) and from
  if #to == 1 then
    output.image = image or nil
  elseif input.image then
    if not same_shape(to, input.image) then return "reshapes the features of an image" end
  elseif from[#from] ~= to[#to] then
    output.plain = #to == 3 and order_matters(to)
    if op.kind == "layer" and (image or output.plain) then return "reshapes to or from an image" end
  else
    output.plain = #to == 3 and input.plain
  end
end

-- Notes in what order the values of an operation's output are: image = the shape of the image whose features they are
-- in the order (row, column, channel), where PyTorch's is another, and plain. Returns why PyTorch's is not known.
local function follow(op)
  local input, output = op.inputs[1], op.output
  if output.fixed then return nil end
  if input.plain and of_images[op.type] then return "takes an image that a formula's reshape made" end
  if reshapes[op.type] then return reshape(op, input, output) end
  local image, images, plain
  for _, value in ipairs(op.inputs) do
    image, images, plain = image or value.image, images or is_image(value), plain or value.plain
  end
  if #output.shape == 3 then
    local moved = op.type == "permute" and op.args[#op.args] ~= 2      -- the channels
    output.plain = plain or moved or not images
  end
  if not image or op.type == "Linear" then return nil end
  if op.type == "cat" then return "puts the features of flattened images one after the other" end
  if ordered[op.type] then return "takes the features of a flattened image by their places" end
  for _, value in ipairs(op.inputs) do
    if count(value.shape) > 1 and not (value.image and same_shape(value.image, image)) then
      return "mixes the features of a flattened image with values in another order"
    end
  end
  if count(output.shape) == count(image) then output.image = image end
end

--- All parameters and statistics of a graph in order: { name = "fc1.weight", kind = "weight", owner = "fc1", tensor =,
--- to_pytorch =, from_pytorch = }, conversions f(tensor) -> tensor. Those of formulas have the formula's name and their
--- own, "gate.a", and lie as they are. The second value says why the conversions are not PyTorch's; nil: they are.
function M.parameters(graph)
  local list, seen, unknown = {}, {}, nil
  local function add(owner, name, tensor, to, from)
    local full = owner .. "." .. name
    if seen[full] then return end                    -- a layer at a second place has the same parameters
    seen[full] = true
    list[#list + 1] = { name = full, kind = name, owner = owner, tensor = tensor, to_pytorch = to, from_pytorch = from }
  end
  for _, op in ipairs(graph.ops) do
    local why = follow(op)
    unknown = unknown or why and ("%s %s: PyTorch has channels before rows, and its order there is not known")
      :format(op.label, why)
    for _, name in ipairs(names_of(op.params)) do
      add(op.owner, name, op.params[name], conversions(op, name, op.params[name], op.inputs[1].image))
    end
    for _, value in ipairs(op.inputs) do
      if value.owner then add(value.owner, value.name, value.tensor, same, same) end
    end
  end
  return list, unknown
end

return M
