-- Passes of one model in any order: a large batch before a small one, other threads and limits in between, functions of
-- the script that throw, or return another width; by hand and by a trainer.
local pl = require "perilune"
local core = require "perilune.core"

local M = {}

--- give: { random(n), pick(list), disturb(), closing(), call(): something at random, MEMORY: the usual limit,
--- begin(what), step(ok) }. Returns the function that makes some.
function M.new(give)
  local random, pick = give.random, give.pick

  local function passes()
    local width, throw, thrown = 3, random(3) == 1, 0
    core.system.memory_limit(give.MEMORY)
    local function maybe_throw()
      thrown = thrown + 1
      if throw and random(4) == 1 then error("thrown on purpose", 0) end
      if random(12) == 1 then give.disturb() end
      if random(12) == 1 then give.closing() end
    end
    local function resized(x)
      if x:size(2) >= width then return x:slice(2, 1, width) end
      return pl.cat({ x, pl.zeros(x:size(1), width - x:size(2)) }, 2)
    end
    local widths = pl.nn.Lambda { shape = function(shape) return { shape[1] > 0 and width or 1 } end,
      forward = function(x) maybe_throw() return resized(x) end, backward = function(dy, x)
        maybe_throw() return pl.zeros(x:size(1), x:size(2)) + dy:mean()
      end }
    local function dense(n) return pl.rand(n, 16) end
    local function images(n) return pl.rand(n, 12, 12, 1) end
    local makers = {
      function() return pl.nn.Sequential { pl.nn.Linear(16, 128), pl.nn.Tanh(), pl.nn.Linear(128, 3) }, dense end,
      function() return pl.nn.Sequential { pl.nn.Linear(16, 64), pl.nn.ReLU(), widths }, dense end,
      function()
        return pl.nn.Sequential { pl.nn.Conv2d(1, 8, 3), pl.nn.Conv2d(8, 16, 5), pl.nn.MaxPool2d(2), pl.nn.Flatten(),
          pl.nn.Linear(144, 3) }, images
      end,
      function()
        return pl.nn.Sequential { pl.nn.Conv2d(1, 4, 3, { padding = "same" }), pl.nn.BatchNorm(4), pl.nn.ReLU(),
          pl.nn.Flatten(), pl.nn.Linear(576, 3), widths }, images
      end,
      function()      -- for images of any size
        return pl.nn.Sequential { pl.nn.Conv2d(1, 4, 3), pl.nn.ReLU(), pl.nn.GlobalAvgPool2d(), pl.nn.Linear(4, 3) },
          images
      end,
    }
    local model, inputs = pick(makers)()
    local sizes, n, x, y = { 1, 2, 3, 8, 30, 64, 400, 3000 }, 1, nil, nil
    local optimizer, trainer = pl.optim.SGD { lr = 0.01 }, nil
    local steps = {
      function() n = pick(sizes); x = inputs(n); y = model:forward(x) end, function()
        y = model:forward(inputs(pick(sizes)))
      end,
      function() model:backward(pl.ones(n, width), random(2) == 1) end, function() model:backward(y) end,
      -- between a forward and its backward: another pass, for which memory does not suffice
      function()
        core.system.memory_limit(give.MEMORY)
        n = pick { 1, 2, 3, 8 }
        y = model:forward(inputs(n))
        local large = inputs(pick { 64, 400, 3000 })
        core.system.memory_limit(core.system.memory() + pick { 4096, 1 << 16, 1 << 20 })
        pcall(model.forward, model, large)
        core.system.memory_limit(give.MEMORY)
        model:backward(pl.ones(n, width), random(2) == 1)
      end,
      -- and another number of threads
      function()
        core.system.memory_limit(give.MEMORY)
        core.system.threads(pick { 1, 2 })
        n = pick(sizes)
        y = model:forward(inputs(n))
        core.system.threads(pick { 5, 8, 16 })
        model:backward(pl.ones(n, width), random(2) == 1)
        core.system.threads(2)
      end,
      function() model:infer(inputs(pick(sizes))) end, function() model:activations(inputs(random(20))) end,
      function() x:free() end, give.disturb, give.disturb, collectgarbage, give.closing, give.call,
      function() width = pick { 1, 3, 3, 5, 9 } end, function() model:build { 4, 4, 1 } end, function()
        model:build { 40, 40, 1 }
      end,
      function() optimizer:bind(model) end, function() optimizer:step() end, function() model:zero_grad() end,
      function() model:clone():forward(inputs(2)) end,
      function() trainer:run(random(3), 1, random(3)) end, function()
        model:build { 40, 40, 1 }
        trainer:run(1, 1, 1)
      end, function() trainer:step(trainer:batch(1, 1)) end,
      function()
        local count = pick { 8, 40, 200 }
        trainer = core.trainer.new { model = model, loss = pick { pl.nn.CrossEntropy(), pl.nn.MSE() },
          optimizer = optimizer:bind(model), batch_size = pick { 1, 7, 32 },
          data = core.data.new(inputs(count), pl.randint(0, 2, count)) }
      end,
    }
    give.begin "passes of a model"
    for _ = 1, 4 + random(12) do
      give.step((pcall(pick(steps))))
    end
    core.system.memory_limit(give.MEMORY)
  end

  return passes
end

return M
