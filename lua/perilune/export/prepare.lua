--- How an image that is drawn becomes a sample, as steps for a page: what a run's file keeps of its data's preparation
--- (perilune.data.preparation), and the sizes in the words of its derivation ("train: resize 32x32; ...").
local errors = require "perilune.base.errors"
local preparation = require "perilune.data.preparation"

local M = {}

local DRAWN = { 28, 28 }        -- of a data set that is not known by name

-- The size of the data set's own images.
local function original(data)
  local named = { digits = true }
  for _, name in ipairs(require "perilune.data".names()) do named[name] = true end
  local shape = named[data] and require "perilune.data"[data]().train.shape
  return shape and #shape == 3 and { shape[1], shape[2] } or DRAWN
end

--- The sizes, { height, width } each, that the training images were resized to, by a data set's derivation.
function M.sizes(recipe)
  local words, list = (recipe or ""):match "train: ([^|]*)" or "", {}
  for h, w in words:gmatch "resize (%d+)x(%d+)" do list[#list + 1] = { math.tointeger(h), math.tointeger(w) } end
  return list
end

--- { field = { height, width } of the image that is drawn (nil: as the model's input), steps = { { invert = true },
--- { resize = { h, w } }, { mean =, std = } (lists of one number, or of one a value) } }. about: recipe, data,
--- preparation.
function M.of(about)
  local words = (about.recipe or ""):match "train: ([^|]*)" or ""
  local result, kept = { steps = {} }, about.preparation
  if kept and kept.background and kept.background > 0.5 then result.steps[1] = { invert = true } end
  for _, size in ipairs(M.sizes(about.recipe)) do
    result.field = result.field or original(about.data)
    result.steps[#result.steps + 1] = { resize = size }
  end
  if words:find("standardize", 1, true) and not kept then
    errors.fail(1, "html: the run's data were standardized, and its file, of an older program, does not keep by what; "
      .. "train it again")
  end
  local scale = preparation.scale(kept)
  if not scale then
    errors.fail(1, "html: the model was trained on images with values %s; what is drawn has no such values",
      preparation.range(kept))
  end
  if scale ~= 1 then result.steps[#result.steps + 1] = { mean = { 0 }, std = { 1 / scale } } end
  for _, step in ipairs(kept and kept.standardize or {}) do
    result.steps[#result.steps + 1] = { mean = step.mean, std = step.std or step.deviation }
  end
  return result
end

return M
