-- Settings of luacheck (make lint).
std = "lua54"
self = false                 -- methods that do not need self are fine
max_line_length = 150
files["tests/"] = { ignore = { "111", "112", "131", "631", "122" } }     -- luaunit finds test classes as globals; texts may be long
files["lua/meta/"] = { ignore = { ".*" } }                 -- declarations only
