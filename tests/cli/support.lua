-- What the tests of the command line share: running the program, files in the scratch folder, TAP.
local M = {}

M.program = (os.getenv "BUILD" or "build") .. "/perilune"
if M.program:sub(1, 1) ~= "/" then M.program = os.getenv "PWD" .. "/" .. M.program end
local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end
M.quote = quote

local scratch = os.getenv "TEST_TMP" or os.tmpname() .. ".d"
M.home = scratch .. "/.local"      -- $XDG_DATA_HOME: what was trained is noted there
--- Each test has a folder of its own: others use the same names.
M.folder = scratch .. "/" .. (arg[0] or "test"):match "[^/]*$":gsub("%.lua$", "")
os.execute("mkdir -p " .. quote(M.folder))

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end
M.read = read

--- Writes a file below the scratch folder; returns its path.
function M.write(name, text)
  local path = M.folder .. "/" .. name
  os.execute("mkdir -p " .. quote(path:match "^(.*)/"))
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- Runs the program in the scratch folder. `words`: as typed; `environment`: "A=1 B=2". Returns { out =, err =, status
--- = }.
function M.run(words, environment)
  local out, err = M.folder .. "/.out", M.folder .. "/.err"
  local _, how, status = os.execute(("cd %s && env -u PERILUNE_TRACEBACK NO_COLOR=1 LC_ALL=C.UTF-8 " ..
    "XDG_DATA_HOME=%s env %s %s %s >%s 2>%s </dev/null"):format(quote(M.folder),
    quote(M.home), environment or "", quote(M.program), words, quote(out), quote(err)))
  return { out = read(out), err = read(err), status = how == "signal" and 128 + status or status }
end

return M
