-- A small experiment for the tests of the command line: images of two bars, upright or lying, that a network with
-- every kind of state learns (dropout, batch normalization, augmentation, Adam). DIE=n in the environment kills the
-- process at step n.
return [[
local pl = require "perilune"
local nn = pl.nn
local images, labels = {}, {}
for i = 1, 120 do
  local image, upright, at = {}, i % 2, i * 7 % 5 + 1
  for r = 1, 8 do
    image[r] = {}
    for c = 1, 8 do
      image[r][c] = { (upright == 1 and c == at or upright == 0 and r == at) and 1 or (i * r * c % 7) / 20 }
    end
  end
  images[i], labels[i] = image, upright
end
local x, y = pl.tensor(images), pl.tensor(labels, "i32")
local die = math.tointeger(tonumber(os.getenv "DIE"))
return pl.experiment {
  name = "Two bars", seed = 3, epochs = 5, batch_size = 8, validation = 0.2,
  data = pl.data.from_tensors { x = x, y = y, test_x = x:slice(1, 1, 40), test_y = y:slice(1, 1, 40), name = "bars" },
  model = nn.Sequential { nn.Conv2d(1, 4, 3, { padding = "same" }), nn.BatchNorm(4), nn.ReLU(), nn.MaxPool2d(2),
    nn.Dropout(0.3), nn.Flatten(),
    nn.Linear(64, 2) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = pl.arg("lr", 0.01) },
  schedule = function(epoch, lr, ctx)
    ctx.state.rates = ctx.state.rates or {}
    ctx.state.rates[epoch] = lr
    return lr * (0.8 + 0.1 * math.random())
  end,
  augment = { pl.augment.affine { chance = 0.5, per = "image", shift = 0.1 }, EXTRA },
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 3 },
  callbacks = { CALLBACKS },
}
]]
