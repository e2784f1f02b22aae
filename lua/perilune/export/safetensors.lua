--- safetensors: a JSON header { name -> { dtype, shape, data_offsets } } after its length in 8 bytes, then the bytes.
--- https://github.com/huggingface/safetensors
---
--- Names are the layers' ("fc1.weight"; else "conv2d_2.weight" by type and number), layouts PyTorch's: convolutions
--- [out, in, kh, kw], linear [out, in]. PyTorch's Flatten goes through channels first: what follows one, up to the next
--- Linear, has its features in that order. A model in which that order is not known is refused.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local described = require "perilune.export.described"
local layouts = require "perilune.export.layouts"

local M = {}

--- The bytes of a file with these tensors: a list of { name =, tensor = }, all f32. metadata: name -> text.
function M.bytes(list, metadata)
  local header, data, at = { __metadata__ = metadata }, {}, 0
  for i, entry in ipairs(list) do
    data[i] = core.bytes.of(entry.tensor)
    local shape = core.json.list(entry.tensor.shape)      -- that of a scalar is [], too
    header[entry.name] = { dtype = "F32", shape = shape, data_offsets = { at, at + #data[i] } }
    at = at + #data[i]
  end
  local text = core.json.encode(header)
  text = text .. (" "):rep(-#text % 8)          -- the data begins at a multiple of 8
  return ("<I8"):pack(#text) .. text .. table.concat(data)
end

function M.encode(graph, about)
  local list = {}
  local parameters, unknown = layouts.parameters(graph)
  if unknown then errors.fail(1, "safetensors: %s; ONNX keeps the order that is here", unknown) end
  for _, item in ipairs(parameters) do
    list[#list + 1] = { name = item.name, tensor = item.to_pytorch(item.tensor) }
  end
  local metadata = { format = "pt", layout = "pytorch", made_by = "Perilune " .. core.system.version(),
    model = about.name }
  for _, field in ipairs(described.fields(about)) do metadata[field[1]] = field[2] end
  return M.bytes(list, metadata)
end

return M
