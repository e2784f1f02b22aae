--- perilune check FILE [name=value ...]
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local text = require "perilune.base.format"
local sorted_keys = require "perilune.base.sorted_keys"
local report = require "perilune.terminal.tables"

local M = { summary = "build it, show shapes, parameters, memory; reads no data", usage = "FILE [name=value ...]",
  description = "Builds the experiment that FILE returns and checks that model, loss and data fit, without " ..
    "reading the data." }

function M.define(parser)
  parser:argument("file", "A Lua file that ends with: return pl.experiment { ... }")
  parser:argument("arguments", "Arguments that the file reads with pl.arg, such as lr=0.01"):args "*"
  parser:option("--figure", "Also write a drawing of the architecture: .svg, or .png and .pdf where rsvg-convert " ..
    "is installed."):argname "<file>"
end

local function settings(object)
  if type(object) == "function" then return "a function" end
  local ok, config = pcall(object.config, object)
  if not ok or type(config) ~= "table" then return tostring(object) end
  local formula = core.formula.is_loss(object)
  local kind, given = config.type, config.config or {}
  if formula then kind, given = given.name, given.options or {} end
  local names, words = {}, {}
  for name, value in pairs(given) do
    if type(value) == "number" and value ~= 0 or type(value) == "string" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return (a == "lr" and "" or a) < (b == "lr" and "" or b) end)
  for i, name in ipairs(names) do
    local value = given[name]
    words[i] = ("%s = %s"):format(name, type(value) == "number" and text.number(value) or value)
  end
  return (#words > 0 and ("%s { %s }"):format(kind, table.concat(words, ", ")) or tostring(kind)) ..
    (formula and ", a formula" or "")
end

-- An augmentation with what is altered at all: options that are 0 or {0, 0} are left out.
local function augmentation(item)
  local config, words = item:config(), {}
  for _, name in ipairs(sorted_keys(config)) do
    local value = config[name]
    local low, high = value, value
    if type(value) == "table" then low, high = value[1], value[2] end
    if name ~= "type" and value and not (low == 0 and high == 0) then
      words[#words + 1] = ("%s = %s"):format(name, type(value) == "table" and ("{ %s, %s }"):format(
        text.number(low), text.number(high)) or type(value) == "number" and text.number(value) or tostring(value))
    end
  end
  return ("%s { %s }"):format(item.type, table.concat(words, ", "))
end

local function facts(e, total, term)
  local train, test, held = e.splits.train, e.splits.test, e.splits.val
  local batches = e.drop_last and train.count // e.batch_size or (train.count + e.batch_size - 1) // e.batch_size
  local lines = {
    { "data", ("%s: training set of %s samples, %s%s%s"):format(e.data.name, text.count(train.count),
      text.shape(train.shape),
      held and (", validation set of %s"):format(text.count(held.count)) or "",
      test and (", test set of %s"):format(text.count(test.count)) or "") },
    { "loss", settings(e.loss) },
  }
  local hint = require "perilune.train.fit".hint(e)
  if hint then lines[#lines + 1] = { "hint", hint } end
  local _, _, _, _, outputs = e.model:sizes()
  if #outputs > 1 then
    local shapes = {}
    for i, shape in ipairs(outputs) do shapes[i] = text.shape(shape) end
    lines[#lines + 1] = { "outputs", table.concat(shapes, ", ") .. "; the first is scored" }
  end
  table.move({
    { "optimizer", settings(e.optimizer) },
    { "training", ("at most %s epochs of %s steps, %s samples a step, seed %d"):format(text.count(e.epochs),
      text.count(batches),
      text.count(e.batch_size), e.seed) },
  }, 1, 2, #lines + 1, lines)
  local derived = e.source:derivation(true)
  if derived ~= "" then lines[#lines + 1] = { "derived", derived } end
  if e.held_out ~= "none" then lines[#lines + 1] = { "validation", e.held_out } end
  if e.start_digest then
    lines[#lines + 1] = { "start", e.start == "keep" and "the weights that the model has"
      or "the weights of " .. e.start }
  end
  if e.schedule then
    lines[#lines + 1] = { "schedule", type(e.schedule) == "table" and tostring(e.schedule)
      or "a function of the script" }
  end
  local alterations = {}
  for i, item in ipairs(e.augment.built_in) do alterations[i] = augmentation(item) end
  for _ = 1, #e.augment.functions do alterations[#alterations + 1] = "a function of the script" end
  if alterations[1] then lines[#lines + 1] = { "augment", table.concat(alterations, ", then ") } end
  local rule = e.stopping
  if rule then
    lines[#lines + 1] = { "stopping", type(rule) == "table" and ("%s, on %s"):format(rule.type
      and ("%s, patience %d"):format(rule.type, rule.patience) or "a rule of the script", report.title(rule.monitor))
      or "a function of the script" }
  end
  lines[#lines + 1] = { "memory", ("%s for parameters and as much for gradients, %s for a batch"):format(text.bytes(4
    * total.parameters),
    text.bytes(e.model:arena(e.batch_size, "train"))) }
  local out = {}
  for _, line in ipairs(lines) do table.move(text.beside(line[1], line[2], 11, term), 1, 10, #out + 1, out) end
  return out
end

function M.run(options)
  local e = require "perilune.script".experiment(options.file, options.arguments)
  require "perilune.nn.weights".needed(e)
  -- a function that cannot take made-up numbers shows it in the training
  local ok, wrong = pcall(require "perilune.nn.gradient_check".experiment, e)
  wrong = ok and wrong or require "perilune.train.first_batch".check(e)
  if wrong then errors.fail(1, "%s", wrong) end
  local term = text.terminal(1)
  if options.figure then
    e.model:build(e.splits.train.shape)
    require "perilune.plot.figure".new({ kind = "network", model = e.model, title = e.name }):save(options.figure)
  end
  local lines, total = report.model(e:rows(), term)
  print(term.paint(e.name, "bold") .. "\n")
  print(table.concat(lines, "\n") .. "\n")
  print(table.concat(facts(e, total, term), "\n"))
  return 0
end

return M
