---@meta perilune.nn

---Layers, models and losses.
---
---A model is a layer that holds layers, usually nn.Sequential. Images and activations are `[N, H, W, C]`: samples, rows,
---columns, channels. Each constructor takes its sizes in order and its options as one table at the end; an unknown
---option is an error that names the nearest one. Every layer takes `name = "fc1"`, by which `model:find "fc1"` finds it
---and messages call it.
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
---  "he"             normal, deviation sqrt(2 / inputs)          He et al., ICCV 2015
---  "he_uniform"     uniform, +-sqrt(6 / inputs)
---  "xavier"         uniform, +-sqrt(6 / (inputs + outputs))      Glorot, Bengio, AISTATS 2010
---  "xavier_normal"  normal, deviation sqrt(2 / (inputs + outputs))
---  "lecun"          normal, deviation sqrt(1 / inputs)           LeCun et al., 1998
---  "fan_in"         uniform, +-1 / sqrt(inputs)
---  "zeros"; {"constant", c}; {"uniform", low, high}; {"normal", mean, deviation}
---  function(shape) return tensor end
---
---Here inputs and outputs are those of one output or input number: kernel height x width x channels for convolution.
---@alias perilune.Init string|table|fun(shape: integer[]): perilune.Tensor

---@class perilune.LinearOptions
---@field bias? boolean adds a bias to each output (default true)
---@field init? perilune.Init of the weight: a name, numbers, or a function of the shape (default "he")
---@field bias_init? perilune.Init of the bias, likewise (default "zeros")
---@field name? string

---A fully connected layer on the last axis of any input: y = x w + b.
---
---Input `[N, ..., inputs]`, output `[N, ..., outputs]`; `weight` [inputs, outputs], `bias` [outputs].
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
---[H', W', outputs] with bias = "per-position". It is an error if the kernel is larger than the padded image.
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
---largest value. NaN is passed on.
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
---Input `[N, H, W, C]`, output `[N, H', W', C]`.
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
---@field unbiased? boolean the running variance divides by rows - 1, as PyTorch's, else by rows, as Keras' (default true)
---@field name? string

---Batch normalization of the last axis (features or channels).
---
---y = weight (x - mean) / sqrt(variance + eps) + bias, with the mean and variance of the batch in a training pass
---and the running ones otherwise (`running_mean`, `running_var`). Ioffe, Szegedy, ICML 2015.
---
---Input and output `[N, ..., features]`; `weight`, `bias` [features].
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
---The mask is a function of the seed, the layer, the step and the place of the number. Srivastava et al., JMLR 15, 2014.
---@param p? number in [0, 1) (default 0.5)
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Dropout(p, options) end

---Makes one axis of all: `[N, H, W, C]` becomes `[N, H W C]`. No memory moves.
---@param options? perilune.LayerOptions
---@return perilune.Layer
function nn.Flatten(options) end

---The same numbers of a sample under another shape; the counts must be equal. No memory moves.
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
---The two outputs must have the same shape.
---
---```lua
---nn.Residual(nn.Sequential { nn.Linear(64, 64), nn.ReLU() })
---nn.Residual { branch, nn.Linear(64, 128), name = "block1" }
---```
---@param branch perilune.Layer or a table { branch, shortcut, name = ... }
---@param shortcut? perilune.Layer
---@return perilune.Layer
function nn.Residual(branch, shortcut) end

---The layers one after the other. It may hold others of its kind.
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
---  input; needed for training
---@field shape? fun(shape: integer[]): integer[] shape of one output sample (default: that of the input)
---@field name? string

---A layer written in Lua, without parameters. Its functions run on the main thread.
---
---```lua
---nn.Lambda { forward = function(x) return x * x end, backward = function(dy, x) return dy * x * 2 end }
---```
---@param options perilune.LambdaOptions
---@return perilune.Layer
function nn.Lambda(options) end

---The model that `model:config()` described, with fresh parameters.
---@param config table
---@return perilune.Layer
function nn.from_config(config) end

---A model from a file that `model:save` or a run wrote, or from a run's folder, with its weights.
---
---```lua
---local model = assert(nn.load "digits.h5")
---```
---@param path string
---@return perilune.Layer? model nil and a message when the file cannot be read or is damaged
---@return string? message
function nn.load(path) end

---A layer, and a model: they are one type.
---
---`model[2]` is its second layer, `#model` how many it holds. `layer.weight`, `layer.bias` are the parameters
---themselves, not copies; they can be set: `layer.bias = pl.zeros(10)`. Options are fields too: `layer.kernel`.
---@class perilune.Layer
---@field type string "Conv2d": the constructor's name
---@field name string "" unless given
---@field weight perilune.Tensor
---@field bias perilune.Tensor
---@field weight_grad perilune.Tensor gradient of the weight
---@field bias_grad perilune.Tensor gradient of the bias
---@field grad table<string, perilune.Tensor> all gradients of the layer by the parameter's name
local Layer = {}

---Checks and plans the whole model for samples of a shape. Happens by itself when data first comes.
---
---```lua
---model:build { 28, 28, 1 }
---```
---@param shape integer[] of one sample, without N
---@return perilune.Layer model the same
function Layer:build(shape) end

---A training pass: dropout is on, batch normalization uses the batch, and what backward needs is remembered.
---@param x perilune.Tensor [N, ...]
---@return perilune.Tensor output
function Layer:forward(x) end

---The output for x, without training; nothing is remembered. Large inputs go in pieces.
---@param x perilune.Tensor [N, ...]
---@param mode? "infer"|"noise" "noise" leaves dropout on (default "infer")
---@return perilune.Tensor output
function Layer:infer(x, mode) end

---@class perilune.OutputOptions
---@field loss? perilune.Loss|function says what the outputs are (default: the loss of the model's experiment; where there is none,
---  a last Softmax or Sigmoid makes probabilities, LogSoftmax log-probabilities, and all else logits)

---Labels, from 0: the index of the largest output; of one output 1 where a logit is above 0, a probability or value above 1/2.
---Where there is NaN it is -1. Evaluation, accuracy and the confusion matrix decide alike.
---@param x perilune.Tensor [N, ...]
---@param options? perilune.OutputOptions
---@return perilune.Tensor labels i32 [N]
function Layer:predict(x, options) end

---Probabilities of the classes: softmax of logits, a sigmoid of each where the loss is BCE or there is one output (then of label 1),
---the outputs where they are probabilities themselves. Outputs of MSE and Huber have none: an error.
---@param x perilune.Tensor [N, ...]
---@param options? perilune.OutputOptions
---@return perilune.Tensor probabilities [N, K]
function Layer:probabilities(x, options) end

---Adds the gradient of every parameter to its `grad`; follows forward.
---@param gradient perilune.Tensor of the output, as a loss returns it
---@param wanted? boolean also return the gradient for the input (default false)
---@return perilune.Tensor? input_gradient
function Layer:backward(gradient, wanted) end

---Sets all gradients to 0.
function Layer:zero_grad() end

---Draws every parameter anew from its initializer.
---@param seed integer
function Layer:initialize(seed) end

---What dropout's masks are a function of: gets, or first sets, seed and step.
---@param seed? integer
---@param step? integer (default 0)
---@return integer step
function Layer:random(seed, step) end

---@class perilune.EvaluateOptions
---@field loss? perilune.Loss|function whose mean is then computed too, and which says what the outputs are (default: as for predict)
---@field dropout? boolean leaves dropout on (default false)
---@field confusion? boolean counts the confusion matrix (default true)
---@field predictions? boolean also keeps the label predicted for each sample and its probability (default false)

---One pass over a data set. With labels the result has accuracy, error, correct and confusion; `outside`, if there is any, counts
---for each label samples that were given none of the classes (NaN, or an output beyond them). With targets it has mae, rmse
---and r2 (of all outputs together, each about its own mean); independent logits (BCE) are compared as probabilities.
---
---```lua
---model:evaluate(test).accuracy
---```
---@param data perilune.Split
---@param options? perilune.EvaluateOptions
---@return table result { loss =, count =, accuracy =, error =, correct =, confusion = [actual][predicted], outside =, mae =, rmse =, r2 = };
---  with `predictions` also { predictions = i32 [N], probabilities = f32 [N] }
function Layer:evaluate(data, options) end

---The first layer of that name in the model, or nil.
---@param name string
---@return perilune.Layer?
function Layer:find(name) end

---Iterates over the trained parameters in order.
---
---```lua
---for name, tensor in model:parameters() do print(name, tensor.shape[1]) end
---```
---@return fun(): string, perilune.Tensor iterator "02_linear.weight", tensor
function Layer:parameters() end

---How many numbers are trained.
---@return integer
function Layer:count() end

---A table of the layers as text: output shape, parameters, multiply-adds and bytes of one sample.
---@param shape? integer[] of one sample, if the model has not been built
---@return string
function Layer:summary(shape) end

---The rows of the summary as data: path, label, type, name, output, parameters, work (multiply-adds), memory (bytes).
---A Residual has a row with part = "fork" before its branches and one with part = "join" after them.
---@param shape? integer[] of one sample, if the model has not been built
---@return table[] rows
function Layer:rows(shape) end

---What every layer answers to an input: the rows of the summary with the layer's output tensor as `output`. At the prompt, or by
---`:show()`, drawn for the first sample: each channel as an image.
---
---```lua
---model:activations(x):show()
---```
---@param x perilune.Tensor [N, ...]
---@return perilune.Shown rows
function Layer:activations(x) end

---@class perilune.MistakesOptions
---@field count? integer how many (default 12, at most 50)
---@field loss? function the loss it was trained with, where probabilities depend on it

---The mistakes on a split, the most confident first, as pictures: actual label, predicted label, probability, index.
---
---```lua
---model:mistakes(test)
---model:mistakes(test)[1].index
---```
---@param split perilune.Split
---@param options? perilune.MistakesOptions
---@return perilune.Shown list of { index, label, prediction, probability, picture }
function Layer:mistakes(split, options) end

---Draws the filters of a layer (the kernels of a convolution, or what each output of a layer on pixels looks for), or how its
---weights are distributed, in the terminal. A model: those of its first layer with weights.
function Layer:show() end

---Mean, std, least and largest value of each parameter, and the std of its gradient, as a table.
---
---```lua
---model:statistics()
---```
---@return perilune.Shown list of { path, name, shape, values, gradient }
function Layer:statistics() end

---Where the time goes while `f` runs: the rows of the summary with the seconds that each layer took as `forward` and
---`backward` (fused layers count as the first of them), and on the list itself the seconds of an experiment's steps for
---`data` (gathering and augmenting), `loss`, `update` (the optimizer), and `other` (all that is between).
---@param f function trains, or calls the model in other ways
---@param ... any what `f` is called with
---@return table[] rows
function Layer:profile(f, ...) end

---Trained numbers, shapes of one input and output sample (nil before build), and whether Lua functions take part.
---@return integer parameters
---@return integer[]? input
---@return integer[]? output
---@return boolean has_functions
function Layer:sizes() end

---Bytes that the activations and workspaces of a batch take.
---@param batch integer samples
---@param mode? "train"|"infer" (default "train")
---@return integer bytes
function Layer:arena(batch, mode) end

---Every parameter and statistic in the order of files: { layer =, type =, name =, trained =, tensor = }.
---@return table[] entries
function Layer:state() end

---The parameters of this layer alone: { name =, trained = }.
---@return table[] parameters
function Layer:params() end

---The options of this layer in the order they are declared: { name =, value =, default = (nil: it must be given) }.
---@return table[]
function Layer:options() end

---The model as a table of plain values, from which nn.from_config makes it again.
---@return table
function Layer:config() end

---Loads the weights of a saved model or of a run into this one. All must fit, unless `partial = true`. A model in an experiment then
---starts with them if it has `start = "keep"`.
---
---```lua
---local list = assert(model:load("runs/digits-s1", { partial = true }))
---print(list)                          -- a line a parameter: loaded, or why not
---```
---@param path string a file, or a run's folder
---@param options? { partial: boolean }
---@return { name: string, loaded: boolean, why: string? }[]? list an entry a parameter or statistic; nil and a message when the file cannot be read or
---  does not fit, and then nothing is changed
---@return string? message
function Layer:load(path, options) end

---The same layers in memory of their own: parameters, gradients, statistics. Functions of the script (initializers, Lambda) are shared.
---@return perilune.Layer
function Layer:clone() end

---Its place in the model: "03_conv2d", or "02_residual/01_linear" inside another.
---@return string
function Layer:path() end

---How messages call it: `layer 3 (Conv2d, "c1")`.
---@return string
function Layer:label() end

---Writes the model, its description and its weights, to an HDF5 file, which nn.load reads.
---@param path string
---@return boolean? ok nil and a message when the file cannot be written
---@return string? message
function Layer:save(path) end
