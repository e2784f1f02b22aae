---@meta perilune.nn

---Layers, models and losses.
---
---A model is a layer that holds layers, usually nn.Sequential. Images and activations are `[N, H, W, C]`: samples,
---rows, columns, channels. Each constructor takes its sizes in order and its options as one table at the end; an
---unknown option is an error that names the nearest one, a value out of range one that names the range. Whether shapes
---fit is known when the model is built: the error names the layer and both shapes. Every layer takes `name = "fc1"`, by
---which `model:find "fc1"` finds it and messages call it.
---
---```lua
---local model = nn.Sequential {
---  nn.Conv2d(1, 8, 5, { padding = "same" }), nn.ReLU(), nn.MaxPool2d(2),
---  nn.Flatten(), nn.Linear(8 * 14 * 14, 10),
---}
---print(model:summary { 28, 28, 1 })
---```
---@class perilune.nn
local nn = {}

---How parameters begin; a name, a table with numbers, or a function.
---
---  "he"             normal, std sqrt(2 / inputs)          He et al., ICCV 2015
---  "he_uniform"     uniform, +-sqrt(6 / inputs)
---  "xavier"         uniform, +-sqrt(6 / (inputs + outputs))      Glorot, Bengio, AISTATS 2010
---  "xavier_normal"  normal, std sqrt(2 / (inputs + outputs))
---  "lecun"          normal, std sqrt(1 / inputs)           LeCun et al., 1998
---  "fan_in"         uniform, +-1 / sqrt(inputs)
---  "zeros"; {"constant", c}; {"uniform", low, high}; {"normal", mean, std}
---  function(shape) return tensor end
---
---Here inputs and outputs are those of one output or input number: kernel height x width x channels for convolution. Of
---a formula's parameter inputs is the last axis but one, outputs the last, as matmul takes it; where it is used
---otherwise, give it another init.
---@alias perilune.Init string|table|fun(shape: integer[]): perilune.Tensor

---@class perilune.LinearOptions
---@field bias? boolean adds a bias to each output (default true)
---@field init? perilune.Init of the weight: a name, numbers, or a function of the shape (default "he")
---@field bias_init? perilune.Init of the bias, likewise (default "zeros")
---@field name? string

---A fully connected layer on the last axis of any input: y = x w + b.
---
---Input `[N, ..., inputs]` (else an error), output `[N, ..., outputs]`; `weight` [inputs, outputs], `bias` [outputs].
---In a table and as fields the sizes are `in` and `out`: `nn.Linear { ["in"] = 784, out = 10 }`.
---
---```lua
---nn.Linear(784, 10)
---nn.Linear(784, 100, { bias = false, init = "xavier", name = "fc1" })
---```
---@param inputs integer features in the last axis
---@param outputs integer
---@param options? perilune.LinearOptions
---@return perilune.Layer
function nn.Linear(inputs, outputs, options) end

---@class perilune.Conv2dOptions
---@field stride? integer|integer[] steps of the kernel; one number or {vertical, horizontal} (default 1)
---@field padding? integer|integer[]|"same"|"valid" zeros around the image: n, {vertical, horizontal}, "valid" (none)
---  or "same" (ceil(size / stride) outputs; an odd border puts the extra zero below and to the right) (default "valid")
---@field bias? boolean|"per-position" one a channel, none, or one a channel and position (default true)
---@field init? perilune.Init of the weight: a name, numbers, or a function of the shape (default "he")
---@field bias_init? perilune.Init of the bias, likewise (default "zeros")
---@field name? string

---2-D convolution (cross-correlation, as everywhere in the field).
---
---y[n, i, j, o] = bias[o] + sum over ky, kx, c of x[n, i s + ky - p, j s + kx - p, c] weight[ky, kx, c, o].
---
---Input `[N, H, W, inputs]`, output `[N, H', W', outputs]`; `weight` [kh, kw, inputs, outputs], `bias` [outputs], or
---[H', W', outputs] with bias = "per-position". It is an error if the kernel is larger than the padded image. In a
---table and as fields the sizes are `in`, `out` and `kernel`.
---
---```lua
---nn.Conv2d(1, 8, 5, { padding = "same" })
---nn.Conv2d(16, 32, { 3, 3 }, { stride = 2, bias = false })
---```
---@param inputs integer channels of the input
---@param outputs integer channels of the output
---@param kernel integer|integer[] its size; one number or {height, width}
---@param options? perilune.Conv2dOptions
---@return perilune.Layer
function nn.Conv2d(inputs, outputs, kernel, options) end

---@class perilune.PoolOptions
---@field stride? integer|integer[] steps of the window (default: the kernel)
---@field padding? integer|integer[]|"same"|"valid" border around the image, smaller than the kernel (default "valid")
---@field name? string

---@class perilune.AvgPoolOptions : perilune.PoolOptions
---@field count_include_pad? boolean the border counts as zeros; false: only pixels of the image count (default true)

---The largest value in each window, for each channel.
---
---Input `[N, H, W, C]`, output `[N, H', W', C]`. The border of padding never wins. The gradient goes to the first
---largest value. NaN is passed on. Error: the window is larger than the padded image.
---
---```lua
---nn.MaxPool2d(2)
---nn.MaxPool2d(3, { stride = 2, padding = "same" })
---```
---@param kernel integer|integer[] size of the window; one number or {height, width}
---@param options? perilune.PoolOptions
---@return perilune.Layer
function nn.MaxPool2d(kernel, options) end

---The mean of each window, for each channel.
---
---Input `[N, H, W, C]`, output `[N, H', W', C]`. Error: the window is larger than the padded image.
---@param kernel integer|integer[] size of the window; one number or {height, width}
---@param options? perilune.AvgPoolOptions
---@return perilune.Layer
function nn.AvgPool2d(kernel, options) end

---@class perilune.LayerOptions
---@field name? string

---The mean of each channel over all positions.
---
---Input `[N, H, W, C]`, output `[N, C]`.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.GlobalAvgPool2d(options) end

---@class perilune.BatchNormOptions
---@field momentum? number how much of the running statistics a batch replaces; Keras counts from the other
---  end: its 0.99 is 0.01 here (default 0.1)
---@field eps? number added to the variance (default 1e-5)
---@field affine? boolean learns a scale and a shift for each feature (default true)
---@field unbiased? boolean the running variance divides by rows - 1, as PyTorch's, else by rows, as Keras' (default
---  true)
---@field name? string

---Batch normalization of the last axis (features or channels).
---
---y = weight (x - mean) / sqrt(variance + eps) + bias, with the mean and variance of the batch in a training pass
---and the running ones otherwise (`running_mean`, `running_var`). Ioffe, Szegedy, ICML 2015.
---
---Input and output `[N, ..., features]`; `weight`, `bias` [features]. Error: a training batch of one row, which has no
---variance.
---
---```lua
---nn.Conv2d(1, 8, 3, { bias = false }), nn.BatchNorm(8), nn.ReLU()
---```
---@param features integer size of the last axis
---@param options? perilune.BatchNormOptions
---@return perilune.Layer
function nn.BatchNorm(features, options) end

---In training sets each number to 0 with probability p and divides the others by 1 - p; otherwise passes on.
---
---The mask is a function of the seed, the layer, the step and the index of the value. Srivastava et al., JMLR 15,
---2014.
---@param p? number from 0 to 0.999999 (default 0.5)
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Dropout(p, options) end

---Makes one axis of all: `[N, H, W, C]` becomes `[N, H W C]`. No memory moves.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Flatten(options) end

---The same values of a sample in another shape; the counts must be equal. No memory moves.
---
---```lua
---nn.Reshape { 28, 28, 1 }
---```
---@param shape integer[] of one sample, without N
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Reshape(shape, options) end

---max(x, 0); NaN is passed on.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.ReLU(options) end

---x where x > 0, slope x elsewhere.
---@param slope? number (default 0.01)
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.LeakyReLU(slope, options) end

---x where x > 0, alpha (exp(x) - 1) elsewhere. Clevert, Unterthiner, Hochreiter, ICLR 2016.
---@param alpha? number (default 1)
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.ELU(alpha, options) end

---The hyperbolic tangent of each number.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Tanh(options) end

---1 / (1 + exp(-x)).
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Sigmoid(options) end

---@class perilune.GELUOptions
---@field approximate? "none"|"tanh" the exact form, or the formula with tanh (default "none")
---@field name? string

---x times the normal distribution function of x. Hendrycks, Gimpel, arXiv 1606.08415.
---@param options? perilune.GELUOptions
---@return perilune.Layer
function nn.GELU(options) end

---x times sigmoid(x), also called swish. Elfwing, Uchibe, Doya, 2018.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.SiLU(options) end

---x times tanh(log(1 + exp(x))). Misra, BMVC 2020.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Mish(options) end

---exp(x) divided by its sum over the last axis. For training use nn.CrossEntropy on the outputs before it instead.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Softmax(options) end

---The logarithm of softmax over the last axis, computed without overflow.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.LogSoftmax(options) end

---Passes its input on.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Identity(options) end

---branch(x) + shortcut(x), or branch(x) + x without a shortcut. He, Zhang, Ren, Sun, CVPR 2016.
---
---Error: the two outputs differ in shape.
---
---```lua
---nn.Residual(nn.Sequential { nn.Linear(64, 64), nn.ReLU() })
---nn.Residual { branch, nn.Linear(64, 128), name = "block1" }
---```
---@param branch perilune.Layer or a table { branch, shortcut, name = ... }
---@param shortcut? perilune.Layer (default: the input itself)
---@return perilune.Layer
function nn.Residual(branch, shortcut) end

---The layers one after the other. It may hold others of its kind. A layer may stand at several places of a model: its
---weights are there once, and their gradients are added up.
---
---```lua
---local model = nn.Sequential { nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10) }
---model[2].weight
---```
---@param layers perilune.Layer[] and optionally name = "..."
---@return perilune.Layer
function nn.Sequential(layers) end

---@class perilune.LambdaOptions
---@field forward fun(x: perilune.Tensor, training: boolean): perilune.Tensor output of a batch
---@field backward? fun(dy: perilune.Tensor, x: perilune.Tensor, y: perilune.Tensor): perilune.Tensor gradient for the
---  input; needed for training (default: none, and training is an error)
---@field shape? fun(shape: integer[]): integer[] shape of one output sample (default: that of the input)
---@field name? string

---A layer written in Lua, without parameters. Its functions run on the main thread. Error: a result of another shape
---than `shape` says; whatever the functions raise.
---
---```lua
---nn.Lambda { forward = function(x) return x * x end, backward = function(dy, x) return dy * x * 2 end }
---```
---@param options perilune.LambdaOptions
---@return perilune.Layer
function nn.Lambda(options) end

---The model that `model:config()` described, with fresh parameters. Error: it describes none.
---@param config table
---@return perilune.Layer
function nn.from_config(config) end

---A model from a file that `model:save` or a run wrote, or from a run's folder, with its weights. As part of a larger
---model, in nn.Sequential or nn.Graph, it keeps them; an experiment with that one says `start = "keep"`.
---
---```lua
---local model = assert(nn.load "digits.h5")
---```
---@param path string
---@return perilune.Layer? model nil and a message when the file cannot be read or is damaged
---@return string? message
function nn.load(path) end

---A model that Keras saved as HDF5 (`model.save("m.h5")`), with its weights: of layers that have a counterpart here,
---one after the other or in ways that are added up. Where Keras compiled it with a loss on target values, such as
---"mse", and no softmax or sigmoid ends it, its outputs are values, as after training with nn.MSE. (`perilune import`
---takes weights of PyTorch, too.)
---
---```lua
---local model = assert(nn.import "keras.h5")
---```
---@param path string
---@return perilune.Layer? model nil and a message, which names the layer that has no counterpart
---@return string? message
function nn.import(path) end
