--- What an epoch measures: evaluations of the splits, the training's own sums, metrics and statistics of layers.
-- Methods of the trainer (epochs.lua).
local core = require "perilune.core"
local metrics = require "perilune.train.metrics"
local mistakes = require "perilune.train.mistakes"
local random = require "perilune.script.random"
local statistics = require "perilune.train.statistics"

local M = {}

local MOST_CONFUSED = 1 << 14      -- classes; the table of confusions has their square

-- Predictions as files keep them, and the worst mistakes, of the splits evaluated last.
function M:complete_evaluations()
  for _, split in ipairs { "val", "test" } do
    if self.evaluation[split] and self.e.splits[split] then
      mistakes.complete(self.evaluation[split], self.e.splits[split])
    end
  end
end

local function copy_of(t)
  local copy = {}
  for name, value in pairs(t) do copy[name] = value end
  return copy
end

-- What users' functions see of the epoch so far.
function M:show_batch()
  local s, ctx = self.state, self.ctx
  ctx.batch = s.batch > 0 and s.batch or nil
  ctx.loss = s.samples > 0 and s.loss / s.samples or nil      -- none: all steps so far were skipped
  ctx.accuracy = self.e.scored == "classes" and s.samples > 0 and s.correct / s.samples or nil
end

-- What users' functions see of the last epoch from its end on, and after a resume: nothing that only an evaluation
-- just made has, and nothing that is added when it is saved.
function M:settle()
  local ctx = self.ctx
  for _, split in ipairs { "val", "test" } do
    local result = self.evaluation[split] and copy_of(self.evaluation[split])
    if result and result.predictions then
      result.predictions = result.predictions:to "i32"      -- files may keep bytes
      result.probabilities, result.mistakes, result.right = nil, nil, nil
    end
    ctx[split] = result
  end
  ctx.train, ctx.lr = self.state.train and copy_of(self.state.train), self.optimizer.lr
  self.model:random(self.state.seed, self.state.step)      -- a metric may have called the model with dropout
  self:show_batch()
  ctx.row = #self.history > 0 and copy_of(self.history[#self.history]) or nil
end

-- Evaluates a split ("val" or "test"); the test set's evaluations are counted.
function M:evaluate(split, row)
  local data = self.e.splits[split]
  self.hooks.progress { epoch = self.ctx.epoch,
    doing = ("evaluating %d %s images"):format(data.count, split == "val" and "validation" or "test") }
  local loss, predictions = self.e.loss, data.classes > 0
  local result
  if type(loss) == "function" then
    result = require "perilune.nn.lua_loss".evaluate(self.model, data, loss, predictions)
  else
    result = self.model:evaluate(data:read(), { loss = loss, predictions = predictions,
      confusion = data.classes <= MOST_CONFUSED })
  end
  if split == "test" then self.state.test_evaluations = self.state.test_evaluations + 1 end
  for _, name in ipairs(self.e.metrics.named) do
    if result.confusion then result[name] = metrics.named[name](result) end
  end
  self.evaluation[split], self.ctx[split] = result, copy_of(result)      -- saving completes the first
  if row then
    for _, name in ipairs(self.e.measures) do row[split .. "_" .. name] = result[name] end
    for _, name in ipairs(self.e.metrics.named) do row[split .. "_" .. name] = result[name] end
  end
  return result
end

-- What the history has of the last epoch's evaluation of a split.
function M:of_row(split)
  local row, result = self.history[#self.history], { count = self.e.splits[split].count }
  for _, list in ipairs { self.e.measures, self.e.metrics.named } do
    for _, name in ipairs(list) do result[name] = row[split .. "_" .. name] end
  end
  result.correct = result.accuracy and math.floor(result.accuracy * result.count + 0.5)
  return result
end

-- A run that had ended goes on: what it had found at its end, of the best weights, of those that on_end made
-- (`changed`) or of the test set that no epoch looks at, gives way to what its last epoch had found. Where on_epoch
-- changed the weights after that, the numbers are all that is left of it.
function M:look_back(changed)
  local s, evaluations = self.state, self.state.test_evaluations
  local drawn, other = random.state(), changed or s.best and s.best.epoch ~= s.epoch
  if self.e.test ~= "epoch" then self.evaluation.test = nil end
  for _, split in ipairs { "val", "test" } do
    if self.evaluation[split] and s.altered then self.evaluation[split] = self:of_row(split)
    elseif self.evaluation[split] and other then self:evaluate(split) end
  end
  s.test_evaluations = evaluations
  random.install(s.seed, 0, drawn)
  self:settle()
end

-- What the steps of an epoch have summed up, as an evaluation has it.
function M:of_training()
  local s, train = self.state, self.e.splits.train
  local result = { loss = s.loss / s.samples, count = s.samples }
  if self.e.scored == "classes" then
    result.correct, result.accuracy, result.error = s.correct, s.correct / s.samples,
      (s.samples - s.correct) / s.samples
    return result
  end
  local width = require "perilune.base.shapes".count(train.target)
  result.mae, result.rmse = s.absolute / (s.samples * width), (s.squared / (s.samples * width)) ^ 0.5
  self.spread = self.spread or train:read():spread()
  result.r2 = core.trainer.r2(s.squared, self.spread * (s.samples / train.count), s.samples)
  return result
end

-- Users' metrics: those of the test set (their names begin with test_) only when it is looked at.
function M:own_metrics(row, with_test)
  for _, metric in ipairs(self.e.metrics.functions) do
    if (row[metric.name] == nil or metric.instead) and (with_test or not metric.of_test) then
      local value = metric.f(self.ctx)
      if type(value) ~= "number" then
        error(("metric '%s' returned %s; a number is expected"):format(metric.name, tostring(value)), 0)
      end
      row[metric.name] = value
    end
  end
end

-- Evaluations and metrics of the weights that the run ends with. `seen`: the last epoch's are of these.
function M:results_of_end(seen)
  if self.e.splits.val and not (seen and self.evaluation.val) then self:evaluate "val" end
  if self.e.test and not (seen and self.evaluation.test) then self:evaluate "test" end
  self:complete_evaluations()
  local final = {}
  for _, metric in ipairs(self.e.metrics.functions) do
    final[metric.name] = seen and #self.history > 0 and self.history[#self.history][metric.name] or nil
  end
  self:own_metrics(final, self.e.test ~= false)
  self.evaluation.metrics = final
end

-- Statistics of the layers after the last step, and what is to be said of them.
function M:record_statistics(epoch)
  if not statistics.due(self.e.statistics, epoch) then return end
  self.statistics = self.statistics or {}
  local list, s = self.statistics, self.state
  local drawn = random.state()
  local entry = statistics.collect(self, epoch, self.before_last)
  random.install(s.seed, 0, drawn)      -- a layer in Lua may draw
  self.before_last = nil
  list[#list + 1] = entry
  s.said = s.said or {}
  for _, line in ipairs(statistics.warnings(entry, list[1], s.said)) do self.hooks.note(line) end
end

return M
