--- Reports: one self-contained page about one or several runs, from their files alone.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local pages = require "perilune.html.page"
local runs = require "perilune.plot.runs"

local M = {}

local DETAILED = 4      -- runs that have a section each; of more only the best has one

local function load_details(run)
  if not run.path or run.problem then return end
  local full = runs.read(run.path, true)
  run.record, run.problem = full.record, full.problem
  run.parameters = full.record and require "perilune.run.file".parameters(full.path)
end

--- The text of the page about runs (as plot/runs.lua lists them).
function M.page(list)
  local page = pages.new()
  local title = #list == 1 and list[1].name or ("%d runs"):format(#list)
  local detailed, anchors = {}, {}
  local readable = {}
  for _, run in ipairs(list) do if not run.problem then readable[#readable + 1] = run end end
  if #list <= DETAILED then
    for i in ipairs(list) do detailed[#detailed + 1] = i end
  else
    local compare = require "perilune.html.compare_section"
    local best = compare.best(list)
    if best then detailed[1] = best end
  end
  for _, i in ipairs(detailed) do anchors[i] = "run-" .. i end
  if #list > 1 then
    local same = true
    for _, run in ipairs(readable) do same = same and run.name == readable[1].name end
    if same and #readable > 0 then title = ("%s, %d runs"):format(readable[1].name, #list) end
    page:tag("h1", title)
    for _, run in ipairs(list) do
      if run.problem then page:tag("p", ("%s cannot be read: %s"):format(run.label, run.problem), 'class="bad"') end
    end
    if #readable > 0 then
      local moved = {}
      for i, run in ipairs(list) do
        for r, other in ipairs(readable) do
          if run == other then moved[r] = anchors[i] end
        end
      end
      require "perilune.html.compare_section".add(page, readable, moved)
    end
    if #list > DETAILED and detailed[1] then
      local label = list[detailed[1]].label
      page:tag("p", ("In full below: the best run, %s. perilune report FOLDER shows any other."):format(label),
        'class="muted"')
    end
  end
  for _, i in ipairs(detailed) do
    local run = list[i]
    if #list == 1 or not run.problem then
      load_details(run)
      require "perilune.html.run_section".add(page, run, anchors[i], #list == 1)
      run.record = run.record and { config = run.record.config,
        created = run.record.created }      -- weights are let go
    end
  end
  page:tag("footer", ("Made by Perilune %s from %s; this page loads nothing."):format(core.system.version(),
    #list == 1 and "the run's file" or "the runs' files"))
  return page:text(title)
end

--- Writes the report of runs (folders, trained runs, or a list of these) to a path.
function M.write(sources, path)
  if type(path) ~= "string" or path == "" then
    errors.raise('pl.report: the second argument is a path, such as "report.html", got %s',
      require "perilune.base.options".describe(path))
  end
  local list = runs.list(sources, "pl.report")
  if #list == 0 then errors.raise "pl.report: no run is given" end
  for i, run in ipairs(list) do
    if not run.folder then
      errors.raise("pl.report: %s has no files (out = false); a report reads run files", run.label)
    end
    -- a run of this session is read from its files like any other
    if not run.record then
      local label = run.label
      list[i] = runs.read(run.path)
      list[i].label = label
    end
  end
  if #list == 1 and list[1].problem then errors.fail(1, "%s", list[1].problem) end
  local ok, message = core.store.write_text(path, M.page(list))
  if not ok then errors.fail(1, "cannot write %s: %s", path, message) end
end

return M
