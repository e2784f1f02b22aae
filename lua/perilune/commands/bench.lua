--- perilune bench [NETWORK|FILE ...]
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local bench = require "perilune.train.speed"
local errors = require "perilune.base.errors"
local report = require "perilune.terminal.tables"
local text = require "perilune.base.format"
local whole = require "perilune.base.cli_options".whole
local system = core.system

local M = { summary = "speed of training and inference, layer by layer if asked", usage = "[NETWORK|FILE ...]",
  description = "Trains networks of experiments/ (such as P09 or LeNet; without a name: the documented ones from " ..
    "small to large) or of a FILE, from fresh weights on their own data, and measures inference on batches of 256. " ..
    "Prints the median of samples per second; floating-point operations, counted as direct convolution, two a " ..
    "multiply-add, a training step as three inferences; and their share of what fused multiply-adds reach in the " ..
    "same run. It measures the machine: nothing else should run." }

local function number(word)
  local x = tonumber(word)
  if x and x > 0 and x < 1e6 then return x end
  return nil, ("a number above 0 is expected, got '%s'"):format(word)
end

local function counts(word)
  local list = {}
  for part in (word .. ","):gmatch "([^,]*)," do
    local n = math.tointeger(tonumber(part))
    if not n or n < 1 or n > 64 then
      return nil, ("numbers of threads from 1 to 64 are expected, such as 1,2; got '%s'"):format(word)
    end
    list[#list + 1] = n
  end
  return list
end

function M.define(parser)
  parser:argument("networks", "Names such as P09 or LeNet, or experiment files."):args "*"
  parser:flag("--layers", "Time of each layer, forward and backward.")
  parser:option("--threads", "Numbers of threads, such as 1,2 (1 and as many as cores; --layers: as many as cores).")
    :convert(counts):argname "<n>"
  parser:option("--seconds", "Duration of one measurement."):convert(number):default("1"):argname "<s>"
  parser:option("--repeat", "Measurements, of which the median is shown."):convert(whole(1,
    1000)):default("3"):argname "<n>":target "repeats"
  parser:mutex(parser:flag("--csv", "As comma-separated values."),
    parser:flag("--json", "As one JSON object, with all that was measured."))
end

local function gflops(x) return x < 9.95 and ("%.1f"):format(x) or text.count(x) end

-- Half the distance of the extremes, of the median.
local function spread(r) return ("%.1f %%"):format(50 * (r.high - r.low) / r.median) end

local function duration(seconds)
  return seconds < 1e-3 and ("%.1f us"):format(1e6 * seconds) or ("%.2f ms"):format(1e3 * seconds)
end

local function facts(peaks, threads)
  local processor, isa = system.processor()
  local reached = {}
  for i, n in ipairs(threads) do reached[i] = ("%s (%d)"):format(gflops(peaks[n] / 1e9), n) end
  return {
    { "processor", ("%s, %s kernels"):format(processor, isa) },
    { "peak", ("%s GFLOP/s of fused multiply-adds (threads)"):format(table.concat(reached, ", ")) },
    { "convolution", os.getenv "PERILUNE_CONV" or "auto" },
    { "data", bench.has_mnist() and "MNIST" or "generated digits; MNIST is not here: perilune data fetch mnist" },
    { "date", os.date "%Y-%m-%d" },
  }
end

local columns = { { "network" }, { "batch", align = "right" }, { "threads", align = "right" },
  { "training/s", align = "right" },
  { "+-", align = "right" }, { "GFLOP/s", align = "right" }, { "of peak", align = "right" },
    { "inference/s", align = "right" },
  { "+-", align = "right" }, { "GFLOP/s", align = "right" }, { "of peak", align = "right" } }

local function print_table(results, term)
  local rows = {}
  for i, r in ipairs(results) do
    local cells = { r.name, ("%d"):format(r.batch), ("%d"):format(r.threads) }
    for _, what in ipairs { r.training, r.inference } do
      table.move({ text.count(what.median), spread(what), gflops(what.gflops), text.percent(what.share, 0) }, 1, 4,
        #cells + 1, cells)
    end
    rows[i] = cells
  end
  for _, line in ipairs(text.columns(columns, rows, "  ", term.paint, term.width)) do print(line) end
end

local function print_csv(results)
  local titles = { "network,name,batch,threads" }
  for _, what in ipairs { "training", "inference" } do
    titles[#titles + 1] = ("%s,%s_low,%s_high,%s_gflops,%s_share"):gsub("%%s", what)
  end
  print(table.concat(titles, ","))
  for _, r in ipairs(results) do
    local cells = { r.network, r.name, ("%d"):format(r.batch), ("%d"):format(r.threads) }
    for _, what in ipairs { r.training, r.inference } do
      for _, name in ipairs { "median", "low", "high", "gflops", "share" } do
        cells[#cells + 1] = ("%.6g"):format(what[name])
      end
    end
    print(csv.line(cells))
  end
end

local layer_columns = { { "layer" }, { "output" }, { "forward", align = "right" }, { "GFLOP/s", align = "right" },
  { "of peak", align = "right" },
  { "backward", align = "right" }, { "GFLOP/s", align = "right" }, { "of peak", align = "right" },
    { "of step", align = "right" } }

-- A layer's flops are forward `work` times two, backward twice that.
local function print_layers(e, threads, peak, seconds, term)
  local rows = bench.layers(e, { threads = threads, seconds = seconds })
  local sum, cells = { forward = 0, backward = 0 }, {}
  for _, row in ipairs(rows) do
    for pass in pairs(sum) do sum[pass] = sum[pass] + row[pass] end
  end
  local step = sum.forward + sum.backward + rows.data + rows.loss + rows.update + rows.other
  local function pass(time, flops)
    if time < 1e-9 then return "", "", "" end
    if flops == 0 then return duration(time), "", "" end
    return duration(time), gflops(flops / time / 1e9), text.percent(flops / time / peak, 0)
  end
  local function add(name, output, forward, backward, flops, style)
    local a, b, c = pass(forward, flops)
    local d, f, g = pass(backward, 2 * flops)
    local time = forward + backward
    cells[#cells + 1] = { name, output, a, b, c, d, f, g, time > 0 and text.percent(time / step, 1) or "",
      style = style }
  end
  local flops = 0
  for _, row in ipairs(rows) do
    local own = 2 * row.work * rows.samples
    flops = flops + own
    add(report.layer(row), text.shape(row.output), row.forward, row.backward, own)
    for _, part in ipairs(row.parts or {}) do
      add("    " .. text.clip(part.text, 34), part.shape, part.forward, part.backward, 0, "dim")
    end
  end
  add("passes", "", sum.forward, sum.backward, flops, "bold")
  for _, other in ipairs { { "data", "data" }, { "loss", "loss" }, { "optimizer", "update" },
    { "between steps", "other" } } do
    add(other[1], "", rows[other[2]], 0, 0)
  end
  print(("%s, batch %d, %d thread%s: %s a step, %s samples/s"):format(term.paint(e.name, "bold"), e.batch_size, threads,
    threads == 1 and "" or "s", duration(step), text.count(rows.samples / step)))
  for _, line in ipairs(text.columns(layer_columns, cells, "  ", term.paint, term.width)) do print(line) end
end

local function layers(networks, threads, peaks, seconds)
  local term = text.terminal(1)
  for _, name in ipairs(networks) do
    for _, n in ipairs(threads) do
      print ""
      print_layers(bench.load(name), n, peaks[n], seconds, term)
    end
  end
  print("\nForward and backward are of one batch; a layer that is fused with its neighbours has its time with " ..
    "the first of them.")
end

local function measure(networks, threads, peaks, options)
  local watched = system.isatty(2)
  local results = {}
  for _, name in ipairs(networks) do
    local e = bench.load(name)
    for _, n in ipairs(threads) do
      if watched then
        io.stderr:write(("\r\27[Kmeasuring %s with %d thread%s"):format(e.name, n, n == 1 and "" or "s"))
      end
      local r = bench.measure(e, { threads = n, seconds = options.seconds, repeats = options.repeats, peak = peaks[n] })
      r.network = name
      results[#results + 1] = r
    end
  end
  if watched then io.stderr:write "\r\27[K" end
  return results
end

function M.run(options)
  if options.layers and (options.csv or options.json) then
    errors.fail(2, "bench: --layers is a table for people; it takes no --csv and no --json")
  end
  local networks = #options.networks > 0 and options.networks or bench.networks
  for _, name in ipairs(networks) do bench.find(name) end     -- a wrong name is told before anything is measured
  local all = system.threads()
  local threads = options.threads or (all > 1 and not options.layers) and { 1, all } or { all }
  local peaks = {}
  for _, n in ipairs(threads) do peaks[n] = system.peak(n, math.min(0.3, options.seconds)) end
  if options.json or options.csv then
    local results = measure(networks, threads, peaks, options)
    if options.csv then return print_csv(results) or 0 end
    local found, reached = {}, {}
    for _, fact in ipairs(facts(peaks, threads)) do found[fact[1]] = fact[2] end
    for i, n in ipairs(threads) do reached[i] = { threads = n, gflops = peaks[n] / 1e9 } end
    print(core.json.encode({ facts = found, peaks = reached, results = results }, true))
    return 0
  end
  local term = text.terminal(1)
  for _, fact in ipairs(facts(peaks, threads)) do print(term.paint(text.pad(fact[1], 12), "dim") .. fact[2]) end
  if options.layers then
    layers(networks, threads, peaks, options.seconds)
  else
    local results = measure(networks, threads, peaks, options)
    print ""
    print_table(results, term)
  end
  return 0
end

return M
