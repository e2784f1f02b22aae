/* Constructors: from nested tables, filled, in steps. */
#include <math.h>
#include "bind/bind_tensor.h"

/* The value on top is no value of a formula; raises. */
static void refuse_symbol(lua_State *L) {
  if (bind_is_symbol(L, lua_gettop(L)))
    luaL_error(L, "tensor: a value of a formula is among the items; " BIND_JOIN_VALUES);
}

/* The shape of nested tables follows from the first item of each level; fill() holds the others to it. */
static pl_shape nested_shape(lua_State *L) {
  pl_shape shape = { 0 };
  lua_pushvalue(L, 1);
  while (lua_istable(L, -1)) {
    refuse_symbol(L);
    if (shape.axes == PL_MAX_AXES) luaL_error(L, "tensor: tables nest deeper than 6 axes (or contain themselves)");
    int64_t n = (int64_t)lua_rawlen(L, -1);
    shape.size[shape.axes++] = n;
    if (n == 0) break;
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  lua_settop(L, 2);
  return shape;
}

/* "[2][1]": the path to an item, `depth` indices long. */
static const char *push_path(lua_State *L, const int64_t *path, int depth) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; i < depth; i++) {
    lua_pushfstring(L, "[%I]", (lua_Integer)path[i] + 1);
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

static void fill(lua_State *L, pl_tensor *t, int axis, int64_t *path, int64_t *next) {
  const pl_shape *shape = pl_tensor_shape(t);
  luaL_checkstack(L, 4, NULL);
  const char *kind = bind_test_tensor(L, -1) ? "tensor of its own; join tensors with pl.stack or pl.cat"
    : luaL_typename(L, -1);
  if (axis == shape->axes) {
    pl_error err;
    if (lua_type(L, -1) != LUA_TNUMBER && lua_type(L, -1) != LUA_TBOOLEAN) {
      refuse_symbol(L);
      luaL_error(L, "tensor: expects numbers, item %s is a %s", push_path(L, path, axis), kind);
    }
    double value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1);
    if (pl_tensor_set(t, (*next)++, value, &err))
      luaL_error(L, "tensor: item %s: %s", push_path(L, path, axis), err.text);
    return;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "tensor: item %s is a %s where its first neighbour is a table of %I items", push_path(L, path, axis),
               kind,
               (lua_Integer)shape->size[axis]);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  if (n != shape->size[axis]) refuse_symbol(L);
  if (n != shape->size[axis])
    luaL_error(L, "tensor: item %s has %I items where its first neighbour has %I; rows must be equally long",
               push_path(L, path, axis), n, (lua_Integer)shape->size[axis]);
  for (path[axis] = 0; path[axis] < n; path[axis]++) {
    lua_rawgeti(L, -1, path[axis] + 1);
    fill(L, t, axis + 1, path, next);
    lua_pop(L, 1);
  }
}

/* tensor(nested table | number | tensor [, type]) */
int bind_tensor_from_table(lua_State *L) {
  pl_error err;
  lua_settop(L, 2);
  const pl_tensor *from = bind_test_tensor(L, 1);
  if (from != NULL) {
    pl_dtype type = bind_opt_dtype(L, 2, pl_tensor_type(from));
    pl_tensor **slot = bind_new_tensor(L);
    return bind_tensor_return(L, slot, pl_tensor_to(from, type, &err), &err);
  }
  if (!lua_istable(L, 1) && lua_type(L, 1) != LUA_TNUMBER) return luaL_typeerror(L, 1, "table of numbers");
  pl_dtype type = bind_opt_dtype(L, 2, PL_F32);
  if (lua_istable(L, 1)) bind_check_list(L, 1, "the type follows it: pl.tensor({ 0, 1 }, \"i32\")");
  pl_shape shape = nested_shape(L);
  int64_t path[PL_MAX_AXES] = { 0 }, next = 0;
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(type, &shape, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  lua_pushvalue(L, 1);
  fill(L, *slot, 0, path, &next);
  lua_settop(L, 3);
  bind_account(L, pl_tensor_footprint(*slot));
  return 1;
}

static int filled(lua_State *L, const pl_shape *shape, pl_dtype type, double value) {
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(type, shape, &err);
  if (*slot == NULL || (value != 0 && pl_tensor_fill(*slot, value, &err))) return bind_raise(L, &err);
  bind_account(L, pl_tensor_footprint(*slot));
  return 1;
}

static int make_zeros(lua_State *L) {
  pl_dtype type = bind_take_dtype(L, PL_F32);
  pl_shape shape = bind_check_shape(L, 1);
  return filled(L, &shape, type, 0);
}

static int make_ones(lua_State *L) {
  pl_dtype type = bind_take_dtype(L, PL_F32);
  pl_shape shape = bind_check_shape(L, 1);
  return filled(L, &shape, type, 1);
}

/* full(shape table, value [, type]) */
static int make_full(lua_State *L) {
  pl_dtype type = bind_take_dtype(L, PL_F32);
  luaL_checktype(L, 1, LUA_TTABLE);
  double value = luaL_checknumber(L, 2);
  lua_settop(L, 1);
  pl_shape shape = bind_check_shape(L, 1);
  return filled(L, &shape, type, value);
}

static int make_eye(lua_State *L) {
  pl_dtype type = bind_take_dtype(L, PL_F32);
  int64_t rows = luaL_checkinteger(L, 1), cols = luaL_optinteger(L, 2, rows);
  pl_shape shape = { 2, { rows, cols } };
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(type, &shape, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  for (int64_t i = 0; i < rows && i < cols; i++) pl_tensor_set(*slot, i * cols + i, 1, NULL);
  bind_account(L, pl_tensor_footprint(*slot));
  return 1;
}

/* first, first + step, ...: `n` values */
static int stepped(lua_State *L, pl_dtype type, int64_t n, double first, double step) {
  pl_error err;
  pl_shape shape = { 1, { n } };
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(type, &shape, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  for (int64_t i = 0; i < n; i++) {
    if (pl_tensor_set(*slot, i, first + (double)i * step, &err)) return bind_raise(L, &err);
  }
  bind_account(L, pl_tensor_footprint(*slot));
  return 1;
}

/* arange([from,] to [, step] [, type]): the values that `for i = from, to, step` runs through */
static int make_arange(lua_State *L) {
  bool typed = lua_gettop(L) > 0 && lua_type(L, -1) == LUA_TSTRING;
  pl_dtype type = bind_take_dtype(L, PL_F32);
  if (lua_gettop(L) == 1) {
    lua_pushinteger(L, 1);
    lua_insert(L, 1);
  }
  double from = luaL_checknumber(L, 1), to = luaL_checknumber(L, 2), step = luaL_optnumber(L, 3, 1);
  luaL_argcheck(L, step != 0, 3, "the step must not be 0");
  double n = floor((to - from) / step * (1 + 1e-15)) + 1;
  if (!(n < 0x1p53)) return luaL_error(L, "arange: %f to %f is not a finite number of steps", from, to);
  bool whole = lua_isinteger(L, 1) && lua_isinteger(L, 2) && (lua_isinteger(L, 3) || lua_isnoneornil(L, 3));
  return stepped(L, !typed && whole ? PL_I32 : type, n > 0 ? (int64_t)n : 0, from, step);
}

/* linspace(from, to, count): both ends included */
static int make_linspace(lua_State *L) {
  double from = luaL_checknumber(L, 1), to = luaL_checknumber(L, 2);
  lua_Integer n = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n >= 1, 3, "the count must be 1 or more");
  int result = stepped(L, PL_F32, n, from, n > 1 ? (to - from) / (double)(n - 1) : 0);
  if (n > 1) pl_tensor_set(bind_check_tensor(L, -1), n - 1, to, NULL);
  return result;
}

static int is_tensor(lua_State *L) {
  lua_pushboolean(L, bind_test_tensor(L, 1) != NULL);
  return 1;
}

/* overlap(a, b): may they have elements in the same memory? */
static int overlap(lua_State *L) {
  lua_pushboolean(L, pl_tensor_overlap(bind_check_tensor(L, 1), bind_check_tensor(L, 2)));
  return 1;
}

const luaL_Reg bind_tensor_make_functions[] = {
  { "tensor", bind_tensor_from_table }, { "zeros", make_zeros }, { "ones", make_ones }, { "full", make_full },
  { "eye", make_eye },
  { "arange", make_arange }, { "linspace", make_linspace }, { "is_tensor", is_tensor },
  { "overlap", overlap },
  { NULL, NULL },
};
