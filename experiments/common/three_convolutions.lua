--- The network of U02 and U03 (document 000): three 3x3 convolutions, dropout between, 93,322 parameters.
local pl = require "perilune"
local initial = require "common.initial"
local nn = pl.nn

return function()
  local keras = initial.keras()
  return nn.Sequential {
    nn.Conv2d(1, 32, 3, keras), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
    nn.Conv2d(32, 64, 3, keras), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
    nn.Conv2d(64, 64, 3, keras), nn.ReLU(),
    nn.Flatten(), nn.Dropout(0.5),
    nn.Linear(576, 64, keras), nn.ReLU(),
    nn.Linear(64, 10, keras),
  }
end
