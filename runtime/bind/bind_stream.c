/* core.streams: data sets whose samples stay in their files. */
#include "bind/bind_data.h"
#include "perilune/readers.h"

#define BIND_STREAM "core.stream"

BIND_CLOSABLE(stream, BIND_STREAM, pl_stream)

static pl_stream *check_stream(lua_State *L, int index) {
  pl_stream **slot = luaL_checkudata(L, index, BIND_STREAM);
  luaL_argcheck(L, *slot != NULL, index, "this stream was closed");
  return *slot;
}

/* hdf5(path, name) -> stream, { type=, shape=, integers= }; or nil, message, whether the file has no such name */
static int streams_hdf5(lua_State *L) {
  pl_error err;
  pl_array_info info;
  const char *path = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
  pl_stream **slot = stream_slot(L);
  if ((*slot = pl_stream_hdf5(path, name, &info, &err)) == NULL) {
    bool absent = err.status == PL_ERROR_VALUE;
    if (absent || err.status == PL_ERROR_TYPE) err.status = PL_ERROR_CORRUPT;   /* the file is what it is */
    int results = bind_fail(L, &err);
    lua_pushboolean(L, absent);
    return results + 1;
  }
  bind_push_array_info(L, &info);
  return 2;
}

/* pictures(paths, height or 0, width, channels) -> stream; or nil, message */
static int streams_pictures(lua_State *L) {
  pl_error err;
  size_t n;
  lua_Integer height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3), channels = luaL_checkinteger(L, 4);
  luaL_argcheck(L, height >= 0 && height <= 65536 && width >= 0 && width <= 65536, 2, "a side is 1 to 65536 pixels");
  luaL_argcheck(L, channels == 1 || channels == 3, 4, "a picture has 1 channel (gray) or 3 (colours)");
  const char **paths = bind_check_strings(L, 1, &n);
  pl_stream **slot = stream_slot(L);
  if ((*slot = pl_stream_pictures(paths, n, height, width, (int)channels, &err)) == NULL) return bind_fail(L, &err);
  return 1;
}

static void check_info(lua_State *L, int index, pl_array_info *info) {
  pl_error err;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_getfield(L, index, "shape");
  info->shape = bind_check_shape(L, lua_gettop(L));
  lua_pop(L, 1);
  lua_getfield(L, index, "type");
  if (pl_dtype_from_name(&info->type, luaL_checkstring(L, -1), &err)) bind_raise(L, &err);
  lua_pop(L, 1);
}

/* read(stream, { type=, shape= }) -> tensor of all rows; or nil, message */
static int streams_read(lua_State *L) {
  pl_error err;
  pl_array_info info = { 0 };
  pl_stream *s = check_stream(L, 1);
  check_info(L, 2, &info);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_stream_read_all(s, &info, &err)) == NULL) return bind_fail(L, &err);
  bind_account(L, pl_tensor_footprint(*out));
  return 1;
}

/* dataset(stream, { type=, shape= }, labels or targets or nil, classes) -> data set */
static int streams_dataset(lua_State *L) {
  pl_error err;
  pl_array_info info = { 0 };
  pl_stream *s = check_stream(L, 1);
  check_info(L, 2, &info);
  pl_tensor *y = lua_isnoneornil(L, 3) ? NULL : bind_check_tensor(L, 3);
  lua_Integer classes = luaL_optinteger(L, 4, 0);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_of_stream(s, info.type, &info.shape, y, classes, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* set_window(bytes): tests */
static int streams_set_window(lua_State *L) {
  lua_Integer bytes = luaL_checkinteger(L, 1);
  luaL_argcheck(L, bytes > 0, 1, "a window has at least a byte");
  pl_stream_set_window((size_t)bytes);
  return 0;
}

static const luaL_Reg methods[] = { { "__gc", stream_gc }, { "__close", stream_close }, { NULL, NULL } };

static const luaL_Reg functions[] = {
  { "hdf5", streams_hdf5 }, { "pictures", streams_pictures }, { "read", streams_read }, { "dataset", streams_dataset },
  { "set_window", streams_set_window },
  { NULL, NULL },
};

int bind_open_streams(lua_State *L) {
  bind_new_class(L, BIND_STREAM, methods);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
