#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <lualib.h>
#include <lauxlib.h>
#include "perilune/alloc.h"
#include "fuzz.h"

int luaopen_perilune(lua_State *L);

const char *fuzz_file(int which, const uint8_t *data, size_t size) {
  static int files[2] = { -1, -1 };
  static char path[2][40];
  if (files[which] < 0) files[which] = memfd_create("fuzz", 0);
  snprintf(path[which], sizeof path[which], "/proc/self/fd/%d", files[which]);
  fuzz_assert(files[which] >= 0 && ftruncate(files[which], 0) == 0 &&
              pwrite(files[which], data, size, 0) == (ssize_t)size, "no file in memory");
  return path[which];
}

void fuzz_assert(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

lua_State *fuzz_lua(const char *script, int n) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "perilune", luaopen_perilune, 0);
  lua_settop(L, 0);
  fuzz_assert(luaL_loadstring(L, script) == LUA_OK && lua_pcall(L, 0, n, 0) == LUA_OK,
              "the script of the harness fails");
  pl_alloc_set_limit(64u << 20);
  return L;
}

int fuzz_call(lua_State *L, int arguments) {
  int status = lua_pcall(L, arguments, 0, 0);
  fuzz_assert(status == LUA_OK, status == LUA_OK ? "" : lua_tostring(L, -1) ? lua_tostring(L, -1)
              : "an error without a message");
  lua_gc(L, LUA_GCSTEP, 0);
  return 0;
}
