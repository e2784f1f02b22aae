-- Runs that take a moment, for tests of how runs end and go on: tiny(name) -> { experiment(fields), start(e, out,
-- options), bits(model), x, scratch }, in a scratch folder of that name.
local pl = require "perilune"
local store = require "perilune.core".store
local nn, optim = pl.nn, pl.optim

local function samples(n, seed)
  local y = {}
  for i = 1, n do y[i] = i % 2 end
  return pl.randn(n, 3, { seed = seed }):add(pl.tensor(y):reshape(n, 1)), pl.tensor(y, "i32")
end

return function(name)
  local M = { scratch = dofile "tests/lua/support_scratch.lua"(name) }
  local x, y = samples(64, 1)
  local test_x, test_y = samples(40, 2)
  M.x, M.test_x = x, test_x

  --- 64 samples of 3 numbers in two classes, 4 epochs of 4 steps; `fields`: what is otherwise.
  function M.experiment(fields)
    local e = { name = name, seed = 1, model = nn.Sequential { nn.Linear(3, 2) }, loss = nn.CrossEntropy(),
      data = pl.data.from_tensors { x = x, y = y, test_x = test_x, test_y = test_y },
      optimizer = optim.SGD { lr = 0.5 }, epochs = 4, batch_size = 16, test = "end" }
    for field, value in pairs(fields) do e[field] = value end
    return pl.experiment(e)
  end

  function M.start(e, out, options)
    local o = { out = M.scratch .. "/" .. out, quiet = true, silent = true }
    for option, value in pairs(options or {}) do o[option] = value end
    return e:run(o)
  end

  --- The digest of a model's parameters.
  function M.bits(model)
    local list = {}
    for i, item in ipairs(model:state()) do list[i] = item.tensor end
    return store.sha256(table.unpack(list))
  end

  return M
end
