--- Looking into models: model:mistakes(test), layer:show(), model:activations(x):show(), model:statistics().
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local filters = require "perilune.plot.filters"
local marks = require "perilune.terminal.marks"
local options = require "perilune.base.options"
local pictures = require "perilune.terminal.pictures"
local shown = require "perilune.terminal.shown"
local styles = require "perilune.terminal.style"
local text = require "perilune.base.format"

local M = {}

-- Mean, standard deviation (and, with `zeros`, the share of zeros) of a histogram's finite values.
local function moments_of(h, zeros)
  if h.count == 0 then return "no finite value" end
  local words = ("mean %.3g, std %.3g"):format(h.mean, h.std)
  if zeros then words = ("%s, %s of zeros"):format(words, text.percent(h.zeros / h.count, 0)) end
  return h.nonfinite > 0 and ("%s, %s not finite"):format(words, text.count(h.nonfinite)) or words
end

local function append(lines, more)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
end

local function pixels_of(t)
  local s = t.shape
  return (#s == 2 and t:reshape(s[1], s[2], 1) or t):totable()
end

--- The mistakes of a model on a split, the most confident first. options: count, loss.
function M.mistakes(model, split, given)
  local o = options.check("mistakes", given,
    { { "count", type = "integer", low = 1, default = 12 }, { "loss", type = { "userdata", "function" } } })
  if type(split) ~= "table" or type(split.read) ~= "function" or split.count == nil then
    errors.raise("mistakes takes a split of a data set, such as the test set of data.mnist():splits(), got %s",
      options.describe(split))
  end
  if (split.classes or 0) == 0 then errors.raise "mistakes: this data has no labels; mistakes are of classes" end
  local result = model:evaluate(split:read(), { loss = o.loss, predictions = true })
  local keep = require "perilune.train.mistakes"
  local all = keep.worst(split, result.predictions, result.probabilities)
  local list = table.move(all, 1, math.min(#all, o.count), 1, {})
  local labels = split.labels or (split.set and split.set.labels)
  local wrong, count = result.count - result.correct, result.count
  return shown.new(list, function(self)
    local lines = { ("%s of %s wrong (%s); the %d most confident:"):format(text.count(wrong), text.count(count),
      text.percent(wrong / count), #self) }
    if #self == 0 then return { ("none of %s wrong"):format(text.count(count)) } end
    local images = {}
    for i, m in ipairs(self) do
      local caption = ("%s, not %s"):format(text.label(labels, m.label), text.label(labels, m.prediction))
      local second = ("%.1f %% #%d"):format(100 * m.probability, m.index)
      if m.picture then images[i] = { pixels = pixels_of(m.picture), low = 0, high = 255, caption = caption,
          second = second }
      else lines[#lines + 1] = ("  %s  %s"):format(caption, second) end
    end
    if #images > 0 then append(lines, pictures.lines(images)) end
    return lines
  end)
end

-- A layer's parameters by name.
local function parameters(layer)
  local list = {}
  for i, p in ipairs(#layer == 0 and layer:params() or {}) do list[i] = p.name end
  return list
end

local function input_of(model)
  local _, input = model:sizes()
  return input
end

--- The lines of layer:show(): its filters as images, or the distribution of its weights. A container: those of its
--- first layer with weights.
function M.lines(layer)
  local names = parameters(layer)
  if #names == 0 then
    for i = 1, #layer do
      local inner = layer[i]
      if #inner > 0 or #parameters(inner) > 0 then
        local lines = M.lines(inner)
        if #inner == 0 then table.insert(lines, 1, inner:label()) end
        return lines
      end
    end
    return { ("%s has no weights"):format(layer:label()) }
  end
  local lines = {}
  local images, what
  local weight = layer.weight
  if weight then
    local ok, input = pcall(input_of, layer)
    images, what = filters.images(weight, ok and input or nil)
    -- a first linear layer on pixels does not know their shape: square ones are guessed
    if not images and weight:dim() == 2 and layer:path():find "^0[12]_linear$" then
      local side = math.floor(math.sqrt(weight:size(1)) + 0.5)
      if side >= 5 and side * side == weight:size(1) then images, what = filters.images(weight, { side, side, 1 }) end
    end
  end
  if images and #images > 0 then
    lines[1] = what
    append(lines, pictures.lines(images, { least = 10, most = 28 }))
  else
    for _, name in ipairs(names) do
      local h = layer[name]:histogram(12)
      append(lines, marks.histogram(h, styles.of(), { title = ("%s %s: %s"):format(name,
        text.shape(layer[name].shape), moments_of(h)) }))
    end
  end
  return lines
end

function M.show(layer)
  for _, line in ipairs(M.lines(layer)) do print(line) end
end

local function activation_lines(row, count)
  local t = row.output
  local first = t:slice(1, 1, 1)
  local h = first:histogram(1)
  local style = styles.of()
  local name = row.label .. (row.part == "fork" and ", what goes into its branches" or row.part == "join"
    and ", sum" or "")
  local moments = moments_of(h, true)
  local lines = { style.paint(text.clip(("%s %s: %s"):format(name, text.shape(t.shape), moments), style.width),
    "bold") }
  local s = t.shape
  if #s == 4 and s[2] > 1 and s[3] > 1 then
    local images, low, high = {}, h.min, h.max
    for c = 1, math.min(s[4], count) do
      images[c] = { pixels = pixels_of(first:select(1, 1):select(3, c):contiguous()), low = low, high = high }
    end
    append(lines, pictures.lines(images, { least = 6, most = 14 }))
    if s[4] > count then lines[#lines + 1] = ("... %d more channels"):format(s[4] - count) end
  else
    local values = first:reshape(-1):totable()
    lines[#lines + 1] = marks.spark(table.move(values, 1, math.min(#values, style.width), 1, {}), style.width,
      style.utf8)
  end
  return lines
end

--- The rows of model:activations(x), which can be shown: of the first sample, each channel as an image.
function M.activations(rows)
  return shown.new(rows, function(self)
    local lines = {}
    for _, row in ipairs(self) do append(lines, activation_lines(row, 16)) end
    return lines
  end)
end

local function moments(t)
  local h = t:histogram(1)
  return { mean = h.mean, std = h.std, min = h.min, max = h.max, zeros = h.zeros, nonfinite = h.nonfinite,
    count = h.count }
end

-- A layer that is used at several places is there once.
local function collect(layer, list, met)
  if met[layer] then return list end
  met[layer] = true
  for _, name in ipairs(parameters(layer)) do
    local entry = { path = layer:path(), label = layer:label(), name = name, shape = layer[name].shape,
      values = moments(layer[name]) }
    local ok, grad = pcall(function() return layer.grad[name] end)
    if ok and grad and core.tensor.is_tensor(grad) then entry.gradient = moments(grad) end
    list[#list + 1] = entry
  end
  for i = 1, #layer do collect(layer[i], list, met) end
  return list
end

--- Moments of each parameter and of its gradient: { path, name, shape, values = { mean, std, min, max, zeros,
--- nonfinite, count }, gradient }.
function M.statistics(model)
  return shown.new(collect(model, {}, {}), function(self)
    local rows = {}
    local function n(m, name) return m.count > 0 and ("%.3g"):format(m[name]) or "-" end
    for i, e in ipairs(self) do
      local v, g = e.values, e.gradient
      local notes = {}
      if v.nonfinite > 0 then notes[1] = text.count(v.nonfinite) .. " not finite" end
      if g and g.nonfinite > 0 then notes[#notes + 1] = text.count(g.nonfinite) .. " of the gradient not finite" end
      rows[i] = { (e.path ~= "" and e.path .. "." or "") .. e.name, text.shape(e.shape), n(v, "mean"), n(v, "std"),
        n(v, "min"), n(v, "max"), g and n(g, "std") or "", table.concat(notes, ", ") }
    end
    local function column(name) return { name, align = "right" } end
    return text.columns({ { "parameter" }, { "shape" }, column "mean", column "std", column "min", column "max",
      column "std of gradient", { "" } }, rows,
      "  ", styles.of().paint)
  end)
end

return M
