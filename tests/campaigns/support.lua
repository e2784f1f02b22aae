-- What the campaigns share. A campaign is tests/campaigns/NAME.lua (no underscore in its name), run by `make campaign`,
-- and in a short form by `make test`. It looks for something that must never happen; it ends with green, red or skip,
-- which print TAP and then, as the last line, "figure: ..." with how much was tried.
--   CAMPAIGN_SHORT=1   a few seconds only
--   CAMPAIGN_SEED=n    other random choices (default 1)
--   PLANT=name         a fault is planted in the program (plants.lua): the campaign must end red
local M = {}

M.name = arg[0]:match "([^/]*)%.lua$"
M.short = (os.getenv "CAMPAIGN_SHORT" or "") ~= ""
M.seed = math.tointeger(tonumber(os.getenv "CAMPAIGN_SEED")) or 1

--- The program is built with sanitizers, which take memory and address space of their own.
M.sanitized = (os.getenv "SANITIZE" or "") ~= ""
math.randomseed(M.seed)

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end
M.quote = quote

local function absolute(path) return path:sub(1, 1) == "/" and path or os.getenv "PWD" .. "/" .. path end

--- The folder of what was built, the program, and the program whose saves obey the environment (see syscalls.c).
M.build = absolute(os.getenv "BUILD" or "build")
M.program = M.build .. "/perilune"
M.faulty_program = M.build .. "/campaigns/perilune"

--- A folder for this campaign alone, empty at first; kept when it ends red.
M.folder = (os.getenv "TEST_TMP" or M.build .. "/campaigns") .. "/" .. M.name .. ".files"
assert(os.execute(("rm -rf %s && mkdir -p %s"):format(quote(M.folder), quote(M.folder))))

--- The number for the full campaign, or that for the short one.
function M.count(full, short) return M.short and short or full end

function M.has(command) return os.execute(("command -v %s >/dev/null 2>&1"):format(command)) == true end

function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

--- Writes a file in the campaign's folder; returns its path.
function M.write(name, text)
  local path = M.folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Runs a shell command in the campaign's folder. Returns { status, out, err }; a death by a signal is status 128 + its
--- number.
function M.shell(command)
  local out, err = M.folder .. "/.out", M.folder .. "/.err"
  local _, how, status = os.execute(("cd %s && { %s ; } >%s 2>%s </dev/null"):format(quote(M.folder), command,
    quote(out), quote(err)))
  return { out = M.read(out), err = M.read(err), status = how == "signal" and 128 + status or status }
end

-- Without a home nothing is noted there of what was trained: each training makes the same system calls.
local plain = "env -u PERILUNE_TRACEBACK -u XDG_DATA_HOME HOME= NO_COLOR=1 LC_ALL=C.UTF-8"

--- Runs the program. `words`: as typed; `environment`: "A=1 B=2"; `program`: another one, or a command that ends with
--- one.
function M.run(words, environment, program)
  return M.shell(("%s %s %s %s"):format(plain, environment or "", program or quote(M.program), words))
end

local function finish(line, figure, status)
  print(line .. "\n1..1")
  print("figure: " .. figure)
  os.exit(status, true)
end

--- What was looked for was never found.
function M.green(format, ...)
  os.execute("rm -rf " .. quote(M.folder))
  finish("ok 1 - " .. M.name, format:format(...), 0)
end

--- It was found. The reason may have several lines.
function M.red(format, ...)
  print((format:format(...)))
  print("files: " .. M.folder)
  finish("not ok 1 - " .. M.name, "red", 1)
end

--- Something that the campaign needs is not there.
function M.skip(reason)
  os.execute("rm -rf " .. quote(M.folder))
  finish(("ok 1 - %s # SKIP %s"):format(M.name, reason), "SKIPPED: " .. reason, 0)
end

--- Red unless the condition holds. Returns it.
function M.check(condition, format, ...)
  if not condition then M.red(format, ...) end
  return condition
end

return M
