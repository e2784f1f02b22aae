--- What another program has to know to use an exported model: what its inputs are, how they are resized and scaled,
--- what its labels are called. As words for a comment, and as texts by name for formats that have a place for them.
local core = require "perilune.core"
local prepare = require "perilune.export.prepare"

local M = {}

local MOST = 100           -- names or numbers that a comment lists

local function listed(values, noun, word)
  if #values > MOST then return ("%d %s, which are in the metadata of ONNX and safetensors"):format(#values, noun) end
  local words = {}
  for i, value in ipairs(values) do words[i] = word(i, value) end
  return table.concat(words, ", ")
end

local function numbered(values)
  return listed(values, "names", function(i, name) return ("%d %s"):format(i - 1, name) end)
end
local function plain(values) return listed(values, "numbers", function(_, x) return ("%.9g"):format(x) end) end

-- What becomes of a value: "v = byte / 255", "v = (v - 0.13) / 0.31"; or "v = v - mean[i]" and what mean is.
local function scaling(preparation)
  local lines = {}
  if preparation.pixels then lines[1] = "v = byte / 255" end
  for _, step in ipairs(preparation.standardize or {}) do
    local std = step.std or step.deviation
    local function of(list, name) return #list == 1 and ("%.9g"):format(list[1]) or name .. "[i]" end
    local text = step.mean and ("v - %s"):format(of(step.mean, "mean")) or "v"
    if std then text = (step.mean and "(%s)" or "%s"):format(text) .. " / " .. of(std, "std") end
    lines[#lines + 1] = "v = " .. text
    for _, one in ipairs { { "mean", step.mean or {} }, { "std", std or {} } } do
      if #one[2] > 1 then
        lines[#lines + 1] = ("%s (i: a value's number in its sample, from 0, modulo %d) = %s"):format(one[1], #one[2],
          plain(one[2]))
      end
    end
  end
  return lines
end

--- Lines of plain text. about: labels, preparation and recipe of a run.
function M.lines(about)
  local lines, preparation = {}, about.preparation or {}
  if preparation.features then lines[1] = "inputs: " .. numbered(preparation.features.features) end
  local sizes = {}
  for i, size in ipairs(prepare.sizes(about.recipe)) do sizes[i] = ("to %d x %d"):format(size[1], size[2]) end
  if #sizes > 0 then
    lines[#lines + 1] = ("images: resized %s (height x width; bilinear, pixel centres at +0.5)"):format(
      table.concat(sizes, ", then "))
  end
  local steps = scaling(preparation)
  if #steps > 0 then lines[#lines + 1] = "scaling: " .. table.concat(steps, "; ") end
  local named = false                    -- digits are called 0, 1, ... anyway
  for i, name in ipairs(about.labels or {}) do named = named or tostring(name) ~= tostring(i - 1) end
  if named then lines[#lines + 1] = "labels: " .. numbered(about.labels) end
  return lines
end

--- { name, text } each: outputs, and in JSON labels, features, resizing (a list of { height, width }), and
--- scaling = { pixels = bool, standardize = list }.
function M.fields(about)
  local p = about.preparation or {}
  local fields = { { "outputs", about.outputs } }
  local function add(name, value) fields[#fields + 1] = value and { name, core.json.encode(value) } end
  add("labels", about.labels)
  add("features", p.features and p.features.features)
  local sizes = prepare.sizes(about.recipe)
  add("resizing", #sizes > 0 and sizes or nil)
  if p.pixels or p.standardize and #p.standardize > 0 then
    local steps = {}
    for i, step in ipairs(p.standardize or {}) do steps[i] = { mean = step.mean, std = step.std or step.deviation } end
    add("scaling", { pixels = p.pixels or false, standardize = #steps > 0 and steps or nil })
  end
  return fields
end

return M
