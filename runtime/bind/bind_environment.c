/* What a script changes is the script's: the library's own Lua files see the standard functions as they were when it
   was loaded, and numbers are written and read with a point whatever the locale. */
#include <locale.h>
#include <pthread.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include "bind/bind.h"

static const char environment_key;   /* registry: the environment of the library's files */

static void copy_fields(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, from); ) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* Pushes a copy of the table on top. */
static void push_copy(lua_State *L) {
  int from = lua_gettop(L);
  lua_newtable(L);
  copy_fields(L, from, from + 1);
}

/* ("x"):format(...) finds the standard method first, then what a script has added to `string`. */
static void keep_string_methods(lua_State *L) {
  int top = lua_gettop(L);
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1) && lua_getfield(L, -1, "__index") == LUA_TTABLE &&
      lua_getglobal(L, "string") == LUA_TTABLE && lua_rawequal(L, -1, -2)) {
    push_copy(L);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, top + 2, "__index");
  }
  lua_settop(L, top);
}

void bind_push_environment(lua_State *L) {
  static const char *const libraries[] = { "string", "table", "math", "os", "io", "utf8", "coroutine", "debug", NULL };
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
  push_copy(L);
  lua_remove(L, -2);
  for (const char *const *name = libraries; *name; name++) {
    if (lua_getfield(L, -1, *name) == LUA_TTABLE) {
      push_copy(L);
      lua_setfield(L, -3, *name);
    }
    lua_pop(L, 1);
  }
  keep_string_methods(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

/* The locale of a thread, freed when the thread ends. */
static pthread_key_t own_locale;
static pthread_once_t own_locale_once = PTHREAD_ONCE_INIT;

static void free_locale(void *locale) {
  uselocale(LC_GLOBAL_LOCALE);
  freelocale(locale);
}

static void make_own_locale(void) { pthread_key_create(&own_locale, free_locale); }

/* This thread's locale is the process's, but for numbers. A locale of a thread outweighs what setlocale sets later. */
void bind_numbers_with_a_point(void) {
  pthread_once(&own_locale_once, make_own_locale);
  locale_t own = pthread_getspecific(own_locale);
  locale_t process = duplocale(LC_GLOBAL_LOCALE);
  locale_t changed = process ? newlocale(LC_NUMERIC_MASK, "C", process) : (locale_t)0;
  if (changed == (locale_t)0) {
    if (process) freelocale(process);
    return;
  }
  uselocale(changed);
  if (own) freelocale(own);
  pthread_setspecific(own_locale, changed);
}

/* os.setlocale, which otherwise would change nothing in this thread any more. */
static int set_locale(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  bind_numbers_with_a_point();
  return lua_gettop(L);
}

void bind_fix_locale(lua_State *L) {
  static const char done_key;
  bind_numbers_with_a_point();
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &done_key) == LUA_TNIL && lua_getglobal(L, "os") == LUA_TTABLE &&
      lua_getfield(L, -1, "setlocale") == LUA_TFUNCTION) {
    lua_pushcclosure(L, set_locale, 1);
    lua_setfield(L, -2, "setlocale");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &done_key);
  }
}
