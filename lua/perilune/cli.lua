--- The command line. `perilune COMMAND ...` is one file in commands/; what is not a command is a Lua script, as for
-- lua(1). Exit status: 0 done, 1 failed, 2 wrong usage, 128 + n ended by signal n (130: Ctrl-C).
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local printable = require "perilune.base.printable"
local script = require "perilune.script"

local M = {}

--- The commands, in the order that help lists them: each is a module perilune.commands.<name> with `summary`, `usage`
-- (of its arguments), define(parser) and run(options) -> exit status.
M.commands = { "run", "sweep", "check", "runs", "show", "compare", "plot", "report", "watch", "note", "verify", "rerun",
  "reproduce", "bench", "predict", "export", "import", "init",
  "data", "version", "help" }

-- "-o, --output <file>", where argparse would use a line for each.
local function label_lines(option)
  local names = table.concat(option._public_aliases, ", ")
  return { table.concat({ names, table.unpack(option:_get_argument_list()) }, " ") }
end

-- What a converter says of an option's word begins with the option.
local function name_options(parser)
  for _, option in ipairs(parser._options) do
    option._get_label_lines = label_lines
    local convert = option._convert
    if type(convert) == "function" then
      option._convert = function(word)
        local value, problem = convert(word)
        if value ~= nil then return value end
        return nil, ("option '%s': %s"):format(option._name:match "%-%-[%w-]+" or option._name,
          problem or ("'%s' is not understood"):format(word))
      end
    end
  end
  for _, command in ipairs(parser._commands) do name_options(command) end
end

--- The module of a command. (A file init.lua would be the module of its folder.)
function M.command(name) return require("perilune.commands." .. (name == "init" and "new" or name)) end

--- The argparse parser of a command, and the command.
function M.parser(name)
  local command = M.command(name)
  local parser = require "perilune.argparse"("perilune " .. name, command.description or command.summary)
  local width = require "perilune.help".width()
  parser:usage_max_width(width):help_max_width(width):help_description_margin(26)
  command.define(parser)
  name_options(parser)
  return parser, command
end

local function run_command(name, words)
  local parser, command = M.parser(name)
  local ok, options = parser:pparse(words)
  if not ok then
    local message = tostring(options):gsub("^unknown option '(%-[%d.]+)'.*$",
      "'%1' is taken for an option; a number here is not negative"):gsub("\nDid", "; did"):gsub("\n", " ")
    errors.fail(2, "%s: %s (see: perilune help %s)", name, message, name)
  end
  return command.run(options)
end

-- The options of lua(1): any number of -e CODE, -i; and --threads N; then perhaps a script. Returns the index of the
-- script's name.
local function read_options(words)
  local asked, i = { code = {} }, 1
  while words[i] do
    local word = words[i]
    if word == "-e" then
      i = i + 1
      if not words[i] then errors.fail(2, "option '-e' is followed by code, such as: perilune -e 'print(1 + 1)'") end
      asked.code[#asked.code + 1] = words[i]
    elseif word:match "^%-e." then asked.code[#asked.code + 1] = word:sub(3)
    elseif word == "-i" then asked.interactive = true
    elseif word == "--threads" or word:match "^%-%-threads=" then
      local value = word:match "=(.*)$"
      if not value then
        i = i + 1
        value = words[i]
      end
      local n = math.tointeger(tonumber(value or ""))
      if not n or n < 0 or n > 1024 then
        errors.fail(2, "option '--threads' is followed by a whole number from 0 (all) to 1024, got '%s'",
          value or "nothing")
      end
      core.system.threads(n)
    elseif word == "--" then return i + 1, asked
    elseif word == "-" or word:sub(1, 1) ~= "-" then return i, asked
    else
      local near = core.system.nearest(word, { "-e", "-i", "--threads", "--help", "--version" })
      errors.fail(2, "unknown option '%s'%s (see: perilune help)", word,
        near and ("; did you mean '%s'?"):format(near) or "")
    end
    i = i + 1
  end
  return i, asked
end

local function check_name(path)
  if path == "-" or core.system.kind(path) ~= nil or path:find "[./]" then return end
  for _, name in ipairs(M.commands) do
    if name == path then
      errors.fail(2, "options come after the command: perilune %s ... (see: perilune help %s)", path, path)
    end
  end
  local near = core.system.nearest(path, M.commands)
  errors.fail(2, "there is no command and no file '%s'%s (see: perilune help)", path,
    near and ("; did you mean '%s'?"):format(near) or "")
end

local function run_lua(words)
  local at, asked = read_options(words)
  local path = words[at]
  for _, code in ipairs(asked.code) do
    if rawget(_G, "pl") == nil then rawset(_G, "pl", require "perilune") end
    local chunk, message = load(code, "=(command line)", "t")
    if not chunk then errors.fail(1, "%s", message) end
    chunk()
  end
  if path then
    check_name(path)
    if asked.interactive and require "perilune.repl.with_run".is_run(path) then
      if rawget(_G, "pl") == nil then rawset(_G, "pl", require "perilune") end
      require "perilune.repl.with_run".load(path)
      return require "perilune.repl".start()
    end
    require "perilune.script.loaded".install()
    local chunk = script.load(path)
    local interactive = asked.interactive
    if interactive then
      require "perilune.repl".pausable = core.system.isatty(0)
      local ok, result = xpcall(chunk, M.handler, script.set_arg(words, at))
      if not ok then M.complain(result)
      elseif result ~= nil then
        rawset(_G, "e", result)   -- the experiment, for the session
        local known = require "perilune.experiment".is_experiment(result)
        local stranger = known and require "perilune.script.args".unasked()
        if stranger then io.stderr:write(("perilune: %s: %s\n"):format(path, stranger)) end
      end
    else
      chunk(script.set_arg(words, at))
    end
  end
  if asked.interactive or (not path and #asked.code == 0) then return require "perilune.repl".start() end
  return 0
end

-- What chooses the algorithm chooses the last bits: a slip there is no matter of taste.
local function check_environment()
  for name, known in pairs { PERILUNE_CONV = { "direct", "winograd", "auto" }, PERILUNE_FUSE = { "0", "1" } } do
    local word, found = os.getenv(name) or "", false
    for _, value in ipairs(known) do found = found or value == word end
    if word ~= "" and not found then
      errors.fail(2, "%s is one of %s, got '%s'", name, table.concat(known, ", "), word)
    end
  end
end

local function dispatch(words)
  require "perilune.base.memory".from_environment()
  check_environment()
  local first = words[1]
  if first == "-h" or first == "--help" then first = "help" end
  if first == "-v" or first == "--version" then first = "version" end
  for _, name in ipairs(M.commands) do
    if name == first then return run_command(name, table.move(words, 2, #words, 1, {})) end
  end
  return run_lua(words)
end

--- For xpcall: the problem as { message =, status =, traceback = }.
function M.handler(problem)
  if type(problem) ~= "table" or problem.message == nil then
    local text = type(problem) == "string" and problem or nil
    if text == nil then
      local meta = getmetatable(problem)
      text = type(meta) == "table" and meta.__tostring and tostring(problem)
        or ("(error object is a %s value)"):format(type(problem))
    end
    problem = { message = text }
  end
  problem.traceback = debug.traceback("", 2)
  return problem
end

--- Prints the problem as one line on standard error (and where it came from, with PERILUNE_TRACEBACK=1).
function M.complain(problem)
  io.stdout:flush()
  local message = errors.strip(tostring(problem.message)):gsub("%s+$", "")
  message = message:gsub("(module '[^'\n]*' not found):\n.*", "%1 (looked for in package.path and package.cpath)")
  io.stderr:write("perilune: ", printable.lines(message), "\n")
  if os.getenv "PERILUNE_TRACEBACK" == "1" then io.stderr:write((problem.traceback:gsub("^\n", "")), "\n") end
  local status = math.tointeger(problem.status)
  return status and status >= 1 and status <= 255 and status or 1      -- a script's own error may have such a field
end

--- Runs the program with the words of its command line (words[0] is the program); returns its exit status.
function M.main(words)
  script.program = words[0] or script.program
  -- Before a script keeps a print of its own.
  if core.system.isatty(1) then require "perilune.terminal.output".install() end
  local ok, result = xpcall(dispatch, M.handler, words)
  if ok then return math.tointeger(result) or 0 end
  return M.complain(result)
end

return M
