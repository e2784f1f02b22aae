--- optim.define { ... }: an optimizer whose step is a function of the script, called for each parameter. Everything
--- else is as for those of the core: options, groups, schedules, clipping, state that is saved and restored.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local fields = {
  { "step", type = "function", required = "add step = function(w, g, s, o) ... return w end" },
  { "name", type = "string", default = "Own" },
  { "slots", type = "table", default = {} },
  { "options", type = "table", default = {} },
  { "decay_form", type = "string", default = "l2", choices = { "l2", "decoupled", "own" } },
}

-- What every optimizer takes (PL_OPTIM_COMMON, groups), as messages list it; the core checks the values.
local common = { { "lr", "number" }, { "weight_decay", "number" }, { "decay", "number" }, { "clip_norm", "number" },
  { "clip_value", "number" }, { "groups", "table" } }
-- What the step finds in its options besides.
local told = { "step", "epoch", "layer", "parameter", "decay_form" }

local function set_of(list, index)
  local set = {}
  for _, item in ipairs(list) do set[index and item[index] or item] = true end
  return set
end
local is_common, is_told = set_of(common, 1), set_of(told)

local function is_finite(x) return type(x) == "number" and x - x == 0 end

-- { "m", "v", product = 1 } -> the names of tensors in order; of scalars { name =, initial = }, sorted
local function read_slots(what, given)
  local tensors, scalars, seen = {}, {}, {}
  local function take(name)
    if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
      errors.raise("%s: a slot's name is a word such as \"m\", got %s", what, options.describe(name))
    end
    if seen[name] then errors.raise("%s: the slot '%s' is there twice", what, name) end
    seen[name] = true
    return name
  end
  for i = 1, #given do tensors[i] = take(given[i]) end
  for name, initial in pairs(given) do
    if math.type(name) ~= "integer" or name < 1 or name > #given then
      if not is_finite(initial) then
        errors.raise("%s: slot '%s' takes the number that it begins with, got %s; a tensor is listed by its name: " ..
          "slots = { \"m\" }", what, tostring(name), options.describe(initial))
      end
      scalars[#scalars + 1] = { name = take(name), initial = initial }
    end
  end
  table.sort(scalars, function(a, b) return a.name < b.name end)
  return tensors, scalars
end

-- Is it a list of finite numbers, as long as `like` if that is given?
local function is_list(value, like)
  if type(value) ~= "table" or getmetatable(value) ~= nil or #value == 0 then return false end
  for key, x in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > #value or not is_finite(x) then return false end
  end
  return like == nil or #like == #value
end

-- The options that the definition has, as options.check takes them: { name, type =, default = }.
local function read_options(what, given)
  local list = {}
  for i, option in ipairs(common) do list[i] = { option[1], type = option[2], default = given[option[1]] } end
  for _, name in ipairs(sorted_keys(given)) do
    local value = given[name]
    if type(name) ~= "string" or is_told[name] then
      errors.raise("%s: an option cannot be called '%s'%s", what, tostring(name),
        is_told[name] and ", which means something else here" or "; options = { eps = 1e-8 } names them")
    end
    local t = type(value)
    if not is_common[name] then
      if not (is_finite(value) or t == "boolean" or t == "string" or is_list(value)) then
        errors.raise("%s: option '%s' has a default that is a number, true or false, a string or a list of numbers, " ..
          "got %s", what, name, options.describe(value))
      end
      list[#list + 1] = { name, type = t, default = value }
    end
  end
  return list
end

local function check_values(what, list, o)
  for _, option in ipairs(list) do
    local name, default, value = option[1], option.default, o[option[1]]
    if not is_common[name] and value ~= default then
      if type(default) == "number" and not is_finite(value) then
        errors.raise("%s: option '%s' must be finite, got %s", what, name, tostring(value))
      elseif type(default) == "table" and not is_list(value, default) then
        errors.raise("%s: option '%s' takes a list of %d numbers", what, name, #default)
      end
    end
  end
end

-- A view of the table `values` that cannot be written to.
local function read_only(what, values)
  local function refuse(_, name)
    errors.raise("%s: the options cannot be changed in the step (o.%s = ...); what it must remember goes into a slot",
      what, tostring(name))
  end
  return setmetatable({}, { __newindex = refuse, __name = "options", __pairs = function() return next, values, nil end,
    __len = function() return #values end,
    __index = function(_, name)
      local value = values[name]
      if value == nil then
        local known = sorted_keys(values)
        options.unknown(what, name, known)
      end
      return value
    end })
end

local function copy(value) return type(value) == "table" and table.move(value, 1, #value, 1, {}) or value end

-- An error of the step as a whole names the line where the script defines it.
local function fail(d, format, ...) error(("%s%s: " .. format):format(d.at, d.name, ...), 0) end

-- What the core calls for each parameter: call(w, g, state, lr, ...) -> w; the new state is left in `state`.
local function caller(d, own)
  local values, is_slot = {}, {}
  for name, value in pairs(own) do
    values[name] = type(value) == "table" and read_only(d.name, copy(value)) or value
  end
  for _, name in ipairs(d.tensors) do is_slot[name] = "tensor" end
  for _, scalar in ipairs(d.scalars) do is_slot[scalar.name] = "number" end
  local o = read_only(d.name, values)
  local function check_names(state)
    for name in pairs(state) do
      if not is_slot[name] then
        fail(d, "there is no slot '%s'; the slots are: %s", tostring(name), table.concat(sorted_keys(is_slot), ", "))
      end
    end
  end
  return function(w, g, state, lr, weight_decay, step, epoch, layer, parameter)
    values.lr, values.weight_decay, values.step, values.epoch = lr, weight_decay, step, epoch
    values.layer, values.parameter = layer, parameter
    local new, changed = d.step(w, g, state, o)
    if changed ~= nil then
      if type(changed) ~= "table" then
        fail(d, "the step returns (w, slots), slots a table such as { m = m }; got %s", options.describe(changed))
      end
      check_names(changed)
      for name, value in pairs(changed) do state[name] = value end
    end
    check_names(state)
    for _, scalar in ipairs(d.scalars) do
      if type(state[scalar.name]) ~= "number" then
        fail(d, "the step of %s.%s must give %s as a number, got %s", layer, parameter, scalar.name,
          options.describe(state[scalar.name]))
      end
    end
    return new
  end
end

local function construct(d, list, given)
  if type(given) == "number" then given = { lr = given } end
  if type(given) == "userdata" then
    errors.raise("%s takes options only, such as %s { lr = 0.001 }; the parameters come with opt:bind(model), or " ..
      "the experiment", d.name, d.name)
  end
  local o = options.check(d.name, given, list, nil, "lr")
  check_values(d.name, list, o)
  local args, own = {}, {}
  for _, option in ipairs(list) do
    local name = option[1]
    if is_common[name] then args[name] = o[name] else own[name] = copy(o[name]) end
  end
  return core.optim.host({ options = args, definition = { type = d.name, slots = d.tensors, scalars = d.scalars,
    decay_form = d.decay_form, options = own } }, { call = caller(d, own), step = d.step, at = d.at })
end

--- Returns a constructor, which is called like those of the core: Lion { lr = 1e-4 }. See lua/meta/optim.lua.
function M.define(given)
  local d = options.check("optim.define", given, fields, "field")
  if not d.name:match "^[%a_][%w_]*$" then
    errors.raise("optim.define: field 'name' is a word such as \"Lion\", got '%s'", d.name)
  end
  local info = debug.getinfo(d.step, "S")
  d.at = info.what == "C" and "" or ("%s:%d: "):format(info.short_src, info.linedefined)
  d.tensors, d.scalars = read_slots("optim.define", d.slots)
  local list = read_options("optim.define", d.options)
  return function(o) return construct(d, list, o) end
end

return M
