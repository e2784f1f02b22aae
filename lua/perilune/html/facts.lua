--- What a report says of a run in words and single numbers, from its file.
local metrics = require "perilune.train.metrics"
local text = require "perilune.base.format"
local titles = require "perilune.terminal.tables"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

--- The number that a run is judged by: { metric, value, count, correct, split } (value nil: none yet). The documented
--- metric, else the test error, else that of the validation set, else a loss.
function M.result(run)
  local documented = run.provenance.documented
  local evaluation = run.evaluation
  local test, val = evaluation.test, evaluation.val
  local metric = documented and documented.metric or "test_error"
  if metric ~= "test_error" then
    local own = evaluation.metrics and evaluation.metrics[metric]
    if own then return { metric = metric, value = own, count = test and test.count } end
  end
  for _, split in ipairs { { "test", test }, { "val", val } } do
    local name, found = split[1], split[2]
    if found and found.error then
      return { metric = name .. "_error", value = found.error, count = found.count, correct = found.correct,
        split = name }
    elseif found and found.loss then
      return { metric = name .. "_loss", value = found.loss, count = found.count, split = name }
    end
  end
  local last = run.history[#run.history]
  if last and last.train_loss then return { metric = "train_loss", value = last.train_loss } end
  return { metric = "train_loss" }
end

--- The value of a metric that M.result may have passed over for another; nil where the run has none.
function M.value_of(run, metric)
  local result = M.result(run)
  if result.metric == metric then return result.value end
  local split, name = metric:match "^(%l+)_(.+)$"
  local found = (split == "test" or split == "val") and run.evaluation[split]
  return found and found[name] or nil
end

--- A value of a metric as text.
function M.value(metric, v)
  if v == nil then return "–" end
  return titles.value(metric, v)
end

local ends = { stopping = "stopped early", callback = "stopped by a callback", epochs = "finished" }

--- Has the training come to its end? The results of an unfinished run are those of an epoch on the way.
function M.is_finished(run) return ends[run.state.ended or ""] ~= nil end

--- How far a run is: "finished", "stopped early", "unfinished".
function M.ending(run)
  if run.problem then return "cannot be read" end
  return ends[run.state.ended or ""] or "unfinished"
end

--- "beats", "meets", "misses" the documented error, or nil where there is nothing to compare: it is for a published
--- test set (not for data.digits), at the documented end of the training. Second, what is documented.
function M.verdict(run, result)
  local p = run.provenance
  local documented = p.documented
  if not documented or not documented.error or not result.value or result.metric ~= (documented.metric or "test_error")
    or tostring(run.identity.data):find "^digits" then return nil end
  if run.state.ended == nil or (run.state.ended == "epochs" and (run.state.epoch or 0) < (p.planned
    or 0)) then return nil, documented end
  return metrics.verdict(result.value, documented.error, result.count), documented
end

--- Seconds that the training took.
function M.seconds(run) return require "perilune.run.history".sum(run.history, "seconds") end

local function flat(value)
  if type(value) ~= "table" then return tostring(value) end
  local out = {}
  for i, name in ipairs(sorted_keys(value)) do
    out[i] = math.type(name) == "integer" and flat(value[name]) or ("%s = %s"):format(tostring(name), flat(value[name]))
  end
  return table.concat(out, ", ")
end

-- The type and the options of a configuration in JSON; nil when it is none.
local function parts(value)
  if type(value) ~= "string" or value:sub(1, 1) ~= "{" then return nil end
  local ok, config = pcall(require "perilune.core".json.decode, value)
  if not ok or type(config) ~= "table" then return nil end
  local kind = config.type
  config.type = nil
  return tostring(kind or ""), type(config.config) == "table" and config.config or config
end

-- A configuration in JSON as "Adam: lr = 0.001, betas = 0.9, 0.999".
local function configured(value)
  local kind, options = parts(value)
  if not kind then return value and flat(value) end
  local inside = flat(options)
  return kind .. (inside ~= "" and ": " .. inside or "")
end

-- The rule for missing values in a CSV file.
local function missing_of(provenance)
  local features = provenance.preparation and provenance.preparation.features
  return features and features.missing
end

-- The share that is the validation set, or that the data have one themselves.
local function validation_of(id, setup)
  if tonumber(setup.validation) == 0 and (id.recipe or ""):find("validation", 1, true) then
    return "of the data (see its derivation)"
  end
  return setup.validation ~= nil and tostring(setup.validation) or nil
end

--- The settings of a run as { name, text } in a fixed order. apart: each option of optimizer and loss as a setting
-- of its own.
function M.settings(run, apart)
  local id, p = run.identity, run.provenance
  local setup = id.setup or {}
  local list = {}
  local function add(name, value)
    if value ~= nil and value ~= "" then list[#list + 1] = { name, flat(value) } end
  end
  local function add_config(name, value)
    local kind, options = parts(value)
    if not apart or not kind then return add(name, configured(value)) end
    add(name, kind)
    for _, option in ipairs(sorted_keys(options)) do add(name .. " " .. option, options[option]) end
  end
  for _, pair in ipairs(M.arguments(run)) do add(pair[1], pair[2]) end
  add("seed", run.seed)
  add("data", id.data)
  add("derivation of the data", id.recipe)
  add("missing values", missing_of(p))
  add("epochs at most", p.epochs or p.planned)
  add("batch size", setup.batch_size)
  add_config("loss", setup.loss)
  add_config("optimizer", setup.optimizer)
  add("schedule", setup.schedule)
  add("augmentation", setup.augment and setup.augment:gsub("%b{}", configured))
  add("early stopping", setup.stopping)
  add("validation", validation_of(id, setup))
  add("test set evaluated", setup.test ~= nil and tostring(setup.test) or nil)
  add("shuffle", setup.shuffle ~= nil and tostring(setup.shuffle) or nil)
  add("drop last", setup.drop_last ~= nil and tostring(setup.drop_last) or nil)
  add("not finite", setup.nonfinite)
  add("algorithm", id.algorithm)
  return list
end

--- The arguments that a script read: { { name, value } ... } sorted by name.
function M.arguments(run)
  local found, list = {}, {}
  for _, word in ipairs(run.identity.arguments or {}) do
    local name, value = tostring(word):match "^([^=]*)=(.*)$"
    if name then found[name] = tonumber(value) or value end
  end
  for name, value in pairs(run.provenance.values or {}) do found[name] = value end
  for i, name in ipairs(sorted_keys(found)) do list[i] = { name, found[name] } end
  return list
end

--- The environment of a run.
function M.environment(run)
  local p, s = run.provenance, run.state
  return { { "build", p.build }, { "compiler", p.compiler }, { "processor", p.processor }, { "threads", p.threads },
    { "written", run.record and run.record.created }, { "weights", s.weights_sha256 and "SHA-256 "
      .. s.weights_sha256 },
    { "data", p.data_sha256 and "SHA-256 " .. p.data_sha256 }, { "test set evaluated", s.test_evaluations and
      (s.test_evaluations == 1 and "once" or s.test_evaluations .. " times") }, { "edited", s.edited and "by hand: "
        .. tostring(s.edited) } }
end

--- Commands that train the run again.
function M.commands(run)
  local lines, id = {}, run.identity
  local function word(s) return s:find "^[%w%._/=,:+-]+$" and s or "'" .. s:gsub("'", "'\\''") .. "'" end
  if id.path then
    local words = { "perilune run", word(id.path) }
    for _, argument in ipairs(id.arguments or {}) do words[#words + 1] = word(argument) end
    if run.seed then words[#words + 1] = ("--seed %d"):format(run.seed) end
    lines[#lines + 1] = table.concat(words, " ")
  end
  if id.script and id.script ~= ""
    and run.folder then
    lines[#lines + 1] = ("perilune rerun %s    # from the script kept in the file: the same bits?"):format(
      word(run.folder))
  end
  return lines
end

M.count, M.duration, M.percent = text.count, text.duration, text.percent
M.flat = flat

return M
