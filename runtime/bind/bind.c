/* Helpers shared by the binding: raising, slots, arguments as JSON, memory accounting. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind.h"
#include "perilune/alloc.h"

int bind_raise(lua_State *L, const pl_error *err) {
  return luaL_error(L, "%s", err->text);
}

/* Does it begin with a line of a script, "file.lua:12: ", or of what was typed, "stdin:1: ", "(command line):1: "? */
static bool has_position(const char *text) {
  const char *colon = strchr(text, ':');
  size_t before = colon != NULL ? (size_t)(colon - text) : 0;
  bool file = before >= 4 && strncmp(colon - 4, ".lua", 4) == 0;
  if (!file && strncmp(text, "stdin:", 6) != 0 && strncmp(text, "(command line):", 15) != 0) return false;
  size_t digits = strspn(colon + 1, "0123456789");
  return digits > 0 && strncmp(colon + 1 + digits, ": ", 2) == 0;
}

int bind_raise_from_script(lua_State *L, const pl_error *err) {
  if (!has_position(err->text)) return bind_raise(L, err);
  lua_pushstring(L, err->text);
  return lua_error(L);
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
  bind_hide_metatable(L, name);
  if (lua_getfield(L, -1, "__index") == LUA_TNIL) {
    lua_newtable(L);
    for (; methods->name; methods++) {
      if (strncmp(methods->name, "__", 2) == 0) continue;
      lua_getfield(L, -3, methods->name);
      lua_setfield(L, -2, methods->name);
    }
    lua_setfield(L, -3, "__index");
  }
  lua_pop(L, 1);
}

void bind_hide_metatable(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
}

bool bind_push_method(lua_State *L, const char *key) {
  return strncmp(key, "__", 2) != 0 && luaL_getmetafield(L, 1, key) != LUA_TNIL;
}

static lua_CFunction pcall_function, xpcall_function;   /* which hold nothing of ours */

void bind_know_pcall(lua_State *L) {
  lua_getglobal(L, "pcall");
  lua_getglobal(L, "xpcall");
  pcall_function = lua_tocfunction(L, -2);
  xpcall_function = lua_tocfunction(L, -1);
  lua_pop(L, 2);
}

const char *bind_push_origin(lua_State *L) {
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool knows = lua_getfield(L, -1, "perilune.base.errors") == LUA_TTABLE;
  knows = knows && lua_getfield(L, -1, "where") == LUA_TFUNCTION;
  if (knows) lua_call(L, 0, 1);
  else luaL_where(L, 1);
  size_t n = 0;
  const char *text = lua_tolstring(L, -1, &n);
  if (n > 2) lua_pushlstring(L, text, n - 2);
  else lua_pushnil(L);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_tostring(L, top + 1);
}

static bool holds_something(lua_State *L, lua_Debug *frame) {
  if (*frame->what != 'C') return false;
  lua_getinfo(L, "f", frame);
  lua_CFunction f = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return f != pcall_function && f != xpcall_function;
}

/* A function called as __gc, or one that such a function has left its place to by a tail call, above a function in C.
   What goes on below a coroutine is not to be seen. */
bool bind_in_finalizer(lua_State *L) {
  lua_Debug frame;
  bool found = !lua_pushthread(L), tail = false;
  lua_pop(L, 1);
  for (int level = 1; !found && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "nSt", &frame);
    found = (frame.name != NULL && strcmp(frame.name, "__gc") == 0) || (tail && holds_something(L, &frame));
    tail = frame.istailcall;
  }
  return found;
}

/* Lua's collector sees only the few bytes of a userdata: it is told of the memory that it owns, but stepped only
   once enough has been allocated anew, so that a loop of small tensors does not collect all the time. */
void bind_account(lua_State *L, size_t bytes) {
  enum { LEAST = 16 << 20 };
  static atomic_size_t all;
  size_t fresh = atomic_fetch_add(&all, bytes) + bytes, half = pl_alloc_live() / 2;
  if (fresh < (half > LEAST ? half : LEAST) || !lua_gc(L, LUA_GCISRUNNING)) return;
  size_t kilobytes = fresh / 1024;
  atomic_store(&all, 0);
  lua_gc(L, LUA_GCSTEP, (int)(kilobytes < 1 << 30 ? kilobytes : 1 << 30));
}

/* The key in the registry of the metatable of tables that are lists even when they are empty. */
static const char json_list = 0;

/* json.list([t]) -> t, which is written as [] when it is empty; another empty table is {}. */
int bind_json_list(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &json_list) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &json_list);
    lua_replace(L, 2);
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static bool is_json_list(lua_State *L, int index) {
  if (lua_rawlen(L, index) > 0) return true;
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &json_list);
  bool list = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return list;
}

/* Tables are read raw: a metamethod could lie about a length, or raise while JSON is held. What has no JSON form is
   found by check_json, before anything is allocated; to_json raises nothing, and clears *ok when memory is short. */
static void check_json(lua_State *L, int index, int depth) {
  int type = lua_type(L, index);
  luaL_checkstack(L, 8, "table nests too deep");
  if (type == LUA_TTABLE) {
    if (depth > 192) luaL_error(L, "table nests too deep (or contains itself)");
    lua_Unsigned n = lua_rawlen(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
      if (n == 0 && lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "a table of options has string keys; found a key of type %s", luaL_typename(L, -2));
      if (n > 0 && !lua_isinteger(L, -2))
        luaL_error(L, "a table holds either a list or named options, not both (found '%s')",
                   luaL_tolstring(L, -2, NULL));
      check_json(L, lua_gettop(L), depth + 1);
    }
  } else if (type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA || type == LUA_TTHREAD) {
    bind_not_an_option(L, index);
  }
}

static cJSON *to_json(lua_State *L, int index, bool *ok);

static cJSON *list_to_json(lua_State *L, int index, lua_Unsigned n, bool *ok) {
  cJSON *list = cJSON_CreateArray();
  for (lua_Unsigned i = 1; i <= n && *ok; i++) {
    lua_rawgeti(L, index, (lua_Integer)i);
    cJSON *item = to_json(L, lua_gettop(L), ok);
    lua_pop(L, 1);
    if (cJSON_AddItemToArray(list, item)) continue;
    cJSON_Delete(item);
    *ok = false;
  }
  return list;
}

typedef struct member { const char *name; cJSON *value; } member;

static int compare_names(const void *a, const void *b) {
  return strcmp(((const member *)a)->name, ((const member *)b)->name);
}

/* String keys in sorted order: nothing that reaches a file follows the order of a hash table. */
static cJSON *object_to_json(lua_State *L, int index, bool *ok) {
  size_t n = 0, i = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) n++;
  member *members = pl_alloc_array(n + 1, sizeof *members, NULL);
  cJSON *object = cJSON_CreateObject();
  if (members == NULL) *ok = false;
  else {
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), i++)
      members[i] = (member){ lua_tostring(L, -2), to_json(L, lua_gettop(L), ok) };
    qsort(members, n, sizeof *members, compare_names);
  }
  for (i = 0; members != NULL && i < n; i++) {
    if (cJSON_AddItemToObject(object, members[i].name, members[i].value)) continue;
    cJSON_Delete(members[i].value);
    *ok = false;
  }
  pl_free(members);
  return object;
}

static cJSON *to_json(lua_State *L, int index, bool *ok) {
  cJSON *json = NULL;
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: json = cJSON_CreateBool(lua_toboolean(L, index)); break;
    case LUA_TNUMBER: json = cJSON_CreateNumber(lua_tonumber(L, index)); break;
    case LUA_TSTRING: json = cJSON_CreateString(lua_tostring(L, index)); break;
    case LUA_TTABLE: json = is_json_list(L, index) ? list_to_json(L, index, lua_rawlen(L, index), ok)
      : object_to_json(L, index, ok); break;
    default: json = cJSON_CreateNull();
  }
  if (json == NULL) *ok = false;
  return json;
}

static cJSON *all_or_nothing(lua_State *L, cJSON *json, bool ok) {
  if (ok) return json;
  cJSON_Delete(json);
  luaL_error(L, "not enough memory for options");
  return NULL;
}

cJSON *bind_to_json(lua_State *L, int index) {
  bool ok = true;
  index = lua_absindex(L, index);
  check_json(L, index, 0);
  cJSON *json = to_json(L, index, &ok);
  return all_or_nothing(L, json, ok);
}

cJSON *bind_args_to_json(lua_State *L, int first, int last) {
  bool ok = true;
  for (int i = first; i <= last; i++) check_json(L, i, 0);
  cJSON *list = cJSON_CreateArray();
  for (int i = first; i <= last && ok; i++) ok = cJSON_AddItemToArray(list, to_json(L, i, &ok)) && ok;
  return all_or_nothing(L, list, ok && list != NULL);
}

static void push_json(lua_State *L, const cJSON *json) {
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
      push_json(L, item);
      if (item->string) lua_setfield(L, -2, item->string);
      else lua_rawseti(L, -2, ++i);
    }
  } else lua_pushnil(L);
}

static int protected_push(lua_State *L) {
  push_json(L, lua_touserdata(L, 1));
  return 1;
}

static int protected_push_text(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

/* Calls push(value) so that nothing held is lost when it raises; frees the JSON and its text. */
static void push_and_free(lua_State *L, lua_CFunction push, const void *value, cJSON *json, char *text) {
  bool room = value != NULL && lua_checkstack(L, 4);
  int status = LUA_OK;
  if (room) {
    lua_pushcfunction(L, push);
    lua_pushlightuserdata(L, (void *)value);
    status = lua_pcall(L, 1, 1, 0);
  }
  cJSON_free(text);
  cJSON_Delete(json);
  if (status != LUA_OK) lua_error(L);
  if (!room) luaL_error(L, "not enough memory");
}

void bind_push_json(lua_State *L, cJSON *json, const char *member) {
  static const cJSON nothing = { .type = cJSON_NULL };
  const cJSON *part = member ? cJSON_GetObjectItemCaseSensitive(json, member) : json;
  push_and_free(L, protected_push, json != NULL && part == NULL ? &nothing : part, json, NULL);
}

void bind_push_json_text(lua_State *L, cJSON *json, const char *member, bool pretty) {
  const cJSON *part = member ? cJSON_GetObjectItemCaseSensitive(json, member) : json;
  char *text = pretty ? cJSON_Print(part) : cJSON_PrintUnformatted(part);
  push_and_free(L, protected_push_text, text, json, text);
}
