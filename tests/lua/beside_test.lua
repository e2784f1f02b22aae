-- Files named as seen from a script's folder, and back.
local lu = require "luaunit"
local beside = require "perilune.script.beside"

TestBeside = {}

function TestBeside:test_names()
  for _, case in ipairs {
    { "models/a.lua", "x.lua", "models/a.lua" }, { "./models/a.lua", "x.lua", "models/a.lua" },
    { "exp/m/a.lua", "exp/x.lua", "m/a.lua" }, { "models/a.lua", "exp/x.lua", "../models/a.lua" },
    { "/p/models/a.lua", "/p/exp/x.lua", "../models/a.lua" }, { "/p/exp/../models/a.lua", "/p/exp/x.lua",
      "../models/a.lua" },
    { "../models/a.lua", "x.lua", "../models/a.lua" }, { "../models/a.lua", "../x.lua", "models/a.lua" },
    { "../../common/a.lua", "../x.lua", "../common/a.lua" }, { "/lib/a.lua", "exp/x.lua", "/lib/a.lua" },
    { "a.lua", "../x.lua", "a.lua" }, { "a.lua", nil, "a.lua" },
  } do
    lu.assertEquals(beside.name_of(case[1], case[2]), case[3], case[1] .. " beside " .. tostring(case[2]))
  end
end

function TestBeside:test_paths()
  for _, case in ipairs {
    { "models/a.lua", "x.lua", "models/a.lua" }, { "../models/a.lua", "exp/x.lua", "models/a.lua" },
    { "../models/a.lua", "/p/exp/x.lua", "/p/models/a.lua" }, { "../a.lua", "../x.lua", "../../a.lua" },
    { "/lib/a.lua", "exp/x.lua", "/lib/a.lua" },
  } do
    lu.assertEquals(beside.path_of(case[1], case[2]), case[3])
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
