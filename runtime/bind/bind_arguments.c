/* Arguments of the wrong kind, and names that nothing has: both are put into words by lua/perilune/base/names.lua,
   which knows what the functions and their arguments are called. */
#define BIND_ARGUMENTS_C
#include <stdarg.h>
#include "bind/bind.h"

/* Calls names.<f> with the n values on top, which it replaces by the result; most raise. Without that module (a host
   that opened the core alone) the result is nil. */
static void call_names(lua_State *L, const char *f, int n) {
  int below = lua_gettop(L) - n;
  luaL_checkstack(L, 8, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "perilune.base.names") != LUA_TTABLE || lua_getfield(L, -1, f) != LUA_TFUNCTION) {
    lua_settop(L, below);
    lua_pushnil(L);
    return;
  }
  lua_insert(L, -3 - n);
  lua_pop(L, 2);
  lua_call(L, n, 1);
}

int bind_error(lua_State *L, const char *format, ...) {
  va_list list;
  va_start(list, format);
  lua_pushvfstring(L, format, list);
  va_end(list);
  call_names(L, "where", 0);
  if (!lua_isstring(L, -1)) {
    lua_pop(L, 1);
    luaL_where(L, 1);
  }
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

int bind_raise_options(lua_State *L, const pl_error *err) {
  lua_pushstring(L, err->text);
  call_names(L, "explain", 1);
  return bind_raise(L, err);
}

int bind_not_an_option(lua_State *L, int index) {
  lua_pushvalue(L, index);
  call_names(L, "not_an_option", 1);
  return bind_error(L, "a %s cannot be an option here", luaL_typename(L, index));
}

/* names.argument(function, position, message or nil, kind expected or nil, has a value, value) */
static int complain(lua_State *L, int arg, const char *message, const char *expected) {
  lua_Debug ar;
  arg = lua_absindex(L, arg);
  bool given = arg <= lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  if (!lua_getstack(L, 0, &ar)) return (luaL_argerror)(L, arg, message ? message : expected);
  lua_getinfo(L, "f", &ar);
  lua_pushinteger(L, arg);
  lua_pushstring(L, message);
  lua_pushstring(L, expected);
  lua_pushboolean(L, given);
  if (given) lua_pushvalue(L, arg);
  else lua_pushnil(L);
  call_names(L, "argument", 6);
  return (luaL_argerror)(L, arg, message ? message : lua_pushfstring(L, "%s expected, got %s", expected,
                                                                     luaL_typename(L, arg)));
}

int bind_argerror(lua_State *L, int arg, const char *message) { return complain(L, arg, message, NULL); }
int bind_typeerror(lua_State *L, int arg, const char *expected) { return complain(L, arg, NULL, expected); }

int bind_unknown_name(lua_State *L) {
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  call_names(L, "missing", 2);
  return 1;
}

void *bind_checkudata(lua_State *L, int arg, const char *name) {
  void *u = luaL_testudata(L, arg, name);
  if (u == NULL) bind_typeerror(L, arg, name);
  return u;
}

void bind_checktype(lua_State *L, int arg, int type) {
  if (lua_type(L, arg) != type) bind_typeerror(L, arg, lua_typename(L, type));
}

lua_Number bind_checknumber(lua_State *L, int arg) {
  int is_number;
  lua_Number x = lua_tonumberx(L, arg, &is_number);
  if (!is_number) bind_typeerror(L, arg, "number");
  return x;
}

lua_Integer bind_checkinteger(lua_State *L, int arg) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, arg, &is_whole);
  if (!is_whole) bind_typeerror(L, arg, "integer");
  return i;
}

lua_Integer bind_optinteger(lua_State *L, int arg, lua_Integer otherwise) {
  return lua_isnoneornil(L, arg) ? otherwise : bind_checkinteger(L, arg);
}

lua_Number bind_optnumber(lua_State *L, int arg, lua_Number otherwise) {
  return lua_isnoneornil(L, arg) ? otherwise : bind_checknumber(L, arg);
}

/* Without n the text is read up to its first zero byte: a path with one would be another path. */
const char *bind_checklstring(lua_State *L, int arg, size_t *n) {
  size_t length;
  const char *s = lua_tolstring(L, arg, &length);
  if (s == NULL) bind_typeerror(L, arg, "string");
  if (n == NULL && strlen(s) != length) bind_argerror(L, arg, "it has a zero byte in it; write it without");
  if (n != NULL) *n = length;
  return s;
}

const char *bind_optlstring(lua_State *L, int arg, const char *otherwise, size_t *n) {
  if (!lua_isnoneornil(L, arg)) return bind_checklstring(L, arg, n);
  if (n != NULL) *n = otherwise ? strlen(otherwise) : 0;
  return otherwise;
}

int bind_checkoption(lua_State *L, int arg, const char *otherwise, const char *const *list) {
  const char *word = otherwise ? bind_optlstring(L, arg, otherwise, NULL) : bind_checklstring(L, arg, NULL);
  for (int i = 0; list[i]; i++) if (strcmp(word, list[i]) == 0) return i;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; list[i]; i++) {
    luaL_addstring(&b, i ? ", \"" : "one of \"");
    luaL_addstring(&b, list[i]);
    luaL_addchar(&b, '"');
  }
  luaL_pushresult(&b);
  return bind_typeerror(L, arg, lua_tostring(L, -1));
}

const char **bind_check_strings(lua_State *L, int index, size_t *n) {
  bind_checktype(L, index, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, index);
  const char **strings = lua_newuserdatauv(L, (*n + 1) * sizeof *strings, 1);
  lua_newtable(L);
  for (size_t i = 0; i < *n; i++) {
    if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING) bind_typeerror(L, index, "list of strings");
    size_t length;
    strings[i] = lua_tolstring(L, -1, &length);
    if (strlen(strings[i]) != length) bind_argerror(L, index, "a string in it has a zero byte; write it without");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  strings[*n] = NULL;
  lua_setiuservalue(L, -2, 1);
  return strings;
}
