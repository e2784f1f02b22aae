-- nn.define_loss: the built-in losses as formulas, in experiments; what is said of wrong use.
local lu = require "luaunit"
local pl = require "perilune"
local nn = pl.nn

TestDefineLoss = {}

local y = pl.randn(7, 5, { seed = 1 })
local label = pl.tensor({ 0, 4, 2, 2, 1, 3, 0 }, "i32")

local function assert_as(built_in, own, target)
  local value, grad = own(y, target)
  local want, want_grad = built_in(y, target)
  lu.assertAlmostEquals(value, want, 1e-6)
  lu.assertEquals(grad.shape, want_grad.shape)
  lu.assertTrue((grad - want_grad):abs():max() < 1e-6)
end

function TestDefineLoss.test_as_the_built_in_ones()
  assert_as(nn.CrossEntropy(), nn.define_loss { forward = function(o, t) return -o:log_softmax(-1):pick(t) end }, label)
  assert_as(nn.FocalLoss { gamma = 2 }, nn.define_loss { forward = function(o, t)
    local p = o:log_softmax(-1):pick(t)
    return -(1 - p:exp()) ^ 2 * p
  end }, label)
  local values = pl.randn(7, 5, { seed = 2 })
  assert_as(nn.MSE(), nn.define_loss { forward = function(o, t) return (o - t) ^ 2 end }, values)
  assert_as(nn.MSE(), nn.define_loss { forward = function(o, t) return ((o - t) ^ 2):mean() end }, values)
  assert_as(nn.MSE(), nn.define_loss { forward = function(o, t) return (o - t:one_hot(5)) ^ 2 end }, label)
end

function TestDefineLoss.test_wrong_use()
  for _, case in ipairs {
    { "end it with :mean()", function(o, t) return ((o - t) ^ 2):sum() end },
    { "returns 3 where what a sample costs is due", function() return 3 end },
    { "returns one value, got 2", function(o) return o, o end },
    { "sub: [N, 5] and [N]: the batch is the first axis of both", function(o, t) return o - t:sum(-1) end },
  } do
    local ok, message = pcall(nn.define_loss { forward = case[2] }, y, y)
    lu.assertFalse(ok)
    lu.assertStrContains(message, case[1])
  end
  local ok, message = pcall(nn.define_loss { forward = function(o) return o end }, y, label:slice(1, 1, 3))
  lu.assertFalse(ok)
  lu.assertStrContains(message, "7 outputs and 3 targets")
  lu.assertStrContains(select(2, pcall(nn.define_loss, {})), "forward takes a function")
  -- a label that names nothing makes NaN, which a training reports
  local value = nn.define_loss { forward = function(o, t) return o:pick(t) end }(y, label + 5)
  lu.assertTrue(value ~= value)
end

function TestDefineLoss.test_in_an_experiment()
  local x, t = pl.randn(80, 4, { seed = 3 }), {}
  for i = 1, 80 do t[i] = x[i]:sum() > 0 and 1 or 0 end
  local function trained(loss)
    local e = pl.experiment { name = "own loss", seed = 1, epochs = 3, batch_size = 10,
      data = pl.data.from_tensors { x = x, y = pl.tensor(t, "i32"), name = "signs" },
      model = nn.Sequential { nn.Linear(4, 2) }, loss = loss, optimizer = pl.optim.SGD { lr = 0.1 } }
    local run = e:run { out = false, quiet = true }
    return run.history.train_loss[3], run.history.train_error[3]
  end
  local own, own_error = trained(nn.define_loss { forward = function(o, l) return -o:log_softmax(-1):pick(l) end })
  local built_in, error = trained(nn.CrossEntropy())
  lu.assertAlmostEquals(own, built_in, 1e-5)
  lu.assertEquals(own_error, error)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
