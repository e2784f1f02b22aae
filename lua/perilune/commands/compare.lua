--- perilune compare A B [C ...]
local claim = require "perilune.stats.claim"
local compare = require "perilune.stats.compare"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local filter = require "perilune.run.filter"
local report = require "perilune.terminal.tables"
local text = require "perilune.base.format"
local clean = require "perilune.terminal.style".clean      -- files may come from elsewhere

local M = { summary = "what differs in the settings, what in the results, and is it luck?", usage = "A B [C ...]",
  description = "Compares runs, each named by its folder; a folder of runs stands for all in it. Runs that differ " ..
    "in nothing but their seed are one group. Two runs on the same test set: McNemar's exact test on the stored " ..
    "predictions. Groups of seeds: the difference of their mean test errors (of values: RMSE) with a bootstrapped " ..
    "95 % interval, and Welch's t-test (the exact permutation test where neither side has any spread), which must " ..
    "agree before a difference is claimed; and none is where runs failed, or are left out for want of a finite " ..
    "result." }

function M.define(parser)
  parser:argument("runs", "Folders of runs."):args "+"
  local seed = parser:option("--seed", "Seed of the bootstrap (1)."):argname "<n>"
  seed:convert(require "perilune.base.cli_options".whole(0))
  parser:option("--metric", "What is compared of groups of seeds, such as val_error or test_macro_f1, instead of " ..
    "the test error."):argname "<name>"
  parser:flag("--json", "As JSON.")
end

--- The runs that folders hold, unfinished ones among them. Second: of each run whose folder holds others that have no
--- result to be read, as they failed, that in words. Raises when a folder holds no finished one.
function M.load(paths)
  local runs = require "perilune.run.runs"
  local list, incomplete = {}, {}
  for _, path in ipairs(paths) do
    local found = {}
    if core.system.kind(path) == "folder" and not require "perilune.run.folder".find(path) then
      local below, problems = runs.runs(path)
      for _, problem in ipairs(problems or {}) do
        io.stderr:write("perilune: ", problem.path, ": ", problem.message, "\n")
      end
      local finished = false
      for _, run in ipairs(below or {}) do
        local whole, message = runs.run(run.path)
        if not whole then errors.fail(1, "compare: %s", message) end
        finished = finished or whole.ended ~= "interrupted"
        found[#found + 1] = whole
      end
      if not finished then errors.fail(1, "compare: there is no finished run in %s", path) end
      local lost = #(problems or {})
      for _, run in ipairs(found) do
        incomplete[run] = lost > 0 and ("%d run%s in %s ha%s no result"):format(lost, lost == 1 and "" or "s",
          clean(path), lost == 1 and "s" or "ve") or nil
      end
    else
      local run, message = runs.run(path)
      if not run then errors.fail(1, "compare: %s", message) end
      found[1] = run
    end
    table.move(found, 1, #found, #list + 1, list)
  end
  return list, incomplete
end

-- What groups are called in a table: A, B, ...
local function labels_of(groups)
  local labels = {}
  for i = 1, #groups do labels[i] = i <= 26 and string.char(64 + i) or "G" .. i end
  return labels
end

local function who(group)
  local run = group.first
  if #group.runs == 1 then
    return ("%s, seed %s%s"):format(clean(run.path), run.seed, run.ended == "interrupted" and ", unfinished" or "")
  end
  local seeds = {}
  for i, one in ipairs(group.runs) do seeds[i] = tostring(one.seed) end
  return ("%s and %d more: seeds %s"):format(clean(run.path), #group.runs - 1, table.concat(seeds, ", "))
end

-- Mean and standard deviation; of how many, where not each of the `count` runs has a number.
local function show(name, s, count)
  if not s then return "-" end
  local value = report.value(name, s.mean)
  if s.n > 1 then value = ("%s ± %s"):format(value:gsub(" %%$", ""), report.value(name, s.std)) end
  return s.n < count and ("%s (%d of %d)"):format(value, s.n, count) or value
end

local function widest(texts, least)
  for _, one in ipairs(texts) do least = math.max(least, text.width(one)) end
  return least
end

-- Rows called `names`, a column a group (cells[i], called labels[i]). Groups that have no room beside the others follow
-- below, as many at a time as have.
local function print_beside(names, cells, labels, term, align)
  local first = 1
  while first <= #labels do
    local columns, rows, used, last = { { "" } }, {}, widest(names, 0), first - 1
    for r, name in ipairs(names) do rows[r] = { name } end
    repeat
      used = used + 2 + widest(cells[last + 1], text.width(labels[last + 1]))
      if last >= first and term.width and used > term.width then break end
      last = last + 1
      columns[#columns + 1] = { labels[last], align = align }
      for r, cell in ipairs(cells[last]) do rows[r][#columns] = cell end
    until last == #labels
    for _, line in ipairs(text.columns(columns, rows, "  ", term.paint, term.width)) do print(line) end
    first = last + 1
  end
end

local function print_settings(settings, labels, term, seeds)
  if #settings == 0 then
    print("The settings are the same" .. (seeds and " but for the seed." or "."))
    return
  end
  print(term.paint("Settings that differ", "bold"))
  local names, cells = {}, {}
  for i = 1, #labels do cells[i] = {} end
  for _, row in ipairs(settings) do
    if row.values then names[#names + 1] = clean(row.name) end
  end
  local room = term.width and math.max((term.width - widest(names, 0)) // #labels - 2, 12) or 60
  for _, row in ipairs(settings) do
    local values = {}
    for i, value in ipairs(row.values or {}) do values[i] = clean(value) end
    for i, value in ipairs(text.cut_alike(values, room)) do table.insert(cells[i], value) end
  end
  if #names > 0 then print_beside(names, cells, labels, term) end
  for _, row in ipairs(settings) do
    if row.lines then
      print(("%s, %s beside %s:"):format(clean(row.name), labels[row.group], labels[1]))
      for _, change in ipairs(row.lines) do
        if change.was then print(("  %4d %s"):format(change.line, term.paint("- " .. clean(change.was), "red"))) end
        if change.now then print(("  %4d %s"):format(change.line, term.paint("+ " .. clean(change.now), "green"))) end
      end
      if row.more > 0 then print(("  ... and %d more lines"):format(row.more)) end
    end
  end
end

local function print_results(results, labels, groups, term)
  print(term.paint("\nResults", "bold"))
  local names, cells = {}, {}
  for r, row in ipairs(results) do names[r] = clean(report.title(row.name)) end
  for i, group in ipairs(groups) do
    cells[i] = {}
    for r, row in ipairs(results) do cells[i][r] = show(row.name, row.summaries[i], #group.runs) end
  end
  print_beside(names, cells, labels, term, "right")
end

-- Two runs, also of one setting, each as a group.
local function apart(runs) return { { runs = { runs[1] } }, { runs = { runs[2] } } } end

-- Takes copies out of the groups: { run, of } of each.
local function without_copies(groups)
  local all = {}
  for _, group in ipairs(groups) do
    local copies
    group.runs, copies = claim.distinct(group)
    table.move(copies, 1, #copies, #all + 1, all)
  end
  return all
end

local function print_claims(groups, labels, claims, term)
  local claimed = false
  for i = 2, #groups do
    local words = ("%s and %s: %s."):format(labels[1], labels[i], claims[i].words)
    print(table.concat(text.wrap(words, term.width, "  "), "\n"))
    claimed = claimed or claims[i].claimed
  end
  if claimed and #groups > 2 then
    print(table.concat(text.wrap("Each comparison stands alone: of 20 between equals about one comes out as a " ..
      "difference.", term.width, "  "), "\n"))
  end
end

function M.run(options)
  local runs, incomplete = M.load(options.runs)
  if #runs < 2 then
    errors.fail(2, "compare: two runs or more are needed, such as: perilune compare runs/a-s1 runs/b-s1")
  end
  local metric = options.metric and filter.check_name(runs, options.metric, "compare")
  local groups = #runs == 2 and not claim.same(runs[1], runs[2]) and apart(runs) or compare.groups(runs)
  for _, copy in ipairs(without_copies(groups)) do
    local words = ("perilune: compare: %s is %s again (seed %s, %s); it counts once"):format(
      clean(copy.run.path), clean(copy.of.path), copy.run.seed, claim.same(copy.run, copy.of) and "the same weights"
      or copy.run.ended == "interrupted" and "unfinished" or "with other bits")
    io.stderr:write(table.concat(text.wrap(words, text.terminal(2).width, "  "), "\n"), "\n")
  end
  local single = groups[1].runs
  if #groups == 1 and #single == 2 then groups = apart(single) end
  for _, group in ipairs(groups) do
    group.first = group.runs[1]
    for _, run in ipairs(group.runs) do group.caution = group.caution or incomplete[run] end
  end
  local labels, claims = labels_of(groups), {}
  local settings, results = compare.settings(groups), compare.results(groups)
  for i = 2, #groups do
    claims[i] = claim.of(groups[1], groups[i], { labels[1], labels[i] },
      { seed = options.seed, metric = metric })
  end
  if options.json then
    local list = {}
    for i, group in ipairs(groups) do
      list[i] = { label = labels[i], runs = {}, claim = claims[i] }
      for j, run in ipairs(group.runs) do list[i].runs[j] = run.path end
    end
    print(core.json.encode({ groups = list, settings = settings, results = results }, true))
    return 0
  end
  local term = text.terminal(1)
  for i, group in ipairs(groups) do
    local line = ("%s  %s"):format(term.paint(labels[i], "bold"), who(group))
    print(table.concat(text.wrap(line, term.width, "   "), "\n"))
  end
  print()
  print_settings(settings, labels, term, #single > 1 or #groups > 1 and single[1].seed ~= groups[2].first.seed)
  print_results(results, labels, groups, term)
  print()
  print_claims(groups, labels, claims, term)
  if #groups == 1 then
    print(#single == 1 and "One run; there is nothing to compare it with."
      or ("One group of %d seeds; there is nothing to compare it with."):format(#single))
  end
  return 0
end

return M
