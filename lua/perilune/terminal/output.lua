--- What a script prints while a line of progress stands on the terminal: the line is taken away first, and text that
-- did not end its line keeps it to itself. While a full screen is shown it is kept for later.
local M = {}

local standing        -- the progress whose line stands on the terminal
local inside = false  -- is it the progress itself that writes?
local open = false    -- did the script's last text end inside a line?
local keep            -- takes what is written while a full screen is shown

--- The line of `progress` stands on the terminal (nil: none does).
function M.stands(progress) standing = progress end

--- Calls f(...), whose output is the progress' own.
function M.own(f, ...)
  local outer = inside
  inside = true
  f(...)
  inside = outer
end

--- From now on `take(file, ...)` is called in the place of file:write(...) on standard output and standard error (nil:
--- no longer).
function M.hold(take) keep = take end

--- Did a script leave its last line open? Asked before a line of the program's own, which ends it.
function M.take_open()
  local was = open
  open = false
  return was
end

local function take_away()
  if inside or not standing then return end
  local progress = standing
  standing = nil
  M.own(progress.hide, progress)
end

local function note(...)
  if inside then return end
  for i = select("#", ...), 1, -1 do
    local text = tostring((select(i, ...)))
    if text ~= "" then
      open = text:sub(-1) ~= "\n"
      return
    end
  end
end

-- Is it kept? What cannot be written is an error now, as always.
local function kept(file, ...)
  if not keep or inside then return false end
  for i = 1, select("#", ...) do
    local kind = type((select(i, ...)))
    if kind ~= "string" and kind ~= "number" then return false end
  end
  keep(file, ...)
  return true
end

local installed = false

--- Puts print, io.write and file:write that know of the line in the place of Lua's, once.
function M.install()
  if installed then return end
  installed = true
  local methods = getmetatable(io.stdout).__index
  local original = { print = _G.print, write = _G.io.write, file_write = methods.write }
  rawset(_G, "print", function(...)
    if keep then
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      if kept(io.stdout, table.concat(words, "\t") .. "\n") then return end
    end
    take_away()
    original.print(...)
    if not inside then open = false end
  end)
  rawset(_G.io, "write", function(...)
    if io.output() == io.stdout then
      if kept(io.stdout, ...) then return io.stdout end
      take_away()
      note(...)
    end
    return original.write(...)
  end)
  rawset(methods, "write", function(file, ...)
    local terminal = file == io.stdout or file == io.stderr
    if terminal and kept(file, ...) then return file end
    if terminal then take_away() end
    if file == io.stdout then note(...) end
    return original.file_write(file, ...)
  end)
end

return M
