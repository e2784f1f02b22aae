-- Three trainings with all that a checkpoint must hold. model=mlp: dropout, Adam, all in C. model=conv: batch
-- normalization, augmentation, momentum, a schedule by the step. model=lua: early stopping, and functions in Lua that
-- remember and draw.
local pl = require "perilune"
local nn = pl.nn
local which = pl.arg("model", "mlp")

local function common(e)
  e.name, e.data, e.batch_size, e.validation, e.loss = "Resume " .. which,
    pl.data.digits { train = 120, test = 40, seed = 5 }, 16, 0.2, nn.CrossEntropy()
  return pl.experiment(e)
end

if which == "mlp" then
  return common { epochs = 12, test = "epoch", optimizer = pl.optim.Adam { lr = 2e-3, clip_norm = 1 },
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 32), nn.Tanh(),
      nn.Dropout(0.1), nn.Linear(32, 10) },
  }
elseif which == "conv" then
  return common { epochs = 6, test = "end", optimizer = pl.optim.SGD { lr = 0.05, momentum = 0.9, nesterov = true,
    weight_decay = 1e-4 },
    model = nn.Sequential { nn.AvgPool2d(2), nn.Conv2d(1, 8, 5, { padding = "same" }), nn.BatchNorm(8), nn.ReLU(),
      nn.MaxPool2d(2),
      nn.Conv2d(8, 8, 3, { padding = "same" }), nn.BatchNorm(8), nn.ReLU(), nn.Flatten(), nn.Linear(392, 10) },
    schedule = pl.schedule.cosine { warmup = 0.5, per = "step" },
    augment = { pl.augment.affine { chance = 0.7, per = "image", rotate = 20, zoom = 0.2, shift = 0.1 },
      pl.augment.noise { std = 0.02 } },
  }
end

local function remember(ctx, name, value)
  local seen = ctx.state[name] or { count = 0, sum = 0.0 }
  seen.count, seen.sum, ctx.state[name] = seen.count + 1, seen.sum * 0.9 + value, seen
  return seen
end
return common { epochs = 14, test = "epoch", optimizer = pl.optim.RMSprop { lr = 3e-2 },
  model = nn.Sequential { nn.AvgPool2d(2), nn.Flatten(), nn.Linear(196, 32), nn.BatchNorm(32), nn.ReLU(),
    nn.Dropout(0.2), nn.Linear(32, 10) },
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 2 },
  schedule = function(_, lr, ctx)
    return lr * (0.9 + 0.1 * math.random()) / (1 + 1e-3 * remember(ctx, "schedule", lr).count)
  end,
  augment = { pl.augment.affine { chance = 0.5, shift = 0.1 }, function(x)
    return x + pl.randn(x.shape) * 0.02 * math.random()
  end },
  callbacks = {
    on_batch = function(ctx) remember(ctx, "loss", ctx.loss) end,
    on_epoch = function(ctx)
      ctx.optimizer.lr = ctx.optimizer.lr * (remember(ctx, "epoch", ctx.row.val_loss).count % 3 == 0 and 0.7 or 1)
    end,
  },
}
