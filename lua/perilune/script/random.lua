--- A run's own math.random: value number i of a counter-based stream, so that its whole state is a few integers,
-- saved in every checkpoint. math.randomseed(n) selects stream n and starts it anew. Random tensors (pl.rand) made
-- without a seed of their own count streams too: that count is set, saved and given back together with the stream.
local core = require "perilune.core"
local draw, tensors = core.system.random, core.tensor.seed

local M = {}

local PURPOSE_SCRIPT = 5    -- PL_FOR_SCRIPT
local scripts = _G.math     -- the table that scripts see: fields of it are replaced
local original = { random = math.random, randomseed = math.randomseed }
local state                 -- { seed =, part =, stream =, index = }

local function uniform()
  local value = draw(state.seed, PURPOSE_SCRIPT, state.part, state.stream, state.index)
  state.index = state.index + 1
  return value
end

local function bits64()
  local high = math.tointeger(uniform() * 2 ^ 32)
  local low = math.tointeger(uniform() * 2 ^ 32)
  return high << 32 | low
end

-- A whole number in [low, high]; two draws, so that ranges beyond 2^32 are covered and the bias is negligible.
local function whole(low, high)
  local span = high - low + 1
  if span <= 0 then                      -- wider than 63 bits
    local value
    repeat value = bits64() until low <= value and value <= high
    return value
  end
  return low + (bits64() & math.maxinteger) % span
end

local function integer(value, position)
  local i = math.tointeger(value)
  if i == nil then
    error(("bad argument #%d to 'random' (number has no integer representation)"):format(position), 3)
  end
  return i
end

local function random(...)
  local n = select("#", ...)
  if n == 0 then return uniform() end
  if n > 2 then error("wrong number of arguments", 2) end
  local low, high = 1, integer((...), 1)
  if n == 1 and high == 0 then return bits64() end
  if n == 2 then low, high = high, integer(select(2, ...), 2) end
  if low > high then error(("bad argument #%d to 'random' (interval is empty)"):format(n), 2) end
  return whole(low, high)
end

local function randomseed(value)
  state.stream, state.index = math.tointeger(value) or 0, 0
end

-- Where random tensors were before any stream was installed: { seed, count }.
local outside

-- Notes where random tensors are, for when the stream in use now is gone back to.
local function leave()
  local at = { tensors() }
  if state then state.tensors = at else outside = at end
end

--- Replaces math.random from now on. `part`: 0 for a run, 1 while its script is loaded. `saved`: what M.state()
--- returned.
function M.install(seed, part, saved)
  leave()
  saved = saved or { stream = 0, index = 0 }
  state = { seed = seed, part = part, stream = saved.stream, index = saved.index }
  scripts.random, scripts.randomseed = random, randomseed
  tensors(saved.tensor_seed or seed, saved.tensors or part << 32)     -- counts of the two parts stay apart
end

--- What a checkpoint keeps.
function M.state()
  local seed, count = tensors()
  return { stream = state.stream, index = state.index, tensor_seed = seed, tensors = count }
end

--- The stream in use now (nil: Lua's own math.random), to be given back to M.restore.
function M.current() return state end

--- Goes back to the stream `outer` as it was left; nil gives back Lua's own math.random.
function M.restore(outer)
  if state == outer then return end
  leave()
  state = outer
  if outer then scripts.random, scripts.randomseed = random, randomseed
  else scripts.random, scripts.randomseed = original.random, original.randomseed end
  tensors(table.unpack(outer and outer.tensors or outside))
end

return M
