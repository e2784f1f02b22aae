--- The operations of formulas that a layer of Keras does: name -> f(b, op), as in perilune.export.keras. Keras' layers
--- are functions of values with a batch; sums and products with a parameter or a constant along the last axis are a
--- BatchNormalization that normalizes nothing.
local core = require "perilune.core"
local graphs = require "perilune.export.graph"

local writers = {}

local function refuse(op, why)
  why = why and " " .. why or ""
  graphs.refuse(op.label, "keras",
    ("no layer of Keras does its operation '%s'%s; export it to ONNX or C"):format(op.type, why))
end

local function all_with_batch(op)
  for _, value in ipairs(op.inputs) do
    if value.fixed then refuse(op, "with parameters or constants") end
  end
end

-- y = x scale + shift along the last axis; each nil or a tensor of that size. Variance and epsilon sum to 1 exactly.
local EPSILON = 2.0 ^ -10
local function affine(b, op, x, scale, shift)
  local n = x.shape[#x.shape]
  local weights = { scale and { "gamma", scale } }
  if shift then weights[#weights + 1] = { "beta", shift } end
  weights[#weights + 1] = { "moving_mean", core.tensor.zeros(n) }
  weights[#weights + 1] = { "moving_variance", core.tensor.full({ n }, 1 - EPSILON) }
  return b:layer("BatchNormalization", op.owner,
    { axis = -1, epsilon = EPSILON, center = shift ~= nil, scale = scale ~= nil }, { x }, weights)
end

-- A parameter or constant as a tensor of the size of x's last axis; refused where it is none.
local function along_last(op, x, value)
  local n, count = x.shape[#x.shape], graphs.count(value.shape)
  local fits = value.tensor and n and (count == 1 or (count == n and value.shape[#value.shape] == n))
  if not fits or not graphs.same_shape(x.shape, op.output.shape) then refuse(op, "with a value of this shape") end
  return core.tensor.zeros(n) + value.tensor:reshape(-1)
end

local function minus(t, n) return t and -t or core.tensor.full({ n }, -1) end

-- Of two values with a batch a layer that merges them; else f(b, op, x, other as a tensor, whether it comes first).
local function arithmetic(class, f)
  return function(b, op)
    local one, two = op.inputs[1], op.inputs[2]
    if not one.fixed and not two.fixed then
      if not class or #one.shape ~= #two.shape then refuse(op, "of these two values") end
      return b:layer(class, op.owner, {}, op.inputs)
    end
    if not f or one.fixed and two.fixed then refuse(op, "with parameters or constants") end
    local x, other = one, two
    if one.fixed then x, other = two, one end
    return f(b, op, x, along_last(op, x, other), one.fixed)
  end
end

writers.add = arithmetic("Add", function(b, op, x, t) return affine(b, op, x, nil, t) end)
writers.sub = arithmetic("Subtract", function(b, op, x, t, first)
  if first then return affine(b, op, x, minus(nil, t:count()), t) end
  return affine(b, op, x, nil, minus(t))
end)
writers.mul = arithmetic("Multiply", function(b, op, x, t) return affine(b, op, x, t, nil) end)
writers.div = arithmetic(nil, function(b, op, x, t, first)
  if first then refuse(op, "by a value") end
  return affine(b, op, x, t:pow(-1), nil)
end)
writers.maximum, writers.minimum = arithmetic "Maximum", arithmetic "Minimum"

function writers.neg(b, op)
  all_with_batch(op)
  local shape = op.output.shape
  if #shape == 0 then refuse(op) end
  return affine(b, op, op.inputs[1], minus(nil, shape[#shape]), nil)
end

function writers.square(b, op)
  all_with_batch(op)
  return b:layer("Multiply", op.owner, {}, { op.inputs[1], op.inputs[1] })
end

function writers.exp(b, op)
  all_with_batch(op)
  return b:layer("Activation", op.owner, { activation = "exponential" }, op.inputs)
end

-- A product with a parameter is a Dense without bias.
function writers.matmul(b, op)
  local x, weight = op.inputs[1], op.inputs[2]
  if x.fixed or not weight.tensor or #weight.shape ~= 2 then refuse(op, "of these two values") end
  return b:layer("Dense", op.owner, { units = weight.shape[2], use_bias = false }, { x },
    { { "kernel", weight.tensor } })
end

function writers.permute(b, op)
  all_with_batch(op)
  local dims = {}
  for i, axis in ipairs(op.args) do dims[i] = axis + 1 end
  return b:layer("Permute", op.owner, { dims = dims }, op.inputs)
end

function writers.cat(b, op)
  all_with_batch(op)
  return b:layer("Concatenate", op.owner, { axis = op.args[1] + 1 }, op.inputs)
end

function writers.slice(b, op)
  all_with_batch(op)
  local axis, size = op.args[1] + 1, op.inputs[1].shape
  local crop = { op.args[2], size[axis] - op.args[3] }
  if #size == 2 and axis == 1 then return b:layer("Cropping1D", op.owner, { cropping = crop }, op.inputs) end
  if #size ~= 3 or axis == 3 then refuse(op, "along this axis") end
  local none = { 0, 0 }
  return b:layer("Cropping2D", op.owner, { cropping = axis == 1 and { crop, none } or { none, crop } }, op.inputs)
end

-- Over the rows and columns of an image, or along a sequence.
for name, class in pairs { mean = "GlobalAveragePooling", max = "GlobalMaxPooling" } do
  writers[name] = function(b, op)
    all_with_batch(op)
    local axes, a = #op.inputs[1].shape, op.args
    local image = axes == 3 and #a == 4 and a[3] == 0 and a[4] == 1
    if not image and not (axes == 2 and #a == 3 and a[3] == 0) then refuse(op, "over these axes") end
    return b:layer(class .. (image and "2D" or "1D"), op.owner, { keepdims = a[1] == 1 }, op.inputs)
  end
end

return writers
