--- perilune export RUN --onnx m.onnx | --safetensors m.safetensors | --c m.c ...
local errors = require "perilune.base.errors"
local formats = require "perilune.export"

local M = { summary = "a trained model for other programs: ONNX, safetensors, plain C, ...",
  usage = "RUN --FORMAT FILE",
  description = "Writes the model of a run, or of a saved model, in a format of other programs. The input of all is " ..
    "the model's own: images are [N, H, W, C], scaled as the experiment's data was. How that is, and what features " ..
    "and labels are called, is in the metadata of ONNX and safetensors, and in C in the first comment." }

function M.define(parser)
  parser:argument("run", "A run's folder, a file in it (run.h5, best.h5), or a saved model.")
  for _, format in ipairs(formats.list) do
    parser:option("--" .. format.name, format.summary:gsub("^%l", string.upper) .. "."):argname "<file>"
  end
end

-- What the run's files say about the model besides its weights.
local function about(path)
  local file = require "perilune.run.folder".file(path)
  local record = require "perilune.run.file".read(file, { tensors = false })
  local identity = record and record.state and record.state.identity or {}
  return { name = identity.name or "model", labels = identity.labels, recipe = identity.recipe,
    data = identity.data, preparation = record and record.provenance and record.provenance.preparation }
end

function M.run(options)
  local wanted = {}
  for _, format in ipairs(formats.list) do
    if options[format.name] then wanted[#wanted + 1] = { format.name, options[format.name] } end
  end
  if #wanted == 0 then
    local names = {}
    for i, format in ipairs(formats.list) do names[i] = "--" .. format.name end
    errors.fail(2, "export: name a format and a file: %s", table.concat(names, ", "))
  end
  local taken = {}
  for _, one in ipairs(wanted) do
    require "perilune.run.folder".spare(options.run, one[2])
    if taken[one[2]] then errors.fail(2, "export: --%s and --%s would both be %s", taken[one[2]], one[1], one[2]) end
    taken[one[2]] = one[1]
  end
  local model, message = require "perilune.nn".load(options.run)
  if not model then errors.fail(1, "%s", message) end
  local known = about(options.run)
  for _, one in ipairs(wanted) do
    local ok, why = formats.write(model, one[1], one[2], known)
    if not ok then errors.fail(1, "%s", why) end
    print(one[2])
  end
  return 0
end

return M
