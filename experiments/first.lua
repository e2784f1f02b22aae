-- What `make run` trains: P09, a small convolutional network, for a few epochs. On MNIST where it is found or can be
-- downloaded; else on digits that the built-in generator draws.
--
--   perilune experiments/first.lua [EPOCHS] [mnist|digits]
local pl = require "perilune"
local script = require "perilune.script"

local number = math.tointeger(tonumber(arg[1]))
local epochs, wanted = number or 3, arg[number and 2 or 1]
if epochs < 1 or wanted and wanted ~= "mnist" and wanted ~= "digits" or arg[number and 3 or 2] then
  error("first.lua takes [EPOCHS] [mnist|digits], such as: 5 digits", 0)
end
local folder = arg[0]:match "^(.*)/[^/]*$" or "."

-- nil, and why, where MNIST is neither found nor can be downloaded.
local function mnist()
  if wanted == "digits" then return nil, "as you asked" end
  return require "perilune.data.fetch".fetch("mnist", { say = function(line)
    if not line:match " is in " then print(line) end
  end })
end

local e = script.experiment(folder .. "/progression/09_convolution.lua", {})
local found, why = mnist()
if not found then
  if wanted == "mnist" then error(why, 0) end
  print(("Training on generated digits, not on MNIST (%s).\nThey are easier; the results do not " ..
    "compare.\n"):format(why))
  e = e:with { name = "P09 on generated digits", data = pl.data.digits() }
end

local run = e:run { epochs = epochs, confusion = true, interruptible = true }
if run.ended == "interrupted" then os.exit(130, true) end
