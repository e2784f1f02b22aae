---@meta perilune.layer

---A layer, and a model: they are one type.
---
---`model[2]` is its second layer, `#model` how many it holds. `layer.weight`, `layer.bias` are the parameters
---themselves, not copies; they can be set: `layer.bias = pl.zeros(10)`. A layer that is put into a container moves its
---parameters there: ask for `layer.weight` again, since a tensor from before is no longer the layer's. Options are
---fields too: `layer.kernel`.
---@class perilune.Layer
---@field type string "Conv2d": the constructor's name
---@field name string "" unless given
---@field weight perilune.Tensor
---@field bias perilune.Tensor
---@field weight_grad perilune.Tensor gradient of the weight
---@field bias_grad perilune.Tensor gradient of the bias
---@field grad table<string, perilune.Tensor> all gradients of the layer by the parameter's name
local Layer = {}

---Checks and plans the whole model for samples of a shape. Happens by itself when data first comes. Error: a layer that
---cannot take what comes to it, by its path and with both shapes.
---
---```lua
---model:build { 28, 28, 1 }
---```
---@param shape integer[] of one sample, without N
---@return perilune.Layer model the same
function Layer:build(shape) end

---A training pass: dropout is on, batch normalization uses the batch, and what backward needs is remembered. Backward
---reads x and the weights again: neither changes in place before it. Pixels as bytes (u8) are refused by all passes:
---give x / 255, as data sets have them, or x:to "f32". Error: the shape does not fit, or the batch is too small for a
---BatchNorm.
---@param x perilune.Tensor f32 or i32 [N, ...]
---@return perilune.Tensor output
---@return perilune.Tensor ... of a model of several outputs (nn.Graph) the others
function Layer:forward(x) end

---The output for x, without training; nothing is remembered. Large inputs are run in chunks. Error: the shape does not
---fit.
---@param x perilune.Tensor [N, ...]
---@param mode? "infer"|"dropout" "dropout" leaves dropout on, with other masks in each call (default "infer")
---@return perilune.Tensor output
---@return perilune.Tensor ... of a model of several outputs (nn.Graph) the others
function Layer:infer(x, mode) end

---@class perilune.OutputOptions
---@field loss? perilune.Loss|function says what the outputs are (default: the loss of the model's experiment; where
---  there is none, a last Softmax or Sigmoid makes probabilities, LogSoftmax log-probabilities, and all else logits)

---Labels, from 0: the index of the largest output; of one output 1 where a logit is above 0, a probability or value
---above 1/2. Where there is NaN it is -1. Evaluation, accuracy and the confusion matrix decide alike. Error: outputs
---that are not [N, K], or a model that was trained on target values by MSE or Huber.
---@param x perilune.Tensor [N, ...]
---@param options? perilune.OutputOptions
---@return perilune.Tensor labels i32 [N]
function Layer:predict(x, options) end

---Probabilities of the classes: softmax of logits, a sigmoid of each where the loss is BCE or there is one output (then
---of label 1), the outputs where they are probabilities themselves. Outputs of MSE and Huber have none: an error.
---@param x perilune.Tensor [N, ...]
---@param options? perilune.OutputOptions
---@return perilune.Tensor probabilities [N, K]
function Layer:probabilities(x, options) end

---Adds the gradient of every parameter to its `grad`; follows forward, once. The first one after steps of a training
---replaces what those have left. Error: no forward came before, its input was changed in place or the weights since, or
---the gradient has another shape than its output.
---@param gradient perilune.Tensor|perilune.Tensor[] of the output, as a loss returns it; of several outputs a list
---@param needs_grad? boolean also return the gradient for the input (default false)
---@return perilune.Tensor? input_gradient
function Layer:backward(gradient, needs_grad) end

---Sets all gradients to 0.
function Layer:zero_grad() end

---How often the weights have been written to: in place, by an assignment, a step or a training. Two equal numbers say
---that nothing changed them in between.
---@return integer
function Layer:writes() end

---Draws every parameter anew from its initializer, a function of the seed and the layer's place. Error: shapes that
---depend on the input's, before a build.
---@param seed integer
function Layer:initialize(seed) end

---What dropout's masks are a function of: gets, or first sets, seed and step. A forward advances the step; so do passes
---with dropout on, infer for each 256 samples, evaluate for each 64.
---@param seed? integer (default: both stay)
---@param step? integer (default 0)
---@return integer step
function Layer:random(seed, step) end

---@class perilune.EvaluateOptions
---@field loss? perilune.Loss|function whose mean is then computed too, and which says what the outputs are (default: no
---  mean; outputs are as for predict)
---@field dropout? boolean leaves dropout on, with other masks in each call (default false)
---@field confusion? boolean counts the confusion matrix (default true)
---@field predictions? boolean also keeps the label predicted for each sample and its probability (default false)

---One pass over a data set. With labels the result has accuracy, error, correct and confusion; `outside`, if there is
---any, counts for each label samples that were given none of the classes (NaN, or an output beyond them). With targets
---it has mae, rmse and r2 (of all outputs together, each about its own mean); independent logits (BCE) are compared as
---probabilities. Error: the outputs do not fit the labels or targets, or there are none; a file cannot be read.
---
---```lua
---model:evaluate(test).accuracy
---```
---@param data perilune.Split
---@param options? perilune.EvaluateOptions
---@return table result { loss =, count =, accuracy =, error =, correct =, confusion = [actual][predicted], outside =,
---  mae =, rmse =, r2 = }; with `predictions` also { predictions = i32 [N], probabilities = f32 [N] },
---  the probability of the predicted class (of all classes: model:probabilities)
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

---How many values are trained.
---@return integer
function Layer:count() end

---A table of the layers as text: output shape, parameters, multiply-adds and bytes of one sample. Error: not built, and
---no shape given.
---@param shape? integer[] of one sample (default: that for which the model was built)
---@return string
function Layer:summary(shape) end

---The rows of the summary as data: path, label, type, name, output, parameters, work (multiply-adds), memory (bytes).
---A Residual has a row with part = "fork" before its branches and one with part = "join" after them. Errors as above.
---@param shape? integer[] of one sample (default: that for which the model was built)
---@return table[] rows
function Layer:rows(shape) end

---The dataflow of a built model as data, for programs that export or draw it: values (shape, source: "op", "input",
---"param" or "constant"), ops (type, layer, inputs and output: numbers of values), rows (the operations of each row of
---`rows()`), output. Formulas are there operation by operation, as they were written.
---@return { values: table[], ops: table[], rows: table[], output: integer } graph
function Layer:graph() end

---The output of every layer for an input: the rows of the summary with the layer's output tensor as `output`. At the
---prompt, or by `:show()`, drawn for the first sample: each channel as an image.
---
---```lua
---model:activations(x):show()
---```
---@param x perilune.Tensor [N, ...]
---@return perilune.Shown rows
function Layer:activations(x) end

---@class perilune.MistakesOptions
---@field count? integer how many (default 12, at most 50)
---@field loss? perilune.Loss|function the loss it was trained with, where probabilities depend on it (default: as for
---  predict)

---The mistakes on a split, the most confident first, as pictures: actual label, predicted label, probability, index.
---Error: the split has no labels.
---
---```lua
---model:mistakes(test)
---model:mistakes(test)[1].index
---```
---@param split perilune.Split
---@param options? perilune.MistakesOptions
---@return perilune.Shown list of { index, label, prediction, probability, picture }
function Layer:mistakes(split, options) end

---Draws the filters of a layer (the kernels of a convolution, or what each output of a layer on pixels looks for), or
---how its weights are distributed, in the terminal. A model: those of its first layer with weights.
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
---`data` (gathering and augmenting), `loss`, `update` (the optimizer), and `other` (all that is between). Error: the
---model has not been built, is profiled already, or is in the middle of a pass; what `f` raises.
---@param f function trains, or calls the model in other ways
---@param ... any what `f` is called with
---@return table[] rows
function Layer:profile(f, ...) end

---Trained values, shapes of one input and output sample (nil before build), and whether Lua functions take part.
---@return integer parameters
---@return integer[]? input
---@return integer[]? output
---@return boolean has_functions
function Layer:sizes() end

---Bytes that the activations and workspaces of a batch take; 0 of a model that has not been built.
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

---Loads the weights of a saved model or of a run into this one. All must fit, unless `partial = true`: then something
---must. An experiment that is made afterwards with `start = "keep"` starts with them. Error: the file cannot be read or
---does not fit, and then nothing is changed (pcall catches it).
---
---```lua
---local list = model:load("runs/digits-s1", { partial = true })
---print(list)                          -- a line a parameter: loaded, or why not
---```
---@param path string a file, or a run's folder
---@param options? { partial: boolean }
---@return { name: string, loaded: boolean, why: string? }[] list an entry a parameter or statistic
function Layer:load(path, options) end

---The same layers in memory of their own: parameters, gradients, statistics; of a model or of a part of one, such as
---`model[2]:clone()`. Functions of the script (initializers, Lambda) are shared.
---@return perilune.Layer
function Layer:clone() end

---Its place in the model: "03_conv2d", or "02_residual/01_linear" inside another.
---@return string
function Layer:path() end

---How messages call it: `layer 3 (Conv2d, "c1")`.
---@return string
function Layer:label() end

---The operations of its formulas (nn.define, nn.Graph), a line each: inputs, shape, bytes of a sample, the script's
---line; then what a training pass runs of them, and what runs as one. The model has been built.
---@return string
function Layer:show_graph() end

---Writes the model, its description and its weights, to an HDF5 file, which nn.load reads. Of a model that a run
---trained the file also says how the data were prepared and what the labels are called, for `perilune predict` and
---`perilune export`. Error: the file cannot be written (pcall catches it).
---@param path string
---@return true
function Layer:save(path) end

---Writes the model for other programs, as `perilune export` does: the ending of the name says the format, .onnx,
---.safetensors, .h5 (Keras), .c or .html. Error: a layer that the format cannot express, which is named, or the file
---cannot be written (pcall catches it).
---
---How inputs are scaled and what labels are called goes along where the model knows it: that of a run, its copies, and
---what nn.load made of a run or of a file that one of these saved. Of other models a line on the standard error says
---that it is not known.
---
---Of a model of several outputs all are written: ONNX calls them output, output_2, ..., in C they lie in y one after
---the other (OUTPUT_2 is where the second begins), a page scores the first. An AvgPool2d that pads "same" unevenly
---and does not count the border is wrong in Keras 3.15 with the torch backend, which counts the last pixels twice;
---its jax backend is right.
---
---```lua
---run.model:export "digits.onnx"
---```
---@param path string
---@return true
function Layer:export(path) end
