-- What the command line says when something is wrong: one line, where, and what to do; and its exit status.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local problem = dofile "tests/cli/problem.lua"
local good = problem:gsub(", EXTRA", ""):gsub("CALLBACKS", "")

-- `script` is written to x.lua; `words` are run; the error must be exactly this one line.
local function expect(status, message, words, script, environment)
  if script then cli.write("x.lua", script) end
  local r = cli.run(words, environment)
  lu.assertEquals(r.err, "perilune: " .. message .. "\n")
  lu.assertEquals(r.status, status)
end

TestUsage = {}

function TestUsage:test_unknown_options_and_commands()
  expect(2, "run: unknown option '--epohcs'; did you mean '--epochs'? (see: perilune help run)", "run --epohcs 3 x.lua")
  expect(2, "run: missing argument 'file' (see: perilune help run)", "run")
  expect(2, "there is no command and no file 'rnu'; did you mean 'run'? (see: perilune help)", "rnu x.lua")
  expect(2, "options come after the command: perilune run ... (see: perilune help run)", "--threads 2 run x.lua")
  expect(2, "unknown option '--vers'; did you mean '--version'? (see: perilune help)", "--vers")
  expect(2, "option '-e' is followed by code, such as: perilune -e 'print(1 + 1)'", "-e")
  expect(2, "data: unknown command 'fetsh'; did you mean 'fetch'? (see: perilune help data)", "data fetsh")
end

function TestUsage:test_values_of_options()
  expect(2, "run: option '--epochs': a whole number from 1 is expected, got '0' (see: perilune help run)",
    "run x.lua --epochs 0")
  expect(2, "run: option '--threads': a whole number from 0 is expected, got 'many' (see: perilune help run)",
    "run x.lua --threads many")
  expect(2, "run: option '--checkpoint-every': a number of seconds from 0 is expected, got '-x' (see: perilune " ..
    "help run)", "run x.lua --checkpoint-every=-x")
  expect(2, "run: '-1' is taken for an option; a number here is not negative (see: perilune help run)",
    "run x.lua --seed -1")
end

function TestUsage:test_files_that_are_no_scripts()
  local what = "is a file of Perilune's, not a script; look at a run with: perilune show FOLDER, load a model " ..
    "with nn.load(path)"
  cli.write("x.h5", "PERILUNE\0\1")
  for _, words in ipairs { "run x.h5", "check x.h5", "x.h5" } do expect(1, "x.h5 " .. what, words) end
  cli.write("y.h5", "\137HDF\r\n\26\n")
  expect(1, "y.h5 is an HDF5 file, not a script; read it with pl.load(path, { foreign = true }) or data.hdf5 { " ..
    "path = ..., foreign = true }", "run y.h5")
end

function TestUsage:test_arguments_of_the_script()
  expect(2, "x.lua: the script has no argument 'lrr'; did you mean 'lr'?", "run x.lua lrr=1", good)
  expect(2, "'lr' is not an argument of a script; arguments are written name=value, such as lr=0.01", "run x.lua lr",
    good)
  local r = cli.run "-i x.lua lrr=1"
  lu.assertStrContains(r.err, "perilune: x.lua: the script has no argument 'lrr'; did you mean 'lr'?\n")
  expect(1, "x.lua:22: argument lr=fast: expects a number, such as lr=0.01", "run x.lua lr=fast", good)
end

TestScripts = {}

function TestScripts:test_syntax_error()
  expect(1, "x.lua:2: <name> expected near '='", "run x.lua", "local a = 1\nlocal = 2\n")
end
function TestScripts:test_runtime_error()
  expect(1, "x.lua:2: attempt to index a nil value (global 'nm')", "run x.lua",
    "local pl = 1\nlocal m = nm.Linear(1, 2)\n")
end
-- One line, that of the pass, where the script's own function is at fault for what it returns.
function TestScripts:test_layers_that_are_functions()
  local function lambda(fields, pass)
    return ("local pl = require 'perilune'\nlocal nn, x = pl.nn, pl.ones(1, 2)\n" ..
      "local m = nn.Sequential { nn.Linear(2, 2), nn.Lambda { %s } }:build { 2 }\nm:forward(x)\n%s\n")
      :format(fields, pass or "")
  end
  local due = "Lambda: forward must return an f32 tensor of shape [1, 2], got "
  expect(1, "x.lua:4: " .. due .. "f32 [1]", "x.lua", lambda "forward = function(v) return v:sum(2) end")
  expect(1, "x.lua:4: " .. due .. "nil", "x.lua", lambda "forward = function() end")
  expect(1, "x.lua:4: " .. due .. "number", "x.lua", lambda "forward = function() return 3 end")
  expect(1, "x.lua:5: Lambda: cannot be trained through without backward = function(dy, x, y) ... end", "x.lua",
    lambda("forward = function(v) return v end", "m:backward(x)"))
  expect(1, "x.lua:3: layer 2 (Lambda): needs forward = function(x) ... end", "x.lua", lambda "")
  local r = cli.run "-e 'pl.nn.Residual(pl.nn.Lambda {}):build { 2 }'"
  lu.assertStrContains(r.err, "perilune: (command line):1: layer 1 (Lambda): needs forward")
end
function TestScripts:test_no_such_file()
  expect(1, "cannot open nowhere.lua: No such file or directory", "run nowhere.lua")
end
function TestScripts:test_a_folder() expect(1, ". is a folder; a Lua file is expected", "run .") end
function TestScripts:test_missing_module()
  expect(1, "x.lua:1: module 'common.nothing' not found (looked for in package.path and package.cpath)", "run x.lua",
    'require "common.nothing"')
end

function TestScripts:test_returns_no_experiment()
  expect(1, "x.lua: returns nothing; an experiment file ends with: return pl.experiment { ... }", "check x.lua",
    "local pl = require 'perilune'")
end

function TestScripts:test_precompiled_code_is_refused()
  cli.write("x.lua", string.dump(load "return 1"))
  expect(1, "x.lua: attempt to load a binary chunk (mode is 't')", "run x.lua")
end

function TestScripts:test_error_objects_and_tracebacks()
  expect(1, "(error object is a nil value)", "x.lua", "error(nil)")
  expect(1, "custom", "x.lua", "error(setmetatable({}, { __tostring = function() return 'custom' end }))")
  for _, status in ipairs { 0, 256, -1 } do
    expect(1, "boom", "x.lua", ("error { message = 'boom', status = %d }"):format(status))
  end
  local r = cli.run("x.lua", "PERILUNE_TRACEBACK=1 A=1")
  lu.assertNotStrContains(r.out .. r.err, "[C]: in function 'error'\n\n")
end

TestExperiments = {}

function TestExperiments:test_wrong_shape_names_file_line_layer_and_remedy()
  local script = good:gsub("nn.Linear%(64, 2%)", "nn.Linear(63, 2, { name = 'fc1' })")
  cli.write("x.lua", script)
  for _, command in ipairs { "check", "run" } do
    local r = cli.run(command .. " x.lua")
    lu.assertEquals(r.status, 1)
    lu.assertStrMatches(r.err, "perilune: x%.lua:21: layer 7 %(Linear, \"fc1\"%).*63.*64.*\n")
  end
  script = good:gsub("nn.Flatten%(%),", "")
  cli.write("x.lua", script)
  lu.assertStrContains(cli.run("check x.lua").err, "put nn.Flatten() before it")
end

function TestExperiments:test_check_shows_what_is_set()
  local function shown(words) return (cli.run(words).out:gsub("%s+", " ")) end
  cli.write("x.lua", good)
  local out = shown "check x.lua"
  lu.assertStrContains(out, "schedule a function of the script augment affine { chance = 0.5, fill = zero, " ..
    "per = image, sample = bilinear, shift = { -0.1, 0.1 }, unit = fraction }")
  lu.assertNotStrContains(out, "hint")
  cli.write("x.lua", [[
    local pl = require "perilune"
    return pl.experiment { name = "b", data = pl.data.from_tensors { x = pl.ones(8, 2), y = pl.ones(8, 1) },
      model = pl.nn.Linear(2, 1), loss = pl.nn.BCE(), optimizer = pl.optim.SGD {}, epochs = 1, batch_size = 4,
      schedule = pl.schedule.step { every = 2 } }
  ]])
  local hint = "BCE on targets that are values: no accuracy is measured; if they are 0 and 1, give them as i32 labels"
  out = shown "check x.lua"
  lu.assertStrContains(out, "hint " .. hint)
  lu.assertStrContains(out, 'schedule pl.schedule.step { every = 2, factor = 0.1, per = "epoch" }')
  lu.assertStrContains(shown "run x.lua", "hint: " .. hint)
end

function TestExperiments:test_unknown_field_and_option()
  expect(1, "x.lua:16: pl.experiment has no field 'epoch'; did you mean 'epochs'?", "check x.lua",
    (good:gsub("epochs = 5", "epoch = 5")))
  expect(1, "x.lua:22: Adam has no option 'wieght_decay'; did you mean 'weight_decay'?", "check x.lua",
    (good:gsub("{ lr = pl.arg%(\"lr\", 0.01%) }", "{ wieght_decay = 1 }")))
end

function TestExperiments:test_missing_data()
  local script = good:gsub("data = pl.data.from_tensors.-\n", "data = pl.data.mnist(),\n"):gsub("nn.Linear%(64, 2%)",
    "nn.Linear(784, 10)")
  cli.write("x.lua", script)
  lu.assertEquals(cli.run("check x.lua", "-u PERILUNE_DATA XDG_DATA_HOME=/nowhere").status, 0)     -- no data is read
  cli.write("y.lua", (script:gsub("mnist%(%)", "mnist():standardize()")))
  local checked = cli.run("check y.lua", "-u PERILUNE_DATA XDG_DATA_HOME=/nowhere")
  lu.assertEquals(checked.status, 0, checked.err)
  lu.assertStrContains(checked.out, "standardize per=all std=true from=(mnist train)")
  expect(1, "mnist: no train-images-idx3-ubyte (.gz or not; also spelt train-images.idx3-ubyte) in data/mnist, " ..
    "/nowhere/perilune/mnist; get it with: perilune data fetch mnist (or set PERILUNE_DATA)", "run x.lua", nil,
    "-u PERILUNE_DATA XDG_DATA_HOME=/nowhere")
end

function TestExperiments:test_unwritable_folder_is_said_before_training()
  local script = good:gsub("callbacks = {%s*}", "callbacks = { on_start = function() print 'trained' end }")
  cli.write("x.lua", script)
  cli.write("taken", "a file")
  local r = cli.run "run x.lua --out taken/here"
  lu.assertEquals({ r.status, r.out }, { 1, "" })
  lu.assertStrMatches(r.err, "perilune: cannot write into the run's folder taken/here: .*taken is a file; choose " ..
    "another with %-%-out DIR\n")
end

function TestExperiments:test_a_loss_that_is_not_finite()
  local script = good:gsub("return lr %* .-\n", "return epoch < 3 and 0.01 or 1e12\n"):gsub("Adam",
    "SGD"):gsub("stopping = .-\n", "")
    :gsub("validation = 0.2", 'validation = { fraction = 0.2, order = "last" }')
  cli.write("x.lua", script)
  local r = cli.run "run x.lua --out broken --quiet"
  lu.assertEquals(r.status, 1)
  lu.assertStrMatches(r.err, "perilune: epoch 3, batch %d+: the loss is not a finite number; first seen in " ..
    ".*layer %d.*; stopped, the weights after epoch 2 are kept in broken; a smaller learning rate than 1e%+12 " ..
    "may help\n")
  lu.assertStrContains(cli.run("verify broken").out, "broken/run.h5: whole")
  lu.assertStrContains(cli.run("show broken").out, "epochs   2, unfinished")
  lu.assertEquals(select(2, cli.read(cli.folder .. "/broken/log.jsonl"):gsub("\n", "")), 2)
end

-- Short epochs share a save: what a training that fails has learned since the last one is saved then.
function TestExperiments:test_a_failure_leaves_the_epochs_before_it()
  local script = good:gsub("callbacks = {%s*}", [[callbacks = { on_batch = function(ctx)
      if ctx.epoch == 4 and ctx.batch == 2 and io.open "fail" then error("no more", 0) end
      ctx.state.sum = (ctx.state.sum or 0) + ctx.loss * math.random()
    end }]]):gsub("stopping = .-\n", "")
  cli.write("x.lua", script)
  cli.write("fail", "")
  local r = cli.run "run x.lua --epochs 5 --out failing -q"
  lu.assertEquals(r.err, "perilune: no more\n")
  lu.assertStrContains(cli.run("show failing").out, "epochs   3, unfinished")
  lu.assertEquals(select(2, cli.read(cli.folder .. "/failing/log.jsonl"):gsub("\n", "")), 3)
  lu.assertStrContains(cli.run("verify failing").out, "failing/run.h5: whole")
  os.remove(cli.folder .. "/fail")
  lu.assertEquals(cli.run("run x.lua --epochs 5 --out failing -q").status, 0)
  lu.assertEquals(cli.run("run x.lua --epochs 5 --out straight -q").status, 0)
  local function digest(run) return assert(cli.run("show " .. run).out:match "SHA%-256 (%x+)") end
  lu.assertEquals(digest "failing", digest "straight")
end

function TestExperiments:test_errors_in_callbacks_have_their_own_line()
  expect(1, "x.lua:30: ctx has no field 'lost'; did you mean 'loss'?", "run x.lua -q --out callback",
    (good:gsub("callbacks = {%s*}", "callbacks = { on_epoch = function(ctx) return ctx.lost + 1 end }")))
end

function TestExperiments:test_state_that_no_file_can_keep()
  expect(1, "ctx.state.f is a function, which a file cannot keep; keep numbers, strings, booleans and tables of " ..
    "them there", "run x.lua -q --out state",
    (good:gsub("callbacks = {%s*}", "callbacks = { on_epoch = function(ctx) ctx.state.f = print end }")))
end

TestFiles = {}

function TestFiles:test_show_and_verify()
  expect(1, "cannot open nowhere: No such file or directory", "show nowhere")
  cli.write("empty/x", "")
  expect(1, "empty holds no run: there is neither run.h5 nor checkpoint.h5 in it", "show empty")
  cli.write("no.h5", "not HDF5")
  local r = cli.run "verify no.h5"
  lu.assertEquals({ r.status, r.err }, { 1, "" })
  lu.assertStrContains(r.out, "no.h5")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
