--- sorted_keys(t): the keys of a table, in the order of their text. What reaches a file, a page or a screen goes
--- through it, and never depends on the order of pairs.
local function by_text(a, b) return tostring(a) < tostring(b) end

return function(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, by_text)
  return keys
end
