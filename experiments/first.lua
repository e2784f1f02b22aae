-- A first look: the convolutional network P09 for a few epochs, and what it still mistakes for what.
--
--   perilune experiments/first.lua [epochs=3] [data=mnist|digits]
--
-- MNIST is taken from where it lies, or downloaded; where neither works, digits drawn by the built-in generator take
-- its place.
local pl = require "perilune"
local locate = require "perilune.data.locate"
local registry = require "perilune.data.registry"
local report = require "perilune.report"
local script = require "perilune.script"
local text = require "perilune.text"

local function mnist_is_there()
  for _, entry in ipairs(registry) do
    if entry.name == "mnist" then return locate.find_all(entry) ~= nil end
  end
end

local function fetch_mnist()
  print "MNIST is not here (PERILUNE_DATA, data/, the XDG data folder): downloading it."
  local called, folder, message = pcall(function() return require "perilune.fetch".fetch "mnist" end)
  if called and folder then return true end
  print("It could not be downloaded: " .. tostring(called and message or folder))
  return false
end

local epochs = pl.arg("epochs", 3)
local wanted = pl.arg("data", "mnist", { "mnist", "digits" })
local digits = wanted == "digits" or not (mnist_is_there() or fetch_mnist())
if digits then
  if wanted ~= "digits" then print "Training on the built-in generated digits instead: easier than MNIST, and not comparable with it.\n" end
  pl.data.mnist = pl.data.digits
end

local e = script.experiment("experiments/progression/09_convolution.lua", {})
if digits then e.documented = nil end
local run = e:run { epochs = epochs, out = digits and "runs/first-digits" or "runs/first-mnist" }

local labels = {}
for k = 0, 9 do labels[k + 1] = tostring(k) end
print "\nConfusion matrix of the test set: a row is what the image shows, a column what the network says.\n"
for _, line in ipairs(report.confusion(run.test.confusion, labels, text.terminal(1))) do print(line) end
print [[

Then try
  build/perilune run experiments/progression/09_convolution.lua       the whole experiment
  build/perilune -i experiments/progression/09_convolution.lua        the same, then a prompt: e.model:summary(), help()
  build/perilune check experiments/progression/12_faster_halving.lua  another network; experiments/README.md has them all]]
