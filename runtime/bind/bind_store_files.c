/* Plain files and folders: whole texts, logs, listings, digests. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/sha256.h"
#include "bind/bind_store.h"

static int file_done(lua_State *L, pl_status status, const pl_error *err) {
  if (status != PL_OK) return bind_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* write_text(path, text) -> true; or nil, message. Replaces the file atomically. */
static int store_write_text(lua_State *L) {
  pl_error err;
  size_t size;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size);
  return file_done(L, pl_store_write_file(path, text, size, &err), &err);
}

/* read_text(path) -> string; or nil, message */
static int store_read_text(lua_State *L) {
  pl_error err;
  void *data;
  const char *path = luaL_checkstring(L, 1);
  bind_box *box = bind_new_box(L);
  if (pl_store_read_file(path, &data, &box->size, &err)) return bind_fail(L, &err);
  box->data = data;
  lua_pushlstring(L, data, box->size);
  bind_box_clear(box);
  return 1;
}

/* append(path, line) -> true; or nil, message. One write; puts the newline if the line has none. */
static int store_append(lua_State *L) {
  pl_error err;
  size_t size;
  const char *path = luaL_checkstring(L, 1), *line = luaL_checklstring(L, 2, &size);
  if (size == 0 || line[size - 1] != '\n') {
    lua_pushvalue(L, 2);
    lua_pushliteral(L, "\n");
    lua_concat(L, 2);
    line = lua_tolstring(L, -1, &size);
  }
  return file_done(L, pl_store_append(path, line, size, &err), &err);
}

/* mkdir(path) -> true; or nil, message. With the folders above it. */
static int store_mkdir(lua_State *L) {
  pl_error err;
  return file_done(L, pl_store_mkdir(luaL_checkstring(L, 1), &err), &err);
}

/* remove(path) -> true, also when it is not there; or nil, message */
static int store_remove(lua_State *L) {
  pl_error err;
  return file_done(L, pl_store_remove(luaL_checkstring(L, 1), &err), &err);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* listdir(path) -> names in order; or nil, message */
static int store_listdir(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  bind_box *box = bind_new_box(L);
  pl_status status = PL_OK;
  DIR *folder = opendir(path);
  if (folder == NULL) {
    pl_error_set(&err, PL_ERROR_IO, "cannot list %s: %s", path, strerror(errno));
    return bind_fail(L, &err);
  }
  for (const struct dirent *e; status == PL_OK && (e = readdir(folder)) != NULL; ) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      status = bind_box_add(box, e->d_name, strlen(e->d_name) + 1, &err);
  }
  closedir(folder);
  if (status != PL_OK) return bind_raise(L, &err);
  lua_Integer n = 0;
  for (size_t at = 0; at < box->size; at += strlen((char *)box->data + at) + 1) n++;
  const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *names, 0);
  n = 0;
  for (size_t at = 0; at < box->size; at += strlen(names[n - 1]) + 1) names[n++] = (char *)box->data + at;
  qsort(names, (size_t)n, sizeof *names, compare_names);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  bind_box_clear(box);
  return 1;
}

/* sha256(item, ...) -> 64 hexadecimal digits of the bytes of strings and tensors, one after another */
static int store_sha256(lua_State *L) {
  pl_error err;
  SHA2_CTX sha;
  char hex[SHA256_DIGEST_STRING_LENGTH];
  SHA256Init(&sha);
  int top = lua_gettop(L);
  for (int i = 1; i <= top; i++) {
    const pl_tensor *t = bind_test_tensor(L, i);
    if (t == NULL) {
      size_t size;
      const char *text = luaL_checklstring(L, i, &size);
      pl_sha256_update(&sha, text, size);
      continue;
    }
    pl_tensor **slot = bind_new_tensor(L);
    if ((*slot = pl_tensor_to_contiguous(t, &err)) == NULL) return bind_raise(L, &err);
    pl_sha256_update(&sha, pl_tensor_data(*slot), (size_t)pl_tensor_count(t) * pl_dtype_size(pl_tensor_type(t)));
    lua_pop(L, 1);
  }
  SHA256End(&sha, hex);
  lua_pushstring(L, hex);
  return 1;
}

#define LOCK "perilune.store.lock"

/* lock(path) -> lock; or nil, message, is it held by another process? Its path is its user value. */
static int store_lock(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  int *lock = lua_newuserdatauv(L, sizeof *lock, 1);
  *lock = -1;
  luaL_setmetatable(L, LOCK);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  pl_status status = pl_store_lock(path, lock, &err);
  if (status == PL_OK) return 1;
  if (status != PL_ERROR_STATE) return bind_fail(L, &err);
  lua_pushnil(L);
  lua_pushstring(L, err.text);
  lua_pushboolean(L, true);
  return 3;
}

static int lock_release(lua_State *L) {
  int *lock = luaL_checkudata(L, 1, LOCK), fd = *lock;
  if (fd < 0) return 0;
  *lock = -1;
  lua_getiuservalue(L, 1, 1);
  pl_store_unlock(lua_tostring(L, -1), fd);
  return 0;
}

void bind_store_lock_class(lua_State *L) {
  bind_new_class(L, LOCK, (luaL_Reg[]){ { "release", lock_release }, { "__gc", lock_release },
                                        { "__close", lock_release }, { NULL, NULL } });
  lua_pop(L, 1);
}

/* library() -> version of the HDF5 library */
static int store_library(lua_State *L) {
  pl_error err;
  char text[40];
  if (pl_store_library(text, &err)) return bind_fail(L, &err);
  lua_pushstring(L, text);
  return 1;
}

const luaL_Reg bind_store_file_functions[] = {
  { "write_text", store_write_text }, { "read_text", store_read_text }, { "append", store_append },
  { "mkdir", store_mkdir },
  { "remove", store_remove }, { "exists", bind_path_kind }, { "listdir", store_listdir }, { "sha256", store_sha256 },
  { "lock", store_lock }, { "library", store_library }, { NULL, NULL },
};
