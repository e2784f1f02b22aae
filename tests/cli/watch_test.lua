-- perilune watch and run --watch in a terminal (tmux): sizes, keys, resizing, runs that end, are killed and vanish.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local text = require "perilune.base.format"

local experiment = [[
local pl = require "perilune"
return pl.experiment { name = "Watched", seed = 1, data = pl.data.digits { train = 400, test = 100 },
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) }, loss = pl.nn.CrossEntropy(),
  optimizer = pl.optim.SGD { lr = 0.1 },
  epochs = pl.arg("n", 4), batch_size = 50,
  callbacks = { on_epoch = function() os.execute "sleep 0.1" end } }
]]

local has_tmux = os.execute "command -v tmux >/dev/null 2>&1"
local socket, servers = cli.folder .. "/tmux", 0

local function tmux(words)
  local pipe = assert(io.popen(("tmux -u -S %s %s 2>&1"):format(cli.quote(socket), words)))
  local said = pipe:read "a"
  pipe:close()
  return said
end

local function begin(columns, rows, words)
  tmux "kill-server"
  servers = servers + 1      -- the last one may still be ending
  socket = ("%s/tmux%d"):format(cli.folder, servers)
  tmux(("new-session -d -x %d -y %d %s"):format(columns, rows, cli.quote(("cd %s; LC_ALL=C.UTF-8 %s %s; echo EXIT " ..
    "$?; sleep 60"):format(cli.quote(cli.folder),
    cli.quote(cli.program), words))))
end

-- The screen, when all of the words are on it; within a minute.
local function screen(...)
  local shown, missing
  for _ = 1, 300 do
    shown, missing = tmux "capture-pane -p", nil
    for _, words in ipairs { ... } do
      if not shown:find(words, 1, true) then missing = words end
    end
    if not missing then return shown end
    os.execute "sleep 0.2"
  end
  lu.fail(("'%s' does not come:\n%s"):format(missing, shown))
end

local function keys(words) tmux("send-keys " .. words) end

TestWatch = {}

function TestWatch:setUp()
  if not has_tmux then lu.skip "tmux is not installed" end
  cli.write("watched.lua", experiment)
end

function TestWatch:tearDown() tmux "kill-server" end

function TestWatch:test_sizes_and_resizing_while_a_run_trains_ends_and_vanishes()
  lu.assertEquals(cli.run "run watched.lua -q --out all/a".status, 0)
  os.execute(("cd %s && (%s run watched.lua n=600 -q --fresh --threads 1 --out all/b >/dev/null 2>&1 & echo $! > " ..
    "b.pid)"):format(cli.quote(cli.folder),
    cli.quote(cli.program)))
  begin(80, 24, "watch all")
  for _, size in ipairs { { 80, 24 }, { 60, 24 }, { 140, 40 }, { 250, 50 } } do
    tmux(("resize-window -x %d -y %d"):format(size[1], size[2]))
    os.execute "sleep 0.5"
    local shown = screen("2 runs, 1 training", "q quit", "finished", "epoch")
    local lines = 0
    for line in shown:gmatch "([^\n]*)\n" do
      lines = lines + 1
      lu.assertTrue(text.width(line) <= size[1])
    end
    lu.assertEquals(lines, size[2])
    lu.assertNotNil(shown:find "[\u{2801}-\u{28ff}]")
  end
  keys "l"
  screen "logarithmic"
  keys "Space j Space"
  screen "●"
  os.execute(("kill -9 $(cat %s/b.pid)"):format(cli.quote(cli.folder)))
  screen "left off"
  os.execute("rm -r " .. cli.quote(cli.folder .. "/all/a"))
  screen "gone"
  keys "/ a l l Enter"
  screen "no run fits the filter"
  keys "Escape"
  screen "2 runs"
  keys "q"
  screen "EXIT 0"
  lu.assertNil(tmux "capture-pane -p":find "perilune:")
end

function TestWatch:test_run_in_the_view()
  begin(100, 30, "run watched.lua n=30 --watch --fresh --out live")
  screen("of 30", "1 training")
  keys "q"
  screen "train loss"           -- the lines go on
  screen "look closer"
  screen "EXIT 0"
  begin(100, 30, "run watched.lua n=300 --watch --fresh --out live2")
  screen("of 300", "1 training")
  keys "C-c"
  screen "EXIT 130"
end

-- What a script prints does not disturb the view; it comes when the view is left.
function TestWatch:test_what_a_script_prints()
  cli.write("prints.lua", (experiment:gsub('os.execute "sleep 0.1"', [[ os.execute "sleep 0.1"
    print("printed", 7) io.write("written ", 1.5, "\n") io.stderr:write "and said\n" ]])))
  begin(100, 50, "run prints.lua n=12 --watch --fresh --out prints")
  screen("of 12", "1 training")
  os.execute "sleep 0.5"
  local shown = tmux "capture-pane -p"
  lu.assertStrContains(shown, "Perilune watch")
  lu.assertNil(shown:find "printed" or shown:find "written" or shown:find "said", shown)
  local lines = screen("printed 7\nwritten 1.5\nand said\n", "EXIT 0")
  lu.assertEquals(select(2, lines:gsub("printed 7\nwritten 1.5\nand said\n", "")), 12)
end

-- What goes wrong before the first step is said, not hidden by the screen.
function TestWatch:test_what_fails_before_it_begins()
  local counting = experiment:gsub("return pl.exp", "local n = 0\n%0")
  cli.write("fails.lua", (counting:gsub("10%) }", [[10, { init = function(shape)
    n = n + 1
    if n == 2 then error "the initializer fails" end
    return pl.zeros(shape)
  end }) }]])))
  begin(100, 50, "run fails.lua --watch --fresh --out fails")
  screen("the initializer fails", "EXIT 1")
end

function TestWatch:test_what_it_says_where_it_cannot()
  local r = cli.run "watch nowhere"
  lu.assertEquals({ r.status, r.err }, { 1, "perilune: there is no folder nowhere to watch\n" })
  cli.write("empty/x", "")
  r = cli.run "watch empty"
  lu.assertEquals({ r.status, r.err }, { 1, "perilune: watch: a full screen needs a terminal\n" })
  begin(80, 24, "watch empty")
  screen "no runs here yet"
  keys "C-c"
  screen "EXIT 0"
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
