-- What makes a run this run: an unfinished or finished one is not continued as another.
local lu = require "luaunit"
local pl = require "perilune"
local runfile = require "perilune.run.file"
local scratch = dofile "tests/lua/support_scratch.lua" "identity_test"
local nn, optim = pl.nn, pl.optim

local number = 0
local function folder()
  number = number + 1
  return ("%s/%d"):format(scratch, number)
end

local function small(changes)
  local fields = { name = "small", data = pl.data.digits { train = 100, test = 20 },
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) },
    loss = nn.CrossEntropy(), optimizer = optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 20, test = "end" }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local function train(e, out, options)
  local o = { out = out, quiet = true, silent = true, epochs = 1 }
  for name, value in pairs(options or {}) do o[name] = value end
  return e:run(o)
end

-- The message with which a finished run of one epoch is not resumed.
local function refusal(e, out)
  local ok, problem = pcall(train, e, out, { epochs = 2 })
  return not ok and tostring(problem) or "it went on"
end

-- Rewrites the identity in a checkpoint, as an older program would have written it.
local function change_identity(out, change)
  local path = out .. "/checkpoint.h5"
  local record = assert(runfile.read(path))
  change(record.state.identity)
  assert(runfile.write(path, record))
end

TestShared = {}

-- Two names of one table in ctx.state would be two tables after a resume.
function TestShared:test_one_table_of_two_names()
  local e = small { callbacks = { on_epoch = function(ctx)
    ctx.state.a = { 0 }
    ctx.state.b = ctx.state.a
  end } }
  local ok, problem = pcall(train, e, folder())
  lu.assertFalse(ok)
  lu.assertStrMatches(tostring(problem), ".*ctx.state.[ab] and ctx.state.[ab] are one table, and would be two after.*")
end

-- A schedule of the script's own that is a table with __call is the same run the next time.
function TestShared:test_a_schedule_that_is_a_callable_table()
  local function make()
    return small { schedule = setmetatable({}, { __call = function() return 0.1 end }), epochs = 2 }
  end
  local out = folder()
  train(make(), out, { pause_after = 1, epochs = 2 })
  lu.assertEquals(#train(make(), out, { epochs = 2 }).history, 2)
end

TestDerivation = {}

-- IDX files: their digest is the file's, whatever was made of it.
local function idx_file(name, head, bytes)
  local path = scratch .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(head, bytes)
  file:close()
  return path
end

local function idx_data()
  local pixels, labels = {}, {}
  for i = 1, 200 do
    labels[i] = string.char((i * 7) % 10)
    pixels[i] = string.rep(string.char(i), 16)
  end
  return pl.data.idx { name = "idx",
    train_images = idx_file("x", string.pack(">I4I4I4I4", 0x803, 200, 4, 4), table.concat(pixels)),
    train_labels = idx_file("y", string.pack(">I4I4", 0x801, 200), table.concat(labels)) }
end

function TestDerivation:test_other_data_of_the_same_file_are_another_run()
  local model = nn.Sequential { nn.Flatten(), nn.Linear(16, 10) }
  local e, out = small { data = idx_data(), model = model }, folder()
  train(e, out)
  local variants = {
    ["train: subset first=100"] = idx_data():subset { first = 100 },
    ["train: standardize per=all std=true"] = idx_data():standardize(),
    ["train: resize 4x4"] = idx_data():resize(4),
  }
  for words, data in pairs(variants) do
    lu.assertStrContains(refusal(e:with { data = data }, out), "derivation of the data: was none, now " .. words)
  end
  lu.assertStrContains(refusal(e:with { data = idx_data():subset { per_class = 5 }:standardize { std = false } }, out),
    "now train: subset per_class=5; standardize per=all std=false")
  lu.assertEquals(refusal(e, out), "it went on")
end

function TestDerivation:test_statistics_of_another_split_are_part_of_it()
  local d = pl.data.digits { train = 100, test = 20 }
  local a = d.test:standardize { from = d.train }:derivation()
  local b = d.test:standardize { from = d.train:subset { first = 10 } }:derivation()
  lu.assertStrContains(a, "from=(")
  lu.assertNotEquals(a, b)
end

function TestDerivation:test_old_checkpoints_go_on_where_nothing_was_derived()
  local e, out = small(), folder()
  train(e, out)
  change_identity(out, function(identity) identity.recipe, identity.held_out = nil, nil end)
  lu.assertEquals(refusal(e, out), "it went on")
  e, out = small { data = pl.data.digits { train = 100, test = 20 }:standardize() }, folder()
  train(e, out)
  change_identity(out, function(identity) identity.recipe = nil end)
  lu.assertStrContains(refusal(e, out), "derivation of the data: was none")
end

TestValidation = {}

function TestValidation:test_the_rule_is_part_of_the_run()
  local shuffled, last = small { validation = 0.2 }, small { validation = { fraction = 0.2, order = "last" } }
  local out = folder()
  train(shuffled, out)
  lu.assertStrContains(refusal(last, out),
    "validation: was fraction=0.2, shuffled with seed 1, stratified, now fraction=0.2, the last rows")
  lu.assertEquals(refusal(shuffled, out), "it went on")
end

function TestValidation:test_a_checkpoint_without_a_rule_held_out_the_last_rows()
  local shuffled, last = small { validation = 0.2 }, small { validation = { fraction = 0.2, order = "last" } }
  for _, e in ipairs { shuffled, last } do
    local out = folder()
    train(e, out)
    change_identity(out, function(identity) identity.held_out = nil end)
    if e == last then lu.assertEquals(refusal(e, out), "it went on")
    else lu.assertStrContains(refusal(e, out), 'was fraction=0.2, the last rows, now fraction=0.2, shuffled') end
  end
end

function TestValidation:test_is_the_experiments_whatever_the_seed_of_a_run()
  local e = small { validation = 0.2, seed = 7 }
  local function rows(of) return pl.store.sha256((of.splits.val:read():range(1, 20))) end
  lu.assertEquals(rows(e), rows(small { validation = { fraction = 0.2, seed = 7 } }))
  lu.assertNotEquals(rows(e), rows(small { validation = 0.2, seed = 8 }))
end

TestFunctions = {}

-- Without a script's text that tells them apart, functions are known by what they do.
function TestFunctions:test_of_variants_are_told_apart()
  local function with(factor) return { schedule = function(_, lr) return lr * factor end } end
  local base = small()
  local out = folder()
  train(base:with(with(0.5)), out)
  lu.assertStrContains(refusal(base:with(with(0.25)), out), "schedule: was a function ")
  lu.assertStrContains(refusal(base:with { schedule = function() return 0.1 end }, out), "schedule: was a function ")
  lu.assertEquals(refusal(base:with(with(0.5)), out), "it went on")
  out = folder()
  train(base:with { metrics = { own = function() return 1 end } }, out)
  lu.assertStrContains(refusal(base:with { metrics = { own = function() return 2 end } }, out),
    "metrics: was own = a function ")
  out = folder()
  train(base:with { callbacks = { on_epoch = function(ctx) ctx.state.a = 1 end } }, out)
  lu.assertStrContains(refusal(base:with { callbacks = { on_epoch = function(ctx) ctx.state.a = 2 end } }, out),
    "callbacks: was on_epoch = a function ")
end

function TestFunctions:test_an_older_checkpoint_does_not_know_them()
  local e, out = small():with { schedule = function(_, lr) return lr end }, folder()
  train(e, out)
  change_identity(out, function(identity)
    identity.setup.schedule, identity.setup.metrics, identity.setup.callbacks = "a function", nil, nil
  end)
  lu.assertEquals(refusal(e, out), "it went on")
end

TestShared = {}

function TestShared:test_an_optimizer_in_use()
  local inner
  local outer = small { callbacks = { on_batch = function(ctx)
    if ctx.step == 2 then inner:run { out = false, quiet = true, silent = true } end
  end } }
  inner = outer:with { model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }, callbacks = {} }
  lu.assertErrorMsgContains("this optimizer is in a training already", train, outer, false)
  inner = inner:with { optimizer = optim.SGD { lr = 0.1 } }
  lu.assertEquals(train(outer, false).ended, "epochs")
end

-- Two experiments of one process whose modules have the same name.
function TestShared:test_modules_of_the_same_name()
  local script = require "perilune.script"
  for _, name in ipairs { "a", "b" } do
    os.execute(("mkdir -p '%s/%s'"):format(scratch, name))
    local file = assert(io.open(("%s/%s/beside_it.lua"):format(scratch, name), "w"))
    file:write(("return %q"):format(name))
    file:close()
    file = assert(io.open(("%s/%s/main.lua"):format(scratch, name), "w"))
    file:write [[local pl = require "perilune"
      return pl.experiment { name = require "beside_it", data = pl.data.digits { train = 20, test = 0 }, epochs = 1,
        batch_size = 10,
        model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
        optimizer = pl.optim.SGD { lr = 0.1 } }]]
    file:close()
  end
  for _, name in ipairs { "a", "b", "a" } do
    local e = script.experiment(("%s/%s/main.lua"):format(scratch, name), {})
    lu.assertEquals({ e.name, #e.script.files, e.script.files[1].text }, { name, 1, ("return %q"):format(name) })
  end
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
