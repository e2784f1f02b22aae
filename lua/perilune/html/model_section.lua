--- The part of a report about a run's model: architecture, summary, filters, distributions of weights, statistics of
-- the training.
local bars = require "perilune.plot.bars"
local curves = require "perilune.plot.curves"
local filters = require "perilune.plot.filters"
local network = require "perilune.plot.network"
local text = require "perilune.base.format"
local titles = require "perilune.terminal.tables"

local M = {}

local MOST = 24      -- layers whose histograms are shown

-- The model without its weights, from what the file says of it; or nil and why not.
local function model_of(run)
  local config, input = run.record.config, run.record.input
  if not config or not input then return nil, "The file holds no description of the model." end
  local ok, result = pcall(function()
    local model = require "perilune.nn".from_config(config)
    model:build(input)
    return model
  end)
  if ok then return result end
  return nil, "The model cannot be made again from the file (it has parts that are functions of the script): " ..
    require "perilune.base.errors".strip(tostring(result))
end

local function summary(page, rows)
  local cells, total = {}, { parameters = 0, work = 0, memory = 0 }
  local function amount(n, format) return n == 0 and "" or format(n) end
  for i, row in ipairs(rows) do
    cells[i] = { titles.layer(row):gsub("^ ", ""), "[N" .. (#row.output > 0 and ", " or "")
      .. table.concat(row.output, ", ") .. "]",
      amount(row.parameters, text.count), amount(row.work, text.count), amount(row.memory, text.bytes) }
    for name in pairs(total) do total[name] = total[name] + row[name] end
  end
  cells[#cells + 1] = { "total", "", text.count(total.parameters), text.count(total.work), text.bytes(total.memory),
    best = true }
  page:table({ { "layer" }, { "output" }, { "parameters", number = true }, { "multiply-adds", number = true },
    { "memory", number = true } }, cells,
    { caption = "Multiply-adds and memory of one sample" })
end

local function architecture(page, run)
  local model, why = model_of(run)
  if not model then return page:absent(why) end
  local rows = model:rows()
  page:raw '<div class="grid">'
  page:figure(network.draw(network.tree(model, rows), run.record.input, { width = 300, title = "Architecture" }),
    "Architecture", true)
  page:raw "<div>"
  summary(page, rows)
  page:raw "</div></div>"
end

local function first_filters(page, run)
  local list, what = filters.first(run.record.layers, run.record.input)
  if not list or #list == 0 then return end
  page:tag("h3", "Filters of the first layer")
  page:tag("p", what, 'class="muted"')
  page:pictures(list, 52)
end

local function weight_histograms(page, layers)
  local drawn = {}
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do
      if item.name == "weight" and #drawn < MOST then
        local h = item.tensor:histogram(64)
        drawn[#drawn + 1] = bars.histogram(h, { width = 360, height = 190, ticks = 4,
          title = ("%s: mean %.2g, std %.2g%s"):format(layer.layer, h.mean, h.std, h.nonfinite > 0
            and (", %d not finite"):format(h.nonfinite) or "") })
        drawn[#drawn].label = "Weights of " .. layer.layer
      end
    end
  end
  if #drawn == 0 then return end
  page:tag("h3", "Weights")
  page:raw '<div class="grid small">'
  for _, d in ipairs(drawn) do page:figure(d, d.label) end
  page:raw "</div>"
end

-- One curve a layer of what `of(layer)` says, over the epochs.
local function curves_of(page, statistics, title, of, unit, log)
  local series, index = {}, {}
  for _, entry in ipairs(statistics) do
    for _, layer in ipairs(entry.layers) do
      local v = of(layer)
      if v then
        local s = index[layer.path]
        if not s then
          s = { name = layer.path, n = 0, x = {}, y = {} }
          index[layer.path] = s
          series[#series + 1] = s
        end
        s.n = s.n + 1
        s.x[s.n], s.y[s.n] = entry.epoch, v
      end
    end
  end
  if #series == 0 then return end
  page:figure(curves.draw(series, { title = title, x = { label = "epoch" }, y = { unit = unit, log = log },
    legend = true }), title)
end

local function statistics(page, run)
  local list = run.record.statistics
  page:tag("h3", "Gradients, outputs, dead units")
  if not list or #list == 0 then
    return page:absent('Not recorded: statistics = { every = "epoch" } in the experiment keeps them, for each layer ' ..
      'and epoch.')
  end
  page:raw '<div class="grid">'
  curves_of(page, list, "Std of gradients, a layer", function(l) return l.gradients and l.gradients.std end, nil, true)
  curves_of(page, list, "Norm of update over norm of weight", function(l) return l.update end, nil, true)
  curves_of(page, list, "Std of outputs", function(l) return l.outputs and l.outputs.std end)
  curves_of(page, list, "Dead units", function(l) return l.dead end, "percent")
  page:raw "</div>"
  local last = list[#list]
  page:raw "<details><summary>" page:raw(("Histograms of epoch %d"):format(last.epoch))
  page:raw '</summary><div class="grid small">'
  local shown = 0
  for _, layer in ipairs(last.layers) do
    for _, kind in ipairs { "gradients", "outputs" } do
      local h = layer[kind]
      if h and shown < 2 * MOST then
        shown = shown + 1
        page:figure(bars.histogram(h, { width = 360, height = 190, ticks = 4, title = ("%s of %s"):format(kind,
          layer.path),
          colour = kind == "gradients" and "c2" or "c3" }), ("%s of %s"):format(kind, layer.path))
      end
    end
  end
  page:raw "</div></details>"
end

--- Adds the parts about the model.
function M.add(page, run)
  page:tag("h3", "Model")
  architecture(page, run)
  local layers = run.record.layers
  if layers then
    first_filters(page, run)
    weight_histograms(page, layers)
  else page:absent "The file holds no weights." end
  statistics(page, run)
end

return M
