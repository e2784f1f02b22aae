--- Rows beside their results: the table of experiments/README.md, and the one on the screen.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local results = require "perilune.reproduce.results"
local rows = require "perilune.reproduce.rows"
local samples = require "perilune.stats.samples"
local text = require "perilune.base.format"
local verdict = require "perilune.reproduce.verdict"

local M = {}

local function range(low, high, form)
  low, high = form:format(math.tointeger(low) or low), form:format(math.tointeger(high) or high)
  return low == high and low or low .. " to " .. high
end

local function percent(x) return ("%.2f"):format(100 * x) end

-- "PyTorch 7.23 (6.83 to 7.76, 5 seeds; p = 0.62)", where the row was trained there too. p: of the test that both
-- have the same mean (samples.equal_means).
local function peer_cell(list, ours)
  if not list or #list == 0 then return nil end
  local s, p = samples.summary(list), ours and samples.equal_means(list, ours)
  return ("PyTorch %s (%s, %d seed%s%s)"):format(percent(s.mean), range(100 * s.min, 100 * s.max, "%.2f"), s.n,
    s.n == 1 and "" or "s", p and ("; p = %.2g"):format(p) or "")
end

--- The cells of a row, by name; what is not known is "". v: see verdict.lua; peer: its errors in PyTorch, or nil.
function M.cells(row, v, peer)
  local c = { experiment = ("%s `%s`"):format(row.id, (row.file .. " " .. row.arguments):gsub(" $", "")),
    name = row.name, idea = row.idea, documented = row.error and percent(row.error) or "-", mean = "", spread = "",
    seeds = "", epochs = "", verdict = "", interval = "", also = peer_cell(peer, v and v.errors) or "", seconds = "" }
  local function also(what) c.also = c.also == "" and what or what .. ", " .. c.also end
  if not v then return c end
  c.mean, c.seeds = percent(v.error.mean), ("%d"):format(v.seeds)
  c.spread = v.whole and range(100 * v.error.min, 100 * v.error.max, "%.2f") or "-"
  c.epochs = v.epochs and range(v.epochs.min, v.epochs.max, "%d") or "-"
  c.seconds = v.seconds and ("%.0f"):format(v.seconds.mean) or "-"
  c.verdict = v.verdict or "-"
  c.interval = v.interval and ("%s %.2f to %.2f"):format(v.interval, 100 * math.max(0, v.low), 100 * v.high) or "-"
  if v.also and row.also == "macro_f1" then
    local documented = row.f1 and (" (documented %.1f)"):format(100 * row.f1) or ""
    also(("macro F1 %.2f%s"):format(100 * v.also.mean, documented))
  elseif v.also and row.metric ~= "test_error" then also("dropout off " .. percent(v.also.mean)) end
  return c
end

local columns = { "experiment", "documented", "mean", "spread", "seeds", "epochs", "verdict", "interval", "also",
  "seconds" }
local titles = { seconds = "seconds a run" }

--- The lines of the table in Markdown.
function M.markdown(by_row, peer)
  peer = peer or {}
  local heads, lines = {}, {}
  for i, name in ipairs(columns) do heads[i] = titles[name] or name end
  lines[1] = "| " .. table.concat(heads, " | ") .. " |"
  lines[2] = "|" .. ("---|"):rep(#columns)
  for _, row in ipairs(rows.index().rows) do
    local c, cells = M.cells(row, verdict.of(row, by_row[row.name]), peer[row.name]), {}
    for i, name in ipairs(columns) do cells[i] = c[name] end
    lines[#lines + 1] = ("| " .. table.concat(cells, " | ") .. " |"):gsub("  +", " ")
  end
  return lines
end

--- The text of a README with its table of results (the one whose first column is "experiment") replaced; nil when it
--- has none.
function M.replaced(readme, lines)
  local from = readme:find("\n| experiment |", 1, true)
  if not from then return nil end
  local to = from + 1
  while readme:sub(to, to) == "|" do to = (readme:find("\n", to, true) or #readme) + 1 end
  return readme:sub(1, from) .. table.concat(lines, "\n") .. "\n" .. readme:sub(to)
end

--- Writes the table of results.csv into README.md beside it.
function M.publish()
  local folder = rows.folder()
  local path = folder .. "/README.md"
  local readme, message = core.store.read_text(path)
  if not readme then errors.fail(1, "%s", message) end
  local now = M.replaced(readme, M.markdown(results.read(folder), results.peer(folder)))
  if not now then
    errors.fail(1, "%s has lost its table of results: the one whose first column is 'experiment'", path)
  end
  if now ~= readme then
    local ok
    ok, message = core.store.write_text(path, now)
    if not ok then errors.fail(1, "%s", message) end
  end
end

local styles = { beats = "good", meets = "good", misses = "warn" }

--- How much of the rows is measured, in a line.
function M.summary(list, by_row)
  local measured, missing = 0, 0
  for _, row in ipairs(list) do
    if verdict.of(row, by_row[row.name]) then measured = measured + 1 end
    for seed = 1, row.seeds do
      if not results.has(by_row[row.name], seed) then missing = missing + 1 end
    end
  end
  return ("%d of %d rows measured%s"):format(measured, #list,
    missing > 0 and (", %d run%s missing"):format(missing, missing == 1 and "" or "s") or "")
end

--- Lines for the screen: `list` of rows beside what was measured.
function M.screen(list, by_row, term)
  local cells = {}
  local ideas = not term.width or term.width >= 130
  for i, row in ipairs(list) do
    local v = verdict.of(row, by_row[row.name])
    local c = M.cells(row, v)
    local lacking = v and v.seeds < row.seeds and ("/%d"):format(row.seeds) or ""
    local here = v and (v.seconds and text.duration(v.seconds.mean) or "-")
      or ("missing: %d run%s"):format(row.seeds, row.seeds == 1 and "" or "s")
    local its_time = row.seconds and text.duration(row.seconds) or ""
    cells[i] = { text.cut(c.name, ideas and 60 or 34), text.clip(row.idea, 36), c.documented, c.mean, c.verdict,
      v and (v.interval or "-") or "", c.spread, c.seeds .. lacking, its_time, here,
      style = not v and "dim" or styles[v.verdict] == "warn" and "yellow" or nil }
  end
  local shown = { { "row" }, { "what it adds" }, { "doc. %", align = "right" }, { "mean %", align = "right" },
    { "verdict" }, { "95 %", need = 1 }, { "seeds from, to", need = 4 },
    { "seeds", align = "right", need = 2 }, { "its time", align = "right", need = 5 },
    { "a run here", align = "right", need = 3 } }
  if not ideas then
    table.remove(shown, 2)
    for _, row in ipairs(cells) do table.remove(row, 2) end
  end
  local lines = text.columns(shown, cells, "  ", term.paint, term.width)
  local has_interval = lines[1]:find("95 %", 1, true)
  lines[#lines + 1] = ""
  local meaning = not has_interval and "" or ". 95 %: does the documented single run lie where one more of ours would?"
  for _, line in ipairs(text.wrap(M.summary(list, by_row) .. meaning, term.width)) do lines[#lines + 1] = line end
  return lines
end

return M
