-- perilune report: one page from run files alone; everything in them is text; what is absent is said; nothing is
-- loaded.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"
local pl = require "perilune"
local runfile = require "perilune.run.file"

-- \3, \27: control characters in names are characters too
local evil = [[</script><script>alert('x')</script><img src=x onerror="alert(1)">&amp; "q" 'a' ]] .. "\3\27[31m\u{202e}"

local experiment = ([[
-- EVIL
local pl = require "perilune"
local nn = pl.nn
local data = pl.data.digits { train = 300, test = 100 }
data.labels = { "EVIL", "<b>one</b>", "2", "3", "4", "5", "6", "7", "8", "9" }
return pl.experiment { name = "Small EVIL", seed = 1, data = data,
  model = nn.Sequential { nn.Conv2d(1, 4, 5, { stride = 2, name = "<i>first</i>" }), nn.ReLU(),
    nn.Residual(nn.Sequential { nn.Conv2d(4, 4, 3, { padding = "same" }), nn.ReLU() }), nn.Flatten(), nn.Linear(576,
      10) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = pl.arg("lr", 0.003) },
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 5 }, validation = 0.2, epochs = 3,
    batch_size = 50 }
]]):gsub("EVIL", function() return (evil:gsub("[\"\\]", "\\%0"):gsub("\3\27", "\\3\\27")) end)

local made
local function page(words)
  if not made then
    cli.write("small.lua", experiment)
    for _, run in ipairs { "lr=0.001 --seed 1", "lr=0.01 --seed 1", "lr=0.01 --seed 2", "lr=0.05 --seed 1",
      "lr=0.02 --seed 1" } do
      local out = run:gsub("[ =]", "_"):gsub("%-", "")
      local r = cli.run(("run small.lua %s -q --threads 1 --out all/%s"):format(run, out))
      lu.assertEquals({ r.err, r.status }, { "", 0 })
    end
    made = true
  end
  local r = cli.run(("report %s -o page.html"):format(words))
  lu.assertEquals({ r.err, r.status, r.out }, { "", 0, "page.html\n" })
  return cli.read(cli.folder .. "/page.html")
end

local void = { meta = true, link = true, img = true, br = true }

-- Tags are balanced and quoted, scripts are ours, no address leads anywhere, nothing is hidden.
local function check(html)
  lu.assertNotNil(utf8.len(html))
  lu.assertNil(html:find "[%z\1-\8\11-\31\127]")
  lu.assertNil(html:find("\u{202e}", 1, true))
  local scripts = 0
  local rest = html:gsub("<script([^>]*)>(.-)</script>", function(attributes, body)
    if attributes == "" then
      scripts = scripts + 1
      lu.assertEquals(body, require "perilune.html.script")
    else
      lu.assertEquals(attributes, ' type="application/json"')
      lu.assertNil(body:find "[<&']")
      require "perilune.core".json.decode(body)
    end
    return ""
  end)
  lu.assertEquals(scripts, 1)
  rest = rest:gsub("<style>.-</style>", ""):gsub("<!DOCTYPE html>", "")
  local open = {}
  for closing, name, inside in rest:gmatch "<(/?)([%w]+)([^<>]*)>" do
    lu.assertNotEquals(name, "script")
    for attribute, value in inside:gmatch '([%w:-]+)="([^"]*)"' do
      lu.assertNil(attribute:find "^on", attribute)
      if attribute == "href" or attribute == "src" then lu.assertTrue(value:find "^data:" ~= nil
        or value:find "^#" ~= nil, value) end
    end
    lu.assertEquals(select(2, inside:gsub('"', "")) % 2, 0, inside)
    if closing == "/" then lu.assertEquals(table.remove(open), name)
    elseif inside:sub(-1) ~= "/" and not void[name] then open[#open + 1] = name end
  end
  lu.assertEquals(open, {})
  lu.assertNil(rest:gsub('xmlns="http://www.w3.org/2000/svg"', ""):find "https?://")
  local ids = {}
  for id in rest:gmatch ' id="([^"]*)"' do
    lu.assertNil(ids[id], id)
    ids[id] = true
  end
  return html
end

TestReport = {}

function TestReport:test_one_run_says_what_its_file_says()
  local html = check(page "all/lr_0.001_seed_1")
  lu.assertTrue(#html < 1000000)
  local record = assert(runfile.read(cli.folder .. "/all/lr_0.001_seed_1/run.h5"))
  local test = record.evaluation.test
  lu.assertStrContains(html, ("%d of 100 wrong"):format(test.count - test.correct))
  for i, row in ipairs(test.confusion) do
    if row[i] > 0 then lu.assertStrContains(html, (">%d</text>"):format(row[i])) end
  end
  for _, m in ipairs(test.mistakes) do lu.assertStrContains(html, ("#%d</span>"):format(m.index)) end
  lu.assertEquals(select(2, html:gsub("taken for [^\"]- with probability", "")) // 2,
    #test.mistakes + #record.evaluation.val.mistakes)
  -- the values that the charts show under the pointer are those of the history
  local found
  for body in html:gmatch '<script type="application/json">(.-)</script>' do
    local chart = require "perilune.core".json.decode(body)
    for _, s in ipairs(chart.series) do
      if s.name == "training loss" then
        found = true
        for e, c in ipairs(record.history.columns) do
          if c == "train_loss" then
            for i, row in ipairs(record.history.rows) do lu.assertAlmostEquals(s.y[i], row[e],
              1e-6 * math.abs(row[e])) end
          end
        end
      end
    end
  end
  lu.assertTrue(found)
  for _, words in ipairs { "Curves", "Confusion matrix", "precision", "Architecture", "Filters of the first layer",
    "Weights", "Settings", "Environment",
    "Run it again", "Script: small.lua", "best epoch", 'statistics = { every = &quot;epoch&quot; }', "Conv2d 5x5/2",
      ">+<", "perilune rerun" } do
    lu.assertStrContains(html, words)
  end
end

function TestReport:test_several_runs_and_a_sweep()
  local html = check(page "all")
  for _, words in ipairs { "5 runs", "Parallel coordinates", "test error against lr", "class=\"sort\"",
    "In full below: the best run", "mean over the seeds",
    "Settings that all share" } do lu.assertStrContains(html, words) end
  lu.assertTrue(#html < 1000000)
  check(page "all/lr_0.01_seed_1 all/lr_0.01_seed_2")
end

-- What became of a table's rows, and a result that one run is judged by and the other has beside its error.
function TestReport:test_runs_on_tables()
  local rows = { "a,b,y,label" }
  for i = 1, 40 do
    rows[i + 1] = ("%s,%d,%d,%s"):format(i == 7 and "" or i, i % 5, 3 * i, i % 2 == 0 and "no" or "yes")
  end
  cli.write("rows.csv", table.concat(rows, "\n") .. "\n")
  cli.write("rows.lua", [[
local pl = require "perilune"
local kind = pl.arg("kind", "y")
return pl.experiment { name = "rows", epochs = 2, batch_size = 10, data = pl.data.csv { "rows.csv", target = kind,
  ignore = { kind == "y" and "label" or "y" }, missing = "mean", validation = 0.25 }:standardize { per = "pixel" },
  model = pl.nn.Sequential { pl.nn.Linear(2, kind == "y" and 1 or 2) },
  loss = kind == "y" and pl.nn.MSE() or pl.nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.01 } }
]])
  for _, kind in ipairs { "y", "label" } do
    local r = cli.run(("run rows.lua kind=%s --quiet --out rows/%s"):format(kind, kind))
    lu.assertEquals(r.status, 0, r.err)
  end
  local html = check(page "rows/y")
  for _, words in ipairs { "derivation of the data</th><td>train: without validation", "standardize per=pixel",
    "missing values</th><td>mean", "validation</th><td>of the data", "RMSE" } do
    lu.assertStrContains(html, words)
  end
  html = check(page "rows/y rows/label")
  for _, name in ipairs { "y", "label" } do
    local value = pl.run(cli.folder .. "/rows/" .. name).val.loss
    lu.assertStrContains(html, (">%s</td>"):format(require "perilune.terminal.tables".value("val_loss", value)))
  end
end

function TestReport:test_notes_are_text()
  page "all/lr_0.05_seed_1"
  local folder = cli.folder .. "/all/lr_0.05_seed_1"
  assert(require "perilune.run.notes".add(folder, { text = "fine " .. evil, tags = { "good<b>" } }))
  local html = check(page "all/lr_0.05_seed_1")
  lu.assertStrContains(html, "fine &lt;/script&gt;")
  lu.assertStrContains(html, "Tags: good&lt;b&gt;")
  lu.assertStrContains(check(page "all"), "good&lt;b&gt;")
  os.remove(folder .. "/notes.jsonl")
end

-- Files with next to nothing, of an older program, of an unfinished run, damaged.
function TestReport:test_what_is_absent_is_said()
  local record = assert(runfile.read((page "all" and cli.folder) .. "/all/lr_0.001_seed_1/run.h5"))
  os.execute("mkdir -p " .. cli.quote(cli.folder .. "/old") .. " " .. cli.quote(cli.folder .. "/bare") .. " "
    .. cli.quote(cli.folder .. "/broken"))
  record.evaluation.test.mistakes, record.evaluation.test.predictions, record.evaluation.val = nil, nil, nil
  record.provenance.documented, record.state.ended = nil, nil
  assert(runfile.write(cli.folder .. "/old/run.h5", record))
  local old = check(page "old")
  lu.assertStrContains(old, "The mistakes are not in this file")
  lu.assertStrContains(old, "unfinished")
  assert(runfile.write(cli.folder .. "/bare/run.h5", { kind = "run", state = { epoch = 0 }, history = { columns = {},
    rows = {} } }))
  local bare = check(page "bare")
  for _, words in ipairs { "No epoch has ended yet", "No split was evaluated yet", "no description of the model",
    "The file holds no weights" } do
    lu.assertStrContains(bare, words)
  end
  -- samples that were given none of the classes count, as in the terminal
  record.evaluation.test.outside = { 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  assert(runfile.write(cli.folder .. "/old/run.h5", record))
  old = check(page "old")
  lu.assertStrContains(old, "of 105 samples")
  lu.assertStrContains(old, ">none<")
  cli.write("broken/run.h5", "nothing")
  lu.assertStrContains(check(page "broken all/lr_0.001_seed_1"), "broken cannot be read")
  local r = cli.run "report broken -o page.html"
  lu.assertEquals(r.status, 1)
  lu.assertStrContains(r.err, "broken/run.h5")
end

function TestReport:test_lengths_of_histories()
  for _, n in ipairs { 1, 100000 } do
    local rows = {}
    for i = 1, n do rows[i] = { i, i == n and 0 / 0 or math.sin(i), i % 7 == 0 and math.huge or 1 / i } end
    os.execute("mkdir -p " .. cli.quote(cli.folder .. "/long"))
    assert(runfile.write(cli.folder .. "/long/run.h5", { kind = "run", state = { epoch = n },
      history = { columns = { "epoch", "train_loss", "lr" }, rows = rows } }))
    local html = check(page "long")
    lu.assertTrue(#html < 1000000, #html)
  end
end

function TestReport:test_from_lua()
  page "all/lr_0.001_seed_1"
  local path = cli.folder .. "/lua.html"
  pl.report(cli.folder .. "/all/lr_0.001_seed_1", path)
  check(cli.read(path))
  local run = pl.run(cli.folder .. "/all/lr_0.001_seed_1")
  pl.report({ run, cli.folder .. "/all/lr_0.05_seed_1" }, path)
  check(cli.read(path))
  lu.assertErrorMsgContains("the second argument is a path", pl.report, run)
  lu.assertErrorMsgContains("no run is given", pl.report, {}, path)
  lu.assertErrorMsgContains("takes runs", pl.report, 7, path)
  lu.assertStrContains(cli.run "report all -o /nowhere/x.html".err, "cannot write /nowhere/x.html")
end

-- What was trained, not what the script or a name would say: fewer epochs by --epochs, tensors that are not trained.
function TestReport:test_epochs_and_parameters_are_those_of_the_run()
  cli.write("masked.lua", [[local pl = require "perilune"
    local Masked = pl.nn.define { name = "Masked", params = function() return { w = { 64, 3 },
      mask = { shape = { 3 }, trained = false } } end,
      forward = function(self, x) return x:matmul(self.w) * self.mask end }
    return pl.experiment { name = "Masked", data = pl.data.digits { train = 100, test = 50 }:resize(8, 8), epochs = 3,
      model = pl.nn.Sequential { pl.nn.Flatten(), Masked(), pl.nn.Linear(3, 10) }, loss = pl.nn.CrossEntropy(),
      optimizer = pl.optim.SGD { lr = 0.01 }, batch_size = 50 }]])
  for seed = 1, 2 do
    lu.assertEquals(cli.run(("run masked.lua --epochs 2 -q --seed %d --out masked/%d"):format(seed, seed)).err, "")
  end
  local html = page "masked"
  lu.assertStrMatches(html, ".*epochs at most</t.><td[^>]*>2<.*")
  lu.assertStrMatches(html, ".*>232<[^\n]-parameters.*")
end

-- As compare: a copy counts once, an unfinished run has no result yet, and other epochs are another setting.
function TestReport:test_seeds_that_count()
  page "all"
  local record = assert(runfile.read(cli.folder .. "/all/lr_0.01_seed_1/run.h5"))
  local function add(name, seed, wrong, change)
    record.state.seed, record.state.weights_sha256, record.state.ended = seed, ("%064d"):format(seed), "epochs"
    record.provenance.epochs, record.evaluation.test.error = 3, wrong
    if change then change() end
    os.execute("mkdir -p " .. cli.quote(cli.folder .. "/seeds/" .. name))
    assert(runfile.write(cli.folder .. "/seeds/" .. name .. "/run.h5", record))
  end
  add("a", 1, 0.30)
  add("copy", 1, 0.30)
  add("b", 2, 0.20)
  add("short", 1, 0.25, function() record.provenance.epochs = 2 end)
  add("paused", 3, 0.10, function() record.state.ended = nil end)
  local html = check(page "seeds")
  local families = html:match "<th[^>]*>experiment</th>.-</table>" or html:match ">experiment<.-</table>"
  local rows = {}
  for row in families:gmatch "<tr>.-</tr>" do
    rows[#rows + 1] = row:gsub("<[^>]+>", " "):gsub("%s+", " "):match "^ ?.- (%d .-) ?$"
  end
  lu.assertEquals(rows, { "2 25.00 % 7.07 % 20.00 % 30.00 %", "1 25.00 % – 25.00 % 25.00 %" })
  lu.assertStrContains(html:match '<tr class="best">.-</tr>' or "", "20.00 %")
  lu.assertStrContains(cli.run("plot seeds train_loss --bands").out, ", 3 seeds")
end

function TestReport:test_negative_losses_are_drawn()
  for i = 1, 2 do
    os.execute("mkdir -p " .. cli.quote(cli.folder .. "/below/" .. i))
    assert(runfile.write(cli.folder .. "/below/" .. i .. "/run.h5", { kind = "run", state = { epoch = 2, seed = i },
      history = { columns = { "epoch", "train_loss" }, rows = { { 1, -1.5 }, { 2, -2.5 } } } }))
  end
  lu.assertNil(check(page "below"):find "no values")
end

-- A browser opens it without a complaint.
function TestReport:test_in_a_browser()
  local browser
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    browser = browser or os.execute(("command -v %s >/dev/null 2>&1"):format(name)) and name
  end
  if not browser then lu.skip "no chromium is installed" end
  page "all"
  local pipe = assert(io.popen(("timeout 300 %s --headless --no-sandbox --disable-gpu --enable-logging=stderr " ..
    "--user-data-dir=%s --dump-dom file://%s/page.html 2>&1")
    :format(browser, cli.quote(cli.folder .. "/browser"), cli.folder)))
  local said = pipe:read "a"
  pipe:close()
  lu.assertStrContains(said, "</html>")
  lu.assertNil(said:match "[^\n]*CONSOLE[^\n]*")
  lu.assertStrContains(said, 'class="tip"')      -- the script ran
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
