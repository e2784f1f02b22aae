--- Grids of small images with captions: filters, samples, mistakes, activations.
local display = require "perilune.plot.display"
local png = require "perilune.plot.png"

local M = {}

--- An image of a list as the bytes of a PNG file.
function M.encode(image)
  local low, high = image.low, image.high
  if not low or not high then low, high = png.extremes(image.pixels) end
  return png.of_pixels(image.pixels, low, high)
end

--- images: { { pixels = [H][W][C] nested lists, caption, second (another line), title, low, high } ... }; each is
--- scaled from its own extremes unless low and high say otherwise. options: title, width, size (of an image's longer
--- side), columns.
function M.draw(images, options)
  local width = options.width or 480
  local size = options.size or 56
  local tall = 4
  for _, image in ipairs(images) do tall = math.max(tall, image.second and 32 or image.caption and 17 or 4) end
  local step = math.max(size + 6, options.step or 0)
  local across = options.columns or math.max(1, math.floor((width - 8) / step))
  local top = options.title and 30 or 6
  local rows = math.ceil(#images / across)
  local d = display.new(width, top + rows * (size + tall + 4) + 4)
  if options.title then d:text(4, 17, display.fit(options.title, width - 8, 14), { size = 14, bold = true }) end
  if #images == 0 then
    d.height = top + 24
    d:text(width / 2, top + 14, "no images", { anchor = "middle", fill = "muted" })
  end
  for i, image in ipairs(images) do
    local x, y = 6 + (i - 1) % across * step, top + (i - 1) // across * (size + tall + 4)
    local h, w = #image.pixels, #image.pixels[1]
    local scale = size / math.max(h, w)
    d:add("image", { x = x + (size - w * scale) / 2, y = y, w = w * scale, h = h * scale,
      png = M.encode(image),
      title = image.title })
    if image.caption then
      d:text(x + size / 2, y + size + 13, display.fit(image.caption, step - 2, 11),
        { anchor = "middle", size = 11, fill = image.colour or "muted" })
    end
    if image.second then
      d:text(x + size / 2, y + size + 26, display.fit(image.second, step - 2, 10.5),
        { anchor = "middle", size = 10.5, fill = "muted" })
    end
  end
  return d
end

return M
