-- Prints a C file that holds the given Lua sources: lua embed.lua lua/perilune/init.lua ...
-- argparse, a pure Lua library, is taken from where the system keeps it.
local function emit(name, path)
  local file = assert(io.open(path, "rb"))
  local source = file:read "a"
  file:close()
  local id = name:gsub("%W", "_")
  print(("static const char %s[] = {"):format(id))
  for i = 1, #source, 32 do
    local bytes = { source:byte(i, i + 31) }
    print(table.concat(bytes, ",") .. ",")
  end
  print "0};"
  return ('  { "%s", %s, %d },'):format(name, id, #source)
end

print '#include "bind/embedded.h"'
local entries = {}
for _, path in ipairs(arg) do
  entries[#entries + 1] = emit(path:match "^.-lua/(.+)$" or path, path)
end
local argparse = assert(package.searchpath("argparse", package.path))
entries[#entries + 1] = emit("perilune/argparse.lua", argparse)

print "const struct bind_embedded bind_embedded[] = {"
print(table.concat(entries, "\n"))
print "  { 0, 0, 0 } };"
