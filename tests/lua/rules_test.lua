-- Every schedule and every stopping rule there is, in trainings: of values that are constant, never finite, finite
-- late; at the first epoch; and interrupted and continued, which gives the same rates, decisions and weights.
local lu = require "luaunit"
local pl = require "perilune"
local sorted_keys = require "perilune.base.sorted_keys"
local scratch = dofile "tests/lua/support_scratch.lua" "rules_test"
local nn, inf, nan = pl.nn, math.huge, 0 / 0

local EPOCHS, HALF = 8, 2

-- What a rule needs; one that is not named here needs nothing.
local needs = { step = { every = 2 }, multi_step = { at = { 2, 4 } }, exponential = { factor = 0.9 },
  inverse = { k = 1 }, plateau = { patience = 1 }, patience = { patience = 3 }, window = { patience = 3 } }

-- What a rule may watch: the value of an epoch.
local watched = {
  constant = function() return 1 end,
  never = function() return nan end,
  too_large = function() return inf end,
  too_small = function() return -inf end,
  falling = function(epoch) return 1 / epoch end,
  late = function(epoch) return epoch < 3 and nan or 1 / epoch end,
  with_gaps = function(epoch) return epoch % 2 == 0 and nan or 1 end,
}

local function options_of(name, more)
  local o = {}
  for key, value in pairs(needs[name] or {}) do o[key] = value end
  for key, value in pairs(more) do o[key] = value end
  return o
end

local x, y = pl.rand({ 20, 4 }, { seed = 1 }), pl.randint(0, 2, { 20 }, { seed = 2 })
local function experiment(fields, value)
  local f = { name = "rules", data = pl.data.from_tensors { x = x, y = y }, model = nn.Sequential { nn.Linear(4, 3) },
    loss = nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 }, epochs = EPOCHS, batch_size = 7,
    metrics = { own = function(ctx) return value(ctx.epoch) end } }
  for name, item in pairs(fields) do f[name] = item end
  return pl.experiment(f)
end

local function digest(run) return require "perilune.run.record".digest(run.model:state()) end

local folders = 0
-- Two runs of what `make` makes: in one go, and interrupted after HALF epochs by what a Ctrl-C does.
local function both(make)
  folders = folders + 1
  local folder = ("%s/%d"):format(scratch, folders)
  local whole = make():run { out = false, quiet = true, silent = true }
  make():run { out = folder, quiet = true, silent = true, pause_after = HALF }
  return whole, make():run { out = folder, quiet = true, silent = true }
end

local function assert_same(whole, halves, what)
  local function of(run) return { run.ended, run.state.epoch, run.best and run.best.epoch, digest(run) } end
  lu.assertEquals(of(halves), of(whole), what)
  for epoch = 1, #whole.history do
    lu.assertEquals(halves.history[epoch].lr, whole.history[epoch].lr, what .. ", epoch " .. epoch)
  end
end

TestRules = {}

function TestRules:test_every_schedule()
  for _, name in ipairs(sorted_keys(pl.schedule)) do
    local watches = rawget(pl.schedule[name](options_of(name, {})), "monitor")
    for what, value in pairs(watches and watched or { constant = watched.constant }) do
      for _, per in ipairs(pcall(pl.schedule[name], options_of(name, { per = "step" })) and { "epoch", "step" }
        or { false }) do
        local function make()
          local more = { per = per or nil, monitor = watches and "own" or nil, mode = watches and "min" or nil }
          return experiment({ schedule = pl.schedule[name](options_of(name, more)) }, value)
        end
        local whole, halves = both(make)
        assert_same(whole, halves, name .. " of " .. what)
        for epoch = 1, EPOCHS do
          local lr = whole.history[epoch].lr
          lu.assertTrue(lr >= 0 and lr < inf, name)
          if watches then lu.assertTrue(lr <= 0.1, name .. " raises a rate") end
        end
        if watches then lu.assertEquals(whole.history[1].lr, 0.1) end      -- nothing is known at the first epoch
      end
    end
  end
end

-- Which epoch is the last, and which is the best.
local ends = {
  patience = { constant = { 4, 1 }, never = { 3 }, too_large = { 3 }, too_small = { 3 }, falling = { 8, 8 },
    late = { 8, 8 }, with_gaps = { 4, 1 } },
  window = { constant = { 3, 1 }, never = { 3 }, too_large = { 3 }, too_small = { 3 }, falling = { 8, 8 },
    late = { 8, 8 }, with_gaps = { 3, 1 } },
}

function TestRules:test_every_stopping_rule()
  for _, name in ipairs(sorted_keys(pl.stopping)) do
    for what, value in pairs(watched) do
      local function make()
        return experiment({ stopping = pl.stopping[name](options_of(name, { monitor = "own", mode = "min" })) }, value)
      end
      local whole, halves = both(make)
      assert_same(whole, halves, name .. " of " .. what)
      lu.assertEquals({ whole.state.epoch, whole.best and whole.best.epoch }, ends[name][what], name .. " of " .. what)
      lu.assertEquals(whole.ended, whole.state.epoch < EPOCHS and "stopping" or "epochs")
      -- one epoch says nothing yet
      lu.assertEquals(make():run { out = false, quiet = true, silent = true, epochs = 1 }.ended, "epochs")
      -- without a best epoch the weights are those of the last
      if not whole.best then
        local plain = experiment({}, value):run { out = false, quiet = true, silent = true, epochs = whole.state.epoch }
        lu.assertEquals(digest(whole), digest(plain))
      end
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
