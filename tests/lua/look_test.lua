-- Looking into models: mistakes, filters, activations, statistics; the learning-rate range test, which leaves
-- everything as it was.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local record = require "perilune.run.record"

pl.system.threads(1)      -- small networks

local function drawn_of(layer) return table.concat(require "perilune.look.model".lines(layer), "\n") end

local data = pl.data.digits { train = 500, test = 200 }

local function network()
  local model = nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2 }), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
    nn.Linear(576, 10, { name = "fc1" }) }
  model:build { 28, 28, 1 }
  model:initialize(1)
  return model
end

TestLook = {}

function TestLook:test_mistakes_are_those_of_a_plain_loop()
  local model = network()
  local _, test = data:splits()
  local list = model:mistakes(test, { count = 7 })
  lu.assertEquals(#list, 7)
  local x, y = test:tensors(1, 200)
  local p = model:probabilities(x)
  local labels, wrong = y:totable(), {}
  for i, row in ipairs(p:totable()) do
    local best = 1
    for c, v in ipairs(row) do if v > row[best] then best = c end end
    if best - 1 ~= labels[i] then wrong[#wrong + 1] = { i, labels[i], best - 1, row[best] } end
  end
  table.sort(wrong, function(a, b) if a[4] ~= b[4] then return a[4] > b[4] end return a[1] < b[1] end)
  for i, m in ipairs(list) do
    lu.assertEquals({ m.index, m.label, m.prediction }, { wrong[i][1], wrong[i][2], wrong[i][3] })
    lu.assertAlmostEquals(m.probability, wrong[i][4], 1e-5)
  end
  local drawn = tostring(list)
  lu.assertStrContains(drawn, ("%d of 200 wrong"):format(#wrong))
  lu.assertStrContains(drawn, ("%d, not %d"):format(wrong[1][2], wrong[1][3]))
  lu.assertStrContains(drawn, "#" .. wrong[1][1])
  lu.assertErrorMsgContains("mistakes takes a split", model.mistakes, model, x)
  lu.assertErrorMsgContains("count", model.mistakes, model, test, { count = 0 })
end

function TestLook:test_filters_activations_statistics()
  local model = network()
  local drawn = drawn_of(model[1])
  lu.assertStrContains(drawn, "4 kernels of 5 x 5")
  lu.assertEquals(drawn_of(model):match "\n(.*)", drawn)
  lu.assertStrContains(drawn_of(model[5]), "weight [576, 10]: mean")
  local mlp = nn.Sequential { nn.Flatten(), nn.Linear(784, 3) }
  mlp:build { 28, 28, 1 }
  lu.assertStrContains(drawn_of(mlp), "weights of 3 of 3 outputs as images of 28 x 28")
  lu.assertStrContains(drawn_of(model[2]), "has no weights")
  local rows = model:activations(pl.rand { 2, 28, 28, 1 })
  lu.assertEquals({ #rows, rows[1].path, rows[1].output.shape }, { 5, "01_conv2d", { 2, 12, 12, 4 } })
  drawn = tostring(rows)
  for _, words in ipairs { "layer 1 (Conv2d) [2, 12, 12, 4]", "layer 4 (Flatten)",
    '"fc1"' } do lu.assertStrContains(drawn, words) end
  local stats = model:statistics()
  lu.assertEquals({ #stats, stats[1].path, stats[1].name, stats[3].path }, { 4, "01_conv2d", "weight", "05_linear" })
  lu.assertAlmostEquals(stats[1].values.mean, model[1].weight:mean(), 1e-6)
  lu.assertStrContains(tostring(stats), "05_linear.bias")
  model[1].weight:fill_(0 / 0)
  lu.assertStrContains(tostring(model:statistics()), "100 not finite")
  lu.assertStrContains(tostring(model:statistics()), "01_conv2d.weight  [5, 5, 1, 4]        -       -")
  lu.assertStrContains(tostring(model:activations(pl.rand { 1, 28, 28, 1 })),
    "layer 1 (Conv2d) [1, 12, 12, 4]: no finite value")
  local x = pl.rand { 1, 28, 28, 1 }
  x[1][1][1][1] = 0 / 0
  lu.assertStrContains(tostring(network():activations(x)), "of zeros, 4 not finite")
end

local function digest_of(model, optimizer)
  local ok, state = pcall(optimizer.state, optimizer)
  local counters = pl.system and require "perilune.core".json.encode(ok and optimizer:counters() or {})
  return { record.digest(model:state()), ok and #state > 0 and record.digest(state) or "", counters, optimizer.lr }
end

TestFindLr = {}

function TestFindLr:test_everything_is_as_it_was()
  local model, optimizer = network(), optim.Adam { lr = 0.002 }
  local calls = 0
  local e = pl.experiment { name = "find", seed = 3, data = data, model = model, loss = nn.CrossEntropy(),
    optimizer = optimizer, epochs = 2, batch_size = 32,
    augment = function(x) calls = calls + math.random(1, 1) return x + 0 * math.random() end,
      stopping = pl.stopping.patience { monitor = "train_loss",
    patience = 1 }, schedule = pl.schedule.cosine { epochs = 2 } }
  e:run { out = false, quiet = true }        -- an optimizer with a past
  math.randomseed(7)
  local expected = { math.random(), math.random() }
  math.randomseed(7)
  local x = pl.rand { 2, 28, 28, 1 }
  local before, outputs = digest_of(model, optimizer), model:infer(x)
  local result = e:find_lr { steps = 40 }
  lu.assertTrue(calls > 40)
  lu.assertEquals(digest_of(model, optimizer), before)
  lu.assertTrue(model:infer(x):equal(outputs))
  lu.assertEquals({ math.random(), math.random() }, expected)
  lu.assertEquals(#result.lr, #result.loss)
  lu.assertAlmostEquals(result.lr[1], 1e-6, 1e-12)
  -- nothing is held out, and no step is missing where an epoch has but one
  lu.assertEquals(e:with({ validation = 0.5 }):find_lr({ steps = 40 }).loss, result.loss)
  lu.assertEquals(#e:with({ batch_size = 300, drop_last = true }):find_lr({ steps = 20, to = 1e-4 }).lr, 20)
  -- twice the same, also in the training that follows
  lu.assertEquals(e:find_lr { steps = 40 }.loss, result.loss)
  local again = network()
  local plain = pl.experiment { name = "find", seed = 3, data = data, model = again, loss = nn.CrossEntropy(),
    optimizer = optim.Adam { lr = 0.002 },
    epochs = 1, batch_size = 32 }
  plain:run { out = false, quiet = true }
  local first = record.digest(again:state())
  plain:find_lr { steps = 20 }
  plain:run { out = false, quiet = true }
  lu.assertEquals(record.digest(again:state()), first)
end

function TestFindLr:test_suggestions_are_near_the_best_of_a_sweep()
  local set = pl.data.digits { train = 1500, test = 400 }
  local networks = {
    { function() return nn.Sequential { nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10) } end,
      optim.SGD, {}, { 0.1, 0.3, 1 } },
    { function() return nn.Sequential { nn.Conv2d(1, 8, 5, { stride = 2 }), nn.ReLU(), nn.Conv2d(8, 16, 3,
      { stride = 2 }), nn.ReLU(), nn.Flatten(),
      nn.Linear(400, 10) } end, optim.Adam, {}, { 3e-3, 1e-2, 3e-2 } },
    { function() return nn.Sequential { nn.Conv2d(1, 6, 5, { stride = 2 }), nn.Tanh(), nn.Flatten(), nn.Linear(864,
      40), nn.Tanh(), nn.Linear(40, 10) } end,
      optim.SGD, { momentum = 0.9 }, { 1e-2, 3e-2, 1e-1 } },
  }
  for i, n in ipairs(networks) do
    local function experiment(lr, seed)
      local o = { lr = lr }
      for name, value in pairs(n[3]) do o[name] = value end
      return pl.experiment { name = "n" .. i, seed = seed, data = set, model = n[1](), loss = nn.CrossEntropy(),
        optimizer = n[2](o), epochs = 3,
        batch_size = 32, test = "end", nonfinite = "skip" }
    end
    local suggestion = experiment(1e-3, 1):find_lr().suggestion
    local best, least
    for _, lr in ipairs(n[4]) do
      local loss = 0
      for seed = 1, 1 do loss = loss + experiment(lr, seed):run { out = false, quiet = true }.test.loss end
      if not least or loss < least then best, least = lr, loss end
    end
    lu.assertTrue(suggestion / best < 3 and best / suggestion < 3, ("network %d: suggested %g, best %g"):format(i,
      suggestion, best))
  end
end

function TestFindLr:test_drawing_and_mistakes()
  local e = pl.experiment { name = "find", data = data, model = network(), loss = nn.CrossEntropy(),
    optimizer = optim.SGD { lr = 0.1 }, epochs = 1,
    batch_size = 32 }
  local result = e:find_lr { steps = 60 }
  lu.assertStrContains(tostring(result), "suggested: lr = ")
  lu.assertStrContains(tostring(e:find_lr { steps = 10, from = 0.1, to = 1000 }), "more steps or another seed")
  lu.assertErrorMsgContains("'from' must be below 'to'", e.find_lr, e, { from = 1, to = 0.1 })
  lu.assertErrorMsgContains("find_lr", e.find_lr, e, { stepps = 1 })
  local lambda = pl.experiment { name = "find", data = data, loss = nn.CrossEntropy(),
    optimizer = optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 32,
    model = nn.Sequential { nn.Lambda { forward = function(x) return x end, backward = function(dy) return dy end },
      nn.Flatten(), nn.Linear(784, 10) } }
  lu.assertErrorMsgContains("find_lr: the model cannot be copied", lambda.find_lr, lambda)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
