---@meta perilune

---What `require "perilune"` gives: the modules `nn`, `optim`, `data` and others, and the functions that make tensors or
---work on several of them. Sizes are given as numbers or as one table; a last argument "f32", "u8" or "i32" names the
---element type. Random numbers are a function of the seed: of `{ seed = n }`, or else of `pl.seed` and of how many were
---made before. Wrong arguments are errors that name the argument, with the script's line.
---@class perilune
---@field version string for instance "0.1.0"
---@field nn perilune.nn
---@field optim perilune.optim
---@field data perilune.data
---@field augment perilune.augment
---@field schedule perilune.schedule
---@field stopping perilune.stopping
---@field system perilune.system
local pl = {}

---@alias perilune.dtype "f32"|"u8"|"i32"

---A tensor from nested tables of numbers, from one number (no axes), or a copy of a tensor. `true` and `false` count as
---1 and 0. Error: rows of unequal lengths, or a value that does not fit the type; the message names the item. (Of a
---tensor the copy is as by t:to, which drops fractions.)
---
---```lua
---pl.tensor { { 1, 2 }, { 3, 4 } }
---pl.tensor({ 7, 2, 1 }, "u8")
---```
---@param values table|number|perilune.Tensor
---@param dtype? perilune.dtype (default "f32"; for a tensor its own)
---@return perilune.Tensor
function pl.tensor(values, dtype) end

---Is the value a tensor that was not freed?
---@param value any
---@return boolean
function pl.is_tensor(value) end

---May two tensors have elements in the same memory, so that writing to one changes the other? By the addresses of their
---first and last elements: two columns of a matrix do, by this.
---@param a perilune.Tensor
---@param b perilune.Tensor
---@return boolean
function pl.overlap(a, b) end

---A tensor of zeros.
---
---```lua
---pl.zeros(2, 3)    pl.zeros({ 2, 3 }, "i32")
---```
---@param ... integer|integer[]|perilune.dtype sizes, then the type (default "f32")
---@return perilune.Tensor
function pl.zeros(...) end

---A tensor of ones.
---@param ... integer|integer[]|perilune.dtype sizes, then the type (default "f32")
---@return perilune.Tensor
function pl.ones(...) end

---A tensor with one number everywhere.
---@param shape integer[]
---@param value number
---@param dtype? perilune.dtype (default "f32")
---@return perilune.Tensor
function pl.full(shape, value, dtype) end

---A matrix with ones on its diagonal.
---@param rows integer
---@param columns? integer (default rows)
---@param dtype? perilune.dtype (default "f32")
---@return perilune.Tensor
function pl.eye(rows, columns, dtype) end

---The values that `for i = from, to, step` runs through, the end included, as a vector; i32 when all are integers,
---else f32. An end that is missed by rounding alone counts. One argument: from 1 to it.
---
---```lua
---pl.arange(5)            -- 1 2 3 4 5
---pl.arange(0, 0.3, 0.1)  -- 4 values
---```
---@param from number
---@param to? number (default: `from`, counted to from 1)
---@param step? number not 0 (default 1)
---@param dtype? perilune.dtype (default "i32" of integers, else "f32")
---@return perilune.Tensor
function pl.arange(from, to, step, dtype) end

---`count` values at equal distances, both ends included; f32.
---@param from number
---@param to number
---@param count integer 1 or more; of 1 it is `from`
---@return perilune.Tensor
function pl.linspace(from, to, count) end

---Random numbers, uniform in [0, 1).
---
---```lua
---pl.rand(2, 3)    pl.rand({ 2, 3 }, { seed = 1 })
---```
---@param ... integer|integer[]|{ seed: integer } sizes, then options
---@return perilune.Tensor
function pl.rand(...) end

---Random numbers of the standard normal distribution.
---@param ... integer|integer[]|{ seed: integer } sizes, then options
---@return perilune.Tensor
function pl.randn(...) end

---Random whole numbers from low to high, both included; i32. Error: low is above high.
---@param low integer
---@param high integer
---@param ... integer|integer[]|{ seed: integer } sizes, then options
---@return perilune.Tensor
function pl.randint(low, high, ...) end

---Sets the seed of all random tensors made without one of their own; without arguments only tells it.
---@param seed? integer (default: it stays)
---@param taken? integer how many were made already (default 0)
---@return integer seed
---@return integer taken
function pl.seed(seed, taken) end

---Joins tensors along an axis. Error: none, or other sizes or the types differ.
---@param list perilune.Tensor[]
---@param axis? integer (default 1)
---@return perilune.Tensor
function pl.cat(list, axis) end

---Joins tensors of equal shape and type along a new axis. Error: none, or they differ.
---@param list perilune.Tensor[]
---@param axis? integer of the result (default 1)
---@return perilune.Tensor
function pl.stack(list, axis) end

---Elements of `yes` where the mask is not 0, else of `no`; all three broadcast. Error: they do not.
---@param mask perilune.Tensor
---@param yes perilune.Tensor|number
---@param no perilune.Tensor|number
---@return perilune.Tensor
function pl.where(mask, yes, no) end

---Labels as rows of zeros with a one: label k (from 0) has it in column k + 1; f32 [N, classes]. Error: a label out of
---range.
---@param labels perilune.Tensor u8 or i32, [N]
---@param classes integer
---@return perilune.Tensor
function pl.one_hot(labels, classes) end

---The share of rows that decide for their label: by the largest score, or with one score a row by whether it is a logit
---above 0. Labels are values from 0: the digit 7 is 7. A row with NaN counts as wrong. `options.loss` says what the
---scores are otherwise: probabilities, of which one a row decides for label 1 above 1/2, after nn.BCE { logits = false
---}. Error: a label that is none of the classes.
---@param scores perilune.Tensor [N, K]
---@param labels perilune.Tensor u8 or i32, [N]
---@param options? { loss: perilune.Loss }
---@return number share from 0 to 1
function pl.accuracy(scores, labels, options) end

return pl
