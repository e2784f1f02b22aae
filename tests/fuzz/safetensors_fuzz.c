/* A safetensors file: whatever its bytes are, tensors or an error of one line. */
#include <lua.h>
#include <lualib.h>
#include <lauxlib.h>
#include "perilune/alloc.h"
#include "fuzz.h"

int luaopen_perilune(lua_State *L);

static const char script[] =
  "require 'perilune'\n"
  "local parse = require 'perilune.import.safetensors'.parse\n"
  "return function(text)\n"
  "  local list, what = parse(text)\n"
  "  assert(type(what) == (list and 'table' or 'string'))\n"
  "  if not list then assert(not what:find '\\n', what) end\n"
  "  local bytes = 0\n"
  "  for _, t in ipairs(list or {}) do bytes = bytes + t.tensor:count() end\n"
  "  assert(bytes <= #text)\n"
  "end\n";

static lua_State *L;

static void start(void) {
  L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "perilune", luaopen_perilune, 0);
  lua_settop(L, 0);
  fuzz_assert(luaL_loadstring(L, script) == LUA_OK && lua_pcall(L, 0, 1, 0) == LUA_OK,
              "the script of the harness fails");
  pl_alloc_set_limit(64u << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (L == NULL) start();
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  int status = lua_pcall(L, 1, 0, 0);
  fuzz_assert(status == LUA_OK, status == LUA_OK ? "" : lua_tostring(L, -1) ? lua_tostring(L, -1)
              : "an error without a message");
  lua_gc(L, LUA_GCSTEP, 0);
  return 0;
}
