-- What tests of files share: a scratch folder, errors with a text, equality to the last bit.
-- dofile "tests/lua/support_store.lua" "name" -> { at, raises, fails, same }
local lu = require "luaunit"
local store = require "perilune.core".store

local raises = lu.assertErrorMsgContains

local function fails(text, result, message)
  lu.assertNil(result)
  lu.assertStrContains(message, text)
end

-- Equal in value and in kind of number; NaN equals NaN, -0.0 differs from 0.0.
local function same(a, b, path)
  path = path or "value"
  lu.assertEquals(math.type(b) or type(b), math.type(a) or type(a), path)
  if type(a) == "table" then
    for k, v in pairs(a) do same(v, b[k], path .. "." .. tostring(k)) end
    for k in pairs(b) do lu.assertNotNil(a[k], path .. " has gained " .. tostring(k)) end
  elseif type(a) == "userdata" then
    lu.assertEquals(b.dtype, a.dtype, path)
    lu.assertEquals(b.shape, a.shape, path)
    lu.assertEquals(store.sha256(b), store.sha256(a), path)
  elseif a ~= a then
    lu.assertTrue(b ~= b, path)
  elseif type(a) == "number" then
    lu.assertEquals(("%a"):format(b), ("%a"):format(a), path)
  else
    lu.assertEquals(b, a, path)
  end
end

return function(name)
  local scratch = dofile "tests/lua/support_scratch.lua" (name)
  return { at = function(file) return scratch .. "/" .. file end, raises = raises, fails = fails, same = same }
end
