-- A training step with formulas takes no memory: the most that was held during many steps is what was held before them.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local nn = pl.nn

local Block = nn.define {
  name = "Block",
  params = function(o)
    return { a = { o[1], o[2] }, b = { o[1], o[2] }, c = { o[2] }, g = { shape = { o[2] }, init = { "constant", 1 } },
      h = { o[2], o[2] } }
  end,
  layers = function() return { drop = nn.Dropout(0.1) } end,
  forward = function(self, x)
    local h = (x:matmul(self.a) + self.c):relu() * x:matmul(self.b):sigmoid()
    local n = (h - h:mean(-1, { keepdim = true })) / (h:var(-1, { keepdim = true }) + 1e-5):sqrt() * self.g
    return self.drop(n):matmul(self.h):matmul(self.h):gelu() + n ^ 3 - n:max(-1, { keepdim = true })
  end,
}
local focal = nn.define_loss { name = "Own", outputs = "logits", forward = function(y, label)
  local log_p = y:log_softmax(-1):pick(label)
  return -(1 - log_p:exp()) ^ 2 * log_p
end }

TestFormulasMemory = {}

function TestFormulasMemory:tearDown() core.system.threads(0) end

function TestFormulasMemory:test_no_memory_in_a_step()
  for threads = 1, 2 do
    core.system.threads(threads)
    local train = pl.data.digits { train = 400, test = 10, seed = 3 }:splits()
    local model = nn.Sequential { nn.Flatten(), Block(784, 100), nn.Linear(100, 10) }
    model:build { 28, 28, 1 }
    model:initialize(5)
    local trainer = core.trainer.new { model = model, loss = focal, optimizer = pl.optim.Adam { lr = 1e-3 }:bind(model),
      data = train, batch_size = 8, seed = 7, shuffle = true, augment = {} }
    trainer:run(1, 1, 20)
    collectgarbage "stop"
    local live = core.system.memory(true)
    trainer:run(1, 21, 30)
    local after, most = core.system.memory()
    collectgarbage "restart"
    lu.assertEquals({ after, most }, { live, live })
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
