/* The program whose allocations fail when its script says so.     usage: allocations SCRIPT [ARGUMENT...]
   The script finds fail.lua(n), fail.core(n) and fail.json(n): the n-th allocation from now, of Lua, of the core or of
   cJSON, fails; Lua's twice, because Lua collects its garbage and tries again. fail.off() -> did it fail? */
#include <stdio.h>
#include <stdlib.h>
#include <lua.h>
#include <lualib.h>
#include <lauxlib.h>
#include <cjson/cJSON.h>
#include "perilune/alloc.h"

int luaopen_perilune(lua_State *L);

static long lua_countdown, json_countdown, core_at;
static int lua_failures;
static bool failed;

/* Only what grows may fail: Lua counts on giving memory back. */
static void *lua_memory(void *unused, void *block, size_t old, size_t size) {
  (void)unused;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (block == NULL || size > old) {
    if (lua_countdown > 0 && --lua_countdown == 0) lua_failures = 2, failed = true;
    if (lua_failures > 0) return lua_failures--, NULL;
  }
  return realloc(block, size);
}

static void *json_memory(size_t size) {
  if (json_countdown > 0 && --json_countdown == 0) return failed = true, NULL;
  return malloc(size);
}

static int fail_lua(lua_State *L) { return lua_countdown = luaL_checkinteger(L, 1), failed = false, 0; }
static int fail_json(lua_State *L) { return json_countdown = luaL_checkinteger(L, 1), failed = false, 0; }
static int fail_core(lua_State *L) {
  core_at = luaL_checkinteger(L, 1);
  failed = false;
  pl_alloc_fail_at(core_at);
  return 0;
}

static int fail_off(lua_State *L) {
  if (core_at > 0) failed = pl_alloc_failed();
  pl_alloc_fail_at(0);
  lua_countdown = json_countdown = core_at = lua_failures = 0;
  lua_pushboolean(L, failed);
  return 1;
}

static int run(lua_State *L) {
  static const luaL_Reg functions[] = { { "lua", fail_lua }, { "core", fail_core }, { "json", fail_json },
                                        { "off", fail_off }, { NULL, NULL } };
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  luaL_requiref(L, "perilune", luaopen_perilune, 0);
  luaL_newlib(L, functions);
  lua_setglobal(L, "fail");
  lua_createtable(L, argc, 0);
  for (int i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  if (luaL_loadfile(L, argv[1])) return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

int main(int argc, char **argv) {
  cJSON_InitHooks(&(cJSON_Hooks){ json_memory, free });
  lua_State *L = lua_newstate(lua_memory, NULL);
  if (L == NULL || argc < 2) return EXIT_FAILURE;
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) printf("%s\n", lua_tostring(L, -1));
  lua_close(L);
  size_t live = pl_alloc_live();
  if (live > 0) printf("%zu bytes of the core are left at the end\n", live);
  return status != LUA_OK || live > 0;
}
