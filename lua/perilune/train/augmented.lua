--- The functions of an experiment's field `augment`: each is given a batch, and what it returns replaces that.
local is_tensor = require "perilune.core".tensor.is_tensor
local names = require "perilune.base.names"
local text = require "perilune.base.format"

local M = {}

local function refuse(f, form, ...)
  local at = debug.getinfo(f, "S")
  error(("%s:%d: augment: %s"):format(at.short_src, at.linedefined, form:format(...)), 0)
end

local function described(value)
  if is_tensor(value) then return value.dtype .. " " .. text.shape(value.shape) end
  local what = names.describe(value)
  return what == "a tensor" and "a tensor that was freed" or what
end

-- The type and shape of batches like t: "f32 [N, 28, 28, 1]", the list of sizes with its N.
local function form_of(t)
  local sizes = { "N", table.unpack(t.shape, 2) }
  return { dtype = t.dtype, shape = t.shape, text = ("%s [%s]"):format(t.dtype, table.concat(sizes, ", ")) }
end

local function fits(t, form, n)
  local shape = t.shape
  if t.dtype ~= form.dtype or #shape ~= #form.shape or shape[1] ~= n or n < 1 then return false end
  for a = 2, #shape do
    if shape[a] ~= form.shape[a] then return false end
  end
  return true
end

--- x, y after all of them. What one function hands to the next may have any shape and type; the last gives a batch.
--- e: the experiment.
function M.batch(e, functions, x, y, ctx)
  local samples, targets, classes = form_of(x), form_of(y), e.classes
  for i, f in ipairs(functions) do
    local new_x, new_y = f(x, y, ctx)
    x, y = new_x or x, new_y or y
    if classes > 0 and is_tensor(y) and y.dtype ~= "i32" then
      refuse(f, "the labels of a batch are i32, and this function returned %s; for distributions over the classes " ..
        "give the data set such targets: from_tensors { x = x, y = pl.one_hot(labels, %d) }", y.dtype, classes)
    end
    local ok = is_tensor(x) and is_tensor(y)
    if ok and i == #functions then
      local n = x.shape[1]
      ok = fits(x, samples, n) and fits(y, targets, n)
    end
    local most = math.min(e.batch_size, e.splits.train.count)
    if ok and i == #functions and x.shape[1] > most then
      local words = most < e.batch_size and "%d samples (the whole training set)" or "batch_size = %d samples"
      refuse(f, "a batch has at most %s, and after this function there are %d", words:format(most), x.shape[1])
    end
    if not ok then
      refuse(f, "a batch has samples %s and %s %s; after this function they are %s and %s", samples.text,
        classes > 0 and "labels" or "targets", targets.text, described(x), described(y))
    end
  end
  return x, y
end

return M
