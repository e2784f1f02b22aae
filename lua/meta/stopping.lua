---@meta perilune.stopping

---Early stopping: rules that watch one column of the history. Whatever ends the run, the weights of the best epoch
---are restored, and the result says on which split it was chosen. An unknown, missing or wrong option is an error when
---the rule is made, a column that the history will not have one when the experiment is.
---@class perilune.stopping
local stopping = {}

---A rule: what the functions below return, or a table of your own with `monitor` (a column of the history),
---`start(self)`, which returns a plain table that is saved in every checkpoint, and
---`update(self, state, epoch, value)`, which returns whether this epoch is the best so far, and whether to stop.
---@class perilune.StoppingRule

---@class perilune.WindowOptions
---@field patience integer epochs in the window, at least 2
---@field min_delta_rel? number (default 0.005)
---@field monitor? string a column of the history (default "train_loss")
---@field mode? "min"|"max" which is better (default: known for losses, errors, accuracies and F1)

---The documented rule: keep the last `patience` values of the column; once there are that many, stop when the oldest
---of them is no worse than the best of them by more than min_delta_rel, relative to the best.
---
---```lua
---pl.stopping.window { monitor = "train_loss", patience = 20, min_delta_rel = 0.005 }
---```
---@param options perilune.WindowOptions
---@return perilune.StoppingRule
function stopping.window(options) end

---@class perilune.PatienceOptions
---@field patience integer epochs without improvement, at least 1
---@field min_delta? number an improvement is larger than this (default 0)
---@field min_delta_rel? number and than this part of the best value (default 0)
---@field monitor? string a column of the history (default "train_loss")
---@field mode? "min"|"max" which is better (default: known for losses, errors, accuracies and F1)

---The usual rule: stop after `patience` epochs in a row without an improvement. What improves by too little for
---min_delta ends no waiting, but is the best epoch all the same if it is the best so far.
---
---```lua
---pl.stopping.patience { monitor = "val_accuracy", patience = 3 }
---```
---@param options perilune.PatienceOptions
---@return perilune.StoppingRule
function stopping.patience(options) end
