-- Every plausible mistake in messages.txt is met with the script's line and the words that help.
local lu = require "luaunit"
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data

local function read(path)
  local list, code = {}, {}
  for line in io.lines(path) do
    local words = line:match "^%-%-> (.*)$"
    if words then
      list[#list + 1] = { code = table.concat(code, "\n"), words = words }
      code = {}
    elseif line:match "%S" and not line:match "^#" then code[#code + 1] = line end
  end
  return list
end

local function network() return nn.Sequential { nn.Flatten(), nn.Linear(784, 10) } end

local function experiment(changes)
  local fields = { name = "mistake", data = data.digits { train = 64, test = 16 }, model = network(),
    loss = nn.CrossEntropy(),
    optimizer = optim.Adam { lr = 0.001 }, epochs = 2, batch_size = 32 }
  for name, value in pairs(changes) do fields[name] = value end
  return pl.experiment(fields)
end

local set = data.digits { train = 64, test = 16 }
local e = experiment {}
local run = e:run { out = false, quiet = true, silent = true, epochs = 1 }

local function environment()
  return setmetatable({ pl = pl, nn = nn, optim = optim, data = data, x = pl.zeros(4, 28, 28, 1),
    y = pl.zeros({ 4 }, "i32"),
    t = pl.zeros(2, 3), set = set, train = set.train, model = network(), loss = nn.CrossEntropy(), opt = optim.Adam {},
    e = e, run = run, fields = experiment }, { __index = _G })
end

-- What is wrong with the message for a mistake; nil when nothing is.
local function fault(mistake)
  local chunk, message = load(mistake.code, "@mistake.lua", "t", environment())
  if not chunk then
    return message
  end
  local ok
  ok, message = pcall(chunk)
  if ok then return "no error" end
  message = tostring(message)
  if not message:match "^mistake%.lua:%d+: " and not message:match "^tests/lua/messages_test%.lua:%d+: " then
    return message .. "  (no line)"
  end
  for _, bad in ipairs { "attempt to", "bad argument", "'?'", "perilune/", "\n", "for iterator" } do
    if message:find(bad, 1, true) then return message .. "  (holds: " .. bad .. ")" end
  end
  for word in (mistake.words .. " | "):gmatch "(.-) | " do
    if not message:find(word, 1, true) then return message .. "  (without: " .. word .. ")" end
  end
end

TestMistakes = {}

function TestMistakes:test_each_has_a_message()
  local list, faults = read "tests/lua/messages.txt", {}
  for _, mistake in ipairs(list) do
    local wrong = fault(mistake)
    if wrong then faults[#faults + 1] = mistake.code .. "\n    " .. wrong end
  end
  if os.getenv "VERBOSE" then print(#list .. " mistakes, " .. #faults .. " with a poor message") end
  lu.assertTrue(#list >= 120)
  lu.assertEquals(table.concat(faults, "\n"), "")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
