--- One message for every name that nothing has and every argument of the wrong kind: what it is called here, the
--- nearest name, why it is not needed; with the line of the script. Tables and classes are handed over with `module`
--- and `class`; the C side calls `missing`, `argument`, `explain` and `not_an_option` (runtime/bind/bind_arguments.c).
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local foreign = require "perilune.base.foreign"

local M = { where = errors.where }

local nouns = { tensor = "a tensor", layer = "a layer", optimizer = "an optimizer", loss = "a loss",
  dataset = "a data set", split = "a split", experiment = "an experiment", run = "a run",
  augmentation = "an augmentation", compose = "an augmentation", reader = "a reader", writer = "a writer",
  lock = "a lock", column = "a column", history = "the history" }
-- What a script would call an object of the class, in examples of calls.
local variables = { tensor = "t", layer = "model", optimizer = "opt", dataset = "set", experiment = "e",
  augmentation = "a", history = "h" }

local function short(meta) return meta.__name:match "[^.]*$" end

-- Was it the library itself that looked? What it does not find is nil for it. The C side looks up names through its own
-- __index ("metamethod"); other C code only tries. `level`: as for debug.getinfo, of the function that looked.
local function by_library(level)
  local info = debug.getinfo(level + 1, "Sn")
  if info and info.what == "C" then
    if info.namewhat ~= "metamethod" then return true end
    info = debug.getinfo(level + 2, "S")
  end
  return info == nil or errors.is_ours(info.source)
end

local function plain(name) return (tostring(name):lower():gsub("_", "")) end

local function has(names, name)
  for _, known in ipairs(names) do
    if known == name then return true end
  end
end

--- What to say of an unknown name: "write ...", "did you mean '...'?"; nil when there is nothing to say. `modules`:
--- tables of perilune.foreign, the first first.
function M.advice(name, names, ...)
  if type(name) ~= "string" then return nil end
  local modules = { ... }
  modules[#modules + 1] = "any"
  local near = core.system.nearest(name, names)
  for _, module in ipairs(modules) do
    local advice = (foreign[module] or {})[plain(name)]
    local renamed = advice and advice:match "^=(.*)$"
    if renamed and renamed ~= near and has(names, renamed) then return ("it is called '%s' here"):format(renamed) end
    if advice and not renamed then return advice end
  end
  return near and ("did you mean '%s'?"):format(near) or nil
end

local sections = { "word", "any", "tensor", "pl", "nn", "layer", "option", "field", "data", "dataset", "optim",
  "schedule", "stopping", "augment", "optimizer", "loss", "split", "metric", "initializer" }

--- What a word of other frameworks, asked for without an object, is called here; nil when it is none of them.
--- `only`: of this table of perilune.foreign.
function M.foreign(word, only)
  local key = plain((word:gsub("[%s-]", "")))
  for _, section in ipairs(only and { only } or sections) do
    local advice = foreign[section][key]
    local renamed = advice and (section == "initializer" and advice or advice:match "^=(.*)$")
    if renamed then return ("it is called '%s' here"):format(renamed) end
    if advice then return advice end
  end
end

local function sorted_names(t)
  local names = {}
  for name in next, t do
    if type(name) == "string" and not name:find "^_" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- What to say when an object is called as if it were a function.
local not_functions = {
  split = "a split is not a function: write for x, y in split:batches(64) do ... end",
  dataset = "a data set is not a function: write for x, y in set.train:batches(64) do ... end",
  optimizer = "an optimizer is not called: write opt:step()", experiment = "an experiment is not called: write e:run()",
}

--- Objects of a class that are called say what to write instead.
function M.not_called(meta)
  local text = not_functions[short(meta)]
  if text and rawget(meta, "__call") == nil then meta.__call = function() errors.raise("%s", text) end end
end

--- A table of the library's functions: an unknown name is an error.
function M.module(t, name)
  return setmetatable(t, { __index = function(_, key)
    if type(key) ~= "string" or by_library(2) then return nil end
    local full = name == "pl" and name or "pl." .. name
    errors.raise("%s has no '%s'; %s", name, key, M.advice(key, sorted_names(t), name)
      or ("help(%s) lists what it has"):format(full))
  end })
end

--- A class of the C side whose __index is a table.
function M.seal(meta)
  local methods = rawget(meta, "__index")
  setmetatable(methods, { __index = function(_, key)
    if type(key) ~= "string" or key:find "^__" or by_library(2) then return nil end
    local module = short(meta)
    errors.raise("%s has no method '%s'; %s", nouns[module], key, M.advice(key, sorted_names(methods), module)
      or ("help \"%s\" lists what it has"):format(module))
  end })
end

-- The names that an object's class declares and its methods; which of them may be absent.
local function known_of(object, meta)
  local help = require "perilune.help"
  local declared = help.members(object)
  local all = {}
  for key in pairs(declared) do all[key] = true end
  for key in pairs(help.methods(meta)) do all[key] = true end
  return sorted_names(all), declared
end

--- An object has no field or method `key`: raises; nil for a field that its class declares, which is there or not.
function M.missing(object, key, level)
  if type(key) ~= "string" or by_library(level or 2) then return nil end
  local meta = debug.getmetatable(object)
  local names, declared = known_of(object, meta)
  if declared[key] then return nil end
  local module = short(meta)
  if module == "history" then
    for _, column in ipairs(object.columns) do names[#names + 1] = column end
    if require "perilune.train.metrics".is_column(key) then return nil end
  end
  local what = module == "history" and "column" or "field or method"
  errors.raise("%s has no %s '%s'%s", nouns[module] or "a " .. module, what, key,
    "; " .. (M.advice(key, names, module) or ("help \"%s\" lists what it has"):format(module)))
end

local function refuse(object, key)
  local meta = debug.getmetatable(object)
  local names, declared = known_of(object, meta)
  local module = short(meta)
  local noun = nouns[module] or "a " .. module
  if declared[key] then
    errors.raise("the field '%s' of %s cannot be set%s", tostring(key), noun,
      module == "experiment" and (": e:with { %s = ... } makes a copy that has it"):format(tostring(key)) or "")
  end
  errors.raise("%s has no field '%s'; %s", noun, tostring(key), M.advice(key, names, module)
    or "nothing can be added to it")
end

--- The context that users' functions are given: fields that its declaration does not have are errors.
function M.context(ctx)
  local function unknown(key)
    local names = {}
    for i, field in ipairs(require "perilune.help".fields "perilune.Context") do names[i] = field.name end
    return not has(names, key) and names
  end
  return setmetatable(ctx, {
    __index = function(_, key)
      if type(key) ~= "string" or by_library(2) then return nil end
      local names = unknown(key)
      if names then
        errors.raise("ctx has no field '%s'; %s", key, M.advice(key, names, "ctx")
          or "help \"perilune.Context\" lists what it has")
      end
    end,
    __newindex = function(self, key, value)
      local names = not by_library(2) and unknown(key)
      if not names then return rawset(self, key, value) end
      local advice = foreign.ctx[plain(key)]
      errors.raise("ctx has no field '%s'; %s", tostring(key), advice and not advice:find "^=" and advice
        or ("what is to be remembered goes into ctx.state, which every checkpoint keeps: ctx.state.%s = ...")
          :format(tostring(key)))
    end,
  })
end

local originals = setmetatable({}, { __mode = "k" })     -- a method as it is kept -> as it was written, and back

--- The function that a method calls, which checks how it is called.
function M.original(f) return originals[f] and originals[f].f or f end

local function with_colon(meta, name, f)
  local module = short(meta)
  local function method(self, ...)
    if debug.getmetatable(self) ~= meta then
      errors.raise("%s is a method, called with a colon: %s:%s(...)", name, variables[module] or module, name)
    end
    return f(self, ...)
  end
  originals[method] = { f = f }
  originals[f] = { kept = method, f = f }
  return method
end

--- A class of objects that are tables: `meta` with __name and an __index that is a table of methods or a function.
--- Unknown names are errors, read or assigned, by scripts (the library may add to its objects); methods say so when
--- they are called with a dot. `methods`: that table, when __index is a function.
function M.class(meta, methods)
  local access = meta.__index
  methods = methods or access
  for _, name in ipairs(sorted_names(methods)) do
    if type(methods[name]) == "function" then methods[name] = with_colon(meta, name, methods[name]) end
  end
  local is_function, missing = type(access) == "function", M.missing
  meta.__index = function(self, key)
    local value
    if is_function then value = access(self, key) else value = methods[key] end
    if value == nil then return missing(self, key, 2) end
    return value
  end
  M.not_called(meta)
  meta.__newindex = function(self, key, value)
    if by_library(2) then return rawset(self, key, value) end
    refuse(self, key)
  end
  return meta
end

--- The methods written in Lua of a class of the C side.
function M.methods(meta, methods)
  for _, name in ipairs(sorted_names(methods)) do
    local f = methods[name]
    if type(f) == "function" and debug.getinfo(f, "S").what == "Lua" then methods[name] = with_colon(meta, name, f) end
  end
end

local kinds = { number = "a number", integer = "a whole number", string = "a string", table = "a table",
  boolean = "true or false",
  ["function"] = "a function" }

local function in_words(expected)
  local class = expected:match "^perilune%..-(%a+)$" or expected:match "^core%.(%a+)$"
  return class and (nouns[class] or "a " .. class) or kinds[expected] or expected
end

--- A value in words: for messages.
function M.describe(value)
  local t = math.type(value) or type(value)
  if t == "string" then return ("%q"):format(value) end
  if t == "integer" or t == "float" or t == "boolean" then return tostring(value) end
  local meta = (t == "userdata" or t == "table") and debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if type(name) == "string" then return nouns[name:match "^perilune%..-(%a+)$"] or name end
  return value == nil and "nothing" or "a " .. t
end

-- The declaration of a function, and whether that of the function itself: else of the one on the stack that a script
-- called.
local function declared(f)
  local help = require "perilune.help"
  local function entry_of(g) return help.entry(originals[g] and originals[g].kept or g) end
  local entry = entry_of(f)
  if entry then return entry, true end
  for level = 3, 30 do
    local info = debug.getinfo(level, "f")
    if info == nil then return nil end
    entry = entry_of(info.func)
    if entry then return entry, false end
  end
end

local called = { ["perilune.loss"] = { name = "loss", arguments = { "output", "target" }, module = "", method = true } }

-- Metamethods are not declared: a loss that is called, an operator between tensors.
local function called_object(f, first)
  local meta = debug.getmetatable(first)
  return type(meta) == "table" and rawget(meta, "__call") == f and called[rawget(meta, "__name")]
end

--- Raises for argument `position` of the C function `f`; `message`, or what was `expected`, and the value that came.
function M.argument(f, position, message, expected, given, value)
  local first = select(2, debug.getlocal(2, 1))
  local entry, exact
  if first ~= nil then entry, exact = called_object(f, first), true end
  if not entry then entry, exact = declared(f) end
  local came = given and M.describe(value) or "nothing"
  local problem = message or ("takes %s, got %s"):format(in_words(expected), came)
  if not entry then
    local info = debug.getinfo(2, "n")
    errors.raise("%s: %s%s", info.name or "function", info.namewhat == "metamethod" and ""
      or ("argument %d "):format(position), problem)
  end
  local layout = require "perilune.help.layout"
  local name = entry.module ~= "" and entry.module .. "." .. entry.name or entry.name
  if exact and entry.method then
    if position == 1 and not message and entry.module ~= "" then
      errors.raise("%s is a method, called with a colon: %s:%s(...)", entry.name,
        variables[entry.module] or entry.module, entry.name)
    end
    name, position = name:gsub("%.", ":"), position - 1
  end
  local argument = exact and (entry.arguments[position] or entry.arguments[#entry.arguments])
  if not argument then errors.raise("%s: %s (%s)", name, problem, layout.signature(entry)) end
  errors.raise("%s: argument '%s'%s %s", name, argument, message and ":" or "", problem)
end

-- A constructor of the library, as a script calls it: "nn.CrossEntropy"; nil for other values.
local function constructor(value)
  local pl = require "perilune"
  for _, module in ipairs { "nn", "optim", "data", "schedule", "stopping", "augment" } do
    for name, f in next, pl[module] do
      if f == value then return module .. "." .. name, module end
    end
  end
end

--- "it is nn.CrossEntropy itself; call it: nn.CrossEntropy()" for a constructor; nil for other values.
function M.uncalled(value)
  if type(value) ~= "function" then return nil end
  local name, module = constructor(value)
  if not name then return nil end
  local table_form = module == "schedule" or module == "stopping" or module == "augment" or name == "nn.Sequential"
  return ("got %s itself; call it: %s%s"):format(name, name, table_form and " { ... }" or "()")
end

--- What pl_options_read said, in better words where another framework's name was given; raises, or returns nothing.
function M.explain(text)
  local what, name, rest = text:match "^(.-) has no option '(.-)'; (.*)$"
  if name then
    local names = {}
    for known in (rest:match "^it has: (.*)$" or ""):gmatch "[%w_]+" do names[#names + 1] = known end
    local advice = M.advice(name, names, "option")
    if advice and not advice:find "^did you mean" then errors.raise("%s has no option '%s'; %s", what, name, advice) end
  end
  what, name = text:match '^(.-): no initializer "(.-)"'
  local known = name and foreign.initializer[plain(name)]
  if not known then return end
  if known:find "^{" then errors.raise('%s: no initializer "%s"; write init = %s', what, name, known) end
  errors.raise('%s: no initializer "%s"; it is called "%s" here', what, name, known)
end

--- A function or object among the arguments of a constructor.
function M.not_an_option(value)
  local entry = declared(debug.getinfo(2, "f").func)
  local name = entry and entry.module .. "." .. entry.name
  local uncalled = M.uncalled(value)
  if uncalled then errors.raise("%s: %s", name or "an option", uncalled) end
  if entry and entry.module == "optim" then
    errors.raise("%s takes options only, such as %s { lr = 0.001 }; the parameters come with opt:bind(model), or the "
      .. "experiment", name, name)
  end
  errors.raise("%s: %s cannot be an option%s", name or "an option", M.describe(value),
    entry and "; it takes " .. require "perilune.help.layout".signature(entry) or " here")
end

return M
