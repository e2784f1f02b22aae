---@meta perilune.tensor

---A block of values with up to 6 axes. Elements are `f32` (numbers), `u8` (pixels, masks) or `i32` (labels, indices).
---
---Indices and axes count from 1, negative ones from the end. `t[i]` is item i of the first axis: a view, or a number
---when t is a vector; `t[i] = v` takes a number or a tensor that broadcasts; `for i = 1, #t` goes through them,
---`ipairs` does not. Views share storage with the tensor that they come from; `clone` makes storage of its own.
---Methods that end in `_` change the tensor itself and return it.
---
---Shapes broadcast from the last axis: sizes fit when they are equal or one of them is 1. Integers among themselves
---give i32 (a result beyond its range is an error, never wrapped), f32 makes f32, `/`, `^` and functions such as `exp`
---always f32, comparisons (`t:gt(0)`, not `t > 0`) a mask: u8, 0 or 1. `==` asks whether two tensors are the same
---object; `t:eq(u)` compares elements, `t:equal(u)` the whole. In-place methods keep the element type; a result that
---does not fit is an error and changes nothing. Results do not depend on the number of threads, to the last bit; f32
---values below 1.2e-38 count as 0.
---
---```lua
---local t = pl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
---print(t * 2 + 1, t:mean(1), t[2][3], t:T():matmul(t))
---```
---@class perilune.Tensor
---@field shape integer[] size of each axis (a fresh table)
---@field dtype "f32"|"u8"|"i32" type of the elements
---@field [integer] perilune.Tensor|number item of the first axis
---@operator add(perilune.Tensor|number): perilune.Tensor
---@operator sub(perilune.Tensor|number): perilune.Tensor
---@operator mul(perilune.Tensor|number): perilune.Tensor
---@operator div(perilune.Tensor|number): perilune.Tensor
---@operator idiv(perilune.Tensor|number): perilune.Tensor
---@operator mod(perilune.Tensor|number): perilune.Tensor
---@operator pow(perilune.Tensor|number): perilune.Tensor
---@operator unm: perilune.Tensor
---@operator len: integer
local Tensor = {}

---Size of one axis. Error: there is none such, as everywhere below.
---@param axis integer
---@return integer size
function Tensor:size(axis) end
---Number of axes; a single number has 0.
---@return integer axes
function Tensor:dim() end
---Number of elements.
---@return integer count
function Tensor:count() end
---The only element of a tensor of one element, as a Lua number. Error: more or fewer elements.
---@return number value
function Tensor:item() end
---The elements as nested Lua tables, one level an axis; a number for a tensor without axes.
---@return table|number nested
function Tensor:totable() end
---Gives the memory back at once, where it would otherwise wait for the collector; views made from it stay valid. Later
---use of the tensor is an error. `local t <close> = ...` does the same at the end of the block.
function Tensor:free() end

---Items `from` to `to` of an axis, both included, as a view; a `to` just before `from` gives one of no items. Error:
---beyond the axis.
---@param axis integer
---@param from integer
---@param to? integer (default -1, the last)
---@return perilune.Tensor view
function Tensor:slice(axis, from, to) end
---Item i of an axis as a view without that axis.
---@param axis integer
---@param i integer
---@return perilune.Tensor view
function Tensor:select(axis, i) end
---The same elements in row order under another shape; one size may be -1 and follows from the others. A view when the
---elements lie in order, else a copy. Error: another number of elements.
---
---```lua
---images:reshape(-1, 784)
---```
---@param ... integer sizes, or one table of sizes
---@return perilune.Tensor
function Tensor:reshape(...) end
---Exchanges two axes, as a view.
---@param a integer
---@param b integer
---@return perilune.Tensor view
function Tensor:transpose(a, b) end
---The transposed matrix, as a view. Error: not two axes.
---@return perilune.Tensor view
function Tensor:T() end
---Axes in another order, as a view: axis i of the result is axis `order[i]` of the tensor.
---
---```lua
---images:permute(1, 4, 2, 3)    -- [N, H, W, C] becomes [N, C, H, W]
---```
---@param ... integer every axis once, or one table
---@return perilune.Tensor view
function Tensor:permute(...) end
---Drops an axis of size 1, or all of them; a view. Error: another size.
---@param axis? integer (default: all of size 1)
---@return perilune.Tensor view
function Tensor:squeeze(axis) end
---A new axis of size 1 that becomes axis `axis`; a view.
---@param axis integer
---@return perilune.Tensor view
function Tensor:unsqueeze(axis) end
---Repeats axes of size 1, and adds axes in front, without copying. Such a view cannot be changed in place: an error.
---@param ... integer sizes, or one table of sizes
---@return perilune.Tensor view
function Tensor:expand(...) end
---A copy with storage of its own.
---@return perilune.Tensor copy
function Tensor:clone() end
---The tensor itself when its elements lie in row order without gaps, else a copy for which they do.
---@return perilune.Tensor
function Tensor:contiguous() end
---A copy of another element type. Fractions are dropped (use `round` first); a value that does not fit is an error.
---@param dtype "f32"|"u8"|"i32"
---@return perilune.Tensor copy
function Tensor:to(dtype) end

---Sets every element to one number.
---@param value number
---@return perilune.Tensor self
function Tensor:fill_(value) end
---Sets every element to 0.
---@return perilune.Tensor self
function Tensor:zero_() end
---Copies the elements of another tensor, broadcast and converted. Error: shapes do not fit, or a value does not.
---@param from perilune.Tensor
---@return perilune.Tensor self
function Tensor:copy_(from) end
---Fills with random numbers, uniform in [low, high). With a seed always the same ones, else those of the next stream of
---the script (see pl.seed).
---@param low? number (default 0)
---@param high? number (default 1)
---@param options? { seed: integer }
---@return perilune.Tensor self
function Tensor:uniform_(low, high, options) end
---Fills with random numbers of the normal distribution; seeds as in `uniform_`.
---@param mean? number (default 0)
---@param std? number standard deviation (default 1)
---@param options? { seed: integer }
---@return perilune.Tensor self
function Tensor:normal_(mean, std, options) end

---The matrix product, f32: [n, k] x [k, m] gives [n, m]. A vector counts as one row (first) or one column (second) and
---that axis is dropped; two vectors give a number; leading axes broadcast. Error: the inner sizes differ.
---@param u perilune.Tensor
---@return perilune.Tensor|number
function Tensor:matmul(u) end
---Have both the same shape and elements no further apart than the tolerance? NaN equals nothing.
---@param u perilune.Tensor
---@param tolerance? number (default 0)
---@return boolean equal
function Tensor:equal(u, tolerance) end

---The items of an axis that the indices name, in that order, as a copy. Error: an index out of range.
---
---```lua
---images:index(1, { 3, 1, -1 })
---```
---@param axis integer
---@param indices integer[]|perilune.Tensor i32, from 1, negative from the end; of a mask see `masked_select`
---@return perilune.Tensor
function Tensor:index(axis, indices) end
---One element for each index: for axis 2, `out[i][j] = t[i][indices[i][j]]`. The result has the shape of the indices.
---Error: an index out of range, or more of them along another axis than t has.
---@param axis integer
---@param indices table|perilune.Tensor i32, from 1, with as many axes as t
---@return perilune.Tensor
function Tensor:gather(axis, indices) end
---The elements where the mask is not 0, as a vector in row order. The two broadcast.
---@param mask perilune.Tensor
---@return perilune.Tensor
function Tensor:masked_select(mask) end
---A copy in which elements are `value` where the mask is not 0.
---@param mask perilune.Tensor
---@param value number
---@return perilune.Tensor
function Tensor:masked_fill(mask, value) end
---As `masked_fill`, in place.
---@param mask perilune.Tensor
---@param value number
---@return perilune.Tensor self
function Tensor:masked_fill_(mask, value) end
---Sorted along an axis; equal elements keep their order, NaN comes last.
---@param axis? integer (default -1, the last)
---@param options? { descending: boolean }
---@return perilune.Tensor values
---@return perilune.Tensor indices i32, where each was, from 1
function Tensor:sort(axis, options) end
---The k largest along an axis, largest first. Error: it has fewer.
---@param k integer
---@param axis? integer (default -1, the last)
---@return perilune.Tensor values
---@return perilune.Tensor indices i32, where each was, from 1
function Tensor:topk(k, axis) end

---@class perilune.ShowOptions
---@field count? integer how many images of a batch (default 40)
---@field low? number what is black (default: 0, or the least value where some lie outside 0 to 1)
---@field high? number what is white (default: 1, for u8 255, or the largest value)

---Draws an image, or a batch of them side by side, in the terminal: in colour, or in letters where there is none.
---
---```lua
---local x, y = data.digits():splits():tensors(1, 8)
---x:show()
---model[1].weight:select(4, 1):show()
---```
---@param options? perilune.ShowOptions
function Tensor:show(options) end

---Draws the values of a tensor of one axis as a curve, or the rows of one of two axes over each other, in the terminal.
---
---```lua
---pl.linspace(0, 6, 100):sin():plot()
---```
---@param options? perilune.PlotOptions
function Tensor:plot(options) end

---@class perilune.HistOptions
---@field bins? integer (default 16; in a figure 64)
---@field low? number (default: the least value)
---@field high? number (default: the largest value)
---@field out? string write a figure instead: .svg, .png or .pdf (default: draws in the terminal)
---@field title? string (default: none)

---Shows how the values are distributed, in the terminal.
---
---```lua
---model[1].weight:hist()
---```
---@param options? perilune.HistOptions
function Tensor:hist(options) end

---Counts of the values in bins of equal width, and their moments. Values that are not finite are only counted. Error:
---high lies below low.
---@param bins? integer from 1 to 4096 (default 64)
---@param low? number finite (default: the least value)
---@param high? number finite (default: the largest value)
---@return table h { counts, low, high, mean, std, min, max, count, zeros, nonfinite }
function Tensor:histogram(bins, low, high) end

return Tensor
