---@meta perilune.optim

---Optimizers: what moves the weights by the gradients.
---
---An experiment is given one and does the rest. By hand: `opt:bind(model)` once, `opt:step()` after each backward,
---`opt:epoch()` as each epoch begins. In the formulas g is the gradient, w a weight, t the step from 1. An unknown
---option or a value out of range is an error.
---
---```lua
---optim.SGD { lr = 0.1, momentum = 0.9 }
---optim.Adam { lr = 1e-3, clip_norm = 1,
---  groups = { { parameters = { "bias" }, weight_decay = 0 }, { layers = { "fc1" }, lr = 1e-4 } } }
---```
---@class perilune.optim
local optim = {}

---What every optimizer takes.
---
---The gradient is first scaled by clip_norm, then cut by clip_value, then weight_decay w is added to it (AdamW, LAMB,
---Lion, and SGD by decay_form, treat weight decay in their own way).
---@class perilune.OptimOptions
---@field lr? number the rate; a schedule changes it from epoch to epoch (default: the optimizer's own, below)
---@field weight_decay? number pull of the weights towards 0 (default 0; AdamW and LAMB 0.01)
---@field decay? number the rate is divided by 1 + decay (t - 1) (default 0)
---@field clip_norm? number longest gradient, over all parameters together; 0: any (default 0)
---@field clip_value? number largest element of the gradient; 0: any (default 0)
---@field groups? perilune.OptimGroup[] parameters with settings of their own; the first group that fits counts
---  (default: none)

---A group that gives several of layers, match and parameters has what fits all of them. A name that fits no parameter
---of the model is an error.
---@class perilune.OptimGroup
---@field layers? string|string[] names or paths of layers
---@field match? string|string[] parts of names or paths
---@field parameters? string|string[] such as "bias"
---@field lr? number the group's rate where the optimizer's is its configured lr; schedules move both in proportion
---@field lr_scale? number the same as a factor
---@field weight_decay? number
---@field frozen? boolean its parameters never move, by weight decay neither, and count for no clip_norm; BatchNorm's
---  running statistics go on following the data (default false)

---@class perilune.SGDOptions : perilune.OptimOptions
---@field momentum? number mu, from 0 to 1 (default 0)
---@field nesterov? boolean looks ahead: the form's update is applied once more to the new v, and mu v + g, mu v +
---  (1 - mu) g, or mu v - lr g takes its place in the step (default false)
---@field momentum_form? "classic"|"averaged"|"keras" v = mu v + g; v = mu v + (1 - mu) g; or v = mu v - lr g and w = w
---  + v, which differs from the first while lr changes (default "classic")
---@field decay_form? "l2"|"decoupled"|"absolute" weight decay wd: g + wd w in place of g; w - lr wd w; or w - wd w as
---  well (default "l2")

---Gradient descent: v = mu v + g, w = w - lr v. Polyak 1964; Nesterov's form: Sutskever et al., ICML 2013.
---
---```lua
---optim.SGD { lr = 0.1 }
---optim.SGD { lr = 0.01, momentum = 0.9, nesterov = true }
---```
---@param options? perilune.SGDOptions lr is 0.01 unless given
---@return perilune.Optimizer
function optim.SGD(options) end

---@class perilune.AdamOptions : perilune.OptimOptions
---@field betas? number[] b1 and b2, from 0 to 0.999999 (default {0.9, 0.999})
---@field eps? number above 0 (default 1e-8)
---@field correction? "step"|"epoch" what t counts; the document's own Adam counts epochs (default "step")
---@field eps_inside_root? boolean sqrt(v / (1 - b2^t) + eps) (default false)

---m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
---
---Kingma, Ba, ICLR 2015. With correction = "epoch" the step is sqrt(1 - b2^t) / (1 - b1^t) times as long: 0.32 in the
---first epoch, 0.15 in the tenth.
---@param options? perilune.AdamOptions lr is 0.001 unless given
---@return perilune.Optimizer
function optim.Adam(options) end

---@class perilune.MomentsOptions : perilune.OptimOptions
---@field betas? number[] b1 and b2, from 0 to 0.999999 (default {0.9, 0.999})
---@field eps? number above 0 (default: the optimizer's own, below)

---Adam with weight decay beside the step: w = w - lr weight_decay w. Loshchilov, Hutter, ICLR 2019.
---@param options? perilune.MomentsOptions lr is 0.001, eps 1e-8, weight_decay 0.01 unless given
---@return perilune.Optimizer
function optim.AdamW(options) end

---@class perilune.RMSpropOptions : perilune.OptimOptions
---@field beta? number how slowly v forgets, from 0 to 1 (default 0.9)
---@field eps? number above 0 (default 1e-8)
---@field momentum? number b = momentum b + g / (sqrt(v) + eps) takes the place of the quotient (default 0)
---@field centered? boolean the variance of g in place of v. Graves, arXiv 1308.0850 (default false)

---v = beta v + (1 - beta) g^2, w = w - lr g / (sqrt(v) + eps). Tieleman, Hinton, lecture 6.5, 2012.
---@param options? perilune.RMSpropOptions lr is 0.001 unless given
---@return perilune.Optimizer
function optim.RMSprop(options) end

---@class perilune.AdaGradOptions : perilune.OptimOptions
---@field eps? number above 0 (default 1e-10)

---v = v + g^2, w = w - lr g / (sqrt(v) + eps). Duchi, Hazan, Singer, JMLR 12, 2011.
---@param options? perilune.AdaGradOptions lr is 0.01 unless given
---@return perilune.Optimizer
function optim.AdaGrad(options) end

---@class perilune.AdaDeltaOptions : perilune.OptimOptions
---@field rho? number how slowly v and x forget, from 0 to 1 (default 0.9)
---@field eps? number above 0 (default 1e-6)

---v = rho v + (1 - rho) g^2, d = g sqrt(x + eps) / sqrt(v + eps), x = rho x + (1 - rho) d^2, w = w - lr d.
---
---Zeiler, arXiv 1212.5701.
---@param options? perilune.AdaDeltaOptions lr is 1 unless given
---@return perilune.Optimizer
function optim.AdaDelta(options) end

---m as in Adam, n = max(b2 n, |g| + eps), w = w - (lr / (1 - b1^t)) m / n. Kingma, Ba, ICLR 2015, section 7.1.
---@param options? perilune.MomentsOptions lr is 0.002, eps 1e-8 unless given
---@return perilune.Optimizer
function optim.AdaMax(options) end

---@class perilune.NadamOptions : perilune.MomentsOptions
---@field momentum_decay? number d in mu(t) = b1 (1 - 0.96^(t d) / 2) (default 0.004)

---Adam with the momentum of the next step already applied. Dozat, ICLR workshop 2016.
---
---w = w - lr (mu(t+1) m / (1 - P(t+1)) + (1 - mu(t)) g / (1 - P(t))) / (sqrt(v / (1 - b2^t)) + eps), P(t) = mu(1) ...
---mu(t).
---@param options? perilune.NadamOptions lr is 0.002, eps 1e-8 unless given
---@return perilune.Optimizer
function optim.Nadam(options) end

---Adam with v = b2 v + (1 - b2) g^2 + eps, and no eps in the denominator. Yuan, Gao, arXiv 2011.02150.
---@param options? perilune.MomentsOptions lr is 0.001, eps 1e-8 unless given
---@return perilune.Optimizer
function optim.EAdam(options) end

---Adam with s = b2 s + (1 - b2) (g - m)^2 + eps in place of v. Zhuang et al., NeurIPS 2020.
---@param options? perilune.MomentsOptions lr is 0.001, eps 1e-16 unless given
---@return perilune.Optimizer
function optim.AdaBelief(options) end

---Adam's direction r, plus weight_decay w, made as long as the parameter it moves: w = w - lr (|w| / |r|) r, or lr r
---where either length is 0.
---
---You et al., ICLR 2020.
---@param options? perilune.MomentsOptions lr is 0.001, eps 1e-6, weight_decay 0.01 unless given
---@return perilune.Optimizer
function optim.LAMB(options) end

---@class perilune.LionOptions : perilune.OptimOptions
---@field betas? number[] b1 and b2, from 0 to 0.999999 (default {0.9, 0.99})

---c = b1 m + (1 - b1) g, w = w - lr (sign(c) + weight_decay w), m = b2 m + (1 - b2) g. Chen et al., 2023.
---@param options? perilune.LionOptions lr is 0.0001 unless given
---@return perilune.Optimizer
function optim.Lion(options) end

---What an optimizer of one's own is made of.
---@class perilune.OptimizerDefinition
---@field step fun(w, g, s, o): any, any `w, slots = step(w, g, s, o)` for each parameter; see optim.define
---@field name? string what messages and files call it, such as "Lion" (default "Own")
---@field slots? table `{ "m", "v", t = 0 }`: names of tensors, shaped as the parameter and zero at first, and numbers
---  with their first values
---@field options? table options with their defaults: numbers, true or false, strings, lists of numbers; lr = 1e-3
---  unless given
---@field decay_form? "l2"|"decoupled"|"own" weight decay wd: g + wd w in place of g; w - lr wd w before the step; or
---  the step does it (default "l2")

---An optimizer written in Lua. Returns its constructor, which is called as those of the library are.
---
---The step is called for each parameter that is not frozen, after clipping. It gets the weights w and the gradient g
---(tensors), what it remembers of this parameter in `s`, and its options in `o`; besides those it finds there `o.lr`
---(group, schedule and decay applied), `o.weight_decay`, `o.step` and `o.epoch` (from 1), `o.layer` ("01_linear") and
---`o.parameter` ("weight"). It returns the new weights and a table of the slots that have changed. All methods of
---tensors may be used, also those that change w and slots in place: these are the optimizer's own memory; g is a copy.
---Slots are saved with checkpoints, so that a run resumes exactly; what is kept in other variables is not. It runs on
---the main thread; each tensor operation uses all.
---
---```lua
---Lion = optim.define { name = "MyLion", slots = { "m" }, options = { lr = 1e-4, betas = { 0.9, 0.99 } },
---  decay_form = "decoupled",
---  step = function(w, g, s, o)
---    local b1, b2 = o.betas[1], o.betas[2]
---    return w - o.lr * (b1 * s.m + (1 - b1) * g):sign(), { m = b2 * s.m + (1 - b2) * g }
---  end }
---opt = Lion { lr = 1e-3, weight_decay = 0.1, clip_norm = 1 }
---```
---@param fields perilune.OptimizerDefinition
---@return fun(options?: table): perilune.Optimizer constructor
function optim.define(fields) end

---The optimizer that `opt:config()` described, not yet bound. Error: it describes none of the library's.
---@param config table { type = "Adam", config = { ... } }
---@return perilune.Optimizer
function optim.from_config(config) end

---An optimizer. `opt.lr = 0.01` sets the rate of the steps that follow; an experiment's run begins with `base_lr`.
---@class perilune.Optimizer
---@field type string "Adam": the constructor's name
---@field lr number the rate now, before `decay` and groups; can be set
---@field base_lr number the rate that it was made with
---@field steps integer taken since bind
---@field epochs integer begun since bind
local Optimizer = {}

---Gives it the parameters of a model that has been built. Its state begins anew. Error: their shapes are not known yet,
---or a group meets none of them.
---@param model perilune.Layer
---@return perilune.Optimizer opt the same
function Optimizer:bind(model) end

---Moves the weights by the gradients that backward left. Error: it is not bound; or a gradient or new weight is not
---finite: the message names the first such layer and parameter, and the step has been taken.
---
---"skip": gradients are checked first; if one is not finite no weight changes (what forward has changed stays, such as
---BatchNorm's statistics). "ignore": no check. Gradients of frozen groups, and infinite ones cut by clip_value without
---clip_norm, are not counted.
---
---```lua
---local value, grad = loss(model:forward(x), y)
---model:zero_grad() model:backward(grad) opt:step()
---```
---@param nonfinite? "stop"|"skip"|"ignore" default "stop": an error
---@return boolean? taken with "skip": whether it was
---@return string? what "a gradient"
---@return string? at "the weight of layer 3 (Linear)"
function Optimizer:step(nonfinite) end

---An epoch begins: Adam's correction = "epoch" counts them.
function Optimizer:epoch() end

---What it remembers of each parameter: its own memory, so writing to the tensors restores a state.
---@return table[] state { { layer = "01_linear", parameter = "weight", slot = "m", name = "weight.m", tensor = t },
---  ... }
function Optimizer:state() end

---What it counts, for checkpoints.
---@return table<string, number> counters steps, epochs, lr, and what a type has besides
function Optimizer:counters() end

---Sets what `opt:counters()` gave. Error: one is missing, or out of its range; then none is set.
---@param counters table<string, number>
function Optimizer:set_counters(counters) end

---One with the same options (and step, if that is a function), not bound.
---@return perilune.Optimizer
function Optimizer:clone() end

---Type and options, as a table.
---@return table config { type = "Adam", config = { ... } }
function Optimizer:config() end
