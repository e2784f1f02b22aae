--- Ctrl-C while an experiment trains in a session: a prompt inside the paused training. What is changed there by hand
--- is noted in the run, since its script alone no longer makes these bits.
local exact = require "perilune.base.lossless_json"
local history = require "perilune.run.history"
local random = require "perilune.script.random"
local record = require "perilune.run.record"
local text = require "perilune.base.format"

local M = {}

-- What training goes on from: name -> a digest of it, or the number itself.
local function parts(t)
  local ok, state = pcall(exact.encode, t.ctx.state)
  return { rate = t.optimizer.lr, weights = record.digest(t.model:state()),
    optimizer = record.digest(t.optimizer:state()),
    state = ok and state or "?", history = exact.encode(history.saved(t.history)) }
end

-- What a rate set by hand will do under the schedule.
local function fate(t)
  local per, rate = t:scheduled_per(), text.number(t.optimizer.lr)
  if not per then return ("the learning rate is %s from the next step on"):format(rate) end
  local rule = type(t.rule) == "table" and t.rule.type and "pl.schedule." .. t.rule.type or "a function"
  local keep = ("to keep it: schedule = pl.schedule.constant { lr = %s }"):format(rate)
  if per == "step" then return ("the schedule (%s) sets the rate anew before the next step; %s"):format(rule, keep) end
  local s = t.state
  if s.batch > 0 then
    return ("the learning rate is %s until epoch %d ends; then the schedule (%s) sets it; %s"):format(rate, s.epoch + 1,
      rule, keep)
  end
  return ("the schedule (%s) sets the rate as epoch %d begins, and is given %s as the previous one; %s"):format(rule,
    s.epoch + 1, rate, keep)
end

-- Marks what was changed. A rate that the schedule sets before it is used may change no bit: that shows then
-- (Trainer:schedule).
local function differences(t, was, now)
  local list = {}
  local waits = was.rate ~= now.rate and (t:scheduled_per() == "step" or t:scheduled_per() == "epoch"
    and t.state.batch == 0)
  if waits then t.state.rate_before = t.state.rate_before or was.rate
  elseif was.rate ~= now.rate then
    list[1] = ("learning rate %s to %s"):format(text.number(was.rate), text.number(now.rate))
  end
  for _, name in ipairs { "weights", "optimizer", "state", "history" } do
    if was[name] ~= now[name] then list[#list + 1] = name == "state" and "ctx.state" or name end
  end
  return table.concat(list, ", ")
end

--- Opens the prompt; returns whether the training is to go on.
function M.open(run, t)
  local repl = require "perilune.repl"
  local goes_on = false
  local function resume() goes_on = true end
  local rule, said = t.rule, t.optimizer.lr
  local names = { model = t.model, optimizer = t.optimizer, ctx = t.ctx, history = t.history, schedule = rule or false,
    resume = resume }
  local env = setmetatable(names, { __index = repl.env, __newindex = repl.env })
  if text.terminal(1).tty then io.write "\r\27[K" end      -- over the ^C
  print(("paused %s%s"):format(t.state.batch > 0 and ("in %s of %d"):format(t:place(), t.batches)
    or "after " .. t:place(),
    run.path and "; all is saved in " .. run.path or ""))
  print("model, optimizer, ctx and history are here; optimizer.lr = x sets the rate; resume() continues, " ..
    "Ctrl-D ends the run here.")
  -- After each line: what it changed about the rate is said at once.
  local function look()
    local now = names.schedule or nil
    if now ~= t.rule then
      local callable = type(now) == "function" or type(now) == "table" and (getmetatable(now) or {}).__call
      if now ~= nil and not callable then
        print "a schedule is a function(epoch, lr, ctx), such as pl.schedule.constant { lr = 0.001 }, or nil"
        names.schedule = t.rule or false
      else
        t.rule = now
        print(("the rate is set by %s from the next %s on; in this session: the script's schedule is back when " ..
          "the run is resumed later"):format(
          now == nil and "hand" or type(now) == "table" and tostring(now) or "a function", t:scheduled_per() or "step"))
      end
    end
    if t.optimizer.lr ~= said then
      said = t.optimizer.lr
      print(fate(t))
    end
    return goes_on
  end
  local before, drawn = parts(t), random.current()
  random.restore(nil)       -- numbers drawn at the prompt are none of the training's
  repl.start { env = env, interactive = true, banner = false, prompt = "paused> ", finished = look }
  random.restore(drawn)
  local edits = differences(t, before, parts(t))
  if t.rule ~= rule then edits = (edits ~= "" and edits .. ", " or "") .. "schedule" end
  if edits ~= "" then t:mark_edited(edits) end
  return goes_on
end

return M
