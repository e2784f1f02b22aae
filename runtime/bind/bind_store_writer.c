/* store.create(path) -> writer: groups, attributes, tensors, numbers, texts, then commit. Misuse raises; what memory
   refuses is remembered and reported by commit, so that a training that saves goes on. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "bind/bind_store.h"

#define WRITER "perilune.store.writer"

/* Asked for each call of the core: a finalizer may end the file wherever Lua is asked for memory. */
static pl_store_writer *self(lua_State *L) {
  pl_store_writer **slot = luaL_checkudata(L, 1, WRITER);
  luaL_argcheck(L, *slot != NULL, 1, "this file is already committed or discarded");
  return *slot;
}

static int put_done(lua_State *L, pl_status status, const pl_error *err) {
  if (status != PL_OK && status != PL_ERROR_MEMORY) return bind_raise(L, err);
  lua_settop(L, 1);
  return 1;
}

/* create(path) -> writer */
static int store_create(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  pl_store_writer **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, WRITER);
  if ((*slot = pl_store_create(path, &err)) == NULL) return bind_fail(L, &err);
  return 1;
}

static pl_status put_attr(lua_State *L, const char *path, const char *name, int index, pl_error *err) {
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: {
      bool value = lua_toboolean(L, index);
      return pl_store_attr(self(L), path, name, PL_STORE_BOOL, &value, 0, err);
    }
    case LUA_TSTRING: {
      size_t length;
      const char *value = lua_tolstring(L, index, &length);
      return pl_store_attr(self(L), path, name, PL_STORE_TEXT, value, length, err);
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        int64_t value = lua_tointeger(L, index);
        return pl_store_attr(self(L), path, name, PL_STORE_I64, &value, 0, err);
      } else {
        double value = lua_tonumber(L, index);
        return pl_store_attr(self(L), path, name, PL_STORE_F64, &value, 0, err);
      }
    default:
      return pl_error_set(err, PL_ERROR_TYPE, "attribute '%s' of %s: expected a number, string or boolean, got a %s",
                          name, path, luaL_typename(L, index));
  }
}

/* w:attr(path, name, value) */
static int writer_attr(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
  return put_done(L, put_attr(L, path, name, 4, &err), &err);
}

/* w:texts(path, name, list): an attribute that is a list of texts */
static int writer_texts(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
  size_t n;
  const char **texts = bind_check_strings(L, 4, &n);
  return put_done(L, pl_store_attr_texts(self(L), path, name, texts, n, &err), &err);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The attributes of the table at `index`, in the order of their names. */
static pl_status put_attrs(lua_State *L, const char *path, int index, pl_error *err) {
  int first = lua_gettop(L) + 1;
  for (lua_pushnil(L); lua_next(L, index);) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "attributes of %s: expected names, got a key of type %s", path, luaL_typename(L, -2));
    luaL_checkstack(L, 4, "too many attributes");
    lua_pop(L, 1);
    lua_pushvalue(L, -1);         /* a copy stays, below the key that lua_next takes */
  }
  int n = lua_gettop(L) + 1 - first;
  const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *names, 0);
  for (int i = 0; i < n; i++) names[i] = lua_tostring(L, first + i);
  qsort(names, (size_t)n, sizeof *names, compare_names);
  pl_status status = PL_OK;
  for (int i = 0; i < n && status == PL_OK; i++) {
    lua_getfield(L, index, names[i]);
    status = put_attr(L, path, names[i], lua_gettop(L), err);
    lua_pop(L, 1);
  }
  return status;
}

/* w:group(path [, attributes]) */
static int writer_group(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 2);
  if (!lua_isnoneornil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  pl_status status = pl_store_group(self(L), path, &err);
  if (status == PL_OK && lua_istable(L, 3)) status = put_attrs(L, path, 3, &err);
  return put_done(L, status, &err);
}

static const pl_store_type of_tensor[] = { [PL_F32] = PL_STORE_F32, [PL_U8] = PL_STORE_U8, [PL_I32] = PL_STORE_I32 };

/* w:tensor(path, tensor [, gzip level]) */
static int writer_tensor(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 2);
  const pl_tensor *t = bind_check_tensor(L, 3);
  lua_Integer gzip = luaL_optinteger(L, 4, 0);
  luaL_argcheck(L, gzip >= 0 && gzip <= 9, 4, "gzip level must be from 0 to 9");
  if (!pl_tensor_contiguous(t)) {
    pl_tensor **slot = bind_new_tensor(L);
    if ((*slot = pl_tensor_to_contiguous(t, &err)) == NULL) return bind_raise(L, &err);
    t = *slot;
  }
  return put_done(L, pl_store_data(self(L), path, of_tensor[pl_tensor_type(t)], pl_tensor_shape(t), pl_tensor_data(t),
                                   (int)gzip, &err), &err);
}

static bool all_integers(lua_State *L, int index, lua_Integer n) {
  bool all = n > 0;
  for (lua_Integer i = 1; i <= n && all; i++) {
    lua_rawgeti(L, index, i);
    all = lua_isinteger(L, -1);
    lua_pop(L, 1);
  }
  return all;
}

/* w:numbers(path, list [, "f64" | "i64" [, shape]]): whole numbers are i64 unless said otherwise, others f64 */
static int writer_numbers(lua_State *L) {
  static const char *const types[] = { "f64", "i64", NULL };
  pl_error err;
  const char *path = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 3);
  bool whole = luaL_checkoption(L, 4, all_integers(L, 3, n) ? "i64" : "f64", types) == 1;
  pl_shape shape = { 1, { n } };
  if (!lua_isnoneornil(L, 5)) shape = bind_check_shape(L, 5);
  luaL_argcheck(L, pl_shape_count(&shape) == n, 5, "the shape does not have as many elements as the list");
  bind_box *box = bind_new_box(L);
  if (bind_box_add(box, NULL, (size_t)n * 8, &err)) return bind_raise(L, &err);
  for (lua_Integer i = 0; i < n; i++) {
    int is_number;
    lua_rawgeti(L, 3, i + 1);
    if (whole) ((int64_t *)(void *)box->data)[i] = lua_tointegerx(L, -1, &is_number);
    else ((double *)(void *)box->data)[i] = lua_tonumberx(L, -1, &is_number);
    if (!is_number || lua_type(L, -1) != LUA_TNUMBER) {
      return luaL_error(L, "%s: item %I is %s, not a %s", path, i + 1, luaL_tolstring(L, -1, NULL),
                        whole ? "whole number" : "number");
    }
    lua_pop(L, 1);
  }
  pl_status status = pl_store_data(self(L), path, whole ? PL_STORE_I64 : PL_STORE_F64, &shape, box->data, 0, &err);
  bind_box_clear(box);
  return put_done(L, status, &err);
}

/* w:text(path, string) */
static int writer_text(lua_State *L) {
  pl_error err;
  size_t length;
  const char *path = luaL_checkstring(L, 2), *text = luaL_checklstring(L, 3, &length);
  return put_done(L, pl_store_text(self(L), path, text, length, &err), &err);
}

/* w:scale(path, name): makes the dataset a dimension scale */
static int writer_scale(lua_State *L) {
  pl_error err;
  return put_done(L, pl_store_scale(self(L), luaL_checkstring(L, 2), luaL_checkstring(L, 3), &err), &err);
}

/* w:commit() -> true; or nil, message */
static int writer_commit(lua_State *L) {
  pl_error err;
  pl_store_writer *w = self(L), **slot = lua_touserdata(L, 1);
  *slot = NULL;
  if (pl_store_commit(w, &err)) {
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int writer_discard(lua_State *L) {
  pl_store_writer **slot = luaL_checkudata(L, 1, WRITER);
  pl_store_discard(*slot);
  *slot = NULL;
  return 0;
}

const luaL_Reg bind_store_writer_functions[] = { { "create", store_create }, { NULL, NULL } };

void bind_store_writer_class(lua_State *L) {
  bind_new_class(L, WRITER, (luaL_Reg[]){
    { "group", writer_group }, { "attr", writer_attr }, { "texts", writer_texts },
     { "tensor", writer_tensor }, { "numbers", writer_numbers },
    { "text", writer_text }, { "scale", writer_scale }, { "commit", writer_commit }, { "discard", writer_discard },
    { "__gc", writer_discard }, { "__close", writer_discard }, { NULL, NULL } });
  lua_pop(L, 1);
}
