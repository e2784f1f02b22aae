--- Weights as images: the kernels of a convolution, or what each output of a linear layer on pixels looks for.
local text = require "perilune.base.format"

local M = {}

M.most = 64      -- images

--- The images of a weight tensor: [kh, kw, in, out] gives one an output, and one an input channel where these are
--- not 1 or 3;
--- [in, out] gives one an output where `input`, the shape of a sample, is an image of that many pixels. Returns a list
--- for plot/images.lua, and what it is; nil when it is no image.
function M.images(weight, input)
  local s = weight.shape
  local list = {}
  if #s == 4 then
    local kh, kw, inputs, outputs = s[1], s[2], s[3], s[4]
    local coloured = inputs == 1 or inputs == 3
    local values = weight:permute(4, 3, 1, 2):contiguous()
    for o = 1, outputs do
      for c = 1, coloured and 1 or inputs do
        if #list >= M.most then break end
        local image
        if coloured then image = values:select(1, o):permute(2, 3, 1):contiguous():totable()
        else image = values:select(1, o):select(1, c):contiguous():reshape(kh, kw, 1):totable() end
        list[#list + 1] = { pixels = image, caption = coloured and tostring(o) or ("%d←%d"):format(o, c) }
      end
    end
    local all = coloured and outputs or inputs * outputs
    return list, ("%s kernels of %d x %d, each from its least (black) to its largest value (white)%s"):format(
      text.count(all), kh, kw,
      all > #list and (": the first %d"):format(#list) or "")
  end
  if #s == 2 and input and (#input == 2 or (#input == 3 and (input[3] == 1 or input[3] == 3))) then
    local channels = input[3] or 1
    if input[1] * input[2] * channels ~= s[1] or input[1] < 3 then return nil end
    for o = 1, math.min(s[2], M.most) do
      list[o] = { pixels = weight:select(2, o):contiguous():reshape(input[1], input[2], channels):totable(),
        caption = tostring(o) }
    end
    return list, ("weights of %d of %d outputs as images of %d x %d, each from its least (black) to its largest " ..
      "value (white)"):format(#list, s[2],
      input[1], input[2])
  end
end

--- The images of the first layer that has a weight, of layers as files keep them.
function M.first(layers, input)
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer.tensors) do
      if item.name == "weight" and item.tensor:dim() >= 2 then return M.images(item.tensor, input) end
    end
  end
end

return M
