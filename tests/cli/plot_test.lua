-- perilune plot: curves of runs in the terminal and as files; what it says when that cannot be.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local experiment = [[
local pl = require "perilune"
return pl.experiment { name = "Small", seed = 1, data = pl.data.digits { train = 200, test = 50 },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = pl.arg("lr", 0.1) }, epochs = 4, batch_size = 50 }
]]

local made
local function runs()
  if made then return end
  cli.write("small.lua", experiment)
  for seed = 1, 2 do lu.assertEquals(cli.run("run small.lua -q --seed " .. seed).status, 0) end
  made = true
end

TestPlot = {}

function TestPlot:setUp() runs() end

function TestPlot:test_in_the_terminal()
  local r = cli.run "plot runs/small-s1 test_error"
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertStrContains(r.out, "Small: test error")
  lu.assertStrContains(r.out, " %")
  lu.assertStrMatches(r.out:match "(%S+)%s*$", "epoch")
  local both = cli.run("plot runs train_loss --log", "LC_ALL=C")
  lu.assertStrContains(both.out, "* small-s1   o small-s2")
  lu.assertNil(both.out:find "[\x80-\xff]")
  lu.assertStrContains(cli.run("plot small train_loss --bands").out, "Small, 2 seeds: train loss")
  lu.assertStrContains(cli.run("plot runs/small-s1 train_loss,test_loss").out, "test loss")
end

function TestPlot:test_as_a_figure()
  local r = cli.run "plot runs test_error --bands -o curve.svg"
  lu.assertEquals({ r.status, r.out }, { 0, "curve.svg\n" })
  local svg = cli.read(cli.folder .. "/curve.svg")
  lu.assertStrContains(svg, "Small, 2 seeds")
  lu.assertEquals(svg:sub(1, 4), "<svg")
  for _, kind in ipairs { "png", "pdf" } do
    local without = cli.run("plot runs test_error -o curve." .. kind, "PATH=/nowhere")
    lu.assertEquals(without.status, 1)
    lu.assertStrContains(without.err, "rsvg-convert, which is not installed (Debian: librsvg2-bin")
  end
  if os.execute "command -v rsvg-convert >/dev/null 2>&1" then
    lu.assertEquals(cli.run "plot runs test_error -o curve.png".status, 0)
    lu.assertEquals(cli.read(cli.folder .. "/curve.png"):sub(1, 4), "\x89PNG")
    lu.assertEquals(cli.run "plot runs test_error -o 'a b.pdf'".status, 0)
    lu.assertEquals(cli.read(cli.folder .. "/a b.pdf"):sub(1, 4), "%PDF")
  end
end

function TestPlot:test_what_it_says_of_mistakes()
  local function says(words, status, message)
    local r = cli.run(words)
    lu.assertEquals({ r.status, select(2, r.err:gsub("\n", "")) }, { status, 1 }, r.err)
    lu.assertStrContains(r.err, message)
  end
  says("plot runs/small-s1 test_eror", 1, "did you mean 'test_error'?")
  says("plot runs/small-s1 zzzzzzzzzz", 1, "there are: epoch, step, lr, train_loss")
  says("plot runs/small-s3 test_error", 1, "there is no run 'runs/small-s3'; did you mean 'runs/small-s")
  says("plot runs/small-s1", 2, "such as: perilune plot runs/small-s1 test_error")
  says("plot runs val_loss train_loss", 2, "plot: 'val_loss' is a metric, and runs come first; several metrics have " ..
    "commas between them: val_loss,train_loss")
  says("plot val_loss runs", 2, "plot: 'val_loss' is a metric, and runs come first")
  says("plot runs ''", 2, "plot: no metric is named, such as test_error")
  says("plot runs ,", 2, "plot: no metric is named, such as test_error")
  says("-e 'pl.plot(\"runs\", {})'", 1, "pl.plot: no metric is named, such as \"test_error\"")
  says("-e 'pl.plot(\"runs\", { \"test_error\", log = true })'", 1, "pl.plot: the second argument takes a list, " ..
    "and 'log' is no index in one")
  says("-e 'pl.plot(\"runs\", { 1 })'", 1, "pl.plot: the second argument is a metric, such as \"test_error\", got ")
  says("plot runs test_error -o x.jpg", 2, "x.jpg: a figure's file ends in .svg, .png or .pdf")
  says("plot runs test_error -o /nowhere/x.svg", 1, "cannot write /nowhere/x.svg")
  cli.write("broken/run.h5", "no such thing")
  says("plot broken test_error", 1, "broken/run.h5")
end

function TestPlot:test_help()
  local help = cli.run("help plot").out
  lu.assertStrContains(help, "\n       RUN... METRIC\n\n")
  lu.assertStrContains(help, "\n   RUN... METRIC          Runs (")
  for _, name in ipairs { "plot", "report", "import" } do
    lu.assertStrContains(cli.run("help " .. name).out, "\n   -o, --output <file>    ")
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
