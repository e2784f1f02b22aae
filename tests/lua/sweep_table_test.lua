-- The table of a sweep at every width: what is marked, the arguments and the metric stay.
local lu = require "luaunit"
local outcome = require "perilune.sweep.outcome"
local text = require "perilune.base.format"

local function item(words, state, seed, values)
  local run = state == "finished" and { arguments = {}, value = function(_, name) return values[name] end } or nil
  return { trial = { words = words, seed = seed }, status = { state = state, epoch = 3, row = values }, run = run }
end

local good, bad, begun = { "lr=0.02", "momentum=0.5" }, { "lr=7", "momentum=0.5" }, { "lr=0.5", "momentum=0.5" }

local function items(seeds)
  local list = {}
  for seed = 1, seeds do
    list[#list + 1] = item(good, "finished", seed, { val_error = 0.4 + seed / 100, test_error = 0.5 })
    list[#list + 1] = item(bad, "failed", seed)
    list[#list + 1] = item(begun, "unfinished", seed, { val_error = 0.6 })
  end
  return list
end

local function lines(seeds, width)
  local shown = { "val_error", "test_error" }
  local list = outcome.configurations(items(seeds), "val_error", "min", shown)
  return outcome.table(list, shown, "val_error", { width = width, paint = function(s) return s end })
end

TestTable = {}

function TestTable:test_what_stays_on_a_narrow_terminal()
  for width = 45, 100, 5 do
    local all = lines(3, width)
    for _, line in ipairs(all) do lu.assertTrue(text.width(line) <= width, line) end
    lu.assertStrMatches(all[1], " *lr +momentum +.*val error %%.*")
    lu.assertStrMatches(all[2], "0%.02 +0%.5 .*42%.00.* best")
    lu.assertStrMatches(all[3], " 0%.5 +0%.5 .*left at e.*")
    lu.assertStrMatches(all[4], "   7 +0%.5 .* 3 failed")
    for _, word in ipairs { "std", "min to max", "test error" } do
      local there = all[1]:find(word, 1, true) or table.concat(all, " ", 5):find(word, 1, true)
      lu.assertNotNil(there, ("%d columns: %s"):format(width, word))
    end
    lu.assertNil(table.concat(all, "\n"):find ",%s*$")
  end
  lu.assertStrContains(table.concat(lines(3, 60), " "), "test error, min to max")
end

-- With one seed there is no spread to show.
function TestTable:test_one_seed()
  lu.assertEquals(lines(1)[1], "  lr  momentum  seeds  val error %  test error %")
end

-- A configuration is not the best for the one seed that is finished of it, whatever became of the others.
function TestTable:test_unfinished_configurations_come_after_whole_ones()
  for _, state in ipairs { "unfinished", "missing", "running", "failed" } do
    local list = {}
    for seed = 1, 3 do
      list[#list + 1] = item(begun, seed == 1 and "finished" or state, seed, { val_error = 0.1 })
      list[#list + 1] = item(good, "finished", seed, { val_error = 0.4 })
      list[#list + 1] = item(bad, state, seed, { val_error = 0.05 })
    end
    local order = {}
    for i, c in ipairs(outcome.configurations(list, "val_error", "min", { "val_error" })) do order[i] = c.words end
    lu.assertEquals(order, { good, begun, bad }, state)
  end
end

-- What is said of some of a configuration's seeds says of how many.
function TestTable:test_notes_count_seeds()
  for state, note in pairs { unfinished = "best, 2 left at epoch 3 (10.00 %)", failed = "best, 2 failed" } do
    local list = { item(good, "finished", 1, { val_error = 0.1 }), item(good, state, 2, { val_error = 0.1 }),
      item(good, state, 3, { val_error = 0.1 }), item(bad, "failed", 1) }
    local shown = { "val_error" }
    local rows = outcome.table(outcome.configurations(list, "val_error", "min", shown), shown, "val_error",
      { width = 100, paint = function(s) return s end })
    lu.assertStrContains(rows[2], note)
  end
end

-- On a terminal: a trial that trained on to more epochs than are asked for leaves no negative time.
function TestTable:test_the_time_that_is_left()
  local scratch = dofile "tests/lua/support_scratch.lua" "sweep_table"
  local watch = require "perilune.sweep.watch".new { total = 1, shown = {} }
  watch.term.tty, watch.trained, watch.began = true, 20, watch.began - 100
  local file = assert(io.open(scratch .. "/log.jsonl", "wb"))
  file:write '{"epoch":19}\n'
  file:close()
  local out = io.output()
  io.output(scratch .. "/out")
  watch:tick { running = { { name = "a", folder = scratch, epochs = 2 } }, queue = {}, elsewhere = {} }
  io.output():close()
  io.output(out)
  file = assert(io.open(scratch .. "/out", "rb"))
  lu.assertStrContains(file:read "a", "at most 0:00 left")
  file:close()
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
