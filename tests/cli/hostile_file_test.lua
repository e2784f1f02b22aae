-- A run's file made by an attacker: script, names, labels, configurations and JSON. Nothing in it is executed by what
-- looks at it, and no control character of it reaches the terminal.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local pl = require "perilune"
local runfile = require "perilune.run.file"
local system = require "perilune.core".system
local nn = pl.nn

local escapes = "\27]0;owned\7\27[31mred\27[2J\r\n\8\t\127\xc2\x9b31m\xe2\x80\xae\xff\0end"
local name = escapes:gsub("%z", "")
local touch = ("os.execute [[touch %s/pwned]] io.open([[%s/pwned]], 'w'):close()"):format(cli.folder, cli.folder)

local model = nn.Sequential { nn.Linear(4, 3, { name = "inner" .. name }), nn.ReLU() }
model:build { 4 }

local function record(changes)
  local r = {
    kind = "run", created = name, config = model:config(), input = { 4 }, layers = model:state(),
    state = {
      epoch = 1, batch = 0, step = 3, seed = 1, lr = 0.1, ended = "epochs",
        best = { epoch = 1, value = 0.5, monitor = "val_" .. name },
      edited = name, weights_sha256 = name, user = { [name] = escapes },
      identity = { name = name, path = cli.folder .. "/evil.lua", script = touch .. "\n-- " .. name .. "\nreturn 1",
        files = { { path = name, text = touch } },
        arguments = { "a=" .. name }, seed = 1, data = name, data_sha256 = name, labels = { name, "b" .. name, "c" },
          algorithm = name,
        setup = { model = name, loss = touch, batch_size = 3 } },
    },
    history = { columns = { "epoch", "train_loss", "val_" .. name:gsub("/", "") },
      rows = { { 1, 0.5, 2 }, { 2, 0.25, 1 } } },
    evaluation = { test = { loss = 0.5, correct = 1, count = 3, error = 2 / 3, accuracy = 1 / 3,
      confusion = { { 1, 1, 0 }, { 0, 0, 1 }, { 0, 0, 0 } } },
      metrics = { [name] = 0.5 } },
    provenance = { script = touch, arguments = name, build = name, compiler = name, processor = name, threads = 2,
      epochs = 2 },
  }
  for key, value in pairs(changes or {}) do r[key] = value end
  return r
end

os.execute("mkdir -p " .. cli.quote(cli.folder .. "/run"))
cli.write("evil.lua", record().state.identity.script)      -- and its script lies where the file says
assert(runfile.write(cli.folder .. "/run/run.h5", record()))
assert(runfile.write(cli.folder .. "/run/checkpoint.h5", record { kind = "checkpoint" }))

local function harmless(words, input)
  local r
  if input then
    cli.write("input", input)
    r = cli.run(words .. " <input")
  else r = cli.run(words) end
  for _, stream in ipairs { r.out, r.err } do
    local bad = stream:find "[%z\1-\8\11-\31\127]" or stream:find "\xc2[\x80-\x9f]" or stream:find "\xe2\x80\xae"
      or (not utf8.len(stream) and 1)
    lu.assertNil(bad and ("%s: %q"):format(words, stream:sub(math.max(1, bad - 60), bad + 60)) or nil)
  end
  lu.assertNil(system.kind(cli.folder .. "/pwned"), words .. " executed the file's code")
  lu.assertNil(system.kind(cli.folder .. "/run-rerun"))
  return r
end

TestHostileFile = {}

function TestHostileFile.test_commands_that_look()
  for _, words in ipairs { "show run", "show run/checkpoint.h5", "show run --history", "show run --heat", "verify run",
    "runs", "runs run", "compare run run/checkpoint.h5",
    "compare run", "plot run", "plot run train_loss" } do
    harmless(words)
  end
  lu.assertStrContains(harmless "show run".out, "\\x1b]0;owned")
  lu.assertEquals(harmless "verify run".status, 0)
  harmless "show run --json"
  harmless "show run --csv"
end

function TestHostileFile.test_rerun_refuses_and_shows_what_it_is()
  local state = record().state
  state.edited = nil
  os.execute("mkdir -p " .. cli.quote(cli.folder .. "/unedited"))
  assert(runfile.write(cli.folder .. "/unedited/run.h5", record { state = state }))
  local r = harmless "rerun unedited"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.err, "| os.execute [[touch")
  lu.assertStrContains(r.err, "--trust")
end

function TestHostileFile.test_scripts_and_the_prompt_that_read_it()
  local script = cli.write("look.lua", [[
    local pl = require "perilune"
    for _, path in ipairs { "run/run.h5", "run/checkpoint.h5" } do
      local model = assert(pl.nn.load(path))
      print(model, model:summary())
      assert(pl.load(path))
      print(pcall(function() return tostring(pl.run(path)) end))
    end
    error(model)]])
  harmless(cli.quote(script))
  harmless("-i run", "run\nrun.history\nmodel\nprint(run)\n")
end

function TestHostileFile.test_descriptions_of_models_that_are_none()
  local lambda = { type = "Lambda", config = { forward = touch, shape = "return os.exit(3)" } }
  local deep = { type = "Linear", config = { ["in"] = 3, out = 3 } }
  for _ = 1, 60 do deep = { type = "Sequential", layers = { deep } } end
  for i, config in ipairs { { type = name }, { type = "Sequential", layers = { lambda } }, lambda, deep,
    { type = "Linear", config = { ["in"] = name, out = -1 } },
    { type = "Conv2d", config = { ["in"] = 1 << 40, out = 1 << 40, kernel = { 1 << 40, 3 } } }, { name, touch },
      { type = { type = "Linear" } },
    { type = "Sequential", layers = { { type = "Linear", config = { name = ("x"):rep(5000) } } } } } do
    assert(runfile.write(cli.folder .. "/model.h5", { kind = "model", config = config, input = { 4 }, layers = {} }))
    local script = cli.write("model.lua", "print(require 'perilune'.nn.load 'model.h5')")
    local r = harmless(cli.quote(script))
    lu.assertTrue(r.status <= 1, i)
    harmless "show model.h5"
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
