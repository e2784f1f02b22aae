-- Experiments with layers of the script's own: the same bits on any threads, exact resume, loaded and shown without
-- the script; what changes under way is refused.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local experiment = [[
local pl = require "perilune"
local nn = pl.nn
local x, y = pl.randn(160, 12, { seed = 1 }), {}
for i = 1, 160 do y[i] = x[i]:sum() > 0 and 1 or 0 end
local factor = 0.5
local Gated = nn.define {
  name = "Gated",
  params = function(o) return { a = { o[1], o[2] }, b = { o[1], o[2] }, bias = { o[2] } } end,
  layers = function(o) return { drop = nn.Dropout(0.2), norm = nn.BatchNorm(o[2]) } end,
  forward = function(self, v)
    local h = self.norm((v:matmul(self.a) + self.bias) * v:matmul(self.b):sigmoid() * factor)
    return self.drop((h - h:mean(-1, { keepdim = true })):gelu())
  end,
}
local left, right = nn.Linear(16, 8), nn.Linear(16, 8)
local die = math.tointeger(tonumber(os.getenv "DIE"))
return pl.experiment {
  name = "Own layers", seed = 3, epochs = 4, batch_size = 8, validation = 0.2,
  data = pl.data.from_tensors { x = x, y = pl.tensor(y, "i32"), name = "signs" },
  model = nn.Sequential { Gated(12, 16), nn.Graph(function(v) return left(v):tanh() * right(v) end), nn.Linear(8, 2) },
  loss = nn.define_loss { name = "Focal", options = { gamma = 2 }, forward = function(o, label, options)
    local p = o:log_softmax(-1):pick(label)
    return -(1 - p:exp()) ^ options.gamma * p * factor
  end },
  optimizer = pl.optim.Adam { lr = 0.01 },
  callbacks = {
    on_batch = function(ctx)
      if die == ctx.step then os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end
    end,
    on_epoch = os.getenv "CHANGE" and function() factor = factor + 1 end or nil,
  },
}
]]

-- The digest of the weights, and the history without its times.
local function result(folder)
  local shown = cli.run("show " .. folder)
  local csv = cli.run(("show %s --csv"):format(folder)).out
  return assert(shown.out:match "SHA%-256 (%x+)", shown.err) .. "\n" .. csv:gsub(",[^,\n]*\n", "\n")
end

TestOwn = {}

function TestOwn:test_same_bits_on_any_threads_and_after_a_kill()
  local script = cli.write("own.lua", experiment)
  local r = cli.run(("run %s --out whole --quiet --threads 1"):format(script))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  local whole = result "whole"
  lu.assertNotStrContains(whole, "no digest")
  lu.assertEquals(cli.run(("run %s --out threads --quiet --threads 3"):format(script)).status, 0)
  lu.assertEquals(result "threads", whole)
  for _, step in ipairs { 5, 37 } do
    r = cli.run(("run %s --out killed --quiet --checkpoint-every 0"):format(script), "DIE=" .. step)
    lu.assertEquals(r.status, 137)
  end
  r = cli.run(("run %s --out killed --quiet"):format(script))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertEquals(result "killed", whole)
  lu.assertEquals(cli.run("run " .. script .. " --out unfused --quiet", "PERILUNE_FUSE=0").status, 0)
  lu.assertEquals(result "unfused", whole)
end

function TestOwn:test_a_run_is_loaded_without_its_script()
  local script = cli.write("own.lua", experiment)
  local r = cli.run(("run %s --out alone --quiet --epochs 1"):format(script))
  lu.assertEquals(r.status, 0)
  os.remove(script)
  local look = cli.write("look.lua", [[
    local model = assert(require "perilune".nn.load "alone")
    print(model[1].type, model[2].type, model:infer(require "perilune".ones(2, 12)):size(2))
  ]])
  r = cli.run(look)
  lu.assertEquals(r.out, "Gated\tGraph\t2\n")
  lu.assertEquals(cli.run("verify alone").status, 0)
end

function TestOwn:test_checked_without_data()
  local r = cli.run("check " .. cli.write("own.lua", experiment))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  local wrong = experiment:gsub("v:matmul%(self.a%)", "v:matmul(self.a:T())")
  r = cli.run("check " .. cli.write("wrong.lua", wrong))
  lu.assertNotEquals(r.status, 0)
  lu.assertStrMatches(r.err, ".*wrong%.lua:11: layer 1 %(Gated%): matmul: %[N, 12%] and %[16, 12%].*\n")
end

function TestOwn:test_a_captured_number_that_changes_is_an_error()
  local r = cli.run(("run %s --out changed --quiet"):format(cli.write("own.lua", experiment)), "CHANGE=1")
  lu.assertNotEquals(r.status, 0)
  lu.assertStrContains(r.err, "captured variable 'factor'")
  lu.assertStrContains(r.err, "parameter, or an option")
end

-- Ten random formulas (tests/lua/support_formulas.lua) side by side in one model, killed twice inside epochs.
local random = [[
local pl = require "perilune"
local nn = pl.nn
local formulas = dofile(os.getenv "FORMULAS_FILE")
local group = math.tointeger(tonumber(os.getenv "GROUP"))
local branches = {}
for i = 1, 10 do
  local f, shapes = formulas.formula(10 * group + i, i == 10), {}
  for _, p in ipairs(f.params) do shapes[p.name] = p.shape end
  local own = nn.define { name = "Random", params = function() return shapes end,
    forward = function(self, v) return formulas.run(f, v, self) end }
  local probe = nn.Sequential { own() }:build { f.width }
  local _, _, out = probe:sizes()
  branches[i] = { nn.Linear(6, f.width), own(), nn.Linear(out[1], 2) }
end
local x, y = pl.randn(80, 6, { seed = 1 }), {}
for i = 1, 80 do y[i] = x[i]:sum() > 0 and 1 or 0 end
local die = math.tointeger(tonumber(os.getenv "DIE"))
return pl.experiment {
  name = "Random formulas", seed = 3, epochs = 3, batch_size = 8, nonfinite = "skip",
  data = pl.data.from_tensors { x = x, y = pl.tensor(y, "i32"), name = "signs" },
  model = nn.Graph(function(v)
    local sum
    for _, b in ipairs(branches) do
      local r = b[3](b[2](b[1](v)))
      sum = sum and sum + r or r
    end
    return sum
  end),
  loss = nn.define_loss { forward = function(o, label) return -o:log_softmax(-1):pick(label) end },
  optimizer = pl.optim.Adam { lr = 0.001 },
  callbacks = { on_batch = function(ctx)
    if die == ctx.step then os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end
  end },
}
]]

function TestOwn:test_random_formulas_go_on_after_a_kill()
  local script, home = cli.write("random.lua", random), os.getenv "PERILUNE_SOURCES" or os.getenv "PWD"
  for group = 1, 4 do
    local set = ("FORMULAS_FILE=%s/tests/lua/support_formulas.lua GROUP=%d "):format(home, group)
    local function run(out, threads, more)
      local words = ("run %s --out %s-%d --quiet --checkpoint-every 0 --threads %d"):format(script, out, group, threads)
      return cli.run(words, set .. (more or ""))
    end
    local r = run("random", 1)
    lu.assertEquals({ r.status, r.err }, { 0, "" })
    local whole = result("random-" .. group)
    for _, step in ipairs { 4, 17 } do lu.assertEquals(run("cut", 3, "DIE=" .. step).status, 137) end
    r = run("cut", 2)
    lu.assertEquals({ r.status, r.err }, { 0, "" })
    lu.assertEquals(result("cut-" .. group), whole)
    lu.assertNotStrContains(whole, "no digest")
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
