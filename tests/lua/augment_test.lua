-- Augmentations from Lua: applied by hand, composed, and the text of errors. Their values: tests/c/data_augment_test.c.
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

os.exit(lu.LuaUnit.run("-o", "tap"), true)
