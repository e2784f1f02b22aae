--- What becomes of a sample on its way from a file to a model, kept in a run's file (provenance.preparation), so that
--- other samples can go the same way: a table
---   pixels      samples are bytes, whose value is byte / 255
---   standardize a list of { mean =, std = } (lists of one number or of one an element of a sample), in order; in
---               older files std is called deviation
---   brightest   of images that are no bytes: the largest value of the first ones
---   darkest     and the smallest; older files have none
---   background  of gray images: how bright their border is, from 0 (as dark as they get) to 1
---   features    of a CSV file: how columns become features (csv.lua)
local core = require "perilune.core"

local M = {}

local LOOKED_AT, MOST_VALUES, AT_A_TIME = 256, 1 << 22, 32

M.BRIGHTEST = 2           -- above it values are no pixels from 0 to 1, a little noise on them granted
local DARKEST = -0.05     -- nor below it

local function list(t)
  if not t then return nil end
  t = t:reshape(-1)
  local first = t:slice(1, 1, 1)
  return t:sub(first):abs():max() == 0 and { first:item() } or t:totable()
end

-- The mean of the outermost rows and columns of images [n, H, W, C].
local function border(x)
  local sides = { x:select(2, 1), x:select(2, x:size(2)), x:select(3, 1), x:select(3, x:size(3)) }
  local sum, count = 0, 0
  for _, side in ipairs(sides) do sum, count = sum + side:sum(), count + side:count() end
  return sum / count
end
M.border = border

-- The least and the largest value of the first samples, and how bright their border is (images alone); fewer samples
-- where they are large: those of a stream may not fit in memory. Some at a time: little work starts no threads.
local function first_ones(split, with_border)
  local size, sum, low, high = 1, 0, math.huge, -math.huge
  for _, n in ipairs(split.shape) do size = size * n end
  local count = math.min(split.count, LOOKED_AT, math.max(1, MOST_VALUES // size))
  for from = 1, count, AT_A_TIME do
    local x = split:tensors(from, math.min(count, from + AT_A_TIME - 1))
    local least, most = x:min(), x:max()
    if least ~= least then return least, most end      -- NaN
    low, high = math.min(low, least), math.max(high, most)
    if with_border then sum = sum + border(x) * x:size(1) end
  end
  return low, high, sum / count
end

local function background(split)
  if #split.shape ~= 3 or split.shape[3] ~= 1 then return nil end
  local low, high, bright = first_ones(split, true)
  if high <= low or high ~= high then return nil end
  return (bright - low) / (high - low)
end

-- The smallest and largest value of images that are no bytes.
local function extent(split)
  if #split.shape ~= 3 or split:read():info().pixels then return nil end
  local low, high = first_ones(split)
  if high - low == high - low then return low, high end
end

--- What pixels from 0 to 1 are multiplied by to be like the images of the training: 1, or 255 where those reach beyond
--- half of that. nil: these have another range, as numbers standardized elsewhere have.
function M.scale(preparation)
  local least, most = preparation and preparation.darkest or 0, preparation and preparation.brightest or 1
  local scale = most <= M.BRIGHTEST and 1 or most > 128 and most <= 255 and 255 or nil
  return scale and least >= DARKEST * scale and scale or nil
end

--- The range of the images of the training, in words: where there is no scale.
function M.range(preparation)
  local least, most = preparation.darkest or 0, preparation.brightest
  return least < 0 and ("from %.6g to %.6g"):format(least, most) or ("up to %.6g"):format(most)
end

--- The preparation of a split's samples.
function M.of(split)
  if split._preparation then return split._preparation end
  local steps = {}
  for i, statistics in ipairs(split.prepared or {}) do
    local mean, std = statistics()
    steps[i] = { mean = list(mean), std = list(std) }
  end
  local original = split.original or split
  local darkest, brightest = extent(original)
  local p = { pixels = split:read():info().pixels, standardize = steps, features = split.features,
    darkest = darkest, brightest = brightest, background = background(original) }
  split._preparation = p
  return p
end

-- A list of numbers as a tensor that fits samples of a shape.
local function tensor_of(numbers, shape)
  if not numbers then return nil end
  return #numbers == 1 and numbers[1] or core.tensor.tensor(numbers):reshape(1, table.unpack(shape))
end

--- Values x [n, ...] (pixels: from 0 to 1), standardized as the samples of the training were.
function M.standardize(preparation, x, shape)
  for _, step in ipairs(preparation and preparation.standardize or {}) do
    local mean, std = tensor_of(step.mean, shape), tensor_of(step.std or step.deviation, shape)
    if mean then x = x:sub(mean) end
    if std then x = x:div(std) end
  end
  return x
end

return M
