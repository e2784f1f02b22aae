--- Runs against each other: what differs in the settings and in the results, and what may be said of it. Runs that
--- differ in their seed alone are one group.
local core = require "perilune.core"
local mcnemar = require "perilune.stats.mcnemar"
local samples = require "perilune.stats.samples"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local FEW = 5      -- seeds; with fewer a bootstrap interval is too narrow

-- What a run is but for its seed.
local function key_of(run)
  local id = run.identity
  local files = {}
  for i, file in ipairs(id.files or {}) do files[i] = file.path .. "\0" .. file.text end
  return core.store.sha256(table.concat({ id.name or "", id.script or "", table.concat(id.arguments or {}, " "),
    id.data or "", id.data_sha256 or "",
    core.json.encode(id.setup or {}), table.concat(files, "\0"), tostring(run.epochs) }, "\1"))
end

--- Groups of runs, in the order of their first: { runs, seeds, first }.
function M.groups(runs)
  local list, by_key = {}, {}
  for _, run in ipairs(runs) do
    local key = key_of(run)
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
  "drop_last", "nonfinite",
  "validation", "test" }

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
    local text = (group.first.identity.setup or {})[name]
    local value = type(text) == "string" and text:find "^[%[{]" and core.json.decode(text)
    if not value then return row(name, function(run) return (run.identity.setup or {})[name] end) end
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
  local list = {}
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
      return type(value) == "table" and core.json.encode(value) or value
    end)
  end
  row("data", function(run) return run.identity.data end)
  row("contents of the data", function(run) return (run.identity.data_sha256 or ""):sub(1, 12) end)
  for _, name in ipairs(setup_names) do configuration(groups, name, row) end
  row("epochs at most", function(run) return run.epochs end)
  row("algorithm", function(run) return run.identity.algorithm end)
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

--- The metrics of groups side by side: a list of { name, summaries = one a group or nil }, results of final weights
--- only.
function M.results(groups)
  local names, seen, list = {}, {}, {}
  for _, group in ipairs(groups) do
    for _, split in ipairs { "test", "val" } do
      for name, value in pairs(group.first[split] or {}) do
        if type(value) == "number" and name ~= "count" and name ~= "correct" and not seen[split .. "_" .. name] then
          names[#names + 1] = split .. "_" .. name
          seen[split .. "_" .. name] = true
        end
      end
    end
    for name, value in pairs(group.first.evaluation and group.first.evaluation.metrics or {}) do
      if type(value) == "number" and not seen[name] then
        names[#names + 1] = name
        seen[name] = true
      end
    end
  end
  table.sort(names)
  for _, name in ipairs { "epoch", "seconds" } do names[#names + 1] = name end
  for _, name in ipairs(names) do
    local row = { name = name, summaries = {}, values = {} }
    for i, group in ipairs(groups) do
      local found = {}
      for _, run in ipairs(group.runs) do
        local x = run:value(name)
        if type(x) == "number" and x == x then found[#found + 1] = x end
      end
      row.values[i] = found
      row.summaries[i] = #found > 0 and samples.summary(found) or false
    end
    list[#list + 1] = row
  end
  return list
end

local function test_digest(run) return (run.identity.data_sha256 or ""):match "%S+$" end

--- McNemar's exact test of two runs: { first_only, second_only, both_wrong, count, p }; or nil and the reason why
--- there is none.
function M.mcnemar(a, b)
  if not a.test or not b.test then return nil, "one of them was not tested" end
  if a.identity.data ~= b.identity.data or test_digest(a) ~= test_digest(b) then
    return nil, "their test sets differ"
  end
  local right_a, right_b = a.test.right, b.test.right
  if not right_a or not right_b then
    return nil, "one of them does not keep which predictions are right (it was made by an older program)"
  end
  if right_a:size(1) ~= right_b:size(1) then return nil, "their test sets differ in size" end
  local first, second, wrong = 0, 0, 0
  local of_b = right_b:totable()
  for i, x in ipairs(right_a:totable()) do
    local y = of_b[i]
    if x > y then first = first + 1 elseif y > x then second = second + 1 elseif x == 0 then wrong = wrong + 1 end
  end
  return { first_only = first, second_only = second, both_wrong = wrong, count = #of_b,
    p = mcnemar.p_value(first, second) }
end

--- What may be said of two groups: { kind = "mcnemar" | "difference" | "none", ..., words }. labels: how they are
--- called.
function M.claim(a, b, labels, options)
  local first, second = labels[1], labels[2]
  if #a.runs == 1 and #b.runs == 1 then
    local m, why = M.mcnemar(a.first, b.first)
    if not m then return { kind = "none", words = ("nothing can be said: %s"):format(why) } end
    m.kind = "mcnemar"
    local apart = m.first_only + m.second_only
    local counts = ("of %d test samples that only one of them has right, %s has %d and %s %d (McNemar's exact " ..
      "test, p = %.2g)"):format(apart, first,
      m.first_only, second, m.second_only, m.p)
    if m.p >= 0.05 then m.words = "no difference can be told: " .. counts
    else
      m.words = ("%s is better on this test set: %s; that is of these weights, other seeds may come out otherwise")
        :format(m.first_only > m.second_only and first or second, counts)
    end
    return m
  end
  local function errors_of(group)
    local list = {}
    for _, run in ipairs(group.runs) do
      local x = run:value "test_error" or run:value "test_loss"
      if type(x) == "number" and x == x then list[#list + 1] = x end
    end
    return list
  end
  local x, y = errors_of(a), errors_of(b)
  if #x < 2 or #y < 2 then
    return { kind = "none", words = "nothing can be said: a group of one run says nothing of its spread; train it " ..
      "with more seeds" }
  end
  local d = samples.difference(x, y, options)
  d.kind, d.metric, d.seeds = "difference", a.first:value "test_error" and "test_error" or "test_loss", { #x, #y }
  local share = d.metric == "test_error"
  local function show(value) return share and ("%.3f"):format(100 * value) or ("%.4g"):format(value) end
  local unit, few = share and " points" or "", math.min(#x, #y)
  local sign = d.low > 0 and 1 or d.high < 0 and -1 or 0
  local how = "95 % interval of the difference of means, bootstrap"
  if sign ~= 0 then
    local low, high = math.min(sign * d.low, sign * d.high), math.max(sign * d.low, sign * d.high)
    d.words = ("%s has the lower %s, by %s%s (%s to %s: %s over %d and %d seeds)"):format(sign > 0 and second or first,
      share and "test error" or "test loss", show(math.abs(d.difference)), unit, show(low), show(high), how, #x, #y)
  else
    local seeds = #x == #y and #x or #x .. " and " .. #y
    d.words = ("no difference can be told with %s seeds: %s minus %s is %s%s (%s to %s: %s)"):format(seeds, first,
      second, show(d.difference), unit, show(d.low), show(d.high), how)
  end
  if few < FEW then
    d.words = ("%s; with fewer than %d seeds a side, such an interval is too narrow"):format(d.words, FEW)
  end
  return d
end

return M
