--- How an image becomes a sample: what an experiment did to its data before the network sees them, as steps for a page
--- that draws. From the words that a run keeps: "train: resize 32x32; standardize per=all std=true | test: ...".
local errors = require "perilune.base.errors"

local M = {}

-- What became of the training split, whose statistics all splits are standardized by.
local function words_of(recipe)
  for part in ((recipe or "") .. " | "):gmatch "(.-) | " do
    local words = part:match "^train: (.*)$"
    if words then return words end
  end
  return ""
end

local function sizes(words)
  local h, w = words:match "^resize (%d+)x(%d+)$"
  if h then return math.tointeger(h), math.tointeger(w) end
end

-- The split that `words` made of `split`; nil where they are of a kind that is not known.
local function apply(split, words)
  local h, w = sizes(words)
  if h then return split:resize(h, w) end
  local how, n = words:match "^subset (%l+_?%l*)=(%d+)$"
  if how then return split:subset { [how] = math.tointeger(n) } end
  local per, std = words:match "^standardize per=(%l+) std=(%l+)$"
  if per then return split:standardize { per = per, std = std == "true" } end
  local fraction, rule = words:match "^without validation fraction=([%d.e-]+), (.*)$"
  if not fraction then return nil end
  local seed = rule:match "^shuffled with seed (%d+)"
  return (split:validation { fraction = tonumber(fraction), order = seed and "shuffled" or "last",
    seed = seed and math.tointeger(seed), stratified = rule:find("stratified", 1, true) ~= nil })
end

local function list(tensor) return tensor and tensor:reshape(-1):totable() end

--- { field = { height, width } of the image that is drawn, or nil: as the model's input; steps = { { resize =
--- { h, w } } or { mean =, std = } (lists of one number, or of one a channel or value) } }. about: recipe, data.
function M.of(about)
  local make = about.data and require "perilune.data"[about.data]
  local split = make and make():splits() or nil
  local result = { steps = {}, field = split and #split.shape == 3 and { split.shape[1], split.shape[2] } or nil }
  for words in (words_of(about.recipe) .. "; "):gmatch "(.-); " do
    local h, w = sizes(words)
    local per, std = words:match "^standardize per=(%l+) std=(%l+)"
    if h then
      result.steps[#result.steps + 1] = { resize = { h, w } }
    elseif per then
      if not split or words:find(" from=", 1, true) then
        errors.fail(1, "html: the experiment's data are standardized, by statistics that are not in its file, and the "
          .. "data set '%s' is none that can be read by name", about.data or "?")
      end
      local mean, deviation = split:read():statistics(per, std == "true")
      result.steps[#result.steps + 1] = { mean = list(mean), std = list(deviation) }
    end
    if split then split = apply(split, words) end
  end
  return result
end

return M
