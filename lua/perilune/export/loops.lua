--- The operations of formulas as loops, for the formats that are programs. In a notation of their own, which a dialect
--- turns into C or JavaScript: `real`, `wide` (of sums) and `int` declare, real(i) converts, exp(x) and so on are the
--- functions of mathematics, 1.0 is a real number, NAN is none. y is the result, a, b, c, ... are the inputs; a batch
--- is not there: a value is that of one sample.
local graphs = require "perilune.export.graph"

local M = {}

local VARIABLES = { "i", "j", "k", "l", "m", "n" }
local INPUTS = "abcdefghpqrstuvw"          -- of at most 16

function M.input(k) return INPUTS:sub(k, k) end

-- Strides of a dense value along the axes of `out`, which are aligned at the end; 0 where it is broadcast.
local function strides(shape, out)
  local list, step = {}, 1
  for a = #out, 1, -1 do
    local n = shape[a + #shape - #out]
    list[a] = (n == nil or n == 1) and 0 or step
    step = step * (n or 1)
  end
  return list
end

-- Loops over the sizes: { size =, strides = (one a value) }. Axes that follow each other in all values are one.
local function loops_of(sizes, values)
  local loops = {}
  for a, size in ipairs(sizes) do
    local last, steps, joined = loops[#loops], {}, true
    for k, list in ipairs(values) do
      steps[k] = list[a]
      joined = joined and last and last.strides[k] == list[a] * size
    end
    if size ~= 1 then
      if joined and last then last.size, last.strides = last.size * size, steps
      else loops[#loops + 1] = { size = size, strides = steps } end
    end
  end
  for i, loop in ipairs(loops) do loop.variable = VARIABLES[i] end
  return loops
end

-- "i * 12 + j * 3 + 4"
local function index(loops, k, offset)
  local terms = {}
  for _, loop in ipairs(loops) do
    local step = loop.strides[k]
    if step == 1 then terms[#terms + 1] = loop.variable
    elseif step ~= 0 then terms[#terms + 1] = ("%s * %d"):format(loop.variable, step) end
  end
  if offset and offset ~= 0 or #terms == 0 then terms[#terms + 1] = ("%d"):format(offset or 0) end
  return table.concat(terms, " + ")
end

-- Statements (lines) inside the loops.
local function nest(loops, lines)
  local out = {}
  for depth, loop in ipairs(loops) do
    local v = loop.variable
    out[#out + 1] = ("%sfor (int %s = 0; %s < %d; %s++) {"):format(("  "):rep(depth - 1), v, v, loop.size, v)
  end
  for _, line in ipairs(lines) do out[#out + 1] = ("  "):rep(#loops) .. line end
  for depth = #loops, 1, -1 do out[#out + 1] = ("  "):rep(depth - 1) .. "}" end
  return out
end

local writers = {}

local expressions = { add = "A + B", sub = "A - B", mul = "A * B", div = "A / B", pow = "pow(A, B)", neg = "-A",
  exp = "exp(A)", log = "log(A)", sqrt = "sqrt(A)", square = "A * A", abs = "abs(A)", sin = "sin(A)", cos = "cos(A)",
  tanh = "tanh(A)", sigmoid = "1.0 / (1.0 + exp(-A))", relu = "A < 0.0 ? 0.0 : A", silu = "A / (1.0 + exp(-A))",
  gelu = "0.5 * A * (1.0 + erf(A * 0.70710678))",
  maximum = "A > B || A != A ? A : B", minimum = "A < B || A != A ? A : B", where = "A != 0.0 ? B : C",
  lt = "A < B ? 1.0 : 0.0", le = "A <= B ? 1.0 : 0.0", gt = "A > B ? 1.0 : 0.0", ge = "A >= B ? 1.0 : 0.0",
  eq = "A == B ? 1.0 : 0.0", ne = "A != B ? 1.0 : 0.0" }

for name, expression in pairs(expressions) do
  writers[name] = function(op)
    local values = { strides(op.output.shape, op.output.shape) }
    for k, value in ipairs(op.inputs) do values[k + 1] = strides(value.shape, op.output.shape) end
    local loops, places = loops_of(op.output.shape, values), {}
    for k = 1, #op.inputs do
      places[("ABC"):sub(k, k)] = ("%s[%s]"):format(M.input(k), index(loops, k + 1))
    end
    local text = expression:gsub("%f[%w][ABC]%f[%W]", places)
    return nest(loops, { ("y[%s] = %s;"):format(index(loops, 1), text) })
  end
end

-- y = a, element by element, at these strides of both.
local function copy(sizes, to, from, offset_to, name, offset_from)
  local loops = loops_of(sizes, { to, from })
  return nest(loops, { ("y[%s] = %s[%s];"):format(index(loops, 1, offset_to), name, index(loops, 2, offset_from)) })
end

function writers.permute(op)
  local shape, from, order = op.output.shape, strides(op.inputs[1].shape, op.inputs[1].shape), {}
  for a, axis in ipairs(op.args) do order[a] = from[axis + 1] end
  return copy(shape, strides(shape, shape), order, 0, "a", 0)
end

function writers.slice(op)
  local shape, input = op.output.shape, op.inputs[1].shape
  local axis, from = op.args[1] + 1, op.args[2]
  return copy(shape, strides(shape, shape), strides(input, input), 0, "a", from * graphs.count(input, axis + 1))
end

function writers.cat(op)
  local shape, axis, before, out = op.output.shape, op.args[1] + 1, 0, {}
  for k, value in ipairs(op.inputs) do
    local to = strides(shape, shape)
    to[axis] = graphs.count(shape, axis + 1)           -- of an axis of one, too
    local lines = copy(value.shape, to, strides(value.shape, value.shape), before * to[axis], M.input(k), 0)
    table.move(lines, 1, #lines, #out + 1, out)
    before = before + value.shape[axis]
  end
  return out
end

-- Reductions: what a row begins with, is of each value v, and ends with; a variance goes through the row twice.
local function variance(finish)
  return { { "wide s = 0.0;" }, { "s += v;" }, { "wide mean = s / real(COUNT);", "wide t = 0.0;" },
    { "t += (v - mean) * (v - mean);" }, { ("Y = %s;"):format(finish) } }
end
local extreme = "if (v %s most || v != v) most = v;"
local reductions = {
  sum = { { "wide s = 0.0;" }, { "s += v;" }, { "Y = real(s);" } },
  mean = { { "wide s = 0.0;" }, { "s += v;" }, { "Y = real(s / real(COUNT));" } },
  norm = { { "wide s = 0.0;" }, { "s += v * v;" }, { "Y = sqrt(real(s));" } },
  max = { { "real most = FIRST;" }, { extreme:format ">" }, { "Y = most;" } },
  min = { { "real most = FIRST;" }, { extreme:format "<" }, { "Y = most;" } },
  var = variance "real(t / real(LESS))", std = variance "sqrt(real(t / real(LESS)))",
}

for name, parts in pairs(reductions) do
  writers[name] = function(op)
    local input, reduced, count = op.inputs[1].shape, {}, 1
    for i = 3, #op.args do reduced[op.args[i] + 1] = true end
    local all, kept_sizes, row_sizes, kept_from, row_from = strides(input, input), {}, {}, {}, {}
    for a, n in ipairs(input) do
      if reduced[a] then row_sizes[#row_sizes + 1], row_from[#row_from + 1], count = n, all[a], count * n
      else kept_sizes[#kept_sizes + 1], kept_from[#kept_from + 1] = n, all[a] end
    end
    local kept_to = strides(kept_sizes, kept_sizes)
    local kept, row = loops_of(kept_sizes, { kept_to, kept_from }), loops_of(row_sizes, { row_from })
    for i, loop in ipairs(row) do loop.variable = VARIABLES[#kept + i] end
    local first = index(kept, 2)
    local words = { Y = ("y[%s]"):format(index(kept, 1)), FIRST = ("a[%s]"):format(first), COUNT = count,
      LESS = count - op.args[2] }
    local lines = {}
    for i, part in ipairs(parts) do
      local filled = {}
      for k, line in ipairs(part) do filled[k] = line:gsub("%f[%u]%u+%f[^%u]", words) end
      if i % 2 == 0 then
        table.insert(filled, 1, ("real v = a[%s + %s];"):format(first, index(row, 1)))
        filled = nest(row, filled)
        if #row == 0 then
          table.insert(filled, 1, "{")
          filled[#filled + 1] = "}"
        end
      end
      table.move(filled, 1, #filled, #lines + 1, lines)
    end
    return nest(kept, lines)
  end
end

-- Leading axes broadcast; a value of one axis is one row, or one column.
function writers.matmul(op)
  local a, b, out = op.inputs[1].shape, op.inputs[2].shape, { table.unpack(op.output.shape) }
  local rows, inner, cols = a[#a - 1] or 1, a[#a], #b > 1 and b[#b] or 1
  if #b > 1 then table.remove(out) end
  if #a > 1 then table.remove(out) end
  local function lead(shape, size)
    local list = strides({ table.unpack(shape, 1, math.max(0, #shape - 2)) }, out)
    for i, step in ipairs(list) do list[i] = step * size end
    return list
  end
  local sizes, values = { table.unpack(out) }, { lead(a, rows * inner), lead(b, inner * cols) }
  local y = strides(out, out)
  for i, step in ipairs(y) do y[i] = step * rows * cols end
  table.insert(values, 1, y)
  for _, more in ipairs { { rows, cols, inner, 0 }, { cols, 1, 0, 1 } } do
    sizes[#sizes + 1] = more[1]
    for k = 1, 3 do values[k][#values[k] + 1] = more[k + 1] end
  end
  local loops = loops_of(sizes, values)
  return nest(loops, { "real s = 0.0;", ("for (int o = 0; o < %d; o++) s += a[%s + o] * b[%s + o * %d];"):format(inner,
    index(loops, 2), index(loops, 3), cols), ("y[%s] = s;"):format(index(loops, 1)) })
end

function writers.one_hot(op)
  local classes = op.args[1]
  return nest({ { size = graphs.count(op.inputs[1].shape), variable = "i" } }, { "int found = 0;",
    ("for (int c = 0; c < %d; c++) {"):format(classes), "  if (a[i] == real(c)) found = 1;",
    ("  y[i * %d + c] = a[i] == real(c) ? 1.0 : 0.0;"):format(classes), "}",
    ("for (int c = 0; !found && c < %d; c++) y[i * %d + c] = NAN;"):format(classes, classes) })
end

function writers.pick(op)
  local shape = op.inputs[1].shape
  local classes = shape[#shape]
  return nest({ { size = graphs.count(op.output.shape), variable = "i" } }, { "y[i] = NAN;",
    ("for (int c = 0; c < %d; c++) if (b[i] == real(c)) y[i] = a[i * %d + c];"):format(classes, classes) })
end

local functions = { exp = true, log = true, sqrt = true, abs = true, sin = true, cos = true, tanh = true, erf = true,
  pow = true }

--- How C says it.
function M.c(line)
  line = line:gsub("%f[%w_]real%(", "(float)("):gsub("%f[%w_]real ", "float "):gsub("%f[%w_]wide ", "double ")
  line = line:gsub("%f[%w_.](%d+%.%d+)", "%1f")
  return (line:gsub("%f[%w_](%l+)%(", function(name)
    return functions[name] and (name == "abs" and "fabsf(" or name .. "f(")
  end))
end

--- How JavaScript says it.
function M.javascript(line)
  line = line:gsub("%f[%w_]real%(", "("):gsub("%f[%w_]real ", "let "):gsub("%f[%w_]wide ", "let ")
  line = line:gsub("%f[%w_]int ", "let "):gsub("%f[%w_]NAN%f[^%w_]", "NaN")
  return (line:gsub("%f[%w_](%l+)%(", function(name)
    return functions[name] and name ~= "erf" and ("Math.%s("):format(name)
  end))
end

--- The lines of an operation of a formula, in a dialect; nil if there are none for it.
function M.lines(op, dialect)
  if not writers[op.type] then return nil end
  local lines = writers[op.type](op)
  for i, line in ipairs(lines) do lines[i] = dialect((line:gsub("%[0 %+ ", "["))) end
  return lines
end

return M
