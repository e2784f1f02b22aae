-- Optimizers from Lua: training by hand, state and counters, groups, messages.
local lu = require "luaunit"
local pl = require "perilune"
local sorted_keys = require "perilune.base.sorted_keys"
local core = require "perilune.core"
local copy_state = dofile "tests/lua/support_state.lua"
local nn, optim = pl.nn, pl.optim

local function error_of(f, ...)
  local args = table.pack(...)
  local ok, message = pcall(function() f(table.unpack(args, 1, args.n)) end)
  lu.assertFalse(ok)
  return message
end

local function make_model()
  local model = nn.Sequential { nn.Linear(3, 40, { name = "hidden" }), nn.ReLU(), nn.Linear(40, 2, { name = "out" }) }
  model:build { 3 }
  model:initialize(3)
  return model
end

local x = pl.tensor { { 0.1, 0.5, -1 }, { 1, -0.3, 0.2 }, { -0.6, 0.9, 0.4 }, { 0.2, 0.2, 0.8 } }
local y = pl.tensor({ 0, 1, 0, 1 }, "i32")

local function train(model, opt, steps)
  local loss, last = nn.CrossEntropy(), nil
  for _ = 1, steps do
    local value, grad = loss(model:forward(x), y)
    last = value
    model:zero_grad()
    model:backward(grad)
    opt:step()
  end
  return last
end

local function weights(model)
  local list = {}
  for _, p in model:parameters() do list[#list + 1] = p:totable() end
  return list
end

TestOptim = {}

function TestOptim:test_every_type_learns()
  local rates = { SGD = 0.5, AdaGrad = 0.1, AdaDelta = 5, RMSprop = 0.01, LAMB = 0.1 }
  for _, name in ipairs(sorted_keys(optim)) do
    if name:find "^%u" then
      local model = make_model()
      local first = train(model, optim.SGD { lr = 0 }:bind(model), 1)
      local last = train(model, optim[name] { lr = rates[name] or 0.02 }:bind(model), 200)
      lu.assertTrue(last < 0.05 * first, ("%s: %g after %g"):format(name, last, first))
    end
  end
end

function TestOptim:test_one_step_by_hand()
  local model = make_model()
  local opt = optim.SGD { lr = 0.5 }:bind(model)
  local loss = nn.CrossEntropy()
  local _, grad = loss(model:forward(x), y)
  model:zero_grad()
  model:backward(grad)
  local w, g = model:find "out".weight:totable(), model:find "out".weight_grad:totable()
  opt:step()
  local after = model:find "out".weight:totable()
  for i = 1, 40 do
    for j = 1, 2 do lu.assertAlmostEquals(after[i][j], w[i][j] - 0.5 * g[i][j], 1e-7) end
  end
end

-- The formulas that help has of Lion and of SGD's forms of Nesterov's momentum are what two steps do.
function TestOptim:test_steps_are_the_formulas_of_help()
  local lr, mu, wd = 0.5, 0.9, 0.1
  local function sgd(form, update)
    return optim.SGD { lr = lr, momentum = mu, nesterov = true, momentum_form = form }, update
  end
  for formula, make in pairs {
    ["c = b1 m + (1 - b1) g, w = w - lr (sign(c) + weight_decay w), m = b2 m + (1 - b2) g"] = function()
      return optim.Lion { lr = lr, betas = { 0.8, mu }, weight_decay = wd }, function(w, g, m)
        local c = 0.8 * m + (1 - 0.8) * g
        return w - lr * ((c > 0 and 1 or c < 0 and -1 or 0) + wd * w), mu * m + (1 - mu) * g
      end
    end,
    ["mu v + g,"] = function()
      return sgd("classic", function(w, g, v) v = mu * v + g; return w - lr * (mu * v + g), v end)
    end,
    ["mu v + (1 - mu) g,"] = function()
      return sgd("averaged", function(w, g, v)
        v = mu * v + (1 - mu) * g
        return w - lr * (mu * v + (1 - mu) * g), v
      end)
    end,
    ["mu v - lr g takes its place"] = function()
      return sgd("keras", function(w, g, v) v = mu * v - lr * g; return w + mu * v - lr * g, v end)
    end,
  } do
    local opt, update = make()
    local page = require "perilune.help".text("optim." .. opt.type):gsub("%s+", " ")
    lu.assertStrContains(page, formula)
    local model = make_model()
    opt:bind(model)
    local slot = 0
    for _ = 1, 2 do
      local _, grad = nn.CrossEntropy()(model:forward(x), y)
      model:zero_grad()
      model:backward(grad)
      local out = model:find "out"
      local moved, kept = update(out.weight:totable()[1][1], out.weight_grad:totable()[1][1], slot)
      opt:step()
      lu.assertAlmostEquals(out.weight:totable()[1][1], moved, 1e-6, formula)
      slot = kept
    end
  end
end

-- Where the gradient is 0 and the weight 2, weight_decay makes it 1: a first step of lr of EAdam, and of lr / 0.9 of
-- AdaBelief, whose second moment is that of g - 0.1 g.
function TestOptim:test_weight_decay_of_eadam_and_adabelief()
  for name, want in pairs { EAdam = 1.9, AdaBelief = 1.888889 } do
    for decay, after in pairs { [0] = 2, [0.5] = want } do
      local model = nn.Sequential { nn.Linear(1, 1, { bias = false }) }:build { 1 }
      model[1].weight:fill_(2)
      local opt = optim[name] { lr = 0.1, weight_decay = decay }:bind(model)
      model:forward(pl.zeros(1, 1))
      model:zero_grad()
      model:backward(pl.ones(1, 1))
      opt:step()
      lu.assertAlmostEquals(model[1].weight[1][1], after, 1e-5, name)
    end
  end
end

function TestOptim:test_lr_and_steps()
  local model = make_model()
  local opt = optim.Adam { lr = 0.25 }:bind(model)
  lu.assertEquals({ opt.lr, opt.steps, opt.type }, { 0.25, 0, "Adam" })
  train(model, opt, 3)
  opt.lr = 0
  local before = weights(model)
  train(model, opt, 1)
  lu.assertEquals(weights(model), before)
  lu.assertEquals({ opt.lr, opt.steps }, { 0, 4 })
end

-- The state, carried to a fresh optimizer and model, continues with the same bits.
function TestOptim:test_state_continues_exactly()
  for _, make in ipairs {
    function() return optim.Adam { lr = 0.02, correction = "epoch" } end,
    function() return optim.Nadam { lr = 0.02 } end,
    function() return optim.SGD { lr = 0.1, momentum = 0.9, decay = 0.01 } end,
    function() return optim.RMSprop { lr = 0.01, centered = true, momentum = 0.5 } end,
    function() return optim.LAMB { lr = 0.02 } end,
  } do
    local straight = make_model()
    local opt = make():bind(straight)
    opt:epoch()
    train(straight, opt, 7)
    opt:epoch()
    opt.lr = opt.lr / 3
    local copy, again = make_model(), make()
    copy_state(straight, opt, copy, again:bind(copy))
    train(straight, opt, 5)
    train(copy, again, 5)
    lu.assertEquals(weights(copy), weights(straight))
    lu.assertEquals(again:counters(), opt:counters())
  end
end

function TestOptim:test_state_names_and_shapes()
  local model = make_model()
  local state = optim.Adam():bind(model):state()
  local got = {}
  for i, s in ipairs(state) do got[i] = ("%s %s %s"):format(s.layer, s.name, table.concat(s.tensor.shape, "x")) end
  lu.assertEquals(got, {
    "01_linear weight.m 3x40", "01_linear bias.m 40", "03_linear weight.m 40x2", "03_linear bias.m 2",
    "01_linear weight.v 3x40", "01_linear bias.v 40", "03_linear weight.v 40x2", "03_linear bias.v 2",
  })
  lu.assertEquals(#optim.SGD():bind(model):state(), 0)
end

function TestOptim:test_state_outlives_the_optimizer()
  local model = make_model()
  local opt = optim.Adam():bind(model)
  train(model, opt, 1)
  local tensor = opt:state()[1].tensor
  local before = tensor:totable()
  opt = nil   -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  lu.assertEquals(tensor:totable(), before)
end

function TestOptim:test_groups()
  local model = make_model()
  local opt = optim.SGD { lr = 0.5, groups = { { layers = "hidden", lr = 0 },
    { match = "03", parameters = { "bias" }, lr_scale = 2 } } }:bind(model)
  local _, grad = nn.CrossEntropy()(model:forward(x), y)
  model:zero_grad()
  model:backward(grad)
  local hidden, out = model:find "hidden", model:find "out"
  local before, bias, bias_grad = hidden.weight:totable(), out.bias:totable(), out.bias_grad:totable()
  opt:step()
  lu.assertEquals(hidden.weight:totable(), before)
  lu.assertAlmostEquals(out.bias:totable()[1], bias[1] - bias_grad[1], 1e-7)
end

function TestOptim:test_described_and_made_again()
  local groups = { { layers = { "hidden" }, lr = 0.1 } }
  local opt = optim.Adam { lr = 0.5, betas = { 0.8, 0.9 }, correction = "epoch", groups = groups }
  local config = opt:config()
  lu.assertEquals(config.type, "Adam")
  lu.assertEquals(config.config.betas, { 0.8, 0.9 })
  lu.assertEquals(config.config.groups, groups)
  lu.assertEquals(core.optim.from_config(config):config(), config)
  lu.assertStrContains(tostring(opt), "Adam")
end

function TestOptim:test_same_bits_for_any_number_of_threads()
  local threads = core.system.threads()
  local function run(n)
    core.system.threads(n)
    local model = nn.Sequential { nn.Linear(3, 9000), nn.ReLU(), nn.Linear(9000, 2) }
    model:build { 3 }
    model:initialize(5)
    train(model, optim.LAMB { lr = 0.05, clip_norm = 0.1 }:bind(model), 3)
    return weights(model)
  end
  local one = run(1)
  for n = 2, 4 do lu.assertEquals(run(n), one) end
  core.system.threads(threads)
end

function TestOptim:test_messages()
  local model = make_model()
  local opt = optim.Adam()
  lu.assertStrContains(error_of(opt.step, opt), "Adam: no parameters yet; call optimizer:bind(model) first")
  lu.assertStrContains(error_of(opt.state, opt), "call optimizer:bind(model) first")
  lu.assertStrMatches(error_of(function() optim.Adam { lr = -1 } end),
    ".*optim_test.lua:%d+: Adam: option 'lr' must be at least 0, got %-1")
  lu.assertStrContains(error_of(optim.Adam, { beta = 1 }), "Adam has no option 'beta'; did you mean 'betas'?")
  lu.assertStrContains(error_of(optim.Adam, { betas = { 0.9, 1 } }),
    "Adam: option 'betas' must be between 0 and 0.999999, got 1")
  lu.assertStrContains(error_of(optim.Adam, { betas = { 0.9, 0.9999999 } }), "0.999999, got 0.9999999")
  lu.assertStrContains(error_of(optim.Adam, { group = {} }), "Adam has no option 'group'; did you mean 'groups'?")
  lu.assertStrContains(error_of(optim.SGD, { momentum_form = "heavy" }), "option 'momentum_form' is one of")
  lu.assertStrContains(error_of(function() opt.lr = "fast" end), "Adam: lr takes a number from 0 to 1e15, got fast")
  lu.assertStrContains(error_of(function() opt.lr = 1e30 end), "Adam: lr takes a number from 0 to 1e15, got 1e+30")
  lu.assertStrContains(error_of(optim.SGD, { lr = 1e30 }), "SGD: option 'lr' must be between 0 and 1e+15, got 1e+30")
  lu.assertStrContains(error_of(function() opt.eps = 1 end), "only lr can be set, not 'eps'")
  local before = opt:counters()
  lu.assertStrContains(error_of(opt.set_counters, opt, { steps = 1 }), "counter 'epochs' is missing")
  for text, wrong in pairs { ["counter 'steps' is a whole number from 0, got -1"] = { steps = -1, epochs = 0, lr = 1 },
    ["counter 'epochs' is a whole number from 0, got 0.5"] = { steps = 7, epochs = 0.5, lr = 1 },
    ["counter 'lr' is a number from 0 to 1e15, got -3"] = { steps = 7, epochs = 1, lr = -3 } } do
    lu.assertStrContains(error_of(opt.set_counters, opt, wrong), text)
  end
  lu.assertEquals(opt:counters(), before)
  local function grouped(group) return function() optim.SGD { groups = { group } }:bind(model) end end
  lu.assertStrContains(error_of(grouped { layers = { "hiden" } }),
    "SGD: group 1: no layer 'hiden' has parameters; did you mean 'hidden'?")
  local nested = nn.Sequential { nn.Sequential { nn.Linear(4, 3) }, nn.Linear(3, 2) }
  lu.assertStrContains(error_of(function()
    optim.SGD { groups = { { layers = "01_sequential" } } }:bind(nested)
  end), "'01_sequential' has no parameters of its own; match = \"01_sequential\" is all layers inside it")
  for words, group in pairs {
    ["no layer 'conv' has parameters"] = { layers = { "hidden", "conv" } },
    ["no layer with 'conv' in its name has parameters"] = { match = { "hid", "conv" } },
    ["no layer has a parameter 'wieght'; did you mean 'weight'?"] = { parameters = { "bias", "wieght" } },
  } do lu.assertStrContains(error_of(grouped(group)), "SGD: group 1: " .. words) end
  lu.assertStrContains(error_of(grouped { layers = "hidden", match = "03" }),
    "SGD: group 1 meets no parameter of the model")
  lu.assertStrContains(error_of(grouped { lr = 1 }), "SGD: group 1 names nothing")
  lu.assertStrContains(error_of(grouped { match = "h", momentum = 1 }), "SGD: group 1: group has no option 'momentum'")
  lu.assertStrContains(error_of(grouped { match = 3 }), "SGD: group 1: 'match' takes a name or a list of names")
  lu.assertStrContains(error_of(grouped { match = "h", lr = 1, lr_scale = 2 }),
    "SGD: group 1 has both lr and lr_scale; give one")
  lu.assertStrContains(error_of(function() optim.SGD { groups = 3 } end), "option 'groups' takes a list of groups")
  lu.assertStrContains(error_of(function() optim.SGD():bind(3) end), "argument 'model' takes a layer, got 3")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
