-- perilune import: LeNet-5 as Keras and as PyTorch trained it, what perilune export wrote, and what has no counterpart.
local lu = require "luaunit"
local support = dofile "tests/cli/support_export.lua"
local cli = support.cli
local pl = require "perilune"
local core = require "perilune.core"
local decision = require "perilune.nn.decision"
local formats = require "perilune.export"
local keras = require "perilune.import.keras"
local chains = require "perilune.import.keras_chains"
local match = require "perilune.import.match"
local safetensors = require "perilune.import.safetensors"
local nn = pl.nn

local golden = core.json.decode(cli.read "tests/golden/lenet5.json")
local here = os.getenv "PWD"

local function images()
  local bytes = table.concat(golden.images):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
  return core.bytes.tensor("U8", { #golden.images, 28, 28, 1 }, bytes, 0) / 255
end

local function largest_difference(a, b) return (a - b):abs():max() / b:abs():max() end

TestKeras = {}

function TestKeras:test_lenet_predicts_the_same()
  local r = cli.run(("import %s/tests/golden/lenet5_keras.h5 -o keras.h5"):format(here))
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "Conv2d")
  local model = assert(nn.load(cli.folder .. "/keras.h5"))
  lu.assertTrue(largest_difference(model:infer(images()), pl.tensor(golden.keras)) < 1e-5)
  lu.assertNotNil(model:find "c3")
  assert(model:export(cli.folder .. "/exported.h5"))
  lu.assertStrContains(cli.run "predict exported.h5 x.png".err,
    "exported.h5: it holds no Perilune run and no model (but one of Keras: perilune import reads it)")
  for _, words in ipairs { "predict %s x.png", "export %s --c x.c" } do          -- where to turn with the file itself
    local said = cli.run(words:format(here .. "/tests/golden/lenet5_keras.h5"))
    lu.assertEquals(said.status, 1)
    lu.assertStrContains(said.err, "written by another program (models of Keras and weights in ")
  end
  lu.assertEquals(model:probabilities(images()):totable(), model:infer(images()):totable())
end

-- Every model of layers that can be exported to Keras comes back with the same outputs.
function TestKeras:test_what_was_exported_comes_back()
  local failed = {}
  support.each(10, function(name, model, x, y)
    local path = cli.folder .. "/out.h5"
    if not pcall(formats.write, model, "keras", path) then return end
    local again, message = keras.read(path)
    if not again then failed[#failed + 1] = name .. ": " .. message
    else lu.assertTrue(largest_difference(again:infer(x), y) < 1e-5, name) end
  end, nil, true)
  lu.assertEquals(#failed, 2, table.concat(failed, "\n"))
  for _, message in ipairs(failed) do
    lu.assertNotNil(message:find("this kind of layer is not known here", 1, true)      -- per-position biases
      or message:find("uneven padding has no counterpart", 1, true), message)
  end
end

-- A Functional model as Keras 2 and as Keras 3 write its nodes: two ways that meet, one of them nested.
function TestKeras:test_ways_that_are_added()
  local function layer(class, name, nodes)
    return { class_name = class, config = { name = name }, inbound_nodes = nodes }
  end
  local function old(...)
    local list = {}
    for i, name in ipairs { ... } do list[i] = { name, 0, 0, {} } end
    return { list }
  end
  local function new(...)
    local list = {}
    for i, name in ipairs { ... } do
      list[i] = { class_name = "__keras_tensor__", config = { shape = { 1, 4 }, keras_history = { name, 0, 0 } } }
    end
    return { { args = #list > 1 and { list } or list, kwargs = {} } }
  end
  for _, nodes in ipairs { old, new } do
    local input = layer("InputLayer", "in", {})
    input.config.batch_shape = { 1, 4 }
    local chain, shape = chains.of { class_name = "Functional", config = { input_layers = { { "in", 0, 0 } },
      output_layers = { { "last", 0, 0 } }, layers = { input, layer("Activation", "a", nodes "in"),
        layer("Activation", "b", nodes "a"), layer("Activation", "c", nodes "b"),
        layer("Add", "inner", nodes("c", "b")),
        layer("Activation", "d", nodes "a"), layer("Add", "outer", nodes("d", "inner")),
        layer("Activation", "last", nodes "outer") } } }
    lu.assertEquals(shape, { 4 })
    local names = {}
    for i, item in ipairs(chain) do names[i] = item.name or "add" end
    lu.assertEquals(names, { "in", "a", "add", "last" })
    lu.assertEquals(#chain[3].branch, 1)
    lu.assertEquals(chain[3].shortcut[2].branch[1].name, "c")
  end
end

function TestKeras:test_what_has_no_counterpart_is_named()
  local function of(layers, class)
    local path = cli.folder .. "/small.h5"
    local w <close> = assert(core.store.create(path))
    w:group("/", { model_config = core.json.encode { class_name = class or "Sequential",
      config = { layers = layers } } })
    assert(w:commit())
    local model, message = keras.read(path)
    lu.assertNil(model)
    lu.assertNil(message:find "\n")
    return message
  end
  local input = { class_name = "InputLayer", config = { name = "in", batch_shape = { 1, 8, 8, 1 } } }
  local function one(class, config)
    config.name = "odd"
    return of { input, { class_name = class, config = config } }
  end
  lu.assertStrContains(one("LSTM", {}), "layer 'odd' (LSTM): this kind of layer is not known here")
  lu.assertStrContains(one("Conv2D", { dilation_rate = { 2, 2 } }), "dilation_rate other than 1")
  lu.assertStrContains(one("Conv2D", { kernel_size = { 3, 3 } }), "its array 'kernel' is not in the file")
  lu.assertStrContains(one("Activation", { activation = "selu" }), "the activation 'selu' has no counterpart")
  lu.assertStrContains(one("Reshape", { target_shape = { -1, 3 } }), "layer 'odd' (Reshape): Reshape: option 'shape'")
  lu.assertStrContains(one("ReLU", { max_value = 6 }), "max_value = 6 has no counterpart")
  lu.assertStrContains(one("ZeroPadding2D", { padding = 1 }), "is the last layer")
  lu.assertStrContains(of { { class_name = "Dense", config = {} } }, "has no name")
  lu.assertStrContains(of({}, "Functional"), "0 inputs and 0 outputs")
  assert(pl.save(cli.folder .. "/other.h5", { a = pl.ones(2) }))
  lu.assertStrContains(select(2, keras.read(cli.folder .. "/other.h5")), "holds no model of Keras")
end

-- Arrays have the shapes that the layer has; nothing is broadcast.
function TestKeras:test_arrays_of_other_shapes_are_refused()
  local path = cli.folder .. "/shapes.h5"
  local function read(class, config, arrays)
    local shape = arrays.kernel:dim() == 4 and { 1, 8, 8, 1 } or { 1, 3 }
    config.name = "odd"
    local w <close> = assert(core.store.create(path))
    w:group("/", { model_config = core.json.encode { class_name = "Sequential", config = { layers = {
      { class_name = "InputLayer", config = { name = "in", batch_shape = shape } },
      { class_name = class, config = config } } } } })
    for name, t in pairs(arrays) do w:tensor("/model_weights/odd/odd/" .. name, t) end
    assert(w:commit())
    return keras.read(path)
  end
  local function dense(units, kernel, bias)
    return read("Dense", { units = units }, { kernel = kernel, bias = bias })
  end
  lu.assertNotNil(dense(4, pl.ones(3, 4), pl.ones(4)))
  lu.assertStrContains(select(2, dense(4, pl.ones(3, 4), pl.ones(1))), "layer 'odd' (Dense): its bias is [1], not [4]")
  lu.assertStrContains(select(2, dense(7, pl.ones(3, 4), pl.ones(4))), "units = 7, but its kernel has 4")
  lu.assertStrContains(select(2, read("Conv2D", { filters = 2 }, { kernel = pl.ones(3, 3, 1, 4), bias = pl.ones(4) })),
    "filters = 2, but its kernel has 4")
end

-- What the outputs mean, from the loss that Keras compiled the model with, as Keras 2 and 3 write it.
function TestKeras:test_the_loss_says_what_the_outputs_are()
  local path, saved = cli.folder .. "/loss.h5", cli.folder .. "/saved.h5"
  local function import(training, activation)
    local w <close> = assert(core.store.create(path))
    w:group("/", { model_config = core.json.encode { class_name = "Sequential", config = { layers = {
      { class_name = "InputLayer", config = { name = "in", batch_shape = { 1, 3 } } },
      { class_name = "Dense", config = { name = "d", units = 2, activation = activation } } } } },
      training_config = training })
    w:group "/model_weights"
    w:group "/model_weights/d"
    w:tensor("/model_weights/d/kernel", pl.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } })
    w:tensor("/model_weights/d/bias", pl.zeros(2))
    assert(w:commit())
    local r = cli.run(("import %s -o %s"):format(path, saved))
    lu.assertEquals({ r.err, r.status }, { "", 0 })
    return assert(nn.load(saved))
  end
  local x = pl.tensor { { 1, 2, 3 } }
  for _, training in ipairs { '{"loss": "mse"}', '{"loss": "mean_absolute_error"}', '{"loss": ["MeanSquaredError"]}',
      '{"loss": {"d": "mse"}}', '{"loss": {"class_name": "Huber", "config": {"delta": 2.0}, "module": "keras.losses"}}',
      '{"loss": {"class_name": "function", "config": "log_cosh", "module": "builtins"}}' } do
    local model = import(training)
    lu.assertErrorMsgContains("this model's outputs are values", model.predict, model, x)
    lu.assertErrorMsgContains("this model's outputs are values", model.probabilities, model, x)
  end
  local huber = decision.loss_of(import '{"loss": {"class_name": "Huber", "config": {"delta": 2.0}}}')
  lu.assertEquals(huber:config().config.delta, 2)
  import '{"loss": "mse"}'
  cli.write("rows.csv", "a,b,c\n1,2,3\n")
  local r = cli.run(("predict %s rows.csv --csv"):format(saved))
  lu.assertEquals({ r.out, r.status }, { "file,row,output_1,output_2\nrows.csv,1,22,28\n", 0 })
  lu.assertStrContains(r.err, "how its data were prepared is not known")

  local function kind(...) return decision.kind(import(...)) end
  lu.assertEquals(kind '{"loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": true}}}',
    "independent logits")
  lu.assertEquals(kind('{"loss": "binary_crossentropy"}', "sigmoid"), "probabilities")
  lu.assertEquals(kind('{"loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": true}}}', "sigmoid"),
    "probabilities")
  local classes = import('{"loss": "mse"}', "softmax")      -- probabilities, compared with labels as vectors
  lu.assertEquals({ decision.kind(classes), classes:predict(x):item() }, { "probabilities", 1 })
  assert(formats.write(classes, "c", cli.folder .. "/classes.c"))
  lu.assertNil(cli.read(cli.folder .. "/classes.c"):find("its outputs are values", 1, true))
  for _, training in ipairs { '{"loss": "sparse_categorical_crossentropy"}', '{"loss": ["mse", "mae"]}', '{"loss": 1}',
      '{"loss": {"class_name": 3}}', '{"loss": {"a": {"b": "mse"}}}', "{", "[]", "{}" } do
    lu.assertEquals(kind(training), "logits", training)
    lu.assertEquals(kind(training, "softmax"), "probabilities", training)
  end
  lu.assertEquals(kind(nil), "logits")
end

-- Keras 2 writes the number of the last axis, whatever the shape.
function TestKeras:test_the_axis_of_a_normalization()
  local path = cli.folder .. "/normalized.h5"
  local function read(shape, axis)
    local w <close> = assert(core.store.create(path))
    w:group("/", { model_config = core.json.encode { class_name = "Sequential", config = { layers = {
      { class_name = "InputLayer", config = { name = "in", batch_shape = shape } },
      { class_name = "BatchNormalization", config = { name = "bn", axis = { axis } } } } } } })
    w:group "/model_weights"
    w:group "/model_weights/bn"
    for _, name in ipairs { "moving_mean", "moving_variance", "gamma", "beta" } do
      w:tensor("/model_weights/bn/" .. name, pl.ones(5))
    end
    assert(w:commit())
    return keras.read(path)
  end
  lu.assertNotNil(read({ 1, 5 }, 1))
  lu.assertNotNil(read({ 1, 6, 6, 5 }, 3))
  lu.assertStrContains(select(2, read({ 1, 5, 6, 5 }, 1)), "normalizes along axis 1, not the last")
end

local experiment = [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "LeNet", seed = 1, data = pl.data.digits { train = 100, test = 50 },
  model = nn.Sequential { nn.Conv2d(1, 6, 5, { padding = "same" }), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5, { bias = false }), nn.BatchNorm(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(400, pl.arg("width", 120)), nn.ReLU(), nn.Linear(pl.arg("width", 120), 84), nn.ReLU(),
    nn.Linear(84, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.003 }, epochs = 1, batch_size = 50 }
]]

-- The description of the layers with other bytes, and files that end early: a model, or one line.
function TestKeras:test_200_damaged_files()
  math.randomseed(1)
  local text, refused = cli.read "tests/golden/lenet5_keras.h5", 0
  local first, last = text:find '{"class_name": "Sequential".-}%z'
  for i = 1, 200 do
    local at = math.random(first, last)
    local damaged = i % 5 == 0 and text:sub(1, math.random(#text))
      or text:sub(1, at - 1) .. string.char(math.random(0, 255)) .. text:sub(at + 1)
    cli.write("damaged.h5", damaged)
    local model, message = keras.read(cli.folder .. "/damaged.h5")
    if not model then
      refused = refused + 1
      lu.assertNil(message:find "\n", message)
      lu.assertStrContains(message, "damaged.h5")
    end
  end
  lu.assertTrue(refused >= 100)
end

TestSafetensors = {}

function TestSafetensors:test_lenet_predicts_the_same()
  cli.write("lenet.lua", experiment)
  local file = here .. "/tests/golden/lenet5_torch.safetensors"
  local r = cli.run(("import %s --into lenet.lua -o torch.h5"):format(file))
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "matched by order, layout pytorch")
  lu.assertStrContains(r.out, "linear.weight [400, 120]  from  classifier.1.weight [120, 400]")
  lu.assertNil(r.out:find "not used")
  local model = assert(nn.load(cli.folder .. "/torch.h5"))
  lu.assertTrue(largest_difference(model:infer(images()), pl.tensor(golden.torch)) < 1e-5)
  lu.assertEquals(cli.run("verify torch.h5").status, 0)
  local other = cli.run(("import %s --into lenet.lua width=100 -o torch.h5"):format(file))
  lu.assertEquals(other.status, 1)
  lu.assertStrContains(other.err, "no tensor in it fits")
  lu.assertStrContains(other.err, "which is [400, 100] here and [100, 400] in PyTorch")
end

function TestSafetensors:test_what_was_exported_comes_back()
  local models, again = support.models(), support.models()
  for _, name in ipairs { "lenet", "residual", "per_position", "last_axis" } do
    local path = cli.folder .. "/out.safetensors"
    assert(formats.write(models[name][1], "safetensors", path))
    for _, item in ipairs(again[name][1]:state()) do item.tensor:zero_() end
    local _, how = match.into(again[name][1], assert(safetensors.read(path)), path)
    lu.assertEquals(how, "name")
    for i, item in ipairs(again[name][1]:state()) do
      lu.assertTrue(item.tensor:equal(models[name][1]:state()[i].tensor), name .. " " .. item.name)
    end
  end
end

-- Names that match say what is missing, and what has another shape; values that are not finite are said.
function TestSafetensors:test_what_names_say()
  local model = nn.Sequential { nn.Linear(4, 6, { name = "fc1" }), nn.ReLU(), nn.Linear(6, 3, { name = "fc2" }) }
  model:build { 4 }
  local function list(change)
    local tensors = { ["fc1.weight"] = pl.ones(6, 4), ["fc1.bias"] = pl.ones(6), ["fc2.weight"] = pl.ones(3, 6),
      ["fc2.bias"] = pl.ones(3) }
    change(tensors)
    local result = {}
    for name, t in pairs(tensors) do result[#result + 1] = { name = name, shape = t.shape, tensor = t } end
    return result
  end
  local function fails(message, change)
    lu.assertErrorMsgContains(message, match.into, model, list(change), "file")
  end
  fails("file has tensors of the names of 3 parameters, and none that is called fc2.bias, which is [3]",
    function(t) t["fc2.bias"] = nil end)
  fails("file: its fc2.weight is [5, 6], and fc2.weight is [6, 3] here and [3, 6] in PyTorch",
    function(t) t["fc2.weight"] = pl.ones(5, 6) end)
  fails("no tensor in it fits fc1.weight", function(t)
    for name in pairs { ["fc1.bias"] = 1, ["fc2.weight"] = 1, ["fc1.weight"] = 1 } do t[name] = nil end
  end)
  fails("and none that is called fc2.bias", function(t) t["fc2.bias"], t["x." .. ("1"):rep(400)] = nil, pl.ones(3) end)
  model:find "fc2".bias:fill_(0 / 0)
  assert(formats.write(model, "safetensors", cli.folder .. "/nan.safetensors"))
  cli.write("small.lua", [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "small", data = pl.data.from_tensors { x = pl.ones(4, 4), y = pl.zeros(4, 3) },
  model = nn.Sequential { nn.Linear(4, 6, { name = "fc1" }), nn.ReLU(), nn.Linear(6, 3, { name = "fc2" }) },
  loss = nn.MSE(), optimizer = pl.optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 2 }
]])
  local r = cli.run "import nan.safetensors --into small.lua -o nan.h5"
  lu.assertEquals({ r.status, r.err }, { 0, "perilune: fc2.bias: 3 of its 3 values are not finite\n" })
end

-- Tensors as Keras keeps them: no axis moves.
function TestSafetensors:test_the_native_layout()
  local model, copy = support.models().lenet[1], support.models().lenet[1]
  local list = {}
  for _, item in ipairs(model:state()) do
    local name = "net/" .. item.layer .. "/" .. item.name
    list[#list + 1] = { name = name, shape = item.tensor.shape, tensor = item.tensor }
  end
  for _, item in ipairs(copy:state()) do item.tensor:zero_() end
  local _, how, layout = match.into(copy, list, "file")
  lu.assertEquals({ how, layout }, { "order", "native" })
  local x = support.inputs(3, { 28, 28, 1 })
  lu.assertTrue(copy:infer(x):equal(model:infer(x)))
end

function TestSafetensors:test_usage()
  cli.write("lenet.lua", experiment)
  for words, message in pairs { ["x.safetensors -o a.h5"] = "name the experiment that has it: --into",
    ["x.keras -o a.h5"] = "a .keras file is not read",
    ["x.pt --into lenet.lua -o a.h5"] = "a .pt file is PyTorch's own; save its weights there: safetensors.torch",
    ["x.onnx -o a.h5"] = "an ONNX file is exported, not read", ["x.h5"] = "say where to: -o model.h5",
    ["x.h5 --into lenet.lua -o a.h5"] = "--into is for safetensors",
    ["x.h5 foo=1 -o a.h5"] = "foo=1 is for safetensors",
    ["x.h5 --layout native -o a.h5"] = "--layout is for safetensors",
    ["nothing.safetensors --into lenet.lua -o a.h5"] = "nothing.safetensors",
    ["nothing.h5 -o a.h5"] = "nothing.h5" } do
    local r = cli.run("import " .. words)
    lu.assertTrue(r.status ~= 0, words)
    lu.assertStrContains(r.err, message)
    lu.assertEquals(select(2, r.err:gsub("\n", "")), 1, r.err)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
