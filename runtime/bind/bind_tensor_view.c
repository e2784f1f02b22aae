/* Views, copies and conversions as methods. */
#include "bind/bind_tensor.h"

/* slice(axis, from [, to]): both ends included, as in string.sub */
static int tensor_slice(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  const pl_shape *shape = pl_tensor_shape(t);
  int axis = bind_check_axis(L, 2), found = axis < 0 ? axis + shape->axes : axis;
  int64_t n = found >= 0 && found < shape->axes ? shape->size[found] : 0;
  lua_Integer from = luaL_checkinteger(L, 3), to = luaL_optinteger(L, 4, -1);
  luaL_argcheck(L, from != 0, 3, "items count from 1 (or from -1, the last)");
  if (from < 0) from += n + 1;
  if (to < 0) to += n + 1;
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_slice(t, axis, from - 1, to, &err), &err);
}

static int tensor_select(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int axis = bind_check_axis(L, 2);
  lua_Integer i = luaL_checkinteger(L, 3);
  luaL_argcheck(L, i != 0, 3, "items count from 1 (or from -1, the last)");
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_select(t, axis, i > 0 ? i - 1 : i, &err), &err);
}

static int tensor_reshape(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  pl_shape shape = bind_check_shape(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_reshape(t, &shape, &err), &err);
}

static int tensor_expand(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  pl_shape shape = bind_check_shape(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_expand(t, &shape, &err), &err);
}

static int tensor_transpose(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int a = bind_check_axis(L, 2), b = bind_check_axis(L, 3);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_transpose(t, a, b, &err), &err);
}

static int tensor_T(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int axes = pl_tensor_shape(t)->axes;
  if (axes != 2) return luaL_error(L, "T: expects a matrix, got a tensor with %d axes; use t:transpose(a, b)", axes);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_transpose(t, 0, 1, &err), &err);
}

static int tensor_permute(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  pl_shape order = bind_check_shape(L, 2);
  int axes[PL_MAX_AXES];
  for (int i = 0; i < order.axes; i++) {
    int64_t a = order.size[i];
    luaL_argcheck(L, a != 0 && a >= -PL_MAX_AXES && a <= PL_MAX_AXES, 2 + i,
                  "axes count from 1 (or from -1, the last)");
    axes[i] = (int)(a > 0 ? a - 1 : a);
  }
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_permute(t, axes, order.axes, &err), &err);
}

static int tensor_squeeze(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  bool all = lua_isnoneornil(L, 2);
  int axis = all ? 0 : bind_check_axis(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, all ? pl_tensor_squeeze_all(t, &err) : pl_tensor_squeeze(t, axis, &err), &err);
}

static int tensor_unsqueeze(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int axis = bind_check_axis(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_unsqueeze(t, axis, &err), &err);
}

static int tensor_clone(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_clone(t, &err), &err);
}

static int tensor_contiguous(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_to_contiguous(t, &err), &err);
}

static int tensor_to(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  luaL_checkstring(L, 2);
  pl_dtype type = bind_opt_dtype(L, 2, PL_F32);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_to(t, type, &err), &err);
}

const luaL_Reg bind_tensor_view_methods[] = {
  { "slice", tensor_slice }, { "select", tensor_select }, { "reshape", tensor_reshape }, { "expand", tensor_expand },
  { "transpose", tensor_transpose }, { "T", tensor_T }, { "permute", tensor_permute }, { "squeeze", tensor_squeeze },
  { "unsqueeze", tensor_unsqueeze }, { "clone", tensor_clone }, { "contiguous", tensor_contiguous },
  { "to", tensor_to },
  { NULL, NULL },
};
