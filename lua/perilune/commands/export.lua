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
  for _, one in ipairs(wanted) do
    local ok, why = formats.write(model, one[1], one[2])
    if not ok then errors.fail(1, "%s", why) end
    print(one[2])
  end
  require "perilune.nn.about".warn(model, "export", options.run)
  return 0
end

return M
