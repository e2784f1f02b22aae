--- pl.plot, history:plot, t:plot, t:hist: curves of runs and values, in the terminal or as a file.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local runs = require "perilune.plot.runs"
local text = require "perilune.base.format"

local M = {}

local known = { { "log", type = "boolean", default = false }, { "bands", type = "boolean", default = false },
  { "out", type = "string" },
  { "title", type = "string" }, { "height", type = "integer", low = 3, high = 200 }, { "width", type = "integer",
    low = 20, high = 2000 },
  { "from", type = "number" }, { "to", type = "number" } }

-- Draws series where options say: into a file, else in the terminal.
local function put(series, o, x, y)
  y.log, y.from, y.to = o.log, o.from, o.to
  if o.out then
    local save = require "perilune.plot.save"
    local ok, message = save.format(o.out)
    if not ok then errors.fail(2, "%s", message) end
    local d = require "perilune.plot.curves".draw(series,
      { title = o.title, x = x, y = y, width = 640, height = 400, legend = #series > 1 })
    save.save(require "perilune.plot.svg".render(d, { label = o.title or y.label }) .. "\n", o.out)
    return
  end
  local style = require "perilune.terminal.style".of()
  for _, line in ipairs(require "perilune.terminal.chart".lines(series, { title = o.title, x = x, y = y,
    height = o.height, width = o.width }, style)) do
    print(line)
  end
end

--- The curves of a metric of runs over the epochs. metric: a column of their histories, or several.
function M.plot(sources, metric, given)
  local o = options.check("pl.plot", given, known)
  local list = runs.list(sources, "pl.plot")
  for _, run in ipairs(list) do
    if run.problem and #list == 1 then errors.fail(1, "%s", run.problem) end
    if run.problem then io.stderr:write("perilune: ", run.problem, "; left out\n") end
  end
  local metrics = type(metric) == "table" and metric or { metric }
  options.list("pl.plot: the second argument", metrics, "write pl.plot(runs, { \"test_error\" }, { log = true })")
  if metrics[1] == nil then errors.raise("pl.plot: no metric is named, such as \"test_error\"") end
  for _, name in options.items(metrics) do
    if type(name) ~= "string" then
      errors.raise("pl.plot: the second argument is a metric, such as \"test_error\", got %s", options.describe(name))
    end
  end
  local series, axis = {}, nil
  for _, name in options.items(metrics) do
    local of = runs.axis(name)
    for _, s in ipairs(runs.series(list, name, o.bands)) do
      if #metrics > 1 then s.name = #list > 1 and ("%s, %s"):format(s.name, of.label) or of.label end
      series[#series + 1] = s
    end
    if axis and axis.unit ~= of.unit then of.unit = nil end
    axis = { label = axis and "value" or of.label, unit = of.unit }
  end
  if #series == 1 and not o.title and list[1].name ~= "" then
    o.title = (#list > 1 and series[1].name or list[1].name) .. ": " .. axis.label
  end
  o.title = o.title or #metrics == 1 and axis.label or nil
  put(series, o, { label = "epoch" }, axis)
end

--- t:plot(): the values of a tensor of one axis, or the rows of one of two, as curves.
function M.tensor(t, given)
  local o = options.check("plot", given, known)
  if not core.tensor.is_tensor(t) then errors.raise("plot takes a tensor, got a %s", type(t)) end
  local dims = t:dim()
  if dims < 1 or dims > 2 then
    errors.raise("plot takes a tensor of one or two axes, got %d; slice or select it first", dims)
  end
  local series = require "perilune.plot.series"
  local list = {}
  if dims == 1 then list[1] = series.new({ y = t }, "plot")
  else
    if t:size(1) > 16 then
      errors.raise("plot draws up to 16 rows over each other, got %d; slice it first", t:size(1))
    end
    for i = 1, t:size(1) do list[i] = series.new({ y = t:select(1, i), name = "row " .. i }, "plot") end
  end
  put(list, o, { label = "index" }, {})
end

--- t:hist(): how the values of a tensor are distributed.
function M.hist(t, given)
  if not core.tensor.is_tensor(t) then errors.raise("hist takes a tensor, got a %s", type(t)) end
  local o = options.check("hist", given, { { "bins", type = "integer", low = 1, high = 4096 },
    { "low", type = "number" }, { "high", type = "number" },
    { "out", type = "string" }, { "title", type = "string" } })
  local h = t:histogram(o.bins or (o.out and 64 or 16), o.low, o.high)
  if o.out then
    local d = require "perilune.plot.bars".histogram(h,
      { width = 480, height = 300, title = o.title, x = { label = "value" }, y = { label = "count" } })
    return require "perilune.plot.save".save(require "perilune.plot.svg".render(d, { label = o.title }) .. "\n", o.out)
  end
  local style = require "perilune.terminal.style".of()
  for _, line in ipairs(require "perilune.terminal.marks".histogram(h, style, { title = o.title })) do print(line) end
  local ends = text.apart { h.min, h.max }
  print(style.paint(("%d values: mean %.4g, std %.4g, from %s to %s%s"):format(h.count, h.mean, h.std, ends[1], ends[2],
    h.nonfinite > 0 and (", %d not finite"):format(h.nonfinite) or ""), "dim"))
end

return M
