-- Inside the program of allocations.c: does something small again and again, and each time the next allocation fails.
-- It then raises or returns an error that speaks of memory, or does as if nothing had happened; nothing is lost, and no
-- file damaged. usage: allocations tests/campaigns/allocations_each.lua FOLDER STEP FIRST LAST FIRST, LAST: which
-- things. STEP 0: every n. Else n grows by a part of itself: n + 1 + n // STEP.
local pl = require "perilune"
local core = require "perilune.core"
local record = require "perilune.run.record"
local nn = pl.nn
local fail = fail        -- luacheck: ignore
local folder, step = arg[1], math.tointeger(arg[2])
local first, last_thing = math.tointeger(arg[3]), math.tointeger(arg[4])

local function file(name) return folder .. "/" .. name end

local function read(path)
  local f = io.open(path, "rb")
  local text = f and f:read "a"
  if f then f:close() end
  return text
end

local function model()
  return nn.Sequential { nn.Conv2d(1, 2, 5, { stride = 3, name = "first" }), nn.BatchNorm(2), nn.ReLU(),
    nn.Dropout(0.1), nn.Flatten(), nn.Linear(128, 10) }
end

local ready = model():build { 28, 28, 1 }
ready:initialize(5)
local images = pl.rand(4, 28, 28, 1, { seed = 1 })
local labels = ready:predict(images)
local tensors = { a = pl.rand(40, 3, { seed = 2 }), b = { c = pl.tensor({ 1, 2 }, "i32"), name = "text", rate = 0.5 } }
local data = pl.data.digits { train = 16, test = 4, seed = 3 }
data.train:read()
data.test:read()

local function experiment()
  return pl.experiment { name = "allocations", seed = 2, epochs = 1, batch_size = 8, data = data, model = model(),
    loss = nn.CrossEntropy(),
    optimizer = pl.optim.Adam { lr = 0.01 }, validation = 0.25, test = "end", schedule = pl.schedule.cosine(),
      augment = pl.augment.affine { shift = 0.1 },
    stopping = pl.stopping.patience { monitor = "val_loss", patience = 3 } }
end

local function idx(path, bytes)
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
end
idx(file "images", "\0\0\8\3\0\0\0\3\0\0\0\2\0\0\0\2" .. ("abcdefghijkl"))
idx(file "labels", "\0\0\8\1\0\0\0\3\7\0\9")

assert(pl.save(file "saved.h5", tensors))
assert(ready:save(file "model.h5"))
local before = {}
local function remember()
  for _, name in ipairs { "saved.h5", "model.h5" } do before[name] = read(file(name)) end
end

-- Each returns what must be equal whenever it succeeds.
local things = {
  { "save", function() return pl.save(file "saved.h5", tensors) end },
  { "save of a model", function() return ready:save(file "model.h5") end },
  { "load", function()
    local found, message = pl.load(file "saved.h5")
    if not found then return nil, message end
    return found.a:equal(tensors.a) and found.b.c:equal(tensors.b.c) and found.b.name .. found.b.rate
  end },
  { "load of a model", function()
    local found, message = nn.load(file "model.h5")
    if not found then return nil, message end
    return record.digest(found:state())
  end },
  { "verify", function() return core.store.verify(file "model.h5") end },
  { "IDX files", function()
    local set = pl.data.idx { train_images = file "images", train_labels = file "labels", labels = 10 }
    return set.train.sha256 .. core.store.sha256((set.train:tensors()))
  end },
  { "digits", function() return pl.data.digits { train = 3, test = 0, seed = 9 }.train:read():digest() end },
  { "prediction", function() return ready:predict(images):equal(labels) and ready:probabilities(images):size(2) end },
  { "evaluation", function() return ready:evaluate(data.test, { loss = nn.CrossEntropy() }).loss end },
  { "description", function()
    return ready:summary() .. tostring(ready) .. tostring(pl.optim.Adam()) .. tostring(images)
  end },
  { "training", function()
    local run = experiment():run { out = file "run", quiet = true, fresh = true }
    return record.digest(run.model:state()) .. run.history.train_loss[1]
  end },
  { "continued training", function()
    local run = experiment():run { out = file "run", quiet = true, epochs = 2, force = true }
    return record.digest(run.model:state()) .. run.history.train_loss[2]
  end, function() experiment():run { out = file "run", quiet = true, fresh = true } end },
}

-- After a success the files may be new ones, with the same content; else they are untouched.
local function whole(what, success)
  for name, bytes in pairs(before) do
    local ok, message = core.store.verify(file(name))
    if not ok then error(("%s: %s"):format(what, message), 0) end
    if not success and read(file(name)) ~= bytes then error(("%s: %s is not as it was"):format(what, name), 0) end
  end
  if success then
    local found, loaded = assert(pl.load(file "saved.h5")), assert(nn.load(file "model.h5"))
    if not (found.a:equal(tensors.a) and found.b.c:equal(tensors.b.c) and found.b.name == "text"
      and found.b.rate == 0.5) then
      error(what .. ": saved.h5 has another content", 0)
    end
    if record.digest(loaded:state()) ~= record.digest(ready:state()) or tostring(loaded) ~= tostring(ready) then
      error(what .. ": model.h5 has another content", 0)
    end
    remember()
  end
  for _, name in ipairs { "run/checkpoint.h5", "run/run.h5", "run/best.h5" } do
    if read(file(name)) then
      local ok, message = core.store.verify(file(name))
      if not ok then error(("%s: %s"):format(what, message), 0) end
    end
  end
end

local function held()
  collectgarbage()
  collectgarbage()
  return (pl.system.memory())
end

local function says_why(message)
  local text = type(message) == "table" and message.message or message
  return type(text) == "string" and (text:find "memory" ~= nil or text:find "cannot be allocated" ~= nil)
end

local failures, raised = 0, 0
local function try(thing, kind, n, expected)
  local name, body, prepare = thing[1], thing[2], thing[3]
  local what = ("%s, with allocation %d of %s failing"):format(name, n, kind)
  if prepare then prepare() end
  local live = held()
  local files = #core.store.listdir "/proc/self/fd"
  fail[kind](n)
  local ok, value, message = pcall(body)
  local hit = fail.off()
  if not hit then
    remember()      -- it was done once more
    return false
  end
  failures = failures + 1
  if not ok or not value then
    raised = raised + 1
    if not says_why(ok and message or value) then
      error(("%s: the message is: %s"):format(what, tostring(ok and message or value)), 0)
    end
  elseif value ~= expected then
    error(("%s: another result: %s, expected %s"):format(what, tostring(value), tostring(expected)), 0)
  end
  local now = held()
  if now ~= live then error(("%s: %d bytes are lost"):format(what, now - live), 0) end
  if #core.store.listdir "/proc/self/fd" ~= files then error(what .. ": a file stays open", 0) end
  whole(what, ok and value)
  return true
end

local sums = {}
things = table.move(things, first, last_thing, 1, {})
for _, thing in ipairs(things) do
  if thing[3] then thing[3]() end
  local expected = assert(thing[2]())
  if thing[3] then thing[3]() end
  assert(thing[2]() == expected, thing[1] .. " differs from time to time")
  remember()
  for _, kind in ipairs { "core", "json", "lua" } do
    local n, last = 1, 0
    while try(thing, kind, n, expected) do
      last = n
      n = n + 1 + (step > 0 and n // step or 0)
    end
    sums[kind] = (sums[kind] or 0) + last
  end
  io.stderr:write(("%s: %d so far\n"):format(thing[1], failures))
end
print(("%d failures, %d errors, %d things: %d of the core, %d of JSON, %d of Lua"):format(failures, raised, #things,
  sums.core, sums.json, sums.lua))
