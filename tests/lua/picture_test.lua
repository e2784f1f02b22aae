-- Images as lines of characters, against small ones drawn by hand.
local lu = require "luaunit"
local pl = require "perilune"
local picture = require "perilune.terminal.image"

TestPicture = {}

function TestPicture:test_letters_grow_darker()
  lu.assertEquals(picture.lines(pl.tensor { { 0, 1 }, { 0.5, 0.25 } }, "plain", 80), { "  @@", "++::" })
  lu.assertEquals(picture.lines(pl.tensor({ { 0, 255 }, { 128, 64 } }, "u8"), "plain", 80), { "  @@", "++::" })
end

function TestPicture:test_the_extremes_are_black_and_white_beyond_0_to_1()
  lu.assertEquals(picture.lines(pl.tensor { { -2, 2, 0 } }, "plain", 80), { "  @@++" })
  lu.assertEquals(picture.lines(pl.tensor { { -2, 2, 0 } }, "plain", 80, false, { low = 0, high = 4 }), { "  ++" })
  lu.assertEquals(picture.lines(pl.tensor { { 3, 3 } }, "plain", 80), { "" })
  lu.assertEquals(picture.lines(pl.tensor { { 0 / 0, 1 } }, "plain", 80, false, { low = 0, high = 1 }), { "  @@" })
  for _, odd in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
    local black = odd ~= 1 / 0
    lu.assertEquals(picture.lines(pl.tensor { { 0, 1, odd }, { 1, 1, 1 } }, "plain", 80),
      { black and "  @@" or "  @@@@", "@@@@@@" })
    lu.assertEquals(picture.lines(pl.tensor { { 0, odd, 4 } }, "plain", 80), { black and "    @@" or "  @@@@" })
  end
end

function TestPicture:test_half_blocks_hold_two_rows()
  local t = pl.tensor { { 0, 1 }, { 1, 0 }, { 0, 0 } }
  lu.assertEquals(picture.lines(t, "half", 80, false), {
    "\27[38;5;16;48;5;231m▀\27[38;5;231;48;5;16m▀\27[0m", "\27[38;5;16;49m▀▀\27[0m" })
  lu.assertEquals(picture.lines(t, "half", 80, true)[2], "\27[38;2;0;0;0;49m▀▀\27[0m")
end

function TestPicture:test_colours()
  local red = pl.tensor { { { 1, 0, 0 } } }
  lu.assertEquals(picture.lines(red, "block", 80, false), { "\27[48;5;196m  \27[0m" })
  lu.assertEquals(picture.lines(red, "block", 80, true), { "\27[48;2;255;0;0m  \27[0m" })
end

function TestPicture:test_batches_stand_side_by_side_and_wrap()
  local t = pl.ones(5, 1, 2)
  lu.assertEquals(picture.lines(t, "plain", 14), { "@@@@ @@@@ @@@@", "@@@@ @@@@" })
  lu.assertEquals(picture.lines(t, "plain", 14, false, { count = 1 }), { "@@@@", "... 4 more" })
end

function TestPicture:test_a_wide_image_is_shrunk_by_means()
  lu.assertEquals(picture.lines(pl.tensor { { 1, 1, 0, 1 }, { 1, 1, 0, 1 } }, "plain", 4), { "@@++" })
end

function TestPicture:test_wrong_use()
  lu.assertErrorMsgContains("got [2, 3, 4, 5]; slice, select or permute it first", function()
    pl.zeros(2, 3, 4, 5):show()
  end)
  lu.assertErrorMsgContains("did you mean 'count'?", function() pl.zeros(2, 3):show { cuont = 2 } end)
  lu.assertErrorMsgContains("picture_test.lua:", function() pl.zeros(3):show() end)
  lu.assertEquals(picture.lines(pl.zeros(0, 4), "plain", 80), {})
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
