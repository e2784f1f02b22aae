--- What a sweep is: the trials that its arguments make, and its folder, where sweep.json says whose they are. Trials
--- that were there before stay: a wider grid or more seeds of the same script adds to them.
local args = require "perilune.script.args"
local arguments = require "perilune.run.arguments"
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local patient_lock = require "perilune.base.patient_lock"
local script = require "perilune.script"
local sorted_keys = require "perilune.base.sorted_keys"
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
--- them, an experiment of theirs, its script.files being those of all, and what each was loaded as: a list of {
--- epochs =, defaults = of its arguments }.
function M.configurations(file, o)
  local parameters = values.parse_all(o.arguments)
  local fixed, ranges, seeds = {}, {}, o.seeds or 1
  values.check_count((o.trials or 1) * (seeds + 0.0))
  for _, p in ipairs(parameters) do
    if p.kind then ranges[#ranges + 1] = p else fixed[#fixed + 1] = p.name .. "=" .. p.values[1] end
  end
  local first = script.experiment(file, fixed, ranges)
  values.settle(parameters, args.defaults())
  local list
  if o.trials then list = values.random(parameters, o.trials, o.sampling_seed or 1)
  else list = values.grid(parameters) end
  values.check_count(#list * seeds)
  local loaded, seed = {}, nil
  for i, words in ipairs(list) do
    local e = script.experiment(file, words)
    loaded[i] = { epochs = e.epochs, defaults = args.defaults() }
    if seed and e.seed ~= seed then
      errors.fail(2, "the arguments change the experiment's seed, which a sweep sets itself; leave that out, and " ..
        "use --seeds N: seeds 1 to N of each configuration")
    end
    seed = e.seed
    sources.add(first.script.files, e.script.files)
  end
  return list, first, loaded
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
  local whole = type(plan.script) == "string" and type(plan.text) == "string" and type(plan.trials) == "table"
  for _, t in ipairs(whole and plan.trials or {}) do
    whole = whole and type(t) == "table" and type(t.arguments) == "table" and math.type(t.seed) == "integer"
  end
  if not whole then errors.fail(1, "%s/sweep.json is damaged: it does not say which trials it is of", folder) end
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

local UNSAID = "\1"      -- a default that no word gives; no word holds this byte

-- The values of all arguments of a configuration in one way of writing, by which it is found again.
local function key_of(words, defaults)
  local texts, list = {}, {}
  for name, default in pairs(defaults) do
    local text, exact = values.text(default)
    texts[name] = exact and values.canonical(text, default) or UNSAID
  end
  for _, word in ipairs(words) do
    local name, text = word:match "^([^=]*)=(.*)$"
    texts[name] = values.canonical(text, defaults[name])
  end
  for i, name in ipairs(sorted_keys(texts)) do list[i] = name .. "=" .. texts[name] end
  return table.concat(list, "\0")
end

-- A function that gives a configuration the words that its trials in the folder were begun with, if any were: what
-- was begun as "flag=yes" is not trained again as "flag=true", nor with the default said that it had unsaid. The
-- defaults are those of that configuration: they may depend on other arguments.
local function words_of_old(trials)
  local exact, old, by_defaults = {}, {}, {}
  for _, t in ipairs(trials) do
    local all = table.concat(t.words, "\0")
    if not exact[all] then exact[all], old[#old + 1] = true, t.words end
  end
  return function(words, defaults)
    if exact[table.concat(words, "\0")] then return words end
    local all = arguments.key(defaults)
    local by_key = by_defaults[all]
    if not by_key then
      by_key = {}
      for _, was in ipairs(old) do
        local key = key_of(was, defaults)
        by_key[key] = by_key[key] or was
      end
      by_defaults[all] = by_key
    end
    return by_key[key_of(words, defaults)] or words
  end
end

-- Adds the trials that a kept plan has and `all` has not. Returns all by name.
local function add_kept(all, folder, was)
  local known = {}
  for _, t in ipairs(all) do known[t.name] = t end
  for _, old in ipairs(was and was.trials or {}) do
    local t = trial(folder, old.arguments, math.tointeger(old.seed))
    if not known[t.name] then known[t.name], all[#all + 1] = t, t end
  end
  return known
end

--- Adds to plan.all what other commands have added to the sweep since; returns the plan.
function M.renew(plan)
  add_kept(plan.all, plan.folder, M.read(plan.folder))
  return plan
end

--- Makes or widens the sweep in a folder: `configurations` of experiment `e`, `loaded` as M.configurations says.
--- o: file, seeds, epochs, out. Returns
--   { folder, file, experiment, epochs, configurations, trials = of this command, all = those that the folder knows }
-- where a trial is { name, words, seed, folder, configuration = index, planned = its number of epochs }.
function M.make(o, configurations, e, loaded)
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
  local known, kept = add_kept(plan.all, folder, was), now.trials
  local begun_as = words_of_old(plan.all)
  for index, given in ipairs(configurations) do
    local words = begun_as(given, loaded[index].defaults)
    for seed = 1, o.seeds or 1 do
      local t = trial(folder, words, seed)
      t.configuration, t.planned = index, o.epochs or loaded[index].epochs
      if known[t.name] then known[t.name].configuration = index else plan.all[#plan.all + 1] = t end
      plan.trials[#plan.trials + 1] = t
    end
  end
  for i, t in ipairs(plan.all) do kept[i] = { arguments = t.words, seed = t.seed } end
  if was and #was.trials == #kept and #(was.files or {}) == #now.files then return plan end      -- nothing is new
  ok, message = store.write_text(folder .. "/sweep.json", core.json.encode(now, true))
  if not ok then errors.fail(1, "%s", message) end
  return plan
end

return M
