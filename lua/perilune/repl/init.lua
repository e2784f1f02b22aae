--- The session: lines are read, run, and their values printed. From a terminal with editing, history and
-- completion; from a pipe without prompts, an error then being remembered in the exit status.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local source = require "perilune.repl.source"
local printing = require "perilune.repl.printing"

--- pausable: a person is at the keyboard, so that a training which Ctrl-C interrupts is paused; env: the session's
--- variables.
local M = { pausable = false, env = _G }

local print, tostring = print, tostring   -- whatever the session does to its own

local function banner()
  local processor, isa = core.system.processor()
  local threads = core.system.threads()
  return ("Perilune %s, %s, %s with %d thread%s (%s)\nhelp() lists topics, Tab completes, Ctrl-C stops, quit or " ..
    "Ctrl-D leaves."):format(
    core.system.version(), _VERSION, processor, threads, threads == 1 and "" or "s", isa)
end

--- The variables that a session starts with: the library and its modules, unless the script set them otherwise.
local function prepare(env, session)
  local pl = require "perilune"
  local given = {
    pl = pl, nn = pl.nn, optim = pl.optim, data = pl.data,
    help = require "perilune.help".help,
    traceback = function() print(session.traceback or "no error so far") end,
  }
  for name, value in pairs(given) do
    if env[name] == nil then env[name] = value end
  end
end

local loaded = false      -- earlier lines, from the file

--- Where lines come from: read(prompt) -> text, nil at the end, false after Ctrl-C.
local function terminal(env, width)
  local history = require "perilune.repl.history"
  local completion = require "perilune.repl.completion"
  local path = history.path()
  if not loaded then
    for _, text in ipairs(history.load(path)) do core.line.add(text) end
  end
  loaded = true
  local function complete(before) return completion.complete(before, env, width()) end
  return function(prompt)
    local text = core.line.read(prompt, complete)
    if text and text:match "%S" then
      core.line.add(text)
      history.add(path, text)
    end
    return text
  end
end

local function pipe(interactive)
  return function(prompt)
    if interactive then
      io.write(prompt)
      io.flush()
    end
    return io.read "L"
  end
end

--- The text of an error, whatever was raised.
local function message_of(problem)
  if type(problem) == "string" then return errors.strip(problem) end
  if type(problem) == "table" and type(rawget(problem, "message")) == "string" then return problem.message end
  local ok, text = pcall(tostring, problem)
  return ok and text or ("an error that is a " .. type(problem))
end

--- The calls that led to an error, without those of the session itself.
local function calls(message)
  local text = debug.traceback(message, 3):gsub("in upvalue 'chunk'", "in the session")
  return (text:gsub("\n[^\n]*perilune/repl/init%.lua.*", ""))
end

local running = false     -- is a chunk of a session with Ctrl-C?

--- Runs a compiled chunk and prints its values; returns false when it failed.
local function run(session, chunk, prints)
  local function handler(problem)
    local message = message_of(problem)
    session.traceback = calls(message)
    return message
  end
  local function evaluate()
    running = session.interactive
    if running then core.line.interruptible(true) end
    local values = table.pack(chunk())
    while values.n > 1 and values[values.n] == nil do values.n = values.n - 1 end
    if values.n > 0 and prints then
      session.env._ = values[1]
      for i = 1, values.n do print(printing.format(values[i], session.width())) end
    end
  end
  local ok, problem = xpcall(evaluate, handler)
  if session.interactive then core.line.interruptible(false) end
  running = false
  io.flush()
  if not ok then io.stderr:write(require "perilune.base.printable".lines(problem), "\n") end
  return ok
end

--- Reads one whole chunk. Returns its text, or nil at the end of input; false when it was given up.
local function read_chunk(session)
  local text = session.read(session.prompt)
  if not text then return text end
  session.line = session.next_line
  session.next_line = session.next_line + 1
  text = text:gsub("\n$", "")
  while select(2, source.compile(text, session.line, session.env)) == "incomplete" do
    local more = session.read ">> "
    if more == false then return false end
    if more == nil then break end
    session.next_line = session.next_line + 1
    text = text .. "\n" .. more:gsub("\n$", "")
  end
  return text
end

--- Runs a session until its input ends; returns the exit status. options.interactive: prompts, editing, Ctrl-C
--- (default: is the input a terminal?); options.env: the table of the session's variables (default _G); options.banner:
--- greet (default: when interactive); options.prompt; options.finished(): asked after each chunk, ends the session too.
--- A session may be started by what another one runs.
function M.start(options)
  options = options or {}
  local interactive = options.interactive
  if interactive == nil then interactive = core.system.isatty(0) end
  local editing = interactive and core.system.isatty(0) and core.system.isatty(1)
  local session = { env = options.env or _G, interactive = interactive, next_line = 1, prompt = options.prompt or "> " }
  local outer = { running = running, pausable = M.pausable, env = M.env }
  M.pausable, M.env = interactive, session.env
  function session.width() return editing and core.system.columns(1) or 100 end
  prepare(session.env, session)
  session.read = editing and terminal(session.env, session.width) or pipe(interactive)
  if options.banner or options.banner == nil and interactive then print(banner()) end
  local failed = false
  while true do
    local text = read_chunk(session)
    if text == nil then break end
    local word = text and text:match "^%s*(%a+)%s*%(?%s*%)?%s*;?%s*$"
    if (word == "quit" or word == "exit") and session.env[word] == nil then break end
    if text then
      local chunk, prints = source.compile(text, session.line, session.env)
      if chunk then
        failed = not run(session, chunk, prints) or failed
      else
        if prints == "incomplete" then
          prints = select(2, load(("\n"):rep(session.line - 1) .. text, "=stdin", "t"))
        end
        io.stderr:write(prints, "\n")
        failed = true
      end
    end
    if interactive then session.next_line = 1 end
    if options.finished and options.finished() then break end
  end
  if interactive and not (options.finished and options.finished()) then print() end
  M.pausable, M.env, running = outer.pausable, outer.env, outer.running
  if running then core.line.interruptible(true) end
  return not interactive and failed and 1 or 0
end

return M
