--- Images in the terminal: t:show(). Two pixels a character as half blocks in colour, two spaces in colour a pixel
--- where the locale has no such letters, or letters of growing darkness where there is no colour.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local text = require "perilune.base.format"

local M = {}

local MOST = 40      -- images of a batch that are shown unless `count` says otherwise
local RAMP = " .:-=+*#%@"

--- Images as a batch [N, H, W, C].
local function as_batch(t)
  local s = t.shape
  local last = s[#s]
  local coloured = last == 1 or last == 3
  if #s == 2 then return t:reshape(1, s[1], s[2], 1) end
  if #s == 3 and coloured then return t:reshape(1, s[1], s[2], s[3]) end
  if #s == 3 then return t:reshape(s[1], s[2], s[3], 1) end
  if #s == 4 and coloured then return t end
  errors.raise("show takes [H, W], [H, W, 1 or 3], [N, H, W] or [N, H, W, 1 or 3], got %s; slice, select or " ..
    "permute it first",
    text.shape(s))
end

--- What is black and what is white: of bytes 0 and 255; of numbers 0 and 1, or, where some lie outside, the extremes of
--- those that are finite.
local function limits(t, low, high)
  if t.dtype == "u8" then return low or 0, high or 255 end
  local finite = t:histogram(1)
  local least, most = finite.min, finite.max
  if least >= 0 and most <= 1 then least, most = 0, 1 end
  return low or least, high or most
end

--- Means of squares of `factor` x `factor` pixels, each pixel a list of its channels from 0 to 1.
local function shrunk(image, factor, channels, low, high)
  local scale = high > low and 1 / (high - low) or 0
  local out = {}
  for y = 1, #image, factor do
    local row = {}
    for x = 1, #image[1], factor do
      local pixel = {}
      for c = 1, channels do
        local sum, n = 0, 0
        for yy = y, math.min(y + factor - 1, #image) do
          for xx = x, math.min(x + factor - 1, #image[1]) do
            sum, n = sum + image[yy][xx][c], n + 1
          end
        end
        local value = (sum / n - low) * scale
        pixel[c] = value ~= value and 0 or math.max(0, math.min(1, value))
      end
      row[#row + 1] = pixel
    end
    out[#out + 1] = row
  end
  return out
end

--- The SGR parameters of a colour: 24 bits, or the nearest of the 256, of which 24 are greys.
local function colour(pixel, deep, place)
  local r, g, b = pixel[1], pixel[2] or pixel[1], pixel[3] or pixel[1]
  if deep then
    return ("%d;2;%d;%d;%d"):format(place, math.floor(r * 255 + 0.5), math.floor(g * 255 + 0.5),
      math.floor(b * 255 + 0.5))
  end
  if r == g and g == b then
    local step = math.floor(r * 25 + 0.5)
    return ("%d;5;%d"):format(place, step == 0 and 16 or step == 25 and 231 or 231 + step)
  end
  local function level(v) return math.floor(v * 5 + 0.5) end
  return ("%d;5;%d"):format(place, 16 + 36 * level(r) + 6 * level(g) + level(b))
end

local painters = {}

--- Each is (rows of pixels, deep) -> lines of characters; `wide` characters a pixel.
painters.half = { wide = 1, paint = function(image, deep)
  local lines = {}
  for y = 1, #image, 2 do
    local cells, before = {}, nil
    for x = 1, #image[1] do
      local style = colour(image[y][x], deep, 38) .. (image[y + 1] and ";" .. colour(image[y + 1][x], deep, 48)
        or ";49")
      cells[x] = (style ~= before and "\27[" .. style .. "m" or "") .. "▀"
      before = style
    end
    lines[#lines + 1] = table.concat(cells) .. "\27[0m"
  end
  return lines
end }

painters.block = { wide = 2, paint = function(image, deep)
  local lines = {}
  for y = 1, #image do
    local cells, before = {}, nil
    for x = 1, #image[1] do
      local style = colour(image[y][x], deep, 48)
      cells[x] = (style ~= before and "\27[" .. style .. "m" or "") .. "  "
      before = style
    end
    lines[y] = table.concat(cells) .. "\27[0m"
  end
  return lines
end }

painters.plain = { wide = 2, paint = function(image)
  local lines = {}
  for y = 1, #image do
    local cells = {}
    for x, pixel in ipairs(image[y]) do
      local grey = #pixel == 3 and 0.299 * pixel[1] + 0.587 * pixel[2] + 0.114 * pixel[3] or pixel[1]
      local step = 1 + math.floor(grey * (#RAMP - 1) + 0.5)
      cells[x] = RAMP:sub(step, step):rep(2)
    end
    lines[y] = table.concat(cells)
  end
  return lines
end }

--- The lines that show `t`, at most `width` characters wide. style: "half", "block" or "plain"; deep: 24-bit colours.
function M.lines(t, style, width, deep, given)
  given = given or {}
  local batch = as_batch(t)
  local shape = batch.shape
  local n = math.min(shape[1], given.count or MOST)
  if n == 0 or shape[2] == 0 or shape[3] == 0 then return {} end
  local low, high = limits(batch, given.low, given.high)
  local painter = painters[style]
  local factor = math.max(1, math.ceil(shape[3] * painter.wide / width))
  local across = math.max(1, (width + 1) // (math.ceil(shape[3] / factor) * painter.wide + 1))
  local images = batch:slice(1, 1, n):totable()
  local lines = {}
  for first = 1, n, across do
    local rows = {}
    for i = first, math.min(first + across - 1, n) do
      for k, line in ipairs(painter.paint(shrunk(images[i], factor, shape[4], low, high), deep)) do
        rows[k] = rows[k] and rows[k] .. " " .. line or line
      end
    end
    table.move(rows, 1, #rows, #lines + 1, lines)
  end
  if style == "plain" then
    for i, line in ipairs(lines) do lines[i] = line:gsub(" +$", "") end
  end
  if n < shape[1] then lines[#lines + 1] = ("... %d more"):format(shape[1] - n) end
  return lines
end

--- How pictures are drawn here: the name of a style, and whether there are 24-bit colours.
function M.style()
  local term = text.terminal(1)
  local how = not term.colour and "plain" or term.utf8 and "half" or "block"
  local depth = os.getenv "COLORTERM" or ""
  return how, depth:find "truecolor" ~= nil or depth:find "24bit" ~= nil
end

--- t:show{ count =, low =, high = }: prints the image or images.
function M.show(t, given)
  if not core.tensor.is_tensor(t) then errors.raise("show takes a tensor, got a %s", type(t)) end
  given = options.check("show", given, { { "count", type = "integer", low = 1 }, { "low", type = "number" },
    { "high", type = "number" } })
  local term = text.terminal(1)
  local style, deep = M.style()
  for _, line in ipairs(M.lines(t, style, term.width or 100, deep, given)) do print(line) end
end

return M
