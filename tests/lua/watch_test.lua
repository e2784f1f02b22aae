-- The view of watch at every size, its keys, and how it follows logs that grow, end, are torn or vanish.
local lu = require "luaunit"
local pl = require "perilune"
local text = require "perilune.base.format"
local styles = require "perilune.terminal.style"
local sources = require "perilune.terminal.watch_source"
local view = require "perilune.terminal.watch_view"
local scratch = dofile "tests/lua/support_scratch.lua"("watch")
local store = pl.store

local function style(utf, colour)
  return styles.of { tty = true, width = 80, utf8 = utf, colour = colour, paint = function(s) return s end }
end

local function bare(line) return (line:gsub("\27%[[%d;]*m", "")) end

local function log_line(epoch, error)
  return ('{"epoch":%d,"step":%d,"lr":0.01,"train_loss":%g,"test_error":%g,"seconds":2.0}\n'):format(epoch, epoch * 100,
    1 / epoch, error)
end

local function folder(name, epochs)
  local path = scratch .. "/" .. name
  assert(store.mkdir(path))
  local lines = {}
  for i = 1, epochs do lines[i] = log_line(i, 0.5 / i) end
  assert(store.write_text(path .. "/log.jsonl", table.concat(lines)))
  return path
end

local function several(n)
  local list = {}
  for i = 1, n do
    list[i] = sources.new(folder("run-" .. i, i == 1 and 0 or i * 3))
    list[i]:update(true)
  end
  return list
end

TestView = {}

function TestView:test_exactly_the_screen_at_every_size()
  for _, n in ipairs { 0, 1, 10 } do
    local list = several(n)
    for _, size in ipairs { { 1, 1 }, { 20, 3 }, { 60, 24 }, { 80, 24 }, { 80, 50 }, { 140, 45 }, { 250, 60 },
      { 37, 17 } } do
      for _, s in ipairs { style(true, true), style(true, false), style(false, false) } do
        for details = 1, 3 do
          local v = view.new(list, { now = function() return 0 end })
          v.details = details
          v:key " "
          v:key "j"
          v:key " "
          local lines = v:lines(size[1], size[2], s)
          lu.assertEquals(#lines, size[2])
          for _, line in ipairs(lines) do
            lu.assertTrue(text.width(bare(line)) <= size[1], ("%dx%d: %s"):format(size[1], size[2], line))
            if not s.utf8 then lu.assertNil(line:find "[\x80-\xff]") end
          end
        end
      end
    end
  end
end

function TestView:test_keys()
  local list = several(3)
  local v = view.new(list)
  lu.assertEquals(v:current(), list[1])
  v:key "down"
  v:key "j"
  v:key "j"
  lu.assertEquals(v:current(), list[3])
  v:key "up"
  v:key " "
  lu.assertTrue(v.marked[list[2]])
  v:key " "
  lu.assertNil(v.marked[list[2]])
  v:key "l"
  lu.assertTrue(v.log)
  local metrics = v:metrics()
  lu.assertEquals(metrics, { "test_error", "train_loss", "lr" })
  v.metric = "test_error"
  v:key "tab"
  lu.assertEquals(v.metric, "train_loss")
  v:key "backtab"
  v:key "backtab"
  lu.assertEquals(v.metric, "lr")
  for _, key in ipairs { "/", "r", "u", "n", "-", "3", "x", "backspace", "enter" } do lu.assertNil(v:key(key)) end
  lu.assertEquals(v.filter, "run-3")
  lu.assertEquals(v:shown(), { list[3] })
  lu.assertStrContains(table.concat(v:lines(80, 24, style(false, false)), "\n"), "/run-3 (1)")
  v:key "/"
  v:key "q"
  lu.assertEquals(v:shown(), {})
  lu.assertStrContains(table.concat(v:lines(80, 24, style(false, false)), "\n"), "no run fits the filter")
  lu.assertNil(v:key "escape")
  lu.assertEquals(#v:shown(), 3)
  lu.assertEquals({ v:key "q", v:key "interrupt", v:key "hangup" }, { "quit", "quit", "quit" })
end

function TestView:test_the_drawing()
  local list = several(3)
  local v = view.new(list, { metric = "test_error", now = function() return 0 end })
  local lines = v:lines(60, 20, style(false, false))
  lu.assertStrMatches(lines[1], "Perilune watch   3 runs, 0 training +%d%d:%d%d:%d%d")
  lu.assertEquals({ lines[2], lines[3], lines[4], lines[5] }, {
    "   run    state     epoch   error    loss  left  curve",
    ">  run-1  left off      0       -       -     -",
    "   run-2  left off      6  8.33 %  0.1667     -  #~..__",
    "   run-3  left off      9  5.56 %  0.1111     -  #~-..____",
  }, table.concat(lines, "\n"))
end

-- Networks of values are judged by their RMSE.
function TestView:test_the_error_of_values()
  local path = folder("values", 0)
  assert(store.write_text(path .. "/log.jsonl", '{"epoch":1,"train_loss":0.5,"val_rmse":0.25,"seconds":2.0}\n'))
  local source = sources.new(path)
  source:update(true)
  local lines = view.new({ source }, { now = function() return 0 end }):lines(60, 20, style(false, false))
  lu.assertStrContains(lines[3], "   0.25  0.5000 ")
end

TestSource = {}

function TestSource:test_a_log_that_grows_begins_anew_and_vanishes()
  local path = folder("grows", 2)
  local s = sources.new(path)
  s:update(true)
  lu.assertEquals({ #s.history, s.state }, { 2, "left off" })
  local file = io.open(path .. "/log.jsonl", "a")
  file:write(log_line(3, 0.1), log_line(4, 0.05):sub(1, 20))      -- a line that is being written
  file:flush()
  s:update(true)
  lu.assertEquals(#s.history, 3)
  file:write(log_line(4, 0.05):sub(21), "no json\n", '{"epoch":"x"}\n')
  file:flush()
  s:update(true)
  lu.assertEquals({ #s.history, s.history.test_error[4] }, { 4, 0.05 })
  -- lines that are none of a run's log are passed over
  file:write('{"epoch":"5"}\n{"epoch":5.5}\n{"epoch":1e300}\n{"summary":{"epochs":"many","name":3}}\n')
  file:flush()
  s:update(true)
  lu.assertEquals({ #s.history, s.title ~= 3 }, { 4, true })
  lu.assertEquals(#view.new({ s }, { now = function() return 0 end }):lines(60, 20, style(false, false)), 20)
  file:write(log_line(3, 0.7))      -- continued from epoch 2
  file:flush()
  s:update(true)
  lu.assertEquals({ #s.history, s.history.test_error[3] }, { 3, 0.7 })
  file:write '{"summary":{"name":"Grown","ended":"stopping","epochs":9,"test":{"error":0.02}}}\n'
  file:close()
  s:update(true)
  lu.assertEquals({ s.state, s.title, s.epochs }, { "stopped early", "Grown", 9 })
  folder("grows", 1)      -- begun anew
  s:update(true)
  lu.assertEquals({ #s.history, s.summary }, { 1 })
  os.execute("rm -r " .. path)
  lu.assertFalse(s:update(true))
  lu.assertEquals({ s.state, #s.history }, { "gone", 1 })
end

function TestSource:test_who_trains()
  local path = folder("trains", 2)
  local pid = io.open "/proc/self/stat":read "n"
  assert(store.write_text(path .. "/.lock", pid .. "\n"))
  local s = sources.new(path)
  s:update(true)
  lu.assertEquals(s.state, "training")
  s.epochs = 10
  local rate, left = s:rate()
  lu.assertNil(rate)      -- no run file says how many samples an epoch has
  lu.assertTrue(left > 14 and left <= 16)
  assert(store.write_text(path .. "/.lock", "999999999\n"))
  s:update(true)
  lu.assertEquals(s.state, "left off")
end

-- Of training alone: the last batch may be a partial one, and evaluations take time too.
function TestSource:test_samples_a_second()
  local path = scratch .. "/speed"
  local run = pl.experiment { name = "speed", data = pl.data.digits { train = 30, test = 400 }, epochs = 2,
    batch_size = 1000, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
    loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 } }:run { out = path, quiet = true }
  local s = sources.new(path)
  s:update(true)
  local training = run.history.seconds[2] - run.state.seconds_elsewhere
  lu.assertTrue(training > 0 and training < run.history.seconds[2])
  lu.assertEquals((s:rate()), 30 / training)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
