-- How many threads there are, and that small work starts none: tensors, losses, batches, augmentation, metrics.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local function prints(words, environment)
  local r = cli.run(words, environment)
  lu.assertEquals(r.status, 0, r.err)
  return (r.out:gsub("%s+$", ""))
end

local ask = "-e 'print(pl.system.threads())'"

TestThreads = {}

function TestThreads:test_scripts_take_threads_and_OMP_NUM_THREADS_is_respected()
  lu.assertEquals(prints("--threads 3 " .. ask), "3")
  lu.assertEquals(prints("--threads=2 " .. ask), "2")
  lu.assertEquals(prints(ask, "OMP_NUM_THREADS=5"), "5")
  lu.assertEquals(prints("--threads 3 " .. ask, "OMP_NUM_THREADS=5"), "3")
  lu.assertStrContains(prints("help"):gsub("%s+", " "), "OMP_NUM_THREADS=2 (so many threads by default")
  for _, words in ipairs { "--threads", "--threads many", "--threads=-1", "--threads 1.5" } do
    local r = cli.run(words)
    lu.assertEquals(r.status, 2, words)
    lu.assertStrContains(r.err, "option '--threads' is followed by a whole number")
  end
end

local small = [[
local pl = require "perilune"
local function threads()
  for line in io.lines "/proc/self/status" do
    local n = line:match "^Threads:%s*(%d+)"
    if n then return tonumber(n) end
  end
end
pl.system.threads(3)
local x, y = pl.rand(256, 28, 28, 1), pl.randint(0, 9, 256)
local data = pl.data.from_tensors { x = x, y = y }.train
for bx, by in data:batches(64, { shuffle = true }) do
  local flat = bx:reshape(bx:size(1), -1)
  flat:slice(2, 1, 10):contiguous():exp():sum()
  pl.nn.CrossEntropy()(flat:slice(2, 1, 10):contiguous(), by)
  pl.accuracy(flat:slice(2, 1, 10), by)
end
local flat = x:slice(1, 1, 8):contiguous():reshape(8, -1)
flat:matmul(pl.ones(784, 10))
local model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }
model:build { 28, 28, 1 }
model:evaluate(pl.data.from_tensors { x = x:slice(1, 1, 8):contiguous(), y = y:slice(1, 1, 8):contiguous(),
  labels = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" } }.train)
model:backward(select(2, pl.nn.CrossEntropy()(model:forward(flat:slice(1, 1, 8)), y:slice(1, 1, 8):contiguous())))
pl.experiment { name = "small", data = pl.data.from_tensors { x = x, y = y },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 16 }
  :run { out = false, quiet = true, silent = true }
print(threads())
pl.rand(1000000):exp()
print(threads())
]]

function TestThreads:test_small_work_starts_no_threads()
  if not io.open "/proc/self/status" then lu.skip "no /proc here" end
  local path = cli.write("small_work.lua", small)
  lu.assertEquals(prints(path), "1\n3")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
