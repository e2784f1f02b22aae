-- Every example that help prints is run, in a folder of its own, and prints something that can be read.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

-- In the program: gives the examples what they speak of, runs each, prints what went wrong and what each printed.
local driver = [==[
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data
local small = data.digits { train = 2000, test = 100 }
local digits = data.digits
data.mnist = function() return small end
data.digits = function(o) return o and digits { train = 50, test = 10, seed = o.seed } or small end
assert(require "perilune.script.args".set { "lr=0.002" })

local function network()
  return nn.Sequential { nn.Conv2d(1, 8, 5, { padding = "same", name = "conv" }), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(8 * 14 * 14, 10) }
end
local e = pl.experiment { name = "A first network", data = small, model = network(), loss = nn.CrossEntropy(),
  optimizer = optim.Adam { lr = pl.arg("lr", 0.001) }, epochs = 1, batch_size = 100, validation = 0.1, test = "epoch" }
local run = e:run { quiet = true, silent = true }
for _, name in ipairs { "wide", "narrow" } do e:with { name = name }:run { quiet = true, silent = true } end
for _, name in ipairs { "my-first", "a", "b", "digits" } do
  e:run { quiet = true, silent = true, out = "runs/" .. name .. "-s1" }
end
local model = network():build { 28, 28, 1 }
model:save "digits.h5"
run.model:export "keras.h5"
local train, test = small:splits()
local x, y = train:tensors(1, 8)
local given = setmetatable({ pl = pl, nn = nn, optim = optim, data = data, e = e, run = run, model = model,
  train = train, test = test, x = x, y = y,
  labels = y, images = x, opt = optim.SGD { lr = 0.1 }:bind(model), loss = nn.CrossEntropy(), epoch = 1,
  branch = nn.Linear(64, 128),
  w = pl.ones(3), b = pl.zeros(3), t = pl.rand(2, 3), help = require "perilune.help".help }, { __index = _G })

local printed, env
function given.print(...)
  for i = 1, select("#", ...) do printed[#printed + 1] = tostring((select(i, ...))) end
end

local function compiled(text)
  return load(text, "=example", "t", env) or load("return " .. text, "=example", "t", env) or
    load("return {" .. text .. "}", "=example", "t", env)
end

-- A block that is no chunk is a list of lines, and a line perhaps a list of expressions far apart.
local function chunks_of(text)
  local whole = compiled(text)
  if whole then return { whole } end
  local list = {}
  for line in text:gmatch "[^\n]+" do
    for part in ((line:gsub("^local ", "")) .. "    "):gmatch "(.-)    +" do
      if part:match "%S" and not part:match "^%s*%-%-" then
        list[#list + 1] = assert(compiled(part), "not Lua: " .. part)
      end
    end
  end
  return list
end

local help = require "perilune.help"
local n = 0
for _, entry in ipairs(help.entries()) do
  local block
  for _, line in ipairs(entry.text) do
    if line:match "^```lua" then block = {}
    elseif line:match "^```" then
      n, printed, env = n + 1, {}, setmetatable({}, { __index = given })
      for _, text in ipairs(block) do
        if text:find "nn%.load" or text:find "pl%.load" or text:find "store%.create" or text:find "store%.open" then
          if not text:find "assert%(" then
            print("FAILS", help.name_of(entry), "may fail, and has no assert: " .. text)
          end
        end
      end
      local ok, problem = pcall(function()
        for _, chunk in ipairs(chunks_of(table.concat(block, "\n"))) do chunk() end
      end)
      local said = table.concat(printed, " ")
      if not ok then print("FAILS", help.name_of(entry), problem)
      elseif said:find "0x%x%x%x" or said:find "%f[%w]nil%f[%W]" then
        print("FAILS", help.name_of(entry), "prints " .. said)
      end
      block = nil
    elseif block then block[#block + 1] = (line:gsub("^> ", "")) end
  end
end
print("examples", n)
]==]

-- The script that the example of pl.sweep names.
local swept = [[
local pl = require "perilune"
local width = pl.arg("width", 16)
return pl.experiment {
  name = "swept", data = pl.data.digits { train = 200, test = 20 },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.ReLU(), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = pl.arg("lr", 1e-3) }, epochs = 1, batch_size = 50,
  validation = 0.2,
}
]]

TestExamples = {}

function TestExamples:test_each_runs()
  cli.write("examples.lua", driver)
  cli.write("my.lua", swept)
  dofile "tests/cli/example_files.lua"()
  local r = cli.run "examples.lua"
  local failures = {}
  for line in r.out:gmatch "[^\n]+" do
    if line:find "^FAILS" then failures[#failures + 1] = line end
  end
  lu.assertEquals(r.err, "")
  lu.assertEquals(table.concat(failures, "\n"), "")
  lu.assertTrue((tonumber(r.out:match "examples\t(%d+)") or 0) > 50)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
