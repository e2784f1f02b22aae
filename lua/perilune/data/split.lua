--- A split: the training, validation or test part of a data set. It knows its shape, number and label names from
--- the start, and is read from its files when a sample is first needed.
local csv = require "perilune.base.csv"
local options = require "perilune.base.options"
local raise = require "perilune.base.errors".raise
local names = require "perilune.base.names"

local Split = {}
local class = { __name = "perilune.split" }
local M = { default_order = "shuffled" }      -- of validation; "last" while an old run is made again, whose file notes
                                              -- no rule

--- { name=, count=, shape=, labels=, classes=, load= }; load() returns the core data set, once.
function M.new(known)
  known._load, known.load = known.load, nil
  return setmetatable(known, class)
end

function M.is(value) return getmetatable(value) == class end

-- Known only once the data has been read.
local function sum_of(self)
  local ds = self:read()
  local sum = ds:info().sha256
  return sum ~= "" and sum or ds:digest()
end

function class.__index(self, key)
  if key ~= "sha256" then return Split[key] end
  local sum = sum_of(self)
  self.sha256 = sum
  return sum
end

function class.__len(self) return self.count end

function class.__tostring(self)
  return ("%s: %d samples of [%s]%s"):format(self.name, self.count, table.concat(self.shape, ", "),
    self.classes > 0 and (", %d classes"):format(self.classes) or "")
end

--- The data set in memory (userdata), read now if it has not been. Each call gives a handle of its own, which may be
--- closed.
function Split:read()
  local ds = self._core
  if not ds then
    ds = self._load()
    ds:describe(self.name, nil, self.labels)
    self._core, self._load = ds, nil
  end
  return ds:share()
end

-- `step`: what was done, in words that are part of a run's identity; or a function(unread) that says so: it reads the
-- data, unless `unread`.
local function derived(self, step, changes)
  local recipe = table.move(self.recipe or {}, 1, #(self.recipe or {}), 1, {})
  recipe[#recipe + 1] = step
  local prepared = table.move(self.prepared or {}, 1, #(self.prepared or {}), 1, {})
  prepared[#prepared + 1] = changes.prepared
  return M.new {
    recipe = recipe, prepared = prepared, original = self.original or self,
    name = changes.name or self.name, count = changes.count or self.count, shape = changes.shape or self.shape,
    labels = self.labels, classes = self.classes, target = self.target, features = self.features, load = changes.load,
  }
end

--- How the split was derived from what its file or its tensors hold: "subset first=100; standardize per=all std=true",
--- or "". `unread`: reads no data; a split that another one is standardized by is told by its name, not by its SHA-256.
function Split:derivation(unread)
  local words = {}
  for i, step in ipairs(self.recipe or {}) do words[i] = type(step) == "function" and step(unread) or step end
  return table.concat(words, "; ")
end

--- One sample: its values (a tensor of shape `split.shape`) and its label or target.
function Split:get(i)
  if math.type(i) ~= "integer" then
    raise("get takes the position of a sample, from 1 to %d, got %s", self.count, tostring(i))
  end
  if i < 1 or i > self.count then
    raise("sample %d is out of range: %s has samples 1 to %d", i, self.name, self.count)
  end
  local x, y = self:read():range(i, i)
  x = x:reshape(table.unpack(self.shape))
  if y == nil then return x end
  if self.classes > 0 then return x, y:item() end
  return x, y:reshape(table.unpack(self.target))
end

--- Samples from..to as tensors x [n, ...] and y; all of them by default.
function Split:tensors(from, to)
  from, to = from or 1, to or self.count
  for _, i in ipairs { from, to } do
    if type(i) ~= "number" or not math.tointeger(i) then
      raise("tensors takes the positions of two samples, from 1 to %d, got %s", self.count, options.describe(i))
    end
  end
  if from < 1 or to > self.count or from > to then
    raise("samples %d to %d are out of range: %s has 1 to %d", from, to, self.name, self.count)
  end
  return self:read():range(from, to)
end

--- The samples at the given positions as tensors x [n, ...] and y.
function Split:gather(positions) return self:read():gather(positions) end

--- An iterator of x [n, ...], y over batches of n samples.
--- shuffle (false); seed (0), epoch (0): the order is a function of both; drop_last (false): leave a partial batch out.
function Split:batches(n, opts)
  if math.type(n) ~= "integer" or n < 1 then raise("batches takes a number of samples from 1, got %s", tostring(n)) end
  local o = options.read("batches(n)", opts, { shuffle = false, seed = 0, epoch = 0, drop_last = false }, "shuffle")
  return self:read():batches(n, o.shuffle, o.seed, o.epoch, o.drop_last)
end

--- { first = n }: the first n samples; { per_class = n }: the first n of each class.
function Split:subset(opts)
  local o = options.read("subset", opts, { first = options.none, per_class = options.none }, "first")
  local n = o.first or o.per_class
  if (o.first == nil) == (o.per_class == nil) then raise "subset takes { first = n } or { per_class = n }" end
  if math.type(n) ~= "integer" or n < 1 then raise("subset takes a number of samples from 1, got %s", tostring(n)) end
  if o.per_class and self.classes == 0 then raise("subset by class needs labels, and %s has none", self.name) end
  local count = o.first or n * self.classes
  if count > self.count then raise("subset: %d samples are wanted, %s has %d", count, self.name, self.count) end
  return derived(self, ("subset %s=%d"):format(o.first and "first" or "per_class", n), {
    name = ("%s, first %d%s"):format(self.name, n, o.per_class and " of each class" or ""), count = count,
    load = function()
      local ds = self:read()
      return o.first and ds:first(n) or ds:first_per_class(n)
    end,
  })
end

--- The rule of a validation split in words.
local function rule_of(o)
  local rows = o.order == "last" and "the last rows" or ("shuffled with seed %d"):format(o.seed)
  return ("fraction=%s, %s%s"):format(csv.number(o.fraction), rows, o.stratified and ", stratified" or "")
end

--- Holds a fraction out: returns what is kept, what is held out, and the rule in words. `how`: a fraction, or {
--- fraction =, order = "shuffled" (a random choice, from `seed`) or "last" (the last rows), stratified = (that fraction
--- of each class; so by default where there are labels and order is not "last"), seed = 1 }.
function Split:validation(how)
  if type(how) == "number" then how = { fraction = how } end
  local o = options.read("validation", how,
    { fraction = options.none, order = options.none, stratified = options.none, seed = options.none })
  if type(o.fraction) ~= "number" or not (o.fraction > 0 and o.fraction < 1) then
    raise("validation takes a fraction between 0 and 1, got %s", tostring(o.fraction))
  end
  o.order = o.order or M.default_order
  if o.order ~= "shuffled" and o.order ~= "last" then
    raise("validation: order is \"shuffled\" or \"last\", got %s", options.describe(o.order))
  end
  if o.stratified == nil then o.stratified = o.order == "shuffled" and self.classes > 0 end
  if type(o.stratified) ~= "boolean" then
    raise("validation: stratified is true or false, got %s", options.describe(o.stratified))
  end
  if o.stratified and self.classes == 0 then
    raise("a stratified validation split needs labels, and %s has none", self.name)
  end
  if o.order == "last" and o.seed then raise 'validation: order = "last" takes no seed; leave one of them out' end
  if o.seed and math.type(o.seed) ~= "integer" then
    raise("validation: seed is a whole number, got %s", options.describe(o.seed))
  end
  if o.order == "shuffled" then o.seed = o.seed or 1 end
  local held = math.floor(o.fraction * self.count + 0.5)
  if held == 0 or held == self.count then
    raise("validation: %d samples are too few to hold out a fraction of %g", self.count, o.fraction)
  end
  local parts
  local function part(i)
    return function()
      parts = parts or { self:read():split(o.fraction, o.stratified, o.seed) }
      return parts[i]
    end
  end
  local percent = ("%.4g%%"):format(100 * o.fraction)
  local rule = rule_of(o)
  return derived(self, ("without validation %s"):format(rule), {
           name = self.name .. " without " .. percent, count = self.count - held, load = part(1) }),
         derived(self, ("validation %s"):format(rule), {
           name = ("%s, %s held out"):format(self.name, percent), count = held, load = part(2) }),
         rule
end

--- Values minus the mean, divided by the standard deviation. std = false: the mean only. per = "all" (one number),
--- "channel" or "pixel" (one an element of a sample; the default for samples of one axis, such as the rows of a table).
-- from = the split whose mean and std are used (this one by default).
function Split:standardize(opts)
  local o = options.read("standardize", opts, { std = true, per = #self.shape == 1 and "pixel" or "all",
    from = options.none }, "per")
  if o.per ~= "all" and o.per ~= "channel" and o.per ~= "pixel" then
    raise("standardize: per is \"all\", \"channel\" or \"pixel\", got \"%s\"", o.per)
  end
  local from = o.from or self
  if not M.is(from) then
    raise("standardize: option 'from' takes a split, such as set.train, got %s", options.describe(from))
  end
  local function step(unread)
    local words = ("standardize per=%s std=%s"):format(o.per, tostring(o.std))
    if from == self then return words end
    return ("%s from=(%s)"):format(words, unread and from.name or from.sha256 .. " " .. from:derivation())
  end
  local function statistics()
    local key = o.per .. (o.std and " std" or "")
    from._statistics = from._statistics or {}
    from._statistics[key] = from._statistics[key] or table.pack(from:read():statistics(o.per, o.std))
    return table.unpack(from._statistics[key])
  end
  return derived(self, step, { name = self.name .. ", standardized", prepared = statistics, load = function()
    return self:read():standardize(statistics())
  end })
end

--- Images resized to height x width: bilinear, without smoothing first.
function Split:resize(height, width)
  width = width or height
  for _, n in ipairs { height, width } do
    if math.type(n) ~= "integer" or n < 1 or n > 65536 then
      raise("resize takes a height and a width in pixels, got %s", tostring(n))
    end
  end
  if #self.shape ~= 3 then
    raise("resize works on images [H, W, C], and the samples of %s are [%s]", self.name, table.concat(self.shape, ", "))
  end
  return derived(self, ("resize %dx%d"):format(height, width), {
    name = ("%s, %dx%d"):format(self.name, height, width), shape = { height, width, self.shape[3] },
    load = function() return self:read():resize(height, width) end,
  })
end

names.class(class, Split)
return M
