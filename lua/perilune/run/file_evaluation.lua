--- The evaluations of a run in its file (run/file.lua): /evaluation.
local core = require "perilune.core"
local fields_of = require "perilune.run.file_fields"

local M = {}

local function is_list(t)
  if type(t) ~= "table" then return false end
  local count = 0
  for _ in pairs(t) do count = count + 1 end
  return count > 0 and count == #t
end

-- The shape of a list of numbers of one kind, or of rows of them, and the numbers in one list; else nil.
local function matrix(value)
  if not is_list(value) then return nil end
  local nested = type(value[1]) == "table"
  local rows, flat = nested and value or { value }, {}
  for _, row in ipairs(rows) do
    if not is_list(row) or #row ~= #rows[1] then return nil end
    for _, x in ipairs(row) do
      if type(x) ~= "number" or math.type(x) ~= math.type(rows[1][1]) then return nil end
      flat[#flat + 1] = x
    end
  end
  return nested and { #rows, #rows[1] } or { #flat }, flat
end

local mistake_fields = { { "index", "i64" }, { "label", "i64" }, { "prediction", "i64" }, { "probability", "f64" } }

local function write_mistakes(w, path, list)
  w:group(path)
  for _, field in ipairs(mistake_fields) do
    local column = {}
    for i, mistake in ipairs(list) do column[i] = mistake[field[1]] end
    w:numbers(path .. "/" .. field[1], column, field[2])
  end
  local pictures = {}
  for i, mistake in ipairs(list) do pictures[i] = mistake.picture end
  if #list > 0 and #pictures == #list then w:tensor(path .. "/picture", core.tensor.stack(pictures, 1), 6) end
end

local function read_mistakes(r, path)
  local columns, list = {}, {}
  for _, field in ipairs(mistake_fields) do columns[field[1]] = assert(r:numbers(path .. "/" .. field[1])) end
  local pictures = r:has(path .. "/picture") and assert(r:tensor(path .. "/picture"))
  for _, field in ipairs(mistake_fields) do
    if #columns[field[1]] ~= #columns.index then error(path .. ": its columns differ in length", 0) end
  end
  if pictures and pictures:size(1) ~= #columns.index then error(path .. "/picture: not a picture a mistake", 0) end
  for i, index in ipairs(columns.index) do
    list[i] = { index = index, label = columns.label[i], prediction = columns.prediction[i],
      probability = columns.probability[i],
      picture = pictures and pictures[i] or nil }
  end
  return list
end

-- Fields of a split's evaluation that are groups of their own: what writes and what reads one.
local function write_tensor(w, path, tensor) w:tensor(path, tensor, 6) end
local function read_tensor(r, path) return assert(r:tensor(path)) end
local grouped = { "predictions", "right", "mistakes", write = { predictions = write_tensor, right = write_tensor,
  mistakes = write_mistakes },
  read = { predictions = read_tensor, right = read_tensor, mistakes = read_mistakes } }

function M.write(w, evaluation)
  local rest, splits = {}, {}
  w:group "/evaluation"
  for _, name in ipairs(fields_of.names(evaluation, "evaluation")) do
    local value = evaluation[name]
    local shape, flat = matrix(value)
    if shape then w:numbers("/evaluation/" .. name, flat, nil, shape)
    elseif type(value) == "table" then
      rest[name] = {}
      for key, item in pairs(value) do
        if not grouped.write[key] then rest[name][key] = item end
      end
      splits[#splits + 1] = name
    else rest[name] = value end
  end
  for _, kind in ipairs(grouped) do
    for _, name in ipairs(splits) do
      local item, group = evaluation[name][kind], "/evaluation/" .. kind
      if item then
        w:group(group)
        grouped.write[kind](w, group .. "/" .. name, item)
      end
    end
  end
  fields_of.write(w, "/evaluation", rest, "evaluation")
end

-- What a group of /evaluation holds of each split.
local function read_splits(r, evaluation, kind)
  local path = "/evaluation/" .. kind
  for _, name in ipairs(assert(r:list(path))) do
    if type(evaluation[name]) ~= "table" then evaluation[name] = {} end
    evaluation[name][kind] = grouped.read[kind](r, path .. "/" .. name)
  end
end

function M.read(r)
  local evaluation = fields_of.read(r, "/evaluation")
  for _, name in ipairs(assert(r:list "/evaluation")) do
    if r:info("/evaluation/" .. name) == "group" then
      if grouped.read[name] then read_splits(r, evaluation, name) end
    else
      local flat, shape = assert(r:numbers("/evaluation/" .. name))
      if #shape == 2 then
        local rows = {}
        for i = 1, shape[1] do rows[i] = table.move(flat, (i - 1) * shape[2] + 1, i * shape[2], 1, {}) end
        flat = rows
      end
      evaluation[name] = flat
    end
  end
  return evaluation
end

return M
