-- A thousand random formulas (support_formulas.lua): what is recorded computes as plain tensors do, to the bit, on any
-- number of threads; gradients are PyTorch's, in double precision, to 1e-5 (1 + the largest).
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local formulas = dofile "tests/lua/support_formulas.lua"
local scratch = dofile "tests/lua/support_scratch.lua" "formulas_random_test"

local COUNT = tonumber(os.getenv "FORMULAS") or 1000

-- Every 50th is large enough for several threads.
local function formula(seed) return formulas.formula(seed, seed % 50 == 0) end

local recorded, all_bits = formulas.recorded, formulas.all_bits

local function bits(...) return core.store.sha256(...) end

local function words(f)
  local list = {}
  for i, step in ipairs(f.steps) do list[i] = step.op end
  return ("seed %d: %s"):format(f.seed, table.concat(list, " "))
end

TestRandomFormulas = {}

function TestRandomFormulas:tearDown() core.system.threads(0) end

function TestRandomFormulas:test_recorded_is_plain_to_the_bit()
  for seed = 1, COUNT do
    local f = formula(seed)
    local x, params = formulas.inputs(f)
    local plain = formulas.run(f, x, params):contiguous()
    local model = recorded(f, params)
    lu.assertEquals(bits(model:infer(x)), bits(plain), "inference, " .. words(f))
    lu.assertEquals(bits(model:forward(x)), bits(plain), "training, " .. words(f))
  end
end

function TestRandomFormulas:test_same_bits_for_any_number_of_threads()
  for seed = 1, COUNT do
    if seed % 50 == 0 or seed % 25 == 1 then
      local f, found = formula(seed), {}
      for threads = 1, 8 do
        core.system.threads(threads)
        found[threads] = all_bits(f)
        lu.assertEquals(found[threads], found[1], ("%d threads, %s"):format(threads, words(f)))
      end
    end
  end
end

local program = (os.getenv "BUILD" or "build") .. "/perilune"

-- The widest kernels that this processor has.
local function widest()
  local pipe <close> = assert(io.popen(("env -u PERILUNE_ISA %s version"):format(program)))
  return assert(pipe:read "a":match "kernels%s+(%w+)")
end

-- Both vector widths, in processes of their own.
local function bits_with(isa)
  local path = scratch .. "/bits.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(([[local formulas = dofile "tests/lua/support_formulas.lua"
for seed = 1, %d do print(seed, formulas.all_bits(formulas.formula(seed, seed %% 50 == 0))) end]]):format(COUNT))
  file:flush()
  local pipe = assert(io.popen(("PERILUNE_ISA=%s %s %s 2>&1"):format(isa, program, path)))
  local list = {}
  for text in pipe:lines() do list[#list + 1] = text end
  pipe:close()
  return list
end

function TestRandomFormulas:test_same_bits_for_both_vector_widths()
  lu.skipIf(widest() ~= "avx512", "there are no avx512 kernels on this processor")
  local wide, narrow = bits_with "avx512", bits_with "avx2"
  lu.assertEquals({ #wide, #narrow }, { COUNT, COUNT }, wide[#wide])
  for seed = 1, COUNT do
    if narrow[seed] ~= wide[seed] then lu.assertEquals(narrow[seed], wide[seed], words(formula(seed))) end
  end
end

local function line(f)
  local x, params = formulas.inputs(f)
  local arguments, inputs = { x }, { { name = "x", shape = x.shape } }
  for i, p in ipairs(f.params) do
    arguments[i + 1] = params[p.name]
    inputs[i + 1] = { name = p.name, shape = p.shape }
  end
  local weight = pl.randn(formulas.run(f, x, params).shape, { seed = 9 })
  local function total(value, ...)
    local list = { ... }
    local named = {}
    for i, p in ipairs(f.params) do named[p.name] = list[i] end
    return (formulas.run(f, value, named) * weight):sum()
  end
  local results = { pl.grad(total)(table.unpack(arguments)) }
  for i, input in ipairs(inputs) do
    input.values = arguments[i]:reshape(arguments[i]:count()):totable()
    input.gradient = results[i]:reshape(arguments[i]:count()):totable()
  end
  return core.json.encode { seed = f.seed, steps = f.steps, inputs = inputs,
    weight = weight:reshape(weight:count()):totable() }, total, arguments
end

function TestRandomFormulas:test_gradients_are_pytorchs()
  if not os.execute 'python3 -c "import torch" 2>/dev/null' then lu.skip "PyTorch is not installed" end
  local path = scratch .. "/formulas.json"
  local file = assert(io.open(path, "w"))
  for seed = 1, COUNT do
    if seed % 50 > 0 then file:write(line(formula(seed)), "\n") end
  end
  file:close()
  local pipe = assert(io.popen(("python3 tests/lua/check_formulas.py %s 2>&1"):format(path)))
  local text = pipe:read "a"
  lu.assertTrue(pipe:close() == true, text)
end

-- Central differences in double precision know nothing of kernels, tape or PyTorch.
function TestRandomFormulas:test_gradients_are_central_differences()
  for seed = 1, COUNT, 7 do
    if seed % 50 > 0 then
      local f = formula(seed)
      local _, total, arguments = line(f)
      table.insert(arguments, { elements = 4 })
      local function scaled(x, ...) return total(x, ...) + x:sum() end       -- not all terms may cancel
      local ok, message = pcall(pl.gradient_check, scaled, table.unpack(arguments))
      lu.assertTrue(ok, words(f) .. "\n" .. tostring(message))
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
