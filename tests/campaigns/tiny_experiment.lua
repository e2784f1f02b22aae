-- The training whose saves campaigns disturb: small, with every kind of state. ACKNOWLEDGED=path in the environment: in
-- each batch the number of the step before is appended there; with --checkpoint-every 0 that one is saved by then.
local pl = require "perilune"
local nn = pl.nn
local path = os.getenv "ACKNOWLEDGED"
local log = path and assert(io.open(path, "ab"))
if log then log:setvbuf "no" end

return pl.experiment {
  name = "Tiny", seed = 3, epochs = 30, batch_size = 16, validation = 0.25, test = "end",
  data = pl.data.digits { train = 64, test = 16, seed = 5 },
  model = nn.Sequential { nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 12), nn.BatchNorm(12), nn.ReLU(),
    nn.Dropout(0.2), nn.Linear(12, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.01 },
  schedule = function(_, lr) return lr * (0.95 + 0.05 * math.random()) end,
  augment = pl.augment.affine { chance = 0.5, shift = 0.1 },
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 100 },
  callbacks = { on_batch = function(ctx) if log then log:write(("ack %d\n"):format(ctx.step - 1)) end end },
}
