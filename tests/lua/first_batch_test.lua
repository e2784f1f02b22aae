-- The first batch of a training is also computed operation by operation (runtime/graph/verify.c, whose own test plants
-- wrong kernels): when it is, and what is said of a difference.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn
local first_batch = require "perilune.train.first_batch"
local scratch = dofile "tests/lua/support_scratch.lua" "first_batch_test"

local Scale = nn.define { name = "Scale", params = function(o) return { a = { shape = { o[1] }, init = "he" } } end,
  layers = function(o) return { norm = nn.BatchNorm(o[1]), drop = nn.Dropout(0.5) } end,
  forward = function(self, x) return self.drop(self.norm(x * self.a):gelu()) + x end }

local x, y = pl.randn(40, 4, { seed = 1 }), {}
for i = 1, 40 do y[i] = i % 2 end

local function experiment(own, loss)
  return pl.experiment { name = "first", seed = 1, epochs = 3, batch_size = 8,
    data = pl.data.from_tensors { x = x, y = pl.tensor(y, "i32"), name = "noise" },
    model = nn.Sequential { own and Scale(4) or nn.ReLU(), nn.Linear(4, 2) },
    loss = loss or nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 } }
end

local function entropy() return nn.define_loss { forward = function(o, l) return -o:log_softmax(-1):pick(l) end } end

TestFirstBatch = {}

local verify, verify_loss = core.formula.verify, core.formula.verify_loss
local models, losses

function TestFirstBatch:setUp()
  models, losses = 0, 0
  function core.formula.verify(...) models = models + 1 return verify(...) end
  function core.formula.verify_loss(...) losses = losses + 1 return verify_loss(...) end
end

function TestFirstBatch:tearDown() core.formula.verify, core.formula.verify_loss = verify, verify_loss end

local quiet = { out = false, quiet = true, silent = true }

function TestFirstBatch:test_once_a_training()
  experiment(true):run(quiet)
  lu.assertEquals({ models, losses }, { 1, 0 })
  experiment(false, entropy()):run(quiet)
  lu.assertEquals({ models, losses }, { 2, 1 })
  experiment(false):run(quiet)
  lu.assertEquals({ models, losses }, { 2, 1 })
end

function TestFirstBatch:test_not_after_a_resume()
  local function run(more)
    return experiment(true, entropy()):run { out = scratch .. "/run", quiet = true, silent = true, pause_after = more }
  end
  run(1)
  lu.assertEquals({ models, losses }, { 1, 1 })
  run()
  lu.assertEquals({ models, losses }, { 1, 1 })
end

-- It leaves no trace: statistics, gradients and random numbers are those of a training without it.
function TestFirstBatch:test_changes_nothing()
  local function digest(run)
    local list = {}
    for i, item in ipairs(run.model:state()) do list[i] = item.tensor end
    return core.store.sha256(table.unpack(list))
  end
  local with = digest(experiment(true, entropy()):run(quiet))
  function core.formula.verify() end
  lu.assertEquals(digest(experiment(true, entropy()):run(quiet)), with)
end

function TestFirstBatch:test_a_difference_ends_the_run()
  function core.formula.verify() error("layer 1 (Scale): it differs", 0) end
  local e = experiment(true)
  local ok, message = pcall(e.run, e, quiet)
  lu.assertFalse(ok)
  lu.assertEquals(tostring(message), "the first batch: layer 1 (Scale): it differs")
  lu.assertEquals(first_batch.check(e), "layer 1 (Scale): it differs")
  lu.assertNil(first_batch.check(experiment(false)))
end

function TestFirstBatch:test_check_makes_up_samples()
  lu.assertNil(first_batch.check(experiment(true, entropy())))
  lu.assertEquals({ models, losses }, { 1, 1 })
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
