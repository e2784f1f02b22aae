--- Shapes as lists of sizes.
local M = {}

function M.equal(a, b)
  if #a ~= #b then return false end
  for i, n in ipairs(a) do
    if b[i] ~= n then return false end
  end
  return true
end

--- The product of sizes first..last (all) of a shape.
function M.count(shape, first, last)
  local n = 1
  for i = first or 1, last or #shape do n = n * shape[i] end
  return n
end

return M
