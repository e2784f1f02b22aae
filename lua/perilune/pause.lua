--- Ctrl-C while an experiment trains in a session: a prompt inside the paused training. What is changed there by hand is noted in
--- the run, since its script alone no longer makes these bits.
local exact = require "perilune.exact"
local history = require "perilune.history"
local random = require "perilune.random"
local record = require "perilune.record"
local text = require "perilune.text"

local M = {}

-- What training goes on from: name -> a digest of it, or the number itself.
local function parts(t)
  local ok, state = pcall(exact.encode, t.ctx.state)
  return { rate = t.optimizer.lr, weights = record.digest(t.model:state()), optimizer = record.digest(t.optimizer:state()),
    state = ok and state or "?", history = exact.encode(history.saved(t.history)) }
end

local function differences(was, now)
  local list = {}
  if was.rate ~= now.rate then list[1] = ("learning rate %s to %s"):format(text.number(was.rate), text.number(now.rate)) end
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
  local names = { model = t.model, optimizer = t.optimizer, ctx = t.ctx, history = t.history, resume = resume }
  local env = setmetatable(names, { __index = repl.env, __newindex = repl.env })
  if text.terminal(1).tty then io.write "\r\27[K" end      -- over the ^C
  print(("paused %s%s"):format(t.state.batch > 0 and ("in %s of %d"):format(t:place(), t.batches) or "after " .. t:place(),
    run.path and "; all is saved in " .. run.path or ""))
  print "model, optimizer, ctx and history are here; optimizer.lr = x sets the rate; resume() goes on, Ctrl-D ends the run here."
  local before, drawn = parts(t), random.current()
  random.restore(nil)       -- numbers drawn at the prompt are none of the training's
  repl.start { env = env, interactive = true, banner = false, prompt = "paused> ", finished = function() return goes_on end }
  random.restore(drawn)
  local edits = differences(before, parts(t))
  if edits ~= "" then t:mark_edited(edits) end
  return goes_on
end

return M
