--- perilune plot RUN... METRIC
local errors = require "perilune.base.errors"
local system = require "perilune.core".system

local M = { summary = "curves of runs over each other, here or as a figure", usage = "RUN... METRIC [--log] [-o FILE]",
  description = "Draws a metric of one or several runs over their epochs: in the terminal, or as a figure " ..
    "for a paper." }

function M.define(parser)
  parser:usage("Usage: perilune plot [-h] [--log] [--bands] [-o <file>] [--title <text>]\n       RUN... METRIC")
  parser:argument("RUN... METRIC",
    "Runs (folders, files, folders of runs, or the beginning of their names), then a metric such as test_error; " ..
      "or several, with commas between."):args "+":target "words"
  parser:flag("--log", "A logarithmic axis.")
  parser:flag("--bands",
    "Runs that differ only in their seed as one curve: their mean, and a band from the least to the largest.")
  parser:option("-o --output",
    "Write a figure: .svg, or .png and .pdf where rsvg-convert is installed."):argname "<file>"
  parser:option("--title", "What is written above it."):argname "<text>"
end

-- A metric among the runs: several are one word.
local function check_runs(words, metric)
  local is_column = require "perilune.train.metrics".is_column
  for i, word in ipairs(words) do
    if is_column(word) and not system.kind(word) and not system.kind("runs/" .. word) then
      errors.fail(2, "plot: '%s' is a metric, and runs come first%s", word, is_column(metric)
        and "; several metrics have commas between them: " .. table.concat(words, ",", i) .. "," .. metric or "")
    end
  end
end

function M.run(options)
  local words = options.words
  if #words < 2 then
    errors.fail(2, "plot: name runs and then a metric, such as: perilune plot %s test_error", words[1])
  end
  local metric = table.remove(words)
  check_runs(words, metric)
  local metrics = {}
  for name in metric:gmatch "[^,]+" do metrics[#metrics + 1] = name end
  if #metrics == 0 then errors.fail(2, "plot: no metric is named, such as test_error") end
  require "perilune.plot".plot(words, metrics,
    { log = options.log or false, bands = options.bands or false, out = options.output, title = options.title })
  if options.output then print(options.output) end
  return 0
end

return M
