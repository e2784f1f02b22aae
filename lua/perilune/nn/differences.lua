--- pl.gradient_check: gradients against central differences, which are taken in double precision.
local core = require "perilune.core"
local doubles = require "perilune.nn.doubles"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"

local M = {}

-- The step is relative to the element. Slopes on both sides that are further apart than KINK, relatively, are a kink's.
local STEP, KINK = 1e-5, 1e-3
-- What rounding leaves: of differences in double, relative to the value; of those in f32, and of an argument's own
-- gradient; of a gradient that is 0, relative to the largest one of all arguments; of any other.
local ROUNDING, NOISE, OF_ZERO, CANCELLED = 1e-9, 5e-6, 1e-4, 5e-7
local COARSE, BENT, LOOSE = 1e-2, 4e-2, 2e-2    -- where only f32 will do: step, KINK, tolerance

local known = {
  { "tolerance", type = "number", low = 0 }, { "elements", type = "integer", low = 1, default = 24 },
  { "seed", type = "integer", low = 0, default = 1 },
}

local function first(what, y)
  if core.tensor.is_tensor(y) and y:count() == 1 then return y:item() end
  if type(y) == "number" then return y end
  errors.raise("pl.gradient_check: the function returns %s where one number is due; end it with :sum() or :mean()",
    what)
end

-- f at values of doubles, in doubles; and whether it has read some of them in f32.
local function in_doubles(f, values)
  local symbol = require "perilune.nn.symbol"
  local recorder, inputs = doubles.recorder(), {}
  for i, value in ipairs(values) do inputs[i] = symbol.new(recorder, recorder:input(value)) end
  local y = (f(table.unpack(inputs)))
  return symbol.is(y) and recorder:number(symbol.value(y)) or first(options.describe(y), y), recorder.is_rounded
end

local function in_floats(f, values)
  local inputs = {}
  for i, value in ipairs(values) do
    local flat = table.move(value, 1, #value, 1, {})
    inputs[i] = #value.shape == 0 and flat[1] or core.tensor.tensor(flat):reshape(value.shape)
  end
  local y = f(table.unpack(inputs))
  return first(options.describe(y), y)
end

-- Which elements are moved: all of a few, else some that a seed chooses.
local function chosen(count, o, salt)
  local list = {}
  for i = 1, math.min(count, o.elements) do
    list[i] = count <= o.elements and i or 1 + math.floor(core.system.random(o.seed, salt, 0, 0, i) * count)
  end
  return list
end

local function place(shape, k)
  local index, rest = {}, k - 1
  for a = #shape, 1, -1 do
    index[a] = rest % shape[a] + 1
    rest = rest // shape[a]
  end
  return #index > 0 and "[" .. table.concat(index, ", ") .. "]" or "the number"
end

-- The distance of g from the slope of f where element k of the value moves by h to both sides, relative to the larger
-- of the two, or to `scale`. At a kink any slope between those of its sides will do. noise(slope): what rounding may
-- leave; the second result is without it, and in double without `scale`; the third is the slope.
local function distance(value_at, middle, value, k, step, g, scale, noise)
  local x = value[k]
  local h = step * math.max(1, math.abs(x))
  value[k] = x + h
  local above, right = value_at(), value[k] - x
  value[k] = x - h
  local below, left = value_at(), x - value[k]
  value[k] = x
  local slope = (above - below) / (right + left)
  local a, b = (middle - below) / left, (above - middle) / right
  if math.abs(a - b) > (step == STEP and KINK or BENT) * math.max(math.abs(a), math.abs(b)) then
    slope = math.max(math.min(a, b), math.min(math.max(a, b), g))
  end
  local apart, size = math.abs(slope - g), math.max(math.abs(slope), math.abs(g), 1e-30)
  if apart ~= apart then return math.huge, math.huge, slope end
  local certain = math.max(0.0, apart - noise(slope)) / (step == STEP and size or math.max(size, scale))
  return apart / math.max(size, scale), certain, slope
end

-- What rounding may leave between a slope and its gradient: `own` and `all` are the largest gradients of the argument
-- and of all. A gradient that is 0 may be a sum of many large terms; any other that is small beside those is rarely
-- one, and too easily a wrong one.
local function noise_of(own, all, middle, precision)
  return function(slope)
    local is_zero = math.abs(slope) <= precision * math.max(all, math.abs(middle))
    return NOISE * own + (is_zero and OF_ZERO or CANCELLED) * all + precision * math.abs(middle)
  end
end

-- The function's gradients: those that it returns after its value, or the tape's. And whether it returned them.
local function gradients(f, args)
  local results = table.pack(f(table.unpack(args, 1, args.n)))
  if results.n > 1 then
    if results.n ~= args.n + 1 then
      errors.raise("pl.gradient_check: the function returns %d gradients, of %d arguments", results.n - 1, args.n)
    end
    return { table.unpack(results, 2, results.n) }, true
  end
  return { select(2, require "perilune.nn.grad".value_and_grad(f)(table.unpack(args, 1, args.n))) }, false
end

local function check_gradient(i, value, g)
  if type(g) == "number" and #value.shape == 0 then return { g, shape = {} } end
  if not core.tensor.is_tensor(g) or g:count() ~= #value then
    errors.raise("pl.gradient_check: argument %d: its gradient has to be shaped as it is, [%s], got %s", i,
      table.concat(value.shape, ", "), core.tensor.is_tensor(g) and "[" .. table.concat(g.shape, ", ") .. "]"
      or options.describe(g))
  end
  return doubles.value(g)
end

--- Compares; see lua/meta/gradients.lua. Returns the largest relative distance, and in which precision the differences
--- are.
function M.check(f, ...)
  local args = table.pack(...)
  local o = args[args.n]
  if type(o) == "table" and getmetatable(o) == nil then args.n = args.n - 1 else o = nil end
  o = options.check("pl.gradient_check", o, known)
  if type(f) ~= "function" then
    errors.raise("pl.gradient_check takes a function and its arguments, got %s", options.describe(f))
  end
  if args.n == 0 then errors.raise("pl.gradient_check: name the arguments for which the gradients are") end
  local values = {}
  for i = 1, args.n do
    if type(args[i]) ~= "number" and not core.tensor.is_tensor(args[i]) then
      errors.raise("pl.gradient_check: argument %d is %s; gradients are those for tensors and numbers", i,
        options.describe(args[i]))
    end
    values[i] = doubles.value(args[i])
  end
  local found, by_hand = gradients(f, args)
  local evaluate, step = in_doubles, STEP
  local ok, middle, is_rounded = pcall(in_doubles, f, values)
  if not ok and not by_hand then error(middle, 0) end
  if not ok or (by_hand and is_rounded) then      -- what is computed by hand may be no formula
    evaluate, step, middle = in_floats, COARSE, in_floats(f, values)
  end
  local tolerance, worst = o.tolerance or step == STEP and 1e-3 or LOOSE, 0.0
  local function value_at() return evaluate(f, values) end
  local grads, largest, all = {}, {}, 0.0
  for i, value in ipairs(values) do
    grads[i], largest[i] = check_gradient(i, value, found[i]), 0.0
    for _, x in ipairs(grads[i]) do largest[i] = math.max(largest[i], math.abs(x)) end
    all = math.max(all, largest[i])
  end
  for i, value in ipairs(values) do
    local g, noise = grads[i], noise_of(largest[i], all, middle, step == STEP and ROUNDING or NOISE)
    for _, k in ipairs(chosen(#value, o, i)) do
      local far, certain, slope = distance(value_at, middle, value, k, step, g[k], largest[i] / 10, noise)
      if certain > tolerance then
        errors.raise("pl.gradient_check: argument %d, %s: its gradient is %.6g, central differences give %.6g", i,
          place(value.shape, k), g[k], slope)
      end
      worst = math.max(worst, far)
    end
  end
  return worst, step == STEP and "double" or "single"
end

return M
