/* store.open(path) -> reader. What a file lacks, or holds in another form than asked, is nil and a message: a file is
   not the script's mistake. */
#include <limits.h>
#include <string.h>
#include "bind/bind_store.h"

#define READER "perilune.store.reader"

/* Asked for each call of the core: a finalizer may close the file wherever Lua is asked for memory. */
static pl_store_reader *self(lua_State *L) {
  pl_store_reader **slot = luaL_checkudata(L, 1, READER);
  luaL_argcheck(L, *slot != NULL, 1, "this file is closed");
  return *slot;
}

static int read_failed(lua_State *L, const pl_error *err) {
  if (err->status == PL_ERROR_MEMORY) return bind_raise(L, err);
  lua_pushnil(L);
  lua_pushstring(L, err->text);
  return 2;
}

/* open(path [, { foreign = true }]) -> reader; or nil, message */
static int store_open(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  bool foreign = false;
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "foreign");
    foreign = lua_toboolean(L, -1);
  }
  pl_store_reader **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, READER);
  if ((*slot = pl_store_open(path, foreign, &err)) == NULL) return bind_fail(L, &err);
  return 1;
}

/* verify(path) -> true; or nil, message */
static int store_verify(lua_State *L) {
  pl_error err;
  if (pl_store_verify(luaL_checkstring(L, 1), &err)) return read_failed(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static pl_status add_name(void *box, const char *name, pl_error *err) {
  return bind_box_add(box, name, strlen(name) + 1, err);
}

/* r:list([path]) -> names of the members of a group, in order of creation */
static int reader_list(lua_State *L) {
  pl_error err;
  const char *path = luaL_optstring(L, 2, "/");
  bind_box *box = bind_new_box(L);
  if (pl_store_list(self(L), path, add_name, box, &err)) return read_failed(L, &err);
  return bind_push_texts(L, box);
}

static pl_status add_attr(void *box, const char *name, const pl_store_value *value, pl_error *err) {
  size_t length = strlen(name);
  pl_status status = bind_box_add(box, value, sizeof *value, err);
  if (status == PL_OK) status = bind_box_add(box, &length, sizeof length, err);
  if (status == PL_OK) status = bind_box_add(box, name, length, err);
  return status == PL_OK ? bind_box_add(box, value->text, value->length, err) : status;
}

/* r:attrs([path]) -> { name = number, string or boolean } */
static int reader_attrs(lua_State *L) {
  pl_error err;
  const char *path = luaL_optstring(L, 2, "/");
  bind_box *box = bind_new_box(L);
  if (pl_store_attrs(self(L), path, add_attr, box, &err)) return read_failed(L, &err);
  lua_newtable(L);
  for (size_t at = 0; at < box->size; ) {
    pl_store_value value;
    size_t length;
    memcpy(&value, box->data + at, sizeof value);
    memcpy(&length, box->data + at + sizeof value, sizeof length);
    at += sizeof value + sizeof length;
    lua_pushlstring(L, (char *)box->data + at, length);
    at += length;
    if (value.type == PL_STORE_TEXT) lua_pushlstring(L, (char *)box->data + at, value.length);
    else if (value.type == PL_STORE_F64) lua_pushnumber(L, value.number);
    else if (value.type == PL_STORE_I64) lua_pushinteger(L, value.integer);
    else lua_pushboolean(L, value.integer != 0);
    at += value.length;
    lua_rawset(L, -3);
  }
  bind_box_clear(box);
  return 1;
}

/* r:info(path) -> "group", or the element type and the shape of a dataset; or nil, message */
static int reader_info(lua_State *L) {
  pl_error err;
  pl_store_info info;
  if (pl_store_stat(self(L), luaL_checkstring(L, 2), &info, &err)) return read_failed(L, &err);
  lua_pushstring(L, info.group ? "group" : pl_store_type_name(info.type));
  if (info.group) return 1;
  bind_push_shape(L, &info.shape);
  return 2;
}

/* Reads a dataset into a new box on the stack, as `type`. */
static pl_status read_box(lua_State *L, const char *path, const pl_store_info *info, pl_store_type type, bind_box **box,
                          pl_error *err) {
  size_t bytes = info->bytes / pl_store_type_size(info->type) * pl_store_type_size(type);
  *box = bind_new_box(L);
  if (bind_box_add(*box, NULL, bytes, err)) return err->status;
  return pl_store_read(self(L), path, type, (*box)->data, bytes, err);
}

/* The usual labels of other programs are 64-bit integers: they are taken if each fits 32 bits. */
static pl_status narrow(pl_tensor *t, const bind_box *box, const char *path, pl_error *err) {
  const int64_t *from = (const void *)box->data;
  int32_t *to = pl_tensor_data(t);
  for (int64_t i = 0; i < pl_tensor_count(t); i++) {
    if (from[i] < INT32_MIN || from[i] > INT32_MAX) {
      return pl_error_set(err, PL_ERROR_VALUE, "'%s': %lld at index %lld does not fit an i32 tensor", path,
                          (long long)from[i], (long long)i + 1);
    }
    to[i] = (int32_t)from[i];
  }
  return PL_OK;
}

/* r:tensor(path) -> tensor: f32 (f64 is rounded), u8 or i32; or nil, message */
static int reader_tensor(lua_State *L) {
  pl_error err;
  pl_store_info info;
  bind_box *box;
  const char *path = luaL_checkstring(L, 2);
  if (pl_store_stat(self(L), path, &info, &err)) return read_failed(L, &err);
  if (info.group || info.type == PL_STORE_TEXT) {
    lua_pushnil(L);
    lua_pushfstring(L, "'%s' is a %s; expected numbers", path, info.group ? "group" : "text");
    return 2;
  }
  pl_dtype type = info.type == PL_STORE_U8 ? PL_U8 : info.type == PL_STORE_F32 ||
    info.type == PL_STORE_F64 ? PL_F32 : PL_I32;
  pl_tensor **slot = bind_new_tensor(L);
  if ((*slot = pl_tensor_new(type, &info.shape, &err)) == NULL) return bind_raise(L, &err);
  pl_status status;
  if (info.type == PL_STORE_I64) {
    status = read_box(L, path, &info, PL_STORE_I64, &box, &err);
    if (status == PL_OK) status = narrow(*slot, box, path, &err);
    bind_box_clear(box);
    lua_pop(L, 1);
  } else {
    static const pl_store_type as[] = { [PL_F32] = PL_STORE_F32, [PL_U8] = PL_STORE_U8, [PL_I32] = PL_STORE_I32 };
    size_t bytes = (size_t)pl_tensor_count(*slot) * pl_dtype_size(type);
    status = pl_store_read(self(L), path, as[type], pl_tensor_data(*slot), bytes, &err);
  }
  if (status != PL_OK) return read_failed(L, &err);
  bind_account(L, (size_t)pl_tensor_count(*slot) * pl_dtype_size(type));
  return 1;
}

/* r:numbers(path) -> list in row order, shape; or nil, message. Integers stay integers. */
static int reader_numbers(lua_State *L) {
  pl_error err;
  pl_store_info info;
  bind_box *box;
  const char *path = luaL_checkstring(L, 2);
  if (pl_store_stat(self(L), path, &info, &err)) return read_failed(L, &err);
  bool whole = info.type != PL_STORE_F32 && info.type != PL_STORE_F64;
  int64_t n = pl_shape_count(&info.shape);
  if (info.group || info.type == PL_STORE_TEXT || n > INT_MAX) {
    lua_pushnil(L);
    lua_pushfstring(L, "'%s' is a %s; expected a list of numbers", path,
                    info.group ? "group" : info.type == PL_STORE_TEXT ? "text" : "very long list");
    return 2;
  }
  if (read_box(L, path, &info, whole ? PL_STORE_I64 : PL_STORE_F64, &box, &err)) return read_failed(L, &err);
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    if (whole) lua_pushinteger(L, ((int64_t *)(void *)box->data)[i]);
    else lua_pushnumber(L, ((double *)(void *)box->data)[i]);
    lua_rawseti(L, -2, i + 1);
  }
  bind_box_clear(box);
  bind_push_shape(L, &info.shape);
  return 2;
}

/* r:text(path) -> string; or nil, message */
static int reader_text(lua_State *L) {
  pl_error err;
  pl_store_info info;
  bind_box *box;
  const char *path = luaL_checkstring(L, 2);
  if (pl_store_stat(self(L), path, &info, &err)) return read_failed(L, &err);
  if (info.group || info.type != PL_STORE_TEXT) {
    lua_pushnil(L);
    lua_pushfstring(L, "'%s' is %s; expected a text", path, info.group ? "a group" : pl_store_type_name(info.type));
    return 2;
  }
  if (read_box(L, path, &info, PL_STORE_TEXT, &box, &err)) return read_failed(L, &err);
  lua_pushlstring(L, (char *)box->data, pl_store_text_length((char *)box->data, box->size));
  bind_box_clear(box);
  return 1;
}

static int reader_has(lua_State *L) {
  lua_pushboolean(L, pl_store_has(self(L), luaL_checkstring(L, 2)));
  return 1;
}

/* r:digest() -> SHA-256 as text; "" for a file of another program */
static int reader_digest(lua_State *L) {
  lua_pushstring(L, pl_store_digest(self(L)));
  return 1;
}

static int reader_close(lua_State *L) {
  pl_store_reader **slot = luaL_checkudata(L, 1, READER);
  pl_store_close(*slot);
  *slot = NULL;
  return 0;
}

const luaL_Reg bind_store_reader_functions[] = { { "open", store_open }, { "verify", store_verify }, { NULL, NULL } };

void bind_store_reader_class(lua_State *L) {
  bind_new_class(L, READER, (luaL_Reg[]){
    { "list", reader_list }, { "attrs", reader_attrs }, { "info", reader_info }, { "tensor", reader_tensor },
    { "numbers", reader_numbers }, { "text", reader_text }, { "has", reader_has }, { "digest", reader_digest },
    { "close", reader_close }, { "__gc", reader_close }, { "__close", reader_close }, { NULL, NULL } });
  lua_pop(L, 1);
}
