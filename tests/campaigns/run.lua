-- Runs campaigns one after another and prints a table.     usage: [PLANT=name] perilune tests/campaigns/run.lua
-- [NAME...] With PLANT, a fault (plants.lua; "all": each in turn) is planted in a copy of the sources, built below
-- BUILD/plants, and its campaign, in short form, must end red. Exit status: 0 when every campaign was green, or every
-- planted fault found.
local system = require "perilune".system

local build, make = os.getenv "BUILD" or "build", os.getenv "MAKE" or "make"
if build:sub(1, 1) ~= "/" then build = os.getenv "PWD" .. "/" .. build end
local short = (os.getenv "CAMPAIGN_SHORT" or "") ~= ""

local function shell(format, ...) return os.execute(format:format(...)) end
local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function lines_of(command)
  local pipe, list = io.popen(command), {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function campaigns()
  local names = {}
  for _, path in ipairs(lines_of "ls tests/campaigns/*.lua") do
    local name = path:match "([^/]*)%.lua$"
    if not name:find "_" and name ~= "run" and name ~= "support" and name ~= "plants" then names[#names + 1] = name end
  end
  return names
end

local function duration(seconds)
  if seconds < 60 then return ("%.1f s"):format(seconds) end
  return ("%d min %02d s"):format(seconds // 60, math.floor(seconds % 60))
end

-- Runs a campaign in a folder of sources, with what was built from them. Returns whether it was green, its figure, its
-- duration, what it said before, and where all of that is.
local function run(name, folder, built, environment)
  local log = ("%s/campaigns/%s.log"):format(built, name)
  local began = system.clock()
  assert(shell("mkdir -p %s/campaigns", quote(built)))
  local ok, how, code = shell("cd %s && env -u CAMPAIGN_SHORT %s BUILD=%s %s/perilune tests/campaigns/%s.lua >%s " ..
    "2>&1 </dev/null",
    quote(folder), environment, quote(built), quote(built), name, quote(log))
  if how == "signal" and code == 2 then os.exit(130) end
  local said, figure = {}, "no figure"
  for line in io.lines(log) do
    if line:find "^figure: " then figure = line:sub(9)
    elseif not line:find "^n?o?t? ?ok 1" and line ~= "1..1" then said[#said + 1] = line end
  end
  return ok == true and figure ~= "no figure", figure, duration(system.clock() - began), said, log
end

local function show_reason(said, log)
  for i = math.max(1, #said - 11), #said do print("          | " .. said[i]) end
  print("          | all of it: " .. log)
end

local function run_all(names)
  local width, reds = 8, 0
  for _, name in ipairs(names) do width = math.max(width, #name) end
  local form = "%-" .. width .. "s  %-4s  %12s  %s"
  print(form:format("campaign", "", "duration", "figure"))
  for _, name in ipairs(names) do
    io.write(("%-" .. width .. "s  "):format(name)):flush()
    local green, figure, time, said, log = run(name, ".", build, short and "CAMPAIGN_SHORT=1" or "")
    print(("%-4s  %12s  %s"):format(green and "ok" or "RED", time, figure))
    if not green then
      reds = reds + 1
      show_reason(said, log)
    end
  end
  print(reds == 0 and "all green" or ("%d of %d RED"):format(reds, #names))
  return reds == 0
end

local SANITIZED = 'OPT=-O1 SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined ' ..
  '-fno-omit-frame-pointer"'

-- A copy of the sources and of what was built from them, times preserved, so that only what the fault changes is
-- compiled.
local function planted_copy(plant)
  local folder = ("%s/plants/%s"):format(build, plant.name)
  local from = plant.sanitized and build .. "-asan" or build
  local q, b = quote(folder), quote(from)
  if plant.sanitized then
    assert(shell("env -u MAKEFLAGS -u MAKELEVEL %s -s -j2 all BUILD=%s %s >%s/asan.log 2>&1", make, b, SANITIZED,
      quote(build)),
      ("the programs with sanitizers do not build: %s/asan.log"):format(build))
  end
  assert(shell("rm -rf %s && mkdir -p %s/build/tests && cp -a Makefile runtime include lua tests %s", q, q, q))
  assert(shell("cp -a %s/runtime %s/embedded.* %s/build", b, b, q))
  if not plant.sanitized then assert(shell("cp -a %s/tests/campaigns %s/tests/fuzz %s/build/tests", b, b, q)) end
  local file = assert(io.open(plant.file, "rb"))
  local text = file:read "a"
  file:close()
  local first, last = text:find(plant.from, 1, true)
  assert(first and not text:find(plant.from, last + 1, true),
    ("plant %s: its text is not found exactly once in %s"):format(plant.name, plant.file))
  file = assert(io.open(folder .. "/" .. plant.file, "wb"))
  assert(file:write(text:sub(1, first - 1), plant.to, text:sub(last + 1)))
  file:close()
  assert(shell("env -u MAKEFLAGS -u MAKELEVEL %s -s -C %s BUILD=build %s -j2 >%s/build.log 2>&1", make, q,
    plant.sanitized and SANITIZED .. " all" or "campaign-programs", q),
    ("plant %s does not build: %s/build.log"):format(plant.name, folder))
  return folder
end

local function run_plants(wanted)
  local width, missed, count = 5, 0, 0
  local plants = dofile "tests/campaigns/plants.lua"
  for _, plant in ipairs(plants) do width = math.max(width, #plant.name) end
  local form = "%-" .. width .. "s  %-12s  %-8s  %12s  %s"
  print(form:format("fault", "campaign", "verdict", "duration", "what the campaign said"))
  for _, plant in ipairs(plants) do
    if wanted == "all" or wanted == plant.name then
      count = count + 1
      local folder = planted_copy(plant)
      local green, figure, time, said, log = run(plant.campaign, folder, folder .. "/build",
        (plant.sanitized and "SANITIZE=address " or "") .. "CAMPAIGN_SHORT=1 PLANT=" .. plant.name)
      print(form:format(plant.name, plant.campaign, green and "MISSED" or "red", time,
        green and figure or said[1] or "nothing"))
      if green then
        missed = missed + 1
        show_reason(said, log)
      else shell("rm -rf %s", quote(folder)) end
    end
  end
  if count == 0 then
    local names = {}
    for i, plant in ipairs(plants) do names[i] = plant.name end
    print(("no planted fault is called '%s'; there are: all, %s"):format(wanted, table.concat(names, ", ")))
    return false
  end
  print(missed == 0 and ("%d planted, all found"):format(count)
    or ("%d of %d planted faults MISSED"):format(missed, count))
  return missed == 0
end

io.stdout:setvbuf "line"
local plant = os.getenv "PLANT" or ""
local ok
if plant ~= "" then ok = run_plants(plant)
else ok = run_all(#arg > 0 and table.move(arg, 1, #arg, 1, {}) or campaigns()) end
os.exit(ok and 0 or 1)
