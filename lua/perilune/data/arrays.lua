--- pl.data.npz: arrays of NumPy, in an .npz archive or in .npy files.
local core = require "perilune.core"
local options = require "perilune.base.options"
local parts = require "perilune.data.parts"
local errors = require "perilune.base.errors"
local readers = core.readers
local raise = errors.raise

local M = {}

-- The name of an array of the archive; else an error that says what is in it.
local function check_member(path, option, name)
  local names = errors.must(readers.npz_list(path))
  for _, known in ipairs(names) do
    if known == name then return end
  end
  local near = core.system.nearest(name, names)
  raise("data.npz: there is no '%s' in %s (option '%s')%s; it holds: %s", name, path, option,
    near and (", did you mean '%s'?"):format(near) or "",
    #names > 0 and table.concat(names, ", ", 1, math.min(#names, 12)) or "no arrays")
end

-- { shape =, type =, integers =, read = } of the array that an option names; nil if the option is not given.
local function array(o, option)
  local name = o[option]
  if name == nil then return nil end
  if type(name) ~= "string" then
    raise("data.npz: option '%s' takes the name of an array%s, got %s", option,
      o.path and " in the archive" or "'s file", options.describe(name))
  end
  local path, member = o.path or name, o.path and name
  if member then check_member(path, option, member) end
  local info = errors.must(readers.npy_info(path, member))
  info.read = function() return (errors.must(readers.npy_read(path, member))) end
  return info
end

local function part(o, x, y, word, labels)
  local samples = array(o, x)
  local targets = array(o, y)
  local what = ("%s %s"):format(o.name, word)
  return parts.split { name = what, x = samples, labels = labels,
    y = targets and parts.targets(what, targets.read(), targets.integers, labels) or nil }
end

--- Arrays of NumPy: path of an .npz and the names of arrays in it, or without it the paths of .npy files: x, y, test_x,
--- test_y. Integers of one axis are labels, others are targets. labels = names of the classes, or their number;
--- validation = a fraction to hold out; name.
function M.npz(given)
  local o = parts.options("data.npz", given, { path = options.none, x = options.none, y = options.none,
    test_x = options.none, test_y = options.none, labels = options.none, name = options.none,
    validation = options.none }, "path")
  if o.path ~= nil and type(o.path) ~= "string" then
    raise("data.npz: option 'path' takes the name of a file, got %s", options.describe(o.path))
  end
  if o.path and o.path:find "%.npy$" and not o.x then o.x, o.path = o.path, nil end
  if o.path and not o.x then
    raise("data.npz needs x, the name of the samples in %s; it holds: %s", o.path,
      table.concat(errors.must(readers.npz_list(o.path)), ", "))
  end
  if not o.x then raise "data.npz needs a file: data.npz { \"set.npz\", x = \"images\", y = \"labels\" }" end
  if o.test_y and not o.test_x then raise "data.npz got test_y without test_x" end
  if o.labels ~= nil and not o.y then raise "data.npz got labels, the names of the classes, without y" end
  o.name = o.name or (o.path or o.x):match "([^/]*)$"
  local labels = parts.labels("data.npz", o.labels)
  local train = part(o, "x", "y", "train", labels)
  local test = o.test_x and part(o, "test_x", "test_y", "test", train.labels)
  return parts.dataset(o.name, train, test, o.validation)
end

return M
