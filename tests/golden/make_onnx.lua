-- Writes onnx.txt: the digest of the ONNX file of every model of tests/cli/support_export.lua, but for the program's
-- version, once onnxruntime makes the same outputs of all of them.
-- usage: PYTHON=python3 build/perilune tests/golden/make_onnx.lua > tests/golden/onnx.txt
local support = dofile "tests/cli/support_export.lua"
local core = require "perilune.core"
local formats = require "perilune.export"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local function write(model, path) return assert(formats.write(model, "onnx", path)) end

--- One line a model: the digest, its name.
function M.lines()
  local version = core.system.version()
  local field, path = ("\26%s%s"):format(string.char(#version), version), support.cli.folder .. "/digest.onnx"
  local models, list = support.models(), {}
  for _, name in ipairs(sorted_keys(models)) do
    local model = models[name][1]
    if not support.unknown_layer(model) then
      write(model, path)
      local bytes = support.cli.read(path)
      local from, to = bytes:find(field, 1, true)
      bytes = bytes:sub(1, from - 1) .. bytes:sub(to + 1)
      list[#list + 1] = ("%s  %s"):format(core.store.sha256(bytes):sub(1, 16), name)
    end
  end
  return list
end

if arg and arg[0]:find "make_onnx" then
  support.agree("onnx", write)
  print(table.concat(M.lines(), "\n"))
end
return M
