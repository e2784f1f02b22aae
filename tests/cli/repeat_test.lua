-- What makes a run repeatable: the script as it was run, whatever way it was given, and every file that it loads,
-- whenever.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local head = [[
local pl = require "perilune"
local nn = pl.nn
]]
local function script(fields)
  return head .. ([[
return pl.experiment { name = "repeat", data = pl.data.digits { train = 60, test = 20 },
  model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 }, epochs = 4, batch_size = 20, FIELDS }
]]):gsub("FIELDS", fields or "")
end

local function same_bits(folder)
  local r = cli.run(("rerun %s -q"):format(folder))
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertStrContains(r.out, "the same bits")
end

local function record(folder)
  return assert(require "perilune.run.file".read(cli.folder .. "/" .. folder .. "/checkpoint.h5", { tensors = false }))
end

TestLate = {}

local late = script('schedule = function(epoch) return require "late_rate"(epoch) end, callbacks = { on_batch = ' ..
  'function(ctx) ' ..
  'if ctx.step == tonumber(os.getenv "DIE") then os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end ' ..
    'end }')

function TestLate:test_a_module_required_in_a_schedule_is_part_of_the_run()
  local file = cli.write("late/main.lua", late)
  cli.write("late/late_rate.lua", "return function() return 0.1 end")
  lu.assertEquals(cli.run(("run %s -q --out late-run"):format(file), "DIE=8").status, 137)
  local files = record "late-run".state.identity.files
  lu.assertEquals({ #files, files[1].late, files[1].text }, { 1, true, "return function() return 0.1 end" })
  cli.write("late/late_rate.lua", "return function() return 0.5 end")
  local r = cli.run(("run %s -q --out late-run"):format(file))
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.err, "late_rate.lua: line 1 was 'return function() return 0.1 end', now 'return " ..
    "function() return 0.5 end'")
  cli.write("late/late_rate.lua", "return function() return 0.1 end")
  lu.assertEquals(cli.run(("run %s -q --out late-run"):format(file)).status, 0)
  cli.write("late/late_rate.lua", "return function() return 0.5 end")
  same_bits "late-run"                               -- with the module as the file keeps it
  os.execute("rm -r " .. cli.quote(cli.folder .. "/late"))
  same_bits "late-run"
end

function TestLate:test_a_file_that_changes_under_the_run_is_said()
  local rate = cli.write("live/rate.lua", "return 0.1")
  local file = cli.write("live/main.lua", script(('schedule = function(epoch) if epoch == 3 then local f = ' ..
    'io.open(%q, "w") f:write "return 0.2" f:close() end ' ..
    'return dofile(%q) end'):format(rate, rate)))
  local r = cli.run(("run %s --out live-run"):format(file))
  lu.assertEquals(r.status, 0)
  lu.assertStrContains(r.out, "rate.lua has changed since it was loaded (line 1 was 'return 0.1', now 'return " ..
    "0.2'); the run is marked as edited")
  lu.assertEquals(select(2, r.out:gsub("has changed since", "")), 1)
  lu.assertStrMatches(record "live-run".state.edited, "epoch 2: .*live/rate%.lua changed")
  lu.assertStrContains(cli.run "rerun live-run -q".err, "was edited by hand")
end

TestGiven = {}

function TestGiven:test_the_script_kept_is_what_was_run()
  local plain = script()
  local texts = { plain = plain, bom = "\239\187\191" .. plain, shebang = "#!/usr/bin/env perilune\n" .. plain,
    both = "\239\187\191#!/usr/bin/env perilune\n" .. plain, crlf = plain:gsub("\n", "\r\n") }
  for name, text in pairs(texts) do
    local file = cli.write(("given/%s.lua"):format(name), text)
    local folder = "given-" .. name
    lu.assertEquals(cli.run(("run %s -q --out %s"):format(file, folder)).err, "", name)
    os.remove(file)
    lu.assertEquals(record(folder).state.identity.script, text)
    same_bits(folder)
  end
end

function TestGiven:test_by_other_ways()
  local file = cli.write("ways/main.lua", head .. 'assert(require "beside" == 3)\n' .. script())
  cli.write("ways/beside.lua", "#!/usr/bin/env lua\nreturn 3")
  os.execute(("ln -sf main.lua %s/ways/link.lua"):format(cli.folder))
  cli.write("plain.lua", script())
  for name, words in pairs { relative = "run ways/../ways/main.lua", symlink = "run ways/link.lua",
    stdin = "run - < plain.lua",
      device = "run /dev/stdin < plain.lua" } do
    local input = words:match "<.*" or ""
    words = ("%s -q --out by-%s %s"):format(words:gsub(" <.*", ""), name, input)
    lu.assertTrue(os.execute(("cd %s && %s %s >/dev/null"):format(cli.quote(cli.folder), cli.quote(cli.program),
      words)), name)
    lu.assertEquals(record("by-" .. name).state.identity.script,
      cli.read(input == "" and file or cli.folder .. "/plain.lua"))
    same_bits("by-" .. name)
  end
  lu.assertTrue(os.execute(("cd %s && %s check - <plain.lua >/dev/null"):format(cli.quote(cli.folder),
    cli.quote(cli.program))))
end

-- A script that loads an experiment and trains it: the experiment's file, and what it loaded.
function TestGiven:test_dofile()
  local file = cli.write("do/main.lua", '#!/usr/bin/perilune\nrequire "do.beside"\n' .. script())
  cli.write("do/beside.lua", "return 1")
  cli.write("do/outer.lua", ('package.path = "./?.lua;" .. package.path\nlocal e = dofile %q\ne:run { out = ' ..
    '"by-dofile", quiet = true, silent = true }')
    :format(file))
  local r = cli.run "do/outer.lua"
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  local identity = record "by-dofile".state.identity
  lu.assertEquals(identity.script, cli.read(file))
  lu.assertEquals({ #identity.files, identity.files[1].text }, { 1, "return 1" })
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
