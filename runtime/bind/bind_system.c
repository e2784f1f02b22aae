/* core.system: version, processor, threads, memory, terminal, folders, Ctrl-C, elementary functions with fixed bits. */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "bind/bind.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/math.h"
#include "perilune/options.h"
#include "perilune/threads.h"

static int system_version(lua_State *L) {
  lua_pushliteral(L, PL_VERSION);
  return 1;
}

/* processor() -> name, isa */
static int system_processor(lua_State *L) {
  lua_pushstring(L, pl_cpu_name());
  lua_pushstring(L, pl_cpu_isa());
  return 2;
}

static int system_compiler(lua_State *L) {
#if defined(__clang__)
  lua_pushliteral(L, "Clang " __clang_version__);
#else
  lua_pushliteral(L, "GCC " __VERSION__);
#endif
  return 1;
}

/* threads([n]) -> number in use; 0 means as many as cores */
static int system_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 0 && n <= 1024, 1, "threads must be from 1 to 1024 (0: as many as cores)");
    pl_threads_set((int)n);
  }
  lua_pushinteger(L, pl_threads_get());
  return 1;
}

/* memory([anew]) -> bytes held, most bytes held so far; anew: the most is counted from now on */
static int system_memory(lua_State *L) {
  if (lua_toboolean(L, 1)) pl_alloc_reset_peak();
  lua_pushinteger(L, (lua_Integer)pl_alloc_live());
  lua_pushinteger(L, (lua_Integer)pl_alloc_peak());
  return 2;
}

static int system_memory_limit(lua_State *L) {
  lua_Integer bytes = luaL_checkinteger(L, 1);
  luaL_argcheck(L, bytes >= 0, 1, "a limit is a number of bytes, or 0 for none");
  pl_alloc_set_limit((size_t)bytes);
  return 0;
}

/* clock() -> seconds, monotonic */
static int system_clock(lua_State *L) {
  lua_pushnumber(L, pl_clock());
  return 1;
}

/* peak(threads, seconds) -> floating-point operations a second that fused multiply-adds reach, measured for so long */
static int system_peak(lua_State *L) {
  lua_Integer threads = luaL_checkinteger(L, 1);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, threads >= 1 && threads <= 64, 1, "threads must be from 1 to 64");
  luaL_argcheck(L, seconds > 0 && seconds <= 1, 2, "seconds must be above 0 and at most 1");
  lua_pushnumber(L, pl_cpu_peak((int)threads, seconds));
  return 1;
}

/* isatty(1) -> is that file descriptor a terminal? */
static int system_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* columns(1) -> width in characters of the terminal behind that file descriptor, or nil */
static int system_columns(lua_State *L) {
  struct winsize size;
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

int bind_path_kind(lua_State *L) {
  struct stat s;
  if (stat(luaL_checkstring(L, 1), &s) != 0) lua_pushnil(L);
  else lua_pushstring(L, S_ISREG(s.st_mode) ? "file" : S_ISDIR(s.st_mode) ? "folder" : "other");
  return 1;
}

/* file_id(path) -> "device:inode", the same for every name of a file or folder; nil when there is none */
static int system_file_id(lua_State *L) {
  struct stat s;
  if (stat(luaL_checkstring(L, 1), &s) != 0) return 0;
  lua_pushfstring(L, "%I:%I", (LUAI_UACINT)s.st_dev, (LUAI_UACINT)s.st_ino);
  return 1;
}

/* realpath(path) -> where links lead; nil when nothing is there */
static int system_realpath(lua_State *L) {
  char path[PATH_MAX];
  if (realpath(luaL_checkstring(L, 1), path) == NULL) return 0;
  lua_pushstring(L, path);
  return 1;
}

static int call_upvalue(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* in_c(f) -> a C function that calls f. `return f { ... }` at the end of a script is a tail call, which takes the
   script off the stack, so that an error could not name its line; a C function called so leaves it there. */
static int system_in_c(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcclosure(L, call_upvalue, 1);
  return 1;
}

/* The first of these signals (Ctrl-C; what a cluster sends before it takes a machine back; a terminal that goes away)
   is only noted; a second one does what it did before it was caught: ends the process, or in a session raises an
   error. */
static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
enum { CAUGHT = sizeof caught / sizeof caught[0] };
static volatile sig_atomic_t interrupts, noted;
static bool catching;
static struct sigaction uncaught[CAUGHT];
static pthread_t catcher;               /* the host may have threads of its own, which a signal of the process may
                                           reach */

static void note_interrupt(int signal_number) {
  if (!pthread_equal(pthread_self(), catcher)) {
    pthread_kill(catcher, signal_number);
    return;
  }
  if (interrupts++ == 0) {
    noted = signal_number;
    return;
  }
  for (int i = 0; i < CAUGHT; i++) {
    if (caught[i] == signal_number) sigaction(signal_number, &uncaught[i], NULL);
  }
  raise(signal_number);
}

/* catch_interrupt(on): note such signals from now on (and forget an earlier one), or let them do what they did before.
   One that the process was started to ignore (nohup) stays ignored; Ctrl-C is for whoever asks for it here. */
static int system_catch_interrupt(lua_State *L) {
  struct sigaction action = { .sa_handler = note_interrupt, .sa_flags = SA_RESTART };
  bool on = lua_toboolean(L, 1);
  sigemptyset(&action.sa_mask);
  interrupts = 0;
  catcher = pthread_self();
  for (int i = 0; i < CAUGHT; i++) {
    if (on) {
      noted = 0;
      if (!catching) sigaction(caught[i], NULL, &uncaught[i]);
      if (caught[i] == SIGINT || uncaught[i].sa_handler != SIG_IGN) sigaction(caught[i], &action, NULL);
    } else if (catching) {
      sigaction(caught[i], &uncaught[i], NULL);
    }
  }
  catching = on;
  return 0;
}

/* interrupted() -> has such a signal been noted? */
static int system_interrupted(lua_State *L) {
  lua_pushboolean(L, interrupts != 0);
  return 1;
}

/* interrupt_status() -> the exit status of a process that such a signal ended: 128 + its number, 130 for Ctrl-C and
   where there was none */
static int system_interrupt_status(lua_State *L) {
  lua_pushinteger(L, 128 + (noted ? noted : SIGINT));
  return 1;
}

/* nearest(word, names) -> the entry of the list that is closest to `word`, or nil */
static int system_nearest(lua_State *L) {
  size_t length;   /* a name that is asked for may hold any bytes */
  const char *word = luaL_checklstring(L, 1, &length);
  luaL_checktype(L, 2, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 2);
  const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *names, 0);
  luaL_checkstack(L, n + 1, "too many names");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    names[i] = luaL_checkstring(L, -1);
  }
  names[n] = NULL;
  lua_pushstring(L, pl_nearest_name(word, names));
  return 1;
}

#define UNARY(name) \
  static int system_##name(lua_State *L) { lua_pushnumber(L, pl_##name(luaL_checknumber(L, 1))); return 1; }
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(tanh)

static int system_pow(lua_State *L) {
  lua_pushnumber(L, pl_pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
  return 1;
}

/* random(seed, purpose, a, b, index) -> a number in [0, 1) that is a function of its arguments */
static int system_random(lua_State *L) {
  pl_rng rng = pl_rng_make((uint64_t)luaL_checkinteger(L, 1), (pl_purpose)luaL_checkinteger(L, 2),
                           (uint64_t)luaL_checkinteger(L, 3), (uint64_t)luaL_checkinteger(L, 4));
  lua_pushnumber(L, pl_rng_uniform(rng, (uint64_t)luaL_checkinteger(L, 5)));
  return 1;
}

/* free_space(path) -> bytes that may be written to its file system; nil where that is not known */
static int system_free_space(lua_State *L) {
  struct statvfs s;
  if (statvfs(luaL_checkstring(L, 1), &s) != 0) return 0;
  lua_pushinteger(L, (lua_Integer)s.f_bavail * (lua_Integer)s.f_frsize);
  return 1;
}

static const luaL_Reg functions[] = {
  { "version", system_version }, { "processor", system_processor }, { "compiler", system_compiler },
  { "threads", system_threads }, { "memory", system_memory }, { "memory_limit", system_memory_limit },
  { "clock", system_clock }, { "peak", system_peak }, { "isatty", system_isatty }, { "columns", system_columns },
  { "kind", bind_path_kind }, { "file_id", system_file_id }, { "realpath", system_realpath },
  { "free_space", system_free_space },
  { "catch_interrupt", system_catch_interrupt }, { "interrupted", system_interrupted },
  { "interrupt_status", system_interrupt_status }, { "nearest", system_nearest }, { "in_c", system_in_c },
  { "exp", system_exp }, { "log", system_log }, { "sin", system_sin }, { "cos", system_cos },
  { "tanh", system_tanh }, { "pow", system_pow }, { "random", system_random },
  { NULL, NULL },
};

int bind_open_system(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
