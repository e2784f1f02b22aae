-- Runs are objects of their own: weights, files, lists of them. What two runs of one process must not share.
local lu = require "luaunit"
local pl = require "perilune"
local core = require "perilune.core"
local folder = require "perilune.run.folder"
local scratch = dofile "tests/lua/support_scratch.lua"
local nn, optim = pl.nn, pl.optim

local function digest(model) return require "perilune.run.record".digest(model:state()) end

local function small(changes)
  local fields = { name = "small", data = pl.data.digits { train = 60, test = 20 },
    model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) },
    loss = nn.CrossEntropy(), optimizer = optim.SGD { lr = 0.1 }, epochs = 2, batch_size = 20, validation = 0.2 }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return pl.experiment(fields)
end

local function quiet(out) return { out = out or false, quiet = true, silent = true } end

TestClone = {}

function TestClone:test_has_memory_and_functions_of_its_own()
  local calls = 0
  local function ones(shape)
    calls = calls + 1
    return pl.ones(shape)
  end
  local model = nn.Sequential { nn.Linear(4, 3, { init = ones, name = "a" }), nn.BatchNorm(3),
    nn.Lambda { forward = function(x) return x * 2 end, backward = function(dy) return dy * 2 end },
    nn.Residual { nn.Sequential { nn.Dropout(0.5), nn.Linear(3, 3) } } }
  local x = pl.randn(8, 4)
  model:forward(x)                 -- moves the running statistics
  model:backward(pl.ones(8, 3))
  local copy = model:clone()
  lu.assertEquals(calls, 1)
  lu.assertEquals(tostring(copy), tostring(model))
  lu.assertEquals(digest(copy), digest(model))
  lu.assertTrue(copy[1].grad.weight:equal(model[1].grad.weight))
  lu.assertTrue(copy:infer(x):equal(model:infer(x)))
  model[1].weight:fill_(7)
  lu.assertEquals(copy[1].weight[1][1], 1)
  copy:initialize(3)
  lu.assertEquals(calls, 2)
  lu.assertEquals(copy:find("a").weight[1][1], 1)
end

function TestClone:test_of_what_is_not_built_or_not_whole()
  local model = nn.Sequential { nn.Flatten(), nn.Linear(4, 3) }
  lu.assertEquals(digest(model:clone()), digest(model))
  lu.assertTrue(model[2]:clone().weight:equal(model[2].weight))
end

TestRuns = {}

function TestRuns:test_each_has_its_own_weights()
  local e = small()
  local first = e:run(quiet())
  local before = digest(first.model)
  local second = e:with { optimizer = optim.SGD { lr = 0.01 } }:run(quiet())
  lu.assertEquals(digest(first.model), before)
  lu.assertNotEquals(digest(second.model), before)
  lu.assertEquals(digest(e.model), digest(second.model))      -- the experiment's own is the one that was trained last
end

function TestRuns:test_run_of_a_folder_is_the_run_that_training_returned()
  local path = scratch "runs_test" .. "/same"
  local run = small { stopping = pl.stopping.patience { monitor = "val_loss", patience = 1 },
    metrics = { "macro_f1", own = function() return 3 end } }
    :run(quiet(path))
  local again = assert(pl.run(path))
  for _, name in ipairs { "name", "seed", "epochs", "threads", "path", "ended", "seconds" } do
    lu.assertEquals(again[name], run[name], name)
  end
  lu.assertTrue(again.predictions:equal(run.predictions))
  lu.assertTrue(again.test.right:equal(run.test.right))
  for _, of in ipairs { run, again } do
    for _, split in ipairs { "test", "val" } do
      of[split].predictions, of[split].right, of[split].mistakes = nil, nil, nil
    end
  end
  for _, name in ipairs { "test", "val", "best", "evaluation", "labels", "arguments" } do
    lu.assertEquals(again[name], run[name], name)
  end
  lu.assertEquals(tostring(again.history), tostring(run.history))
  lu.assertEquals(tostring(again), tostring(run))
  lu.assertEquals(again:ending(), run:ending())
  lu.assertStrContains(run:ending(), "2 epochs")
  lu.assertEquals(digest(again:model()), digest(run:model()))
  lu.assertEquals(again:model(), again.model)
  lu.assertEquals(digest(pl.run(path .. "/best.h5").model), digest(run.model))
  lu.assertErrorMsgContains("it is no function", function() return run.model(pl.ones(1)) end)
end

-- Names without a value are known to a filter only: what some run has is no slip.
function TestRuns:test_names_of_values()
  local run = small():run(quiet())
  for _, name in ipairs(run:values()) do lu.assertNotNil(run:value(name), name) end
  for _, name in ipairs { "name", "state", "epoch", "seconds", "train_loss", "test_error" } do
    lu.assertTableContains(run:values(), name)
  end
  lu.assertNotTableContains(run:values(), "tags")
  lu.assertTableContains(run:values(true), "tags")
  local filter = require "perilune.run.filter"
  lu.assertEquals(#filter.apply({ run }, "tags=good"), 0)
  lu.assertEquals(#filter.apply({ run }, "best_epoch!=1"), 1)
end

function TestRuns:test_what_is_no_run()
  local _, message = pl.run "nowhere"
  lu.assertEquals(message, "there is no run nowhere")
  local place = scratch "runs_test/empty"
  _, message = pl.run(place)
  lu.assertStrContains(message, "holds no run")
  assert(nn.Sequential { nn.Linear(2, 2) }:save(place .. "/m.h5"))
  _, message = pl.run(place .. "/m.h5")
  lu.assertStrContains(message, "is a model, not a run")
  lu.assertErrorMsgContains("run takes a folder", pl.run, 3)
end

function TestRuns:test_lists_and_filters()
  local place = scratch "runs_test/list"
  for _, lr in ipairs { 0.001, 0.1 } do
    small { optimizer = optim.SGD { lr = lr }, name = "lr " .. lr }:run(quiet(("%s/deep/lr%s"):format(place, lr)))
  end
  small { name = "other", callbacks = { on_batch = function(ctx) if ctx.step
    == 2 then ctx.stop() end end } }:run(quiet(place .. "/other"))
  assert(core.store.mkdir(place .. "/torn"))
  assert(core.store.write_text(place .. "/torn/run.h5", "nonsense"))
  local list, problems = pl.runs(place)
  lu.assertEquals({ #list, #problems, problems[1].path }, { 3, 1, place .. "/torn" })
  lu.assertNil(rawget(list[1], "history"))                      -- a list reads logs only
  lu.assertEquals(list[1]:value "test_error", list[1].test.error)
  lu.assertEquals(#list[1].history, 2)
  lu.assertEquals(list[1].path, place .. "/deep/lr0.001")
  local function found(filter) return #pl.runs(place, filter) end
  lu.assertEquals({ found "ended=epochs", found "ended!=epochs", found "name~LR", found "epoch>=1 lr>0.01",
    found "seed=2" }, { 2, 1, 2, 1, 0 })
  lu.assertEquals(found(function(run) return run.name == "other" end), 1)
  lu.assertErrorMsgContains("no run has a 'lrr'", pl.runs, place, "lrr=1")
  lu.assertErrorMsgContains("is not a condition", pl.runs, place, "lr")
  lu.assertEquals(select(2, pl.runs "nowhere"), "there is no folder nowhere")
  lu.assertEquals({ found "state=finished", found "when>=2020 state!=finished" }, { 3, 0 })
end

function TestRuns:test_links_that_lead_back()
  local place = scratch "runs_test/links"
  small():run(quiet(place .. "/deep/one"))
  os.execute(("cd '%s' && ln -sfn .. deep/up && ln -sfn deep aside && ln -sfn deep/one one"):format(place))
  local paths = {}
  for i, run in ipairs(pl.runs(place)) do paths[i] = run.path:sub(#place + 2) end
  lu.assertEquals(paths, { "aside/one" })      -- one run, by its first name
  local file_id = core.system.file_id
  core.system.file_id = function() return nil end      -- as if all had vanished meanwhile
  local ok, list = pcall(pl.runs, place)
  core.system.file_id = file_id
  lu.assertEquals({ ok, list }, { true, {} })
end

function TestRuns:test_json_of_a_run_without_an_epoch()
  local text = require "perilune.run.runs".json { state = {}, identity = {}, history = {}, evaluation = {} }
  lu.assertStrContains(text, '"history":\t[]')
end

-- Runs as a filter sees them: values by name.
local function runs_with(list)
  local runs = {}
  for i, values in ipairs(list) do
    runs[i] = setmetatable({}, { __index = { value = function(_, name) return values[name] end,
      values = function() return { "lr", "tag", "bn", "name", "mixed", "layers", "best_epoch" } end } })
  end
  return runs
end

function TestRuns:test_values_of_filters()
  local filter = require "perilune.run.filter"
  local runs = runs_with { { lr = 0.1, tag = "1e3", bn = true, name = "P09 convolution", mixed = 1,
    layers = { 16, 8 } },
    { lr = -1, tag = "a=b c", bn = false, name = "other", mixed = "auto" }, { name = "Other\t2" } }
  local function found(text)
    local kept, list = filter.apply(runs, text), {}
    for i, run in ipairs(runs) do
      for _, one in ipairs(kept) do if one == run then list[#list + 1] = i end end
    end
    return table.concat(list, " ")
  end
  for text, expected in pairs {
    ["lr>0"] = "1", ["lr<0"] = "2", ["lr>=-1"] = "1 2", ["lr=-1"] = "2", ["lr==1e-1"] = "1", ["lr=10%"] = "1",
    ["lr!=0.1"] = "2 3", ["tag=1e3"] = "1", ["tag=1000"] = "", ['tag="a=b c"'] = "2", ["tag='a=b c' lr<0"] = "2",
    ["bn=true"] = "1", ["bn!=true"] = "2 3", ["bn~tr"] = "1", ["name=P09 convolution"] = "1",
    ["name=P09 convolution lr>0"] = "1", ["name='P09 convolution'"] = "1", ["name~OTHER"] = "2 3",
    ["name!~other"] = "1", ["mixed=auto"] = "2", ["mixed>0.5"] = "1", ["mixed!=2"] = "1 2 3", ["layers=[16,8]"] = "1",
    ["tag~"] = "1 2",
    ["best_epoch=1"] = "", ["best_epoch!=1"] = "1 2 3", ["  lr>0  "] = "1", ["tag=\""] = "",
    ["lr > 0"] = "1", ["name= other"] = "2", ["name =P09 convolution  lr >= 0.1"] = "1", ["name = 'other'"] = "2",
    ["tag= 'a=b c' lr < 0"] = "2", ["tag= lr>0"] = "", ["lr = 10 %"] = "1", ["lr=1e1%"] = "1", ["lr=1e+1 %"] = "1",
  } do lu.assertEquals(found(text), expected, text) end
  for text, message in pairs {
    ["lr>abc"] = "lr>abc: 'lr' is a number, and 'abc' is none", ["lr="] = "lr=: 'lr' is a number, and '' is none",
    ["lr=0.1 0.2"] = "lr=0.1 0.2: 'lr' is a number, and '0.1 0.2' is none",
    ["bn=1"] = "bn=1: 'bn' is true or false, compared with = or !=", ["bn<true"] = "bn<true: 'bn' is true or false",
    ["lr"] = "'lr' is not a condition", ["lr=>1"] = "'lr=>1' is not a condition", ["=1"] = "'=1' is not a condition",
    ["lr => 1"] = "'lr => 1' is not a condition", ["lr 1"] = "'lr' is not a condition",
    ["> 1"] = "'>' is not a condition", ["name=a = b"] = "name=a =: a value with = in it stands in quotes",
    ["lr=%"] = "lr=%: 'lr' is a number, and '%' is none", ["lr = "] = "lr =: 'lr' is a number, and '' is none",
    ["lrr=1"] = "no run has a 'lrr'; did you mean 'lr'?",
  } do lu.assertErrorMsgContains(message, filter.apply, runs, text) end
  lu.assertEquals(#filter.apply({}, "anything=1"), 0)
end

-- What a list says of a run that has not ended, without reading its history and matrices, is what its file says.
function TestRuns:test_an_unfinished_run_in_a_list()
  local place = scratch "unfinished"
  local o = quiet(place .. "/a")
  o.pause_after = 2
  small { epochs = 3, metrics = { margin = function() return 0.5 end } }:run(o)
  local whole = assert(pl.run(place .. "/a"))
  local function same(listed)
    lu.assertEquals(listed:values(true), whole:values(true))
    for _, name in ipairs(whole:values(true)) do lu.assertEquals(listed:value(name), whole:value(name), name) end
    lu.assertEquals(listed.history, whole.history)       -- read when it is asked for
  end
  local listed = pl.runs(place)[1]
  lu.assertEquals({ listed.ended, listed:value "state", listed:value "epoch" }, { "interrupted", "unfinished", 2 })
  lu.assertNil(rawget(listed, "state"))
  same(listed)
  local path = place .. "/a/log.jsonl"
  local log = assert(core.store.read_text(path))
  local ahead, cut, behind = log .. '{"epoch":3,"train_loss":7}\n', log .. '{"epoch":3,"st', log:match "^[^\n]*\n"
  for _, other in ipairs { ahead, cut, behind, "" } do
    assert(core.store.write_text(path, other))
    same(pl.runs(place)[1])
  end
end

-- A share as it is shown finds the run that it is shown for.
function TestRuns:test_shares()
  local filter = require "perilune.run.filter"
  for wrong = 0, 10000 do
    local run = runs_with { { lr = wrong / 10000 } }
    local text = ("lr=%.2f%%"):format(wrong / 100)
    if #filter.apply(run, text) ~= 1 then lu.fail(text) end
  end
end

function TestRuns:test_names_that_are_not_english_have_folders_of_their_own()
  lu.assertEquals(folder.slug "P09 Convolution: 5x5", "p09-convolution-5x5")
  local seen = {}
  for _, name in ipairs { "Ä", "Ö", "データ", "手書き", "\xc4", "\xd6", "Ärger 1", "rger 1" } do
    local slug = folder.slug(name)
    lu.assertNil(seen[slug], name)
    seen[slug] = name
    lu.assertFalse(slug == "run", name)
  end
end

os.exit(require("luaunit").LuaUnit.run("-o", "tap"), true)
