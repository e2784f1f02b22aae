/* Functions of tensors that are given values of formulas instead: lua/perilune/nn/symbol.lua records the operation. */
#include "bind/bind_tensor.h"

bool bind_is_symbol(lua_State *L, int index) {
  if (!lua_istable(L, index) || luaL_getmetafield(L, index, "__metatable") == LUA_TNIL) return false;
  const char *name = lua_tostring(L, -1);
  bool found = name != NULL && strcmp(name, "perilune.symbol") == 0;
  lua_pop(L, 1);
  return found;
}

static bool has_symbol(lua_State *L, int n) {
  for (int i = 1; i <= n; i++) {
    if (!lua_istable(L, i)) continue;
    if (bind_is_symbol(L, i)) return true;
    for (lua_Integer k = 1; k <= (lua_Integer)lua_rawlen(L, i) && k < 64; k++) {
      lua_rawgeti(L, i, k);
      bool found = bind_is_symbol(L, lua_gettop(L));
      lua_pop(L, 1);
      if (found) return true;
    }
  }
  return false;
}

bool bind_symbolic(lua_State *L, const char *name) {
  int n = lua_gettop(L);
  if (!has_symbol(L, n)) return false;
  luaL_checkstack(L, n + 8, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "perilune.nn.symbol");
  lua_getfield(L, -1, "dispatch");
  lua_pushstring(L, name);
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  lua_call(L, n + 1, 1);
  return true;
}
