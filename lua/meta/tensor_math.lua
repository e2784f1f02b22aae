---@meta perilune.tensor

---@class perilune.Tensor
local Tensor = {}

---The sum, t + u.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:add(u) end
---Adds u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:add_(u) end
---The difference, t - u.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:sub(u) end
---Subtracts u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:sub_(u) end
---The product element by element, t * u.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:mul(u) end
---Multiplies by u, element by element. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:mul_(u) end
---The quotient, t / u; always f32.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:div(u) end
---Divides by u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:div_(u) end
---The quotient rounded down, t // u.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:idiv(u) end
---Divides by u and rounds down. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:idiv_(u) end
---The remainder of t // u, t % u; it has the sign of u.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:mod(u) end
---Replaces each element by its remainder by u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:mod_(u) end
---t to the power of u, t ^ u; always f32.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:pow(u) end
---Raises to the power of u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:pow_(u) end
---The larger of the two, element by element; NaN where one is.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:maximum(u) end
---Replaces what is smaller than u by u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:maximum_(u) end
---The smaller of the two, element by element; NaN where one is.
---@param u perilune.Tensor|number
---@return perilune.Tensor
function Tensor:minimum(u) end
---Replaces what is larger than u by u. In place; u broadcasts to the tensor.
---@param u perilune.Tensor|number
---@return perilune.Tensor self
function Tensor:minimum_(u) end

---1 where t < u.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:lt(u) end
---1 where t <= u.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:le(u) end
---1 where t > u.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:gt(u) end
---1 where t >= u.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:ge(u) end
---1 where the elements are equal; NaN equals nothing.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:eq(u) end
---1 where the elements differ.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:ne(u) end
---1 where both are other than 0.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:logical_and(u) end
---1 where at least one is other than 0.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:logical_or(u) end
---1 where exactly one is other than 0.
---@param u perilune.Tensor|number
---@return perilune.Tensor mask u8
function Tensor:logical_xor(u) end
---1 where the element is 0.
---@return perilune.Tensor mask u8
function Tensor:logical_not() end
---1 where the element is NaN.
---@return perilune.Tensor mask u8
function Tensor:isnan() end
---1 where the element is neither NaN nor infinite.
---@return perilune.Tensor mask u8
function Tensor:isfinite() end

----x, for each element.
---@return perilune.Tensor
function Tensor:neg() end
----x, for each element, in place.
---@return perilune.Tensor self
function Tensor:neg_() end
---The absolute value, for each element.
---@return perilune.Tensor
function Tensor:abs() end
---The absolute value, for each element, in place.
---@return perilune.Tensor self
function Tensor:abs_() end
---1, 0 or -1, for each element.
---@return perilune.Tensor
function Tensor:sign() end
---1, 0 or -1, for each element, in place.
---@return perilune.Tensor self
function Tensor:sign_() end
---x * x, for each element.
---@return perilune.Tensor
function Tensor:square() end
---x * x, for each element, in place.
---@return perilune.Tensor self
function Tensor:square_() end
---Rounded down, for each element.
---@return perilune.Tensor
function Tensor:floor() end
---Rounded down, for each element, in place.
---@return perilune.Tensor self
function Tensor:floor_() end
---Rounded up, for each element.
---@return perilune.Tensor
function Tensor:ceil() end
---Rounded up, for each element, in place.
---@return perilune.Tensor self
function Tensor:ceil_() end
---Rounded to the nearest whole number, halves to even, for each element.
---@return perilune.Tensor
function Tensor:round() end
---Rounded to the nearest whole number, halves to even, for each element, in place.
---@return perilune.Tensor self
function Tensor:round_() end
---max(x, 0); NaN stays, for each element.
---@return perilune.Tensor
function Tensor:relu() end
---max(x, 0); NaN stays, for each element, in place.
---@return perilune.Tensor self
function Tensor:relu_() end
---e to the power of x, for each element.
---@return perilune.Tensor
function Tensor:exp() end
---e to the power of x, for each element, in place.
---@return perilune.Tensor self
function Tensor:exp_() end
---The natural logarithm, for each element.
---@return perilune.Tensor
function Tensor:log() end
---The natural logarithm, for each element, in place.
---@return perilune.Tensor self
function Tensor:log_() end
---The square root, for each element.
---@return perilune.Tensor
function Tensor:sqrt() end
---The square root, for each element, in place.
---@return perilune.Tensor self
function Tensor:sqrt_() end
---The sine of x radians, for each element.
---@return perilune.Tensor
function Tensor:sin() end
---The sine of x radians, for each element, in place.
---@return perilune.Tensor self
function Tensor:sin_() end
---The cosine of x radians, for each element.
---@return perilune.Tensor
function Tensor:cos() end
---The cosine of x radians, for each element, in place.
---@return perilune.Tensor self
function Tensor:cos_() end
---The hyperbolic tangent, for each element.
---@return perilune.Tensor
function Tensor:tanh() end
---The hyperbolic tangent, for each element, in place.
---@return perilune.Tensor self
function Tensor:tanh_() end
---1 / (1 + exp(-x)), for each element.
---@return perilune.Tensor
function Tensor:sigmoid() end
---1 / (1 + exp(-x)), for each element, in place.
---@return perilune.Tensor self
function Tensor:sigmoid_() end
---x P(x), P the normal distribution, for each element.
---@return perilune.Tensor
function Tensor:gelu() end
---x sigmoid(x), for each element.
---@return perilune.Tensor
function Tensor:silu() end
---exp(x) over its sum along the axis, computed without overflow.
---@param axis? integer (default -1, the last)
---@return perilune.Tensor
function Tensor:softmax(axis) end
---The logarithm of softmax along the axis, computed without overflow.
---@param axis? integer (default -1, the last)
---@return perilune.Tensor
function Tensor:log_softmax(axis) end
---Of each row along the last axis the element that its label names; labels count from 0. NaN where a label names
---nothing.
---@param label perilune.Tensor a label for each row: without the last axis
---@return perilune.Tensor
function Tensor:pick(label) end
---A row of `classes` elements for each label, 1 at the label and 0 elsewhere; f32. NaN where a label names nothing (in
---pl.one_hot that is an error).
---@param classes integer
---@return perilune.Tensor
function Tensor:one_hot(classes) end
---[N, ...] as [N, elements of a sample].
---@return perilune.Tensor
function Tensor:flatten() end
---Elements below `low` become `low`, those above `high` become `high`; NaN stays. In a formula the gradient at
---a bound is that between them, as PyTorch's.
---@param low number
---@param high number
---@return perilune.Tensor
function Tensor:clamp(low, high) end
---As `clamp`, in place.
---@param low number
---@param high number
---@return perilune.Tensor self
function Tensor:clamp_(low, high) end

---@class perilune.ReduceOptions
---@field keepdim? boolean reduced axes stay with size 1 (default false)

---@class perilune.DeviationOptions
---@field keepdim? boolean reduced axes stay with size 1 (default false)
---@field correction? number subtracted from the number of elements (default 0); in formulas a whole number

---The sum, made in double in a fixed order; i32 for integers.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:sum(axis, options) end
---The product; i32 for integers.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:prod(axis, options) end
---The mean; f32.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:mean(axis, options) end
---The variance: squared distances from the mean, divided by n - correction; f32. `correction = 1` estimates that of the
---population from a sample.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.DeviationOptions
---@return perilune.Tensor|number
function Tensor:var(axis, options) end
---The standard deviation, the root of `var`; f32.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.DeviationOptions
---@return perilune.Tensor|number
function Tensor:std(axis, options) end
---The Euclidean norm: the root of the sum of squares; f32.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:norm(axis, options) end
---The largest element; NaN when there is one. Error: no elements.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:max(axis, options) end
---The smallest element; NaN when there is one. Error: no elements.
---@param axis? integer|integer[] (default: all axes, which gives a number)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|number
function Tensor:min(axis, options) end
---Where the largest element is, from 1; the first of equals, or the first NaN. Of one axis (i32), or in row order of
---the whole tensor. A class label is this minus 1; see pl.accuracy.
---@param axis? integer (default: all axes, which gives an integer)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|integer
function Tensor:argmax(axis, options) end
---Where the smallest element is, from 1; the first of equals, or the first NaN.
---@param axis? integer (default: all axes, which gives an integer)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|integer
function Tensor:argmin(axis, options) end
---Are all elements other than 0? A mask (u8) along axes.
---@param axis? integer|integer[] (default: all axes, which gives a boolean)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|boolean
function Tensor:all(axis, options) end
---Is any element other than 0? A mask (u8) along axes.
---@param axis? integer|integer[] (default: all axes, which gives a boolean)
---@param options? perilune.ReduceOptions
---@return perilune.Tensor|boolean
function Tensor:any(axis, options) end
