--- What watch knows of a run that another process trains: read from its log.jsonl, as it grows, and now and then from
--- its run file.
-- Nothing is locked, nothing is written.
local core = require "perilune.core"
local folder = require "perilune.run.folder"
local history = require "perilune.run.history"
local system, store = core.system, core.store

local M = {}

local Source = {}
Source.__index = Source

local SHARE = 100      -- a run file is read at most this many times its cost apart: under 1 % of a core

--- The run in a folder.
function M.new(path)
  return setmetatable({ path = path, name = path:match "[^/]+$" or path, history = history.new(), offset = 0,
    state = "new", next_read = 0 },
    Source)
end

local function forget(self)
  self.history, self.offset, self.summary, self.record = history.new(), 0, nil, nil
end

local function add_line(self, line)
  local ok, row = pcall(core.json.decode, line)
  if not ok or type(row) ~= "table" then return end
  if type(row.summary) == "table" then
    self.summary = row.summary
    return
  end
  self.summary = nil
  local rows = self.history.rows
  local epoch = math.tointeger(row.epoch)
  if not epoch or type(row.epoch) ~= "number" then return end
  -- a run that was continued from an earlier epoch
  while #rows > 0 and rows[#rows].epoch >= epoch do rows[#rows] = nil end
  local order, names = {}, {}
  for name, value in pairs(row) do if type(value) == "number" then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs { "epoch", "step", "lr", "train_loss", "val_loss", "test_loss", "train_error", "val_error",
    "test_error" } do
    if type(row[name]) == "number" then order[#order + 1] = name end
  end
  table.move(names, 1, #names, #order + 1, order)
  history.append(self.history, order, row)
  self.seen = system.clock()
end

-- The lines that the log has grown by. A log that became shorter, or whose beginning changed, is read anew.
local function read_log(self)
  local file = io.open(self.path .. "/log.jsonl", "rb")
  if not file then return false end
  local head = file:read(64) or ""
  local size = file:seek "end"
  if size < self.offset or (self.head and head:sub(1, #self.head) ~= self.head) then forget(self) end
  self.head = head
  if size > self.offset then
    file:seek("set", self.offset)
    local text = file:read(size - self.offset) or ""
    local whole = text:match "^.*\n"
    if whole then
      for line in whole:gmatch "[^\n]+" do add_line(self, line) end
      self.offset = self.offset + #whole
    end
  end
  file:close()
  return true
end

local function alive(pid)
  if system.kind "/proc/self" == nil then return nil end
  return system.kind("/proc/" .. pid) ~= nil
end

-- "training", "stopped", "finished" ... from what lies in the folder.
local function state_of(self)
  if self.summary or (self.record and self.record.state and self.record.state.ended and #self.history > 0
    and self.record.state.epoch == self.history[#self.history].epoch) then
    local ended = self.summary and self.summary.ended or self.record and (self.record.state or {}).ended
    return ended == "stopping" and "stopped early" or ended == "callback" and "stopped" or "finished"
  end
  local pid = math.tointeger(tonumber((store.read_text(self.path .. "/.lock") or ""):match "^%d+"))
  local living = pid and alive(pid)
  if living == nil and pid then return "training" end
  return living and "training" or "left off"
end

-- Samples a second of training in the last epoch, without its evaluations; nil where they are not known.
local function speed_of(record)
  local s, past = record.state or {}, record.history and history.new(record.history)
  local last, count = past and past[#past], type(s.train) == "table" and s.train.count
  local spent = last and last.epoch == s.epoch and last.seconds and last.seconds - (s.seconds_elsewhere or 0)
  return count and spent and spent > 1e-9 and count / spent or nil
end

-- The run file, when it may have changed and its last reading was cheap enough. `detailed`: with pictures and
-- statistics of a run that is looked at.
function Source:read_file(now)
  if now < self.next_read or (self.record and self.read_at == #self.history
      and self.read_ended == (self.summary ~= nil)) then return end
  local file = folder.find(self.path)
  if not file then return end
  local record = require "perilune.run.file".read(file, { tensors = false })
  local took = system.clock() - now
  self.next_read = now + math.max(2, took * SHARE)
  if not record then return end
  self.record, self.read_at, self.read_ended = record, #self.history, self.summary ~= nil
  local identity, p = (record.state or {}).identity or {}, record.provenance or {}
  self.title, self.epochs, self.speed = identity.name, p.epochs, speed_of(record)
  self.labels = identity.labels
  if #self.history == 0 and record.history then self.history = history.new(record.history) end
end

--- Looks again. selected: its run file is read too. Returns false when the folder is gone.
function Source:update(selected)
  local now = system.clock()
  if system.kind(self.path) ~= "folder" then
    self.state = "gone"
    return false
  end
  read_log(self)
  if selected or not self.record then self:read_file(now) end
  if not self.tags_at or now - self.tags_at > 5 then
    self.tags, self.tags_at = require "perilune.run.notes".read(self.path).tags, now
  end
  self.state = state_of(self)
  if self.summary then
    self.epochs = type(self.summary.epochs) == "number" and math.tointeger(self.summary.epochs) or self.epochs
    self.title = type(self.summary.name) == "string" and self.summary.name or self.title
  end
  return true
end

--- Samples a second in the last epoch of the run file that was read, and seconds left; nil where they are not known.
function Source:rate()
  local h = self.history
  local last = h[#h]
  if not last or not last.seconds or last.seconds <= 0 then return nil end
  local left
  if self.state == "training" and self.epochs then
    local sum, n = 0, 0
    for i = math.max(1, #h - 4), #h do sum, n = sum + (h[i].seconds or 0), n + 1 end
    left = math.max(0, (self.epochs - last.epoch) * sum / n - (self.seen and system.clock() - self.seen or 0))
  end
  return self.speed, left
end

return M
