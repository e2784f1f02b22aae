-- perilune init: a folder whose experiment runs, and whose .luarc.json leads an editor to the declarations.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local core = require "perilune.core"

TestInit = {}

function TestInit:test_the_experiment_runs()
  local r = cli.run "init 'my \"first\" try'"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, 'my "first" try/first.lua\nnext: ')
  local check = cli.run "check 'my \"first\" try/first.lua'"
  lu.assertEquals({ check.err, check.status }, { "", 0 })
  lu.assertStrContains(check.out, 'my "first" try')
  lu.assertStrContains(cli.read(cli.folder .. '/my "first" try/first.lua'), "perilune show runs/my-first-try-s1")
  local run = cli.run "run 'my \"first\" try/first.lua' lr=0.01 --epochs 1 --threads 1 -q"
  lu.assertEquals({ run.err, run.status }, { "", 0 })
  if os.execute "command -v luacheck >/dev/null 2>&1" then
    lu.assertTrue(os.execute(("luacheck --no-color -q --std lua54 %s >/dev/null"):format(
      cli.quote(cli.folder .. '/my "first" try/first.lua'))))
  end
end

-- A name is a string of Lua, whatever is in it; comments stand below each other.
function TestInit:test_names()
  for _, name in ipairs { "a", "a\1b", "tab\there", "TITLE", "SHOW", "50%", "back\\slash", "naïve" } do
    local r = cli.run("init " .. cli.quote(name))
    lu.assertEquals({ r.err, r.status }, { "", 0 })
    local check = cli.run("check " .. cli.quote(name .. "/first.lua"))
    lu.assertEquals({ check.err, check.status }, { "", 0 }, name)
  end
  local text = cli.read(cli.folder .. "/a/first.lua")
  local function column(word) return #text:match("\n(%-%-   perilune [^\n]- +)" .. word) end
  lu.assertEquals({ column "trains", column "history" }, { column "shapes", column "shapes" })
end

function TestInit:test_the_editor_finds_the_declarations()
  lu.assertEquals(cli.run("init one").status, 0)
  local settings = core.json.decode(cli.read(cli.folder .. "/one/.luarc.json"))
  lu.assertEquals(settings["runtime.version"], "Lua 5.4")
  local library = settings["workspace.library"][1]
  if library:sub(1, 1) ~= "/" then library = cli.folder .. "/one/" .. library end
  lu.assertEquals(cli.read(library .. "/nn.lua"), core.meta()["nn.lua"])
end

-- As make install lays them out.
function TestInit:test_installed_declarations_are_referred_to()
  local usr = cli.folder .. "/usr"
  os.execute(("mkdir -p %s/bin %s/share/perilune/meta && cp %s %s/bin/perilune"):format(usr, usr,
    cli.quote(cli.program), usr))
  for _, how in ipairs { usr .. "/bin/perilune", "env PATH=" .. usr .. "/bin:$PATH perilune" } do
    os.execute(("cd %s && rm -rf two && %s init two >/dev/null"):format(cli.quote(cli.folder), how))
    lu.assertEquals(core.json.decode(cli.read(cli.folder .. "/two/.luarc.json"))["workspace.library"],
      { usr .. "/share/perilune/meta" })
  end
end

function TestInit:test_nothing_is_overwritten()
  cli.write("there/first.lua", "mine")
  local r = cli.run "init there"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.err, "there is there already; nothing was changed")
  lu.assertEquals(cli.read(cli.folder .. "/there/first.lua"), "mine")
  lu.assertStrContains(cli.run("init ..").err, "is no name for a new folder")
  lu.assertEquals(cli.run("init /proc/no/where").status, 1)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
