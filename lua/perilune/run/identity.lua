--- What makes a run this run and no other, and how two such identities differ.
local argument_values = require "perilune.run.arguments"
local beside = require "perilune.script.beside"
local core = require "perilune.core"
local loaded = require "perilune.script.loaded"
local printable = require "perilune.base.printable"
local system = core.system

local M = {}

-- A function of a script is told from others by the script's text; elsewhere by a digest of its own.
local function function_of(f, with_digest)
  local print_of = with_digest and require "perilune.script.upvalues".fingerprint(f)
  return print_of and "a function " .. print_of or "a function"
end

-- Named functions, sorted.
local function functions_of(named, with_digest)
  local list = {}
  for name, f in pairs(named) do list[#list + 1] = ("%s = %s"):format(name, function_of(f, with_digest)) end
  table.sort(list)
  return #list > 0 and table.concat(list, ", ") or "none"
end

local function config_of(object, with_digest)
  if type(object) == "function" then return function_of(object, with_digest) end
  local ok, config = pcall(function() return object:config() end)
  return ok and core.json.encode(config) or tostring(object)
end

local function optimizer_of(optimizer, with_digest)
  local config, step = optimizer:config(), core.optim.step_function(optimizer)
  if step then config.config.step = function_of(step, with_digest) end
  return core.json.encode(config)
end

-- pl.schedule's say in words what they are, and have the length of the experiment where none is given; a table of the
-- script's own is what it is called as.
local function schedule_of(e, with_digest)
  local schedule = e.schedule
  if not schedule then return "none" end
  if type(schedule) ~= "table" then return function_of(schedule, with_digest) end
  local meta = getmetatable(schedule)
  if not meta.__tostring then return function_of(meta.__call, with_digest) end
  local of_length = (schedule.type == "cosine" or schedule.type == "one_cycle") and not schedule.epochs
  return tostring(schedule) .. (of_length and (" over %d epochs"):format(e.epochs) or "")
end

local function stopping_of(rule, with_digest)
  if rule == nil then return "none" end
  if type(rule) == "function" then return function_of(rule, with_digest) end
  if rawget(rule, "update") then
    local functions = functions_of({ start = rule.start, update = rule.update }, with_digest)
    return ("%s, monitor %s"):format(functions, rule.monitor)
  end
  return ("%s, monitor %s, patience %s, min_delta %s, min_delta_rel %s"):format(rule.type, rule.monitor, rule.patience,
    rule.min_delta, rule.min_delta_rel)
end

local setup_names = { "model", "loss", "optimizer", "schedule", "augment", "stopping", "stopping_mode",
  "batch_size", "shuffle", "drop_last", "nonfinite",
  "validation", "test", "metrics", "callbacks" }

-- What an experiment is set up as, as far as it can be told from outside: for experiments made in a session, and for
-- variants that one script makes of another's. `digests`: of its functions too.
local function setup_of(e, digests)
  local augment = {}
  for i, item in ipairs(e.augment.built_in) do augment[i] = config_of(item) end
  for _, f in ipairs(e.augment.functions) do augment[#augment + 1] = function_of(f, digests) end
  local metrics = {}
  for _, metric in ipairs(e.metrics.functions) do metrics[metric.name] = metric.f end
  return { model = config_of(e.model), loss = config_of(e.loss, digests),
    optimizer = optimizer_of(e.optimizer, digests),
    augment = table.concat(augment, ", "),
    schedule = schedule_of(e, digests),
    metrics = ("%s%s"):format(#e.metrics.named > 0 and table.concat(e.metrics.named, ", ") .. ", " or "",
      functions_of(metrics, digests)),
    callbacks = functions_of(e.callbacks, digests),
    stopping = stopping_of(e.stopping, digests), stopping_mode = type(e.stopping) == "table" and e.stopping.mode or nil,
    batch_size = e.batch_size, shuffle = e.shuffle, drop_last = e.drop_last, nonfinite = e.nonfinite, test = e.test,
    validation = type(e.validation) == "table" and core.json.encode(e.validation) or e.validation }
end

-- Script, name and setup -> { first = the first experiment of these that was run, digest = of its functions }.
local made = {}

-- A script may make several experiments that differ in their functions alone. Returns the digest of these and what
-- they capture; second, is there another of the same setup but for them?
local function functions_of_script(e, plain)
  local digest = core.store.sha256(core.json.encode(setup_of(e, true)))
  local key = table.concat({ e.script.path, e.name, core.json.encode(plain) }, "\0")
  made[key] = made[key] or setmetatable({ first = e, digest = digest }, { __mode = "v" })
  return digest, made[key].first ~= e and made[key].digest ~= digest or nil
end

--- What makes a run this run: its script and arguments, the files the script loaded, data, seed, algorithm. The number
-- of epochs, threads and what is printed do not.
function M.of(e, seed)
  if core.formula.is_loss(e.loss) then require "perilune.train.fit".record(e) end
  local script = e.script or { text = "", arguments = {}, files = {} }
  local train, test, held = e.splits.train, e.splits.test, e.splits.val
  local digests = { train.sha256 }
  for _, split in ipairs { held or false, test or false } do
    if split then digests[#digests + 1] = split.sha256 end
  end
  local _, isa = system.processor()
  local convolution = os.getenv "PERILUNE_CONV" or ""
  local algorithm = (isa == "baseline" and "unfused" or "fused") ..
    (convolution ~= "" and ", convolution " .. convolution or "")
  local setup, functions, told_apart = setup_of(e, e.variant or not e.script), nil, nil
  if script.made_by_itself and not e.variant then functions, told_apart = functions_of_script(e, setup) end
  return { name = e.name, variant = e.variant, script = script.text, path = script.path, arguments = script.arguments,
    values = script.values, files = script.files, seed = seed,
    runs_itself = script.made_by_itself and loaded.is_running(script.path) or nil,
    functions = functions, told_apart = told_apart,
    setup = setup, data = e.data.name, data_sha256 = table.concat(digests, " "), labels = e.data.labels,
    algorithm = algorithm,
    start = e.start_digest, start_lost = e.start_lost, held_out = e.held_out,
    recipe = e.source.derivation and e.source:derivation() or "" }
end

--- The first line in which two texts differ, in words.
function M.difference(was, now)
  local function lines(text)
    local list = {}
    for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
    return list
  end
  local a, b = lines(was), lines(now)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      local function quote(line) return line and "'" .. printable.text((line:gsub("^%s+", ""))) .. "'" or "nothing" end
      return ("line %d was %s, now %s"):format(i, quote(a[i]), quote(b[i]))
    end
  end
  return "the line ends differ"
end

-- The files of a run by their names beside its script, which may be called from another folder.
local function files_by_name(id)
  local found = {}
  for _, file in ipairs(id.files or {}) do found[beside.name_of(file.path, id.path)] = file end
  return found
end

--- Files that the kept run loaded while it trained are this run's too, before it comes to load them.
-- So are the weights that it started from, whose file may be gone.
function M.carry_over(was, now)
  if now.start_lost then now.start, now.start_lost = was.start, nil end
  local present = files_by_name(now)
  for _, file in ipairs(was.files or {}) do
    local name = beside.name_of(file.path, was.path)
    if file.late and not present[name] then
      now.files[#now.files + 1] = { path = beside.path_of(name, now.path), text = file.text, late = true }
    end
  end
end

-- What a setup says of sizes that formulas used: older programs did not note it.
local function without_sizes(text)
  return (text:gsub('"asked":[%[{][%d,-]*[%]}],', ""):gsub(',"shapes":"[^"]*"', ""))
end

-- Older files wrote the biases of convolutions as "true" and "false".
local function with_json_bool(word) return (word == "true" or word == "false") and '"bias":' .. word or nil end

-- The arguments with numbers as the script reads them (`values`): lr=0.1 and lr=1e-1 are the same run.
local function arguments_of(words, values)
  local list = {}
  for i, word in ipairs(words) do
    local name, text = word:match "^([^=]*)=(.*)$"
    local number = name and math.type(values[name]) and tonumber(text)
    list[i] = number and name .. "=" .. argument_values.text(number) or word
  end
  return table.concat(list, " ")
end

--- How the identity `now` differs from the kept one: a list of phrases, empty when it is the same run. The list's field
--- `functions`: they alone differ.
function M.differences(was, now)
  local list = {}
  local function differ(what, a, b)
    if a ~= b then
      list[#list + 1] = ("%s: was %s, now %s"):format(what, a == "" and "none" or tostring(a),
        b == "" and "none" or tostring(b))
    end
  end
  if was.script ~= now.script then list[#list + 1] = "script: " .. M.difference(was.script, now.script) end
  local before, present = files_by_name(was), files_by_name(now)
  local old = was.recipe == nil and #(was.files or {}) == 0      -- such programs did not note all files
  for _, file in ipairs(now.files) do
    local earlier = before[beside.name_of(file.path, now.path)]
    if not earlier then
      if not file.late and not old then list[#list + 1] = file.path .. " is loaded now and was not" end
    elseif earlier.text ~= file.text then
      list[#list + 1] = file.path .. ": " .. M.difference(earlier.text, file.text)
    end
  end
  for _, file in ipairs(was.files or {}) do
    local name = beside.name_of(file.path, was.path)
    local text = not present[name] and file.late and loaded.text(beside.path_of(name, now.path))
    if text and text ~= file.text then list[#list + 1] = file.path .. ": " .. M.difference(file.text, text)
    elseif not text and not present[name] then list[#list + 1] = file.path .. " was loaded and is not now" end
  end
  local given, values = was.arguments or {}, now.values or {}
  if arguments_of(given, values) ~= arguments_of(now.arguments, values) then
    differ("arguments", table.concat(given, " "), table.concat(now.arguments, " "))
  end
  differ("data set", was.data, now.data)
  if was.data == now.data and was.data_sha256 ~= now.data_sha256 then
    list[#list + 1] = ("the contents of data set %s changed"):format(now.data)
  end
  differ("derivation of the data", was.recipe or "", now.recipe)
  -- programs that did not note the rule held out the last rows
  local last = now.held_out ~= "none" and ("%s, the last rows"):format(now.held_out:match "^[^,]*") or "none"
  differ("validation", was.held_out or last, now.held_out)
  if was.held_out == nil and now.held_out ~= last then
    list[#list] = list[#list] .. ' (order = "last" holds out those rows)'
  end
  local function start_of(id) return id.start and "weights with SHA-256 " .. id.start or "new weights" end
  if not now.start_lost then differ("start", start_of(was), start_of(now)) end
  if #list == 0 then
    for _, name in ipairs(setup_names) do      -- what an older program did not note is not compared
      local before_ = (was.setup or {})[name]
      if type(before_) == "string" then before_ = before_:gsub('"bias":"(%a+)"', with_json_bool) end
      local after = now.setup[name]
      if type(before_) == "string" and type(after) == "string" and without_sizes(before_) == before_ then
        after = without_sizes(after)
      end
      if name == "schedule" and type(before_) == "string" and not before_:find " over %d+ epochs$" then
        after = after:gsub(" over %d+ epochs$", "")      -- older programs did not note it
      end
      local bare = type(after) == "string" and after:gsub("a function %x+", "a function")
      -- older programs wrote lists of a schedule as "a table"
      local told = before_ ~= nil and not tostring(before_):find("= a table", 1, true)
      if told and before_ ~= bare then differ(name, before_, after) end
    end
  end
  differ("seed", was.seed, now.seed)
  differ("algorithm", was.algorithm, now.algorithm)
  if #list == 0 and (was.told_apart or now.told_apart) and was.functions and was.functions ~= now.functions then
    list[1], list.functions = "its functions, or what they capture, are others", true
  end
  return list
end

return M
