--- Measures the speed of training and inference of experiments, on their own data, with their own augmentation and
--- optimizer. commands/bench.lua prints it; tests/bench/ holds it against other libraries and limits.
local augmented = require "perilune.train.augmented"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local script = require "perilune.script"
local system = core.system

local M = {}

--- What is measured when nothing is named: the documented networks, small to large.
M.networks = { "P01", "P04", "P08", "P09", "P12", "P13", "LeNet", "U02", "C03", "A05" }

local aliases = { LENET = "L01" }

--- "P09" or "LeNet" -> the file of that row of experiments/index.lua; a file is itself.
function M.find(name)
  if name:match "%.lua$" or system.kind(name) == "file" then return name end
  return require "perilune.reproduce.rows".find(aliases[name:upper()] or name, "bench")[1].path
end

--- Whether MNIST is there.
function M.has_mnist() return (require "perilune.data.locate".find("mnist", "train-images-idx3-ubyte")) ~= nil end

--- The experiment of that name or file. Where MNIST is not there, generated digits take its place.
function M.load(name)
  local path = M.find(name)
  local data = require "perilune.data"
  local mnist = data.mnist
  if not M.has_mnist() then data.mnist = function() return data.digits() end end
  local ok, e = pcall(script.experiment, path, {})
  data.mnist = mnist
  if not ok then error(e, 0) end
  return e
end

--- Floating-point operations of a training step for one sample, and of an inference: two a multiply-add, convolutions
--- counted as the direct algorithm does them, a step as three inferences (backward, to data and to weights, is two
--- more).
function M.flops(e)
  local sum = 0
  for _, row in ipairs(e:rows()) do sum = sum + 2 * row.work end
  return 3 * sum, sum
end

local Training = {}
Training.__index = Training

--- A training of e with fresh weights, to be run in chunks. augment: instead of the experiment's.
function M.training(e, augment)
  augment = augment or e.augment
  e.model:initialize(e.seed)
  e.optimizer:bind(e.model)
  local steps = type(e.loss) == "function" and require "perilune.nn.lua_loss" or core.trainer
  local self = setmetatable({ e = e, augment = augment.functions, epoch = 0, batch = 0, chunk = 1,
    samples = 0 }, Training)
  self.core = steps.new { model = e.model, loss = e.loss,
    outputs = require "perilune.nn.decision".kind(e.model, e.loss),
    optimizer = e.optimizer, data = e.splits.train:read(),
    batch_size = e.batch_size,
    seed = e.seed, augment = augment.built_in, drop_last = e.drop_last, shuffle = e.shuffle }
  self.batches = self.core:batches()
  self.batch = self.batches
  return self
end

function Training:steps(count)
  if #self.augment == 0 then return self.core:run(self.epoch, self.batch + 1, count, 0.0) end
  local samples = 0
  for i = self.batch + 1, self.batch + count do
    local x, y = self.core:batch(self.epoch, i)
    x, y = augmented.batch(self.e, self.augment, x, y,
      { experiment = self.e, model = self.e.model, epoch = self.epoch, batch = i })
    local _, _, n, _, bad = self.core:step(x, y, 0.0)
    samples = samples + n
    if bad then return 0.0, 0, samples, 0, bad end
  end
  return 0.0, 0, samples, count
end

--- Trains for about so many seconds, epoch after epoch; returns samples per second.
function Training:run(seconds)
  local samples, start = 0, system.clock()
  local now = start
  repeat
    if self.batch == self.batches then
      self.epoch, self.batch = self.epoch + 1, 0
      self.e.optimizer:epoch()
    end
    local count = math.min(self.chunk, self.batches - self.batch)
    local before = now
    local _, _, n, _, bad = self:steps(count)
    if bad then
      errors.fail(1, "bench: %s: epoch %d, batch %d: the loss is not a finite number", self.e.name, self.epoch,
        bad.batch)
    end
    samples, self.batch = samples + n, self.batch + count
    self.samples = self.samples + n
    now = system.clock()
    -- chunks as long as those of a run, so that what is done once a chunk counts as much
    if now - before < 0.05 then self.chunk = math.min(2 * self.chunk, self.batches)
    elseif now - before > 0.2 and self.chunk > 1 then self.chunk = self.chunk // 2 end
  until now - start >= seconds
  return samples / (now - start)
end

--- Inference on the first `batch` samples (256), over and over for so many seconds; returns samples per second.
function M.infer(e, seconds, batch)
  local x = e.splits.train:batches(batch or 256)()
  local count, start = 0, system.clock()
  repeat
    e.model:infer(x)
    count = count + x:size(1)
  until system.clock() - start >= seconds
  return count / (system.clock() - start)
end

--- { median =, low =, high = } of a list of numbers.
function M.summary(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  return { median = n % 2 == 1 and sorted[n // 2 + 1] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2, low = sorted[1],
    high = sorted[n] }
end

--- The summary of measured samples per second, with `all` of them, `gflops`, and the `share` of the peak.
function M.rate(list, flops, peak)
  local r = M.summary(list)
  r.all = list
  r.gflops = r.median * flops / 1e9
  r.share = r.median * flops / peak
  return r
end

--- Measures training and inference: o.repeats times o.seconds, with o.threads; o.peak in operations a second.
function M.measure(e, o)
  system.threads(o.threads)
  local train_flops, infer_flops = M.flops(e)
  local trained, inferred = {}, {}
  for i = 1, o.repeats do
    local training = M.training(e)
    training:run(o.seconds / 5)
    trained[i] = training:run(o.seconds)
  end
  M.infer(e, o.seconds / 10)
  for i = 1, o.repeats do inferred[i] = M.infer(e, o.seconds / 3) end
  system.threads(0)
  return { name = e.name, batch = e.batch_size, threads = o.threads, training = M.rate(trained, train_flops, o.peak),
    inference = M.rate(inferred, infer_flops, o.peak) }
end

--- The rows of model:profile, in seconds a step, for a training; fields as there, and `steps`.
function M.layers(e, o)
  system.threads(o.threads)
  local training = M.training(e)
  training:run(o.seconds / 5)
  local first, samples = (training.epoch - 1) * training.batches + training.batch, training.samples
  local rows = e.model:profile(function() training:run(o.seconds) end)
  system.threads(0)
  local steps = (training.epoch - 1) * training.batches + training.batch - first
  for _, row in ipairs(rows) do row.forward, row.backward = row.forward / steps, row.backward / steps end
  for _, name in ipairs { "data", "loss", "update", "other" } do rows[name] = rows[name] / steps end
  -- what formulas run, under their layers
  for _, node in ipairs(core.formula.plan(e.model)) do
    local time = rows.operations[node.op]
    for _, row in ipairs(rows) do
      if node.formula and row.path == node.path and row.part ~= "fork" then
        row.parts = row.parts or {}
        table.insert(row.parts, { text = node.text, shape = node.shape, forward = time.forward / steps,
          backward = time.backward / steps })
        break
      end
    end
  end
  rows.steps, rows.samples = steps, (training.samples - samples) / steps      -- a step, on average
  return rows
end

return M
