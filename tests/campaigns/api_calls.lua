-- One process of the api campaign: random calls of everything that can be reached, decided by a seed alone. Only Lua
-- errors may come of it. usage: perilune tests/campaigns/api_calls.lua SEED CALLS      (in a folder that may be written
-- to) The call under way is kept in the file last-call, for when there is nobody left to tell.
local pl = require "perilune"
local core = require "perilune.core"
local here = arg[0]:match "^(.*)/" or "."
local values, declared = dofile(here .. "/api_values.lua"), dofile(here .. "/api_declared.lua")
local reached = dofile(here .. "/api_functions.lua")
local functions, from_public, collect_methods = reached.functions, reached.from_public, reached.collect_methods

local seed, calls = math.tointeger(arg[1]), math.tointeger(arg[2])
local word = 0
local function random(n)
  word = word + 1
  return math.floor(core.system.random(seed, 8, 0, 0, word) * n) + 1
end
local function pick(list) return list[random(#list)] end
math.random = function(n) return random(n or 1 << 20) end

local LARGEST = 5000      -- elements of a tensor, samples of a data set that is called with again
local MEMORY = 48 << 20
pl.system.memory_limit(MEMORY)
pl.system.threads(2)

-- Objects ----------------------------------------------------------------------------------------------------------

-- By class, so that the many tensors do not hide the few readers.
local classes, objects_of = {}, {}
local function pick_object() return pick(objects_of[pick(classes)]) end

local function small(object)
  local ok, size = pcall(function()
    if type(object) == "table" then
      return math.max(rawget(object, "count") or 0, rawget(object, "train") and object.train.count or 0)
    end
    if pl.is_tensor(object) then return object:count() end
    return 0
  end)
  return not ok or type(size) ~= "number" or size <= LARGEST
end

local function is_object(value)
  local meta = type(value) ~= "string" and debug.getmetatable(value)
  if type(meta) ~= "table" or type(value) == "userdata" and io.type(value) then return false end
  local name = rawget(meta, "__name")
  return type(value) == "userdata" or type(name) == "string" and (name:find "^perilune%." or name:find "^pl%.") ~= nil
end

local function keep(object)
  if not is_object(object) or not small(object) then return end
  collect_methods(object)
  local class = tostring(rawget(debug.getmetatable(object), "__name")):match "[^.]*$"
  local list = objects_of[class]
  if not list then
    list = {}
    objects_of[class], classes[#classes + 1] = list, class
  end
  list[#list < 20 and #list + 1 or random(#list)] = object
end

local function make()
  local ok, object = pcall(pick(values.makers))
  if ok then keep(object) end
end

-- Arguments ----------------------------------------------------------------------------------------------------------

local function argument(depth)
  local die = random(20)
  if die <= 9 then return pick_object() end
  if die == 10 then return nil end
  if die == 11 then return pick(values.functions) end
  if die == 12 and depth > 0 then
    local list = {}
    for i = 1, random(3) do list[i] = argument(depth - 1) end
    return list
  end
  if die == 13 and depth > 0 then
    local t = {}
    for _ = 1, random(3) do
      t[pick { "x", "y", "seed", "shape", "train", "model", "loss", "data", "forward", "backward", "name", "p", "lr",
        "kernel", "stride", "keepdim",
        "path", "type", "config", "layers", "epochs", "per", "weight", "monitor", "patience", "foreign", "labels",
        "init" }] = argument(depth - 1)
    end
    return t
  end
  return pick(values.plain)
end

local function wild_arguments()
  local list = { n = random(5) - 1 }
  for i = 1, list.n do list[i] = argument(1) end
  return list
end

-- An object of the class "perilune.Layer": one whose metatable is called perilune.layer, or so.
local function object_of(class)
  local list = objects_of[class:lower():match "[^.]*$"]
  return list and pick(list)
end

local hostile, disturb, closing
local numbers, texts = {}, {}
for _, value in ipairs(values.plain) do
  if type(value) == "number" then numbers[#numbers + 1] = value elseif type(value)
    == "string" then texts[#texts + 1] = value end
end
local declared_arguments = declared.new { random = random, pick = pick, numbers = numbers, texts = texts,
  object = object_of,
  anything = function() return argument(1) end, callback = function() return hostile() end }

-- For three calls in four what is declared, if anything is; `self`, where there is one, is put before it.
local function arguments(path, self)
  local list = random(4) > 1 and declared_arguments.call(path) or wild_arguments()
  if self ~= nil then
    table.insert(list, 1, self)
    list.n = list.n + 1
  end
  return list
end

-- Calls --------------------------------------------------------------------------------------------------------------

local last = assert(io.open("last-call", "w"))
local made, raised = 0, 0

local function note(name)
  made = made + 1
  last:seek "set"
  last:write(("seed %d, call %d: %-60.60s\n"):format(seed, made, name))
  last:flush()
end

-- In a coroutine the call may yield; it is then taken up a few times, or left lying.
local function in_coroutine(f, list)
  local thread = coroutine.create(function() return f(table.unpack(list, 1, list.n)) end)
  for _ = 1, random(3) do
    local ok, result = coroutine.resume(thread, argument(0))
    if not ok then
      pcall(coroutine.close, thread)
      return false
    end
    if coroutine.status(thread) == "dead" then return true, result end
  end
  return true
end

local kinds = { number = "integer", integer = "integer", string = "string", table = "table", ["function"] = "fun()" }

-- An argument that was refused is replaced by one of the kind that the message asks for.
local function mend(list, message)
  local place, kind = tostring(message):match "bad argument #(%d+) to .- %(([%w_.]+) expected"
  place = math.tointeger(place)
  if not place or place > 6 then return false end
  list[place], list.n = declared_arguments.of(kinds[kind] or kind), math.max(place, list.n)
  return true
end

local function call(entry, list)
  note(entry.name)
  local results
  for _ = 1, 4 do
    if random(8) == 1 then results = table.pack(in_coroutine(entry.f, list))
    else results = table.pack(pcall(entry.f, table.unpack(list, 1, list.n))) end
    if results[1] or random(4) == 1 or not mend(list, results[2]) then break end
  end
  if not results[1] then raised = raised + 1 end
  for i = 2, results.n do
    if results[1] then keep(results[i]) end
  end
end

local function random_call()
  local die = random(10)
  if die <= 4 then
    local entry = functions[random(die <= 3 and from_public or #functions)]
    return call(entry, arguments(entry.name))
  end
  local object = pick_object()
  local methods = collect_methods(object)
  if not methods or #methods == 0 then return end
  local method = pick(methods)
  call(method, arguments(method.name, object))
end

-- Fields that hold users' functions are given hostile ones.
function hostile()
  local f = pick(values.functions)
  local wait = random(6)
  return function(...)
    wait = wait - 1
    if random(12) == 1 then disturb() end
    if wait > 0 then return nil end
    if random(8) == 1 then error(pick { "thrown on purpose", false, {}, 5 }, 0) end
    if random(8) == 1 then closing() end
    local die = random(4)
    if die == 1 then return f(...) end
    if die == 2 then
      local results = wild_arguments()
      return table.unpack(results, 1, results.n)
    end
    random_call()
    return select(random(select("#", ...) + 1), ..., nil)
  end
end

local function lambda(model)
  local forward, backward = hostile(), hostile()
  return pl.nn.Lambda { forward = function(x, training)
    forward(x, training, model)
    return random(4) > 1 and x or argument(0)
  end, backward = function(dy, x, y)
    backward(dy, x, y)
    return random(4) > 1 and dy or argument(0)
  end, shape = random(3) == 1 and hostile() or nil }
end

-- A training whose functions misbehave: they call at random, also what is being trained.
local function training()
  core.system.memory_limit(MEMORY)
  local fields = {}
  local function maybe(name, make_value) if random(3) == 1 then fields[name] = make_value() end end
  maybe("schedule", hostile)
  maybe("loss", function() return random(2) == 1 and hostile() or argument(0) end)
  maybe("augment", function() return random(2) == 1 and hostile() or { pl.augment.noise(0.1), hostile() } end)
  maybe("metrics", function() return { mine = hostile(), test_mine = hostile() } end)
  maybe("callbacks", function()
    return { on_start = hostile(), on_batch = hostile(), on_epoch = hostile(), on_end = hostile() }
  end)
  maybe("stopping", function()
    return pick { pl.stopping.patience { monitor = "train_loss", patience = 1 }, argument(0) }
  end)
  maybe("validation", function() return argument(0) end)
  maybe("test", function() return argument(0) end)
  maybe("batch_size", function() return argument(0) end)
  if random(2) == 1 then
    fields.model = pl.nn.Sequential { pl.nn.Conv2d(1, 2, 3), lambda(), pl.nn.Dropout(0.1), pl.nn.Flatten(),
      pl.nn.Linear(8, 3), lambda() }
  end
  note "pl.experiment"
  local ok, e = pcall(values.experiment, fields)
  if not ok then
    raised = raised + 1
    return
  end
  local options = { quiet = true, out = random(3) == 1 and "run" or false, fresh = random(2) == 1, epochs = random(2),
    checkpoint_every = random(2) - 1 }
  if random(6) == 1 then
    options[pick { "seed", "threads", "out", "force", "confusion", "checkpoint_every" }] = argument(0)
  end
  if math.type(options.threads) == "integer" and options.threads > 8 then options.threads = 8 end
  if math.type(options.out) == "string" and options.out ~= "run" then options.out = "run" end
  call({ name = "perilune.experiment.run", f = e.run }, { n = 2, e, options })
  math.random = function(n) return random(n or 1 << 20) end
end

-- What surrounds calls ---------------------------------------------------------------------------------------------

-- Other limits of memory, hardly above what is held; another number of threads. Sooner or later it is as before.
function disturb()
  local die = random(6)
  if die == 1 then core.system.memory_limit(core.system.memory() + pick { 1, 4096, 1 << 16, 1 << 20, 4 << 20 })
  elseif die == 2 then core.system.threads(pick { 1, 2, 3, 5, 8, 16 })
  else core.system.memory_limit(MEMORY) end
end

-- Garbage whose finalizer uses and ends what others use, some of it garbage too.
local finalizing = false
local function trap()
  local held = { pick_object(), random(3) == 1 and pick_object() or nil }
  setmetatable(held, { __gc = function(t)
    if finalizing then return end
    finalizing = true
    for _, object in pairs(t) do
      local methods = collect_methods(object)
      local method = methods and #methods > 0 and pick(methods)
      if random(4) == 1 then pcall(function() object:free() end) end
      if method then pcall(call, method, arguments(method.name, object)) end
    end
    if random(8) == 1 then pcall(random_call) end
    finalizing = false
  end })
  if random(4) == 1 then
    local class = pick(classes)
    -- the class's own object may be garbage now
    objects_of[class][random(#objects_of[class])] = held[1] or pick_object()
  end
end

-- An object is closed while a call goes on, or a training that uses it.
function closing()
  local object = pick_object()
  local meta = debug.getmetatable(object)
  if not rawget(meta, "__close") then return random_call() end
  local _ <close> = object
  random_call()
end

-- Finalizers run inside a call, whenever it makes something: here they end what that very call was given. The collector
-- is made to go all the way round at the first object made after "restart".
local function midst()
  core.system.memory_limit(MEMORY)
  local ok, object = pcall(pick_object().clone, pick_object())
  if not ok then object = random(2) == 1 and pl.rand(3, 4) or pick_object() end
  local methods = collect_methods(object)
  if not methods or #methods == 0 then return end
  local method = pick(methods)
  local list = arguments(method.name, object)
  note(method.name)
  local function finish()
    for _, name in ipairs { "free", "close", "discard" } do
      pcall(function() object[name](object) end)
    end
  end
  collectgarbage "stop"
  setmetatable({}, { __gc = finish })
  collectgarbage("incremental", 100, 400, 40)
  collectgarbage "restart"
  local fine = pcall(method.f, table.unpack(list, 1, list.n))
  collectgarbage("incremental", 200, 100, 13)
  if not fine then raised = raised + 1 end
end

local passes = dofile(here .. "/api_passes.lua").new { random = random, pick = pick, disturb = disturb,
  closing = closing, call = random_call, MEMORY = MEMORY, begin = note, step = function(ok)
    made = made + 1
    if not ok then raised = raised + 1 end
  end }

-- 2^60 ways through it
local linked = (os.getenv "PERILUNE_SOURCES" or here .. "/../..") .. "/tests/golden/linked_groups.h5"
local function walks()
  note "walks through a file"
  core.system.memory_limit(MEMORY)
  assert(not pl.store.verify(linked) and not pl.load(linked) and not pl.nn.load(linked))
end

-- Layers with more parameters, shapes with larger numbers than anybody needs.
local function borders()
  local m = pick { math.mininteger, math.maxinteger, -1 << 40 }
  note "borders"
  for _, f in ipairs { pl.zeros, function(...) return pl.zeros(4):reshape(...) end,
    function(...) return pl.zeros(1):expand(...) end } do
    assert(not pcall(f, m, m, m, m, m, m))
  end
end

assert(pl.save("file.h5", { weight = pl.rand(3, 4), lr = 0.5, x = pl.rand(12, 4),
  y = pl.tensor({ 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 }, "i32") }))
for _, maker in ipairs(values.makers) do keep(maker()) end
io.stdout:setvbuf "no"
local silent = { print = print, write = io.write }
rawset(_G, "print", function() end)
io.write = function() return io.stdout end

while made < calls do
  if random(10) == 1 then make() end
  if random(10) == 1 then trap() end
  if random(10) == 1 then disturb() end
  local die = random(240)
  if die <= 4 then training()
  elseif die <= 9 then pcall(passes)
  elseif die <= 19 then pcall(closing)
  elseif die == 20 then walks()
  elseif die == 21 then borders()
  elseif die <= 27 then pcall(midst)
  else random_call() end
  if random(200) == 1 then collectgarbage() end
end
note "the end"
core.system.memory_limit(MEMORY)
core.system.threads(2)

objects_of = nil
collectgarbage()
collectgarbage()
assert(pl.ones(2, 3):sum() == 6 and pl.nn.Linear(2, 2):build { 2 }:infer(pl.ones(1, 2)):dim() == 2,
  "a plain call fails afterwards")
local figure = ("%d calls, %d raised, %d functions, %d bytes held"):format(made, raised, #functions,
  (core.system.memory()))
last:seek "set"
last:write(figure, ("\n"):rep(2))      -- standard output may have been closed, or wound back
last:close()
silent.print(figure)
os.exit(0, true)
