--- nn.define and nn.Graph: layers from functions of the script. The function is recorded when the shape of the input is
-- known, and again each epoch; what it computes is then a layer's graph of operations, run in C.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local symbol = require "perilune.nn.symbol"
local raise = errors.raise

local M = {}

local function sorted_keys(t, what)
  local names = {}
  for name in pairs(t) do
    if type(name) ~= "string" then raise("%s: each has a name, found a key of type %s", what, type(name)) end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- { shape = {...}, init =, trained = } of what `params` gives for a name: a shape, or such a table.
local function param_of(label, name, given)
  if type(given) ~= "table" then
    raise("%s: parameter '%s' is a shape, { 784, 100 }, or { shape = {...}, init =, trained = }, got %s", label, name,
      options.describe(given))
  end
  if given.shape == nil then given = { shape = given } end
  local p = options.check(label .. ": parameter '" .. name .. "'", given,
    { { "shape", type = "table" }, { "init", type = "any" }, { "trained", type = "boolean" } })
  return { name = name, shape = #p.shape > 0 and p.shape or nil, init = p.init, trained = p.trained }
end

-- Plain values only: they are kept in files.
local function check_options(label, o)
  for name, value in pairs(o) do
    local kind = type(value)
    if kind == "function" or (kind == "userdata") or kind == "thread" then
      raise("%s: option '%s' is a %s; options are numbers, strings, booleans and tables of them", label, tostring(name),
        kind)
    end
  end
end

M.check_options = check_options

local function split_options(o)
  local list, named = {}, {}
  for key, value in pairs(o) do
    if math.type(key) == "integer" then list[key] = value else named[key] = value end
  end
  return { list = list, named = named }
end

-- `self` of a forward: parameters as values, layers, options.
local function self_of(recorder, layer, o, child_names)
  local self = { options = o, option = o }
  return setmetatable({}, {
    __index = function(_, name)
      if self[name] ~= nil then return self[name] end
      local value = type(name) == "string" and recorder:param(name)
      if value then return symbol.new(recorder, value) end
      for i, child in ipairs(child_names) do
        if child == name then return layer[i] end
      end
      if o[name] ~= nil then return o[name] end
      local names = { "options" }
      for _, p in ipairs(layer:params()) do names[#names + 1] = p.name end
      for _, child in ipairs(child_names) do names[#names + 1] = child end
      for key in pairs(o) do if type(key) == "string" then names[#names + 1] = key end end
      table.sort(names)
      local near = core.system.nearest(tostring(name), names)
      raise("there is no parameter, layer or option '%s'%s", tostring(name),
        near and ("; did you mean '%s'?"):format(near) or "")
    end,
    __newindex = function(_, name)
      raise("self.%s cannot be set in a formula: what it computes is returned", tostring(name))
    end,
  })
end

local function check_result(recorder, result)
  if not symbol.is(result) then
    raise("forward returns %s where the result of its operations is due", options.describe(result))
  end
  if symbol.recorder(result) ~= recorder then raise("forward returns a value of another formula") end
  if symbol.total(result) then
    raise("the result is taken over the batch (%s without axes); name the axes of a sample", symbol.total(result))
  end
end

-- Several outputs are one value, in which they lie one after the other, and their shapes.
local function finish(recorder, ...)
  local list = { ... }
  if #list == 1 and type(list[1]) == "table" and not symbol.is(list[1]) and #list[1] > 0 then list = list[1] end
  local shapes, flat, most = {}, {}, core.formula.most_outputs
  if #list > most then raise("a model has at most %d outputs, got %d", most, #list) end
  for i = 1, math.max(#list, 1) do
    check_result(recorder, list[i])
    local sizes, fixed = recorder:shape(symbol.value(list[i]))
    if #list > 1 and fixed then raise("output %d has no batch axis: it is the same for all samples", i) end
    if #list > 1 then recorder:ask(symbol.value(list[i])) end
    shapes[i], flat[i] = sizes, #list > 1 and list[i]:flatten()
  end
  if #list == 1 then recorder:result(symbol.value(list[1]))
  else recorder:result(symbol.value(symbol.cat(flat, -1)), shapes) end
end

-- The function that records: the layer's children are found by the layers that the function calls.
local function recorder_function(forward, o, child_names)
  return function(recorder, layer)
    symbol.set_children(recorder, function(called)
      for i = 1, #layer do
        if rawequal(layer[i], called) then return i end
      end
      raise("forward calls a layer (%s) that is not its own: give it in layers = function(o) return " ..
        "{ name = nn.Linear(..) } end, and call self.name(x)", called.type)
    end)
    local x = symbol.new(recorder, recorder:input())
    finish(recorder, forward(self_of(recorder, layer, o, child_names), x))
  end
end

-- What a formula's function captures, as it was when the layer was made: for the message when it has changed.
local watched = setmetatable({}, { __mode = "k" })

local function made(arguments, forward)
  local layer = core.formula.origin(core.nn.Formula(arguments), (errors.where():gsub(": $", "")))
  watched[layer] = require "perilune.script.upvalues".watch { { "forward", forward } }
  return layer
end

--- Raises if a formula of the model is another one than when it was recorded: what its functions capture has changed.
function M.check_again(layer)
  local ok, message = pcall(core.formula.check_again, layer)
  if not ok then
    local what = watched[layer] and watched[layer]()
    error(("%s: the formula is another one than when it was recorded%s; what changes is a parameter, or an option " ..
      "of the layer (self.options)"):format(errors.bare(tostring(message)), what and ": " .. what or ""), 0)
  end
  for i = 1, #layer do M.check_again(layer[i]) end
end

-- What layer.x or self.x is otherwise; and what made() takes beside functions for parameters.
local fields = { name = true, type = true, grad = true, params = true, options = true, option = true, record = true }

local function check_function(what, f, needed)
  if f == nil and not needed then return end
  if type(f) ~= "function" then raise("%s takes a function, got %s", what, options.describe(f)) end
end

--- nn.define{ name =, params =, layers =, forward = } -> a constructor of layers
function M.define(spec)
  local d = options.check("nn.define", spec, {
    { "name", type = "string", required = 'write nn.define { name = "MyLayer", ... }' }, { "params", type = "any" },
    { "layers", type = "any" }, { "forward", type = "any" } })
  if not d.name:match "^[%a][%w_]*$" or #d.name > 40 then
    raise("nn.define: the name is a word of at most 40 letters, got '%s'", d.name)
  end
  check_function("nn.define: forward", d.forward, true)
  check_function("nn.define: params", d.params)
  check_function("nn.define: layers", d.layers)
  return function(...)
    local o = {}
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      if type(value) == "table" and i == select("#", ...) then
        for key, inner in pairs(value) do o[math.type(key) == "integer" and #o + 1 or key] = inner end
      else
        o[i] = value
      end
    end
    check_options(d.name, o)
    local name = o.name
    o.name = nil
    local params, children, child_names, arguments = {}, {}, {}, {}
    local given = d.params and d.params(o) or {}
    if type(given) ~= "table" then
      raise("%s: params returns a table of shapes by name, got %s", d.name, options.describe(given))
    end
    for i, key in ipairs(sorted_keys(given, d.name .. ": params")) do
      if not key:match "^[%a_][%w_]*$" then raise("%s: a parameter cannot be called '%s'", d.name, key) end
      if fields[key] or core.nn.methods[key] then
        raise("%s: a parameter cannot be called '%s', the name of a field or method of all layers", d.name, key)
      end
      params[i] = param_of(d.name, key, given[key])
      if type(params[i].init) == "function" then
        arguments[key], params[i].init = params[i].init, "custom"
      end
    end
    local layers = d.layers and d.layers(o) or {}
    if type(layers) ~= "table" then
      raise("%s: layers returns a table of layers by name, got %s", d.name, options.describe(layers))
    end
    for i, key in ipairs(sorted_keys(layers, d.name .. ": layers")) do
      if key == "options" or key == "option" then raise("%s: a layer cannot be called '%s'", d.name, key) end
      if given[key] ~= nil then raise("%s: '%s' is both a parameter and a layer", d.name, key) end
      child_names[i], children[i] = key, layers[key]
    end
    arguments.type, arguments.params = d.name, #params > 0 and params or nil
    arguments.name = name
    arguments.options = next(o) ~= nil and split_options(o) or nil
    arguments.record = recorder_function(d.forward, o, child_names)
    for i, child in ipairs(children) do arguments[i] = child end
    return made(arguments, d.forward)
  end
end

--- nn.Graph(function(x) ... end [, { name = }]) -> a layer
function M.graph(forward, opts)
  check_function("nn.Graph", forward, true)
  local o = options.check("nn.Graph", opts, { { "name", type = "string" } })
  local order = {}   -- layers as they are called first: the children, in the script's own layer and in copies of it
  return made({ type = "Graph", graph = true, name = o.name, record = function(recorder, layer)
    symbol.set_children(recorder, function(called)
      for i, known in ipairs(order) do
        if rawequal(known, called) and i <= #layer then return i end
      end
      local index = recorder:adopt(called)
      order[index] = called
      return index
    end)
    local x = symbol.new(recorder, recorder:input())
    finish(recorder, forward(x))
  end }, forward)
end

--- Text of a layer's operations.
function M.show(layer)
  local steps, result = core.formula.steps(layer)
  if not steps then return nil end
  local lines, format = { layer.type }, require "perilune.base.format"
  for i, s in ipairs(steps) do
    local inputs = {}
    for k, v in ipairs(s.inputs) do
      local from = steps[v]
      inputs[k] = from.value and ("%.6g"):format(from.value) or "%" .. v
    end
    if #s.args > 0 then inputs[#inputs + 1] = "(" .. table.concat(s.args, ", ") .. ")" end
    if not s.value then
      local what = s.kind == "op" and s.name or s.kind .. (s.name ~= "" and " " .. s.name or "")
      lines[#lines + 1] = ("  %%%-4d %-28s %-18s %10s  %s%s"):format(i, what .. " " .. table.concat(inputs, ", "),
        s.shape, format.bytes(s.bytes), s.origin, i == result and "  <- result" or "")
    end
  end
  return table.concat(lines, "\n")
end

local kinds = { strips = "one pass, in strips that stay in the cache", pattern = "one pass", linear = "as Linear",
  alone = "" }

-- What a training pass runs, of the formulas' operations.
local function show_plan(model)
  local lines = { "in training these run:" }
  for _, node in ipairs(core.formula.plan(model)) do
    if node.formula then
      lines[#lines + 1] = (("  %-48s %-18s %s"):format(node.text, node.shape, kinds[node.kind]):gsub("%s+$", ""))
    end
  end
  return table.concat(lines, "\n")
end

--- The same of all formulas of a model; nil if it has none.
function M.show_model(model)
  local texts = {}
  local function visit(layer)
    texts[#texts + 1] = M.show(layer)
    for i = 1, #layer do visit(layer[i]) end
  end
  visit(model)
  if #texts > 0 then texts[#texts + 1] = show_plan(model) end
  if #texts == 0 then
    raise("the model has no formulas (nn.define, nn.Graph), or has not seen its input; build it first")
  end
  return table.concat(texts, "\n")
end

return M
