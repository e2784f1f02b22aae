-- perilune note: notes and tags beside a run, whose files stay as they are.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
os.execute("mkdir -p " .. cli.quote(cli.folder .. "/run"))
local runfile = require "perilune.run.file"

TestNote = {}

local path = cli.folder .. "/run/run.h5"

function TestNote:setUp()
  assert(runfile.write(path, { kind = "run", state = { epoch = 0 }, history = { columns = {}, rows = {} } }))
end

function TestNote:test_notes_and_tags()
  local before = cli.read(path)
  lu.assertEquals(cli.run "note run".out, "")
  lu.assertStrMatches(cli.run "note run 'the first one' --tag good --tag lenet-5".out,
    "%d+%-%d+%-%d+T.-Z  the first one\ntags: good, lenet%-5\n")
  lu.assertStrContains(cli.run "note run/run.h5 'again' --untag good".out, "again\ntags: lenet-5\n")
  lu.assertNil(cli.run "note run '\27[31mred'".out:find "\27")
  lu.assertEquals(cli.read(path), before)
  -- what others wrote into the file is passed over
  local file = io.open(cli.folder .. "/run/notes.jsonl", "a")
  file:write "no json\n[1, 2]\n{\"text\": 7}\n"
  file:close()
  lu.assertStrContains(cli.run "note run".out, "again")
end

function TestNote:test_mistakes()
  local r = cli.run "note nowhere x"
  lu.assertEquals({ r.status, r.err }, { 1,
    "perilune: nowhere is no run: a note is kept in a run's folder, such as runs/my-first-s1\n" })
  r = cli.run "note run x --tag 'a b'"
  lu.assertEquals(r.status, 2)
  lu.assertStrContains(r.err, "a tag has letters")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
