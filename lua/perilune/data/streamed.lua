--- stream = true: samples stay in their files and are read ahead of the step, in bounded memory; labels and targets
--- are in memory. An epoch is shuffled by blocks (runtime/data/stream.h), so that its order is not that of the set in
--- memory.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local parts = require "perilune.data.parts"
local raise = errors.raise
local split = require "perilune.data.split"

local M = {}

-- The data set of the core for a split; the digest stands for what it is read from.
local function made(stream, info, y, classes, name, digest)
  local ok, ds = pcall(core.streams.dataset, stream, info, y, classes)
  if not ok then raise("%s: %s", name, errors.bare(ds)) end
  ds:describe(name, digest)
  return ds
end

--- A part of data.hdf5: x and y are names in the file at `path`; y may be nil.
function M.hdf5(path, name, x, y, labels)
  local stream, info = errors.must(core.streams.hdf5(path, x))
  local targets
  if y then
    local from <close>, about = errors.must(core.streams.hdf5(path, y))
    local t = errors.must(core.streams.read(from, about))
    if about.integers and about.type == "f32" then t = t:to "i32" end
    targets = parts.targets(name, t, about.integers, labels)
  end
  local sample = parts.sample_shape(info.shape, info.type)
  local shape = { info.shape[1], table.unpack(sample) }
  local part = parts.split { name = name, labels = labels, y = targets,
    x = { shape = info.shape, type = info.type, read = function() end } }
  part._load = function()
    return made(stream, { type = info.type, shape = shape }, targets, part.classes, name,
      core.store.sha256(errors.must(core.data.file_sha256(path)), x, y or ""))
  end
  part.streamed = true
  return part
end

--- data.hdf5 { stream = true }. `given`: what the script said; the other names are defaults, which need not be there;
--- what is there must be readable.
function M.set(o, given)
  local labels = parts.labels("data.hdf5", o.labels)
  local function there(option)
    if given[option] then return o[option] end
    local stream <close>, message, absent = core.streams.hdf5(o.path, o[option])
    if not stream and not absent then raise("data.hdf5: option '%s': %s", option, message) end
    return stream and o[option]
  end
  local y = there "y"
  if labels and not y then raise "data.hdf5 got labels, the names of the classes, without y" end
  local train = M.hdf5(o.path, o.name .. " train", o.x, y, labels)
  local test = there "test_x" and M.hdf5(o.path, o.name .. " test", o.test_x, there "test_y", train.labels)
  return parts.dataset(o.name, train, test or nil, o.validation)
end

--- A part of data.images: its pictures and their labels.
function M.pictures(paths, labels, shape, classes, name, resized)
  return split.new {
    name = name, count = #paths, shape = shape, labels = classes, classes = #classes, streamed = true,
    load = function()
      local height, width = resized and shape[1] or 0, resized and shape[2] or 0
      local stream = errors.must(core.streams.pictures(paths, height, width, shape[3]))
      local sums = {}
      for i, path in ipairs(paths) do
        sums[i] = path:match "[^/]*/[^/]*$" .. errors.must(core.data.file_sha256(path))
      end
      return made(stream, { type = "u8", shape = { #paths, table.unpack(shape) } }, core.tensor.tensor(labels, "i32"),
        #classes, name, core.store.sha256(table.concat(sums, "\n")))
    end,
  }
end

return M
