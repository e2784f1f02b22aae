--- Rows beside their results: the table of experiments/README.md, and the one on the screen.
local core = require "perilune.core"
local errors = require "perilune.errors"
local results = require "perilune.reproduce.results"
local rows = require "perilune.reproduce.rows"
local text = require "perilune.text"
local verdict = require "perilune.reproduce.verdict"

local M = {}

local function range(low, high, form)
  low, high = form:format(low // 1 == low and math.tointeger(low) or low), form:format(high // 1 == high and math.tointeger(high) or high)
  return low == high and low or low .. " to " .. high
end

local function percent(x) return ("%.2f"):format(100 * x) end

--- The cells of a row, by name; what is not known is "".
function M.cells(row, v)
  local c = { experiment = ("%s `%s`"):format(row.id, (row.file .. " " .. row.arguments):gsub(" $", "")), name = row.name, idea = row.idea,
    documented = row.error and percent(row.error) or "-", mean = "", spread = "", seeds = "", epochs = "", verdict = "", interval = "",
    also = "", seconds = "" }
  if not v then return c end
  c.mean, c.seeds = percent(v.error.mean), ("%d"):format(v.seeds)
  c.spread = v.whole and range(100 * v.error.min, 100 * v.error.max, "%.2f") or "-"
  c.epochs = v.epochs and range(v.epochs.min, v.epochs.max, "%d") or "-"
  c.seconds = v.seconds and ("%.0f"):format(v.seconds.mean) or "-"
  c.verdict = v.verdict or "-"
  c.interval = v.interval and ("%s %.2f to %.2f"):format(v.interval, 100 * math.max(0, v.low), 100 * v.high) or "-"
  if v.also and row.also == "macro_f1" then
    c.also = ("macro F1 %.2f%s"):format(100 * v.also.mean, row.f1 and (" (documented %.1f)"):format(100 * row.f1) or "")
  elseif v.also and row.metric ~= "test_error" then c.also = "dropout off " .. percent(v.also.mean) end
  return c
end

local columns = { { "experiment", "experiment" }, { "documented", "documented" }, { "mean", "mean" }, { "spread", "spread" }, { "seeds", "seeds" },
  { "epochs", "epochs" }, { "verdict", "verdict" }, { "interval", "interval" }, { "also", "also" }, { "seconds", "seconds a run" } }

--- The lines of the table in Markdown.
function M.markdown(by_row)
  local titles, lines = {}, {}
  for i, column in ipairs(columns) do titles[i] = column[2] end
  lines[1] = "| " .. table.concat(titles, " | ") .. " |"
  lines[2] = "|" .. ("---|"):rep(#columns)
  for _, row in ipairs(rows.index().rows) do
    local c, cells = M.cells(row, verdict.of(row, by_row[row.name])), {}
    for i, column in ipairs(columns) do cells[i] = c[column[1]] end
    lines[#lines + 1] = ("| " .. table.concat(cells, " | ") .. " |"):gsub("  +", " ")
  end
  return lines
end

--- The text of a README with its table of results (the one whose first column is "experiment") replaced; nil when it has none.
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
  local now = M.replaced(readme, M.markdown(results.read(folder)))
  if not now then errors.fail(1, "%s has lost its table of results: the one whose first column is 'experiment'", path) end
  if now ~= readme then
    local ok
    ok, message = core.store.write_text(path, now)
    if not ok then errors.fail(1, "%s", message) end
  end
end

local styles = { beats = "good", meets = "good", misses = "warn" }

--- Lines for the screen: `list` of rows beside what was measured.
function M.screen(list, by_row, term)
  local cells, measured, missing = {}, 0, 0
  local ideas = not term.width or term.width >= 110
  for i, row in ipairs(list) do
    local lines = by_row[row.name]
    local v = verdict.of(row, lines)
    local c = M.cells(row, v)
    local lacking = row.seeds - (v and v.seeds or 0)
    if v then measured = measured + 1 end
    if lacking > 0 then missing = missing + lacking end
    cells[i] = { text.clip(c.name, 34), ideas and text.clip(row.idea, 36) or "", c.documented, c.mean, v and v.verdict or "",
      v and v.interval or (v and "-" or ""), c.spread, c.seeds .. (lacking > 0 and v and ("/%d"):format(row.seeds) or ""),
      row.seconds and text.duration(row.seconds) or "", v and (v.seconds and text.duration(v.seconds.mean) or "-") or ("missing: %d run%s"):format(row.seeds,
      row.seeds == 1 and "" or "s"), style = not v and "dim" or styles[v.verdict] == "warn" and "yellow" or nil }
  end
  local lines = text.columns({ { "row" }, { ideas and "what it adds" or "" }, { "doc. %", align = "right" }, { "mean %", align = "right" }, { "verdict" },
    { "95 %" }, { "seeds from, to" }, { "seeds", align = "right" }, { "its time", align = "right" }, { "a run here", align = "right" } }, cells, "  ",
    term.paint)
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("%d of %d rows measured%s. 95 %%: does the documented single run lie where one more of ours would?"):format(measured, #list,
    missing > 0 and (", %d run%s missing"):format(missing, missing == 1 and "" or "s") or "")
  return lines
end

return M
