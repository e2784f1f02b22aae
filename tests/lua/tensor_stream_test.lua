-- Random tensors without a seed of their own follow the stream of the run: set with it, saved and given back.
local lu = require "luaunit"
local pl = require "perilune"
local random = require "perilune.script.random"

TestStreams = {}

function TestStreams.test_a_run_repeats_itself_and_goes_on_from_its_state()
  random.install(3, 0)
  local first, saved = pl.rand(3), random.state()
  local second = pl.rand(3)
  random.restore()
  random.install(3, 0)
  lu.assertTrue(pl.rand(3):equal(first))
  random.restore()
  random.install(3, 0, saved)
  lu.assertTrue(pl.rand(3):equal(second))
  random.restore()
  random.install(4, 0)
  lu.assertFalse(pl.rand(3):equal(first))
  random.restore()
end

function TestStreams.test_parts_are_apart()
  random.install(3, 0)
  local run = pl.rand(3)
  random.restore()
  random.install(3, 1)
  lu.assertFalse(pl.rand(3):equal(run))
  random.restore()
end

function TestStreams.test_what_was_before_goes_on_after()
  pl.seed(9)
  pl.rand(1)
  random.install(3, 0)
  pl.rand(1)
  local outer = random.current()
  random.install(5, 0)
  pl.rand(1) pl.rand(1)
  random.restore(outer)
  lu.assertEquals({ pl.seed() }, { 3, 1 })
  random.restore()
  lu.assertEquals({ pl.seed() }, { 9, 1 })
  random.restore()
  lu.assertEquals({ pl.seed() }, { 9, 1 })
end

function TestStreams.test_a_seed_set_in_a_run_is_part_of_its_state()
  random.install(3, 0)
  pl.seed(7)
  pl.rand(1)
  local saved = random.state()
  local after = pl.rand(3)
  random.restore()
  random.install(3, 0, saved)
  lu.assertTrue(pl.rand(3):equal(after))
  random.restore()
end

function TestStreams.test_seeds_are_checked()
  lu.assertErrorMsgContains("a seed is a whole number from 0 to 2^53", pl.seed, -1)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
