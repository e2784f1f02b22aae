--- Runs against each other: what differs in the settings and in the results (claim.lua: what may be said of it). Runs
--- that differ in their seed alone are one group.
local arguments = require "perilune.run.arguments"
local beside = require "perilune.script.beside"
local claim = require "perilune.stats.claim"
local core = require "perilune.core"
local samples = require "perilune.stats.samples"
local sorted_keys = require "perilune.base.sorted_keys"
local json_list = core.json.list

local M = {}

-- What an experiment is set up as. Of a script the text tells what its functions are, and what they capture may be the
-- seed; older programs did not note the length of a schedule, which is in the script, and in the number of epochs.
local function setup_of(id)
  local setup = {}
  for name, text in pairs(id.setup or {}) do
    if type(text) == "string" and (id.script or "") ~= "" then
      text = text:gsub("a function %x+", "a function"):gsub(" over %d+ epochs$", "")
    end
    setup[name] = text
  end
  return setup
end

--- What a run { identity, arguments, epochs } is but for its seed, and for how its arguments were typed.
function M.key(run)
  local id = run.identity
  local files = {}
  for i, file in ipairs(id.files or {}) do files[i] = beside.name_of(file.path, id.path) .. "\0" .. file.text end
  return core.store.sha256(table.concat({ id.name or "", id.script or "", arguments.key(run.arguments or {}),
    id.data or "", id.data_sha256 or "", id.recipe or "", id.start or "", id.algorithm or "",
    core.json.encode(setup_of(id)), table.concat(files, "\0"), tostring(run.epochs) }, "\1"))
end

-- The keys of experiments that one script made, and that differ in what their functions capture by more than the seed:
-- of one seed there are two.
local function captured_apart(runs)
  local functions, apart = {}, {}
  for _, run in ipairs(runs) do
    local key, its = M.key(run), run.identity.functions
    local of_seed = ("%s %s"):format(key, run.seed)
    if its and (functions[of_seed] or its) ~= its then apart[key] = true end
    functions[of_seed] = functions[of_seed] or its
  end
  return apart
end

--- Groups of runs, in the order of their first: { runs, seeds, first }.
function M.groups(runs)
  local list, by_key, apart = {}, {}, captured_apart(runs)
  for _, run in ipairs(runs) do
    local key = M.key(run)
    if apart[key] then key = key .. (run.identity.functions or "") end
    if not by_key[key] then
      by_key[key] = { runs = {}, first = run }
      list[#list + 1] = by_key[key]
    end
    table.insert(by_key[key].runs, run)
  end
  return list
end

local function lines_of(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  if list[#list] == "" then list[#list] = nil end
  return list
end

-- Lines of b that stand in the place of lines of a: { line, was, now } each, by the longest common subsequence; at
-- most `most`.
local function changed_lines(a, b, most)
  a, b = lines_of(a), lines_of(b)
  local from = 0
  while from < #a and from < #b and a[from + 1] == b[from + 1] do from = from + 1 end
  local end_a, end_b = #a, #b
  while end_a > from and end_b > from and a[end_a] == b[end_b] do end_a, end_b = end_a - 1, end_b - 1 end
  local n, m, length = end_a - from, end_b - from, {}
  if n * m > 4e6 then return { { line = from + 1, was = a[from + 1], now = b[from + 1] } }, math.max(n, m) - 1 end
  for i = n, 0, -1 do
    length[i] = {}
    for j = m, 0, -1 do
      if i == n or j == m then length[i][j] = 0
      elseif a[from + i + 1] == b[from + j + 1] then length[i][j] = length[i + 1][j + 1] + 1
      else length[i][j] = math.max(length[i + 1][j], length[i][j + 1]) end
    end
  end
  local list, i, j, more = {}, 0, 0, 0
  local function put(change)
    if #list < most then list[#list + 1] = change else more = more + 1 end
  end
  while i < n or j < m do
    local x, y = a[from + i + 1], b[from + j + 1]
    if i < n and j < m and x == y then i, j = i + 1, j + 1
    elseif i < n and j < m and length[i + 1][j + 1] == length[i][j] then
      put { line = from + i + 1, was = x, now = y }
      i, j = i + 1, j + 1
    elseif j == m or i < n and length[i + 1][j] >= length[i][j + 1] then
      put { line = from + i + 1, was = x }
      i = i + 1
    else
      put { line = from + i + 1, now = y }
      j = j + 1
    end
  end
  return list, more
end

local setup_names = { "model", "loss", "optimizer", "schedule", "augment", "stopping", "batch_size", "shuffle",
  "drop_last", "nonfinite", "validation", "test", "metrics", "callbacks" }

-- The leaves of a configuration by their paths: "layers 2 out" -> 16; and the paths in order.
local function leaves(value, path, found)
  if type(value) ~= "table" then
    found[#found + 1], found[path] = path, value
    return found
  end
  for _, key in ipairs(sorted_keys(value)) do
    local plain = key == "config" or key == "layers"
    leaves(value[key], plain and path or (path == "" and "" or path .. " ") .. tostring(key), found)
  end
  return found
end

local MOST_LEAVES = 6

-- Rows for a setting that is kept as JSON: its leaves that differ, or that it does where these are many.
local function configuration(groups, name, row)
  local of, paths, seen = {}, {}, {}
  for i, group in ipairs(groups) do
    local text = setup_of(group.first.identity)[name]
    local value = type(text) == "string" and text:find "^[%[{]" and core.json.decode(text)
    if not value then return row(name, function(run) return setup_of(run.identity)[name] end) end
    of[i] = leaves(value, "", {})
    for _, path in ipairs(of[i]) do
      if not seen[path] then paths[#paths + 1] = path end
      seen[path] = true
    end
  end
  local differing = {}
  for _, path in ipairs(paths) do
    for i = 2, #groups do
      if of[i][path] ~= of[1][path] then
        differing[#differing + 1] = path
        break
      end
    end
  end
  if #differing > MOST_LEAVES then
    local counts = {}
    for i = 1, #groups do counts[groups[i].first] = ("differs (%d settings)"):format(#of[i]) end
    counts[groups[1].first] = ("%d settings"):format(#of[1])
    return row(name, function(run) return counts[run] end)
  end
  for _, path in ipairs(differing) do
    local values = {}
    for i, group in ipairs(groups) do values[group.first] = of[i][path] end
    row(name .. " " .. path, function(run) return values[run] end)
  end
end

--- What differs between the settings of groups: a list of { name, values = one a group }; and for scripts { name,
--- lines, more } of each group after the first against it.
function M.settings(groups)
  local list = json_list {}
  local function row(name, value)
    local values, differ = {}, false
    for i, group in ipairs(groups) do
      local x = value(group.first)
      values[i] = x == nil and "-" or tostring(x)
      differ = differ or values[i] ~= values[1]
    end
    if differ then list[#list + 1] = { name = name, values = values } end
    return differ
  end
  row("name", function(run) return run.name end)
  row("script", function(run) return run.identity.path end)
  local names, seen = {}, {}
  for _, group in ipairs(groups) do
    for name in pairs(group.first.arguments or {}) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    row(name, function(run)
      local value = (run.arguments or {})[name]
      if type(value) == "number" and value ~= math.tointeger(value) then return value end
      return value ~= nil and arguments.text(value) or nil
    end)
  end
  row("data", function(run) return run.identity.data end)
  row("contents of the data", function(run)
    return ((run.identity.data_sha256 or ""):gsub("%S+", function(digest) return digest:sub(1, 12) end))
  end)
  row("derivation of the data", function(run) return run.identity.recipe ~= "" and run.identity.recipe or nil end)
  row("start", function(run) return run.identity.start and "weights " .. run.identity.start:sub(1, 12) end)
  for _, name in ipairs(setup_names) do configuration(groups, name, row) end
  row("epochs at most", function(run) return run.epochs end)
  row("algorithm", function(run) return run.identity.algorithm end)
  local first, alike = groups[1].first, true      -- of one script and seed nothing else tells them apart
  for _, group in ipairs(groups) do
    alike = alike and group.first.identity.script == first.identity.script and group.first.seed == first.seed
  end
  if alike then row("captured by functions", function(run) return (run.identity.functions or ""):sub(1, 12) end) end
  for i = 2, #groups do
    local a, b = groups[1].first.identity, groups[i].first.identity
    local function texts(what, was, now)
      if was == now then return end
      local lines, more = changed_lines(was, now, 12)
      list[#list + 1] = { name = what, lines = lines, more = more, group = i }
    end
    texts("script", a.script or "", b.script or "")
    local before = {}
    for _, file in ipairs(a.files or {}) do before[file.path:match "[^/]*$"] = file.text end
    for _, file in ipairs(b.files or {}) do texts(file.path, before[file.path:match "[^/]*$"] or "", file.text) end
  end
  return list
end

--- The metrics of groups side by side: a list of { name, summaries = one a group or false, values }, results of final
--- weights only; epochs and seconds also of unfinished runs.
function M.results(groups)
  local names, seen, list = {}, {}, {}
  local function add(metrics, prefix)
    for name, value in pairs(metrics or {}) do
      if type(value) == "number" and name ~= "count" and name ~= "correct" and not seen[prefix .. name] then
        names[#names + 1] = prefix .. name
        seen[prefix .. name] = true
      end
    end
  end
  for _, group in ipairs(groups) do
    for _, run in ipairs(group.runs) do
      add(run.test, "test_")
      add(run.val, "val_")
      add(run.evaluation and run.evaluation.metrics, "")
    end
  end
  table.sort(names)
  local effort = { epoch = true, seconds = true }
  for _, name in ipairs { "epoch", "seconds" } do names[#names + 1] = name end
  for _, name in ipairs(names) do
    local row = { name = name, summaries = json_list {}, values = json_list {} }
    for i, group in ipairs(groups) do
      local found = json_list {}
      for _, run in ipairs(group.runs) do
        found[#found + 1] = effort[name] and run:value(name) or claim.result(run, name)
      end
      row.values[i] = found
      row.summaries[i] = #found > 0 and samples.summary(found) or false
    end
    list[#list + 1] = row
  end
  return list
end

return M
