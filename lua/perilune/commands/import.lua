--- perilune import m.h5 -o model.h5; perilune import m.safetensors --into experiment.lua -o model.h5
local errors = require "perilune.base.errors"

local M = { summary = "a model of Keras, or weights of PyTorch, as a model file",
  usage = "FILE [--into EXPERIMENT] -o model.h5",
  description = "Reads a model that Keras saved as .h5, or weights in safetensors (which hold no architecture) into " ..
    "the model of an experiment: by name, or by order where names differ. Prints what came from where, and writes a " ..
    "model file, which nn.load, an experiment's start, predict and export take." }

function M.define(parser)
  parser:argument("file", "A .h5 of Keras, or a .safetensors.")
  parser:argument("arguments", "Arguments of the experiment, such as width=8."):args "*"
  parser:option("--into", "The experiment whose model takes the weights."):argname "<file>"
  parser:option("--layout", "pytorch: convolutions [out, in, kh, kw], channels before rows; or native: as " ..
    "Perilune and Keras. Else what the shapes say."):argname "<layout>":choices { "pytorch", "native" }
  parser:option("-o --output", "The model file."):argname "<file>"
end

-- What is not read, and what to do where it was made.
local PICKLE = "PyTorch's own; save its weights there: safetensors.torch.save_file(model.state_dict(), " ..
  "\"m.safetensors\")"
local unread = { keras = "a .keras file is not read; save the model as HDF5 there: model.save(\"m.h5\")",
  pt = "a .pt file is " .. PICKLE, pth = "a .pth file is " .. PICKLE, ckpt = "a .ckpt file is " .. PICKLE,
  onnx = "an ONNX file is exported, not read; save the model as .h5 of Keras, or its weights as .safetensors" }

local function save(model, path)
  for _, item in ipairs(require "perilune.export.layouts".parameters(require "perilune.export.graph".of(model))) do
    local odd = item.tensor:sub(item.tensor):ne(0):sum()           -- x - x is 0 unless x is NaN or infinite
    if odd > 0 then
      io.stderr:write(("perilune: %s: %d of its %d values are not finite\n"):format(item.name, odd,
        item.tensor:count()))
    end
  end
  local ok, message = pcall(model.save, model, path)
  if not ok then errors.fail(1, "%s", message) end
  print(path)
  return 0
end

local function from_safetensors(options)
  if not options.into then
    errors.fail(2, "import: a safetensors file holds no architecture; name the experiment that has it: --into FILE.lua")
  end
  local e = require "perilune.script".experiment(options.into, options.arguments)
  local tensors, message = require "perilune.import.safetensors".read(options.file)
  if not tensors then errors.fail(1, "%s", message) end
  e:rows()                                   -- builds the model
  local lines, how, layout = require "perilune.import.match".into(e.model, tensors, options.file, options.layout)
  print(("matched by %s, layout %s"):format(how, layout))
  for _, line in ipairs(lines) do print("  " .. require "perilune.base.printable".text(line)) end
  require "perilune.nn.decision".remember(e.model, e.loss, e.scored == "values")
  return save(e.model, options.output)
end

function M.run(options)
  if not options.output then errors.fail(2, "import: say where to: -o model.h5") end
  for _, read in ipairs { options.file, options.into } do
    require "perilune.run.folder".spare(read, options.output)
  end
  local ending = (options.file:match "%.(%w+)$" or ""):lower()
  if ending == "safetensors" then return from_safetensors(options) end
  if unread[ending] then errors.fail(2, "import: %s", unread[ending]) end
  local unused = options.into and "--into" or options.layout and "--layout" or options.arguments[1]
  if unused then errors.fail(2, "import: %s is for safetensors; a file of Keras has its own architecture", unused) end
  local model, message = require "perilune.import.keras".read(options.file)
  if not model then errors.fail(1, "%s", message) end
  print(model:summary())
  return save(model, options.output)
end

return M
