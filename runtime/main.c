/* The program: opens Lua, registers perilune, hands over to lua/perilune/cli.lua. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <lua.h>
#include <lualib.h>
#include <lauxlib.h>
#include "perilune/cpu.h"

int luaopen_perilune(lua_State *L);

static int traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Runs require("perilune.cli").main(arguments) and returns its exit status. */
static int run(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  luaL_requiref(L, "perilune", luaopen_perilune, 0);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "perilune.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  lua_pushvalue(L, -3);
  lua_call(L, 1, 1);
  return 1;
}

/* What was printed and could not be written (a full disk) is a failure of any command. */
static int output_status(int status) {
  int lost_before = ferror(stdout);
  if (fflush(stdout) == 0 && !lost_before) return status;
  fprintf(stderr, "perilune: cannot write standard output: %s\n",
          lost_before ? "some of it is lost (is the disk full?)" : strerror(errno));
  return status ? status : EXIT_FAILURE;
}

/* A file that is opened later is not the output: where a standard stream is closed, its descriptor is taken, by what
   cannot be written to. */
static void take_standard_descriptors(void) {
  int file;
  do file = open("/dev/null", O_RDONLY);
  while (file >= 0 && file <= STDERR_FILENO);
  if (file >= 0) close(file);
}

int main(int argc, char **argv) {
  pl_error err;
  take_standard_descriptors();
  signal(SIGXFSZ, SIG_IGN);   /* a save beyond the limit of a file's size is one that fails */
  if (pl_cpu_check(&err)) {
    fprintf(stderr, "perilune: %s\n", err.text);
    return EXIT_FAILURE;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    fputs("perilune: not enough memory to start\n", stderr);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = EXIT_FAILURE;
  if (lua_pcall(L, 2, 1, 1) == LUA_OK) status = (int)lua_tointeger(L, -1);
  else fprintf(stderr, "perilune: %s\n", lua_tostring(L, -1));
  status = output_status(status);
  lua_close(L);
  return status;
}
