-- What the api campaign calls things with: numbers at every border, texts, tables that lie about themselves, functions
-- that throw and yield, and one object of every kind that the library makes.
local pl = require "perilune"
local core = require "perilune.core"

local M = {}

local function lying(meta) return setmetatable({ 1, 2 }, meta) end
local function thrower() error("thrown on purpose", 0) end
local function thrower_of_objects() error { "an object" } end
local function yielder(...)
  coroutine.yield "yielded on purpose"
  return ...
end
local function echo(...) return ... end
local function nothing() end

local endless = {}
endless[1], endless.x = endless, endless

M.plain = {
  true, false, 0, 1, 2, 3, 4, 5, 7, 10, 28, -1, -2, -7, 100, 255, 256, 1000, 65536, 1000000000, 0x7fffffff, 0x80000000,
    -0x80000000,
  0xffffffff, 1 << 40, 1 << 53, 1 << 62, math.maxinteger, math.mininteger, math.maxinteger // 4 + 1, 0.0, -0.0, 0.1,
    0.5, 0.99, 1.0, 1.5, -0.5,
  1e-300, 1e38, 1e300, math.huge, -math.huge, 0 / 0, "", "x", "f32", "u8", "i32", "same", "valid", "he", "train",
    "infer", "epoch", "1", "nan",
  "weight", "lr", "\0", "a\0b", "\255\254", "%s%n%d", "file.h5", "no/such/file", ".", ("long "):rep(200),
    ("/x"):rep(100),
  {}, { 0 }, { 1 }, { -1 }, { 3 }, { 2, 2 }, { 4, 4, 1 }, { 8, 8, 1 }, { 6, 5 }, { 2.5 }, { "a", "b" },
    { { 1, 2 }, { 3, 4 } }, { { 1 }, { 2, 3 } },
  { 1 << 31, 1 << 31 }, { 1 << 62, 4 }, { math.maxinteger, 2 }, { 1, 1, 1, 1, 1, 1, 1 }, { 0, 5 }, { 1, nil, 3 },
    { 0 / 0 },
  { seed = 1 }, { seed = 0 / 0 }, { lr = 0.1 }, { lr = -1 }, { p = 0.5 }, { keepdim = true }, { name = "x" },
    { padding = "same" }, { stride = 2 },
  { unknown = 1 }, { [1.5] = 1 }, { [true] = 1 }, { type = "Linear", config = { ["in"] = 2, out = 2 } },
    { type = "Nonsense" },
  { train = 20, test = 10 }, { first = 5 }, { per_class = 1 }, { fraction = 0.3 }, { out = false, quiet = true },
    { kernel = 3, stride = 0 },
  endless, coroutine.create(yielder), io.stdout, os.time, print, nothing, echo, thrower, thrower_of_objects, yielder,
  lying { __len = function() return math.maxinteger end }, lying { __len = function() return -5 end },
  lying { __len = function() return "many" end },
  lying { __len = thrower }, lying { __index = thrower }, lying { __index = echo }, lying { __len = yielder },
    lying { __name = 5, __tostring = nothing },
  lying { __call = thrower, __eq = thrower, __lt = thrower, __add = thrower, __concat = thrower, __newindex = thrower },
  setmetatable({}, { __metatable = "closed" }), lying { __index = function(_, key) return { key } end },
}
for i = 1, 40 do M.plain[#M.plain + 1] = i % 9 - 1 end     -- small numbers get furthest

M.functions = { nothing, echo, thrower, thrower_of_objects, yielder, collectgarbage, function() return 0 / 0 end,
  function() return "text" end,
  function() return pl.zeros(1) end, function() return -1 end, function(x) return x and collectgarbage() and x end }

local function freed()
  local t = pl.ones(3)
  t:free()
  return t
end

local function closed(reader)
  reader:close()
  return reader
end

local function discarded(writer)
  writer:discard()
  return writer
end

local function bound(optimizer, model) return optimizer:bind(model) end

local function small_model() return pl.nn.Sequential { pl.nn.Linear(16, 5), pl.nn.ReLU(), pl.nn.Linear(5, 3) } end

local function conv_model()
  return pl.nn.Sequential { pl.nn.Conv2d(1, 2, 3, { padding = "same" }), pl.nn.BatchNorm(2), pl.nn.ReLU(),
    pl.nn.MaxPool2d(2), pl.nn.Dropout(0.2),
    pl.nn.Flatten(), pl.nn.Linear(8, 3) }
end

--- A small data set of three classes: 12 images of 4 x 4.
function M.data()
  local x, y = pl.rand(12, 4, 4, 1), pl.tensor({ 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 }, "i32")
  return pl.data.from_tensors { x = x, y = y, test_x = x:slice(1, 1, 6), test_y = y:slice(1, 1, 6) }
end

--- Makers of objects; each is called anew when its objects are used up.
M.makers = {
  function() return pl.rand(2, 3) end, function() return pl.randn(4) end, function() return pl.tensor { 1, 2, 3 } end,
  function() return pl.arange(0, 11):reshape(3, 4) end, function() return pl.ones(2, 3):T() end, function()
    return pl.zeros(0, 3)
  end,
  function() return pl.tensor(5) end, function() return pl.tensor({ 0, 1, 2 }, "i32") end, function()
    return pl.tensor({ 1, 255 }, "u8")
  end,
  function() return pl.full({ 2, 2 }, 0 / 0) end, function() return pl.rand(12, 4, 4, 1) end, function()
    return pl.rand(2, 16)
  end,
  function() return pl.rand(1, 2, 1, 2, 1, 2) end, function() return pl.rand(5):expand(3, 5) end, function()
    return pl.rand(6, 4):slice(1, 2, 3)
  end,
  freed, function() return pl.tensor { 1, -2, 3 }:gt(0) end,
  small_model, conv_model, function() return small_model():build { 16 } end, function()
    return conv_model():build { 4, 4, 1 }
  end,
  function() return pl.nn.Linear(4, 2) end, function() return pl.nn.Residual { pl.nn.Linear(3, 3) } end, function()
    return pl.nn.Dropout(0.5)
  end,
  function()
    return pl.nn.Lambda { forward = M.functions[math.random(#M.functions)],
      backward = M.functions[math.random(#M.functions)] }
  end,
  function() return pl.nn.CrossEntropy() end, function() return pl.nn.MSE() end, function() return pl.nn.Huber() end,
  function() return pl.optim.SGD { lr = 0.1, momentum = 0.9 } end, function()
    return bound(pl.optim.Adam(), small_model():build { 16 })
  end,
  function() return bound(pl.optim.LAMB(), conv_model():build { 4, 4, 1 }) end,
  function() return pl.augment.affine { rotate = 10, shift = 0.1 } end, function() return pl.augment.noise(0.1) end,
  function() return pl.augment.compose { pl.augment.cutout(2), pl.augment.elastic() } end,
  M.data, function() return M.data().train end, function() return M.data().test:read() end, function()
    return M.data():validation(0.25)
  end,
  function() return pl.data.digits { train = 30, test = 10 } end,
  function() return pl.schedule.cosine { epochs = 5 } end, function()
    return pl.schedule.step { every = 2, factor = 0.5 }
  end,
  function() return pl.stopping.patience { monitor = "train_loss", patience = 1 } end,
  function() return pl.store.create "made.h5" end, function() return discarded(pl.store.create "other.h5") end,
  function() return pl.store.open "file.h5" end, function() return closed(pl.store.open "file.h5") end,
  function()
    local model = small_model():build { 16 }
    return core.trainer.new { model = model, loss = pl.nn.CrossEntropy(), optimizer = bound(pl.optim.Adam(), model),
      batch_size = 4,
      data = pl.data.from_tensors { x = pl.rand(10, 16),
        y = pl.tensor({ 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 }, "i32") }.train }
  end,
  function() return M.experiment {} end,
}

--- A small experiment with some fields replaced.
function M.experiment(fields)
  local e = { name = "api", seed = 1, epochs = 2, batch_size = 5, data = M.data(), model = conv_model(),
    loss = pl.nn.CrossEntropy(),
    optimizer = pl.optim.Adam { lr = 0.01 } }
  for key, value in pairs(fields) do e[key] = value end
  return pl.experiment(e)
end

return M
