--- e:find_lr(): the learning-rate range test (Smith, WACV 2017). From the initial weights of the seed, each step has a
--- larger rate than the last, from `from` to `to` in equal ratios, until the loss diverges:
---
---   lr_k = from (to / from)^((k - 1) / (steps - 1))        s_k = (beta s_(k-1) + (1 - beta) loss_k) / (1 - beta^k),
--- beta = 0.9
---
--- The curve is s against lr. Suggested is the geometric mean of the rate where s falls fastest and a third of the rate
--- where it is least: between "it learns" and "it is about to diverge". Model and optimizer are copies: the
--- experiment's stay as they are, to the bit.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local options = require "perilune.base.options"
local shown = require "perilune.terminal.shown"
local text = require "perilune.base.format"

local M = {}

local BETA, DIVERGED = 0.9, 3.0     -- the loss has diverged at so many times its least smoothed value
local WARM = 5                      -- steps before the smoothed loss says something

local known = {
  { "from", type = "number", low = 1e-12, default = 1e-6 }, { "to", type = "number", low = 1e-12, default = 10.0 },
  { "steps", type = "integer", low = 10, high = 100000, default = 200 }, { "seed", type = "integer", low = 0 },
}

local function copy_of(what, f, config)
  local ok, copy = pcall(f, config)
  if ok then return copy end
  errors.raise("find_lr: the %s cannot be copied, because it has functions of the script in it: %s", what,
    errors.strip(tostring(copy)))
end

-- The steps: rates and losses, and whether they ended early because a value was not finite.
local function train(e, o)
  local model = copy_of("model", function(config)
    local copy = core.nn.from_config(config)
    copy:build(e.splits.train.shape)
    return copy
  end, e.model:build(e.splits.train.shape):config())
  local optimizer = e.optimizer:clone()
  local rates, losses, total, test = {}, {}, 0.0, nil
  local ratio = (o.to / o.from) ^ (1 / (o.steps - 1))
  local schedule = setmetatable({ per = "step" }, { __call = function(_, step)
    rates[step] = o.from * ratio ^ (step - 1)
    return rates[step]
  end })
  local least, smooth = math.huge, 0.0
  local function on_batch(ctx)
    local samples = math.min(ctx.batch * e.batch_size, test.splits.train.count)      -- nothing is held out there
    if ctx.batch == 1 then total = 0.0 end
    local size = samples - (ctx.batch - 1) * e.batch_size
    losses[#losses + 1] = (ctx.loss * samples - total) / size
    total = ctx.loss * samples
    local k = #losses
    smooth = BETA * smooth + (1 - BETA) * losses[k]
    local corrected = smooth / (1 - BETA ^ k)
    if k > WARM then least = math.min(least, corrected) end
    if k >= o.steps or (k > WARM and corrected > DIVERGED * math.abs(least)
        and corrected > least) then ctx.stop "the range is over" end
  end
  local fields = {}
  for name, value in pairs(e.given) do fields[name] = value end
  for _, name in ipairs { "stopping", "validation", "metrics", "statistics", "documented", "start" } do
    fields[name] = nil
  end
  fields.model, fields.optimizer, fields.schedule, fields.test = model, optimizer, schedule, false
  -- on_batch ends it, after an epoch a step at the latest
  fields.epochs, fields.callbacks, fields.nonfinite = o.steps, { on_batch = on_batch }, "stop"
  require "perilune.nn.weights".needed(e)
  test = require "perilune.experiment".new(fields)
  test.start_weights = e.start_weights      -- those of the experiment, in the copy
  local ok, problem = pcall(test.run, test, { out = false, quiet = true, silent = true, seed = o.seed or e.seed })
  -- a loss that is not finite ends the range like any other divergence
  local message = not ok and tostring(problem) or nil
  if message and (#losses < WARM or not message:find "not a finite number") then error(problem, 0) end
  return rates, losses, message ~= nil
end

local function smoothed(losses)
  local out, s = {}, 0.0
  for k, loss in ipairs(losses) do
    s = BETA * s + (1 - BETA) * loss
    out[k] = s / (1 - BETA ^ k)
  end
  return out
end

-- The rates of steepest descent of the smoothed loss against log(lr), and of its least value.
local function landmarks(rates, curve)
  local lowest = WARM
  for k = WARM, #curve do if curve[k] < curve[lowest] then lowest = k end end
  local span, steepest, slope = math.max(2, #curve // 20), nil, 0.0
  for k = math.min(WARM + span, math.max(lowest, span + 1)), lowest do
    local d = (curve[k] - curve[k - span]) / math.log(rates[k] / rates[k - span])
    if d < slope then steepest, slope = k - span // 2, d end
  end
  return steepest, lowest
end

--- The range test of an experiment: { lr, loss, smooth, suggestion (nil: the loss fell nowhere steadily), steepest,
--- least }, which draws itself.
function M.find(e, given)
  local o = options.check("find_lr", given, known)
  if o.from >= o.to then
    errors.raise("find_lr: 'from' must be below 'to', got %s and %s", text.number(o.from), text.number(o.to))
  end
  local rates, losses = train(e, o)
  for k = #rates, #losses + 1, -1 do rates[k] = nil end
  local curve = smoothed(losses)
  local steepest, least = landmarks(rates, curve)
  local result = { lr = rates, loss = losses, smooth = curve, steepest = steepest and rates[steepest],
    least = rates[least], lowest = least }
  if steepest then result.suggestion = math.sqrt(rates[steepest] * rates[least] / 3) end
  return shown.new(result, function(self)
    local series = { { name = "loss, smoothed", n = #self.smooth, x = self.lr, y = self.smooth } }
    local lines = require "perilune.terminal.chart".lines(series,
      { title = "Learning-rate range test: smoothed loss", x = { label = "learning rate", log = true },
      y = { label = "loss", from = self.smooth[self.lowest] * 0.9, to = self.smooth[1] * 1.2 } },
        require "perilune.terminal.style".of())
    lines[#lines + 1] = self.suggestion
      and ("suggested: lr = %.2g (steepest descent at %.2g, least loss at %.2g)"):format(self.suggestion,
        self.steepest,
      self.least) or "no suggestion, as the loss fell nowhere steadily: try another range "
      .. "(from, to), more steps or another seed"
    return lines
  end)
end

return M
