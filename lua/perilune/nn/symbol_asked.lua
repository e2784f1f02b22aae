--- What can be asked of a value of a formula: of a recorded one only its shape, of an eager one its numbers too. And
-- what is no operation of formulas.
local raise = require "perilune.base.errors".raise

--- M, Symbol: the module and the metatable of perilune.nn.symbol; shape: its functions of shapes.
return function(M, Symbol, shape)

local methods, recorder_of, value_of, shape_text = M.methods, M.recorder_of, M.value_of, M.shape_text
local peek, ask, axis_of = shape.peek, shape.ask, shape.axis_of

local function value_needed(what, instead)
  return function(x)
    raise("%s is not known while a formula is recorded, only its shape, %s%s", what, shape_text(x), instead)
  end
end

local function choose(what)
  return value_needed(what, "; choose element by element with pl.where(x:gt(0), yes, no)")
end

-- `decides`: it is only compared or shown, so that nothing is computed from its elements.
local function eager_tensor(x, decides)
  local recorder = recorder_of[x]
  return recorder:is_eager() and recorder:tensor(value_of[x], decides) or nil
end

-- Of an eager value: what the tensor's method of that name gives.
local function read(name, complain, decides)
  methods[name] = function(x, ...)
    local t = eager_tensor(x, decides)
    if t then return t[name](t, ...) end
    complain(x)
  end
end
read("item", choose "the number in a value")
read("totable", choose "what is in a value")
for _, name in ipairs { "argmax", "argmin", "all", "any", "count", "sort", "topk", "isnan", "isfinite" } do
  read(name, function(x)
    raise("%s has no derivative, so it cannot be part of a formula (on %s); the operations are listed by " ..
      "perilune help formulas", name, shape_text(x))
  end, name ~= "sort" and name ~= "topk")
end
for _, name in ipairs { "floor", "ceil", "round", "sign", "mod", "idiv", "to" } do
  methods[name] = function(x)
    raise("%s has no derivative, so it cannot be part of a formula (on %s)", name, shape_text(x))
  end
end

--- The plain tensor of an eager value, through which no gradient passes.
function methods.detach(x)
  local t = eager_tensor(x)
  if t then return t:clone() end
  choose "what is in a value"(x)
end

function methods.dim(x)
  local sizes, fixed = peek(x)
  ask(x, 0)
  return #sizes + (fixed and 0 or 1)
end

function methods.size(x, axis)
  local at = axis_of(x, axis, "size")
  if at < 0 then
    raise("size: the number of samples of %s is not known while a formula is recorded; write -1 for it in reshape",
      shape_text(x))
  end
  ask(x, at + 1)
  return peek(x)[at + 1]
end

-- What shape has for the number of samples: reshape takes it as it takes -1, and nothing can be computed with it.
function M.refuse_samples()
  raise "the number of samples (shape[1]) is not known while a formula is recorded; write -1 for it in reshape"
end
local unknown = { __name = "number of samples", __tostring = function() return "-1" end }
for _, event in ipairs { "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "lt", "le" } do
  unknown["__" .. event] = M.refuse_samples
end
M.samples = setmetatable({}, unknown)

local function compare(name)
  return function(a, b)
    local s = recorder_of[a] and a or b
    if recorder_of[s]:is_eager() then
      local x = recorder_of[a] and eager_tensor(a, true):item() or a
      local y = recorder_of[b] and eager_tensor(b, true):item() or b
      if name == "<" then return x < y end
      return x <= y
    end
    choose("whether one value is " .. name .. " another")(s)
  end
end
Symbol.__lt, Symbol.__le = compare "<", compare "<="
Symbol.__eq = function(a, b)
  if eager_tensor(a, true) then return rawequal(a, b) or (value_of[a] == value_of[b]) end
  choose "whether two values are equal"(a)
end
Symbol.__len = function(x)
  local sizes, fixed = peek(x)
  if fixed and sizes[1] then return sizes[1] end
  methods.size(x, 1)
end
Symbol.__tostring = function(x)
  local t = eager_tensor(x, true)
  if t then return tostring(t) end
  choose "what is in a value"(x)
end
Symbol.__concat = function(a, b) choose "what is in a value"(recorder_of[a] and a or b) end
Symbol.__mod = function(a, b) methods.mod(recorder_of[a] and a or b) end
Symbol.__idiv = function(a, b) methods.idiv(recorder_of[a] and a or b) end
Symbol.__pairs = function(x)
  raise("the values in %s cannot be looped over; write operations on all of them, or x:select(axis, i) for each i",
    shape_text(x))
end
Symbol.__call = function(x) raise("a value of a formula (%s) is not a function", shape_text(x)) end
Symbol.__newindex = function(x, key)
  raise("a value of a formula (%s) cannot be changed (its item %s): formulas make new values, with pl.where, " ..
    "pl.cat, ...", shape_text(x), tostring(key))
end

end
