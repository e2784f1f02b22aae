--- What can be known before any data is read: do the model, its loss, the splits and the batches of an experiment fit
--- each other?
local core = require "perilune.core"
local decision = require "perilune.nn.decision"
local errors = require "perilune.base.errors"
local shape = require "perilune.base.format".shape
local shapes = require "perilune.base.shapes"

local M = {}

local function refuse(format, ...) errors.raise("pl.experiment: " .. format, ...) end

-- The kind of targets of a split, in words.
local function kind_of_targets(split)
  return split.classes > 0 and "labels" or split.target and "targets of " .. shape(split.target)
    or "neither labels nor targets"
end

local function check_splits(e)
  local train = e.splits.train
  if train.classes == 0 and not train.target then
    refuse("the training set of %s has neither labels nor targets: nothing says what the outputs should be; give it y",
      e.data.name)
  end
  local test = e.test and e.splits.test
  if not test then return end
  if not shapes.equal(test.shape, train.shape) then
    refuse("the test set's samples are %s, the training set's %s; make them alike, or say test = false",
      shape(test.shape), shape(train.shape))
  end
  if test.classes == 0 and not test.target then
    refuse("the test set of %s has no labels to compare with; give it test_y, or say test = false (model:predict " ..
      "then labels it)", e.data.name)
  end
  if kind_of_targets(test) ~= kind_of_targets(train) then
    refuse("the test set has %s, the training set %s; make them alike, or say test = false",
      kind_of_targets(test), kind_of_targets(train))
  end
end

local function check_augment(e)
  local sizes = e.splits.train.shape
  if e.augment.built_in[1] and #sizes ~= 3 then
    refuse("augmentation needs images [H, W, C], and the samples of %s are %s; leave augment out, or give it a " ..
      "function", e.data.name, shape(sizes))
  end
  for i, item in ipairs(e.augment.built_in) do
    local config, side = item:config(), math.max(sizes[1], sizes[2])
    if item.type == "cutout" and config.size >= side then
      refuse("augmentation %d: a cutout of %d pixels is as large as the images, %s; give it a smaller size", i,
        config.size, shape(sizes))
    elseif item.type == "affine" and config.unit == "pixel" and math.max(-config.shift[1], config.shift[2]) >= side then
      refuse("augmentation %d: a shift of %g pixels moves images of %s out of sight", i,
        math.max(-config.shift[1], config.shift[2]), shape(sizes))
    end
  end
end

-- What a last layer makes of its inputs: a name that messages use; others of the library's make logits. Functions of
-- the script make what they like.
local made = { Softmax = "probabilities", Sigmoid = "probabilities", LogSoftmax = "log-probabilities",
  Lambda = "unknown", Formula = "unknown" }

local WITHOUT = "take nn.%s() away (%s does it itself, and more exactly)"

-- For each loss that needs a kind of outputs: what is wrong with these, and the remedy; nil if nothing is.
local misfits = {
  CrossEntropy = function(last, kind)
    if kind == "probabilities" then
      return ("takes logits, and nn.%s() has made them probabilities"):format(last),
        WITHOUT:format(last, "CrossEntropy")
    end
  end,
  BCE = function(last, kind, config)
    if config.logits == false then
      if kind ~= "probabilities" then
        return "with logits = false takes probabilities", "end the model with nn.Sigmoid(), or take nn.BCE()"
      end
    elseif kind == "probabilities" then
      return ("takes logits, and nn.%s() has made them probabilities"):format(last), "take nn." .. last
        .. "() away, or say nn.BCE { logits = false }"
    elseif kind == "log-probabilities" then
      return "takes logits, and nn.LogSoftmax() has made them log-probabilities", "take it away"
    end
  end,
  NLL = function(_, kind)
    if kind ~= "log-probabilities" then
      return "takes log-probabilities", kind == "probabilities"
        and "put nn.LogSoftmax() in its place, or take nn.ProbabilityCrossEntropy()"
        or "end the model with nn.LogSoftmax(), or take nn.CrossEntropy()"
    end
  end,
  ProbabilityCrossEntropy = function(_, kind)
    if kind == "log-probabilities" then
      return "takes probabilities, and nn.LogSoftmax() has made their logarithms", "take nn.NLL()"
    end
    if kind == "logits" then
      return "takes probabilities", "end the model with nn.Softmax(), or take nn.CrossEntropy()"
    end
  end,
  MSE = function(_, kind, _, labels)
    if kind == "log-probabilities" and labels then
      return "compares outputs with 0 and 1, and nn.LogSoftmax() makes none above 0",
        "take nn.NLL(), or nn.Softmax() in its place"
    end
  end,
}
misfits.Huber = misfits.MSE

local function check_loss(e, width)
  local last = decision.last_layer(e.model)
  if not last then return end
  local kind = made[last.type] or core.nn[last.type] and "logits" or "unknown"
  if kind == "unknown" then return end
  if width == 1 and (last.type == "Softmax" or last.type == "LogSoftmax") then
    refuse("%s has one output, which nn.%s() makes %d whatever the input; take it away, and the loss nn.BCE()",
      last:label(), last.type,
      last.type == "Softmax" and 1 or 0)
  end
  if type(e.loss) ~= "userdata" or not misfits[e.loss.type] then return end
  local what, remedy = misfits[e.loss.type](last.type, kind, e.loss:config().config or {}, e.classes > 0)
  if what then
    refuse("the loss does not fit the model: %s %s; the last layer is %s: %s", e.loss.type, what, last:label(), remedy)
  end
end

local function check_classes(e, width)
  if e.classes == 0 then return end
  if width == 1 and e.classes > 2 then
    refuse("the model has one output, which tells two classes apart, but %s has %d classes; give the last layer " ..
      "%d outputs, and "
      .. "take the loss nn.CrossEntropy()", e.data.name, e.classes, e.classes)
  elseif width > 1 and width < e.classes then
    refuse("the model has %d outputs but %s has %d classes; give the last layer %d outputs", width, e.data.name,
      e.classes, e.classes)
  end
end

--- What a loss lets pass and a reader should know; nil if there is nothing.
function M.hint(e)
  local target = e.splits.train.target
  if e.classes > 0 or type(e.loss) ~= "userdata" or e.loss.type ~= "BCE" or #target ~= 1 or target[1] ~= 1 then
    return nil
  end
  return "BCE on targets that are values: no accuracy is measured; if they are 0 and 1, give them as i32 labels"
end

-- One made-up sample goes through the loss, so that an output of a wrong width is found too.
local function try_loss(e, outputs, width)
  local tensor = core.tensor
  local target
  if e.classes > 0 then target = tensor.zeros({ 1 }, "i32")
  else target = tensor.zeros { 1, table.unpack(e.splits.train.target) } end
  local made_up = {}
  for i, sizes in ipairs(outputs) do made_up[i] = tensor.full({ 1, table.unpack(sizes) }, 1 / width) end
  local ok, message = pcall(e.loss, #outputs > 1 and made_up or made_up[1], target)
  if ok then return end
  local line, what = errors.strip(tostring(message)):match "^([^%s:]+:%d+: )(.*)$"
  if line and core.formula.is_loss(e.loss) then
    error(("%spl.experiment: the loss does not fit the model and the data: %s"):format(line, what), 0)
  end
  refuse("the loss does not fit the model and the data: %s", (errors.bare(tostring(message)):gsub("^[^%s]+:%d+: ", "")))
end

--- Records the formulas of an experiment for its own shapes: other experiments may share its model or its loss.
function M.record(e)
  e.model:build(e.splits.train.shape)
  local _, _, output, _, outputs = e.model:sizes()
  local width = shapes.count(output)
  try_loss(e, outputs, width)
end

--- Raises what does not fit; builds the model for the shape of a sample, which the data set knows without being read.
function M.check(e)
  check_splits(e)
  check_augment(e)
  errors.guard(e.model.build, e.model, e.splits.train.shape)
  local _, _, output, _, outputs = e.model:sizes()
  local width = shapes.count(output)
  check_classes(e, width)
  check_loss(e, width)
  try_loss(e, outputs, width)
  local ok, message = pcall(core.trainer.check_batches, e.model, e.splits.train.count, e.batch_size, e.drop_last)
  if not ok then refuse("%s", (errors.bare(tostring(message)):gsub("^[^%s]+:%d+: ", ""))) end
end

return M
