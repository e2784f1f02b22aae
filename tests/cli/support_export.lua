-- What the tests of export share: a model of each kind, inputs, and what other programs make of the exported file.
local lu = require "luaunit"
local sorted_keys = require "perilune.base.sorted_keys"
local cli = dofile "tests/cli/support.lua"
local pl = require "perilune"
local core = require "perilune.core"
local graphs = require "perilune.export.graph"
local html = require "perilune.export.html"
local formulas = dofile "tests/cli/support_export_formulas.lua"
local nn = pl.nn

local M = { python = os.getenv "PYTHON" or "python3" }

--- Skips, saying so, unless Python has the libraries that check a format.
function M.need(format)
  if not os.execute(("%s tests/cli/check_export.py probe %s >/dev/null 2>&1"):format(M.python, format)) then
    lu.skip(("%s has no libraries for %s; say PYTHON=..."):format(M.python, format))
  end
end

local function branch(n) return nn.Sequential { nn.Conv2d(n, n, 3, { padding = "same" }), nn.ReLU() } end

--- Models of several outputs: of different shapes, of channels, one inside another, the input itself, one twice.
function M.several()
  local stem, head, again = nn.Linear(4, 6), nn.Linear(6, 2, { name = "output" }), nn.Linear(6, 4)
  local first, second = nn.Conv2d(3, 4, 3, { padding = "same" }), nn.Conv2d(4, 2, 3)
  local pooled, scores = nn.GlobalAvgPool2d(), nn.Linear(4, 3)
  local one = nn.Linear(4, 1)
  return {
    several_heads = { nn.Graph(function(x)
      local h = stem(x):tanh()
      return head(h), again(h):reshape(-1, 2, 2), h
    end), { 4 } },
    several_images = { nn.Graph(function(x)
      local h = first(x):relu()
      return scores(pooled(h)), h, second(h)
    end), { 8, 7, 3 } },
    several_inputs = { nn.Graph(function(x)
      local y = one(x)
      return y, x, y, x
    end), { 4 } },
  }
end

--- name -> { model, shape of its input }: every layer class, alone and among others; unless `of_layers`, formulas too.
function M.models(of_layers)
  local models = {}
  for type, example in pairs(core.nn.examples()) do
    models[type] = { nn[type](table.unpack(example.arguments)), example.input }
  end
  local image = { 8, 7, 3 }       -- "same" adds another zero below than above
  models.strided = { nn.Conv2d(3, 4, { 3, 5 }, { padding = "same", stride = { 2, 3 } }), image }
  models.padded = { nn.Conv2d(3, 4, 3, { padding = { 2, 1 }, stride = 2, bias = false }), image }
  models.per_position = { nn.Conv2d(3, 4, 3, { bias = "per-position" }), image }
  models.pool_same = { nn.MaxPool2d(3, { stride = 2, padding = "same" }), image }
  models.pool_padded = { nn.MaxPool2d({ 3, 2 }, { stride = { 2, 1 }, padding = 1 }), image }
  models.mean_same = { nn.AvgPool2d(3, { stride = 2, padding = "same" }), image }
  models.mean_inside = { nn.AvgPool2d(3, { stride = 2, padding = 1, count_include_pad = false }), image }
  models.mean_same_inside = { nn.AvgPool2d(3, { stride = 2, padding = "same", count_include_pad = false }), image }
  models.last_axis = { nn.Sequential { nn.Linear(3, 5, { bias = false }), nn.BatchNorm(5), nn.Softmax() }, image }
  models.gelu_exact = { nn.GELU(), { 70 } }
  models.batchnorm_plain = { nn.BatchNorm(3, { affine = false, eps = 0.01 }), image }
  models.residual = { nn.Sequential { nn.Conv2d(3, 6, 3, { padding = "same", name = "stem" }), nn.BatchNorm(6),
    nn.ReLU(), nn.Residual(branch(6)),
    nn.Residual(branch(6), nn.Conv2d(6, 6, 1)), nn.Dropout(0.5), nn.GlobalAvgPool2d(),
    nn.Linear(6, 10, { name = "head" }) }, image }
  models.lenet = { nn.Sequential { nn.Conv2d(1, 6, 5, { name = "conv1" }), nn.Tanh(), nn.AvgPool2d(2),
    nn.Conv2d(6, 16, 5, { name = "conv2" }), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
    nn.BatchNorm(256, { name = "norm" }),
    nn.Linear(256, 84, { name = "fc1" }), nn.ReLU(), nn.Linear(84, 10, { name = "fc2" }), nn.LogSoftmax() },
    { 28, 28, 1 } }
  models.reshaped = { nn.Sequential { nn.Linear(6, 24), nn.ReLU(), nn.Reshape { 2, 3, 4 }, nn.Conv2d(4, 2, 2),
    nn.Identity(), nn.Flatten(), nn.Linear(4, 1) }, { 6 } }
  -- names that formats use themselves
  models.names = { nn.Sequential { nn.Linear(4, 4, { name = "input" }), nn.Linear(4, 4, { name = "input_layer" }),
    nn.Linear(4, 4, { name = "output" }) }, { 4 } }
  models.names_of_images = { nn.Sequential { nn.Conv2d(3, 4, 3, { padding = { 2, 1 }, name = "a" }),
    nn.Conv2d(4, 4, 3, { padding = { 2, 1 }, name = "a_padding" }) }, image }
  models.sum_of_input = { nn.Residual(nn.Identity()), { 5 } }
  for name, model in pairs(of_layers and {} or formulas.models()) do models[name] = model end
  for name, model in pairs(of_layers and {} or M.several()) do models[name] = model end
  for name, m in pairs(models) do
    local model = m[1]
    pl.seed(#name)
    model:build(m[2])
    model:initialize(#name)
    for _, item in ipairs(model:state()) do       -- biases and statistics that are not their defaults
      if item.name == "running_var" then item.tensor:uniform_(0.5, 2)
      elseif item.tensor:dim() ~= 2 and item.tensor:dim() ~= 4 then item.tensor:uniform_(-0.5, 0.5) end
    end
  end
  return models
end

--- n inputs of a shape.
function M.inputs(n, shape)
  pl.seed(n)
  return pl.randn(n, table.unpack(shape))
end

--- The largest difference of outputs, divided by the largest output.
function M.difference(found, want)
  return (found - want):abs():max() / math.max(want:abs():max(), 1e-30)
end

-- The outputs of a model; several as one of rows.
local function in_a_row(y, ...)
  if not ... then return y end
  local rows = { y, ... }
  for i, output in ipairs(rows) do rows[i] = output:reshape(output:size(1), -1) end
  return pl.cat(rows, 2)
end

--- A layer that the formats of programs do not know yet; nil: they know all of the model's.
function M.unknown_layer(model)
  for _, op in ipairs(graphs.of(model).ops) do
    if op.kind == "layer" and not html.known[op.type] then return op.label end
  end
end

--- f(name, model, x, y, files) for each model; files: x and y as bytes in the scratch folder. Not for layers that the
--- formats do not know: a test of their own holds that these are refused.
function M.each(n, f, only, of_layers)
  local models = M.models(of_layers)
  for _, name in ipairs(sorted_keys(models)) do
    local model, shape = models[name][1], models[name][2]
    if (not only or only[name]) and not M.unknown_layer(model:build(shape)) then
      local x = M.inputs(n, shape)
      local y = in_a_row(model:infer(x))
      local files = { x = cli.write(name .. ".x", core.bytes.of(x)), y = cli.write(name .. ".y", core.bytes.of(y)) }
      f(name, model, x, y, files)
    end
  end
end

--- Asserts that a reference library makes the same outputs of the models (`only`: of those), within 1e-5 of the
--- largest. --- write(model, path) -> whether there is a file: a model that the format cannot express has none.
function M.agree(format, write, only)
  M.need(format)
  local jobs, names = {}, {}
  M.each(1000, function(name, model, x, _, files)
    local path = ("%s/%s.%s"):format(cli.folder, name, format == "keras" and "h5" or format)
    if not write(model, path) then return end
    local words = { path, files.x, files.y }
    for _, size in ipairs(x.shape) do words[#words + 1] = ("%d"):format(size) end
    jobs[#jobs + 1], names[#names + 1] = table.concat(words, "\t"), name
  end, only)
  local list = cli.write("jobs", table.concat(jobs, "\n") .. "\n")
  local pipe = assert(io.popen(("%s tests/cli/check_export.py %s <%s 2>%s"):format(M.python, format, cli.quote(list),
    cli.quote(cli.folder .. "/python.err"))))
  local found = {}
  for line in pipe:lines() do
    found[#found + 1] = line
    local difference = tonumber(line)
    lu.assertTrue(difference and difference < 1e-5, ("%s: %s"):format(names[#found], line))
  end
  pipe:close()
  lu.assertEquals(#found, #names, cli.read(cli.folder .. "/python.err"))
  return names, found
end

M.cli = cli
return M
