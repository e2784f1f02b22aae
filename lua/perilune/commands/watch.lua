--- perilune watch [RUN|FOLDER ...]
local M = { summary = "runs that are being trained, live, in a full screen", usage = "[RUN|FOLDER ...]",
  description = "Shows runs while other processes train them: curves, rates, time left, mistakes. q leaves, and " ..
    "they go on. Keys: up and down (or " ..
    "j, k) select, space marks runs whose curves are drawn over each other, tab changes the metric, l the axis, / " ..
      "filters, d the details." }

function M.define(parser)
  parser:argument("runs", "Folders of runs, or of folders of runs (runs)."):args "*"
  parser:option("--metric", "What is drawn first, such as test_error."):argname "<name>"
  parser:flag("--log", "A logarithmic axis.")
end

function M.run(options)
  local words = #options.runs > 0 and options.runs or { "runs" }
  return require "perilune.terminal.watch".run(words, { metric = options.metric, log = options.log })
end

return M
