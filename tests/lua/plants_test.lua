-- Faults that campaigns plant: the text that each changes stands in the sources exactly once, so that none is forgotten
-- when the code moves.
local lu = require "luaunit"
local sources = os.getenv "PERILUNE_SOURCES" or "."

TestPlants = {}

function TestPlants:test_each_finds_its_place()
  local names = {}
  for _, plant in ipairs(dofile(sources .. "/tests/campaigns/plants.lua")) do
    lu.assertNil(names[plant.name], plant.name .. ": two of this name")
    names[plant.name] = true
    local file = assert(io.open(("%s/%s"):format(sources, plant.file), "rb"))
    local text = file:read "a"
    file:close()
    local first, last = text:find(plant.from, 1, true)
    lu.assertNotNil(first, ("%s: its text is not in %s"):format(plant.name, plant.file))
    lu.assertNil(text:find(plant.from, last + 1, true),
      ("%s: its text stands twice in %s"):format(plant.name, plant.file))
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
