-- perilune export: what other programs make of the files.
local lu = require "luaunit"
local support = dofile "tests/cli/support_export.lua"
local cli = support.cli
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn
local formats = require "perilune.export"

TestExport = {}

function TestExport:test_onnx_of_every_layer()
  support.agree("onnx", function(model, path) return assert(formats.write(model, "onnx", path)) end)
end

-- Where onnxruntime is not there, the files are at least those with which it agreed.
function TestExport:test_onnx_files_are_those_that_were_checked()
  local have, changed = {}, {}
  for line in io.lines "tests/golden/onnx.txt" do have[line] = true end
  for _, line in ipairs(dofile "tests/golden/make_onnx.lua".lines()) do
    if not have[line] then changed[#changed + 1] = line end
  end
  lu.assertEquals(table.concat(changed, "\n"), "",
    "other files; tests/golden/make_onnx.lua has onnxruntime check them, and writes the digests anew")
end

local not_in_keras = { GELU = "the tanh approximation", pool_padded = "its padding",
  mean_inside = "its padding", input_in_the_end = "over these axes" }

-- Keras 3.15 on torch repeats the last pixels where "same" pads unevenly, and counts them: the mean of 10 and 20 is
-- 16.7.
local wrong_in_keras = os.getenv "KERAS_BACKEND" == "torch" and { mean_same_inside = true } or {}

local in_keras = {}
for name in ([[add mul neg exp tanh sigmoid relu gelu silu sum_of_two matmul reshape flatten permute transpose slice cat
  stack softmax log_softmax softmax_rows max mean constant used_twice]]):gmatch "%S+" do in_keras[name] = true end

function TestExport:test_keras_of_every_layer()
  support.agree("keras", function(model, path)
    local name = path:match "([%w_]+)%.h5$"
    local operation = name:match "^op_(.*)"
    if operation and not in_keras[operation] or name:find "^random" then      -- of the random ones some
      local ok, message = pcall(formats.write, model, "keras", path)
      lu.assertFalse(ok and operation ~= nil, name)
      if not ok then
        lu.assertStrContains(message.message, "Own cannot be expressed: no layer of Keras does its operation")
        lu.assertStrContains(message.message, "; export it to ONNX or C")
      end
      return ok
    end
    if wrong_in_keras[name] then return false end
    if not not_in_keras[name] then return assert(formats.write(model, "keras", path)) end
    lu.assertErrorMsgContains(not_in_keras[name], formats.write, model, "keras", path)
  end)
end

-- PyTorch's Sequential takes the file with load_state_dict.
function TestExport:test_safetensors_in_pytorch()
  support.agree("safetensors", function(model, path)
    return assert(formats.write(model, "safetensors", path))
  end, { lenet = true })
end

-- Parameters of formulas have the formula's name and their own; a layer at several places is there once. Read back by
-- name, and by order from a file whose layers have other names.
function TestExport:test_safetensors_of_graphs()
  local read, match = require "perilune.import.safetensors".read, require "perilune.import.match"
  local formulas = dofile "tests/cli/support_export_formulas.lua"
  for name, made in pairs(formulas.graphs()) do
    local model, other = made[1], formulas.graphs()[name][1]
    model:build(made[2])
    other:build(made[2])
    for k, way in ipairs { "name", name == "gates" and "order" or nil } do
      model:initialize(k)
      other:initialize(k + 5)
      local path = cli.folder .. "/graph.safetensors"
      assert(formats.write(model, "safetensors", path))
      local list = assert(read(path))
      for _, t in ipairs(way == "order" and list or {}) do t.name = "net." .. t.name:gsub("^(.*)%.", "%1x.") end
      local _, how = match.into(other, list, path)
      lu.assertEquals(how, way, name)
      local x = support.inputs(5, made[2])
      lu.assertTrue(other:infer(x):equal(model:infer(x)), name)
    end
    if name == "gates" then
      local names = {}
      for _, t in ipairs(assert(read(cli.folder .. "/graph.safetensors"))) do names[#names + 1] = t.name end
      table.sort(names)
      lu.assertEquals(table.concat(names, " "), "layer_01_gated.a layer_01_gated.scale layer_01_linear.bias " ..
        "layer_01_linear.weight layer_01_linear_2.bias layer_01_linear_2.weight layer_04_linear.bias " ..
        "layer_04_linear.weight second.a second.scale")
    end
  end
end

-- However an image becomes features: the Linear after it has them in PyTorch's order, channel first.
function TestExport:test_safetensors_after_any_flattening()
  local read = require "perilune.import.safetensors".read
  local function matrix(flatten)
    local conv, linear = nn.Conv2d(2, 3, 3), nn.Linear(6 * 5 * 3, 4)
    local model = flatten == "formula" and nn.Graph(function(x) return linear(conv(x):relu():flatten()) end)
      or nn.Sequential { conv, nn.ReLU(), flatten, linear }
    model:build { 8, 7, 2 }
    conv.weight:fill_(1)
    linear.weight:copy_(pl.arange(0, 6 * 5 * 3 * 4 - 1):reshape(6 * 5 * 3, 4))
    local path = cli.folder .. "/flattened.safetensors"
    assert(formats.write(model, "safetensors", path))
    for _, t in ipairs(assert(read(path))) do
      if #t.tensor.shape == 2 then return t.tensor end
    end
  end
  local wanted = matrix(nn.Flatten())
  -- the second input in PyTorch is the second pixel of the first channel: here feature 3, counted from 0
  lu.assertEquals(wanted:slice(1, 1, 1):slice(2, 2, 2):item(), 3 * 4)
  for _, flatten in ipairs { "formula", nn.Reshape { 6 * 5 * 3 } } do
    lu.assertTrue(matrix(flatten):equal(wanted), tostring(flatten))
  end
  local last = nn.Linear(224, 2)
  local joined = nn.Graph(function(x) return last(pl.cat({ x:flatten(), x:flatten() }, 2)) end)
  joined:build { 8, 7, 2 }
  lu.assertErrorMsgContains("flattened images one after the other", formats.write, joined, "safetensors",
    cli.folder .. "/joined.safetensors")
end

function TestExport:test_safetensors_of_a_scalar()
  local bytes = require "perilune.export.safetensors".bytes({ { name = "s", tensor = pl.ones(1):select(1, 1) } }, {})
  lu.assertStrContains(bytes, '"shape":[]')
end

-- A program that reads inputs from its standard input and writes outputs and labels.
local main = [[
#include <stdio.h>
int predict(const float *x, float *y);
static float x[%d], y[%d];
int main(void) {
  while (fread(x, sizeof *x, %d, stdin) == %d) {
    float label = (float)predict(x, y);
    fwrite(y, sizeof *y, %d, stdout);
    fwrite(&label, sizeof label, 1, stdout);
  }
  return 0;
}
]]

-- Outputs [n, k + 1] of the exported C of a model: the label last.
local function run_c(model, x, files)
  local path = cli.folder .. "/m.c"
  assert(formats.write(model, "c", path))
  local n, inputs = x:size(1), x:count() // x:size(1)
  local outputs = 0
  for _, shape in ipairs((select(5, model:sizes()))) do
    local size = 1
    for _, length in ipairs(shape) do size = size * length end
    outputs = outputs + size
  end
  cli.write("main.c", main:format(inputs, outputs, inputs, inputs, outputs))
  local compiled = os.execute(("cd %s && %s -std=c99 -pedantic -Wall -Wextra -Werror -O1 m.c main.c -o m -lm"):format(
    cli.quote(cli.folder), os.getenv "CC" or "cc"))
  assert(compiled, "does not compile")
  assert(os.execute(("%s/m <%s >%s/out"):format(cli.folder, files.x, cli.folder)))
  return core.bytes.tensor("F32", { n, outputs + 1 }, cli.read(cli.folder .. "/out"), 0), outputs
end

function TestExport:test_c_of_every_layer()
  support.each(1000, function(name, model, x, y, files)
    local found, outputs = run_c(model, x, files)
    local want = y:reshape(1000, outputs)
    local difference = support.difference(found:slice(2, 1, outputs), want)
    lu.assertTrue(difference < 1e-5, ("%s: %g"):format(name, difference))
    if y:dim() == 2 then
      local labels = found:slice(2, outputs + 1, outputs + 1):reshape(-1):to "i32"
      lu.assertTrue(labels:equal(model:predict(x)), name)
    end
  end)
end

function TestExport:test_what_a_format_cannot_express_is_named()
  local model = nn.Sequential { nn.Linear(4, 4), nn.Lambda { forward = function(x) return x end } }
  model:build { 4 }
  for _, format in ipairs(formats.list) do
    lu.assertErrorMsgContains("layer 2 (Lambda) cannot be expressed: its functions are Lua", formats.write, model,
      format.name, cli.folder .. "/x")
  end
end

-- A new layer class need not be exported: each format says so, or has it.
function TestExport:test_a_layer_that_no_format_knows_is_refused()
  for type, example in pairs(core.nn.examples()) do
    local model = nn.Sequential { nn[type](table.unpack(example.arguments)) }
    local unknown = support.unknown_layer(model:build(example.input))
    for _, format in ipairs(unknown and { "c", "onnx", "keras" } or {}) do
      lu.assertErrorMsgContains(unknown .. " cannot be expressed", formats.write, model, format, cli.folder .. "/x")
    end
  end
end

-- The constants of the file say where each output lies; the label is that of the first.
function TestExport:test_c_of_several_outputs()
  local made = support.several().several_heads
  assert(formats.write(made[1]:build(made[2]), "c", cli.folder .. "/several.c"))
  local text = cli.read(cli.folder .. "/several.c")
  lu.assertStrContains(text, [[
     y  [12] its outputs, one after the other
          y + OUTPUT_1: 2 (logits)
          y + OUTPUT_2: 2 x 2
          y + OUTPUT_3: 6
     returns the label: the number of the largest value of the first output, from 0; -1 where one is not a number.
]])
  lu.assertStrContains(text, [[
enum {
  OUTPUT_1 = 0, OUTPUT_1_SIZE = 2,
  OUTPUT_2 = 2, OUTPUT_2_SIZE = 4,
  OUTPUT_3 = 6, OUTPUT_3_SIZE = 6
};
]])
end

-- What the caller has to know beside the model, as comment and as metadata; no name ends the comment.
function TestExport:test_scaling_features_and_labels()
  local model = nn.Sequential { nn.Linear(2, 3) }
  model:build { 2 }
  local about = { name = "a */ b", labels = { "lily", "x /* ???/", "tulip\n" },
    recipe = "train: resize 32x30, resize 8x9 | test: resize 7x7", preparation = {
      features = { features = { "long", "colour=red" } }, standardize = { { mean = { 0.5 }, std = { 2.0 } },
        { mean = { 1.0, 2.0 } } } } }
  assert(formats.write(model, "c", cli.folder .. "/about.c", about))
  local text = cli.read(cli.folder .. "/about.c")
  for _, line in ipairs { "/* a * / b: a trained network", "     inputs: 0 long, 1 colour=red\n",
    "     images: resized to 32 x 30, then to 8 x 9 (height x width; bilinear, pixel centres at +0.5)\n",
    "     scaling: v = (v - 0.5) / 2; v = v - mean[i]; mean (i: a value's number in its sample, ", "modulo 2) = 1, 2\n",
    "     labels: 0 lily, 1 x / * ? ? ?/, 2 tulip\\n\n" } do lu.assertStrContains(text, line) end
  lu.assertTrue(os.execute(("cd %s && %s -std=c99 -pedantic -Wall -Wextra -Werror -c about.c -o about.o"):format(
    cli.quote(cli.folder), os.getenv "CC" or "cc")))
  about.preparation.pixels = true
  local fields = {}
  about.outputs = "logits"
  for _, field in ipairs(require "perilune.export.described".fields(about)) do fields[field[1]] = field[2] end
  lu.assertEquals(core.json.decode(fields.scaling), { pixels = true, standardize = { { mean = { 0.5 }, std = { 2.0 } },
    { mean = { 1.0, 2.0 } } } })
  lu.assertEquals({ core.json.decode(fields.labels), core.json.decode(fields.features), fields.outputs },
    { about.labels, { "long", "colour=red" }, "logits" })
  lu.assertEquals(core.json.decode(fields.resizing), { { 32, 30 }, { 8, 9 } })
  for _, format in ipairs { "onnx", "safetensors" } do
    assert(formats.write(model, format, cli.folder .. "/about", about))
    local bytes = cli.read(cli.folder .. "/about")
    for name in pairs(fields) do lu.assertStrContains(bytes, name) end
    lu.assertStrContains(bytes, "colour=red")
  end
end

function TestExport:test_safetensors_of_several_outputs()
  local made = support.several().several_heads
  assert(formats.write(made[1]:build(made[2]), "safetensors", cli.folder .. "/several.safetensors"))
end

function TestExport:test_from_a_script_the_name_says_the_format()
  local model = nn.Sequential { nn.Linear(4, 3) }
  lu.assertErrorMsgContains("call model:build{...} first", model.export, model, cli.folder .. "/a.onnx")
  model:build { 4 }
  for _, ending in ipairs { "onnx", "safetensors", "h5", "c" } do
    lu.assertEquals(model:export(cli.folder .. "/a." .. ending), true)
  end
  lu.assertTrue(assert(nn.import(cli.folder .. "/a.h5")):infer(pl.ones(1, 4)):equal(model:infer(pl.ones(1, 4))))
  lu.assertErrorMsgContains("it ends in .onnx, .safetensors", model.export, model, cli.folder .. "/a.txt")
  lu.assertErrorMsgContains("/nowhere/a.c", model.export, model, "/nowhere/a.c")
end

local experiment = [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "Small one", seed = 1, data = pl.data.digits { train = 300, test = 100 },
  model = nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2, name = "first" }), nn.ReLU(), nn.Flatten(),
    nn.Linear(576, 10, { name = "fc" }) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.003 }, epochs = 1, batch_size = 50 }
]]

local function named(format) return "out." .. (format.name == "keras" and "h5" or format.name) end

function TestExport:test_command()
  cli.write("small.lua", experiment)
  lu.assertEquals(cli.run("run small.lua -q --threads 1 --out small").status, 0)
  local words = {}
  for _, format in ipairs(formats.list) do words[#words + 1] = ("--%s %s"):format(format.name, named(format)) end
  local r = cli.run("export small " .. table.concat(words, " "))
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  for _, format in ipairs(formats.list) do
    lu.assertStrContains(r.out, named(format))
    lu.assertTrue(#cli.read(cli.folder .. "/" .. named(format)) > 1000)
  end
  lu.assertStrContains(cli.read(cli.folder .. "/out.c"), "Small one")
  lu.assertStrContains(cli.read(cli.folder .. "/out.c"), "fc_weight")
  lu.assertStrContains(cli.read(cli.folder .. "/out.c"), "     scaling: v = byte / 255\n   Weights")
  assert(assert(nn.load(cli.folder .. "/small")):save(cli.folder .. "/model.h5"))
  for _, path in ipairs { "small/run.h5", "model.h5" } do         -- a file of a run, and a saved model
    lu.assertEquals(cli.run(("export %s --safetensors again.safetensors"):format(path)).status, 0)
    local again, first = cli.read(cli.folder .. "/again.safetensors"), cli.read(cli.folder .. "/out.safetensors")
    lu.assertEquals(again:sub(-1000), first:sub(-1000))
  end
  local none = cli.run "export small"
  lu.assertEquals(none.status, 2)
  lu.assertStrContains(none.err, "export: name a format and a file: --onnx")
  lu.assertEquals({ formats.write(nn.Sequential { nn.Linear(2, 2) }:build { 2 }, "keras", "m.keras") },
    { nil, "m.keras: the file is HDF5, which Keras tells by its name: let it end in .h5" })
  lu.assertEquals(cli.run("export nothing.h5 --onnx x.onnx").status, 1)
  lu.assertStrContains(cli.run("export small --onnx /nowhere/x.onnx").err, "/nowhere/x.onnx")
end

-- Under any name of it, a file that is read stays what it is; so do the other files of a run's folder.
function TestExport:test_what_is_read_is_not_replaced()
  local model = nn.Sequential { nn.Linear(2, 2) }:build { 2 }
  for _, name in ipairs { "mine.h5", "folder/run.h5", "folder/best.h5" } do
    cli.write(name, "")
    assert(model:save(cli.folder .. "/" .. name))
  end
  os.execute(("ln -sf mine.h5 %s/link.h5"):format(cli.quote(cli.folder)))
  for words, message in pairs { ["export mine.h5 --keras mine.h5"] = "mine.h5 is the file that is read",
    ["export mine.h5 --keras link.h5"] = "link.h5 is the file that is read",
    ["export link.h5 --c x.c --keras ./mine.h5"] = "./mine.h5 is the file that is read",
    ["export folder --keras folder/run.h5"] = "folder/run.h5 is a file of the run that is read",
    ["export mine.h5 --keras folder/run.h5"] = "folder/run.h5 is a file of a run",
    ["report . -o folder/best.h5"] = "folder/best.h5 is a file of a run",
    ["export folder --keras folder/best.h5"] = "folder/best.h5 is a file of the run that is read",
    ["import mine.h5 -o link.h5"] = "link.h5 is the file that is read",
    ["import x.safetensors --into mine.h5 -o mine.h5"] = "mine.h5 is the file that is read",
    ["report folder -o folder/run.h5"] = "folder/run.h5 is a file of the run that is read" } do
    local r = cli.run(words)
    lu.assertEquals({ r.status, r.err }, { 1, "perilune: " .. message .. "; choose another name\n" }, words)
  end
  lu.assertEquals(cli.run("export mine.h5 --c same --html same").err,
    "perilune: export: --c and --html would both be same\n")
  for _, name in ipairs { "mine.h5", "folder/run.h5", "folder/best.h5" } do
    assert(nn.load(cli.folder .. "/" .. name))
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
