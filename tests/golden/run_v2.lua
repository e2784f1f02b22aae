-- The record of format version 1 with what version 2 added: predictions and mistakes of evaluated splits. Returns a function that
-- makes it. perilune tests/golden/run_v2.lua tests/golden/run_v2.h5 wrote the file beside this one; it is never written again.
local pl = require "perilune"
local first = dofile "tests/golden/run_v1.lua"

local function sample_record()
  local record = first()
  local function picture(from) return (pl.arange(12):reshape(2, 2, 3) + from):to "u8" end
  record.evaluation.test = { loss = 0.5, correct = 3, count = 5, predictions = pl.tensor({ 0, 2, 1, 1, 255 }, "u8"), mistakes = {
    { index = 5, label = 0, prediction = 255, probability = 0.875, picture = picture(0) },
    { index = 2, label = 1, prediction = 2, probability = 0.5, picture = picture(100) } } }
  record.evaluation.val = { loss = 0.25, correct = 2, count = 2, predictions = pl.tensor({ 0, 300 }, "i32"), mistakes = {} }
  return record
end

if arg and arg[1] and arg[1]:find "run_v2%.h5$" then assert(require "perilune.run.file".write(arg[1], sample_record())) end

return sample_record
