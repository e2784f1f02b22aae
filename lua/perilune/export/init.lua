--- Models for other programs. A format is a module perilune.export.<name> with encode(graph, about) -> bytes, or with
--- write(graph, path, about) -> true, or nil and a message; in_a_row = several outputs as one; and a line in this list.
local core = require "perilune.core"
local abouts = require "perilune.nn.about"
local decision = require "perilune.nn.decision"
local errors = require "perilune.base.errors"
local graphs = require "perilune.export.graph"
local printable = require "perilune.base.printable"

local M = {}

--- name (of the option, too), what a file of it is for, and the endings of names that mean it.
M.list = {
  { name = "onnx", summary = "ONNX (operator set 17), which onnxruntime and many others run", endings = { "onnx" } },
  { name = "safetensors", summary = "weights by name, in PyTorch's layouts", endings = { "safetensors" } },
  { name = "keras", summary = "a Keras file, which keras.models.load_model takes", endings = { "h5", "hdf5" } },
  { name = "c", summary = "one C99 file with int predict(const float *x, float *y), and no dependency",
    endings = { "c" } },
  { name = "html", summary = "a page to draw a digit on, which shows what the network makes of it",
    endings = { "html", "htm" } },
}

local Lambda = "its functions are Lua; no other program can run them"

local function first_lambda(layer)
  if layer.type == "Lambda" then return layer end
  for i = 1, #layer do
    local found = first_lambda(layer[i])
    if found then return found end
  end
end

--- Writes a built model in the format of that name: true, or nil and a message. about: what is known of its run
--- (perilune.nn.about); nil: what the model itself knows.
function M.write(model, name, path, about)
  local lambda = first_lambda(model)
  if lambda then graphs.refuse(lambda:label(), name, Lambda) end
  local format = require("perilune.export." .. name)
  local graph = graphs.of(model, format.in_a_row)
  local _, regression = decision.loss_of(model)
  local of = { name = "model", outputs = decision.kind(model), regression = regression }
  for key, value in pairs(printable.record(about or abouts.of(model) or {})) do of[key] = value end
  if format.write then return format.write(graph, path, of) end
  return core.store.write_text(path, format.encode(graph, of))
end

--- The format that the ending of a file's name means.
function M.of_path(path)
  local ending = path:match "%.(%w+)$"
  for _, format in ipairs(M.list) do
    for _, known in ipairs(format.endings) do
      if ending and ending:lower() == known then return format.name end
    end
  end
  local endings = {}
  for _, format in ipairs(M.list) do endings[#endings + 1] = "." .. table.concat(format.endings, ", .") end
  errors.raise("export: the name of '%s' does not say the format; it ends in %s", path, table.concat(endings, ", "))
end

return M
