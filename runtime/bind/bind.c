/* Helpers shared by the binding: raising, slots, arguments as JSON, memory accounting. */
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind.h"

int bind_raise(lua_State *L, const pl_error *err) {
  return luaL_error(L, "%s", err->text);
}

int bind_fail(lua_State *L, const pl_error *err) {
  if (err->status != PL_ERROR_IO && err->status != PL_ERROR_CORRUPT) return bind_raise(L, err);
  lua_pushnil(L);
  lua_pushstring(L, err->text);
  return 2;
}

void bind_new_class(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  if (lua_getfield(L, -1, "__index") == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -3, "__index");
  }
  lua_pop(L, 1);
}

/* Lua's collector sees only the few bytes of a userdata: it is told of the memory behind it, but stepped only
   once enough has been allocated anew, so that a loop of small tensors does not collect all the time. */
void bind_account(lua_State *L, size_t bytes) {
  enum { LEAST = 16 << 20 };
  static size_t fresh;
  fresh += bytes;
  size_t half = pl_alloc_live() / 2;
  if (fresh < (half > LEAST ? half : LEAST) || !lua_gc(L, LUA_GCISRUNNING)) return;
  size_t kilobytes = fresh / 1024;
  fresh = 0;
  lua_gc(L, LUA_GCSTEP, (int)(kilobytes < 1 << 30 ? kilobytes : 1 << 30));
}

static cJSON *to_json(lua_State *L, int index, int depth);

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* String keys in sorted order: nothing that reaches a file follows the order of a hash table. */
static cJSON *object_to_json(lua_State *L, int index, int depth) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "a table of options has string keys; found a key of type %s", luaL_typename(L, -2));
    n++;
  }
  const char **names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
  size_t i = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) names[i++] = lua_tostring(L, -2);
  qsort(names, n, sizeof *names, compare_names);
  cJSON *object = cJSON_CreateObject();
  for (i = 0; i < n; i++) {
    lua_getfield(L, index, names[i]);
    cJSON_AddItemToObject(object, names[i], to_json(L, lua_gettop(L), depth + 1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return object;
}

static cJSON *to_json(lua_State *L, int index, int depth) {
  luaL_checkstack(L, 8, "table nests too deep");
  switch (lua_type(L, index)) {
    case LUA_TNIL: case LUA_TNONE: return cJSON_CreateNull();
    case LUA_TBOOLEAN: return cJSON_CreateBool(lua_toboolean(L, index));
    case LUA_TNUMBER: return cJSON_CreateNumber(lua_tonumber(L, index));
    case LUA_TSTRING: return cJSON_CreateString(lua_tostring(L, index));
    case LUA_TTABLE: {
      if (depth > 64) luaL_error(L, "table nests too deep (or contains itself)");
      lua_Integer n = luaL_len(L, index);
      if (n == 0) {
        lua_pushnil(L);
        if (!lua_next(L, index)) return cJSON_CreateObject();
        lua_pop(L, 2);
        return object_to_json(L, index, depth);
      }
      cJSON *list = cJSON_CreateArray();
      for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, index, i);
        cJSON_AddItemToArray(list, to_json(L, lua_gettop(L), depth + 1));
        lua_pop(L, 1);
      }
      return list;
    }
    default:
      luaL_error(L, "a %s cannot be an option here", luaL_typename(L, index));
      return NULL;
  }
}

/* A dry run raises before anything is allocated, so that nothing leaks when a value has no JSON form. */
static void check_json(lua_State *L, int index, int depth) {
  int type = lua_type(L, index);
  luaL_checkstack(L, 8, "table nests too deep");
  if (type == LUA_TTABLE) {
    if (depth > 64) luaL_error(L, "table nests too deep (or contains itself)");
    lua_Integer n = luaL_len(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
      if (n == 0 && lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "a table of options has string keys; found a key of type %s", luaL_typename(L, -2));
      if (n > 0 && !lua_isinteger(L, -2)) luaL_error(L, "a table holds either a list or named options, not both (found '%s')", luaL_tolstring(L, -2, NULL));
      check_json(L, lua_gettop(L), depth + 1);
    }
  } else if (type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA || type == LUA_TTHREAD) {
    luaL_error(L, "a %s cannot be an option here", luaL_typename(L, index));
  }
}

cJSON *bind_to_json(lua_State *L, int index) {
  index = lua_absindex(L, index);
  check_json(L, index, 0);
  return to_json(L, index, 0);
}

cJSON *bind_args_to_json(lua_State *L, int first) {
  int top = lua_gettop(L);
  for (int i = first; i <= top; i++) check_json(L, i, 0);
  cJSON *list = cJSON_CreateArray();
  for (int i = first; i <= top; i++) cJSON_AddItemToArray(list, to_json(L, i, 0));
  return list;
}

void bind_push_json(lua_State *L, const cJSON *json) {
  luaL_checkstack(L, 4, "JSON nests too deep");
  if (cJSON_IsNumber(json)) {
    lua_Integer whole;
    if (lua_numbertointeger(json->valuedouble, &whole) && (double)whole == json->valuedouble) lua_pushinteger(L, whole);
    else lua_pushnumber(L, json->valuedouble);
  } else if (cJSON_IsString(json)) lua_pushstring(L, json->valuestring);
  else if (cJSON_IsBool(json)) lua_pushboolean(L, cJSON_IsTrue(json));
  else if (cJSON_IsArray(json) || cJSON_IsObject(json)) {
    const cJSON *item;
    lua_Integer i = 0;
    lua_newtable(L);
    cJSON_ArrayForEach(item, json) {
      bind_push_json(L, item);
      if (item->string) lua_setfield(L, -2, item->string);
      else lua_rawseti(L, -2, ++i);
    }
  } else lua_pushnil(L);
}
