-- Who owns what, when scripts end things early (free, close, <close>), when the collector's finalizers meet objects in
-- any order, and when a function of the script takes away what is being used. Each of these once read freed memory.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn, optim = pl.nn, pl.optim

TestOwnership = {}

local function images(n)
  return pl.data.from_tensors { x = pl.rand({ n, 4, 4, 1 }, { seed = 1 }), y = pl.randint(0, 2, n), name = "p" }
end
local function model() return nn.Sequential { nn.Flatten(), nn.Linear(16, 3) } end
local function experiment(d, fields)
  local e = { name = "own", data = d, model = model(), loss = nn.CrossEntropy(), optimizer = optim.SGD { lr = 0.1 },
    epochs = 3, batch_size = 8, test = false }
  for k, v in pairs(fields) do e[k] = v end
  return pl.experiment(e)
end
local function weights(e) return pl.store.sha256(e.model[2].weight) end
local function collect() for _ = 1, 3 do collectgarbage() end end

-- Runs f in a finalizer: of an object that has become garbage together with all that `make` returns.
local function in_a_finalizer(make, f)
  local ok, result
  do
    local holder = {}
    local before = setmetatable({}, { __gc = function() ok, result = pcall(f, holder) end })
    holder.before = before
    make(holder)
    local after = setmetatable({}, { __gc = function() ok, result = pcall(f, holder) end })
    holder.after = after
  end
  collect()
  return ok, result
end

function TestOwnership:test_a_layer_whose_parent_was_finalized()
  local seen
  do
    local child = nn.Linear(2, 2)
    local holder = setmetatable({}, { __gc = function(h)
      local y = h.child.weight
      seen = { label = h.child:label(), path = h.child:path(), weight = y:totable(),
        grad = h.child.grad.weight:totable() }
    end })
    holder.child = child
    local parent = nn.Sequential { nn.ReLU(), child }
    parent:build { 2 }
    child.weight = pl.tensor { { 1, 2 }, { 3, 4 } }
  end
  collect()
  lu.assertEquals(seen, { label = "layer 2 (Linear)", path = "02_linear", weight = { { 1, 2 }, { 3, 4 } },
    grad = { { 0, 0 }, { 0, 0 } } })
end

function TestOwnership:test_all_that_can_be_done_in_a_finalizer()
  local calls = {
    function(h) return h.inner:forward(pl.ones(2, 16)) end, function(h) return h.inner:infer(pl.ones(2, 16)) end,
    function(h) return tostring(h.inner), h.outer:summary() end, function(h) return h.outer[1][1], h.outer:find "x" end,
    function(h) return h.outer:state() end, function(h) h.opt:step() end, function(h) return h.opt:state() end,
    function(h) return h.trainer:run(1, 1, 1) end, function(h) return h.trainer:batch(1, 1) end, function(h)
      return h.data:range(1, 2)
    end,
    function(h) return h.augment:apply(pl.ones(2, 4, 4, 1)) end, function(h)
      return h.loss(pl.ones(2, 3), pl.tensor({ 1, 2 }, "i32"))
    end,
    function(h) return h.tensor + h.tensor end, function(h)
      return core.trainer.evaluate(h.outer, h.data, h.loss, "logits")
    end,
    function(h) return h.outer:infer(pl.ones(2, 16)) end,
    function(h) return nn.Sequential { h.outer } end, function(h) return nn.Sequential { h.inner } end,
  }
  for _, f in ipairs(calls) do
    for _, order in ipairs { 1, 2 } do
      local _, why = in_a_finalizer(function(h)
        local inner = nn.Linear(16, 3, { name = "x" })
        if order == 1 then h.opt, h.loss = optim.Adam(), nn.CrossEntropy() end
        h.outer = nn.Sequential { nn.Sequential { inner, nn.Lambda { forward = function(x) return x end,
          backward = function(dy) return dy end } } }
        h.inner = inner
        h.outer:build { 16 }
        h.opt, h.loss, h.tensor = h.opt or optim.Adam(), h.loss or nn.CrossEntropy(), pl.ones(3)
        h.opt:bind(h.outer)
        h.augment, h.data = pl.augment.noise(0.1), core.data.new(pl.rand(8, 16),
          pl.tensor({ 0, 1, 2, 0, 1, 2, 0, 1 }, "i32"))
        h.trainer = core.trainer.new { model = h.outer, loss = h.loss, optimizer = h.opt, data = h.data,
          batch_size = 4 }
      end, f)
      lu.assertTrue(why == nil or type(why) ~= "string" or why:find "freed" ~= nil or why:find "closed" ~= nil
        or why:find "expected" ~= nil
        or why:find "completely" ~= nil or why:find "collected" ~= nil or why:find "part of a" ~= nil
          or why:find "Linear" ~= nil, why)
    end
  end
end

function TestOwnership:test_a_training_goes_on_when_the_script_closes_what_it_uses()
  local d = images(32)
  local plain = experiment(d, { augment = pl.augment.affine { rotate = 10 } })
  plain:run { out = false, quiet = true }
  for _, what in ipairs { "augment", "data" } do
    local a = pl.augment.affine { rotate = 10 }
    local e = experiment(d, { augment = a, callbacks = { on_epoch = function(ctx)
      if ctx.epoch ~= 1 then return end
      if what == "augment" then local _ <close> = a else local _ <close> = d.train:read() end
      collect()
    end } })
    e:run { out = false, quiet = true }
    lu.assertEquals(weights(e), weights(plain))
      if what == "augment" then
        lu.assertErrorMsgContains("was closed", function() return a:apply(pl.ones(1, 4, 4, 1)) end)
      end
  end
  lu.assertEquals(d.train:tensors(1, 2).shape, { 2, 4, 4, 1 })      -- a handle was closed, not the data set
end

function TestOwnership:test_a_closed_handle()
  local handle = images(8).train:read()
  do local _ <close> = handle end
  lu.assertErrorMsgContains("this data set was closed", handle.range, handle, 1, 2)
  lu.assertErrorMsgContains("this data set was closed", core.trainer.evaluate, model(), handle)
end

function TestOwnership:test_a_trainer_keeps_what_it_was_made_of()
  local options, watch
  do
    local m = model():build { 4, 4, 1 }
    options = { model = m, loss = nn.CrossEntropy(), optimizer = optim.SGD { lr = 0.1 }:bind(m),
      data = core.data.new(pl.rand(32, 4, 4, 1),
      pl.randint(0, 2, 32)), augment = { pl.augment.noise(0.1) }, batch_size = 8 }
    watch = setmetatable({ m }, { __mode = "v" })
  end
  local trainer = core.trainer.new(options)
  for k in pairs(options) do options[k] = nil end
  collect()
  lu.assertNotNil(watch[1])
  for epoch = 1, 3 do lu.assertEquals(select(4, trainer:run(epoch, 1, 4)), 4) end
  lu.assertEquals(trainer:batch(1, 1).shape, { 8, 4, 4, 1 })
end

-- Each `read` of this gives another data set: the one in use must not go when it is asked again.
function TestOwnership:test_a_data_set_that_is_always_new()
  local source = { read = function() return core.data.new(pl.rand(200, 16), pl.randint(0, 2, 200)) end }
  local other = model()
  local m = nn.Sequential { nn.Lambda { forward = function(x)
    core.trainer.evaluate(other, source, nil, "logits")
    collect()
    return x
  end }, nn.Linear(16, 3) }
  lu.assertEquals(core.trainer.evaluate(m, source, nil, "logits").count, 200)
end

function TestOwnership:test_augmentations_that_a_shape_takes_away()
  local list = { pl.augment.noise(0.1), pl.augment.cutout(1) }
  local m = nn.Sequential { nn.Flatten(), nn.Linear(16, 3), nn.Lambda { forward = function(x) return x end,
    backward = function(dy) return dy end, shape = function(s)
    for i = 1, #list do list[i] = nil end
    collect()
    return s
  end } }
  m:build { 4, 4, 1 }
  list = { pl.augment.noise(0.1), pl.augment.cutout(1) }
  local optimizer = optim.SGD { lr = 0.1 }:bind(m)
  m:build { 2, 8, 1 }
  list = { pl.augment.noise(0.1), pl.augment.cutout(1) }
  local trainer = core.trainer.new { model = m, loss = nn.CrossEntropy(), optimizer = optimizer, augment = list,
    batch_size = 8,
    data = core.data.new(pl.rand(32, 4, 4, 1), pl.randint(0, 2, 32)) }
  lu.assertEquals(#list, 0)
  trainer:run(1, 1, 4)
end

-- A finalizer that runs where a function of the library asks Lua for memory may free what that function is about to
-- read.
function TestOwnership:test_finalizers_that_free_what_is_in_use()
  local t, r, w
  local function trap()
    setmetatable({}, { __gc = function()
      if t then t:free() end
      if r then r:close() end
      if w then w:discard() end
    end })
  end
  local path = os.getenv "TEST_TMP" .. "/own.h5"
  assert(pl.save(path, { x = pl.ones(100) }))
  local pause, step = collectgarbage("setpause", 100), collectgarbage("setstepmul", 1000)
  for i = 1, 60 do
    t, r, w = nil, nil, nil
    local t2 = pl.ones(40, 5)
    if i % 10 == 0 then r, w = assert(pl.store.open(path)), assert(pl.store.create(path .. "2")) end
    t = t2
    for _ = 1, 20 do trap() end
    local ok, sum = pcall(function() return (t2 + t2):sum() end)
    lu.assertTrue(not ok or sum == 400)
    pcall(function()
      return pl.cat { t2, t2 }, t2:totable(), t2.shape, t2:slice(1, 1, 2), t2:sort(), t2:index(1, { 1, 2 })
    end)
    if r then pcall(function() return r:list(), r:attrs(), r:tensor "x", r:numbers "x" end) end
    if w then
      pcall(function()
        return w:group("/a", { b = 1, c = "x" }), w:tensor("/t", t2:T()), w:numbers("/n", { 1, 2, 3 })
      end)
    end
  end
  collectgarbage("setpause", pause)
  collectgarbage("setstepmul", step)
end

-- As many numbers, in other parameters.
function TestOwnership:test_an_optimizer_of_another_model()
  local layers = {}
  for i = 1, 16 do layers[i] = nn.Linear(i == 1 and 16 or 1, 1, { bias = false }) end
  local m, other = nn.Sequential(layers):build { 16 },
    nn.Sequential { nn.Linear(256, 1, { bias = false }) }:build { 256 }
  local options = { model = m, loss = nn.MSE(), optimizer = optim.Adam():bind(other),
    data = core.data.new(pl.rand(64, 16), pl.rand(64, 1)), batch_size = 8 }
  lu.assertErrorMsgContains("not bound to this model", core.trainer.new, options)
  options.optimizer = optim.Adam():bind(m)
  local trainer = core.trainer.new(options)
  options.optimizer:bind(other)
  lu.assertErrorMsgContains("not bound to this model", trainer.run, trainer, 1, 1, 4)
end

function TestOwnership:test_freeing_gives_memory_back_at_once_outside_finalizers()
  collect()
  local before = core.system.memory()
  local t = pl.zeros(1000000)
  t:free()
  lu.assertTrue(core.system.memory() - before < 100000)
  do local _ <close> = pl.zeros(1000000) end
  lu.assertTrue(core.system.memory() - before < 100000)
end

function TestOwnership:test_finalizers_are_not_for_scripts()
  local m = model()
  for _, object in ipairs { pl.ones(1), m, nn.MSE(), optim.SGD { lr = 1 }, pl.augment.noise(1),
    images(4).train:read() } do
    lu.assertEquals(type(getmetatable(object)), "string")
    lu.assertTrue(not pcall(function() object.__gc(object) end))
  end
  lu.assertNil(core.nn.metatable)
end

function TestOwnership:test_everything_is_given_back()
  collect()
  local before = core.system.memory()
  do
    local inner = nn.Linear(16, 3)
    inner:build { 16 }
    local m = nn.Sequential { inner, nn.Residual { nn.Linear(3, 3) } }
    m:forward(pl.ones(2, 16))
    lu.assertFalse((pcall(nn.Residual, { m, m, m })))
    local options = { model = nn.Sequential { nn.Linear(16, 3) }:build { 16 }, loss = nn.MSE(),
      optimizer = optim.SGD { lr = 1 },
      data = core.data.new(pl.rand(8, 16), pl.rand(8, 3)), augment = {} }
    options.optimizer:bind(options.model)
    core.trainer.new(options):run(1, 1, 1)
    local _ <close> = pl.augment.elastic()
    local _ <close> = images(100).train:read()
  end
  collect()
  lu.assertEquals((core.system.memory()), before)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
