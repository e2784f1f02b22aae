--- What a model knows of the run that trained it besides the weights: a table
---   name         of the experiment
---   data, recipe the data set's name and derivation
---   preparation  of its samples (perilune.data.preparation)
---   labels       names of the classes
---   regression   true: trained on target values, not on classes
---   foreign      true: trained by another program, so that nothing is known of its data
--- Models of runs have it, copies of them, and what was saved from either; nil: no run is known.
local M = {}

local known = setmetatable({}, { __mode = "k" })

local function make(identity, preparation, regression)
  return { name = identity.name, data = identity.data, recipe = identity.recipe, labels = identity.labels,
    preparation = preparation, regression = regression or nil }
end

function M.remember(model, about) known[model] = about end
function M.of(model) return known[model] end

--- Of the experiment `e`, whose run has this identity.
function M.of_experiment(e, identity)
  return make(identity, require "perilune.data.preparation".of(e.splits.train), e.scored == "values")
end

--- Of a model that another program trained.
function M.foreign(regression) return { foreign = true, regression = regression or nil } end

-- Of a run, by what it measured.
local function is_regression(history)
  for _, name in ipairs(history and history.columns or {}) do
    if name == "train_error" then return false end
  end
  return history ~= nil
end

--- What a file says: the record of a run, or of a saved model.
function M.of_record(record)
  if record.kind == "model" then return type(record.about) == "table" and record.about or nil end
  return make(record.state and record.state.identity or {}, (record.provenance or {}).preparation,
    is_regression(record.history))
end

--- Says on the standard error that nothing is known of a model's data, where that is so. what: the model in words.
function M.warn(model, command, what)
  if known[model] and not known[model].foreign then return end
  io.stderr:write(("perilune: %s: %s is a model without a run, so that how its data were prepared is not known: "
    .. "values are taken as they are\n"):format(command, what))
end

return M
