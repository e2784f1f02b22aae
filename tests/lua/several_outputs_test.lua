-- Models of several outputs: nn.Graph returns them; the first is scored; losses are given a list; made once more by
-- hand as a model of one flat output, which computes the same bits.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn
local scratch = dofile "tests/lua/support_scratch.lua" "several_outputs_test"

TestSeveralOutputs = {}

local x, labels = pl.randn(60, 4, { seed = 3 }), {}
for i = 1, 60 do labels[i] = x[i]:sum() > 0 and 1 or 0 end
local y = pl.tensor(labels, "i32")
local data = pl.data.from_tensors { x = x, y = y, test_x = x:slice(1, 1, 20), test_y = y:slice(1, 1, 20),
  name = "signs" }

local function digest(model) return require "perilune.run.record".digest(model:state()) end

-- Scores of two classes, and the sample again, as a 2 x 2 table.
local function two_heads(as_list)
  local stem, head, again = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 4)
  return nn.Graph(function(v)
    local h = stem(v):tanh()
    local a, b = head(h), again(h):reshape(-1, 2, 2)
    if as_list then return { a, b } end
    return a, b
  end)
end

local function both(o, l)
  return -o[1]:log_softmax(-1):pick(l) + 0.1 * (o[2] ^ 2):sum({ 2, 3 })
end

local function experiment(model, loss, changes)
  local fields = { name = "several", seed = 1, epochs = 3, batch_size = 7, data = data, model = model, loss = loss,
    optimizer = pl.optim.SGD { lr = 0.1 }, test = "end" }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local quiet = { out = false, quiet = true, silent = true }

function TestSeveralOutputs:test_by_hand()
  for _, as_list in ipairs { true, false } do
    local model = two_heads(as_list):build { 4 }
    local a, b = model:infer(x)
    lu.assertEquals({ a.shape, b.shape }, { { 60, 2 }, { 60, 2, 2 } })
    local c, d = model:forward(x)
    lu.assertEquals(core.store.sha256(c, d), core.store.sha256(a, b))
    local loss = nn.define_loss { forward = both }
    local value, grads = loss({ c, d }, y)
    lu.assertAlmostEquals(value, (nn.CrossEntropy()(a, y)) + 0.1 * (b ^ 2):sum() / 60, 1e-5)
    lu.assertEquals({ grads[1].shape, grads[2].shape }, { { 60, 2 }, { 60, 2, 2 } })
    local _, want = nn.CrossEntropy()(a, y)
    lu.assertTrue((grads[1] - want):abs():max() < 1e-6)
    lu.assertTrue((grads[2] - 0.2 / 60 * b):abs():max() < 1e-6)
    model:zero_grad()
    local dx = model:backward(grads, true)
    -- the same by differences
    local v = pl.randn(60, 4, { seed = 9 })
    local function at(h) return (loss({ model:infer(x + h * v) }, y)) end
    lu.assertAlmostEquals((at(1e-2) - at(-1e-2)) / 2e-2, (dx * v):sum(), 2e-3)
  end
end

-- The same model with one flat output, and the loss that takes it apart: the same weights after training.
function TestSeveralOutputs:test_trains_as_one_flat_output_does()
  local several = experiment(two_heads(true), nn.define_loss { forward = both }):run(quiet)
  local stem, head, again = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 4)
  local flat = experiment(nn.Graph(function(v)
    local h = stem(v):tanh()
    return pl.cat({ head(h), again(h) }, -1)
  end), nn.define_loss { forward = function(o, l)
    return both({ o:slice(2, 1, 2), o:slice(2, 3, 6):reshape(-1, 2, 2) }, l)
  end }):run(quiet)
  lu.assertEquals(digest(several.model), digest(flat.model))
  lu.assertEquals(several.history.train_loss, flat.history.train_loss)
  -- the first output is scored: the flat model may decide for columns that no class has
  local right = 0
  local scores = several.model:infer(x)
  for i, guess in ipairs(scores:argmax(2):totable()) do right = right + (guess - 1 == labels[i] and 1 or 0) end
  local result = several.model:evaluate(data:splits(), { loss = nn.define_loss { forward = both } })
  lu.assertEquals(result.correct, right)
  lu.assertEquals(several.model:predict(x):totable()[1], scores[1]:argmax() - 1)
  lu.assertEquals(several.model:probabilities(x).shape, { 60, 2 })
end

-- A function of the script is given the list too, and returns one of gradients.
function TestSeveralOutputs:test_a_function_as_loss()
  local formula = nn.define_loss { forward = both }
  local own = experiment(two_heads(), function(o, l) return formula(o, l) end):run(quiet)
  local direct = experiment(two_heads(), formula):run(quiet)
  lu.assertEquals(digest(own.model), digest(direct.model))
  lu.assertErrorMsgContains("a list of its gradients, one for each of the 2 outputs",
    function() experiment(two_heads(), function(o, l) return formula(o, l), o[1] end,
      { check_gradients = false }):run(quiet) end)
end

-- Of values: the first output is compared with the targets.
function TestSeveralOutputs:test_targets()
  local t = x:matmul(pl.randn(4, 3, { seed = 8 }))
  local values = pl.data.from_tensors { x = x, y = t, name = "values" }
  local mean, spread = nn.Linear(4, 3), nn.Linear(4, 3)
  local model = nn.Graph(function(v) return mean(v), spread(v) end)
  local likelihood = nn.define_loss { name = "Gaussian", forward = function(o, w)
    return ((o[1] - w) ^ 2 / o[2]:exp() + o[2]) / 2
  end }
  local run = experiment(model, likelihood, { data = values, test = false, epochs = 40,
    optimizer = pl.optim.Adam { lr = 0.02 } }):run(quiet)
  lu.assertTrue(run.history.train_rmse[40] < 0.5 * run.history.train_rmse[1])
  local errors = (run.model:infer(x) - t)
  local result = run.model:evaluate(values:splits())
  lu.assertAlmostEquals(result.rmse, (errors ^ 2):mean() ^ 0.5, 1e-5)
end

function TestSeveralOutputs:test_saved_and_loaded()
  local run = experiment(two_heads(), nn.define_loss { forward = both }):run { out = scratch .. "/run", quiet = true }
  local model = nn.load(scratch .. "/run")
  lu.assertEquals(core.store.sha256(model:infer(x)), core.store.sha256(run.model:infer(x)))
  local copy = run.model:clone()
  lu.assertEquals(#{ copy:infer(x) }, 2)
end

function TestSeveralOutputs:test_wrong_use()
  lu.assertErrorMsgContains("has 2 outputs where the Sequential that it is part of takes one",
    function() nn.Sequential { two_heads(), nn.ReLU() }:build { 4 } end)
  lu.assertErrorMsgContains("layer 1 (Mine): has 2 outputs where the Sequential", function()
    nn.Sequential { nn.define { name = "Mine", forward = function(_, v) return v * 2, v end } () }:build { 4 }
  end)
  lu.assertErrorMsgContains("has 2 outputs where the Graph that it is part of takes one", function()
    local inner = two_heads()
    nn.Graph(function(v) return inner(v):relu() end):build { 4 }
  end)
  lu.assertErrorMsgContains("CrossEntropy: takes one output, and the model has 2; write what they cost together",
    function() experiment(two_heads(), nn.CrossEntropy()) end)
  lu.assertErrorMsgContains("the model's first outputs are [N, 2], the data set's targets [N, 3]", function()
    experiment(two_heads(), nn.define_loss { forward = function(o, w) return o[1]:sum(-1) + w:sum(-1) end },
      { data = pl.data.from_tensors { x = x, y = pl.randn(60, 3), name = "values" }, test = false }):run(quiet)
  end)
  local head = nn.Linear(4, 2)
  lu.assertErrorMsgContains("forward returns a table where the result of its operations is due",
    function() nn.Graph(function() return {} end):build { 4 } end)
  lu.assertErrorMsgContains("forward returns 3 where the result of its operations is due",
    function() nn.Graph(function(v) return head(v), 3 end):build { 4 } end)
  lu.assertErrorMsgContains("a model has at most 16 outputs, got 17", function()
    nn.Graph(function(v)
      local list = {}
      for i = 1, 17 do list[i] = v * i end
      return list
    end):build { 4 }
  end)
  local model = two_heads():build { 4 }
  local a, b = model:forward(x)
  lu.assertErrorMsgContains("backward takes the gradients of the 2 outputs, each of the shape of its output",
    function() model:backward { b, a } end)
  lu.assertErrorMsgContains("item 2 is a number", function() model:backward { a, 1 } end)
  lu.assertErrorMsgContains("list of 1 to 16 tensors, got 0", function() model:backward {} end)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
