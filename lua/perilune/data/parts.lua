--- What the readers of data sets share: splits made of tensors that are read when the first sample is needed.
local core = require "perilune.core"
local dataset = require "perilune.data.dataset"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local raise = errors.raise
local split = require "perilune.data.split"

local M = { MOST_CLASSES = 65536 }

--- "0", "1", ...
function M.numbered_labels(classes)
  local labels = {}
  for k = 1, classes do labels[k] = tostring(k - 1) end
  return labels
end

-- Each class has a name of its own: predictions, tables and pages tell them apart by it.
local function check_names(what, names)
  local known = {}
  options.list(what .. ": option 'labels'", names, 'write labels = { "cat", "dog" }')
  for k, name in ipairs(names) do
    if type(name) ~= "string" then
      raise("%s: option 'labels' takes the names of the classes, got %s as item %d", what, options.describe(name), k)
    end
    if name:find "\0" then raise("%s: option 'labels': item %d has a zero byte", what, k) end
    if known[name] then raise("%s: option 'labels' has the name '%s' twice", what, name) end
    known[name] = true
  end
  return names
end

--- Raises where the largest of the labels y (an i32 tensor) would make more classes than anything is meant for. what,
--- of: where y is.
function M.check_largest(what, y, of)
  if y:count() == 0 or y:max() < M.MOST_CLASSES then return end
  raise("%s: label %d%s is beyond %d classes; are these targets? then give them as floating-point numbers", what,
    math.tointeger(y:max()), of or "", M.MOST_CLASSES)
end

--- Names of the classes from an option: a list of them, a number of classes, or nil.
function M.labels(what, given)
  if given == nil then return nil end
  if type(given) == "table" and getmetatable(given) == nil and next(given) ~= nil then
    return check_names(what, given)
  end
  if math.type(given) ~= "integer" or given < 1 or given > M.MOST_CLASSES then
    raise("%s: option 'labels' takes the names of the classes, or their number from 1 to %d, got %s", what,
      M.MOST_CLASSES, options.describe(given))
  end
  return M.numbered_labels(given)
end

--- Options whose first may be given without its name: data.csv { "iris.csv", target = "species" }, data.csv "iris.csv".
function M.options(what, given, defaults, first)
  if type(given) == "string" then given = { given } end
  if type(given) == "table" and getmetatable(given) == nil and given[1] ~= nil and given[first] == nil then
    local copy = {}
    for name, value in pairs(given) do copy[name == 1 and first or name] = value end
    given = copy
  end
  local o = options.read(what, given, defaults, first)
  for _, option in ipairs { "name", "test" } do
    if o[option] ~= nil and type(o[option]) ~= "string" then
      raise("%s: option '%s' takes a string, got %s", what, option, options.describe(o[option]))
    end
  end
  return o
end

--- A number's worth of images [N, H, W] of bytes has one channel; a vector [N] one feature. `shape` with its N.
function M.sample_shape(shape, type)
  local sample = table.move(shape, 2, #shape, 1, {})
  if #sample == 0 then return { 1 } end
  if #sample == 2 and type == "u8" then sample[3] = 1 end
  return sample
end

-- Samples as a data set takes them: u8 pixels or f32.
local function samples(x, sample)
  if x.dtype == "i32" then x = x:to "f32" end
  return x:reshape(x:size(1), table.unpack(sample))
end

--- Labels i32 [N] or targets f32 from what a file holds; integers of one axis are labels.
function M.targets(what, y, integers, labels)
  local shape = y.shape
  if #shape == 0 then raise("%s: y is a single number; it has one entry a sample", what) end
  local flat = #shape == 1 or (#shape == 2 and shape[2] == 1)
  if integers and flat then
    if y.dtype == "f32" then raise("%s: y has whole numbers beyond 2^31; labels count from 0", what) end
    return (y.dtype == "i32" and y or y:to "i32"):reshape(shape[1])
  end
  if labels then
    raise("%s: option 'labels' is for labels, and y has %s [%s]: targets", what,
      integers and "whole numbers" or "floating-point numbers", table.concat(shape, ", "))
  end
  return y.dtype == "f32" and y or y:to "f32"
end

--- { name=, x = { shape =, type =, read = }, y = a tensor of labels or targets, or nil, labels = names, or nil }.
function M.split(part)
  local sample = M.sample_shape(part.x.shape, part.x.type)
  local count, y = part.x.shape[1], part.y
  if #part.x.shape == 0 or count == 0 then
    raise("%s is empty: its samples are [%s]", part.name, table.concat(part.x.shape, ", "))
  end
  if y and y:size(1) ~= count then
    raise("%s: samples [%s] and targets [%s] differ in number", part.name, table.concat(part.x.shape, ", "),
      table.concat(y.shape, ", "))
  end
  local labelled = y and y.dtype == "i32"
  local classes = 0
  if labelled then
    local least, most = math.tointeger(y:min()), math.tointeger(y:max())
    if least < 0 then raise("%s: label %d is negative; labels count from 0", part.name, least) end
    if part.labels and most >= #part.labels then
      raise("%s: label %d is out of range: %d classes have labels 0 to %d", part.name, most, #part.labels,
        #part.labels - 1)
    end
    M.check_largest(part.name, y)
    classes = part.labels and #part.labels or most + 1
  end
  return split.new {
    name = part.name, count = count, shape = sample, classes = classes,
    labels = labelled and (part.labels or M.numbered_labels(classes)) or nil,
    target = y and not labelled and table.move(y.shape, 2, #y.shape, 1, {}) or nil, features = part.features,
    load = function()
      local x = samples(part.x.read(), sample)
      local ok, ds = pcall(core.data.new, x, y, classes)
      if not ok then raise("%s: %s", part.name, errors.bare(ds)) end
      return ds
    end,
  }
end

--- Raises unless a file of a data set that is known by name has as many samples, and of such a shape, as was published.
--- shape, published: with the number of samples first.
function M.check_published(path, name, shape, published)
  if shape[1] ~= published[1] then
    raise("%s holds %d samples, and %s has %d; is it the published file?", path, shape[1], name, published[1])
  end
  local found, wanted = table.concat(shape, ", ", 2), table.concat(published, ", ", 2)
  if found ~= wanted then
    raise("%s holds samples of [%s], and those of %s are [%s]; is it the published file?", path, found, name, wanted)
  end
end

--- A data set with a fraction of its training split held out if `validation` says so.
function M.hold_out(set, validation)
  if validation == nil or validation == 0 then return set end
  return (set:validation(validation))
end

--- The data set of a training and perhaps a test split, with a fraction held out if `validation` says so.
function M.dataset(name, train, test, validation)
  return M.hold_out(dataset.new { name = name, train = train, test = test }, validation)
end

return M
