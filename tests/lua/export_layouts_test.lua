-- The order of features in PyTorch, channels before rows: weights that were in another one there are refused, not
-- written or read wrongly.
local lu = require "luaunit"
local pl = require "perilune"
local formats = require "perilune.export"
local layouts = require "perilune.export.layouts"
local graphs = require "perilune.export.graph"
local match = require "perilune.import.match"
local nn = pl.nn

local path = os.tmpname()

-- f(x, parameter)
local function formula(shape, f)
  return nn.define { name = "Own", params = function() return { p = shape } end,
    forward = function(self, x) return f(x, self.p) end } {}
end

local image = { 2, 2, 2 }

local function mixed() return nn.Sequential { nn.Flatten(), nn.Residual(nn.Linear(8, 8)), nn.Linear(8, 3) } end

TestLayouts = {}

function TestLayouts:test_an_order_that_is_not_known_is_refused()
  local mixes = " mixes the features of a flattened image with values in another order: PyTorch has channels before "
    .. "rows, and its order there is not known; ONNX keeps the order that is here"
  local first, second, of_rows = nn.Conv2d(2, 1, 2), nn.Conv2d(2, 1, 2), " reshapes to or from an image"
  for name, case in pairs {
    sum = { mixed(), image, "safetensors: layer 2 (Residual)" .. mixes },
    parameter = { nn.Sequential { nn.Flatten(), formula({ 8 }, function(x, p) return x * p end),
      nn.Linear(8, 1) }, image, "layer 2 (Own)" .. mixes },
    matrix = { nn.Sequential { nn.Flatten(), formula({ 8, 3 }, function(x, p) return x:matmul(p) end) }, image,
      "layer 2 (Own)" .. mixes },
    other_order = { nn.Graph(function(x) return x:flatten() + x:reshape(-1, 4, 2, 1):flatten() end), image,
      "Graph" .. mixes },
    slice = { nn.Graph(function(x) return x:flatten():slice(2, 1, 3) end), image, "by their places" },
    other_shape = { nn.Sequential { nn.Flatten(), nn.Reshape { 4, 2 } }, image, "reshapes the features of an image" },
    decoder = { nn.Sequential { nn.Linear(3, 8), nn.Reshape(image), nn.Conv2d(2, 1, 2) }, { 3 },
      "layer 2 (Reshape)" .. of_rows },
    rows = { nn.Sequential { nn.Reshape { 2, 4 }, nn.Linear(4, 4) }, image, "layer 1 (Reshape)" .. of_rows },
    deeper = { nn.Reshape { 2, 1, 4 }, image, of_rows },
    in_a_formula = { nn.Graph(function(x) return first(x:reshape(-1, 2, 2, 2)) end), { 8 },
      "(Conv2d) takes an image that a formula's reshape made" },
    moved = { nn.Graph(function(x) return second(x:permute(1, 4, 2, 3)) end), image, "takes an image" },
  } do
    local model = case[1]:build(case[2])
    lu.assertErrorMsgContains(case[3], formats.write, model, "safetensors", path)
    lu.assertTrue(formats.write(model, "onnx", path), name)
  end
end

-- The Linear's weights in PyTorch's order, as numbers of Perilune's features.
local function order_of(model, shape)
  local parameters, unknown = layouts.parameters(graphs.of(model:build(shape)))
  lu.assertNil(unknown)
  local last = {}
  for _, item in ipairs(parameters) do
    if item.kind == "weight" and item.tensor:dim() == 2 then last = item end
  end
  local n = last.tensor:size(1)
  return table.concat(last.to_pytorch(pl.arange(1, n, "i32"):reshape(n, 1)):reshape(-1):totable(), " ")
end

function TestLayouts:test_an_order_that_is_the_same_or_known_is_not()
  local function linear(n) return nn.Linear(n, 1) end
  local head, turned, own = "1 2 3 4 5 6 7 8", "1 3 5 7 2 4 6 8", linear(8)
  for name, case in pairs {
    one_channel = { nn.Sequential { nn.Flatten(), nn.Residual(nn.Linear(8, 8)), linear(8) }, { 2, 4, 1 }, head },
    one_pixel = { nn.Sequential { nn.Flatten(), nn.Residual(nn.Linear(8, 8)), linear(8) }, { 1, 1, 8 }, head },
    one_channel_again = { nn.Sequential { nn.Reshape { 2, 4, 1 }, nn.Conv2d(1, 1, 1), nn.Flatten(), linear(8) }, { 8 },
      head },
    there_and_back = { nn.Sequential { nn.Flatten(), nn.Reshape(image), nn.Conv2d(2, 2, 1), nn.Flatten(), linear(8) },
      image, turned },
    same_sum = { nn.Graph(function(x) return own(x:flatten() * 0.5 + x:tanh():flatten():softmax(-1)) end), image,
      turned },
    tokens = { nn.Sequential { nn.Reshape { 4, 2 }, nn.Linear(2, 2), nn.Reshape(image), nn.Conv2d(2, 2, 1),
      nn.Flatten(), linear(8) }, image, turned },
    heads = { nn.Sequential { nn.Graph(function(x) return x:reshape(-1, 2, 2, 2):transpose(2, 3):flatten() end),
      linear(8) }, { 2, 4 }, head },
    channels_moved = { nn.Sequential { nn.Graph(function(x) return x:permute(1, 4, 2, 3):flatten() end), linear(8) },
      image, head },
  } do lu.assertEquals(order_of(case[1], case[2]), case[3], name) end
end

function TestLayouts:test_import_refuses_them_too()
  local model, other = mixed():build(image), mixed():build(image)
  model:initialize(1)
  other:initialize(2)
  local tensors = {}
  for i, item in ipairs(model:state()) do
    tensors[i] = { name = item.layer .. "." .. item.name, shape = item.tensor.shape, tensor = item.tensor }
  end
  local x = pl.rand({ 3, 2, 2, 2 }, { seed = 1 })
  local before = other:infer(x)
  for i, t in ipairs(tensors) do                     -- as PyTorch has them: [out, in]
    if #t.shape == 2 then
      local turned = t.tensor:transpose(1, 2):contiguous()
      tensors[i] = { name = t.name, shape = turned.shape, tensor = turned }
    end
  end
  lu.assertErrorMsgContains("m.safetensors: layer 2 (Residual) mixes the features of a flattened image", match.into,
    other, tensors, "m.safetensors")
  lu.assertTrue(other:infer(x):equal(before))
  for i, item in ipairs(model:state()) do tensors[i].shape, tensors[i].tensor = item.tensor.shape, item.tensor end
  local _, _, layout = match.into(other, tensors, "m.safetensors", "native")
  lu.assertEquals(layout, "native")
  lu.assertTrue(other:infer(x):equal(model:infer(x)))
end

local status = lu.LuaUnit.run("-o", "tap")
os.remove(path)
os.exit(status, true)
