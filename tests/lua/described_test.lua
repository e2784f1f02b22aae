-- Nothing that is exported is undescribed and nothing that is described is missing: `pl` and the classes of its
-- objects against lua/meta.
local lu = require "luaunit"
local pl = require "perilune"
local help = require "perilune.help"
require "perilune.run.result"      -- loaded with the first run
require "perilune.plot.figure" -- loaded with the first figure
require "perilune.terminal.shown"

-- Classes that no user meets.
local internal = { ["perilune.recorder"] = true, ["perilune.graph"] = true,
  ["perilune.trainer"] = true, ["perilune.screen"] = true }   -- runs batches behind pl.experiment

-- name -> true for what users can reach: "pl.zeros", "nn.Conv2d", "tensor.reshape", and "perilune.x" for a class that
-- no declaration knows.
local function exported()
  local names = {}
  for key, value in pairs(pl) do
    if type(value) == "table" and not rawget(debug.getmetatable(value), "__name") then
      for inner in pairs(value) do names[key .. "." .. inner] = true end
    else
      names["pl." .. key] = true
    end
  end
  for name, meta in pairs(help.classes()) do
    local class = help.class(name)
    if not class and not internal[name] then names[name] = true end
    for method in pairs(class and help.methods(meta) or {}) do names[class.module .. "." .. method] = true end
  end
  return names
end

-- name -> true for what is described. Fields of objects, which are there or not from case to case, only if asked for.
local function described(fields_of_objects)
  local names = {}
  for _, entry in ipairs(help.entries()) do
    if entry.kind == "function" and entry.module ~= "" then names[help.name_of(entry)] = true end
    local module = type(rawget(pl, entry.module)) == "table" or entry.module == "pl"
    if entry.kind == "class" and (module or fields_of_objects) then
      for _, field in ipairs(entry.fields) do
        if type(rawget(pl, field.name)) ~= "table" then names[entry.module .. "." .. field.name] = true end
      end
    end
  end
  return names
end

local function difference(a, b)
  local names = {}
  for name in pairs(a) do
    if not b[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, " ")
end

TestDescribed = {}

function TestDescribed:test_nothing_exported_is_undescribed()
  lu.assertEquals(difference(exported(), described(true)), "", "exported, but not described in lua/meta")
end

function TestDescribed:test_nothing_described_is_missing()
  lu.assertEquals(difference(described(), exported()), "", "described in lua/meta, but not there")
end

-- A field that may be a function says with what it is called.
function TestDescribed:test_fields_that_take_a_function_say_so()
  for _, class in ipairs { "perilune.ExperimentFields", "perilune.Callbacks", "perilune.LambdaOptions" } do
    for _, field in ipairs(help.fields(class)) do
      local may = class == "perilune.Callbacks" or field.name == "forward" or field.name == "backward"
        or field.name == "loss"
        or field.name == "schedule" or field.name == "augment"
      if may then lu.assertTrue(field.type:find("fun(", 1, true) ~= nil, class .. "." .. field.name) end
    end
    lu.assertTrue(#help.fields(class) > 0, class)
  end
  lu.assertStrContains(help.text "nn.Linear", "a function of the shape")
end

function TestDescribed:test_every_description_says_something()
  local empty = {}
  for _, entry in ipairs(help.entries()) do
    if #entry.text == 0 then empty[#empty + 1] = help.name_of(entry) end
  end
  lu.assertEquals(table.concat(empty, " "), "", "without a description")
end

function TestDescribed:test_every_parameter_is_an_argument_and_every_argument_a_parameter()
  local wrong = {}
  for _, entry in ipairs(help.entries()) do
    if entry.kind == "function" then
      local declared = {}
      for _, p in ipairs(entry.params) do declared[#declared + 1] = p.name end
      if table.concat(declared, ",") ~= table.concat(entry.arguments, ",") then
        wrong[#wrong + 1] = help.name_of(entry)
      end
    end
  end
  lu.assertEquals(table.concat(wrong, " "), "", "@param lines that do not fit the arguments")
end

-- What happens without an argument or an option that may be left out; of a name nothing, and options are one by one.
function TestDescribed:test_what_may_be_left_out_has_a_default()
  local missing = {}
  local function look(owner, p)
    if p.optional and p.name ~= "name" and p.name ~= "options" and not p.text:find("default", 1, true) then
      missing[#missing + 1] = owner .. "." .. p.name
    end
  end
  for _, entry in ipairs(help.entries()) do
    if entry.kind == "function" then
      for _, p in ipairs(entry.params) do look(help.name_of(entry), p) end
    elseif entry.kind == "class" and entry.class:find "Options$" then
      for _, p in ipairs(entry.fields) do look(entry.class, p) end
    end
  end
  lu.assertEquals(table.concat(missing, " "), "", "without a default")
end

-- Arguments that make one of each; those that are missing are made without.
local arguments = { ["nn.Residual"] = { pl.nn.ReLU() }, ["nn.Lambda"] = { { forward = function(x) return x end } } }
for type, example in pairs(require "perilune.core".nn.examples()) do arguments["nn." .. type] = example.arguments end
-- What a constructor calls its arguments where the option's own name would be a word of Lua; what is not configuration.
local other_names = { inputs = "in", outputs = "out" }
local not_config = { options = true, name = true, layers = true, branch = true, shortcut = true, forward = true,
  backward = true,
  shape = true, groups = true }

local function described_options(entry)
  local names = {}
  for _, p in ipairs(entry.params) do
    names[other_names[p.name] or p.name] = true
    local class = help.options(p)
    for _, field in ipairs(class and class.fields or {}) do names[field.name] = true end
  end
  return names
end

-- Every class that has config() has exactly the options that are described.
function TestDescribed:test_options_are_those_described()
  local wrong = {}
  for _, module in ipairs { "nn", "optim" } do
    for _, entry in ipairs(help.module(module).members) do
      local name = help.name_of(entry)
      local maker = pl[module][entry.name]
      if maker and entry.name:find "^%u" and entry.name ~= "Graph" then   -- a graph's config is recorded
        local config = maker(table.unpack(arguments[name] or {})):config().config or {}
        local found = described_options(entry)
        for option in pairs(config) do
          if not found[option] then wrong[#wrong + 1] = ("%s has an undescribed '%s'"):format(name, option) end
        end
        for option in pairs(found) do
          if config[option] == nil and not not_config[option] then
            wrong[#wrong + 1] = ("%s has no '%s'"):format(name, option)
          end
        end
      end
    end
  end
  table.sort(wrong)
  lu.assertEquals(table.concat(wrong, "; "), "")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
