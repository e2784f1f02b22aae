-- The memory behind tensors: a loop that makes and drops them stays flat, without asking for collections.
local lu = require "luaunit"
local pl = require "perilune"
local memory = require "perilune.core".system.memory

local function most_during(f)
  collectgarbage() collectgarbage()
  local start, most = memory(), 0
  for i = 1, 100000 do
    f(i)
    most = math.max(most, (memory()))
  end
  return most - start
end

TestMemory = {}

function TestMemory.test_large_tensors_stay_flat()
  lu.assertTrue(most_during(function() return pl.zeros(1000) end) < 64 << 20)   -- 400 MB go by
end

function TestMemory.test_results_stay_flat()
  local t = pl.zeros(1000)
  lu.assertTrue(most_during(function() return t + 1 end) < 64 << 20)
end

function TestMemory.test_small_tensors_and_views_stay_flat()
  local t = pl.zeros(10, 10)
  lu.assertTrue(most_during(function(i) return t[i % 10 + 1] + 1 end) < 64 << 20)
end

function TestMemory.test_everything_is_given_back()
  collectgarbage() collectgarbage()
  local start = memory()
  for _ = 1, 10 do
    local t = pl.rand(20, 30)
    local _ = { t:T():matmul(t):sum(1, { keepdim = true }), t:index(1, { 1, 2 }), t:gather(1, { { 1 } }),
      pl.cat { t, t }, t:sort(1) }
    pcall(function() return t + pl.zeros(7) end)
    pcall(t.index, t, 1, { 99 })
    pcall(t.add_, t, pl.zeros(2, 20, 30))
    pcall(pl.tensor, { { 1 }, { "x" } })
    pcall(pl.one_hot, pl.tensor({ 9 }, "u8"), 2)
  end
  collectgarbage() collectgarbage()
  lu.assertEquals(memory(), start)
end

function TestMemory.test_free_and_close_give_back_at_once()
  collectgarbage() collectgarbage()
  local start = memory()
  local t = pl.zeros(1000)
  local view = t[1]
  lu.assertTrue(memory() >= start + 4000)
  t:free()
  do local _ <close> = pl.zeros(1000, 10) end
  lu.assertTrue(memory() <= start + 1024, view)
end

function TestMemory.test_collection_can_be_stopped()
  collectgarbage() collectgarbage "stop"
  local start = memory()
  for _ = 1, 100 do pl.zeros(100000) end
  local held = memory() - start
  collectgarbage "restart" collectgarbage() collectgarbage()
  lu.assertTrue(held >= 100 * 400000)
  lu.assertTrue(memory() - start < 4096)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
