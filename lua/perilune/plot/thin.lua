--- Long series made short for drawing: of each of `buckets` stretches the first, least, largest and last value stay, so
--- that no peak is lost. Gaps (values that are not finite) stay gaps.
local M = {}

local function is_gap(v) return v == nil or v ~= v or v == math.huge or v == -math.huge end

--- The indices to keep of `ys` (n values), in order; all of them when they are few.
function M.indices(ys, n, buckets)
  local kept = {}
  if n <= 4 * buckets then
    for i = 1, n do kept[i] = i end
    return kept
  end
  for b = 1, buckets do
    local from, to = (b - 1) * n // buckets + 1, b * n // buckets
    local low, high, gap
    for i = from, to do
      local v = ys[i]
      if is_gap(v) then gap = gap or i
      else
        if not low or v < ys[low] then low = i end
        if not high or v > ys[high] then high = i end
      end
    end
    local chosen = { from, to }
    for _, i in ipairs { low or false, high or false, gap or false } do
      if i then chosen[#chosen + 1] = i end
    end
    table.sort(chosen)
    for _, i in ipairs(chosen) do
      if kept[#kept] ~= i then kept[#kept + 1] = i end
    end
  end
  return kept
end

-- A band's peaks stay too.
local function indices_of(series, buckets)
  local chosen, kept = {}, {}
  for _, name in ipairs { "y", "low", "high" } do
    for _, i in ipairs(series[name] and M.indices(series[name], series.n, buckets) or {}) do chosen[i] = true end
  end
  for i = 1, series.n do if chosen[i] then kept[#kept + 1] = i end end
  return kept
end

--- A series { x =, y =, low =, high = } with at most about 5 * buckets points; of a band three times as many.
function M.series(series, buckets)
  local n = series.n
  if n <= 4 * buckets then return series end
  local out = {}
  for key, value in pairs(series) do out[key] = value end
  local lists = { "x", "y", "low", "high" }
  for _, name in ipairs(lists) do out[name] = series[name] and {} end
  local kept = indices_of(series, buckets)
  for k, i in ipairs(kept) do
    for _, name in ipairs(lists) do
      if series[name] then out[name][k] = series[name][i] end
    end
  end
  out.n = #kept
  return out
end

return M
