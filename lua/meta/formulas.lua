---@meta perilune.formulas

---@type perilune.nn
local nn = {}
---@type perilune
local pl = {}

---Formulas: layers that a script defines itself, with gradients by themselves, at the speed of C.
---
---The function is recorded: it is called with values of which only the shape is known, and each method and operator
---adds an operation to the layer's graph. From then on the graph runs, in C, and the function does not: nothing in it
---may depend on numbers. `if x:sum() > 0` is an error that says so, and so is a comparison that nothing takes, such as
---`if x:gt(0) then`; use `pl.where(condition, yes, no)`. What Lua does not let be caught (`if x then`, `x == 0`) is
---always taken the same way.
---
---The batch is the first axis of a value, and its size is not known: reductions name the axes of a sample, in reshape
---the batch is -1; `x:select(2, 1)` is the first element of each sample, and `x[1]` an error. Numbers and tensors that
---the function captures are constants, part of the graph; they are looked at again before each epoch, and a change is
---an error. In files a layer is its operations: where the function used a size (`x:size(2)`, `x.shape`, axes and
---places counted from the end), what is loaded takes no shapes of which that size is another one, and says so.
---The first batch of a training, and `perilune check`, also compute the operations one by one, nothing fused,
---and compare to the last bit.
---
---  arithmetic       + - * / ^ with broadcasting, exp log sqrt square abs sin cos tanh sigmoid relu gelu silu clamp
---  comparisons      lt le gt ge eq ne, maximum minimum, pl.where(condition, yes, no)
---  over axes        sum mean max min norm var std (axis or {axes} [, { keepdim = true }]), softmax log_softmax (axis)
---  products         matmul, leading axes broadcast
---  shape, indexing  reshape flatten squeeze unsqueeze transpose permute slice select, pl.cat pl.stack
---  labels           pick(label), label:one_hot(classes)
---  layers           any layer called as a function: self.conv(x), stem(x)
---
---```lua
---local GatedLinear = nn.define {
---  name    = "GatedLinear",
---  params  = function(o) return { a = { o[1], o[2] }, b = { o[1], o[2] } } end,
---  forward = function(self, x) return x:matmul(self.a) * x:matmul(self.b):sigmoid() end,
---}
---local model = nn.Sequential { nn.Flatten(), GatedLinear(784, 100), nn.Linear(100, 10) }
---model:build { 28, 28, 1 }
---print(model:show_graph())
---```
---@class perilune.formulas

---@class perilune.Definition
---@field name string what its layers are called in summaries, files and messages: "GatedLinear"
---@field params? fun(o: table): table<string, integer[]|table> parameters by name: a shape, or { shape = {...}, init =,
---  trained = false }; matrices begin with "he", vectors with zeros. No name is that of a layer's field or method
---@field layers? fun(o: table): table<string, perilune.Layer> layers that forward calls: self.name(x)
---@field forward fun(self: table, x: any): any what is recorded; `self` has the parameters, the layers and the options

---A constructor of layers that compute a formula of the script's own. `perilune help formulas` tells what it may use.
---
---The constructor's arguments come to params, layers and forward as the table `o`, which forward also has as
---`self.options`. The layers have named parameters, work anywhere in a model, and are saved with their graph: `nn.load`
---does without the script.
---
---```lua
---local LayerNorm = nn.define {
---  name    = "LayerNorm",
---  params  = function(o) return { scale = { shape = { o[1] }, init = { "constant", 1 } }, bias = { o[1] } } end,
---  forward = function(self, x)
---    local mean, var = x:mean(-1, { keepdim = true }), x:var(-1, { keepdim = true, correction = 0 })
---    return (x - mean) / (var + 1e-5):sqrt() * self.scale + self.bias
---  end,
---}
---LayerNorm(10)
---```
---@param definition perilune.Definition
---@return fun(...: any): perilune.Layer constructor
function nn.define(definition) end

---A layer whose function calls other layers and operations: branches, shared layers, sums of several paths.
---
---As a whole model it may return several outputs, `return a, b` or `return { a, b }`. The first is what predictions
---and accuracy are made of; `model:infer(x)` and `model:forward(x)` return them all, the loss (nn.define_loss, or a
---function) is given a list of them, and `model:backward` takes a list of their gradients.
---
---```lua
---local stem, left, right = nn.Linear(8, 16), nn.Linear(16, 4), nn.Linear(16, 4)
---local model = nn.Graph(function(x)
---  local h = stem(x):relu()
---  return pl.cat({ left(h), right(h) }, -1)
---end)
---model:build { 8 }
---```
---@param forward fun(x: any): any what is recorded; layers are called on values as functions
---@param options? { name: string }
---@return perilune.Layer
function nn.Graph(forward, options) end

---@class perilune.LossDefinition
---@field forward fun(output: any, target: any, options: table): any what a sample costs, [N]; of more axes the mean
---  is taken (the sum with reduction = "sum")
---@field name? string what it is called in messages and tables (default "loss")
---@field options? table numbers, strings, booleans and tables of them, for forward; kept with the run
---@field reduction? "mean"|"sum" over the batch (default "mean")
---@field outputs? string what the outputs are that it trains: "logits", "independent logits", "probabilities",
---  "log-probabilities" or "values"; without it the model's last layer says it, or they are logits

---A loss from a formula, with its gradient: for experiments, and called as loss(output, target) in loops by hand.
---
---The function is recorded once, as that of nn.define is, and then runs in C like a built-in loss. The value is the
---mean over the batch of what forward gives for each sample (or ends with `:mean()`). Labels come as numbers:
---`p:pick(label)`, `label:one_hot(10)`; a model of several outputs gives a list of them, `y[1]`, `y[2]`.
---`perilune help formulas` tells what it may use. It is saved with the run, and its operations are part of the run's
---identity.
---
---```lua
---local focal = nn.define_loss {
---  name    = "Focal", options = { gamma = 2 },
---  forward = function(y, label, o)
---    local p = y:log_softmax(-1):pick(label)
---    return -(1 - p:exp()) ^ o.gamma * p
---  end,
---}
---local value, grad = focal(pl.randn(4, 10), pl.tensor({ 0, 1, 2, 3 }, "i32"))
---
---local weight = pl.tensor { 1, 1, 5 }      -- of the classes: the third is rare
---local weighted = nn.define_loss {
---  name    = "WeightedCrossEntropy",
---  forward = function(y, label) return -(y:log_softmax(-1) * label:one_hot(3) * weight):sum(-1) end,
---}
---```
---@param definition perilune.LossDefinition
---@return perilune.Loss loss
function nn.define_loss(definition) end

---The gradient of a function of tensors that gives one number, for each of its arguments, by a tape: any control flow.
---The function is given values with the methods of formulas (`perilune help formulas`), whose numbers can be read:
---`x:item()`. A tensor that the function used and then changed in place is an error: change a copy.
---
---```lua
---local dw = pl.grad(function(w) return (w ^ 2):sum() end)(pl.tensor { 1, 2 })     -- [2, 4]
---```
---@param f fun(...: any): any the number, such as x:sum() or x:mean()
---@return fun(...: perilune.Tensor|number): ... gradients, each like its argument
function pl.grad(f) end

---The same, with the value in front.
---
---```lua
---local x, t = pl.randn(5, 3), pl.randn(5, 1)
---local value, dw = pl.value_and_grad(function(w) return ((x:matmul(w) - t) ^ 2):mean() end)(pl.zeros(3, 1))
---```
---@param f fun(...: any): any
---@return fun(...: perilune.Tensor|number): number, ... value, and gradients
function pl.value_and_grad(f) end
