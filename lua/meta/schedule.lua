---@meta perilune.schedule

---Schedules: the learning rate as a function of the epoch, or of the step.
---
---A schedule is called as schedule(epoch, previous_rate, ctx) and returns the rate; any function of the script's may
---stand in its place. With per = "step" it is called before each step, with the step's number, and counts steps. Below,
---base is the option lr, or else the optimizer's, and t is the epoch (or step) from 0. An unknown, missing or wrong
---option is an error when the schedule is made.
---
---```lua
---schedule = pl.schedule.cosine { warmup = 2 },
---schedule = function(epoch, rate, ctx) return epoch % 10 == 0 and rate / 2 or rate end,
---```
---@class perilune.schedule
local schedule = {}

---@alias perilune.Schedule fun(epoch: integer, previous: number, ctx: table): number

---@class perilune.ConstantOptions
---@field lr? number (default: the optimizer's)

---The same rate throughout.
---@param options? perilune.ConstantOptions
---@return perilune.Schedule
function schedule.constant(options) end

---@class perilune.StepOptions
---@field every integer epochs or steps between two drops
---@field factor? number (default 0.1)
---@field lr? number (default: the optimizer's)
---@field per? "epoch"|"step" (default "epoch")

---base factor^floor(t / every).
---
---```lua
---pl.schedule.step { every = 10, factor = 0.5 }
---```
---@param options perilune.StepOptions
---@return perilune.Schedule
function schedule.step(options) end

---@class perilune.MultiStepOptions
---@field at integer[] the epochs (or steps), from 1, that begin with a lower rate
---@field factor? number (default 0.1)
---@field lr? number (default: the optimizer's)
---@field per? "epoch"|"step" (default "epoch")

---base factor^(how many of `at` have come).
---
---```lua
---pl.schedule.multi_step { at = { 30, 60 } }
---```
---@param options perilune.MultiStepOptions
---@return perilune.Schedule
function schedule.multi_step(options) end

---@class perilune.ExponentialOptions
---@field factor? number (default 0.1)
---@field lr? number (default: the optimizer's)
---@field per? "epoch"|"step" (default "epoch")

---base factor^t.
---@param options? perilune.ExponentialOptions
---@return perilune.Schedule
function schedule.exponential(options) end

---@class perilune.InverseOptions
---@field k number
---@field lr? number (default: the optimizer's)
---@field per? "epoch"|"step" (default "epoch")

---base / (1 + k t). (An optimizer's option `decay` does this per step, whatever the schedule.)
---@param options perilune.InverseOptions
---@return perilune.Schedule
function schedule.inverse(options) end

---@class perilune.CosineOptions
---@field epochs? integer until the rate is `min` (default: those of the script, whatever --epochs says)
---@field warmup? number epochs, also a part of one, in which the rate grows in equal steps (default 0)
---@field min? number (default 0)
---@field lr? number (default: the optimizer's)
---@field per? "epoch"|"step" (default "epoch")
---@field steps_per_epoch? integer (default: the experiment's)

---From base down to `min` along half a cosine, after a warm-up. Loshchilov, Hutter, ICLR 2017, without restarts.
---
---With T epochs and W of them warm-up: base (t + 1) / W, then min + (base - min) (1 + cos(pi (t - W) / (T - W))) / 2.
---
---```lua
---pl.schedule.cosine { warmup = 0.5, per = "step" }
---```
---@param options? perilune.CosineOptions
---@return perilune.Schedule
function schedule.cosine(options) end

---@class perilune.OneCycleOptions
---@field max? number the highest rate (default: the optimizer's)
---@field epochs? integer the whole length (default: those of the script, whatever --epochs says)
---@field warmup? number the part of it in which the rate grows (default 0.3)
---@field div? number the first rate is max / div (default 25)
---@field final_div? number the last is max / div / final_div (default 10000)
---@field per? "epoch"|"step" (default "step")
---@field steps_per_epoch? integer (default: the experiment's)

---Up to `max` and down again, each along half a cosine. Smith, Topin, 2018; the values are PyTorch's.
---@param options? perilune.OneCycleOptions
---@return perilune.Schedule
function schedule.one_cycle(options) end

---@class perilune.PlateauOptions
---@field monitor? string a column of the history (default "train_loss")
---@field patience? integer epochs in a row without improvement that are borne (default 10)
---@field factor? number (default 0.1)
---@field threshold? number an improvement is larger than this, relative to the best (default 1e-4)
---@field cooldown? integer epochs after a drop that are not counted (default 0)
---@field min? number the rate does not fall below; one that lies below stays (default 0)
---@field eps? number a rate that would fall by no more than this stays (default 1e-8)
---@field mode? "min"|"max" is smaller or larger better? (default: known for losses, errors, accuracies)
---@field lr? number (default: the optimizer's)

---Multiplies the rate by `factor` when a column of the history has stopped improving. The values are PyTorch's; of a
---column below 0 too only what is better counts as better, and what is not finite never does.
---
---```lua
---pl.schedule.plateau { monitor = "val_loss", patience = 5, factor = 0.5 }
---```
---@param options? perilune.PlateauOptions
---@return perilune.Schedule
function schedule.plateau(options) end

---@class perilune.TunableOptions
---@field halve_after? integer (default 5)
---@field late? table { after = 20, every = 3 }: after that epoch it halves at every multiple of `every` instead
---  (default: never)
---@field lr? number (default: the optimizer's)

---The documented schedule of models 10 to 12 of the progression, where e is the epoch from 0: lr at first, then rate +
---rate / e below `halve_after` (lr, 2 lr, 3 lr, ...), then half at every multiple of `halve_after` except 5 itself.
---@param options? perilune.TunableOptions
---@return perilune.Schedule
function schedule.tunable(options) end

---@class perilune.NaiveOptions
---@field lr? number (default 0.0005)

---The documented schedule of model 13, where e is the epoch from 0: lr (e + 1) / 5 below 5, then lr 0.5^floor((e - 5) /
---5).
---@param options? perilune.NaiveOptions
---@return perilune.Schedule
function schedule.naive(options) end
