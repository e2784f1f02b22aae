--- A data set: a training split and, where there is one, a test split and a validation split. Every method returns a
--- new data set and leaves this one as it is.
local raise = require "perilune.base.errors".raise

local Dataset = {}
local names = require "perilune.base.names"
local class = { __name = "perilune.dataset", __index = Dataset }
local M = {}

--- { name=, train=, test=, held=, labels= (those of the training split) }
function M.new(parts)
  local train = parts.train
  return setmetatable({
    name = parts.name, train = train, test = parts.test, held = parts.held,
    shape = train.shape, labels = parts.labels or train.labels, classes = train.classes, features = train.features,
  }, class)
end

-- Other splits of the same set, whose labels a script may have named.
local function derived(self, train, test, held)
  return M.new { name = self.name, train = train, test = test, held = held, labels = self.labels }
end

function M.is(value) return getmetatable(value) == class end

function class.__tostring(self)
  local lines = { self.name }
  for _, part in ipairs { self.train, self.held or false, self.test or false } do
    if part then lines[#lines + 1] = "  " .. tostring(part) end
  end
  return table.concat(lines, "\n")
end

--- train, test, validation (nil where there is none).
function Dataset:splits() return self.train, self.test, self.held end

--- A part of the training split; the others stay whole. See split:subset.
function Dataset:subset(opts)
  return derived(self, self.train:subset(opts), self.test, self.held)
end

--- Holds out a fraction of the training split as the validation split. See split:validation. Second, the rule in words.
function Dataset:validation(how)
  if self.held then raise("%s already has a validation split", self.name) end
  local train, held, rule = self.train:validation(how)
  return derived(self, train, self.test, held), rule
end

local function each(self, change)
  return derived(self, change(self.train), self.test and change(self.test), self.held and change(self.held))
end

--- All splits minus the mean of the training split, divided by its standard deviation. See split:standardize.
function Dataset:standardize(opts)
  local o = opts
  if opts == nil or type(opts) == "table" then
    o = { from = self.train }
    for name, value in pairs(opts or {}) do o[name] = value end
  end
  return each(self, function(part) return part:standardize(o) end)
end

--- How each split was derived, in words: part of a run's identity. "" where nothing was. `unread`: as of
--- split:derivation.
function Dataset:derivation(unread)
  local words = {}
  for _, part in ipairs { { "train", self.train }, { "validation", self.held }, { "test", self.test } } do
    local steps = part[2] and part[2]:derivation(unread) or ""
    if steps ~= "" then words[#words + 1] = ("%s: %s"):format(part[1], steps) end
  end
  return table.concat(words, " | ")
end

--- All splits resized to height x width pixels.
function Dataset:resize(height, width)
  return each(self, function(part) return part:resize(height, width) end)
end

names.class(class)
return M
