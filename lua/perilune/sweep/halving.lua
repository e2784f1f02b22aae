--- Successive halving (Jamieson, Talwalkar 2016): all configurations train for a few epochs, the better half for twice
--- as many, and so on, until those that are left train to their end. A trial pauses at a rung and goes on later; its
--- number of epochs, which schedules depend on, is the full one from the beginning.
local M = {}

--- The rungs for `count` configurations of `epochs` epochs: { { epoch, keep }, ... }: after `epoch` epochs the best
--- `keep` go on. The last rung is followed by the end of the training.
--   rung i of k: epochs / 2^(k - i + 1), at least 1; each keeps half, rounded up
function M.rungs(count, epochs)
  local list, k = {}, 0
  while 2 ^ k < count and epochs // 2 ^ (k + 1) >= 1 do k = k + 1 end
  local left = count
  for i = 1, k do
    left = (left + 1) // 2
    list[i] = { epoch = math.tointeger(math.max(1, epochs // 2 ^ (k - i + 1))), keep = left }
  end
  return list
end

--- Which of `alive` (indices of configurations) go on: the `keep` with the lowest value(index), a missing or odd
--- number counting as the worst, the earlier of two equal ones first. In the order of `alive`. Second: how many of the
--- others equal the last of these.
function M.survivors(alive, keep, value)
  local order, at = {}, {}
  for i, index in ipairs(alive) do
    local x = value(index)
    order[i] = { index = index, value = x == x and x or math.huge, at = i }
  end
  table.sort(order, function(a, b)
    if a.value ~= b.value then return a.value < b.value end
    return a.at < b.at
  end)
  for i = 1, math.min(keep, #order) do at[#at + 1] = order[i] end
  local edge, equals = at[#at] and at[#at].value or math.huge, 0
  for i = #at + 1, #order do equals = equals + (order[i].value == edge and edge < math.huge and 1 or 0) end
  table.sort(at, function(a, b) return a.at < b.at end)
  for i, item in ipairs(at) do at[i] = item.index end
  return at, equals
end

return M
