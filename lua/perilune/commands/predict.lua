--- perilune predict RUN FILE...
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"
local text = require "perilune.base.format"

local M = { summary = "predictions of a trained model for pictures, or for rows of a table",
  usage = "RUN FILE... [--csv | --json]",
  description = "Predicts the label of pictures (.png, .jpg), of the rows of a CSV file, or of samples in a NumPy " ..
    "array (.npy). A picture becomes gray where the model takes gray images; it is resized to the model's input " ..
    "(bilinear, its shape is not kept), and inverted where its border is bright and the training images' is dark, " ..
    "or the other way round. Rows are read as the table of the training was; all is standardized as the training " ..
    "data were. Of a model of several outputs the first decides; --csv and --json have all." }

function M.define(parser)
  parser:argument("run", "A run's folder, a file in it (run.h5, best.h5), or a saved model.")
  parser:argument("files", "Pictures, .csv, .tsv or .npy files."):args "+"
  parser:flag("--csv", "As comma-separated values: every probability, all digits.")
  parser:flag("--json", "As JSON.")
  parser:option("--delimiter", "What separates the columns of a table: else as in the training's."):argname "<c>"
  parser:option("--invert", "Whether gray pictures are inverted: auto (see above), yes or no."):choices { "auto", "yes",
    "no" }:default "auto"
end

-- The model, and what it knows of the samples that it was trained with.
local function load(path)
  local model, message = require "perilune.nn".load(path)
  if not model then errors.fail(1, "%s", message) end
  local _, shape = model:sizes()
  if not shape then errors.fail(1, "%s: its file does not say what shape of samples the model takes", path) end
  local abouts = require "perilune.nn.about"
  abouts.warn(model, "predict", path)
  local about = require "perilune.base.printable".record(abouts.of(model) or {})
  return model, { shape = shape, labels = about.labels, preparation = about.preparation }
end

local function name_of(label, labels)
  return labels and labels[label + 1] or ("%d"):format(label)
end

-- Outputs as a list of values a sample.
local function rows_of(y) return y:reshape(y:size(1), -1):totable() end

-- { label = (nil: an output is not a number), probability =, probabilities = { ... } } a sample; or, where outputs are
-- values, { values = { ... }, labelled = (whether the data set has as many labels), label = }. others: of a model of
-- several outputs those after the first, each a list of values.
local function predict(model, x, labels)
  local ok, p = pcall(model.probabilities, model, x)
  local _, _, _, _, shapes = model:sizes()
  local outputs, results = (not ok or #shapes > 1) and { model:infer(x) }, {}
  local labelled = ok or labels and #shapes[1] == 1 and (shapes[1][1] == #labels or shapes[1][1] == 1 and #labels == 2)
  local guesses = labelled and model:predict(x):totable()
  if not ok then
    for i, row in ipairs(rows_of(outputs[1])) do
      results[i] = { values = row, labelled = labelled,
        label = labelled and guesses[i] >= 0 and name_of(guesses[i], labels) or nil }
    end
  else
    for i, row in ipairs(rows_of(p)) do
      if #row == 1 then row = { 1 - row[1], row[1] } end      -- one output for two classes
      local label = guesses[i] >= 0 and name_of(guesses[i], labels) or nil
      results[i] = { label = label, probability = label and row[guesses[i] + 1], probabilities = row }
    end
  end
  for k = 2, #shapes do
    for i, row in ipairs(rows_of(outputs[k])) do
      results[i].others = results[i].others or {}
      results[i].others[k - 1] = row
    end
  end
  return results
end

local function percent(p) return p and text.percent(p) or "" end

-- The labels after the first, the likeliest first.
local function runners_up(result, labels)
  if not result.label then return "an output is not a number" end
  local order = {}
  for k = 1, #result.probabilities do order[k] = k end
  table.sort(order, function(a, b)
    local p, q = result.probabilities[a], result.probabilities[b]
    if p ~= q then return p > q end
    return a < b
  end)
  local words = {}
  for i = 2, math.min(3, #order) do
    words[#words + 1] = ("%s %s"):format(name_of(order[i] - 1, labels), percent(result.probabilities[order[i]]))
  end
  return table.concat(words, ", ")
end

local function note_of(notes)
  local words = {}
  if notes and notes.resized then words[1] = ("from %d x %d"):format(notes.resized[2], notes.resized[1]) end
  if notes and notes.inverted then words[#words + 1] = "inverted" end
  return table.concat(words, ", ")
end

local most = 8      -- values of one output that the table shows

local function table_of(list, labels, shape)
  local rows, pictures, labelled = {}, false, list[1].labelled
  for i, r in ipairs(list) do
    local first = r.row and ("%s:%d"):format(r.file, r.row) or r.file
    if r.values then
      local values = {}
      for k = 1, math.min(#r.values, most) do values[k] = ("%.6g"):format(r.values[k]) end
      if #r.values > most then values[most + 1] = ("... (%d values; --csv has all)"):format(#r.values) end
      rows[i] = { first, table.concat(values, "  "), note_of(r.notes) }
      if labelled then table.insert(rows[i], 2, r.label or "none") end
    else
      rows[i] = { first, r.label or "none", percent(r.probability), runners_up(r, labels), note_of(r.notes) }
    end
    pictures = pictures or r.notes ~= nil
  end
  local columns = list[1].values and { { "file" }, { "output" }, { "" } }
    or { { "file" }, { "label" }, { "probability", align = "right" }, { "then" }, { "" } }
  if list[1].values and labelled then table.insert(columns, 2, { "label" }) end
  local width = text.terminal(1).width
  columns[1].tail = true
  for _, line in ipairs(text.columns(columns, rows, "  ", nil, width)) do print((line:gsub("%s+$", ""))) end
  local function say(line) print(table.concat(text.wrap(line, width, "  "), "\n")) end
  if pictures then
    say(("Pictures as the model's input: %d x %d, %s."):format(shape[2], shape[1], shape[3] == 1
      and "gray; --invert yes or no where inverting is wrong" or "coloured"))
  end
  if list[1].others then
    say(("Of %d outputs the first; --csv and --json have all."):format(#list[1].others + 1))
  end
end

local function csv_of(list, labels)
  local columns, labelled = { "file", "row", "label", "probability" }, list[1].labelled
  if list[1].values then
    columns = { "file", "row", labelled and "label" or nil }
    for k = 1, #list[1].values do columns[#columns + 1] = ("output_%d"):format(k) end
  else
    for k = 1, #list[1].probabilities do columns[#columns + 1] = "p_" .. name_of(k - 1, labels) end
  end
  for k, values in ipairs(list[1].others or {}) do
    for i = 1, #values do columns[#columns + 1] = ("output_%d_%d"):format(k + 1, i) end
  end
  print(csv.line(columns))
  for _, r in ipairs(list) do
    local p = r.probability
    local cells = { r.file, r.row, r.label, p == p and p or nil }
    local from = not r.values and 4 or labelled and 3 or 2
    for _, values in ipairs { r.values or r.probabilities, table.unpack(r.others or {}) } do
      for k, v in ipairs(values) do cells[from + k] = v == v and v or nil end      -- NaN: an empty cell
      from = from + #values
    end
    print(csv.line(cells, #columns))
  end
end

local function json_of(list, labels)
  local out = {}
  for i, r in ipairs(list) do
    local one = { file = r.file, row = r.row, label = r.label, probability = r.probability, outputs = r.values,
      others = r.others, inverted = r.notes and (r.notes.inverted or false),
      resized_from = r.notes and r.notes.resized }
    if r.probabilities then
      one.probabilities = {}
      for k, p in ipairs(r.probabilities) do one.probabilities[name_of(k - 1, labels)] = p end
    end
    out[i] = one
  end
  print(core.json.encode(out))
end

function M.run(options)
  if options.csv and options.json then errors.fail(2, "predict: one of --csv and --json is enough") end
  local model, known = load(options.run)
  local job, list = { shape = known.shape, preparation = known.preparation, invert = options.invert,
    delimiter = options.delimiter == "\\t" and "\t" or options.delimiter }, {}
  for _, path in ipairs(options.files) do
    local samples = require "perilune.data.unseen".read(path, job)
    for i, result in ipairs(predict(model, samples.x, known.labels)) do
      result.file, result.row, result.notes = path, samples.rows and i or nil, samples.notes
      list[#list + 1] = result
    end
  end
  if options.csv then csv_of(list, known.labels)
  elseif options.json then json_of(list, known.labels)
  else table_of(list, known.labels, known.shape) end
  return 0
end

return M
