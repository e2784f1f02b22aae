/* The tensor class of Lua: its slot, its life, indexing. The methods are in the other bind_tensor_*.c, one list
   a file. Indices and axes count from 1, negative ones from the end. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "bind/bind_tensor.h"

pl_tensor **bind_new_tensor(lua_State *L) {
  pl_tensor **slot = lua_newuserdatauv(L, 2 * sizeof *slot, 0);   /* [1]: freed, while somebody might be using it */
  slot[0] = slot[1] = NULL;
  luaL_setmetatable(L, BIND_TENSOR);
  return slot;
}

pl_tensor *bind_test_tensor(lua_State *L, int index) {
  pl_tensor **slot = luaL_testudata(L, index, BIND_TENSOR);
  return slot == NULL ? NULL : *slot;
}

pl_tensor *bind_check_tensor(lua_State *L, int index) {
  pl_tensor **slot = luaL_testudata(L, index, BIND_TENSOR);
  if (slot == NULL) luaL_typeerror(L, index, "a tensor");
  else if (*slot == NULL)
    luaL_argerror(L, index, "this tensor was freed (by :free() or at the end of a <close> block)");
  return *slot;
}

const pl_tensor *bind_push_as(lua_State *L, int index, pl_dtype type) {
  pl_error err;
  const pl_tensor *t = bind_check_tensor(L, index);
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_type(t) == type ? pl_tensor_to_contiguous(t, &err) : pl_tensor_to(t, type, &err);
  if (*slot == NULL) bind_raise(L, &err);
  return *slot;
}

pl_shape bind_batch_shape(const pl_shape *sample, size_t n) {
  pl_shape shape = { sample->axes + 1, { (int64_t)n } };
  memcpy(shape.size + 1, sample->size, (size_t)sample->axes * sizeof shape.size[0]);
  return shape;
}

pl_shape bind_sample_shape(const pl_shape *batch) {
  pl_shape shape = { .axes = batch->axes - 1 };
  memcpy(shape.size, batch->size + 1, (size_t)shape.axes * sizeof shape.size[0]);
  return shape;
}

void *bind_fill_batch(lua_State *L, pl_tensor **slot, pl_dtype type, const pl_shape *sample, size_t n,
                      const void *data) {
  pl_error err;
  pl_shape shape = bind_batch_shape(sample, n);
  if ((*slot = pl_tensor_new(type, &shape, &err)) == NULL) bind_raise(L, &err);
  if (data != NULL) memcpy(pl_tensor_data(*slot), data, (size_t)pl_tensor_count(*slot) * pl_dtype_size(type));
  return pl_tensor_data(*slot);
}

void bind_copy_floats(lua_State *L, const pl_tensor *t, float *out) {
  pl_error err;
  pl_tensor *plain = pl_tensor_to_contiguous(t, &err);
  if (plain == NULL) bind_raise(L, &err);
  memmove(out, pl_tensor_data(plain), (size_t)pl_tensor_count(plain) * sizeof *out);
  pl_tensor_free(plain);
}

int bind_tensor_return(lua_State *L, pl_tensor **slot, pl_tensor *result, const pl_error *err) {
  if (result == NULL) return bind_raise(L, err);
  *slot = result;
  bind_account(L, pl_tensor_footprint(result));
  return 1;
}

int bind_tensor_self(lua_State *L, pl_status status, const pl_error *err) {
  if (status) return bind_raise(L, err);
  lua_settop(L, 1);
  return 1;
}

int bind_check_axis(lua_State *L, int index) {
  lua_Integer axis = luaL_checkinteger(L, index);
  luaL_argcheck(L, axis != 0, index, "axes count from 1 (or from -1, the last)");
  luaL_argcheck(L, axis >= -PL_MAX_AXES - 1 && axis <= PL_MAX_AXES + 1, index, "a tensor has at most 6 axes");
  return (int)(axis > 0 ? axis - 1 : axis);
}

pl_dtype bind_opt_dtype(lua_State *L, int index, pl_dtype otherwise) {
  pl_error err;
  pl_dtype type = otherwise;
  if (!lua_isnoneornil(L, index) && pl_dtype_from_name(&type, luaL_checkstring(L, index), &err))
    luaL_argerror(L, index, err.text);
  return type;
}

pl_dtype bind_take_dtype(lua_State *L, pl_dtype otherwise) {
  if (lua_gettop(L) == 0 || lua_type(L, -1) != LUA_TSTRING) return otherwise;
  pl_dtype type = bind_opt_dtype(L, lua_gettop(L), otherwise);
  lua_pop(L, 1);
  return type;
}

/* Is the key below the value on top an index of a list of n items, or the n of table.pack? */
static bool is_of_list(lua_State *L, lua_Integer n) {
  if (lua_isinteger(L, -2)) return lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= n;
  return lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "n") == 0 && lua_isinteger(L, -1) &&
    lua_tointeger(L, -1) == n;
}

void bind_check_list(lua_State *L, int index, const char *advice, ...) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  luaL_checkstack(L, 8, NULL);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (is_of_list(L, n)) continue;
    va_list list;
    va_start(list, advice);
    const char *text = lua_pushvfstring(L, advice, list);
    va_end(list);
    const char *key = luaL_tolstring(L, -3, NULL);
    luaL_argerror(L, index, lua_pushfstring(L, "'%s' is no index of this list; %s", key, text));
  }
}

static int64_t check_size(lua_State *L, int value, int argument, int axis) {
  int whole;
  lua_Integer size = lua_tointegerx(L, value, &whole);
  if (!whole || lua_type(L, value) != LUA_TNUMBER)
    luaL_argerror(L, argument, lua_pushfstring(L, "size %d of a shape must be a whole number, got %s", axis,
                                               luaL_tolstring(L, value, NULL)));
  return size;
}

pl_shape bind_check_shape(lua_State *L, int index) {
  pl_shape shape = { 0 };
  bool table = lua_istable(L, index);
  lua_Integer n = table ? (lua_Integer)lua_rawlen(L, index) : lua_gettop(L) - index + 1;
  if (n > PL_MAX_AXES) luaL_argerror(L, index, "a tensor has at most 6 axes");
  if (table && lua_gettop(L) > index) luaL_argerror(L, index + 1, "a shape is one table or a run of sizes, not both");
  if (table) bind_check_list(L, index, "what is no size follows it: ({ 2, 3 }, \"i32\"), ({ 2, 3 }, { seed = 1 })");
  shape.axes = (int)n;
  for (int a = 0; a < shape.axes; a++) {
    if (table) lua_rawgeti(L, index, a + 1);
    shape.size[a] = check_size(L, table ? -1 : index + a, table ? index : index + a, a + 1);
    if (table) lua_pop(L, 1);
  }
  return shape;
}

static void push_element(lua_State *L, const pl_tensor *t, int64_t index) {
  double value = pl_tensor_get(t, index);
  if (pl_tensor_type(t) == PL_F32) lua_pushnumber(L, value);
  else lua_pushinteger(L, (lua_Integer)value);
}

/* ---- life ---- */

static int tensor_free(lua_State *L) {
  pl_tensor **slot = luaL_checkudata(L, 1, BIND_TENSOR);
  if (*slot == NULL) return 0;
  if (bind_in_finalizer(L)) slot[1] = *slot;   /* perhaps in the midst of a function of this binding that reads it */
  else pl_tensor_free(*slot);
  *slot = NULL;
  return 0;
}

static int tensor_gc(lua_State *L) {
  pl_tensor **slot = luaL_checkudata(L, 1, BIND_TENSOR);
  pl_tensor_free(slot[0]);
  pl_tensor_free(slot[1]);
  slot[0] = slot[1] = NULL;
  return 0;
}

static int tensor_length(lua_State *L) {
  const pl_shape *shape = pl_tensor_shape(bind_check_tensor(L, 1));
  if (shape->axes == 0) return luaL_error(L, "a tensor without axes has no length; use t:item()");
  lua_pushinteger(L, shape->size[0]);
  return 1;
}

static int tensor_tostring(lua_State *L) {
  pl_tensor **slot = luaL_checkudata(L, 1, BIND_TENSOR);
  char *text = NULL;
  size_t size = 0;
  if (*slot == NULL) {
    lua_pushliteral(L, "tensor (freed)");
    return 1;
  }
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return luaL_error(L, "not enough memory to print a tensor");
  pl_tensor_write_text(*slot, out);
  fclose(out);
  lua_pushlstring(L, text, size);
  free(text);
  return 1;
}

/* ---- t[i], t.shape, t:method ---- */

void bind_push_integers(lua_State *L, const int64_t *v, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, v[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

void bind_push_shape(lua_State *L, const pl_shape *shape) { bind_push_integers(L, shape->size, shape->axes); }

static int named_field(lua_State *L) {
  const char *name = lua_tostring(L, 2);
  luaL_checkudata(L, 1, BIND_TENSOR);
  lua_settop(L, 2);
  lua_getmetatable(L, 1);
  lua_pushvalue(L, 2);
  if (strncmp(name, "__", 2) && lua_rawget(L, -2) != LUA_TNIL) return 1;   /* a method, also of a freed tensor */
  lua_settop(L, 2);
  if (strcmp(name, "shape") == 0) bind_push_shape(L, pl_tensor_shape(bind_check_tensor(L, 1)));
  else if (strcmp(name, "dtype") == 0) lua_pushstring(L, pl_dtype_name(pl_tensor_type(bind_check_tensor(L, 1))));
  else return bind_unknown_name(L);
  return 1;
}

static int not_an_index(lua_State *L, int key) {
  if (lua_istable(L, key))
    return luaL_error(L, "a tensor is indexed by a whole number, got a table; t[i][j] is one item, "
                         "t:slice(axis, from, to) a range, t:index(axis, { ... }) a list");
  if (lua_isuserdata(L, key))
    return luaL_error(L, "a tensor is indexed by a whole number, got %s; t:masked_select(mask) picks by a mask, "
                         "t:index(axis, indices) by a list", bind_test_tensor(L, key) ? "a tensor" : "an object");
  return luaL_error(L, "a tensor is indexed by a whole number, got %s", luaL_tolstring(L, key, NULL));
}

/* Item `i` of the first axis (position `key` on the stack): its index, from 0. */
static int64_t check_item(lua_State *L, const pl_tensor *t, int key) {
  const pl_shape *shape = pl_tensor_shape(t);
  char text[PL_SHAPE_TEXT];
  int whole;
  lua_Integer i = lua_tointegerx(L, key, &whole);
  if (!whole) return not_an_index(L, key);
  if (shape->axes == 0) return luaL_error(L, "a tensor without axes cannot be indexed; use t:item()");
  int64_t n = shape->size[0], index = i < 0 ? i + n : i - 1;
  if (i == 0) return luaL_error(L, "index 0: indices count from 1 (or from -1, the last)");
  if (index < 0 || index >= n)
    return luaL_error(L, "index %I is out of range: the first axis of shape %s has %I items%s", i,
                      pl_shape_text(text, shape, false), (lua_Integer)n,
                      index == n ? "; a loop over them is for i = 1, #t, not ipairs" : "");
  return index;
}

static int tensor_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) return named_field(L);
  const pl_tensor *t = bind_check_tensor(L, 1);
  int64_t index = check_item(L, t, 2);
  if (pl_tensor_shape(t)->axes == 1) {
    push_element(L, t, index);
    return 1;
  }
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_select(t, 0, index, &err), &err);
}

static int tensor_newindex(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) return luaL_error(L, "a tensor's field '%s' cannot be set", lua_tostring(L, 2));
  int64_t index = check_item(L, t, 2);
  pl_error err;
  const pl_tensor *from = bind_test_tensor(L, 3);
  if (bind_is_symbol(L, 3))
    return luaL_error(L, "an item of a tensor is set to a value of a formula; " BIND_JOIN_VALUES);
  if (from == NULL && lua_type(L, 3) != LUA_TNUMBER)
    return luaL_error(L, "an item is set to a number or a tensor, got %s", luaL_typename(L, 3));
  if (pl_tensor_shape(t)->axes == 1 && from == NULL) {
    if (pl_tensor_set(t, index, lua_tonumber(L, 3), &err)) return bind_raise(L, &err);
    return 0;
  }
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_select(t, 0, index, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  if (from != NULL ? pl_tensor_copy(*slot, from, &err) : pl_tensor_fill(*slot, lua_tonumber(L, 3), &err))
    return bind_raise(L, &err);
  return 0;
}

/* ---- asking ---- */

static int tensor_compared(lua_State *L) {
  return luaL_error(L, "a tensor is not compared with < or >; write t:gt(0), t:lt(u), t:ge(0) or t:le(u), "
                       "which compare element by element, or t:item() for the number in it");
}

static int tensor_size(lua_State *L) {
  const pl_shape *shape = pl_tensor_shape(bind_check_tensor(L, 1));
  if (lua_isnoneornil(L, 2)) return luaL_error(L, "size: of which axis? t:size(1) is the first's; t.shape has all");
  int axis = bind_check_axis(L, 2);
  if (axis < 0) axis += shape->axes;
  if (axis < 0 || axis >= shape->axes)
    return luaL_error(L, "size: the tensor has %d axes, there is no axis %I", shape->axes, lua_tointeger(L, 2));
  lua_pushinteger(L, shape->size[axis]);
  return 1;
}

static int tensor_dim(lua_State *L) {
  lua_pushinteger(L, pl_tensor_shape(bind_check_tensor(L, 1))->axes);
  return 1;
}

static int tensor_count(lua_State *L) {
  lua_pushinteger(L, pl_tensor_count(bind_check_tensor(L, 1)));
  return 1;
}

static int tensor_item(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  char text[PL_SHAPE_TEXT];
  if (pl_tensor_count(t) != 1)
    return luaL_error(L, "item: expects a tensor of one element, got shape %s",
                      pl_shape_text(text, pl_tensor_shape(t), false));
  push_element(L, t, 0);
  return 1;
}

static void push_nested(lua_State *L, const pl_tensor *t, int axis, int64_t *next) {
  const pl_shape *shape = pl_tensor_shape(t);
  if (axis == shape->axes) {
    push_element(L, t, (*next)++);
    return;
  }
  luaL_checkstack(L, 3, NULL);
  lua_createtable(L, (int)(shape->size[axis] < 1 << 20 ? shape->size[axis] : 1 << 20), 0);
  for (int64_t i = 0; i < shape->size[axis]; i++) {
    push_nested(L, t, axis + 1, next);
    lua_rawseti(L, -2, i + 1);
  }
}

static int tensor_totable(lua_State *L) {
  enum { MOST_EMPTY = 1 << 20 };
  int64_t next = 0, rows = 1;
  const pl_tensor *t = bind_check_tensor(L, 1);
  for (int a = 0; a < pl_tensor_shape(t)->axes && rows > 0 && rows <= MOST_EMPTY; a++)
    rows *= pl_tensor_shape(t)->size[a];
  if (pl_tensor_count(t) == 0 && rows > MOST_EMPTY) return luaL_error(L, "totable: too many rows with nothing in them");
  push_nested(L, t, 0, &next);
  return 1;
}

static const luaL_Reg class[] = {
  { "__index", tensor_index }, { "__newindex", tensor_newindex }, { "__len", tensor_length },
  { "__tostring", tensor_tostring }, { "__lt", tensor_compared }, { "__le", tensor_compared }, { "__gc", tensor_gc },
  { "__close", tensor_free }, { "free", tensor_free },
  { "size", tensor_size }, { "dim", tensor_dim }, { "count", tensor_count }, { "item", tensor_item },
  { "totable", tensor_totable },
  { NULL, NULL },
};

static const luaL_Reg *const methods[] = {
  bind_tensor_view_methods, bind_tensor_fill_methods, bind_tensor_reduce_methods, bind_tensor_index_methods,
};
static const luaL_Reg *const functions[] = {
  bind_tensor_make_functions, bind_tensor_fill_functions, bind_tensor_index_functions,
};

int bind_open_tensor(lua_State *L) {
  bind_new_class(L, BIND_TENSOR, class);
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) luaL_setfuncs(L, methods[i], 0);
  bind_tensor_add_math(L);
  bind_tensor_add_reductions(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) luaL_setfuncs(L, functions[i], 0);
  return 1;
}
