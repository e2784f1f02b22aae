-- What a data set holds in memory: labels of its own, and no more than some samples at a time where those are large.
local lu = require "luaunit"
local core = require "perilune.core"
local pl = require "perilune"

TestDataMemory = {}

-- Labels index counts of classes and outputs: they are those that were checked.
function TestDataMemory:test_labels_are_not_those_of_the_script()
  local y = pl.tensor({ 0, 1, 0, 1, 1, 0, 1, 0, 0, 1 }, "i32")
  local d = pl.data.from_tensors { x = pl.randn(10, 3), y = y, labels = { "a", "b" } }
  local before = y:totable()
  y:copy_(pl.full({ 10 }, 50000000, "i32"))
  lu.assertEquals(select(2, d.train:tensors()):totable(), before)
  lu.assertEquals(select(2, d:validation(0.3).train:tensors()):count(), 7)
  lu.assertEquals(select(2, d:subset { per_class = 1 }.train:tensors()):totable(), { 0, 1 })
end

-- 24 samples of 2^20 bytes; as f32 all of them are 96 MiB.
function TestDataMemory:test_large_samples_are_taken_a_few_at_a_time()
  local x = pl.zeros({ 24, 1024, 1024, 1 }, "u8")
  x:slice(1, 13, 24):fill_(255)
  local d = pl.data.from_tensors { x = x }
  core.system.memory_limit(core.system.memory() + (72 << 20))
  local ok, message = pcall(function()
    local kept = require "perilune.data.preparation".of(d:standardize().train)
    lu.assertEquals(kept.standardize, { { mean = { 0.5 }, std = { 0.5 } } })
  end)
  core.system.memory_limit(0)
  if not ok then error(message, 0) end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
