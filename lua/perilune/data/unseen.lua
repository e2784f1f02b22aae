--- Samples from files that nobody trained on, made ready for a model: pictures, rows of a CSV file, arrays of NumPy.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local preparation = require "perilune.data.preparation"
local shape_text = require "perilune.base.format".shape

local M = {}

--- Is a picture to be inverted? Where the training images have a dark border and the picture a bright one, or the other
--- way round. `how`: "auto", "yes" or "no"; border: of the picture, 0 to 1.
function M.inverts(how, known, border)
  if how ~= "auto" then return how == "yes" end
  if not known then return false end
  return known < 0.25 and border > 0.5 or known > 0.75 and border < 0.5
end

-- A picture: gray or coloured as the model takes it, resized, inverted where that is due.
local function picture(path, job)
  local shape = job.shape
  if #shape ~= 3 or (shape[3] ~= 1 and shape[3] ~= 3) then
    errors.fail(1, "%s: the model takes samples of %s, and a picture is [height, width, 1 or 3]", path,
      shape_text(shape))
  end
  local x, message = core.readers.picture(path, shape[3])
  if not x then errors.fail(1, "%s", message) end
  local height, width = x:size(1), x:size(2)
  local ds = core.data.new(x:reshape(1, height, width, shape[3]), nil)
  x = ds:resize(shape[1], shape[2]):range(1, 1)
  local p = job.preparation
  local inverted = shape[3] == 1 and M.inverts(job.invert, p and p.background, preparation.border(x))
  if inverted then x = x:mul(-1):add(1) end
  local scale = preparation.scale(p)
  if not scale then
    errors.fail(1, "%s: the model was trained on images with values %s, and what a picture's bytes are there is not " ..
      "known; save it as an array (.npy) of such values", path, preparation.range(p))
  end
  x = x:mul(scale)
  return { x = x, notes = {
    resized = (height ~= shape[1] or width ~= shape[2]) and { height, width } or nil, inverted = inverted or nil,
  } }
end

-- Values for a model that was trained on bytes, which are pixels from 0 to 1 for it.
local function check_pixels(path, x)
  if x:max() > preparation.BRIGHTEST then
    errors.fail(1, "%s holds values up to %.6g, and the pixels that the model was trained on are from 0 to 1; save " ..
      "them as bytes (uint8) in an array (.npy), or divide by 255", path, x:max())
  end
end

-- Bytes of an array for a model that was trained on images that were none.
local function from_bytes(path, x, p)
  local scale = preparation.scale(p)
  if not scale then
    errors.fail(1, "%s holds bytes (uint8), and the model was trained on images with values %s; save it as " ..
      "floating-point numbers of that range", path, preparation.range(p))
  end
  return scale == 1 and x:div(255) or x
end

-- An array: one sample, or rows of them; [n, H, W] where the model takes [H, W, 1].
local function array(path, job)
  local t, message = core.readers.npy_read(path)
  if not t then errors.fail(1, "%s", message) end
  local pixels, shape = t.dtype == "u8", t.shape
  local function is(from, wanted)
    if #shape - from + 1 ~= #wanted then return false end
    for i, n in ipairs(wanted) do
      if shape[from + i - 1] ~= n then return false end
    end
    return true
  end
  local plain = job.shape[#job.shape] == 1 and table.move(job.shape, 1, #job.shape - 1, 1, {}) or job.shape
  local one = is(1, job.shape) or is(1, plain)
  if not one and not is(2, job.shape) and not is(2, plain) then
    errors.fail(1, "%s holds %s, and the model takes samples of %s", path, shape_text(shape), shape_text(job.shape))
  end
  local n = one and 1 or shape[1]
  if n == 0 then errors.fail(1, "%s holds no samples", path) end
  t = (t.dtype == "f32" and t or t:to "f32"):reshape(n, table.unpack(job.shape))
  if not job.preparation or job.preparation.pixels then
    if pixels then t = t:div(255)
    elseif job.preparation then check_pixels(path, t) end
  elseif pixels and job.preparation.brightest then t = from_bytes(path, t, job.preparation) end
  return { x = t, rows = not one }
end

local usual = { csv = ",", tsv = "\t" }

-- The delimiter of a file: that of the table of the training, unless the endings of their names say otherwise.
local function delimiter_of(extension, from)
  local other = from.ending ~= extension and (usual[from.ending] or extension == "tsv")
  return not other and from.delimiter or usual[extension]
end

-- A missing value has been given what stands for it, if anything, by the table of the training.
local function check_missing(t, plan)
  for _, use in ipairs(plan.columns) do
    local column = t.columns[t.by_name[use.column]]
    if column and column.missing > 0 and not use.fill then
      errors.fail(1, "%s, line %d, column '%s': a missing value; such rows are predicted where the training's table "
        .. "was read with missing = \"mean\" or a number", t.path, column.missing_line, column.name)
    end
  end
end

-- Rows of a CSV file: by the names of the columns that the model was trained with; else columns of numbers, in order.
local function rows(path, job, extension)
  local csv = require "perilune.data.csv"
  local plan, header = job.preparation and job.preparation.features, "found"
  local from = plan and plan.table or {}
  if from.header ~= nil then header = from.header and "named"
  elseif plan and tonumber(plan.columns[1].column) then header = false end     -- of an older file
  local t = csv.open(path, job.delimiter or delimiter_of(extension, from), header, from.na)
  if not plan then
    plan = { width = #t.columns, columns = {} }
    for k, column in ipairs(t.columns) do plan.columns[k] = { column = column.name, role = "number", at = k } end
  end
  if #job.shape ~= 1 or plan.width ~= job.shape[1] then
    errors.fail(1, "%s has %d features a row, and the model takes samples of %s", path, plan.width,
      shape_text(job.shape))
  end
  check_missing(t, plan)
  local x = csv.read(t, plan, false, false)
  if job.preparation and job.preparation.pixels then check_pixels(path, x) end
  return { x = x, rows = true }
end

local readers = { png = picture, jpg = picture, jpeg = picture, npy = array, csv = rows, tsv = rows }

--- Samples of a file, ready for the model: { x = [n, ...], rows = true where they are numbered, notes = of a picture }.
--- job: shape (of a sample), preparation, invert, delimiter (nil: that of the training's table).
function M.read(path, job)
  local extension = (path:gsub("%.gz$", ""):match "%.(%w+)$" or ""):lower()
  local reader = readers[extension]
  if not reader then
    errors.fail(1, "%s: pictures (.png, .jpg), rows (.csv, .tsv) and arrays (.npy) are read", path)
  end
  local samples = reader(path, job, extension)
  samples.x = preparation.standardize(job.preparation, samples.x, job.shape)
  return samples
end

return M
