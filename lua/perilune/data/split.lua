--- A split: the training, validation or test part of a data set. It knows its shape, number and label names from
--- the start, and is read from its files when a sample is first needed.
local options = require "perilune.options"
local raise = require "perilune.raise"

local Split = {}
local class = { __name = "perilune.split" }
local M = {}

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

--- The data set in memory (userdata), read now if it has not been. Each call gives a handle of its own, which may be closed.
function Split:read()
  local ds = self._core
  if not ds then
    ds = self._load()
    ds:describe(self.name, nil, self.labels)
    self._core, self._load = ds, nil
  end
  return ds:share()
end

local function derived(self, changes)
  return M.new {
    name = changes.name or self.name, count = changes.count or self.count, shape = changes.shape or self.shape,
    labels = self.labels, classes = self.classes, target = self.target, load = changes.load,
  }
end

--- One sample: its values (a tensor of shape `split.shape`) and its label or target.
function Split:get(i)
  if math.type(i) ~= "integer" then raise("get takes the position of a sample, from 1 to %d, got %s", self.count, tostring(i)) end
  if i < 1 or i > self.count then raise("sample %d is out of range: %s has samples 1 to %d", i, self.name, self.count) end
  local x, y = self:read():range(i, i)
  x = x:reshape(table.unpack(self.shape))
  if y == nil then return x end
  if self.classes > 0 then return x, y:item() end
  return x, y:reshape(table.unpack(self.target))
end

--- Samples from..to as tensors x [n, ...] and y; all of them by default.
function Split:tensors(from, to)
  from, to = from or 1, to or self.count
  if from < 1 or to > self.count or from > to then raise("samples %d to %d are out of range: %s has 1 to %d", from, to, self.name, self.count) end
  return self:read():range(from, to)
end

--- The samples at the given positions as tensors x [n, ...] and y.
function Split:gather(positions) return self:read():gather(positions) end

--- An iterator of x [n, ...], y over batches of n samples.
--- shuffle (false); seed (0), epoch (0): the order is a function of both; drop_last (false): leave a partial batch out.
function Split:batches(n, opts)
  if math.type(n) ~= "integer" or n < 1 then raise("batches takes a number of samples from 1, got %s", tostring(n)) end
  local o = options.read("batches", opts, { shuffle = false, seed = 0, epoch = 0, drop_last = false })
  return self:read():batches(n, o.shuffle, o.seed, o.epoch, o.drop_last)
end

--- { first = n }: the first n samples; { per_class = n }: the first n of each class.
function Split:subset(opts)
  local o = options.read("subset", opts, { first = options.none, per_class = options.none })
  local n = o.first or o.per_class
  if (o.first == nil) == (o.per_class == nil) then raise "subset takes { first = n } or { per_class = n }" end
  if math.type(n) ~= "integer" or n < 1 then raise("subset takes a number of samples from 1, got %s", tostring(n)) end
  if o.per_class and self.classes == 0 then raise("subset by class needs labels, and %s has none", self.name) end
  local count = o.first or n * self.classes
  if count > self.count then raise("subset: %d samples are wanted, %s has %d", count, self.name, self.count) end
  return derived(self, {
    name = ("%s, first %d%s"):format(self.name, n, o.per_class and " of each class" or ""), count = count,
    load = function()
      local ds = self:read()
      return o.first and ds:first(n) or ds:first_per_class(n)
    end,
  })
end

--- Holds a fraction out: returns what is kept and what is held out. `how`: a fraction, or { fraction =,
--- stratified = false (that fraction of each class), seed = (a random choice; without it the last ones) }.
function Split:validation(how)
  if type(how) == "number" then how = { fraction = how } end
  local o = options.read("validation", how, { fraction = options.none, stratified = false, seed = options.none })
  if type(o.fraction) ~= "number" or not (o.fraction > 0 and o.fraction < 1) then
    raise("validation takes a fraction between 0 and 1, got %s", tostring(o.fraction))
  end
  if o.stratified and self.classes == 0 then raise("a stratified validation split needs labels, and %s has none", self.name) end
  local held = math.floor(o.fraction * self.count + 0.5)
  if held == 0 or held == self.count then raise("validation: %d samples are too few to hold out a fraction of %g", self.count, o.fraction) end
  local parts
  local function part(i)
    return function()
      parts = parts or { self:read():split(o.fraction, o.stratified, o.seed) }
      return parts[i]
    end
  end
  local percent = ("%.4g%%"):format(100 * o.fraction)
  return derived(self, { name = self.name .. " without " .. percent, count = self.count - held, load = part(1) }),
         derived(self, { name = ("%s, %s held out"):format(self.name, percent), count = held, load = part(2) })
end

--- Values minus the mean, divided by the standard deviation. std = false: the mean only. per = "all" (one number),
--- "channel" or "pixel". from = the split whose mean and deviation are used (this one by default).
function Split:standardize(opts)
  local o = options.read("standardize", opts, { std = true, per = "all", from = options.none })
  if o.per ~= "all" and o.per ~= "channel" and o.per ~= "pixel" then
    raise("standardize: per is \"all\", \"channel\" or \"pixel\", got \"%s\"", o.per)
  end
  local from = o.from or self
  return derived(self, { name = self.name .. ", standardized", load = function()
    local key = o.per .. (o.std and " std" or "")
    from._statistics = from._statistics or {}
    local known = from._statistics[key]
    if not known then
      known = table.pack(from:read():statistics(o.per, o.std))
      from._statistics[key] = known
    end
    return self:read():standardize(known[1], known[2])
  end })
end

--- Images resized to height x width: bilinear, without smoothing first.
function Split:resize(height, width)
  width = width or height
  for _, n in ipairs { height, width } do
    if math.type(n) ~= "integer" or n < 1 or n > 65536 then raise("resize takes a height and a width in pixels, got %s", tostring(n)) end
  end
  if #self.shape ~= 3 then raise("resize works on images [H, W, C], and the samples of %s are [%s]", self.name, table.concat(self.shape, ", ")) end
  return derived(self, {
    name = ("%s, %dx%d"):format(self.name, height, width), shape = { height, width, self.shape[3] },
    load = function() return self:read():resize(height, width) end,
  })
end

return M
