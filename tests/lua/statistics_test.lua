-- Statistics while training: what they say, that no bit depends on them, that they survive a pause, what a layer's
-- death is called.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local record = require "perilune.run.record"
local runfile = require "perilune.run.file"
local statistics = require "perilune.train.statistics"
local scratch = dofile "tests/lua/support_scratch.lua"("statistics")

local data = pl.data.digits { train = 320, test = 64 }

local function experiment(changes)
  local fields = { name = "watched", seed = 5, data = data, loss = nn.CrossEntropy(),
    optimizer = optim.Adam { lr = 0.01 }, epochs = 4, batch_size = 32,
    model = nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2 }), nn.ReLU(),
      nn.Residual(nn.Sequential { nn.Conv2d(4, 4, 3, { padding = "same" }), nn.ReLU() }),
      nn.Dropout(0.1), nn.Flatten(), nn.Linear(576, 10, { name = "fc1" }) } }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local every = { every = "epoch" }

TestStatistics = {}

function TestStatistics:test_no_bit_depends_on_them()
  local function bits(changes)
    local e = experiment(changes)
    local run = e:run { out = false, quiet = true, threads = 2 }
    local losses = {}
    for i = 1, #run.history do losses[i] = run.history[i].train_loss end
    return { record.digest(e.model:state()), losses }
  end
  lu.assertEquals(bits { statistics = every }, bits())
  local function augmented(changes)
    changes.augment = function(x) return x * 0.9 end
    return bits(changes)
  end
  lu.assertEquals(augmented { statistics = every }, augmented {})
end

function TestStatistics:test_values_are_those_of_the_weights_and_of_the_file()
  local before
  local e = experiment { statistics = every, epochs = 2, callbacks = { on_batch = function(ctx)
    if ctx.epoch == 2 and ctx.batch == 9 then before = ctx.model[6].weight:clone() end
  end } }
  local path = scratch .. "/values"
  e:run { out = path, quiet = true, fresh = true }
  local list = assert(runfile.read(path .. "/run.h5")).statistics
  lu.assertEquals({ #list, list[1].epoch, list[2].epoch }, { 2, 1, 2 })
  local by = {}
  for _, layer in ipairs(list[2].layers) do by[layer.path] = layer end
  local fc, weight = by["06_linear"], e.model[6].weight
  lu.assertEquals(fc.label, 'layer 6 (Linear, "fc1")')
  local h = weight:histogram(64)
  lu.assertEquals({ fc.weights.counts, fc.weights.mean, fc.weights.std, fc.weights.min, fc.weights.max,
    fc.weights.count },
    { h.counts, h.mean, h.std, h.min, h.max, 5760 })
  local change = weight - before
  lu.assertAlmostEquals(fc.update, change:norm() / before:norm(), 1e-4 * fc.update)
  lu.assertTrue(fc.gradients.std > 0)
  lu.assertEquals(fc.gradients.std, e.model[6].grad.weight:histogram(64).std)
  lu.assertNotNil(by["03_residual/01_sequential/01_conv2d"].gradients)
  local x = e.splits.train:tensors(1, 32)
  local rows = e.model:activations(x)
  lu.assertEquals(by["02_relu"].outputs.counts, rows[2].output:histogram(64).counts)
  local dead, values = 0, rows[2].output:reshape(-1, 4):totable()
  for c = 1, 4 do
    local zero = true
    for _, row in ipairs(values) do zero = zero and row[c] == 0 end
    dead = dead + (zero and 1 or 0)
  end
  lu.assertEquals(by["02_relu"].dead, dead / 4)
  lu.assertNil(by["02_relu"].weights)
end

function TestStatistics:test_they_survive_a_pause()
  local function entries(path)
    local list = assert(runfile.read(path .. "/run.h5")).statistics
    return list
  end
  local whole, paused = scratch .. "/whole", scratch .. "/paused"
  experiment { statistics = every }:run { out = whole, quiet = true, fresh = true }
  experiment { statistics = every }:run { out = paused, quiet = true, fresh = true, pause_after = 2 }
  lu.assertEquals(#entries(paused), 2)
  experiment { statistics = every }:run { out = paused, quiet = true }
  lu.assertEquals(entries(paused), entries(whole))
end

function TestStatistics:test_every_so_many_epochs()
  local path = scratch .. "/some"
  experiment { statistics = { every = 2 }, epochs = 5 }:run { out = path, quiet = true, fresh = true }
  local list = assert(runfile.read(path .. "/run.h5")).statistics
  lu.assertEquals({ #list, list[1].epoch, list[2].epoch }, { 2, 2, 4 })
  lu.assertErrorMsgContains("statistics", experiment, { statistics = { every = "day" } })
  lu.assertErrorMsgContains("statistics", experiment, { statistics = { evry = "epoch" } })
end

function TestStatistics:test_a_layer_that_dies_or_explodes_is_named_once()
  local function h(std, nonfinite) return { std = std, mean = 0, nonfinite = nonfinite or 0 } end
  local function entry(epoch, dead, std, gradient, nonfinite)
    return { epoch = epoch, layers = { { path = "01_relu", label = "layer 1 (ReLU)", dead = dead, outputs = h(std,
      nonfinite), gradients = h(gradient) } } }
  end
  local first, said = entry(1, 0.2, 1, 1), {}
  lu.assertEquals(statistics.warnings(first, first, said), {})
  lu.assertEquals(statistics.warnings(entry(2, 1.0, 1, 1), first, said),
    { "epoch 2: layer 1 (ReLU): 100 % of its units are 0 for each of 32 samples: the layer dies; a smaller " ..
      "learning rate may help" })
  lu.assertEquals(statistics.warnings(entry(3, 1.0, 1, 1), first, said), {})
  lu.assertStrContains(statistics.warnings(entry(4, 0, 1, 2000), first, said)[1],
    "the std of its gradients is 2000, 1 in epoch 1: the layer explodes")
  lu.assertStrContains(statistics.warnings(entry(5, 0, 1, 1, 3), first, said)[1], "its outputs are not finite")
end

function TestStatistics:test_report_and_watch_show_them()
  local path = scratch .. "/shown"
  experiment { statistics = every, epochs = 2 }:run { out = path, quiet = true, fresh = true }
  pl.report(path, scratch .. "/r.html")
  local html = assert(pl.store.read_text(scratch .. "/r.html"))
  for _, words in ipairs { "Std of gradients, a layer", "Dead units", "Norm of update over norm of weight",
    "Histograms of epoch 2", "gradients of 06_linear" } do
    lu.assertStrContains(html, words)
  end
  local source = require "perilune.terminal.watch_source".new(path)
  source:update(true)
  local v = require "perilune.terminal.watch_view".new({ source })
  v:key "d"
  local style = require "perilune.terminal.style".of { tty = true, width = 120, utf8 = false, colour = false,
    paint = function(s) return s end }
  local shown = table.concat(v:lines(120, 50, style), "\n")
  lu.assertStrContains(shown, "std weights")
  lu.assertStrContains(shown, "06_linear")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
