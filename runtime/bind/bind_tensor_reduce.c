/* Reductions as methods, one closure an entry of the core's list; products; comparing whole tensors. */
#include <cjson/cJSON.h>
#include <math.h>
#include "bind/bind_tensor.h"

typedef struct reduce_options {
  bool keepdim;
  double correction;
} reduce_options;

static const pl_option keepdim_only[] = {
  { .name = "keepdim", .kind = PL_OPTION_BOOL, .offset = offsetof(reduce_options, keepdim) },
  { .name = NULL },
};
static const pl_option keepdim_and_correction[] = {
  { .name = "keepdim", .kind = PL_OPTION_BOOL, .offset = offsetof(reduce_options, keepdim) },
  { .name = "correction", .kind = PL_OPTION_NUMBER, .offset = offsetof(reduce_options, correction) },
  { .name = NULL },
};

void bind_read_options(lua_State *L, int index, void *config, const pl_class *cls) {
  pl_error err;
  cJSON *args = bind_args_to_json(L, index, index);
  pl_status status = pl_options_read(config, cls, args, &err);
  cJSON_Delete(args);
  if (status) bind_raise(L, &err);
}

static void mark_axis(lua_State *L, int value, const pl_shape *shape, bool *reduced, const char *what) {
  int whole;
  lua_Integer axis = lua_tointegerx(L, value, &whole), found = axis < 0 ? axis + shape->axes : axis - 1;
  if (!whole || axis == 0)
    luaL_error(L, "%s: an axis is a whole number from 1 (or from -1, the last), got %s", what,
               luaL_tolstring(L, value, NULL));
  if (found < 0 || found >= shape->axes)
    luaL_error(L, "%s: axis %I is out of range; the tensor has %d axes", what, axis, shape->axes);
  if (reduced[found]) luaL_error(L, "%s: axis %I is named twice", what, axis);
  reduced[found] = true;
}

static bool is_list(lua_State *L, int index) { return lua_istable(L, index) && lua_rawlen(L, index) > 0; }

static void push_result(lua_State *L, const pl_reduction_op *op, pl_dtype type, double value) {
  bool whole = op->to != PL_REDUCES_TO_FRACTION && type != PL_F32 && value >= -0x1p53 && value <= 0x1p53;
  if (op->to == PL_REDUCES_TO_MASK) lua_pushboolean(L, value != 0);
  else if (op->to == PL_REDUCES_TO_INDEX) lua_pushinteger(L, (lua_Integer)value + 1);
  else if (whole) lua_pushinteger(L, (lua_Integer)value);
  else lua_pushnumber(L, value);
}

/* t:sum([axis | {axes}] [, {keepdim = false}]): a Lua number when no axis is left, else a tensor */
static int reduce(lua_State *L) {
  const pl_reduction_op *op = lua_touserdata(L, lua_upvalueindex(1));
  const pl_tensor *t = bind_check_tensor(L, 1);
  const pl_shape *shape = pl_tensor_shape(t);
  reduce_options options = { 0 };
  bool reduced[PL_MAX_AXES] = { false };
  bool list = is_list(L, 2), number = lua_type(L, 2) == LUA_TNUMBER;
  int after = list || number || lua_isnil(L, 2) ? 3 : 2;
  if (list) bind_check_list(L, 2, "options follow it: t:%s(2, { keepdim = true })", op->name);
  if (number) mark_axis(L, 2, shape, reduced, op->name);
  for (lua_Integer i = 1; list && i <= (lua_Integer)lua_rawlen(L, 2); i++) {
    lua_rawgeti(L, 2, i);
    mark_axis(L, -1, shape, reduced, op->name);
    lua_pop(L, 1);
  }
  if (!list && !number) for (int a = 0; a < shape->axes; a++) reduced[a] = true;
  if (!lua_isnoneornil(L, after)) {
    pl_class cls = { op->name, sizeof options, &(reduce_options){ 0 },
                     op->corrected ? keepdim_and_correction : keepdim_only };
    luaL_checktype(L, after, LUA_TTABLE);
    bind_read_options(L, after, &options, &cls);
  }
  int left = 0;
  for (int a = 0; a < shape->axes; a++) left += !reduced[a];
  pl_error err;
  if (op->to == PL_REDUCES_TO_INDEX && left > 0 && left < shape->axes - 1)
    return luaL_error(L, "%s: takes one axis, or none for the whole tensor", op->name);
  if (left == 0 && !options.keepdim) {
    double value;
    if (pl_tensor_reduce_all(&value, op, t, options.correction, &err)) return bind_raise(L, &err);
    push_result(L, op, pl_tensor_type(t), value);
    return 1;
  }
  pl_tensor **slot = bind_new_tensor(L);
  pl_tensor *result = pl_tensor_reduce(op, t, reduced, options.keepdim, options.correction, &err);
  if (result != NULL && op->to == PL_REDUCES_TO_INDEX)   /* indices count from 1 in Lua */
    if (pl_tensor_binary_in_place(result, pl_binary_find("add"), (pl_operand){ .number = 1, .is_integer = true },
                                  &err)) {
      pl_tensor_free(result);
      result = NULL;
    }
  return bind_tensor_return(L, slot, result, &err);
}

void bind_tensor_add_reductions(lua_State *L) {
  for (const pl_reduction_op *op = pl_reduction_ops; op->name; op++) {
    lua_pushlightuserdata(L, (void *)op);
    lua_pushcclosure(L, reduce, 1);
    lua_setfield(L, -2, op->name);
  }
}

/* Two vectors give a number, otherwise a tensor. */
static int tensor_matmul(lua_State *L) {
  if (lua_istable(L, 2) && bind_symbolic(L, "matmul")) return 1;
  const pl_tensor *a = bind_check_tensor(L, 1), *b = bind_check_tensor(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_matmul(a, b, &err), &err);
  if (pl_tensor_shape(*slot)->axes == 0) lua_pushnumber(L, pl_tensor_get(*slot, 0));
  return 1;
}

static int tensor_equal(lua_State *L) {
  const pl_tensor *a = bind_check_tensor(L, 1), *b = bind_check_tensor(L, 2);
  lua_pushboolean(L, pl_tensor_equal(a, b, luaL_optnumber(L, 3, 0)));
  return 1;
}

/* t:histogram(bins [, low, high]) -> { counts = {...}, low, high, mean, std, min, max, count, zeros, nonfinite } */
static int tensor_histogram(lua_State *L) {
  enum { MOST = 4096 };
  const pl_tensor *t = bind_check_tensor(L, 1);
  lua_Integer bins = luaL_optinteger(L, 2, 64);
  luaL_argcheck(L, bins >= 1 && bins <= MOST, 2, "histogram: takes from 1 to 4096 bins");
  double low = luaL_optnumber(L, 3, NAN), high = luaL_optnumber(L, 4, NAN);
  int64_t counts[MOST];
  pl_histogram h = pl_tensor_histogram(counts, (int)bins, low, high, t);
  if (low > high || (h.count > 0 && h.low > h.high))
    return luaL_error(L, "histogram: the high end, %f, lies below the low one, %f", h.high, h.low);
  const struct { const char *name; double value; } fields[] = { { "low", h.low }, { "high", h.high },
                                                                { "mean", h.mean },
    { "std", h.std }, { "min", h.min }, { "max", h.max } };
  const struct { const char *name; int64_t value; } whole[] = { { "count", h.count }, { "zeros", h.zeros },
                                                                { "nonfinite", h.nonfinite } };
  lua_createtable(L, 0, 10);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushnumber(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
    lua_pushinteger(L, whole[i].value);
    lua_setfield(L, -2, whole[i].name);
  }
  lua_createtable(L, (int)bins, 0);
  for (lua_Integer i = 0; i < bins; i++) {
    lua_pushinteger(L, counts[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "counts");
  return 1;
}

const luaL_Reg bind_tensor_reduce_methods[] = { { "matmul", tensor_matmul }, { "equal", tensor_equal },
  { "histogram", tensor_histogram }, { NULL, NULL } };
