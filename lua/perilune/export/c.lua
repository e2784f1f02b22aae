--- Plain C99: one file with `int predict(const float *x, float *y)`, the weights in it, nothing allocated. A value of
--- the graph lives in a static buffer, which is given on when no later operation reads it. Several outputs lie in y one
--- after the other.
local core = require "perilune.core"
local described = require "perilune.export.described"
local format = require "perilune.base.format"
local graphs = require "perilune.export.graph"
local loops = require "perilune.export.loops"
local printable = require "perilune.base.printable"
local snippets = require "perilune.export.c_functions"

local M = { in_a_row = true }

local PER_LINE = 8

-- Decimal digits that give back the same float.
local function digits(x)
  if x ~= x then return "NAN" end
  if x == math.huge then return "INFINITY" elseif x == -math.huge then return "-INFINITY" end
  local text = ("%.9g"):format(x)
  return (text:find "[.e]" and text or text .. ".0") .. "f"
end

local function array(name, tensor)
  local out, values = {}, tensor:reshape(-1):totable()
  for i = 1, #values, PER_LINE do
    local line = {}
    for k = i, math.min(i + PER_LINE - 1, #values) do line[#line + 1] = digits(values[k]) end
    out[#out + 1] = "  " .. table.concat(line, ", ")
  end
  return ("static const float %s[%d] = {\n%s\n};\n"):format(name, #values, table.concat(out, ",\n"))
end

-- Buffers ------------------------------------------------------------------------------------------------------------

-- Gives each value the number of a buffer: one that no later operation reads. Reshaped values stay where they are.
local aliases = { Flatten = true, Reshape = true, reshape = true }

local function root(value)
  while value.alias do value = value.alias end
  return value
end

local function place(graph)
  local last = {}                       -- value -> index of the last operation that reads it
  for _, op in ipairs(graph.ops) do
    if aliases[op.type] then op.output.alias = op.inputs[1] end
  end
  for i, op in ipairs(graph.ops) do
    for _, value in ipairs(op.inputs) do last[root(value)] = i end
  end
  local output = root(graph.output)
  local free, sizes = {}, {}
  for i, op in ipairs(graph.ops) do
    if not op.output.alias then
      if op.output ~= output then
        local k = table.remove(free) or #sizes + 1
        sizes[k] = math.max(sizes[k] or 0, graphs.count(op.output.shape))
        op.output.buffer = k
      end
      for _, value in ipairs(op.inputs) do
        local r = root(value)
        if r.buffer and last[r] == i and not r.freed then
          r.freed = true
          free[#free + 1] = r.buffer
        end
      end
    end
  end
  return sizes
end

-- Calls ------------------------------------------------------------------------------------------------------------

local function rows_and_cols(shape)
  local cols = shape[#shape] or 1
  return graphs.count(shape) // math.max(cols, 1), cols
end

--- f(op) -> the function's name, and what follows y and x in its call: numbers, names of weights.
local calls = {}

local function window(op)
  local w, s, out = op.window, op.inputs[1].shape, op.output.shape
  return { s[1], s[2], s[3], out[1], out[2], w.kh, w.kw, w.sy, w.sx, w.top, w.left }
end

function calls.Conv2d(op, weight)
  local list = window(op)
  list[#list + 1] = op.output.shape[3]
  list[#list + 1] = weight "weight"
  list[#list + 1] = weight "bias"
  list[#list + 1] = op.params.bias and op.params.bias:dim() == 3 and 1 or 0
  return "conv2d", list
end

function calls.Linear(op, weight)
  local rows, cols = rows_and_cols(op.inputs[1].shape)
  return "linear", { rows, cols, op.output.shape[#op.output.shape], weight "weight", weight "bias" }
end

function calls.MaxPool2d(op) return "max_pool", window(op) end
function calls.AvgPool2d(op)
  local list = window(op)
  list[#list + 1] = op.options.count_include_pad and 1 or 0
  return "average_pool", list
end

function calls.GlobalAvgPool2d(op)
  local s = op.inputs[1].shape
  return "global_average_pool", { s[1] * s[2], s[3] }
end

function calls.BatchNorm(op, weight)
  local rows, cols = rows_and_cols(op.inputs[1].shape)
  local scale, shift = graphs.scale_and_shift(op)
  op.params = { scale = scale, shift = shift }
  return "batch_norm", { rows, cols, weight "scale", weight "shift" }
end

local function elementwise(name, option)
  return function(op)
    return name, { graphs.count(op.output.shape), option and digits(op.options[option]) or nil }
  end
end
calls.ReLU, calls.Tanh, calls.Sigmoid = elementwise "relu", elementwise "hyperbolic_tangent", elementwise "sigmoid"
calls.SiLU, calls.Mish = elementwise "silu", elementwise "mish"
calls.LeakyReLU, calls.ELU = elementwise("leaky_relu", "slope"), elementwise("elu", "alpha")
function calls.GELU(op)
  return op.options.approximate == "tanh" and "gelu_tanh" or "gelu", { graphs.count(op.output.shape) }
end
function calls.Softmax(op) return "softmax", { rows_and_cols(op.output.shape) } end
function calls.LogSoftmax(op) return "log_softmax", { rows_and_cols(op.output.shape) } end
function calls.Add(op)
  return #op.inputs == 1 and "copy" or "add", { graphs.count(op.output.shape) }
end
calls.softmax, calls.log_softmax = calls.Softmax, calls.LogSoftmax

-- The function of an operation of a formula; its text goes into the file. taken: names of functions and arrays.
local function own_function(op, texts, taken)
  local lines = loops.lines(op, loops.c)
  if not lines then return nil end
  local name, inputs = "op_" .. op.name, {}
  while taken[name] do name = name .. "_" end
  taken[name] = true
  for k = 1, #op.inputs do inputs[k] = ", const float *" .. loops.input(k) end
  texts[#texts + 1] = ("\nstatic void %s(float *y%s) {\n  %s\n}\n"):format(name, table.concat(inputs),
    table.concat(lines, "\n  "))
  return name
end

-- The whole --------------------------------------------------------------------------------------------------------

-- Above these a single output means label 1 (runtime/loss/decision.c).
local thresholds = { logits = "0.0f", ["independent logits"] = "0.0f", ["log-probabilities"] = "-0.69314718f" }

-- The lines that decide on a label, and what they do in words. The shape is that of the first output, perhaps of
-- several.
local function decide(about, shape, several)
  if about.regression then return "  return 0;\n", "0: its outputs are values" end
  if #shape > 1 then return "  return 0;\n", "0" end
  if shape[1] == 1 or #shape == 0 then
    local threshold = thresholds[about.outputs] or "0.5f"
    return ("  return y[0] != y[0] ? -1 : y[0] > %s;\n"):format(threshold),
      ("1 where the %s is above %s, else 0; -1 where it is not a number"):format(several and "first output" or "output",
        (threshold:gsub("f", "")))
  end
  return ([[
  int best = 0;
  for (int i = 0; i < %d; i++) {
    if (y[i] != y[i]) return -1;
    if (y[i] > y[best]) best = i;
  }
  return best;
]]):format(shape[1]), ("the label: the number of the largest %s, from 0; -1 where one is not a number"):format(several
    and "value of the first output" or "output")
end

-- Text inside a comment; no trigraphs, no comment in it or end of it.
local function in_comment(text)
  local apart = printable.text(text):gsub("%?%?", "? ?"):gsub("%?%?", "? ?")     -- of three two are left at first
  return (apart:gsub("%*/", "* /"):gsub("/%*", "/ *"))
end

-- Lines of a comment that say what the caller has to know of scaling, features and labels.
local function describe(about)
  local out = {}
  for _, line in ipairs(described.lines(about)) do
    for _, part in ipairs(format.wrap("     " .. in_comment(line), 115, "       ")) do out[#out + 1] = part .. "\n" end
  end
  return table.concat(out)
end

local function shape_text(shape)
  return #shape == 0 and "one number" or table.concat(shape, " x ")
end

-- The outputs in words, and the constants that say where each of several lies in y.
local function describe_outputs(graph, kind)
  local count = graphs.count(graph.output.shape)
  if #graph.shapes == 1 then return ("y  [%d] its outputs (%s)"):format(count, kind), "" end
  local words, lines, at = {}, {}, 0
  for k, shape in ipairs(graph.shapes) do
    local size = graphs.count(shape)
    words[k] = ("y + OUTPUT_%d: %s%s"):format(k, shape_text(shape), k == 1 and (" (%s)"):format(kind) or "")
    lines[k] = ("  OUTPUT_%d = %d, OUTPUT_%d_SIZE = %d"):format(k, at, k, size)
    at = at + size
  end
  return ("y  [%d] its outputs, one after the other\n          %s"):format(count, table.concat(words, "\n          ")),
    ("enum {\n%s\n};\n\n"):format(table.concat(lines, ",\n"))
end

-- Weights as arrays: array(key, name, tensor) -> its name; the same for the same key.
local function arrays_of(used, taken)
  local texts, names = {}, {}
  return function(key, name, tensor)
    if names[key] then return names[key] end
    local found, n = name, 1
    while taken[found] do
      n = n + 1
      found = ("%s_%d"):format(name, n)
    end
    taken[found], names[key] = true, found
    texts[#texts + 1] = array(found, tensor)
    if texts[#texts]:find("N", #found + 1, true) then used.not_finite = true end      -- NAN, INFINITY
    return found
  end, texts
end

--- The text of the file.
function M.encode(graph, about)
  local body, used, own = {}, {}, {}
  local taken = snippets.names()
  local weights, arrays = arrays_of(used, taken)
  local sizes = place(graph)
  local function name_of(value, op)
    local r = root(value)
    if r.tensor then
      local name = r.owner and ("%s_%s"):format(r.owner, r.name) or op.name .. "_constant"
      return weights(r.owner and r.owner .. "." .. r.name or r, name, r.tensor)
    end
    if r == root(graph.output) and r ~= graph.input then return "y" end
    return r == graph.input and "x" or ("buffer_%d"):format(r.buffer)
  end
  for _, op in ipairs(graph.ops) do
    if not aliases[op.type] then
      local function weight(param)
        if not op.params[param] then return "0" end
        return weights(op.owner .. "." .. param, ("%s_%s"):format(op.owner, param), op.params[param])
      end
      local f, list
      if calls[op.type] then f, list = calls[op.type](op, weight)
      else f, list = own_function(op, own, taken) or graphs.refuse(op.label, "c"), {} end
      used[f] = true
      local words = { name_of(op.output, op) }
      for _, value in ipairs(op.inputs) do words[#words + 1] = name_of(value, op) end
      for _, word in ipairs(list) do words[#words + 1] = tostring(word) end
      body[#body + 1] = ("  %s(%s);\n"):format(f, table.concat(words, ", "))
    end
  end
  local count = graphs.count(graph.output.shape)
  if root(graph.output) == graph.input then
    used.copy = true
    body[#body + 1] = ("  copy(y, x, %d);\n"):format(count)
  end
  local deciding, rule = decide(about, graph.shapes[1], #graph.shapes > 1)
  local outputs, constants = describe_outputs(graph, about.outputs)
  local out = { ([[
/* %s: a trained network, written by Perilune %s.

   int predict(const float *x, float *y)
     x  [%d] one input: %s, scaled as the training data was
     %s
     returns %s.
%s   Weights and buffers are in this file; nothing is allocated. The buffers are shared: one call at a time. */
]]):format(in_comment(about.name), core.system.version(), graphs.count(graph.input.shape),
    shape_text(graph.input.shape) .. (#graph.input.shape == 3 and ", rows first, channels last" or ""), outputs, rule,
    describe(about)) }
  used.mathematics = #own > 0
  out[#out + 1] = snippets.headers(used)
  out[#out + 1] = constants .. "int predict(const float *x, float *y);\n\n"
  out[#out + 1] = table.concat(arrays, "\n")
  for k, size in ipairs(sizes) do out[#out + 1] = ("static float buffer_%d[%d];\n"):format(k, math.max(size, 1)) end
  out[#out + 1] = snippets.text(used) .. table.concat(own)
  out[#out + 1] = "\nint predict(const float *x, float *y) {\n" .. table.concat(body) .. deciding .. "}\n"
  return table.concat(out)
end

return M
