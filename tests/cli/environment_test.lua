-- What a script does to its environment is its own trouble: the locale, and the standard functions, which it overwrites
-- here before anything else. Results and files are those of the same script without that.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local experiment = [[
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
return pl.experiment {
  name = "environment", data = pl.data.digits { train = 200, test = 60 },
  model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) },
  loss = nn.CrossEntropy(), optimizer = optim.Adam { lr = pl.arg("lr", 0.0015) }, epochs = 2, batch_size = 16,
  validation = 0.25,
  schedule = pl.schedule.step and pl.schedule.step { every = 1, factor = 0.75 } or nil, metrics = { "macro_f1" },
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 5, min_delta_rel = 0.001 },
}
]]

local function files(out)
  local record = assert(require "perilune.run.file".read(("%s/%s/run.h5"):format(cli.folder, out)))
  local log = cli.read(("%s/%s/log.jsonl"):format(cli.folder, out)):gsub('"seconds":[^,}]*',
    ""):gsub('"created":"[^"]*"', ""):gsub('"bytes":%d+', "")
  return { assert(record.state.weights_sha256), log, record.config, record.history.columns }
end

local function train(name, text, environment)
  local script = cli.write(name .. ".lua", text)
  local r = cli.run(("run %s lr=0.0025 --quiet --out %s"):format(cli.quote(script), name), environment)
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  return files(name)
end

local whole = train("plain", experiment)

TestEnvironment = {}

-- A locale with a decimal comma; made for the test where the sources of locales are installed. The C library
-- never frees its list of the folders in LOCPATH: no leak of ours.
local function comma_locale()
  if not os.execute(("localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1"):format(cli.quote(cli.folder))) then
    lu.skip "localedef cannot make de_DE.UTF-8 (Debian: locales)"
  end
  return "ASAN_OPTIONS=detect_leaks=0 LOCPATH=" .. cli.quote(cli.folder)
end

function TestEnvironment.test_a_locale_with_a_decimal_comma()
  local environment = comma_locale()
  local set = 'assert(os.setlocale "de_DE.UTF-8")\n'
  lu.assertEquals(train("comma", set .. experiment, environment), whole)
  local shown = cli.run("show comma --csv", environment)
  lu.assertEquals(shown.status, 0)
  lu.assertNotStrContains(shown.out:match "\n(.-)\n", ",,")
  lu.assertEquals(select(2, shown.out:match "\n(.-)\n":gsub(",", "")),
    select(2, shown.out:match "^(.-)\n":gsub(",", "")))
  local script = cli.write("comma_tools.lua", set .. [[
    local pl = require "perilune"
    assert(pl.save("comma.h5", { x = 0.5, t = pl.tensor { 1.5 } }))
    assert(pl.load "comma.h5".x == 0.5)
    assert(#{ pl.arg("lr", 0.5) } == 1)
    local json = require "perilune.core".json
    assert(json.encode { a = 1.5 } == '{"a":1.5}' and json.decode '{"a":2.5}'.a == 2.5)
    assert(os.date("%B", 0) == "Januar", os.date("%B", 0))
    print(pl.tensor { 1.5, 2.25 }, 0.5, os.setlocale())]])
  local r = cli.run(cli.quote(script), environment)
  lu.assertEquals({ r.status, r.err }, { 0, "" })
  lu.assertStrContains(r.out, "1.5")
  lu.assertStrContains(r.out, "0.5\tde_DE.UTF-8")
end

function TestEnvironment.test_standard_functions_overwritten()
  local overwrite = [[
    local libraries, keep = { "string", "table", "math", "os", "io", "utf8", "coroutine" }, error
    local type, next = type, next
    local function broken() keep("the script's own broken function was called", 0) end
    for _, name in ipairs(libraries) do
      local library = _G[name]
      for key, value in next, library do
        if type(value) == "function" then library[key] = broken end
      end
    end
    local names = {}
    for name in next, _G do names[#names + 1] = name end
    for _, name in ipairs(names) do
      local value = _G[name]
      if name ~= "_G" and name ~= "package" and name ~= "debug" and name ~= "require" then
        _G[name] = type(value) == "function" and broken or nil
      end
    end
  ]]
  lu.assertEquals(train("overwritten", "local pl = require 'perilune'\n" .. overwrite .. experiment), whole)
  local callbacks = experiment:gsub("metrics =", "callbacks = { on_start = function() " .. overwrite ..
    " end }, metrics =")
  lu.assertEquals(train("overwritten_late", callbacks), whole)
end

-- What chooses an algorithm chooses bits.
function TestEnvironment.test_values_that_mean_nothing()
  for name, known in pairs { PERILUNE_CONV = "direct, winograd, auto", PERILUNE_FUSE = "0, 1" } do
    local r = cli.run("version", name .. "=wingrad")
    lu.assertEquals({ r.status, r.out, r.err }, { 2, "", ("perilune: %s is one of %s, got 'wingrad'\n"):format(name,
      known) })
    lu.assertEquals(cli.run("version", name .. "=").status, 0)
  end
end

function TestEnvironment.test_what_a_script_adds_to_string_is_there()
  local script = cli.write("added.lua", [[
    local pl = require "perilune"
    function string.trim(s) return s:match "^%s*(.-)%s*$" end
    function string.upper() return "mine" end
    print(("  a "):trim(), string.upper "b", ("c"):upper())]])
  lu.assertEquals(cli.run(cli.quote(script)).out, "a\tmine\tC\n")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
