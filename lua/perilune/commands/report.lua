--- perilune report RUN... -o report.html
local M = { summary = "one page about runs that can be sent: curves, mistakes, model", usage = "RUN... -o report.html",
  description = "Writes one self-contained HTML page about one or several runs, from their files alone: it loads " ..
    "nothing, and opens from a mail." }

function M.define(parser)
  parser:argument("runs",
    "Runs: folders, files, folders of runs (a sweep), or the beginning of their names in runs/."):args "+"
  parser:option("-o --output", "The page (report.html)."):argname "<file>":default "report.html"
end

function M.run(options)
  for _, run in ipairs(options.runs) do require "perilune.run.folder".spare(run, options.output) end
  require "perilune.html.report".write(options.runs, options.output)
  print(options.output)
  return 0
end

return M
