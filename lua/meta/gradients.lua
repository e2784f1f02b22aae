---@meta perilune.gradients

---@type perilune
local pl = {}

---@class perilune.GradientCheckOptions
---@field tolerance? number largest relative distance (default 1e-3; 2e-2 where only f32 will do)
---@field elements? integer so many of each argument are moved (default 24)
---@field seed? integer that chooses them where there are more (default 1)

---Compares the gradient of a function of tensors with central differences, and raises an error where they are apart.
---
---The function returns one number, from operations of formulas, and its gradient is that of `pl.grad`; or it returns
---the number and then a gradient for each argument, computed by hand. The differences are taken in double precision, by
---an evaluation of its own that shares nothing with the kernels; a function by hand that is no formula (a sign, a
---sort), or computes with numbers it has read (`x:item()`), is compared in f32, less sharply. At a kink, such as relu
---at 0, any slope between those of its two sides will do.
---
---```lua
---local x, t = pl.randn(8, 3), pl.randn(8, 2)
---pl.gradient_check(function(w, b) return ((x:matmul(w) + b - t) ^ 2):mean() end, pl.randn(3, 2), pl.randn(2))
---```
---@param f fun(...): number, any
---@param ... any tensors and numbers; last, if at all, perilune.GradientCheckOptions
---@return number distance the largest relative one; of small gradients relative to a tenth of the argument's largest
---@return string precision "double" or "single"
function pl.gradient_check(f, ...) end
