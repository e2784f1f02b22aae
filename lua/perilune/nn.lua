--- pl.nn: layers and models. Each layer of perilune.core has its constructor here; what a model can do beyond
--- running (predicting, counting, summing up) is added to its methods.
local core = require "perilune.core"
local raise = require "perilune.raise"

local M = {}
for name, value in pairs(core.nn) do
  if name ~= "methods" and name ~= "metatable" then M[name] = value end
end

for name, constructor in pairs(core.loss) do
  if name ~= "from_config" then M[name] = constructor end
end

local methods = core.nn.methods

--- Labels (i32 [N], from 0) of the largest output of each sample.
function methods:predict(x)
  local y = self:infer(x)
  return y:reshape(y:size(1), -1):argmax(2):to "i32" - 1
end

--- Probabilities [N, K]: softmax of the outputs, unless the model ends in Softmax itself.
function methods:probabilities(x)
  local y = self:infer(x)
  local last = self
  while #last > 0 do last = last[#last] end
  if last.type == "Softmax" then return y end
  return core.nn.Softmax():infer(y)
end

--- One pass over a data set: { loss =, accuracy =, error =, correct =, count =, confusion = [actual][predicted] }.
--- Options: loss = a loss; dropout = true leaves dropout on; confusion = false spares the table.
function methods:evaluate(data, opts)
  opts = opts or {}
  for key in pairs(opts) do
    if key ~= "loss" and key ~= "dropout" and key ~= "confusion" then
      raise("evaluate has no option '%s'; it has: loss, dropout, confusion", key)
    end
  end
  local loss, correct, count, confusion =
    core.trainer.evaluate(self, data, opts.loss, opts.dropout and "noise" or "infer", opts.confusion ~= false)
  return {
    loss = opts.loss and loss or nil, correct = correct, count = count, accuracy = correct / count, error = 1 - correct / count,
    confusion = confusion,
  }
end

--- Iterates over trained parameters in order: name ("05_linear.weight"), tensor.
function methods:parameters()
  local list, i = self:state(), 0
  return function()
    repeat i = i + 1 until not list[i] or list[i].trained
    if list[i] then return list[i].layer .. "." .. list[i].name, list[i].tensor end
  end
end

--- Number of trained parameters.
function methods:count()
  return (self:sizes())
end

local function thousands(n)
  local text = ("%d"):format(n)
  return (text:reverse():gsub("(%d%d%d)", "%1 "):reverse():gsub("^ ", ""))
end

local function shape_text(shape)
  return "[N" .. (#shape > 0 and ", " or "") .. table.concat(shape, ", ") .. "]"
end

local function bytes_text(n)
  if n >= 1 << 20 then return ("%.1f MiB"):format(n / (1 << 20)) end
  if n >= 1 << 10 then return ("%.1f KiB"):format(n / (1 << 10)) end
  return ("%d B"):format(n)
end

--- Table of layers as text: output shape, parameters, multiply-adds and bytes of a sample. `shape`: of one sample, if
--- the model has not been built.
function methods:summary(shape)
  local rows = self:rows(shape)
  local lines = { { "layer", "output", "parameters", "multiply-adds", "memory" } }
  local parameters, work, memory = 0, 0, 0
  for _, r in ipairs(rows) do
    local depth = select(2, r.path:gsub("/", ""))
    local name = r.name ~= "" and (' "%s"'):format(r.name) or ""
    local part = r.part == "fork" and " {" or r.part == "join" and " } +" or ""
    lines[#lines + 1] = {
      ("  "):rep(depth) .. r.path:match("(%d+)_[^/]*$"):gsub("^0", " ") .. " " .. r.type .. name .. part, shape_text(r.output),
      r.parameters > 0 and thousands(r.parameters) or "", r.work > 0 and thousands(r.work // 1 | 0) or "", r.memory > 0 and bytes_text(r.memory) or "",
    }
    parameters, work, memory = parameters + r.parameters, work + r.work, memory + r.memory
  end
  lines[#lines + 1] = { "total", "", thousands(parameters), thousands(work // 1 | 0), bytes_text(memory) }
  local widths = {}
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
  end
  local text = {}
  for k, line in ipairs(lines) do
    local cells = {}
    for i, cell in ipairs(line) do
      local gap = (" "):rep(widths[i] - (utf8.len(cell) or #cell))
      cells[i] = i <= 2 and cell .. gap or gap .. cell
    end
    text[k] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  local total = 0
  for _, w in ipairs(widths) do total = total + w + 2 end
  table.insert(text, 2, ("-"):rep(total - 2))
  table.insert(text, #text, ("-"):rep(total - 2))
  return table.concat(text, "\n")
end

local function describe(layer, indent, lines)
  local name = layer.name ~= "" and (' "%s"'):format(layer.name) or ""
  local config = layer:config().config or {}
  local parts = {}
  for _, key in ipairs { "in", "out", "kernel", "stride", "padding", "features", "p", "shape" } do
    local value = config[key]
    if type(value) == "table" then
      local same = #value == 2 and value[1] == value[2]
      value = same and value[1] or table.concat(value, "x")
    end
    if value ~= nil and not ((key == "stride") and value == 1) and not (key == "padding" and value == 0) then
      parts[#parts + 1] = (key == "in" or key == "out") and tostring(value) or ("%s=%s"):format(key, tostring(value))
    end
  end
  local inside = table.concat(parts, ", "):gsub("^(%S+), (%d+)", "%1 -> %2")
  lines[#lines + 1] = ("%s%s%s%s"):format(indent, layer.type, name, inside ~= "" and "(" .. inside .. ")" or "")
  for i = 1, #layer do describe(layer[i], indent .. "  ", lines) end
  return lines
end

--- A layer prints as itself and what it contains, a line each.
core.nn.metatable.__tostring = function(layer)
  return table.concat(describe(layer, "", {}), "\n")
end

return M
