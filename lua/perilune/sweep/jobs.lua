--- Runs tasks in processes of their own, so many at a time. What is done lies in the tasks' folders alone: each task's
--- status is read there, and claimed there by its own process, with a lock that dies with it. So any number of
--- callers, here and elsewhere, can work on the same tasks.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local trial = require "perilune.sweep.trial"
local process, system = core.process, core.system

local M = {}

local TAKEN = 75          -- exit status of a trial that another process trains
local interrupted = { [129] = true, [130] = true, [143] = true }      -- by SIGHUP, SIGINT, SIGTERM: all is saved
local MOST_STARTS = 4     -- of a task whose process was killed, until it is left as it is

local function describe(exit, signal)
  return signal and ("its process was ended by signal %d"):format(signal)
    or ("its process ended with status %d"):format(exit)
end

-- What a process said last, for a failure that it could not note.
local function last_words(folder)
  local output = (core.store.read_text(folder .. "/output.txt") or ""):sub(-2000)
  local last = output:match "([^\n]*)%s*$"
  last = last:gsub("^perilune: ", "")
  return last ~= "" and ": " .. last or ""
end

local Pool = {}
Pool.__index = Pool

-- Takes a task out of the queue if there is something to do for it; else says what it is.
function Pool:start(task)
  local s = trial.status(task.folder)
  if self.is_done(task, s) or s.state == "failed" then return self:settle(task, s) end
  if s.state == "running" then
    task.look_again = system.clock() + 0.5
    self.elsewhere[#self.elsewhere + 1] = task
    return
  end
  local ok, message = core.store.mkdir(task.folder)
  if not ok then errors.fail(1, "%s", message) end
  local pid
  pid, message = process.spawn(self.command(task), task.folder .. "/output.txt")
  if not pid then errors.fail(1, "%s", message) end
  task.pid, task.epochs_before, task.starts = pid, s.epoch or 0, (task.starts or 0) + 1
  self.running[#self.running + 1] = task
end

function Pool:settle(task, s)
  self.hooks.settled(task, s)
  if s.state == "failed" and self.fail_fast then self.stopping = "failure" end
end

-- What became of a task whose process has ended.
function Pool:finished(task, exit, signal)
  task.pid = nil
  local s = trial.status(task.folder)
  if exit == 0 and self.is_done(task, s) or s.state == "failed" then return self:settle(task, s) end
  if exit == TAKEN then
    task.starts, task.look_again = task.starts - 1, system.clock() + 0.5
    self.elsewhere[#self.elsewhere + 1] = task
    return
  end
  if self.stopping then return end
  if signal or interrupted[exit] then
    if task.starts < MOST_STARTS then self.queue[#self.queue + 1] = task
    else
      local message = describe(exit, signal) .. ", again and again"
      self:settle(task, { state = "unfinished", epoch = s.epoch, message = message })
    end
    return
  end
  trial.fail(task.folder, describe(exit, signal) .. last_words(task.folder))
  self:settle(task, trial.status(task.folder))
end

-- Looks at the processes once; true if something happened.
function Pool:look()
  local still, happened = {}, false
  for _, task in ipairs(self.running) do
    local exit, signal = process.wait(task.pid)
    if exit or signal then
      self:finished(task, exit, signal)
      happened = true
    else still[#still + 1] = task end
  end
  self.running = still
  local now, away = system.clock(), {}
  for _, task in ipairs(self.elsewhere) do
    if now >= task.look_again then self.queue[#self.queue + 1] = task else away[#away + 1] = task end
  end
  self.elsewhere = away
  return happened
end

function Pool:stop_all()
  for _, task in ipairs(self.running) do
    if task.pid then process.kill(task.pid, "INT") end
  end
end

--- o: { jobs, command(task) -> words, is_done(task, status) -> boolean, fail_fast, hooks = { settled(task, status),
--- tick(pool) } }. Every task needs its `folder`. Returns nil when all are settled, else "interrupted" or "failure".
function M.run(tasks, o)
  local self = setmetatable({ queue = table.move(tasks, 1, #tasks, 1, {}), running = {}, elsewhere = {},
    command = o.command, is_done = o.is_done, fail_fast = o.fail_fast, hooks = o.hooks }, Pool)
  system.catch_interrupt(true)
  local ok, problem = pcall(function()
    while #self.running > 0 or not self.stopping and #self.queue + #self.elsewhere > 0 do
      if not self.stopping and system.interrupted() then
        self.stopping = "interrupted"
        self:stop_all()
      end
      while not self.stopping and #self.queue > 0 and #self.running < o.jobs do
        self:start(table.remove(self.queue, 1))
      end
      if self.stopping == "failure" and not self.told then
        self.told = true
        self:stop_all()
      end
      local happened = self:look()
      self.hooks.tick(self)
      if not happened and (#self.running > 0 or #self.elsewhere > 0) then process.sleep(0.03) end
    end
  end)
  if not ok then self:stop_all() end
  system.catch_interrupt(false)
  if not ok then error(problem, 0) end
  return self.stopping
end

return M
