-- Augmentations from Lua: applied by hand, composed, and the text of errors. Their values: tests/c/data_augment_test.c,
-- and here those of options that it leaves at their defaults.
local lu = require "luaunit"
local pl = require "perilune"
local augment = pl.augment

local function images() return pl.rand(5, 8, 8, 1, { seed = 3 }) end
local function same(a, b) return a:eq(b):to "f32":sum() == a:count() end

TestAugment = {}

function TestAugment:test_options_of_apply()
  local a, x = pl.augment.noise(0.1), pl.ones(2, 2, 1)
  for _, position in ipairs { 0, -1, 256, math.mininteger, 1 << 31 } do
    lu.assertErrorMsgContains("'position' is 1 to 255", a.apply, a, x, { position = position })
  end
  lu.assertErrorMsgContains("apply has no option 'sed'; did you mean 'seed'?", a.apply, a, x, { sed = 2 })
  lu.assertErrorMsgContains("'number'; it has: seed, epoch, index, position", a.apply, a, x, { 2 })
  lu.assertErrorMsgContains("table", a.apply, a, x, 2)
  lu.assertTrue(same(a:apply(x, { place = 2 }), a:apply(x, { position = 2 })))    -- its older name
  lu.assertFalse(same(a:apply(x, { position = 2 }), a:apply(x)))
  local both = pl.augment.compose { a, a }
  lu.assertTrue(same(both:apply(x, { place = 2 }), both:apply(x, { position = 2 })))
  lu.assertErrorMsgContains("position", both.apply, both, x, { position = "first" })
  lu.assertErrorMsgContains("'position' is 1 to 255", both.apply, both, x, { position = 255 })
  lu.assertTrue(same(both:apply(x, { position = 2 }), a:apply(a:apply(x, { position = 2 }), { position = 3 })))
  lu.assertFalse(same(both:apply(x, { position = 2 }), both:apply(x)))
end

function TestAugment:test_apply_is_a_function_of_seed_epoch_and_batch()
  local x = images()
  local before = x:clone()
  local a = augment.affine { rotate = 25, zoom = 0.2 }
  local y = a:apply(x, { seed = 1, epoch = 2, index = 3 })
  lu.assertTrue(same(x, before))
  lu.assertTrue(same(y, a:apply(x, { seed = 1, epoch = 2, index = 3 })))
  for _, other in ipairs { { seed = 2, epoch = 2, index = 3 }, { seed = 1, epoch = 3, index = 3 },
    { seed = 1, epoch = 2, index = 4 },
    { seed = 1, epoch = 2, index = 3, position = 2 } } do
    lu.assertFalse(same(y, a:apply(x, other)))
  end
  lu.assertTrue(same(y:select(1, 1), a:apply(x:select(1, 1), { seed = 1, epoch = 2, index = 3 })))
end

function TestAugment:test_compose_is_one_after_the_other()
  local a, b = augment.affine { rotate = 25 }, augment.noise(0.1)
  local both = augment.compose { a, augment.compose { b, function(x) return x * 2 end } }
  lu.assertEquals(#both, 3)
  local x = images()
  local want = b:apply(a:apply(x, { seed = 5, index = 1 }), { seed = 5, index = 1, position = 2 }) * 2
  lu.assertTrue(same(both:apply(x, { seed = 5, index = 1 }), want))
end

function TestAugment:test_config()
  local config = augment.affine { chance = 0.25, per = "batch", zoom = 0.2, unit = "whole" }:config()
  lu.assertEquals({ config.type, config.chance, config.per, config.zoom, config.unit },
    { "affine", 0.25, "batch", { -0.2, 0.2 }, "whole" })
  lu.assertEquals(augment.cutout(5).type, "cutout")
  lu.assertStrContains(tostring(augment.noise(0.5)), "noise {")
end

function TestAugment:test_errors()
  local function fails(text, f, ...)
    local ok, message = pcall(f, ...)
    lu.assertFalse(ok)
    lu.assertStrContains(message, text)
  end
  fails("affine has no option 'rotat'; did you mean 'rotate'?", augment.affine, { rotat = 1 })
  local a = augment.affine()
  fails("apply takes images as f32, got u8", a.apply, a, pl.zeros({ 1, 4, 4, 1 }, "u8"))
  fails("apply takes images [N, H, W, C] or one image [H, W, C], got [4, 4]", a.apply, a, pl.zeros(4, 4))
  fails("compose takes a list of augmentations, and item 1 is a number", augment.compose, { 3 })
end

-- Pixels and factors where fractions are expected.
function TestAugment:test_ranges_that_leave_no_image()
  local function fails(text, options) lu.assertErrorMsgContains(text, augment.affine, options) end
  fails("a shift of 2 is in fractions of the side, and moves the image out of sight; is unit = \"pixel\" meant?",
    { shift = 2 })
  fails("a shift of -3 is in fractions", { shift = { -3, 0 }, unit = "whole" })
  augment.affine { shift = 2, unit = "pixel" }
  augment.affine { shift = 0.9 }
  fails("option 'zoom' must be between -0.95 and 20, got { -2, 2 }", { zoom = 2 })
  fails("zoom = { 0.9, 1.1 } makes the image 1 + zoom, 1.9 to 2.1, times as large; for 0.9 to 1.1 times write " ..
    "zoom = { -0.1, 0.1 }", { zoom = { 0.9, 1.1 } })
  augment.affine { zoom = { 0.1, 0.3 } }
  augment.affine { zoom = { -0.5, 2 } }
end

-- A value that nothing would be filled with.
function TestAugment:test_value_needs_its_fill()
  for name, f in pairs { affine = augment.affine, elastic = augment.elastic } do
    for _, fill in ipairs { "zero", "edge" } do
      lu.assertErrorMsgContains(name .. ': value = -0.4 is what fill = "value" fills with; say that too', f,
        { value = -0.4, fill = fill })
    end
    f { value = -0.4, fill = "value" }
    f { value = 0 }
  end
  lu.assertEquals(augment.affine { shift = { 1, 1 }, unit = "pixel", value = -0.4, fill = "value" }:apply(
    pl.full({ 1, 4, 4, 1 }, -0.4)):max(), pl.tensor { -0.4 }[1])
end

TestOptions = {}

-- A dot in the middle of an image of 7 x 7, moved down and to the right.
local function moved(options)
  local x = pl.zeros(1, 7, 7, 1)
  x[1][4][4][1] = 1
  return augment.affine(options):apply(x)[1]
end

function TestOptions:test_shift_in_pixels()
  lu.assertEquals(moved { shift = { 2, 2 }, unit = "pixel" }[6][6][1], 1)
  local fraction = 1 / 7      -- of the side: one pixel
  lu.assertAlmostEquals(moved { shift = { fraction, fraction } }[5][5][1], 1, 1e-5)
end

-- The nearest pixel, and no mean of several: a shift below half a pixel moves nothing, one above it a whole pixel.
function TestOptions:test_nearest()
  for shift, at in pairs { [0.3] = 4, [0.7] = 5, [-0.3] = 4, [-0.7] = 3 } do
    local y = moved { shift = { shift, shift }, unit = "pixel", sample = "nearest" }
    lu.assertEquals({ y[at][at][1], y:sum() }, { 1, 1 }, shift)
  end
end

-- A square in the middle stays one, unless height and width are drawn apart.
function TestOptions:test_zoom_per_axis()
  local x = pl.zeros(60, 15, 15, 1)
  x:slice(2, 6, 10):slice(3, 6, 10):fill_(1)
  local function squares(per_axis)
    local y = augment.affine { zoom = { -0.6, 0.6 }, zoom_per_axis = per_axis }:apply(x):gt(0):to "f32"
    local rows, columns = y:max { 3, 4 }:sum(2), y:max { 2, 4 }:sum(2)
    return rows:eq(columns):to "f32":sum()
  end
  lu.assertEquals(squares(false), 60)
  local apart = squares(true)
  lu.assertTrue(apart > 0 and apart < 40, apart)
end

function TestOptions:test_count_of_cutout()
  local function share(options) return augment.cutout(1, options):apply(pl.zeros(200, 12, 12, 1)):eq(-1):to "f32" end
  lu.assertEquals(share { value = -1 }:sum(), 200)
  local blank = share { count = 30, value = -1 }:sum({ 2, 3, 4 })
  lu.assertTrue(blank:max() <= 30 and blank:mean() > 24, blank:mean())      -- some meet: 27 are expected
end

function TestOptions:test_what_elastic_finds_outside()
  local function ends(options)
    options.alpha = 200
    local y = augment.elastic(options):apply(pl.ones(10, 12, 12, 1))
    return { y:min(), y:max() }
  end
  lu.assertEquals(ends {}, { 0, 1 })
  lu.assertEquals(ends { fill = "edge" }, { 1, 1 })
  lu.assertEquals(ends { fill = "value", value = 3 }, { 1, 3 })
end

TestAugmentField = {}

local function experiment(given, x)
  x = x or pl.rand(12, 6, 6, 1, { seed = 1 })
  return pl.experiment { name = "a", seed = 1, epochs = 1, batch_size = 4, augment = given, loss = pl.nn.CrossEntropy(),
    data = pl.data.from_tensors { x = x, y = pl.zeros({ 12 }, "i32"), labels = { "a", "b" }, name = "set" },
    model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(x:count() // 12, 2) }, optimizer = pl.optim.SGD() }
end

function TestAugmentField:test_a_composition_is_a_list()
  local a, b, function_of = augment.affine { rotate = 25 }, augment.noise(0.1), function(x) return x * 0.5 end
  local function losses(given) return experiment(given):run({ out = false, quiet = true }).history.train_loss end
  local wanted = losses { a, b, function_of }
  lu.assertNotEquals(losses(nil), wanted)
  lu.assertEquals(losses(augment.compose { a, b, function_of }), wanted)
  lu.assertEquals(losses { augment.compose { a, b }, function_of }, wanted)
end

-- What a table holds beside its items, or after a hole, would be left out without a word.
function TestAugmentField:test_what_is_no_list()
  local function fails(text, given)
    lu.assertErrorMsgContains(text .. "; write augment = pl.augment.affine { ... }", experiment, given)
    lu.assertErrorMsgContains(text .. "; write pl.augment.compose {", augment.compose, given)
  end
  fails("takes a list, and 'chance' is no index in one", { rotate = 25, chance = 0.5 })
  fails("takes a list, and 'chance' is no index in one", { augment.noise(0.5), chance = 0.5 })
  fails("takes a list, and its item 1 is nil", { nil, augment.noise(0.5) })
  fails("takes a list, and its item 2 is nil", { augment.noise(0.5), nil, augment.noise(0.5) })
  fails("takes a list, and '0' is no index in one", { [0] = augment.noise(0.5) })
  lu.assertEquals(experiment({}).augment.built_in, {})
end

function TestAugmentField:test_what_the_size_of_the_images_refuses()
  lu.assertErrorMsgContains("augmentation 1: a shift of 6 pixels moves images of [6, 6, 1] out of sight", experiment,
    augment.affine { shift = { -6, 2 }, unit = "pixel" })
  experiment(augment.affine { shift = 5, unit = "pixel" })
  lu.assertErrorMsgContains("augmentation 2: a cutout of 6 pixels is as large as the images, [6, 6, 1]", experiment,
    { augment.noise(0.1), augment.cutout(6) })
  experiment(augment.cutout(5))
end

function TestAugmentField:test_labels_that_become_distributions()
  local e = experiment(function(x, y) return x, pl.one_hot(y, 2) end)
  local line = debug.getinfo(1, "l").currentline - 1
  lu.assertErrorMsgContains(("augment_test.lua:%d: augment: the labels of a batch are i32, and this function " ..
    "returned f32; for distributions over the classes give the data set such targets: from_tensors { x = x, " ..
    "y = pl.one_hot(labels, 2) }"):format(line), e.run, e, { out = false, quiet = true, silent = true })
end

-- What a function gives is a batch of the same shapes and types; the message says where the function is.
function TestAugmentField:test_what_is_no_batch()
  local x = pl.rand(12, 4, 6, 1, { seed = 1 })
  local function gives(text, f)
    local line = debug.getinfo(f, "S").linedefined
    local e = experiment(type(f) == "function" and f, x)
    lu.assertErrorMsgContains(("augment_test.lua:%d: augment: a batch has %s"):format(line, text), e.run, e,
      { out = false, quiet = true, silent = true })
  end
  local function after(text)
    return "samples f32 [N, 4, 6, 1] and labels i32 [N]; after this function they are " .. text
  end
  gives(after "f32 [4, 6, 4, 1] and i32 [4]", function(v) return v:transpose(2, 3) end)
  gives(after "f32 [4, 24] and i32 [4]", function(v) return v:permute(4, 2, 3, 1):reshape(v:size(1), -1) end)
  gives(after "f32 [4, 1, 4, 6] and i32 [4]", function(v) return v:permute(1, 4, 2, 3) end)
  gives(after "f32 [2, 4, 6, 1] and i32 [4]", function(v) return v:slice(1, 1, 2) end)
  gives(after "f32 [0, 4, 6, 1] and i32 [0]", function(v, y) return v:slice(1, 1, 0), y:slice(1, 1, 0) end)
  gives(after "f32 [4, 4, 6, 1] and i32 [4, 1]", function(v, y) return v, y:reshape(4, 1) end)
  gives(after "i32 [4, 4, 6, 1] and i32 [4]", function(v) return v:to "i32" end)
  gives(after "3 and i32 [4]", function() return 3 end)
  gives(after "a tensor that was freed and i32 [4]", function(v) v:free() end)
  gives("at most batch_size = 4 samples, and after this function there are 8", function(v, y)
    return pl.cat { v, v }, pl.cat { y, y }
  end)
  -- one function may hand anything to the next, and a batch may have fewer samples
  experiment({ function(v) return v:reshape(-1, 24) end, function(v, y)
    return v:reshape(-1, 4, 6, 1):slice(1, 1, 2), y:slice(1, 1, 2)
  end }, x):run { out = false, quiet = true, silent = true }
  -- samples that are vectors
  experiment(function(v) return (v:reshape(-1, 4, 6) * 0.5):reshape(-1, 24) end, x:reshape(12, 24)):run {
    out = false, quiet = true, silent = true }
end

function TestAugmentField:test_samples_that_are_no_images()
  for _, x in ipairs { pl.rand(12, 3), pl.rand(12, 6, 6) } do
    lu.assertErrorMsgContains("pl.experiment: augmentation needs images [H, W, C], and the samples of set are [",
      experiment, augment.noise(0.1), x)
    experiment(function(batch) return batch end, x)
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
