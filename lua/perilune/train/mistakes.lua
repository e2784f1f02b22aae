--- The predictions of an evaluation, and its worst mistakes: what a report shows without the data.
local M = { most = 50 }

-- Labels as files keep them: as bytes where each is one.
local function compact(labels, classes)
  return classes <= 256 and labels:min() >= 0 and labels:to "u8" or labels
end

local function is_image(shape)
  return #shape == 2 or #shape == 3 and (shape[3] == 1 or shape[3] == 3)
end

-- Samples as u8 pictures: `low` is black, `high` white; what is not finite is black.
local function pictures(x, low, high)
  local scaled = (x - low) * (255 / (high > low and high - low or 1))
  return scaled:clamp(0, 255):round():to "u8"
end

--- The mistakes of a split, the most confident first: { index, label, prediction, probability, picture (u8, of images)
--- } each; at most M.most. `predictions`, `probabilities`: a tensor each, a number a sample.
function M.worst(split, predictions, probabilities)
  local ds = split:read()
  local labels, guesses, sure = ds:all_labels():totable(), predictions:totable(), probabilities:totable()
  local wrong = {}
  for i, label in ipairs(labels) do
    if guesses[i] ~= label then wrong[#wrong + 1] = i end
  end
  local function rank(i) return sure[i] == sure[i] and sure[i] or -1 end
  table.sort(wrong, function(i, j)
    if rank(i) ~= rank(j) then return rank(i) > rank(j) end
    return i < j
  end)
  local list, positions = {}, table.move(wrong, 1, math.min(#wrong, M.most), 1, {})
  local images
  if #positions > 0 and is_image(split.shape) then
    images = pictures((ds:gather(positions)), ds:extent())
  end
  for n, i in ipairs(positions) do
    list[n] = { index = i, label = labels[i], prediction = guesses[i], probability = sure[i],
      picture = images and images[n] or nil }
  end
  return list
end

--- Completes the result of an evaluation of labelled data, before it goes into a file: predictions as they are kept,
--- which of them are right (u8, 1 or 0 a sample), mistakes.
function M.complete(result, split)
  if result.mistakes or not result.probabilities then return end
  result.mistakes = M.worst(split, result.predictions, result.probabilities)
  result.right = result.predictions:eq(split:read():all_labels())
  result.predictions, result.probabilities = compact(result.predictions, split.classes), nil
end

return M
