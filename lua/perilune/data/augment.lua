--- pl.augment: alterations of the training images. The constructors are those of the core; see lua/meta/data.lua.
local core = require "perilune.core"
local raise = require "perilune.base.errors".raise
local options = require "perilune.base.options"
local names = require "perilune.base.names"

local M = {}
for name, constructor in pairs(core.augment) do M[name] = constructor end

local Compose = {}
Compose.__index = Compose
Compose.__name = "perilune.compose"

--- Several augmentations one after the other: a list that an experiment takes like a single one.
function M.compose(list)
  if type(list) ~= "table" then
    raise("compose takes a list of augmentations, %s", names.uncalled(list) or "got " .. names.describe(list))
  end
  options.list("compose", list, "write pl.augment.compose { pl.augment.affine { ... } }")
  local flat = setmetatable({}, Compose)
  for i, item in options.items(list) do
    if getmetatable(item) == Compose then table.move(item, 1, #item, #flat + 1, flat)
    elseif names.uncalled(item) then raise("compose: item %d: %s", i, names.uncalled(item))
    elseif type(item) == "userdata" or type(item) == "function" then flat[#flat + 1] = item
    else raise("compose takes a list of augmentations, and item %d is a %s", i, type(item)) end
  end
  return flat
end

--- All of them applied to images [N, H, W, C], as a training step would; see augmentation:apply. A Lua function is
--- called with the images.
function Compose:apply(x, opts)
  for position, item in ipairs(self) do
    if type(item) == "function" then x = item(x)
    else
      local o = {}
      for name, value in pairs(opts or {}) do o[name] = value end
      local first = o.position or o.place or 1      -- "place": an older name
      if math.type(first) then o.position, o.place = first + position - 1, nil end
      x = item:apply(x, o)
    end
  end
  return x
end

return M
