/* core.data: data sets made of tensors and files, and files fetched; lua/perilune/data/init.lua builds the public data
   sets on them. */
#include "bind/bind_data.h"

/* new(samples, targets or nil [, classes]) */
static int data_new(lua_State *L) {
  pl_error err;
  pl_tensor *x = bind_check_tensor(L, 1), *y = lua_isnoneornil(L, 2) ? NULL : bind_check_tensor(L, 2);
  lua_Integer classes = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, classes >= 0, 3, "a number of classes is at least 0");
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_new(x, y, classes, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* read_idx(images, labels [, classes]) -> data set, sha256 of images, of labels; or nil, message */
static int data_read_idx(lua_State *L) {
  pl_error err;
  pl_idx_sums sums;
  const char *images = luaL_checkstring(L, 1), *labels = luaL_checkstring(L, 2);
  lua_Integer classes = luaL_optinteger(L, 3, 0);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_read_idx(images, labels, classes, &sums, &err)) == NULL) return bind_fail(L, &err);
  pl_shape shape = pl_dataset_shape(*out);
  bind_account(L, pl_dataset_count(*out) * (size_t)pl_shape_count(&shape));
  lua_pushstring(L, sums.images);
  lua_pushstring(L, sums.labels);
  return 3;
}

/* read_idx_tensor(path) -> tensor, sha256; or nil, message */
static int data_read_idx_tensor(lua_State *L) {
  pl_error err;
  char sha256[PL_SHA256_TEXT];
  const char *path = luaL_checkstring(L, 1);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_idx_read(path, sha256, &err)) == NULL) return bind_fail(L, &err);
  lua_pushstring(L, sha256);
  return 2;
}

/* idx_head(path) -> shape (a list), element type; or nil, message */
static int data_idx_head(lua_State *L) {
  pl_error err;
  pl_dtype type;
  pl_shape shape;
  if (pl_idx_head(luaL_checkstring(L, 1), &type, &shape, &err)) return bind_fail(L, &err);
  bind_push_shape(L, &shape);
  lua_pushstring(L, pl_dtype_name(type));
  return 2;
}

/* digits(count, seed, stream) -> data set */
static int data_digits(lua_State *L) {
  pl_error err;
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count > 0, 1, "a number of images from 1 is expected");
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_digits((size_t)count, (uint64_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checkinteger(L, 3),
                                &err)) == NULL)
    return bind_raise(L, &err);
  bind_account(L, (size_t)count * 28 * 28);
  return 1;
}

/* file_sha256(path [, uncompressed]) -> 64 hexadecimal digits; or nil, message */
static int data_file_sha256(lua_State *L) {
  pl_error err;
  char sha256[PL_SHA256_TEXT];
  if (pl_file_sha256(sha256, luaL_checkstring(L, 1), lua_toboolean(L, 2), &err)) return bind_fail(L, &err);
  lua_pushstring(L, sha256);
  return 1;
}

enum { PROGRESS = 3 };   /* where the functions below take theirs */

/* The Lua function below the call, protected: an error must not jump over a library's frames. */
static bool call_progress(void *arg, int64_t now, int64_t total) {
  lua_State *L = arg;
  lua_pushvalue(L, PROGRESS);
  lua_pushinteger(L, now);
  lua_pushinteger(L, total);
  bool go_on = lua_pcall(L, 2, 1, 0) == LUA_OK && (lua_isnil(L, -1) || lua_toboolean(L, -1));
  lua_pop(L, 1);
  return go_on;
}

/* download(url, path [, progress(bytes, total or 0)]) -> true; or nil, message. progress returning false stops it. */
static int data_download(lua_State *L) {
  pl_error err;
  const char *url = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  bool told = !lua_isnoneornil(L, 3);
  if (told) luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_checkstack(L, 8, NULL);
  if (pl_download(url, path, told ? call_progress : NULL, L, &err)) return bind_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* unpack(path, folder, progress or nil, members, most) -> true; or nil, message. Without arguments: whether it can. */
static int data_unpack(lua_State *L) {
  pl_error err;
  if (lua_isnone(L, 1)) {
    if (pl_unpack_load(&err)) return bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
  }
  const char *path = luaL_checkstring(L, 1), *folder = luaL_checkstring(L, 2);
  bool told = !lua_isnoneornil(L, PROGRESS);
  if (told) luaL_checktype(L, PROGRESS, LUA_TFUNCTION);
  lua_Integer most = luaL_checkinteger(L, 5);
  size_t n;
  const char **members = bind_check_strings(L, 4, &n);
  luaL_argcheck(L, n > 0 && n < 1000, 4, "a list of members is expected");
  if (pl_unpack(path, folder, members, n, most, told ? call_progress : NULL, L, &err))
    return bind_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg functions[] = {
  { "new", data_new }, { "read_idx", data_read_idx }, { "read_idx_tensor", data_read_idx_tensor },
  { "idx_head", data_idx_head },
  { "file_sha256", data_file_sha256 }, { "digits", data_digits },
  { "download", data_download }, { "unpack", data_unpack },
  { NULL, NULL },
};

int bind_open_data(lua_State *L) {
  bind_new_class(L, BIND_DATASET, bind_dataset_methods);
  luaL_newlib(L, functions);
  return 1;
}
