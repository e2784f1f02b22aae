-- Formulas in files: what is loaded computes what the script's model computes, for each shape that it takes.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local formulas = dofile "tests/cli/support_export_formulas.lua"
local scratch = dofile "tests/lua/support_scratch.lua" "formula_files"
local nn = pl.nn

TestFormulaFiles = {}

local function define(forward) return nn.define { name = "Own", forward = forward } end
local by_width = define(function(_, x) return x * x:size(2) end)
local ones = { init = { "constant", 1 } }

local function samples(n, shape, seed) return pl.randn({ n, table.unpack(shape) }, { seed = seed }) end

local function assert_same(a, b, what)
  lu.assertEquals(a.shape, b.shape, what)
  lu.assertEquals(core.store.sha256(a), core.store.sha256(b), what)
end

local function reload(model)
  assert(model:save(scratch .. "/model.h5"))
  return assert(nn.load(scratch .. "/model.h5"))
end

-- A shape that some layer refuses leaves the model, and what it saves, as it was.
function TestFormulaFiles.test_a_build_that_fails_changes_nothing()
  local model = nn.Sequential { by_width(), nn.Linear(4, 2, ones) }:build { 4 }
  local x, config = pl.ones(1, 4), core.json.encode(model:config())
  for _, method in ipairs { "build", "infer" } do
    lu.assertFalse(pcall(model[method], model, method == "build" and { 6 } or pl.ones(1, 6)))
    lu.assertEquals(core.json.encode(model:config()), config)
    lu.assertEquals(model:infer(x):totable(), { { 16, 16 } })
    assert_same(reload(model):infer(x), model:infer(x))
  end
end

function TestFormulaFiles.test_one_layer_called_with_several_shapes()
  local s, act = by_width(), define(function(_, x) return x * x:sigmoid() end) ()
  local over = define(function(_, x) return x / x:abs():sum(-1, { keepdim = true }) end) ()
  local outer = nn.define { name = "Outer", layers = function() return { s = by_width() } end,
    forward = function(self, x) return self.s(x) + self.s(x:slice(2, 1, 1)) end } ()
  local flat = define(function(_, x) return x:flatten() * 2 end) ()
  local models = {
    { nn.Sequential { nn.Conv2d(1, 2, 3), flat, nn.Linear(32, 6), flat, nn.Reshape { 3, 2 }, flat },
      { 6, 6, 1 }, { flat } },
    { nn.Sequential { s, nn.Linear(4, 6, ones), s, nn.Linear(6, 2, ones) }, { 4 }, { s } },
    { nn.Sequential { outer, nn.Linear(4, 3, ones), outer, nn.Residual { outer } }, { 4 },
      { false, outer[1], outer } },
    { nn.Sequential { over, nn.Conv2d(1, 2, 3), act, over, nn.Flatten(), over, nn.Linear(32, 4), act, over },
      { 6, 6, 1 }, { over, false, act } },
  }
  for i, case in ipairs(models) do
    local model = case[1]:build(case[2])
    local x = samples(5, case[2], i)
    local loaded = reload(model)
    for what, again in pairs { loaded = loaded, saved_again = reload(loaded), clone = model:clone(),
      clone_of_loaded = reload(loaded:clone()) } do
      assert_same(again:infer(x), model:infer(x), what .. i)
      lu.assertEquals(core.json.encode(again:config()), core.json.encode(model:config()), what .. i)
    end
    for k, layer in ipairs(case[3]) do      -- different programs are a list, equal ones are one
      if layer then lu.assertEquals(#layer:config().config.program > 1, k < 3, ("%d, %d"):format(i, k)) end
    end
  end
  -- other programs are given that model, too
  local exported = {}
  for i, model in ipairs { models[2][1], reload(models[2][1]) } do
    model:export(scratch .. "/model.c")
    local file <close> = assert(io.open(scratch .. "/model.c"))
    exported[i] = file:read "a"
  end
  lu.assertEquals(exported[2], exported[1])
  -- what it captures is looked at again in each of them
  local factor = 2
  local scaled = define(function(_, x) return x:size(2) == 6 and x * factor or x:tanh() end) ()
  local model = nn.Sequential { scaled, nn.Linear(4, 6), scaled, nn.Linear(6, 4), scaled }:build { 4 }
  local check = require "perilune.nn.define".check_again
  check(model)
  factor = 3
  lu.assertErrorMsgContains("captured variable 'factor'", check, model)
end

local asking = {
  size = function(x) return x:sum({ 2, 3 }) / x:size(3) end, size_from_the_end = function(x) return x / x:size(-3) end,
  shape = function(x) return x * x.shape[2] end, rank = function(x) return x / x:dim() end,
  reshape = function(x) return x:reshape(-1, x:size(2) * x:size(3), x:size(4)) end,
  rest = function(x) return x:reshape(-1, 4, -1) end, flatten = function(x) return x:flatten() end,
  to_the_end = function(x) return x:slice(3, 2) end, but_the_last = function(x) return x:slice(2, 1, -2) end,
  from_the_end = function(x) return x:slice(2, -2, -1) end, first = function(x) return x:slice(2, 1, 1) end,
  the_last = function(x) return x:select(2, -1) end, select = function(x) return x:select(4, 1) end,
  unsqueeze = function(x) return x:unsqueeze(3) end, squeeze = function(x) return x:squeeze() end,
  squeezed = function(x) return x:sum(3, { keepdim = true }):squeeze(3) end,
  stack = function(x) return pl.stack({ x, -x }, 2) end, last_axis = function(x) return x:sum(-1) end,
  softmax = function(x) return x:softmax(-1) end, rows = function(x) return x:softmax(2) end,
  turned = function(x) return x:transpose(2, 3) end, joined = function(x) return pl.cat({ x, x }, -1) end,
  later = function(x) return (x:mean(2, { keepdim = true }) - x):matmul(pl.ones(1, 2)) * x:sum({ 2, 3, 4 }):dim() end,
  halves = function(x) return x:slice(3, 1, x:size(3) // 2) end,
}

-- Of each: the shapes of `others` that the loaded layer takes too, as a string of their numbers.
local taken = { flatten = "2", first = "1", last_axis = "12", softmax = "123456", rows = "12", turned = "12",
  joined = "12", later = "12", rest = "2", squeezed = "", select = "" }
local others = { { 8, 6, 1 }, { 8, 4, 1 }, { 4, 8, 2 }, { 32 }, { 4, 8 }, { 4, 2, 2, 2 } }

local function compared(name, model, shapes)
  local loaded, found = reload(model), ""
  local again = nn.from_config(loaded:config())
  for k, shape in ipairs(shapes) do
    local x = samples(3, shape, k)
    for i, item in ipairs(again:state()) do item.tensor:copy_(loaded:state()[i].tensor) end
    local ok, y = pcall(again.infer, again, x)
    local done, want = pcall(model.infer, model, x)
    local what = ("%s on [%s]: %s"):format(name, table.concat(shape, ", "), tostring(y))
    if ok then
      lu.assertTrue(done, what)
      assert_same(y, want, what)
      found = found .. k
    else
      lu.assertNotStrContains(y, "damaged", false, what)
      lu.assertStrMatches(y, "[^\n]*", nil, nil, what)
    end
  end
  return found
end

-- { 4, 8, 1 } is what they were saved for.
function TestFormulaFiles.test_other_shapes_than_that_of_the_file()
  for name, f in pairs(asking) do
    local model = define(function(_, x) return f(x) end) ():build { 4, 8, 1 }
    local found = compared(name, model, others)
    if taken[name] then lu.assertStrContains(found, taken[name], false, name .. ": " .. found) end
  end
  for name, case in pairs(formulas.models()) do
    local shape = { table.unpack(case[2]) }
    case[1]:build(shape)
    local shapes = { shape, { shape[1] + 1, table.unpack(shape, 2) }, { 2 * shape[1], table.unpack(shape, 2) },
      { shape[1], 1 }, { 1, table.unpack(shape) } }
    if #shape > 1 then shapes[#shapes + 1] = { shape[2], shape[1], table.unpack(shape, 3) } end
    lu.assertStrContains(compared(name, case[1], shapes), "1", false, name)
  end
end

function TestFormulaFiles.test_what_is_said_of_another_shape()
  local mean = nn.define { name = "Mean", forward = function(_, x)
    return x:sum({ 2, 3 }) / (x:size(2) * x:size(3))
  end }
  local model = nn.Sequential { nn.Conv2d(1, 2, 3, { padding = "same" }), mean(), nn.Linear(2, 2) }:build { 4, 4, 1 }
  local loaded = reload(model)
  local x = pl.randn(2, 4, 4, 1, { seed = 1 })
  local large = pl.ones(1, 8, 8, 1)
  lu.assertErrorMsgContains("layer 2 (Mean): was recorded for another shape: its function used the size of axis 2 " ..
    "of an input, which was 4 and is 8 here; make it in its script for this shape", loaded.infer, loaded, large)
  assert_same(loaded:infer(x), model:infer(x))
  local rank = define(function(_, v) return v:tanh():norm(-1, { keepdim = true }) end) ():build { 4, 2 }
  loaded = reload(rank)
  lu.assertErrorMsgContains("number of axes of tanh, which was 3 and is 2 here", loaded.infer, loaded, pl.ones(1, 4))
  -- a file without the note is read as before; a damaged one is refused
  local text = core.json.encode(model:config())
  local old, notes = text:gsub('"asked":%b[],', "")
  lu.assertEquals(notes, 1)
  lu.assertEquals(nn.from_config(core.json.decode(old)):build { 8, 8, 1 }:infer(large).shape, { 1, 2 })
  for _, bad in ipairs { '"asked":3,', '"asked":"x",', '"asked":[4,4,1,1,1,1,1],' } do
    local damaged = nn.from_config(core.json.decode((text:gsub('"asked":%b[],', bad))))
    lu.assertErrorMsgContains("the description of a formula is damaged", damaged.build, damaged, { 4, 4, 1 })
  end
  for _, bad in ipairs { "[]", "[1]", "[[]]" } do
    local damaged = nn.from_config(core.json.decode((text:gsub('"program":%b{}', '"program":' .. bad))))
    lu.assertErrorMsgContains("the description of a formula is damaged", damaged.build, damaged, { 4, 4, 1 })
  end
end

-- It trains a copy of what the model says of itself, which may have been used for another shape last.
function TestFormulaFiles.test_find_lr()
  local widths = define(function(_, x) return x:sum({ 2, 3 }) / x:size(2) end)
  local model = nn.Sequential { nn.Conv2d(1, 2, 3, { padding = "same" }), widths(), nn.Linear(2, 2) }
  local labels = pl.tensor({ 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1 }, "i32")
  local data = pl.data.from_tensors { x = samples(12, { 4, 4, 1 }, 1), y = labels }
  local e = pl.experiment { name = "widths", data = data, model = model, loss = nn.CrossEntropy(), epochs = 1,
    optimizer = pl.optim.SGD { lr = 0.1 }, batch_size = 4, test = false }
  local options = { steps = 12, seed = 1 }
  local before = e:find_lr(options).loss
  model:infer(pl.ones(1, 8, 8, 1))
  lu.assertEquals(e:find_lr(options).loss, before)
end

function TestFormulaFiles.test_losses()
  local function data_of(loss) return core.loss.from_config(core.json.decode(core.json.encode(loss:config()))) end
  local label = pl.tensor({ 0, 2 }, "i32")
  local smooth = nn.define_loss { name = "Smooth", forward = function(o, l)
    return -(o:log_softmax(-1) * (l:one_hot(3) * 0.9 + 0.1 / o:size(2))):sum(-1)
  end }
  local three, four = pl.randn(2, 3, { seed = 1 }), pl.randn(2, 4, { seed = 2 })
  local value = smooth(three, label)
  lu.assertEquals((data_of(smooth)(three, label)), value)
  lu.assertErrorMsgContains("Smooth: was recorded for another shape: its function used the size of axis 2 of an " ..
    "input, which was 3 and is 4 here", data_of(smooth), four, label)
  local plain = nn.define_loss { forward = function(o, l) return -o:log_softmax(2):pick(l) end }
  plain(three, label)
  lu.assertEquals((data_of(plain)(four, label)), (plain(four, label)))
  -- of several outputs it is their shapes
  local both = nn.define_loss { name = "Both", forward = function(o, l) return o[1]:sum({ 2 }) * 2 + o[2]:pick(l) end }
  value = both({ three, four }, label)
  lu.assertEquals((data_of(both)({ three, four }, label)), value)
  lu.assertErrorMsgContains("Both: was recorded for the outputs [N, 3], [N, 4], got [N, 4], [N, 3]; make it in its " ..
    "script for these", data_of(both), { four, three }, label)
end

-- Notes of sizes are none of what makes a run another one than an older program's.
function TestFormulaFiles.test_identity()
  local identity = require "perilune.run.identity"
  local function of(model)
    return { script = "", arguments = {}, files = {}, held_out = "none", recipe = "", setup = { model = model } }
  end
  local text = core.json.encode(define(function(_, x) return x:sum():dim() + x * x:size(2) end) ():build { 4 }:config())
  local old = text:gsub('"asked":%b[],', ""):gsub('"asked":{},', "")
  lu.assertEquals(identity.differences(of(old), of(text)), {})
  lu.assertEquals(#identity.differences(of(text), of((text:gsub("%[4%]", "[5]")))), 1)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
