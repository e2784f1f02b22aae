--- The convolution and the last layer of P09 to P12.
---
--- Document 003 means He's initialization, normal with std sqrt(2 / fan_in), fan_in = 5 * 5 * channels.
--- Its code took fan_in = channels * height * width of the image (smaller weights) and left the last
--- layer uniform in [-0.5, 0.5). `init=documented` on the command line trains that instead.
local pl = require "perilune"
local initial = require "common.initial"
local nn = pl.nn

local M = {}

local function documented() return pl.arg("init", "he", { "he", "documented" }) == "documented" end

--- 5x5 convolution of an image of `channels` x `side` x `side`, padded to keep its size.
function M.conv(channels, filters, side)
  local init = documented() and { "normal", 0, math.sqrt(2 / (channels * side * side)) } or "he"
  return nn.Conv2d(channels, filters, 5, { padding = "same", init = init })
end

--- The last layer: `features` in, one logit a digit out.
function M.logits(features)
  return nn.Linear(features, 10, documented() and initial.uniform(0.5) or { init = "he" })
end

return M
