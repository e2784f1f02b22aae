--- What a sweep is: the trials that its arguments make, and its folder, where sweep.json says whose they are. Trials
--- that were there before stay: a wider grid or more seeds of the same script adds to them.
local args = require "perilune.script.args"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local patient_lock = require "perilune.base.patient_lock"
local script = require "perilune.script"
local sources = require "perilune.sweep.sources"
local values = require "perilune.sweep.values"
local store = core.store

local M = {}

local LONGEST = 180      -- of a folder's name; file systems allow 255 bytes

--- { "lr=0.01", "width=32" }, 1 -> "lr=0.01,width=32-s1". No two lists of words have the same name.
function M.name(words, seed)
  local text, unclear = table.concat(words, ","), false
  for _, word in ipairs(words) do unclear = unclear or word:find "=.*=" end      -- where does a value end?
  local plain = text:gsub("[^%w._=,+-]", "_")
  if unclear or plain ~= text or #plain > LONGEST then
    local exact = unclear and table.concat(words, "\n") or text
    plain = ("%s-%s"):format(plain:sub(1, LONGEST), store.sha256(exact):sub(1, 8))
  end
  return ("%s%ss%d"):format(plain, plain == "" and "" or "-", seed)
end

--- The configurations of o.arguments (words, or parameters as values.parse makes them): a list of { "name=value",
--- ... }; each was loaded once, so that a value that the script refuses is told before anything is trained. Returns
--- them, an experiment of theirs, its script.files being those of all, and the defaults of its arguments.
function M.configurations(file, o)
  local parameters = values.parse_all(o.arguments)
  local fixed, ranges = {}, {}
  for _, p in ipairs(parameters) do
    if p.kind then ranges[#ranges + 1] = p else fixed[#fixed + 1] = p.name .. "=" .. p.values[1] end
  end
  local first = script.experiment(file, fixed, ranges)
  local defaults = args.defaults()
  values.settle(parameters, defaults)
  local list
  if o.trials then list = values.random(parameters, o.trials, o.sampling_seed or 1)
  else list = values.grid(parameters) end
  local seed
  for _, words in ipairs(list) do
    local e = script.experiment(file, words)
    if seed and e.seed ~= seed then
      errors.fail(2, "the arguments change the experiment's seed, which a sweep sets itself; leave that out, and " ..
        "use --seeds N: seeds 1 to N of each configuration")
    end
    seed = e.seed
    sources.add(first.script.files, e.script.files)
  end
  return list, first, defaults
end

--- The plan kept in a sweep's folder, or nil.
function M.read(folder)
  local text = store.read_text(folder .. "/sweep.json")
  if not text then return nil end
  local plan, message = core.json.decode(text)
  if type(plan) ~= "table" or plan.format ~= "perilune sweep" then
    errors.fail(1, "%s/sweep.json is no plan of a sweep%s", folder, message and ": " .. message or "")
  end
  if plan.version ~= 1 then
    errors.fail(1, "%s/sweep.json has version %s; this program knows version 1", folder, tostring(plan.version))
  end
  return plan
end

local function refuse_other(folder, was, now)
  local changed = sources.changed(was, now)
  if changed == now.script then
    errors.fail(1, "%s belongs to a sweep of another script (%s, or what it was before it was changed); choose " ..
      "another folder with --out DIR", folder, was.script)
  elseif changed then
    errors.fail(1, "%s belongs to a sweep of %s as it was with another %s; choose another folder with --out DIR",
      folder, was.script, changed)
  end
  if was.epochs ~= now.epochs then
    errors.fail(1, "%s belongs to a sweep of %s; choose another folder with --out DIR", folder,
      was.epochs and ("%d epochs a trial"):format(was.epochs) or "all epochs")
  end
end

-- Is something there that no sweep put there?
local function is_strange(folder)
  for _, name in ipairs(core.system.kind(folder) == "folder" and store.listdir(folder) or {}) do
    if name:sub(1, 1) ~= "." and name:sub(1, 10) ~= "sweep.json" then return true end
  end
  return false
end

local function trial(folder, words, seed)
  local name = M.name(words, seed)
  return { name = name, words = words, seed = seed, folder = folder .. "/" .. name }
end

-- The words of a configuration in one way of writing, by which it is found again.
local function key_of(words, defaults)
  local list = {}
  for i, word in ipairs(words) do
    local name, text = word:match "^([^=]*)=(.*)$"
    list[i] = name .. "=" .. values.canonical(text, defaults[name])
  end
  return table.concat(list, "\0")
end

-- A function that gives a configuration the words that its trials in the folder were begun with, if any were: what
-- was begun as "flag=yes" is not trained again as "flag=true".
local function words_of_old(trials, defaults)
  local exact, by_key = {}, {}
  for _, t in ipairs(trials) do
    local key = key_of(t.words, defaults)
    exact[table.concat(t.words, "\0")], by_key[key] = true, by_key[key] or t.words
  end
  return function(words)
    return exact[table.concat(words, "\0")] and words or by_key[key_of(words, defaults)] or words
  end
end

--- Makes or widens the sweep in a folder: `configurations` of experiment `e`, whose arguments have those `defaults`.
--- o: file, seeds, epochs, out. Returns
--   { folder, file, experiment, epochs, configurations, trials = of this command, all = those that the folder knows }
-- where a trial is { name, words, seed, folder, configuration = index }.
function M.make(o, configurations, e, defaults)
  local slug = o.file:match "([^/]*)$":gsub("%.lua$", "")
  local folder = o.out or "runs/sweep-" .. require "perilune.run.folder".slug(slug)
  local plan = { folder = folder, file = o.file, experiment = e, epochs = o.epochs, configurations = configurations,
    trials = {}, all = {} }
  local was = M.read(folder)
  if not was and is_strange(folder) then
    errors.fail(1, "%s is there and holds no sweep; choose another folder with --out DIR", folder)
  end
  local now = { format = "perilune sweep", version = 1, script = o.file, text = e.script.text, files = e.script.files,
    epochs = o.epochs, trials = {} }
  if was then refuse_other(folder, was, now) end
  local ok, message = store.mkdir(folder)
  if not ok then errors.fail(1, "cannot make the sweep's folder: %s", message) end
  local lock <close> = patient_lock(folder .. "/.sweep.lock")      -- another process may be at it
  was = lock and M.read(folder)
  if was then
    refuse_other(folder, was, now)
    sources.keep(was, now)
  end
  local known, kept = {}, now.trials
  for _, old in ipairs(was and was.trials or {}) do
    local t = trial(folder, old.arguments, math.tointeger(old.seed))
    known[t.name] = t
    plan.all[#plan.all + 1] = t
    kept[#kept + 1] = { arguments = t.words, seed = t.seed }
  end
  local begun_as = words_of_old(plan.all, defaults)
  for index, given in ipairs(configurations) do
    local words = begun_as(given)
    for seed = 1, o.seeds or 1 do
      local t = trial(folder, words, seed)
      t.configuration = index
      if known[t.name] then known[t.name].configuration = index
      else
        plan.all[#plan.all + 1] = t
        kept[#kept + 1] = { arguments = words, seed = seed }
      end
      plan.trials[#plan.trials + 1] = t
    end
  end
  if was and #was.trials == #kept and #(was.files or {}) == #now.files then return plan end      -- nothing is new
  ok, message = store.write_text(folder .. "/sweep.json", core.json.encode(now, true))
  if not ok then errors.fail(1, "%s", message) end
  return plan
end

return M
