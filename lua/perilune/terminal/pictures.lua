--- Pictures beside each other in the terminal, each with a caption below: filters, activations, mistakes.
local core = require "perilune.core"
local picture = require "perilune.terminal.image"
local png = require "perilune.plot.png"
local styles = require "perilune.terminal.style"
local text = require "perilune.base.format"

local M = {}

-- A nested list [H][W][C] with each pixel repeated, until the image is not tiny.
local function enlarged(pixels, least)
  local factor = math.max(1, math.ceil(least / math.max(#pixels, #pixels[1])))
  if factor == 1 then return pixels end
  local out = {}
  for _, row in ipairs(pixels) do
    local wide = {}
    for _, pixel in ipairs(row) do
      for _ = 1, factor do wide[#wide + 1] = pixel end
    end
    for _ = 1, factor do out[#out + 1] = wide end
  end
  return out
end

--- The lines of images as plot/images.lua takes them: { pixels, caption, second, low, high } each. options: least (side
--- that smaller ones are enlarged to), most (columns an image may take).
function M.lines(list, options)
  options = options or {}
  local style = styles.of()
  local how, deep = picture.style()
  local across_cells = how == "half" and 1 or 2
  local most = options.most or math.max(14, style.width // 4 - 2)
  local drawn = {}
  for i, image in ipairs(list) do
    local pixels = enlarged(image.pixels, options.least or 8)
    local low, high = image.low, image.high
    if not low or not high then low, high = png.extremes(pixels) end
    local lines = picture.lines(core.tensor.tensor(pixels), how, most, deep, { low = low, high = high, count = 1 })
    local factor = math.max(1, math.ceil(#pixels[1] * across_cells / most))
    local width = math.ceil(#pixels[1] / factor) * across_cells
    local captions = {}
    for _, caption in ipairs { image.caption or false, image.second or false } do
      if caption then captions[#captions + 1] = styles.clean(caption, style.utf8) end
    end
    drawn[i] = { lines = lines, width = width, captions = captions }
    for _, caption in ipairs(captions) do drawn[i].cell = math.max(drawn[i].cell or width, text.width(caption)) end
    drawn[i].cell = drawn[i].cell or width
  end
  local out, first = {}, 1
  while first <= #drawn do
    local last, used = first, drawn[first].cell
    while drawn[last + 1] and used + 2 + drawn[last + 1].cell <= style.width do
      last = last + 1
      used = used + 2 + drawn[last].cell
    end
    local tall, captions = 0, 0
    for i = first, last do tall, captions = math.max(tall, #drawn[i].lines), math.max(captions, #drawn[i].captions) end
    for k = 1, tall + captions do
      local parts = {}
      for i = first, last do
        local d = drawn[i]
        if k <= tall then
          parts[#parts + 1] = text.pad(d.lines[k] or "", d.cell)
        else parts[#parts + 1] = style.paint(text.pad(text.clip(d.captions[k - tall] or "", d.cell), d.cell), "dim") end
      end
      out[#out + 1] = (table.concat(parts, "  "):gsub(" +$", ""))
    end
    if captions > 0 and last < #drawn then out[#out + 1] = "" end
    first = last + 1
  end
  return out
end

return M
