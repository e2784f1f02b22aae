--- The run that experiment:run returns, and what is said about it: heading, result, where the files are, what to try
--- next.
local core = require "perilune.core"
local sorted_keys = require "perilune.base.sorted_keys"
local system = core.system
local text = require "perilune.base.format"
local report = require "perilune.terminal.tables"
local history = require "perilune.run.history"
local errors = require "perilune.base.errors"
local stopping = require "perilune.train.stopping"

local M = {}

local methods = {}
local Run = { __name = "perilune.run" }

--- The fields of a run from a file that a list of runs does not read.
M.late = {}
for _, name in ipairs { "state", "history", "identity", "evaluation", "test", "val", "predictions", "labels", "threads",
  "documented" } do
  M.late[name] = true
end

-- A run from a file reads what it is asked for: its record, or the weights (run.load, run.load_model).
local function read(self, key)
  if key == "model" then
    local load_model = rawget(self, "load_model")
    self.model = load_model and load_model(self)
  elseif rawget(self, "load") and rawget(self, "state") == nil and M.late[key] then
    errors.must(self.load(self))
  end
  return rawget(self, key)
end

function Run.__index(self, key)
  local method = methods[key]
  if method ~= nil then return method end
  return read(self, key)
end

function M.is(value) return getmetatable(value) == Run end

--- A run that has not begun.
function M.new(e, o, threads)
  return setmetatable({ experiment = e, model = e.model, name = e.name, seed = o.seed, epochs = o.epochs,
    planned = e.epochs, threads = threads,
    documented = e.documented, labels = e.data.labels, arguments = e.script and e.script.values or {}, out = o.out
      or nil }, Run)
end

--- A run from a file; see runs.lua.
function M.saved(fields) return setmetatable(fields, Run) end

local function joined(parts, term)
  local list = {}
  for _, part in ipairs(parts) do if part then list[#list + 1] = part end end
  return table.concat(list, term.utf8 and " · " or " | ")
end

local function plural(n, word)
  return ("%s %s%s"):format(text.count(n), word, n == 1 and "" or word:find "tch$" and "es" or "s")
end

--- Lines said before training.
function M.heading(run, e, o, found, term)
  local _, isa = system.processor()
  local splits = e.splits
  local lines = {
    joined({ term.paint(e.name, "bold"), plural((e.model:sizes()), "parameter"), "seed " .. o.seed,
      plural(run.threads, "thread") .. ", " .. isa }, term),
    ("%s: training set of %s%s%s"):format(e.data.name, text.count(splits.train.count),
      splits.val and (", validation set of %s"):format(text.count(splits.val.count)) or "",
      splits.test and (", test set of %s"):format(text.count(splits.test.count)) or ""),
  }
  if run.path then
    local s, at = found and found.state, ""
    if s then
      at = ("   continuing with epoch %d of %d%s"):format(s.epoch + 1, o.epochs, s.batch > 0
        and ", after " .. plural(s.batch, "batch") or "")
      if s.epoch >= o.epochs then at = "   continuing after the last epoch" end
    end
    lines[#lines + 1] = term.paint(run.path, "dim") .. term.paint(at, "cyan")
  end
  local hint = require "perilune.train.fit".hint(e)
  if hint then lines[#lines + 1] = "hint: " .. hint end
  lines[#lines + 1] = ""
  return lines
end

-- The number that the documented one is compared with: the test error, or the metric that the experiment names.
local function measured(run)
  local documented = run.documented
  local metric = documented and documented.metric or "test_error"
  return run:value(metric), metric
end

-- A documented number is for a published test set (not for the digits that data.digits makes up), at the documented end
-- of the training.
local function comparison(run, term)
  local documented, data = run.documented, run.identity.data
  local value, metric = measured(run)
  if not documented or not documented.error or not value or data:match "^digits" then return nil end
  if run.ended == "epochs" and run.state.epoch < run.planned then
    return ("documented %s%s after %d epochs"):format(text.percent(documented.error),
      documented.source and (" (%s)"):format(documented.source) or "", run.planned)
  end
  local split = metric:match "^val_" and run.val or run.test
  local against = report.against(documented, value, split and split.count, term)
  if metric ~= "test_error" then against = ("%s %s, %s"):format(report.title(metric), text.percent(value), against) end
  return against
end

--- The result in one line.
function methods:line(term)
  term = term or text.terminal(1)
  local test, parts = self.test, {}
  local measures = test and report.measured(test)
  if measures then parts[1] = "test " .. measures
  elseif test then parts[1] = "test loss " .. text.number(test.loss)
  elseif #self.history > 0 then parts[1] = "training loss " .. text.number(self.history[#self.history].train_loss) end
  parts[1] = term.paint(parts[1] or "no epoch finished", "bold")
  parts[#parts + 1] = comparison(self, term)
  return table.concat(parts, term.utf8 and " · " or " | ")
end

-- How the run ended and which epoch's weights these are.
function methods:ending()
  local s = self.state
  local parts = {}
  if self.ended == "stopping" then parts[1] = ("stopped early after epoch %d"):format(s.epoch)
  elseif self.ended == "callback" then
    local into = s.batch > 0 and (" and %s of the next"):format(plural(s.batch, "batch")) or ""
    local why = s.stop_reason and (" (%s)"):format(s.stop_reason) or ""
    parts[1] = ("stopped by a callback after epoch %d%s%s"):format(s.epoch, into, why)
  else parts[1] = plural(s.epoch or 0, "epoch") end
  if self.best then
    parts[#parts + 1] = ("weights of epoch %d, the best %s (chosen on the %s)"):format(self.best.epoch,
      report.title(self.best.monitor),
      stopping.split_of(self.best.monitor))
  end
  if s.edited then parts[#parts + 1] = ("edited by hand (%s)"):format(s.edited) end
  local skipped = history.sum(self.history, "skipped") + (s.skipped or 0)
  if skipped > 0 then parts[#parts + 1] = ("%s skipped, not finite"):format(plural(math.tointeger(skipped), "step")) end
  if (s.test_evaluations or 0) > 0 and self.test then
    parts[#parts + 1] = ("test set evaluated %s"):format(s.test_evaluations == 1 and "once"
      or s.test_evaluations .. " times")
  end
  return table.concat(parts, "; ")
end

local function command(run)
  local identity = run.identity
  if not identity.path or identity.variant then return nil end
  local words = { require "perilune.script".program, "run", identity.path }
  for _, word in ipairs(identity.arguments or {}) do words[#words + 1] = word end
  return text.command(words)
end

-- Where the files are and what can be done next: { what, where or command } each.
local function pointers(run)
  local program = require "perilune.script".program
  local lines, again = {}, command(run)
  local function add(what, how) lines[#lines + 1] = { what, how } end
  if run.path then
    add("weights", ("%s/run.h5%s"):format(run.path, run.best and " (best.h5: of the best epoch)" or ""))
    add("history", ("%s/log.jsonl, and in run.h5"):format(run.path))
    add("look closer", text.command { program, "show", run.path })
  end
  if not again then return lines end
  local out = run.out and " " .. text.command { "--out", run.out } or ""
  if run.path and run.ended == "epochs" and run.state.epoch < run.planned then
    add("go on", ("%s%s   (to epoch %d)"):format(again, out, run.planned))
  end
  add("another seed", ("%s --seed %d"):format(again, run.seed + 1))
  add("by hand", text.command { program, "-i", run.identity.path, table.unpack(run.identity.arguments or {}) })
  return lines
end

--- Where an interrupted run can be resumed.
function methods:kept()
  if not self.path then return "nothing was saved (out = false)" end
  if self.unsaved then
    return ("this could not be saved: the same command resumes from what %s holds of before"):format(self.path)
  end
  if self.state.captured then
    return ("saved in %s; it cannot be continued exactly: %s, which is in no checkpoint"):format(self.path,
      self.state.captured)
  end
  return ("saved in %s; the same command resumes from there"):format(self.path)
end

--- Prints the result, where the files are, and what to try next. options.confusion: also the confusion matrix.
function methods:report(given)
  local term = text.terminal(1)
  local out = {}
  local function say(line) out[#out + 1] = line or "" end
  if self.ended == "interrupted" then
    local s = self.state
    say(("interrupted in epoch %d%s; %s"):format(s.batch > 0 and s.epoch + 1 or s.epoch, s.batch > 0
      and ", after " .. plural(s.batch, "batch") or "",
      self:kept()))
    print(table.concat(out, "\n"))
    return
  end
  if self.recalled then say(("%s is finished already; --fresh runs it again"):format(self.path)) end
  local function wrapped(line, style)
    for _, part in ipairs(text.wrap(line, term.width, "  ")) do say(style and term.paint(part, style) or part) end
  end
  local held = self.evaluation and self.evaluation.val
  say()
  wrapped(self:line(term))
  if held then
    local measures = report.measured(held)
    wrapped(("validation %sloss %s"):format(measures and measures .. ", " or "", text.number(held.loss)))
  end
  wrapped(self:ending(), "dim")
  if given and given.confusion and self.test and self.test.confusion then
    say()
    wrapped "Confusion matrix of the test set: a row is the actual class, a column what the network says."
    for _, line in ipairs(report.confusion(self.test.confusion, self.labels, term, self.test.outside)) do say(line) end
  end
  say()
  for _, pointer in ipairs(pointers(self)) do     -- commands stay on one line, to be copied
    local files = pointer[1] == "weights" or pointer[1] == "history"
    for _, line in ipairs(text.beside(pointer[1], pointer[2], 14, files and term or { paint = term.paint })) do
      say(line)
    end
  end
  print(table.concat(out, "\n"))
end

function Run:__tostring()
  return ("run of %q, seed %d: %s"):format(self.name, self.seed,
    self:line { paint = function(s) return s end, utf8 = true })
end

-- Names of run:value besides those of arguments, evaluations and the history. They come before arguments of the same
-- name; but for epochs and data, which say the same in the words of the script.
local own = { "name", "seed", "ended", "state", "epoch", "epochs", "data", "path", "best_epoch", "seconds", "created",
  "when", "tags" }
local is_own = {}
for _, name in ipairs(own) do is_own[name] = name ~= "epochs" and name ~= "data" end

--- Is it a name that an argument does not take from run:value?
function M.is_field(name) return is_own[name] == true end

local function evaluated(part, key)
  local split, name = key:match "^(%l+)_(.+)$"
  local result = (split == "test" or split == "val") and part[split]
  local value = result and result[name]
  return type(value) == "number" and value or nil
end

-- A trial of a sweep that failed has that file (sweep/trial.lua).
local function has_failed(run) return run.path ~= nil and core.store.exists(run.path .. "/failed.txt") end

--- One number or word of a run by its name: a field ("name", "seed", "ended", "state" (finished, unfinished or failed),
--- "epoch", "path", "best_epoch", "seconds", "created", "when" or "tags"), an argument ("lr"), "epochs" or "data", a
--- result of the final weights ("test_error", "val_loss", a metric), or else of the last epoch ("train_loss").
function methods:value(key)
  local arguments, listed = self.arguments or {}, rawget(self, "state") == nil and rawget(self, "listed") or nil
  if arguments[key] ~= nil and not is_own[key] then return arguments[key] end
  local part = listed or { test = self.test, val = self.val, metrics = self.evaluation and self.evaluation.metrics,
    last = self.history[#self.history],
    epoch = self.state.epoch, data = self.identity.data }
  if key == "best_epoch" then return self.best and self.best.epoch end
  if key == "tags" then
    local tags = self.path and require "perilune.run.notes".read(self.path).tags or {}
    return #tags > 0 and table.concat(tags, ",") or nil
  end
  if key == "epoch" or key == "data" then return part[key] end
  if key == "state" then return self.ended ~= "interrupted" and "finished" or has_failed(self) and "failed"
    or "unfinished" end
  if key == "when" then return self.created end
  for _, name in ipairs(own) do
    if key == name then return self[key] end
  end
  local value = part.metrics and part.metrics[key]      -- first: a script's own RMSE stands for the measured one
  if value == nil then value = evaluated(part, key) end
  if value == nil and part.last then value = part.last[key] end
  return value
end

--- A function (run, name) for runs beside each other: as run:value, but what is an argument of one of them is an
--- argument of all, not the last epoch's rate where a run has no argument lr.
function M.reader(list)
  local is_argument = {}
  for _, run in ipairs(list) do
    for name in pairs(run.arguments or {}) do is_argument[name] = is_own[name] == nil end
  end
  return function(run, name)
    if is_argument[name] then return (run.arguments or {})[name] end
    return run:value(name)
  end
end

--- The names of which run:value has a value, sorted; `all`: also fields that this run has no value of, such as "tags".
function methods:values(all)
  local found = {}
  local listed = rawget(self, "state") == nil and rawget(self, "listed") or nil
  local function add(t, prefix)
    for name, value in pairs(t or {}) do
      if type(name) == "string" and (not prefix or type(value) == "number") then
        found[(prefix or "") .. name] = true
      end
    end
  end
  local part = listed or { test = self.test, val = self.val, metrics = self.evaluation and self.evaluation.metrics,
    last = self.history[#self.history] }
  for _, name in ipairs(own) do found[name] = all or self:value(name) ~= nil or nil end
  add(self.arguments)
  add(part.test, "test_")
  add(part.val, "val_")
  add(part.metrics)
  add(part.last)
  return sorted_keys(found)
end

local function json_line(h, row)
  local parts = {}
  for _, name in ipairs(h.columns) do
    local value = row[name]
    if value ~= nil then parts[#parts + 1] = ("%s:%s"):format(core.json.encode(name), core.json.encode(value)) end
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

local function whole_log(h)
  local lines = {}
  for i = 1, #h do lines[i] = json_line(h, h[i]) end
  return table.concat(lines)
end

--- Keeps the log of a run up with its history, one line an epoch. `logged`: how many lines are there (nil: the file is
--- written anew); `summary`: a last line, once the run has ended. Returns the new number; nil and a message when it
--- could not be written.
function M.log(path, h, logged, summary)
  if logged == nil or logged > #h then
    local ok, message = core.store.write_text(path, whole_log(h) .. (summary and summary .. "\n" or ""))
    return ok and #h or nil, message
  end
  for i = logged + 1, #h do
    local ok, message = core.store.append(path, json_line(h, h[i]))
    if not ok then return nil, message end
  end
  if summary then
    local ok, message = core.store.append(path, summary)
    if not ok then return nil, message end
  end
  return #h
end

--- Writes the log anew when it is not that of the history and the run's end: true; or nil and a message.
function M.complete_log(path, h, summary)
  local lines = whole_log(h)
  local there = core.store.read_text(path)
  local last = there and there:sub(1, #lines) == lines and there:match('^{"summary":[^\n]*\n$', #lines + 1)
  local kept = last and core.json.decode(last)
  if kept and require "perilune.run.log".is_of(kept.summary, path:match "^(.*)/") then return true end
  return core.store.write_text(path, lines .. summary .. "\n")
end

require "perilune.base.names".class(Run, methods)
return M
