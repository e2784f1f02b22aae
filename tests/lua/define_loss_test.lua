-- nn.define_loss: the built-in losses as formulas, in experiments; what is said of wrong use.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local decision = require "perilune.nn.decision"
local symbol = require "perilune.nn.symbol"
local scratch = dofile "tests/lua/support_scratch.lua" "define_loss_test"
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

-- The operations one by one on tensors, and back through them.
local function by_tape(forward, output, target)
  local n = output:size(1)
  local recorder = core.formula.eager(n)
  local o, t = recorder:input(output, false), recorder:input(target, false)
  local cost = symbol.value(forward(symbol.new(recorder, o), symbol.new(recorder, t)))
  return recorder:tensor(cost), recorder:backward(cost, 1 / n)[1]
end

local forwards = {
  { label, function(o, t) return -o:log_softmax(-1):pick(t) end },
  { label, function(o, t) local p = o:softmax(-1):pick(t) return (1 - p) ^ 3 * -p:log() end },
  { label, function(o, t) return ((o - t:one_hot(5)) ^ 2):mean(-1) end },
  { label, function(o, t) return pl.where(o:pick(t):gt(0.2), o:max(-1), (o * o):sum(-1)) end },
  { pl.randn(7, 5, { seed = 2 }), function(o, t) return ((o - t):abs() + (o * t):sigmoid()):sum(-1) end },
  { pl.randn(7, 5, { seed = 3 }), function(o, t)
    return o:reshape(-1, 5, 1):matmul(t:reshape(-1, 1, 5)):sum({ 2, 3 })
  end },
  { pl.rand(7, 5, { seed = 4 }), function(o, t)
    local h, g = (o - t) ^ 2, (t * 2):sigmoid()
    return (h * g:mean(-1, { keepdim = true }) - h:sqrt()):mean(-1)
  end },
}

function TestDefineLoss.test_gradients_are_the_tapes_to_the_bit_on_any_number_of_threads()
  for i, case in ipairs(forwards) do
    for _, copies in ipairs { 1, 40, 3000 } do       -- several chunks, several members
      local outputs, targets = {}, {}
      for k = 1, copies do outputs[k], targets[k] = y * (1 + k % 7 / 7), case[1] end
      local o, t = pl.cat(outputs, 1), pl.cat(targets, 1)
      local costs, grad = by_tape(case[2], o, t)
      for _, threads in ipairs { 1, 2, 5, 8 } do
        core.system.threads(threads)
        local value, found = nn.define_loss { forward = case[2] } (o, t)
        lu.assertEquals(core.store.sha256(found), core.store.sha256(grad), ("case %d, %d copies"):format(i, copies))
        lu.assertAlmostEquals(value, costs:mean(), 1e-6 * (1 + math.abs(value)))
      end
      core.system.threads(0)
    end
  end
end

function TestDefineLoss.test_options_and_reduction()
  local own = nn.define_loss { name = "Margin", options = { margin = 0.5, kind = "hinge" }, reduction = "sum",
    forward = function(o, t, options)
      lu.assertEquals(options.kind, "hinge")
      return (o - o:pick(t):unsqueeze(2) + options.margin):relu()
    end }
  local sum = (y - y:pick(label):reshape(7, 1) + 0.5):relu():sum()
  lu.assertAlmostEquals((own(y, label)), sum, 1e-4)
  lu.assertEquals(own.type, "Margin")
  lu.assertEquals(tostring(own), "Margin, a formula")
  local config = own:config()
  lu.assertEquals(config.type, "Formula")
  lu.assertEquals(config.config.options, { margin = 0.5, kind = "hinge" })
  lu.assertEquals(config.config.reduction, "sum")
  lu.assertTrue(#config.config.program.steps > 3)
end

-- Its operations are data: a loss from them needs no function.
function TestDefineLoss.test_as_data()
  for i, case in ipairs(forwards) do
    local own = nn.define_loss { forward = case[2], outputs = "values" }
    local value, grad = own(y, case[1])
    local again = core.loss.from_config(own:config())
    local same, same_grad = again(y, case[1])
    lu.assertEquals(same, value, i)
    lu.assertEquals(core.store.sha256(same_grad), core.store.sha256(grad))
    lu.assertEquals(core.json.encode(again:config()), core.json.encode(own:config()))
  end
  lu.assertErrorMsgContains("was saved before it had seen outputs and targets",
    core.loss.from_config { type = "Formula", config = { name = "loss" } }, y, label)
end

-- One loss, outputs of several shapes: it is recorded for each.
function TestDefineLoss.test_other_shapes()
  local own = nn.define_loss { forward = function(o, t) return (o - t) ^ 2 end }
  local images = pl.randn(3, 4, 4, 2, { seed = 5 })
  for _ = 1, 2 do
    lu.assertAlmostEquals((own(y, y * 2)), (nn.MSE()(y, y * 2)), 1e-6)
    lu.assertAlmostEquals((own(images, images + 1)), 1, 1e-6)
  end
end

-- A mean or sum over the batch, and what may follow it: the same number as of tensors.
function TestDefineLoss.test_ends_over_the_batch()
  local t = pl.randn(7, 5, { seed = 2 })
  local function same(forward, reduction)
    lu.assertAlmostEquals((nn.define_loss { forward = forward, reduction = reduction } (y, t)), forward(y, t), 1e-5)
  end
  same(function(o, v) return 1 - 2 * ((o - v) ^ 2):mean() / 3 end)
  same(function(o, v) return -(o * v):mean() + 0.1 * (o ^ 2):mean() end)
  same(function(o, v) return ((o - v) ^ 2):sum() / 35 end, "sum")
  same(function(o, v) return 0.5 * ((o - v) ^ 2):sum() - o:abs():sum() end, "sum")
  local whole = ((y - t) ^ 2):mean()
  for i, forward in ipairs {
    function(o, v) return ((o - v) ^ 2):mean():mean() end,
    function(o, v) return ((o - v) ^ 2):reshape(o.shape):mean(-1) end,
    function(o, v) return ((o - v) ^ 2):reshape(o.shape[1], 5) end,
  } do lu.assertAlmostEquals((nn.define_loss { forward = forward } (y, t)), whole, 1e-5, i) end
end

-- What the whole batch decides, sample by sample, would be another number.
function TestDefineLoss.test_nothing_else_follows_a_mean_over_the_batch()
  local function said(forward, reduction)
    local ok, message = pcall(nn.define_loss { forward = forward, reduction = reduction }, y, y * 2)
    lu.assertFalse(ok)
    lu.assertStrContains(message, "define_loss_test.lua:")
    return message
  end
  for _, case in ipairs {
    { "sqrt: mean", function(o, t) return ((o - t) ^ 2):mean():sqrt() end },
    { "square: mean", function(o, t) return (o - t):mean() ^ 2 end },
    { "mul: mean", function(o, t) return (o - t):mean() * o:mean() end },
    { "div: mean", function(o, t) return 1 / (o - t):mean() end },
    { "div: sum", function(o, t) return ((o - t) ^ 2):sum() / o.shape[1] end },
    { "div: sum", function(o, t) return (o * t):sum() / t:sum() end },
    { "square: mean", function(o) return (o:sum(-1) - o:sum(-1):mean()) ^ 2 end },
    { "gt: mean", function(o) return pl.where(o:mean():gt(0), o:mean(), 0) end },
    { "where: mean", function(o) return pl.where(o:gt(0), o, o:mean()) end },
    { "cat: mean", function(o) return pl.cat({ o, o:mean({ keepdim = true }) }, -1) end },
    { "sum: mean", function(o) return o:mean({ keepdim = true }):sum(-1) end },
    { "add: sum", function(o) return o:sum() + 1 end, "sum" },
    { "add: sum", function(o) return o:sum() + o:sum(-1) end, "sum" },
    { "add: mean", function(o) return o:mean() + o:sum() end },
    { "mean: sum", function(o) return o:sum():mean() end },
  } do
    lu.assertStrContains(said(case[2], case[3]), case[1] .. " without axes is over the batch and comes last")
  end
  lu.assertStrContains(said(function(o) return 0.5 * o:sum() end), "a loss is the mean over the batch")
  for _, use in ipairs { function(n) return 1 / n end, function(n) return -n end, function(n) return n < 3 end,
    function(n) return n end } do
    local message = said(function(o) return o / use(o.shape[1]) end)
    lu.assertStrContains(message, "the number of samples (shape[1]) is not known")
  end
  for what, forward in pairs { sqrt = function(_, x) return x:mean():sqrt() end,
    Linear = function(self, x) return self.fc(x:mean({ keepdim = true })) end } do
    local layer = nn.define { name = "L", forward = forward, layers = function() return { fc = nn.Linear(3, 1) } end }()
    lu.assertErrorMsgContains(what .. ": mean without axes is over the batch", layer.build, layer, { 3 })
  end
end

-- What help says to write instead.
function TestDefineLoss.test_a_function_with_a_tape()
  local weight, t = pl.tensor { 1, 1, 5, 1, 2 }, label
  local function weighted(o)
    return pl.value_and_grad(function(v)
      local of = t:one_hot(5) * weight
      return -(v:log_softmax(-1) * of):sum() / of:sum()
    end)(o)
  end
  local value, grad = weighted(y)
  local costs, total, sum = -y:log_softmax(-1):pick(t), 0, 0
  for i, l in ipairs(t:totable()) do
    total, sum = total + costs[i] * weight[l + 1], sum + weight[l + 1]
  end
  lu.assertAlmostEquals(value, total / sum, 1e-5)
  lu.assertEquals(grad.shape, y.shape)
end

function TestDefineLoss.test_wrong_use()
  for _, case in ipairs {
    { 'end it with :mean(), over no axes or those of a sample, or say reduction = "sum"',
      function(o, t) return ((o - t) ^ 2):sum() end },
    { "returns 3 where what a sample costs is due", function() return 3 end },
    { "returns one value, got 2", function(o) return o, o end },
    { "returns one value, got 0", function() end },
    { "sub: [N, 5] and [N]: the batch is the first axis of both", function(o, t) return o - t:sum(-1) end },
    { "choose element by element with pl.where", function(o) if o:sum(-1) > 0 then return o end return -o end },
    { "a loss has no layers; call them in the model", function(o) return nn.ReLU()(o) end },
    { "argmax has no derivative", function(o) return o:argmax(-1) end },
    { "has no gradient for the output", function(o, t) return o:gt(t):mean(-1) end },
    { "has no gradient for the output", function(_, t) return t:mean(-1) end },
    { "what is in a value", function(o, t) return (o:detach() - t) ^ 2 end },
    { "sub takes tensors and numbers, got nil", function(o) return o - nil end },
    { "the formula is another one", function(o) return o * pl.rand(1) end },
  } do
    local ok, message = pcall(nn.define_loss { name = "Mine", forward = case[2] }, y, y)
    lu.assertFalse(ok)
    lu.assertStrContains(message, case[1])
    lu.assertStrContains(message, "define_loss_test.lua:")
    lu.assertStrContains(message, "Mine: ")
    lu.assertNotStrContains(message, "Mine: Mine: ")
  end
  local loops
  loops = nn.define_loss { name = "Mine", forward = function(o) return o:sum(-1) * loops:value(y, label) end }
  lu.assertStrMatches(select(2, pcall(loops, y, label)), ".*define_loss_test%.lua:%d+: Mine: Mine: calls itself")
  local ok, message = pcall(nn.define_loss { forward = function(o) return o end }, y, label:slice(1, 1, 3))
  lu.assertFalse(ok)
  lu.assertStrContains(message, "7 outputs and 3 targets")
  for _, case in ipairs {
    { {}, "forward takes a function" }, { { forward = function() end, gamma = 2 }, "no option 'gamma'" },
    { { forward = function() end, reduction = "some" }, "is one of mean, sum; got 'some'" },
    { { forward = function() end, outputs = "logit" }, "did you mean 'logits'?" },
    { { forward = function() end, options = { f = print } }, "option 'f' is a function" },
  } do
    lu.assertStrContains(select(2, pcall(nn.define_loss, case[1])), case[2])
  end
  -- a label that names nothing is said to
  lu.assertErrorMsgContains("label 5 of sample 1 is outside 0 to 4",
    nn.define_loss { forward = function(o, t) return o:pick(t) end }, y, label + 5)
end

local x, signs = pl.randn(80, 4, { seed = 3 }), {}
for i = 1, 80 do signs[i] = x[i]:sum() > 0 and 1 or 0 end
local data = pl.data.from_tensors { x = x, y = pl.tensor(signs, "i32"), name = "signs" }

local function experiment(loss, changes)
  local fields = { name = "own loss", seed = 1, epochs = 3, batch_size = 10, data = data,
    model = nn.Sequential { nn.Linear(4, 2) }, loss = loss, optimizer = pl.optim.SGD { lr = 0.1 } }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local function entropy(o, l) return -o:log_softmax(-1):pick(l) end

function TestDefineLoss.test_in_an_experiment()
  local function trained(loss)
    local run = experiment(loss):run { out = false, quiet = true }
    return run.history.train_loss[3], run.history.train_error[3]
  end
  local own, own_error = trained(nn.define_loss { forward = entropy })
  local built_in, error = trained(nn.CrossEntropy())
  lu.assertAlmostEquals(own, built_in, 1e-5)
  lu.assertEquals(own_error, error)
end

-- No function of the script is called in a step: only to record it, twice, and once before each epoch.
function TestDefineLoss.test_no_lua_in_a_step()
  local calls = 0
  local loss = nn.define_loss { forward = function(o, l)
    calls = calls + 1
    return entropy(o, l)
  end }
  local e = experiment(loss)
  lu.assertEquals(calls, 2)
  e:run { out = false, quiet = true }
  lu.assertEquals(calls, 2 + 3)
end

-- Values as targets, and what the outputs are: the model's last layer, or `outputs`, says it.
function TestDefineLoss.test_targets_and_kinds_of_outputs()
  local t = x:matmul(pl.randn(4, 3, { seed = 8 }))
  local values = pl.data.from_tensors { x = x, y = t, name = "values" }
  local function trained(loss)
    local e = experiment(loss, { data = values, model = nn.Sequential { nn.Linear(4, 3) } })
    return e:run { out = false, quiet = true }
  end
  local own, built_in = trained(nn.define_loss { forward = function(o, w) return (o - w) ^ 2 end }), trained(nn.MSE())
  lu.assertAlmostEquals(own.history.train_loss[3], built_in.history.train_loss[3], 1e-5)
  lu.assertAlmostEquals(own.history.train_rmse[3], built_in.history.train_rmse[3], 1e-5)

  local likelihood = function(p, l) return -(p:pick(l) + 1e-7):log() end
  local soft = experiment(nn.define_loss { forward = likelihood },
    { model = nn.Sequential { nn.Linear(4, 2), nn.Softmax() } }):run { out = false, quiet = true }
  local p = soft.model:probabilities(x)
  lu.assertAlmostEquals(p[1]:sum(), 1, 1e-5)
  lu.assertTrue((p - soft.model:infer(x)):abs():max() < 1e-6)          -- not softmax of probabilities
  local one = nn.define_loss { outputs = "independent logits", forward = function(o, l)
    return (o:flatten():squeeze(2) * -(2 * l - 1)):exp() end }
  local single = experiment(one, { model = nn.Sequential { nn.Linear(4, 1) } }):run { out = false, quiet = true }
  lu.assertTrue(single.history.train_error[3] < 0.3)
end

function TestDefineLoss.test_saved_with_the_run_and_the_model()
  local loss = nn.define_loss { name = "Entropy", forward = entropy, outputs = "logits" }
  local run = experiment(loss):run { out = scratch .. "/saved", quiet = true }
  local model = nn.load(scratch .. "/saved")
  lu.assertEquals(core.json.encode(decision.described(model)), core.json.encode(loss:config()))
  local value = decision.loss_of(model)(model:infer(x), pl.tensor(signs, "i32"))
  lu.assertEquals(value, (loss(run.model:infer(x), pl.tensor(signs, "i32"))))
end

-- Another formula is another run.
function TestDefineLoss.test_identity()
  local function identity(forward, options)
    local e = experiment(nn.define_loss { forward = forward, options = options })
    return require "perilune.run.identity".of(e, 1).setup.loss
  end
  local first = identity(entropy)
  lu.assertEquals(identity(entropy), first)
  lu.assertNotEquals(identity(function(o, l) return -2 * o:log_softmax(-1):pick(l) end), first)
  lu.assertNotEquals(identity(entropy, { gamma = 1 }), first)
  -- nor does it depend on what else the loss was used for
  local shared = nn.define_loss { forward = function(o, l)
    return -(o:log_softmax(-1) * l:one_hot(o:size(2))):sum(-1)
  end }
  local e = experiment(shared)
  local identity_of = require "perilune.run.identity".of
  local before = identity_of(e, 1).setup.loss
  shared(pl.randn(3, 7), pl.tensor({ 0, 1, 2 }, "i32"))
  lu.assertEquals(identity_of(e, 1).setup.loss, before)
end

-- The line that is named is the formula's; a captured tensor may be picked from, as far as it has rows.
function TestDefineLoss.test_messages_of_an_experiment_name_the_formulas_line()
  local here
  local function refused(forward) return select(2, pcall(experiment, nn.define_loss { forward = forward })) end
  local message = refused(function(o, l)
    here = debug.getinfo(1, "l").currentline + 1
    return -o:log_softmax(-1):pick(l % 2)
  end)
  lu.assertStrContains(message, ("define_loss_test.lua:%d: pl.experiment: the loss does not fit"):format(here))
  lu.assertStrContains(message, "mod has no derivative")
  local weights = pl.tensor { 1, 2 }
  message = refused(function(o, l) return -o:log_softmax(-1):pick(l) * weights:pick(l) end)
  lu.assertStrContains(message, "pick: [2] and [N]: there is one label for each row along the last axis")
end

-- A captured number that changes is named, before the epoch.
function TestDefineLoss.test_captured_values()
  local sharpness = 1
  local loss = nn.define_loss { forward = function(o, l) return entropy(o * sharpness, l) end }
  local e = experiment(loss, { callbacks = { on_epoch = function() sharpness = sharpness + 1 end } })
  local ok, message = pcall(e.run, e, { out = false, quiet = true })
  lu.assertFalse(ok)
  lu.assertStrContains(tostring(message), "forward changes the captured variable 'sharpness'")
  lu.assertStrContains(tostring(message), "an option of the loss")
end

-- A function of the script as before: called in each step.
function TestDefineLoss.test_a_plain_function_is_a_loss_too()
  local calls, loss = 0, nn.define_loss { forward = entropy }
  local function own(o, l)
    calls = calls + 1
    return loss(o, l)
  end
  local run = experiment(own):run { out = false, quiet = true }
  lu.assertTrue(calls >= 24)
  local direct = experiment(loss):run { out = false, quiet = true }
  lu.assertEquals(core.store.sha256(run.model[1].weight), core.store.sha256(direct.model[1].weight))
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
