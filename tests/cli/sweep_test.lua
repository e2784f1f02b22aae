-- perilune sweep: what is trained, what a second command adds, what is refused, what it chooses by, halving, failures,
-- lists for others.
local lu = require "luaunit"
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local cli = dofile "tests/cli/support.lua"
local trial = require "perilune.sweep.trial"

local small = [[
local pl = require "perilune"
local lr, width = pl.arg("lr", 0.1), pl.arg("width", 4)
local function note(ctx)
  local file = assert(io.open("ledger", "ab"))
  file:write(("%%g %%d %%d from %%d\n"):format(lr, width, ctx.seed, ctx.epoch))
  file:close()
  if lr == 7 then error "seven is a bad rate" end
end
return pl.experiment { name = "small", data = pl.data.digits { train = 120, test = 40 }, epochs = pl.arg("epochs", 4),
  batch_size = 20, validation = 0.25,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, width), pl.nn.Tanh(), pl.nn.Linear(width, 10) },
  loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = lr }, callbacks = { on_start = note },
  test = pl.arg("kind", "epoch", { "epoch", "end" }) }
]]
cli.write("small.lua", (small:gsub("%%%%", "%%")))
cli.write("plain.lua", (small:gsub("%%%%", "%%"):gsub("validation = 0.25", "validation = 0")))

local function sweep(words) return cli.run("sweep " .. words) end

local function ledger()
  local list, file = {}, io.open(cli.folder .. "/ledger", "rb")
  if file then
    for line in file:lines() do list[#list + 1] = line end
    file:close()
  end
  os.remove(cli.folder .. "/ledger")
  table.sort(list)
  return list
end

local function table_of(folder)
  local rows = assert(csv.decode(cli.read(cli.folder .. "/" .. folder .. "/sweep.csv")))
  local by_name = {}
  for _, row in ipairs(rows) do by_name[row.trial] = row end
  return by_name, #rows
end

local function fails(words, message, status)
  local r = sweep(words)
  lu.assertEquals(r.err, "perilune: " .. message .. "\n")
  lu.assertEquals({ r.out, r.status }, { "", status })
end

TestSweep = {}

function TestSweep:test_a_grid_then_a_wider_one()
  local r = sweep "small.lua lr=0.1,1e-2 width=2 --seeds 2 --jobs 2"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertEquals(ledger(), { "0.01 2 1 from 0", "0.01 2 2 from 0", "0.1 2 1 from 0", "0.1 2 2 from 0" })
  lu.assertStrContains(r.out, "chosen by      val_error, mean over seeds")
  lu.assertStrMatches(r.out, ".*the best again %S+ run small.lua lr=0.%d+ width=2 %-%-seed 1\n.*")
  local rows, count = table_of "runs/sweep-small"
  lu.assertEquals(count, 4)
  local row = rows["lr=0.01,width=2-s2"]
  lu.assertEquals({ row.lr, row.width, row.seed, row.state, row.epochs }, { "0.01", "2", "2", "finished", "4" })
  -- its folder is that of an ordinary run, and its numbers are in the table
  local shown = cli.run "show 'runs/sweep-small/lr=0.01,width=2-s2' --json"
  lu.assertEquals(core.json.decode(shown.out).test.error, tonumber(row.test_error))
  -- the same value written otherwise, one more value, one more seed
  r = sweep "small.lua width=2,3 lr=0.010 --seeds 3"
  lu.assertEquals(r.status, 0)
  lu.assertEquals(ledger(), { "0.01 2 3 from 0", "0.01 3 1 from 0", "0.01 3 2 from 0", "0.01 3 3 from 0" })
  lu.assertEquals(select(2, table_of "runs/sweep-small"), 8)
  lu.assertEquals(sweep("small.lua width=2,3 lr=0.01 --seeds 3").status, 0)
  lu.assertEquals(ledger(), {})
end

function TestSweep:test_drawn_values_are_the_same_each_time_and_more_begin_with_them()
  local function names(words)
    local list = {}
    for line in sweep(words .. " --list").out:gmatch "[^\n]+" do
      list[#list + 1] = line:match "run small.lua (.-) %-%-seed"
    end
    return list
  end
  local three = names "small.lua lr=log:1e-3..1 width=lin:2..9 --trials 3 --out drawn"
  local five = names "small.lua width=lin:2..9 lr=log:1e-3..1 --trials 5 --out drawn"
  local other = names "small.lua lr=log:1e-3..1 width=lin:2..9 --trials 3 --sampling-seed 2 --out drawn2"
  lu.assertEquals(#five, 5)
  lu.assertEquals(table.move(five, 1, 3, 1, {}), three)
  lu.assertNotEquals(other, three)
  for _, words in ipairs(five) do
    local lr, width = words:match "^lr=([%d.e-]+) width=(%d)$"
    lu.assertTrue(tonumber(lr) >= 1e-3 and tonumber(lr) <= 1 and tonumber(width) >= 2, words)
  end
end

function TestSweep:test_failed_trials_are_marked_and_others_go_on()
  local r = sweep "small.lua lr=7,0.1 --out failing"
  lu.assertEquals(r.status, 1)
  lu.assertStrMatches(r.out, ".*lr=7%-s1  failed: small.lua:%d+: seven is a bad rate\n.*failed         1; " ..
    "%-%-retry trains it again\n.*")
  local rows = table_of "failing"
  lu.assertEquals({ rows["lr=7-s1"].state, rows["lr=0.1-s1"].state }, { "failed", "finished" })
  lu.assertStrContains(rows["lr=7-s1"].message, "seven is a bad rate")
  lu.assertEquals(#ledger(), 2)
  lu.assertEquals(sweep("small.lua lr=7,0.1 --out failing").status, 1)
  lu.assertEquals(ledger(), {})
  sweep "small.lua lr=7,0.1 --out failing --retry"
  lu.assertEquals(ledger(), { "7 4 1 from 0" })
  r = sweep "small.lua lr=7,0.3 --out fast --fail-fast"
  lu.assertEquals(r.status, 1)
  lu.assertEquals(ledger(), { "7 4 1 from 0" })
  lu.assertStrContains(r.out, "left           1; the same command resumes it")
end

-- A process that ends without a word in failed.txt has left one in its output.
function TestSweep:test_trials_that_end_without_noting_why()
  cli.write("ending.lua", (small:gsub("%%%%", "%%"):gsub('error "seven is a bad rate"', 'print "bye" os.exit(3)')))
  lu.assertStrContains(sweep("ending.lua lr=7 --out ending").out, "failed: its process ended with status 3: bye\n")
  lu.assertStrContains(sweep("small.lua lr=0.1 --memory 1K --out little").out,
    "failed: its process ended with status 1: the memory limit of ")
  ledger()
end

-- Rungs after epochs 1 and 2 of 4: four configurations, then two, then one to its end. Pauses change no bit.
function TestSweep:test_halving()
  local r = sweep "small.lua lr=0.001,0.01,0.1,0.3 --halving --jobs 2 --out halved"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  lu.assertStrContains(r.out, "rung 1 of 2: 4 configurations to epoch 1; the best 2 by val_error continue")
  lu.assertStrContains(r.out, "rung 2 of 2: 2 configurations to epoch 2; the best 1 by val_error continue")
  local epochs = {}
  for name, row in pairs((table_of "halved")) do
    epochs[#epochs + 1] = tonumber(row.epochs) .. " " .. row.state .. (name and "")
  end
  table.sort(epochs)
  lu.assertEquals(epochs, { "1 unfinished", "1 unfinished", "2 unfinished", "4 finished" })
  local begun = ledger()
  lu.assertEquals(#begun, 7)
  lu.assertEquals(sweep("small.lua lr=0.001,0.01,0.1,0.3 --halving --out halved").status, 0)
  lu.assertEquals(ledger(), {})
  for name, row in pairs((table_of "halved")) do
    if row.state == "finished" then
      sweep(("small.lua lr=%s --out alone"):format(row.lr))
      local function digest(folder)
        return assert(require "perilune.run.file".read(("%s/%s/%s/run.h5"):format(cli.folder, folder,
          name)).state.weights_sha256)
      end
      lu.assertEquals(digest "halved", digest "alone")
    end
  end
  ledger()
end

function TestSweep:test_choosing()
  fails("plain.lua lr=0.1,0.2", "sweep: there is no validation set to choose by: add validation = " ..
    "0.1 to the experiment; or say --select none (a table only), or --select test (and the table says so)", 2)
  lu.assertNil(core.system.kind(cli.folder .. "/runs/sweep-plain"))
  local r = sweep "plain.lua lr=0.1,0.2 --select test --quiet"
  lu.assertStrContains(r.out, "best by the TEST set")
  lu.assertStrContains(r.out, "chosen by      test_error, of the TEST set: its error is no estimate of that on new " ..
    "data")
  r = sweep "plain.lua lr=0.1,0.2 --select none --quiet"
  lu.assertEquals(r.status, 0)
  lu.assertNil(r.out:find "best")
  fails("small.lua lr=0.1,0.2 --select test_error",
    "sweep: test_error is of the test set; say --select test to choose by that", 2)
  fails("small.lua lr=0.1,0.2 --select vall_loss",
    "sweep: the experiment does not measure 'vall_loss'; did you mean 'val_loss'?", 2)
  fails("small.lua lr=0.1,0.2 kind=end --select test --halving",
    'sweep: --halving --select test needs test = "epoch" in the experiment', 2)
  fails("small.lua lr=0.1 --halving --select none",
    "sweep: --halving chooses by a metric; --select none leaves it none", 2)
  ledger()
end

function TestSweep:test_mistakes()
  fails("none.lua lr=1", "sweep: there is no file none.lua", 1)
  fails("small.lua lrr=1,2", "small.lua: the script has no argument 'lrr'; did you mean 'lr'?", 2)
  fails("small.lua width=5..1", "sweep: width=5..1: the range is empty: 5 is above 1", 2)
  fails("small.lua width=1.5..2", "sweep: width=1.5..2: a range counts whole numbers; lin:1.5..2 draws between " ..
    "its ends, with --trials", 2)
  fails("small.lua lr=lin:2..1 --trials 3", "sweep: lr=lin:2..1: the range is empty: 2 is not below 1", 2)
  fails("small.lua lr=log:0..1 --trials 3", "sweep: lr=log:0..1: a logarithmic range begins above 0, got 0", 2)
  fails("small.lua lr=log:1..x --trials 3", "sweep: lr=log:1..x: an end of a range is a number, got 'x'", 2)
  fails("small.lua lr=log:0.1..1", "sweep: lr=log:... has no end of values; say how many to draw with --trials N", 2)
  fails("small.lua lr=0.1,", "sweep: lr=0.1,: a value is missing", 2)
  fails("small.lua lr", "sweep: 'lr' is no argument; one is written name=value,value, such as lr=1e-3,1e-2", 2)
  fails("small.lua lr=1 lr=2", "sweep: argument 'lr' is given twice", 2)
  fails("small.lua lr=0.1,0.2 --trials 3", "sweep: 3 trials are wanted, but there are only 2 combinations", 2)
  fails("small.lua kind=epoch,never", 'small.lua:14: argument kind=never: one of epoch, end is expected', 1)
  lu.assertStrContains(sweep("small.lua lr=1 --trials 0").err, "a whole number from 1 is expected, got '0'")
  lu.assertStrContains(sweep("small.lua lr=1 --jobs 0").err, "a whole number from 1 is expected, got '0'")
  lu.assertEquals(ledger(), {})
end

function TestSweep:test_folders_of_others()
  sweep "small.lua lr=0.1 --out mine --quiet"
  fails("plain.lua lr=0.1 --out mine", "mine belongs to a sweep of another script (small.lua, or what it was " ..
    "before it was changed); choose another folder with --out DIR", 1)
  fails("small.lua lr=0.1 --epochs 2 --out mine",
    "mine belongs to a sweep of all epochs; choose another folder with --out DIR", 1)
  cli.write("strange/notes.txt", "mine")
  fails("small.lua lr=0.1 --out strange", "strange is there and holds no sweep; choose another folder with --out DIR",
    1)
  cli.write("future/sweep.json", '{ "format": "perilune sweep", "version": 2 }')
  fails("small.lua lr=0.1 --out future", "future/sweep.json has version 2; this program knows version 1", 1)
  cli.write("torn/sweep.json", '{ "format": "perilu')
  lu.assertEquals(sweep("small.lua lr=0.1 --out torn").status, 1)
  ledger()
end

-- Which files a script loads may depend on its arguments: all of them belong to the sweep, seen from the script.
function TestSweep:test_files_that_the_arguments_choose()
  cli.write("models/a.lua", "return 3")
  cli.write("models/b.lua", "return 4")
  local by_module = small:gsub("%%%%", "%%"):gsub('pl.arg%("width", 4%)', 'require("models." .. pl.arg "model")')
  cli.write("chosen.lua", by_module)
  lu.assertEquals(sweep("chosen.lua model=a --out chosen").status, 0)
  lu.assertEquals(#ledger(), 1)
  local r = sweep "chosen.lua model=b,a --out chosen"
  lu.assertEquals({ r.err, #ledger() }, { "", 1 })
  os.execute("mkdir -p " .. cli.quote(cli.folder .. "/below"))
  local from_below = ("cd %s/below && %s sweep ../chosen.lua model=a --out ../chosen >../.o 2>&1")
    :format(cli.quote(cli.folder), cli.quote(cli.program))
  lu.assertTrue(os.execute(from_below), "from another folder")
  lu.assertEquals(ledger(), {})
  cli.write("models/b.lua", "return 5")
  for _, model in ipairs { "a,b", "a" } do
    fails(("chosen.lua model=%s --out chosen"):format(model), "chosen belongs to a sweep of chosen.lua as it was " ..
      "with another models/b.lua; choose another folder with --out DIR", 1)
  end
  lu.assertEquals(ledger(), {})
end

-- What was removed of a trial is trained again, or read from what is left of it.
function TestSweep:test_trials_of_which_something_was_removed()
  sweep "small.lua lr=0.1,0.2,0.3,0.4 --out removed --quiet"
  local function digest(lr)
    local path = ("%s/removed/lr=%s-s1/run.h5"):format(cli.folder, lr)
    return core.system.kind(path) == "file" and require "perilune.run.file".read(path).state.weights_sha256
  end
  local before = {}
  for i = 1, 4 do before[i] = assert(digest("0." .. i)) end
  ledger()
  for _, path in ipairs { "lr=0.1-s1", "lr=0.2-s1/run.h5", "lr=0.3-s1/run.h5", "lr=0.3-s1/checkpoint.h5",
    "lr=0.4-s1/log.jsonl" } do os.execute(("rm -r %s/removed/%s"):format(cli.quote(cli.folder), path)) end
  local r = sweep "small.lua lr=0.1,0.2,0.3,0.4 --out removed"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  for i = 1, 4 do lu.assertEquals(digest("0." .. i), before[i], i) end
  lu.assertEquals(r.out:find "left", nil)
  ledger()
end

-- A run file of another version in a trial's folder: that trial fails, and nothing of it is overwritten.
function TestSweep:test_a_run_file_of_another_version()
  local folder = cli.folder .. "/versions/lr=0.1-s1"
  sweep "small.lua lr=0.1 --out versions --list"
  cli.write("versions/lr=0.1-s1/checkpoint.h5", "from elsewhere")
  local r = sweep "small.lua lr=0.1,0.2 --out versions"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.out, "lr=0.1-s1  failed: ")
  lu.assertEquals(cli.read(folder .. "/checkpoint.h5"), "from elsewhere")
  lu.assertEquals(trial.status(cli.folder .. "/versions/lr=0.2-s1").state, "finished")
  ledger()
end

function TestSweep:test_lists_for_other_engines()
  local r = sweep "small.lua lr=0.1,0.2 width=2 --seeds 2 --list --out elsewhere"
  local commands = {}
  for line in r.out:gmatch "[^\n]+" do commands[#commands + 1] = line end
  lu.assertEquals(#commands, 4)
  for _ = 1, 2 do      -- all of them, twice
    for _, command in ipairs(commands) do
      lu.assertTrue(os.execute(("cd %s && %s >/dev/null"):format(cli.quote(cli.folder), command)))
    end
  end
  lu.assertEquals(#ledger(), 4)
  lu.assertEquals(sweep("small.lua lr=0.1,0.2 width=2 --seeds 2 --list --out elsewhere").out, "")
  r = sweep "small.lua lr=0.1..x,0.2 --slurm --out elsewhere"
  lu.assertEquals(r.status, 1)
  r = sweep "small.lua lr=0.3,0.4 width=2 --slurm --threads 3 --time 10:00 --memory 1G --out elsewhere"
  lu.assertEquals(r.out, "2 tasks; submit with: sbatch elsewhere/sweep.sbatch\n")
  local batch = cli.read(cli.folder .. "/elsewhere/sweep.sbatch")
  for _, line in ipairs { "--array=1-2", "--cpus-per-task=3", "--time=10:00", "--mem=1480M" } do
    lu.assertStrContains(batch, "#SBATCH " .. line .. "\n")
  end
  lu.assertTrue(os.execute(("cd / && SLURM_ARRAY_TASK_ID=2 sh %s/elsewhere/sweep.sbatch " ..
    ">/dev/null"):format(cli.folder)))
  lu.assertEquals(ledger(), { "0.4 2 1 from 0" })
  fails("small.lua lr=0.3 --list --jobs 2",
    "sweep: --jobs: with --list it is for GNU parallel to say (parallel -j 4 --timeout 3600)", 2)
  fails("small.lua lr=0.3 --list --slurm", "sweep: --list or --slurm, one of them", 2)
  fails("small.lua lr=0.3 --time 1:00", "sweep: --time is the time limit of a task of --slurm", 2)
  fails("small.lua lr=0.3,0.4 --sampling-seed 2",
    "sweep: --sampling-seed is what --trials N draws from; without it nothing is drawn", 2)
  for _, word in ipairs { "'1 day'", "1:2:3:4", "soon", "''" } do
    lu.assertStrContains(sweep("small.lua lr=0.3 --slurm --time " .. word).err, "1-12 (days and hours) is expected")
  end
  fails("small.lua lr=0.3,0.4 --halving --list",
    "sweep: --halving waits for all trials at each rung; it runs here, not with --list or --slurm", 2)
end

-- The script for Slurm holds its commands, whatever is in the names of folders and in values, and is written for as
-- many tasks as an array takes.
function TestSweep:test_the_script_for_slurm()
  local body = small:gsub("%%%%", "%%")
  cli.write('a "b" %j/my own.lua', (body:gsub("epochs = pl.arg", 'name = pl.arg("text", "-"), %0')))
  local inside = cli.quote(cli.folder .. '/a "b" %j')
  local function shell(command)
    return os.execute(("cd %s && %s >../.o 2>&1"):format(inside, command)), cli.read(cli.folder .. "/.o")
  end
  local words = cli.quote(cli.program) ..
    [[ sweep 'my own.lua' "text=it's,[a,b \$HOME]" --slurm --out 'x y' --jobs 1]]
  local ok, out = shell(words)
  lu.assertEquals({ ok, out }, { true, "2 tasks; submit with: sbatch 'x y/sweep.sbatch'\n" })
  local path = cli.folder .. '/a "b" %j/x y/sweep.sbatch'
  local batch = cli.read(path)
  lu.assertStrContains(batch, ('#SBATCH --output="%s/a \\"b\\" %%%%j/x y/slurm-%%A_%%a.txt"\n'):format(cli.folder))
  lu.assertStrContains(batch, "#SBATCH --array=1-2%1\n")
  local function task(id)
    return os.execute(("cd / && SLURM_ARRAY_TASK_ID=%s sh %s >%s 2>&1"):format(id, cli.quote(path),
      cli.quote(cli.folder .. "/.o")))
  end
  lu.assertTrue(task(1))
  lu.assertNil(task(3))
  lu.assertStrContains(cli.read(cli.folder .. "/.o"), "there is no task '3'")
  -- written anew it has one task; what was submitted is a copy of the first
  os.rename(path, path .. ".submitted")
  lu.assertStrContains(select(2, shell(words)), "1 task; submit with: ")
  path = path .. ".submitted"
  lu.assertTrue(task(2))
  ok, out = shell(words)
  lu.assertEquals({ ok, out }, { true, "nothing is missing in x y\n" })
  local r = sweep "small.lua lr=1..1001 --slurm --out many"
  lu.assertEquals(r.out, "1000 tasks; submit with: sbatch many/sweep.sbatch\n" ..
    "1 more are missing than an array takes; when it is done, the same command writes the rest\n")
  ledger()
  os.remove(cli.folder .. '/a "b" %j/ledger')
end

-- The command that it ends with trains the best trial again, whatever seed the script has.
function TestSweep:test_the_best_again()
  cli.write("seeded.lua", (small:gsub("%%%%", "%%"):gsub("epochs = pl.arg", "seed = 7, %0")))
  local r = sweep "seeded.lua lr=0.1,0.001 width=3 --epochs 2 --seeds 2 --out again --quiet"
  local command = r.out:match "the best again %S+ ([^\n]*)\n"
  lu.assertEquals(command, "run seeded.lua lr=0.1 width=3 --seed 1 --epochs 2")
  lu.assertEquals(cli.run(command .. " --quiet --out once-more").status, 0)
  local function digest(folder)
    return assert(require "perilune.run.file".read(("%s/%s/run.h5"):format(cli.folder, folder)).state.weights_sha256)
  end
  lu.assertEquals(digest "once-more", digest "again/lr=0.1,width=3-s1")
  ledger()
end

-- Columns of sweep.csv: no two of one name, own metrics too, defaults of arguments, and where a paused trial is.
function TestSweep:test_columns()
  local own = small:gsub("%%%%", "%%"):gsub("test = pl.arg", "metrics = { auc = function() return lr end }, %0")
  cli.write("columns.lua", own)
  sweep "columns.lua epochs=3 --out columns --quiet"
  local r = sweep "columns.lua epochs=3 lr=0.2,0.3 --select auc --mode max --halving --out columns --quiet"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  local heading = cli.read(cli.folder .. "/columns/sweep.csv"):match "^[^\n]*"
  lu.assertStrContains(heading, "trial,arg.epochs,lr,seed,state,epochs,auc,seconds,test_accuracy,")
  local rows = table_of "columns"
  lu.assertEquals(rows["epochs=3-s1"].lr, "0.1")
  for name, row in pairs(rows) do
    lu.assertEquals(row.auc, row.lr, name)
    lu.assertTrue(row.state == "finished" or row.val_error ~= "", name)
  end
  lu.assertStrMatches(r.out, ".*left at epoch 1 %(0%.2%)\n.*")
  ledger()
end

-- Where sweep.csv cannot be written the table is shown, and says so.
function TestSweep:test_no_sweep_csv()
  sweep "small.lua lr=0.1,0.2 --out unwritten --quiet"
  os.remove(cli.folder .. "/unwritten/sweep.csv")
  assert(core.store.mkdir(cli.folder .. "/unwritten/sweep.csv"))
  local r = sweep "small.lua lr=0.1,0.2 --out unwritten --quiet"
  lu.assertEquals({ r.err, r.status }, { "", 1 })
  lu.assertStrContains(r.out, "  best\n")
  lu.assertStrMatches(r.out, ".*\nnot written    [^\n]*sweep.csv.*")
  ledger()
end

-- A trial that another process trains is left to it.
function TestSweep:test_a_trial_that_is_taken()
  local folder = cli.folder .. "/taken/lr=0.1-s1"
  assert(core.store.mkdir(folder))
  local lock <close> = assert(core.store.lock(folder .. "/.lock"))
  local r = cli.run "run small.lua lr=0.1 --seed 1 --out taken/lr=0.1-s1 --trial --quiet"
  lu.assertEquals({ r.status, core.store.exists(folder .. "/failed.txt") }, { 75 })
  lu.assertStrContains(r.err, "another run is training into taken/lr=0.1-s1")
  lu.assertEquals(trial.status(folder).state, "running")
  lu.assertNotNil(lock)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
