--- pl.experiment { ... }: what is trained, on what, and how; checked when it is made, before any data is read.
local core = require "perilune.core"
local options = require "perilune.base.options"
local errors = require "perilune.base.errors"
local metrics = require "perilune.train.metrics"

local M = {}

local number_or_table = { "number", "table" }
local fields = {
  { "name", type = "string", required = 'add name = "...": it names the folder of its runs' },
  { "description", type = "string" },
  { "documented", type = "table" },
  { "seed", type = "integer", low = 0, high = 1 << 53, default = 1 },
  { "data", type = "any", required = "add data = pl.data.mnist() or another data set" },
  { "model", type = "userdata", required = "add model = pl.nn.Sequential { ... }",
    hint = "such as pl.nn.Sequential { ... }" },
  { "loss", type = { "userdata", "function" }, required = "add loss = pl.nn.CrossEntropy() or another loss",
    hint = "such as pl.nn.CrossEntropy()" },
  { "optimizer", type = "userdata", required = "add optimizer = pl.optim.Adam { lr = 0.001 } or another one",
    hint = "such as pl.optim.Adam { lr = 0.001 }" },
  { "schedule", type = { "function", "table" } },
  { "augment", type = { "userdata", "function", "table" } },
  { "stopping", type = { "function", "table" } },
  { "epochs", type = "integer", low = 1, required = "add epochs = the largest number of passes over the training set" },
  { "batch_size", type = "integer", low = 1, required = "add batch_size = the number of samples a step" },
  { "shuffle", type = "boolean", default = true },
  { "drop_last", type = "boolean", default = false },
  { "nonfinite", type = "string", default = "stop", choices = { "stop", "skip" } },
  { "start", type = "string", hint = "\"keep\" (the weights that the model has), \"new\", a file or a run's folder" },
  { "check_gradients", type = "boolean", default = true },
  { "validation", type = number_or_table, default = 0 },
  { "test", type = { "string", "boolean" }, default = "epoch", choices = { "epoch", "end" } },
  { "metrics", type = "table" },
  { "callbacks", type = "table" }, { "statistics", type = "table" },
}

local fields_that_may_change, may_be_left_out = {}, {}
for i, field in ipairs(fields) do
  fields_that_may_change[i] = { field[1], type = "any" }
  local may_be_false = field.type == "boolean" or type(field.type) == "table" and field.type[2] == "boolean"
  may_be_left_out[field[1]] = not field.required and not may_be_false
end

local callbacks = {}
for i, name in ipairs { "on_start", "on_batch", "on_epoch", "on_end" } do callbacks[i] = { name, type = "function" } end
local documented = {
  { "error", type = "number", low = 0, high = 1 }, { "source", type = "string" },
  { "metric", type = "string", default = "test_error" },
  { "note", type = "string" }, { "seconds", type = "number" }, { "epochs", type = "integer" },
}

local Experiment = { __name = "perilune.experiment" }
local FIELDS = {}      -- the key under which an object keeps its fields: checked once, they cannot be assigned

function M.is_experiment(value) return getmetatable(value) == Experiment end

local function is_compose(item)
  local meta = getmetatable(item)
  return type(meta) == "table" and meta.__name == "perilune.compose"
end

-- Functions of the user's are checked once, so that a slip is found before hours of training.
local function check_augment(augment)
  if augment == nil then return { built_in = {}, functions = {} } end
  local given, list = type(augment) == "table" and getmetatable(augment) == nil and augment or { augment }, {}
  options.list("pl.experiment: field 'augment'", given, "write augment = pl.augment.affine { ... }, or a list of such")
  for _, item in ipairs(given) do
    if is_compose(item) then table.move(item, 1, #item, #list + 1, list) else list[#list + 1] = item end
  end
  local split = { built_in = {}, functions = {} }
  for i, item in ipairs(list) do
    local uncalled = require "perilune.base.names".uncalled(item)
    if uncalled then errors.raise("pl.experiment: field 'augment': item %d: %s", i, uncalled) end
    if type(item) == "function" then split.functions[#split.functions + 1] = item
    elseif type(item) ~= "userdata" then
      errors.raise("pl.experiment: field 'augment' takes augmentations and functions, got %s as item %d",
        options.describe(item), i)
    elseif #split.functions > 0 then
      errors.raise("pl.experiment: field 'augment': functions come after the built-in augmentations; move item %d " ..
        "forward", i)
    else split.built_in[#split.built_in + 1] = item end
  end
  return split
end

-- A metric of the user's is a column of the history: in HDF5, in CSV, in JSON lines, on the screen.
local function check_name(name)
  local function refuse(why)
    errors.raise("pl.experiment: metric '%s' cannot be a column of the history: %s", name:gsub("%c", "?"), why)
  end
  if name == "" then refuse "its name is empty" end
  if #name > 255 then
    errors.raise("pl.experiment: a metric's name has at most 255 bytes, and '%s...' has %d", name:sub(1, 20), #name)
  end
  if name:find "/" then refuse(("a name has no '/'; write '%s'"):format((name:gsub("/+", "_")))) end
  if name:find "%c" then refuse "a name has no control characters" end
  if not utf8.len(name) then refuse "its name is no UTF-8" end
  if name == "." or name == ".." then refuse "such a name means a folder" end
  if name == "columns" or name == "rows" then refuse(("history.%s is the history's own"):format(name)) end
end

local function check_statistics(given)
  if given == nil then return nil end
  return options.check("pl.experiment: statistics", given,
    { { "every", type = { "string", "integer" }, low = 1, default = "epoch",
    choices = { "epoch" } } })
end

-- metrics = { "macro_f1", "weighted_f1", top = function(ctx) ... end }
local function check_metrics(given)
  local result = { named = {}, functions = {} }
  for i, name in options.items(given or {}) do
    if type(name) ~= "string" then
      errors.raise("pl.experiment: field 'metrics' takes names and name = function(ctx) ... end; item %d is %s", i,
        options.describe(name))
    end
    local standard = false
    for _, list in ipairs { metrics.standard, metrics.of_values } do
      for _, known in ipairs(list) do standard = standard or known == name end
    end
    if not standard then
      if not metrics.named[name] then options.unknown("pl.experiment", name, metrics.more, "metric") end
      result.named[#result.named + 1] = name
    end
  end
  for name, f in pairs(given or {}) do
    if type(name) == "string" then
      if type(f) ~= "function" then
        errors.raise("pl.experiment: metric '%s' takes a function(ctx), got %s", name, options.describe(f))
      end
      check_name(name)
      result.functions[#result.functions + 1] = { name = name, f = f, of_test = name:match "^test_" ~= nil }
    end
  end
  table.sort(result.functions, function(a, b) return a.name < b.name end)
  return result
end

local function check_data(o)
  local data = o.data
  if not require "perilune.data.dataset".is(data) then
    errors.raise("pl.experiment: field 'data' takes a data set, such as pl.data.mnist(), got %s",
      options.describe(data))
  end
  local how, rule = o.validation, "none"
  if how ~= 0 then      -- the same rows for every --seed, so that runs can be compared
    how = {}
    for name, value in pairs(type(o.validation) == "table" and o.validation or { fraction = o.validation }) do
      how[name] = value
    end
    how.order = how.order or require "perilune.data.split".default_order
    if how.order ~= "last" and how.seed == nil then how.seed = o.seed end
    data, rule = errors.guard(data.validation, data, how)
  end
  o.held_out, o.source = rule, o.data
  local train, test, held = data:splits()
  return data, { train = train, test = test, val = held }
end

-- How outputs are scored: "classes" where there are labels, or a loss on classes with distributions over them as
-- targets; else "values". And what is measured, on each split.
local function score(e)
  local for_classes = type(e.loss) == "userdata" and select(2, e.loss:outputs())
  e.scored = (e.classes > 0 or for_classes) and "classes" or "values"
  e.measures = e.scored == "classes" and metrics.standard or metrics.of_values
  if e.classes == 0 and e.metrics.named[1] then
    errors.raise("pl.experiment: metric '%s' is of classes, and %s has no labels; there are: %s", e.metrics.named[1],
      e.data.name,
      table.concat(e.measures, ", "))
  end
end

-- The columns of the history; `own`: the user's metrics.
local function columns_of(e, own)
  local columns, known = {}, {}
  local function add(name)
    if not known[name] then columns[#columns + 1], known[name] = name, true end
  end
  local function add_measures(split, list)
    for _, name in ipairs(list) do add(split .. "_" .. name) end
  end
  for _, name in ipairs { "epoch", "step", "lr" } do add(name) end
  add_measures("train", e.measures)
  for _, split in ipairs { e.splits.val and "val" or false, e.test == "epoch" and "test" or false } do
    if split then
      add_measures(split, e.measures)
      if e.classes > 0 then add_measures(split, e.metrics.named) end
    end
  end
  for _, metric in ipairs(own) do
    -- the script's own stands
    metric.instead = e.scored == "values" and known[metric.name] and not metric.name:match "_loss$"
    if not metric.of_test or e.test == "epoch" then add(metric.name) end
  end
  if e.nonfinite == "skip" then add "skipped" end
  add "seconds"
  return columns
end

-- No metric of the user's may stand for a column that is there anyway, now or with another option; but for MAE, RMSE
-- and R2, which scripts have measured themselves: theirs stands.
local function check_clashes(e)
  local taken = { samples_per_second = true, skipped = true, part = true }
  for _, column in ipairs(columns_of(e, {})) do taken[column] = true end
  for _, split in ipairs { "train", "val", "test" } do
    for _, list in ipairs { metrics.standard, metrics.more } do
      for _, name in ipairs(list) do taken[split .. "_" .. name] = true end
    end
  end
  for _, metric in ipairs(e.metrics.functions) do
    local of_values = metric.name:match "_mae$" or metric.name:match "_rmse$" or metric.name:match "_r2$"
    if taken[metric.name] and not of_values then
      errors.raise("pl.experiment: metric '%s': that is a column of the history already; choose another name, " ..
        "such as 'own_%s'",
        metric.name, metric.name)
    end
  end
end

local unmonitored = { epoch = true, step = true, seconds = true, lr = true, skipped = true }

-- A rule or schedule that monitors a column, `field`, finds it in the history.
local function check_monitor(e, field, rule)
  for _, column in ipairs(e.columns) do
    if column == rule.monitor then return end
  end
  local why = rule.monitor:match "^val_" and not e.splits.val and "; there is no validation set: add validation = 0.1"
    or rule.monitor:match "^test_" and e.test ~= "epoch"
      and '; the test set is evaluated at the end only: add test = "epoch"' or ""
  local monitors = {}
  for _, column in ipairs(e.columns) do
    if not unmonitored[column] then monitors[#monitors + 1] = column end
  end
  local near = core.system.nearest(rule.monitor, monitors)
  errors.raise("pl.experiment: %s monitors '%s', which this experiment does not measure%s (there are: %s%s)",
    field, rule.monitor, why,
    table.concat(monitors, ", "), why == "" and near and ("; did you mean '%s'?"):format(near) or "")
end

local function check_stopping(e)
  local rule = e.stopping
  if rule == nil or type(rule) == "function" then return end
  if type(rule.update) ~= "function" or type(rule.start) ~= "function" then
    errors.raise("pl.experiment: field 'stopping' takes pl.stopping.window { ... }, pl.stopping.patience { ... } or " ..
      "a function(ctx) that returns true to stop, got %s", options.describe(rule))
  end
  if type(rule.monitor) ~= "string" then
    errors.raise "pl.experiment: field 'stopping': a rule of your own needs monitor = ..., a column of the history"
  end
  check_monitor(e, "stopping", rule)
end

-- What a documented number is compared with is measured: at the end, also what the history has no column of.
local function check_documented(e)
  local metric, known = e.documented and e.documented.metric or "test_error", { "test_error" }
  if metric == "test_error" then return end
  table.move(e.columns, 1, #e.columns, 2, known)
  for _, own in ipairs(e.metrics.functions) do known[#known + 1] = own.name end
  for _, list in ipairs { e.measures, e.metrics.named } do
    for _, name in ipairs(list) do known[#known + 1] = "test_" .. name end
  end
  for _, name in ipairs(known) do
    if name == metric and not unmonitored[name] then return end
  end
  local near = core.system.nearest(metric, known)
  errors.raise("pl.experiment: documented: metric '%s' is not measured%s", metric,
    near and ("; did you mean '%s'?"):format(near) or "")
end

-- `is_variant`: of an experiment whose schedule was checked; fewer epochs then are a trial.
local function check_schedule(e, is_variant)
  local rule = e.schedule
  if type(rule) ~= "table" then return end
  local meta = getmetatable(rule)
  if type(meta) ~= "table" or not meta.__call then
    errors.raise("pl.experiment: field 'schedule' takes a function(epoch, lr, ctx) that returns the rate, or one " ..
      "schedule such as pl.schedule.cosine { warmup = 2 }, got %s", options.describe(rule))
  end
  if type(rule.monitor) == "string" then check_monitor(e, "schedule", rule) end
  if rule.per ~= nil and rule.per ~= "epoch" and rule.per ~= "step" then
    errors.raise("pl.experiment: field 'schedule': its per is \"epoch\" or \"step\": what it counts; got %s",
      options.describe(rule.per))
  end
  if not is_variant and rule.type == "cosine" and rule.warmup > (rule.epochs or e.epochs) then
    errors.raise("pl.experiment: field 'schedule': a warm-up of %s epochs is longer than the %d epochs in all",
      rule.warmup, rule.epochs or e.epochs)
  end
end

-- A run's identity includes the text of its script, as it was loaded; an experiment made in a session has none.
local function calling_script()
  local loaded, args = require "perilune.script.loaded", require "perilune.script.args"
  for level = 3, 100 do
    local info = debug.getinfo(level, "S")
    if info == nil then return nil end
    local source = info.source
    local path = source:sub(1, 1) == "@" and not errors.is_ours(source) and source:sub(2) or source == "=stdin"
      and loaded.knows "-" and "-"
    if path then
      return { path = path, text = loaded.text_of(path) or "", arguments = args.list(), values = args.values(),
        files = loaded.since(path), made_by_itself = true }
    end
  end
end

-- A copy, to so many levels of plain tables: what is written into a script's table later is not this experiment's.
local function copied(value, levels)
  if levels == 0 or type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local copy = {}
  for name, item in pairs(value) do copy[name] = copied(item, levels - 1) end
  return copy
end

--- Makes an experiment. Fields: see lua/meta/experiment.lua or help(pl.experiment).
function M.new(given, is_variant)
  if given == nil then
    errors.raise "pl.experiment takes a table of fields, got nothing; help(pl.experiment) shows one"
  end
  local e = options.check("pl.experiment", given, fields, "field")
  e.given = copied(given, 2)
  if e.test == true then e.test = "epoch" end
  e.callbacks = options.check("pl.experiment: callbacks", e.callbacks, callbacks, "function")
  e.documented = e.documented and options.check("pl.experiment: documented", e.documented, documented, "field")
  e.statistics = check_statistics(e.statistics)
  e.augment, e.metrics = check_augment(e.augment), check_metrics(e.metrics)
  e.data, e.splits = check_data(e)
  e.classes = e.splits.train.classes or 0
  if e.splits.test == nil then e.test = false end
  if e.splits.train.count == 0 then errors.raise("pl.experiment: the training set of %s is empty", e.data.name) end
  score(e)
  check_clashes(e)
  e.columns = columns_of(e, e.metrics.functions)
  check_stopping(e)
  check_schedule(e, is_variant)
  check_documented(e)
  e.script = calling_script()
  e = setmetatable({ [FIELDS] = e }, Experiment)
  require "perilune.train.fit".check(e)
  local decision = require "perilune.nn.decision"
  if not decision.loss_of(e.model) then decision.remember(e.model, e.loss, e.scored == "values") end
  e.start_weights, e.start_digest, e.start_lost = require "perilune.nn.weights".start(e)
  return e
end

local methods = {}

function Experiment:__index(name)
  local value = rawget(self, FIELDS)[name]
  if value == nil then return methods[name] end
  return value
end

function Experiment:__pairs() return pairs(rawget(self, FIELDS)) end

--- A copy with some fields changed: e:with { epochs = 5, data = pl.data.digits() }; or left out: e:with { stopping =
--- false }. The model is shared, not copied.
function methods:with(changes)
  options.check("experiment:with", changes, fields_that_may_change, "field")
  local copy = {}
  for name, value in pairs(self.given) do copy[name] = value end
  for name, value in pairs(changes or {}) do
    if value == false and may_be_left_out[name] then value = nil end
    copy[name] = value
  end
  local e = M.new(copy, true)
  e.script, e.variant = self.script or e.script, true
  -- the model may have been trained since; to say start = "keep" again is to take these weights
  if e.model == self.model and e.start == self.start and (changes or {}).start == nil then
    e.start_weights, e.start_digest, e.start_lost = self.start_weights, self.start_digest, self.start_lost
  end
  return e
end

--- The layers as model:rows() gives them.
function methods:rows() return self.model:rows(self.splits.train.shape) end

--- Trains. Options: epochs, seed (instead of the experiment's), threads, out (folder; false: write nothing), quiet,
-- fresh (start anew where an unfinished run lies), force (continue it though something changed). Returns the run.
function methods:run(given) return require "perilune.run".start(self, given) end

--- The learning-rate range test: a curve and a suggestion. See look/find_lr.lua.
function methods:find_lr(given) return require "perilune.look.find_lr".find(self, given) end

function Experiment:__tostring()
  return ("experiment %q: %s, at most %d epochs in batches of %d"):format(self.name, self.data.name, self.epochs,
    self.batch_size)
end

require "perilune.base.names".class(Experiment, methods)
return M
