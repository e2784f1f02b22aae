-- What besides networks' speed has a limit: memory, the cost of augmenting and of loading, narrower vectors, Winograd
-- against direct convolution, start-up.
local core = require "perilune.core"
local bench = require "perilune.train.speed"
local script = require "perilune.script"
local system = core.system

local M = {}

local here = arg[0]:match "^(.*)/"
local program = script.program

local function output_of(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  assert(pipe:close(), command)
  return out
end

local function percent(x) return ("%.1f %%"):format(100 * x) end

local function memory()
  local bytes = tonumber((output_of(("'%s' %s/memory.lua"):format(program, here))))
  return { what = "P12, most memory beyond the data set", found = ("%.1f MiB"):format(bytes / 2 ^ 20),
    wanted = "60 MiB", ok = bytes <= 60 * 2 ^ 20 }
end

-- Shares of the time, from pieces of training in turns, with and without augmentation.
local function augmentation(seconds)
  local e = bench.load "P12"
  local with, without = bench.training(e), bench.training(e, { built_in = {}, functions = {} })
  local costs, piece = {}, math.max(0.25, seconds / 3)
  with:run(piece)
  without:run(piece)
  for i = 1, 15 do
    local slow, fast
    if i % 2 == 0 then slow, fast = with:run(piece), without:run(piece) else fast, slow = without:run(piece),
      with:run(piece) end
    costs[i] = 1 - slow / fast
  end
  local cost = bench.summary(costs).median
  return { what = "P12, cost of augmenting (chance 0.8)", found = percent(cost), wanted = "5 %", ok = cost <= 0.05 }
end

-- Gathering batches, and shuffling once an epoch.
local function loading(seconds)
  local e = bench.load "P12"
  local training = bench.training(e, { built_in = {}, functions = {} })
  local rate = training:run(seconds)
  local rows = e.model:profile(function() training:run(seconds) end)
  local sum = rows.data + rows.loss + rows.update + rows.other
  for _, row in ipairs(rows) do sum = sum + row.forward + row.backward end
  local epochs, firsts, seconds_ = 5, 0, 0
  for epoch = 1, epochs do
    local start = system.clock()
    training.core:batch(epoch, 1)
    local shuffled = system.clock()
    training.core:batch(epoch, 2)
    firsts, seconds_ = firsts + (shuffled - start), seconds_ + (system.clock() - shuffled)
  end
  local shuffling = (firsts - seconds_) / epochs * rate / e.splits.train.count
  local cost = rows.data / sum + math.max(0, shuffling)
  return { what = "P12, cost of loading and shuffling", found = percent(cost), wanted = "2 %", ok = cost <= 0.02 }
end

-- Training rate in a process with that environment.
local function rate(environment, network, seconds)
  local out = output_of(("env %s '%s' bench %s --json --threads %d --repeat 3 --seconds %g"):format(environment,
    program, network, system.threads(), seconds))
  return core.json.decode(out).results[1].training.median
end

local function narrower(seconds, list)
  local _, isa = system.processor()
  if isa ~= "avx512" then return end
  local ratio = rate("PERILUNE_ISA=avx2", "P12", seconds) / rate("PERILUNE_ISA=avx512", "P12", seconds)
  list[#list + 1] = { what = "P12, AVX2 against AVX-512", found = percent(ratio), wanted = "at least 45 %",
    ok = ratio >= 0.45 }
end

local function convolutions(seconds, list)
  for _, network in ipairs { "P09", "P10", "P11", "P12" } do
    local direct, winograd = rate("PERILUNE_CONV=direct", network, seconds),
      rate("PERILUNE_CONV=winograd", network, seconds)
    local auto = rate("PERILUNE_CONV=auto", network, seconds)
    local ok = auto >= 0.95 * math.max(direct, winograd)
    list[#list + 1] = { what = network .. ", direct / Winograd / auto",
      found = ("%.0f / %.0f / %.0f"):format(direct, winograd, auto),
      wanted = "auto is the better", ok = ok }
  end
end

-- Median seconds of a command, the shell included.
local function start_up(words)
  local times = {}
  for i = 1, 21 do
    local before = system.clock()
    assert(os.execute(("exec '%s' %s >/dev/null"):format(program, words)))
    times[i] = system.clock() - before
  end
  return bench.summary(times).median
end

--- A list of { what =, found =, wanted =, ok = }.
function M.measure(seconds)
  local list = {}
  for _, case in ipairs { { "-e ''", 0.012 }, { "check " .. bench.find "P12", 0.030 } } do
    local found = start_up(case[1])
    list[#list + 1] = { what = "perilune " .. case[1]:gsub("%S*/", ""):gsub("''", '""'),
      found = ("%.1f ms"):format(1e3 * found),
      wanted = ("%.0f ms"):format(1e3 * case[2]), ok = found <= case[2] }
  end
  list[#list + 1] = augmentation(seconds)
  list[#list + 1] = loading(seconds)
  list[#list + 1] = memory()
  narrower(seconds, list)
  convolutions(seconds, list)
  return list
end

return M
