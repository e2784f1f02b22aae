---@meta perilune.loss

---@type perilune.nn
local nn = {}

---What a batch of outputs costs. Made by `nn.CrossEntropy()`, `nn.MSE()` and the others; given to an experiment, or
---called.
---
---Targets are labels, i32 [N] with the classes counted from 0, or target values (or probabilities of each class), f32
---and shaped like the output. Every loss takes labels: those made for values see the one-hot row. With one output there
---are two classes, and the label itself, 0 or 1, is the target value. Error: shapes that do not fit, a label beyond the
---outputs, a target outside [0, 1] where it is a probability; the message names the sample.
---
---```lua
---local loss = nn.CrossEntropy { label_smoothing = 0.1 }
---local value, grad = loss(model:forward(x), labels)
---model:zero_grad() model:backward(grad)
---```
---@class perilune.Loss
---@field type string "CrossEntropy": the constructor's name
---@operator call(perilune.Tensor, perilune.Tensor): number, perilune.Tensor
local Loss = {}

---The loss alone, without its gradient.
---@param output perilune.Tensor [N, ...]
---@param target perilune.Tensor labels [N], or values like the output
---@return number value
function Loss:value(output, target) end

---What the outputs are that it trains, which says how they become labels and probabilities; see model:predict.
---@return "logits"|"independent logits"|"probabilities"|"log-probabilities"|"values" kind
---@return boolean for_classes
function Loss:outputs() end

---Type and options, as a table.
---@return table config { type = "CrossEntropy", config = { ... } }
function Loss:config() end

---@class perilune.LossOptions
---@field reduction? "mean"|"sum" of the rows of a batch; for MSE, BCE and Huber of the elements too (default "mean")

---Mean squared error: the mean of (x - t)^2 over all elements.
---@param options? perilune.LossOptions
---@return perilune.Loss
function nn.MSE(options) end

---@class perilune.CrossEntropyOptions : perilune.LossOptions
---@field label_smoothing? number s in (1 - s) t + s / K, from 0 to 1 (default 0)

---Cross entropy on logits, the outputs of a last nn.Linear without Softmax: -sum over classes of t log softmax(x).
---
---Output `[N, K]`; labels, or probabilities [N, K]. Never overflows. Label smoothing: Szegedy et al., CVPR 2016.
---
---```lua
---nn.CrossEntropy()
---nn.CrossEntropy { label_smoothing = 0.1 }
---```
---@param options? perilune.CrossEntropyOptions
---@return perilune.Loss
function nn.CrossEntropy(options) end

---@class perilune.FocalLossOptions : perilune.LossOptions
---@field gamma? number not negative; 0 is cross entropy (default 2)

---Cross entropy on logits in which samples that are already told apart count less: -sum over classes of t (1 - p)^gamma
---log p, p = softmax(x). Lin et al., ICCV 2017.
---@param gamma? number (default 2)
---@param options? perilune.FocalLossOptions
---@return perilune.Loss
function nn.FocalLoss(gamma, options) end

---@class perilune.ProbabilityCrossEntropyOptions : perilune.LossOptions
---@field clip? number the reported probability is held in [clip, 1 - clip] (default 1e-7)
---@field clip_gradient? boolean no gradient where it was clipped; else that of the unclipped loss (default false)
---@field normalize? boolean divide the outputs by their sum first, as Keras does (default false)

---Cross entropy on probabilities, after Softmax: -sum over classes of t log p. Prefer nn.CrossEntropy on logits.
---@param options? perilune.ProbabilityCrossEntropyOptions
---@return perilune.Loss
function nn.ProbabilityCrossEntropy(options) end

---Negative log-likelihood of log-probabilities, after LogSoftmax: -x[label], or -sum over classes of t x.
---@param options? perilune.LossOptions
---@return perilune.Loss
function nn.NLL(options) end

---@class perilune.BCEOptions : perilune.LossOptions
---@field logits? boolean the outputs go through a sigmoid first (default true); false: they are probabilities

---Binary cross entropy of each output by itself: the mean of -t log p - (1 - t) log(1 - p) over all elements.
---
---```lua
---nn.BCE()                      -- after nn.Linear(n, 1)
---nn.BCE { logits = false }     -- after nn.Sigmoid()
---```
---@param options? perilune.BCEOptions
---@return perilune.Loss
function nn.BCE(options) end

---@class perilune.HuberOptions : perilune.LossOptions
---@field delta? number where the square becomes a line (default 1)

---The mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = x - t. Huber, 1964.
---@param options? perilune.HuberOptions
---@return perilune.Loss
function nn.Huber(options) end
