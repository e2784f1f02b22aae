--- Shapes as lists of sizes.
local M = {}

function M.equal(a, b)
  if #a ~= #b then return false end
  for i, n in ipairs(a) do
    if b[i] ~= n then return false end
  end
  return true
end

return M
