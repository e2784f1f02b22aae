/* Picking, masking, joining and sorting. */
#include <math.h>
#include "bind/bind_tensor.h"

/* The indices at `index`, an integer tensor or a table, as a new i32 tensor (on the stack) that counts from 0;
   negative ones stay. */
static pl_tensor *push_indices(lua_State *L, int index) {
  pl_error err;
  if (lua_istable(L, index)) {
    lua_pushcfunction(L, bind_tensor_from_table);
    lua_pushvalue(L, index);
    lua_pushliteral(L, "i32");
    lua_call(L, 2, 1);
    index = lua_gettop(L);
  }
  const pl_tensor *given = bind_check_tensor(L, index);
  if (pl_tensor_type(given) == PL_F32)
    luaL_argerror(L, index, "indices are an i32 tensor or a table of whole numbers; convert with :to(\"i32\")");
  if (pl_tensor_type(given) == PL_U8)
    luaL_argerror(L, index, "indices are i32; u8 is a mask: t:masked_select(mask) picks by it; convert indices with "
                  ":to(\"i32\")");
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_to(given, PL_I32, &err), &err);
  int32_t *at = pl_tensor_data(*slot);
  for (int64_t i = 0; i < pl_tensor_count(*slot); i++) {
    if (at[i] == 0) luaL_error(L, "index 0: indices count from 1 (or from -1, the last)");
    if (at[i] > 0) at[i]--;
  }
  return *slot;
}

static int pick(lua_State *L, pl_tensor *(*how)(const pl_tensor *t, int axis, const pl_tensor *indices,
                                                pl_error *err)) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int axis = bind_check_axis(L, 2);
  pl_tensor *indices = push_indices(L, 3);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, how(t, axis, indices, &err), &err);
}

static int tensor_pick(lua_State *L) { return pick(L, pl_tensor_index); }
static int tensor_gather(lua_State *L) { return pick(L, pl_tensor_gather); }

static int tensor_masked_select(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1), *mask = bind_check_tensor(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_masked_select(t, mask, &err), &err);
}

static int tensor_masked_fill_in_place(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  const pl_tensor *mask = bind_check_tensor(L, 2);
  double value = luaL_checknumber(L, 3);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_masked_fill(t, mask, value, &err), &err);
}

static int tensor_masked_fill(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1), *mask = bind_check_tensor(L, 2);
  double value = luaL_checknumber(L, 3);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_clone(t, &err), &err);
  return pl_tensor_masked_fill(*slot, mask, value, &err) ? bind_raise(L, &err) : 1;
}

static int where(lua_State *L) {
  if (bind_symbolic(L, "where")) return 1;
  const pl_tensor *mask = bind_check_tensor(L, 1);
  pl_operand yes = bind_check_operand(L, 2), no = bind_check_operand(L, 3);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_where(mask, yes, no, &err), &err);
}

static int join(lua_State *L, pl_tensor *(*how)(const pl_tensor *const *list, size_t n, int axis, pl_error *err)) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int axis = lua_isnoneornil(L, 2) ? 0 : bind_check_axis(L, 2);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  bind_check_list(L, 1, "the axis follows it: ({ a, b }, 2)");
  luaL_argcheck(L, n >= 1 && n < 1 << 24, 1, "expects a list of at least one tensor");
  const pl_tensor **list = lua_newuserdatauv(L, (size_t)n * sizeof *list, 0);
  pl_tensor **slot = bind_new_tensor(L);      /* first: it might run a finalizer, which might empty the list */
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    list[i] = bind_test_tensor(L, -1);
    if (list[i] == NULL)
      return luaL_error(L, "item %I of the list is not a tensor (a %s)", i + 1, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  pl_error err;
  return bind_tensor_return(L, slot, how(list, (size_t)n, axis, &err), &err);
}

static int cat(lua_State *L) { return bind_symbolic(L, "cat") ? 1 : join(L, pl_tensor_cat); }
static int stack(lua_State *L) { return bind_symbolic(L, "stack") ? 1 : join(L, pl_tensor_stack); }

static int one_hot(lua_State *L) {
  if (bind_symbolic(L, "one_hot")) return 1;
  const pl_tensor *labels = bind_check_tensor(L, 1);
  lua_Integer classes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, classes >= 1, 2, "the number of classes must be 1 or more");
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_one_hot(labels, classes, &err), &err);
}

/* Pushes values and indices (from 1), sorted along `axis`. */
static void sort(lua_State *L, const pl_tensor *t, int axis, bool descending) {
  pl_error err;
  pl_tensor **values = bind_new_tensor(L), **indices = bind_new_tensor(L);
  if (pl_tensor_sort(values, indices, t, axis, descending, &err)) bind_raise(L, &err);
  if (pl_tensor_binary_in_place(*indices, pl_binary_find("add"), (pl_operand){ .number = 1, .is_integer = true }, &err))
    bind_raise(L, &err);
  bind_account(L, pl_tensor_footprint(*values) + pl_tensor_footprint(*indices));
}

typedef struct sort_options {
  bool descending;
} sort_options;

static const pl_option sort_option_list[] = {
  { .name = "descending", .kind = PL_OPTION_BOOL, .offset = offsetof(sort_options, descending) },
  { .name = NULL },
};
static const pl_class sort_class = { "sort", sizeof(sort_options), &(const sort_options){ false }, sort_option_list };

/* t:sort([axis = -1] [, {descending = false}]) -> values, indices */
static int tensor_sort(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  int after = lua_istable(L, 2) ? 2 : 3;
  int axis = after == 2 || lua_isnoneornil(L, 2) ? -1 : bind_check_axis(L, 2);
  sort_options options = { false };
  if (!lua_isnoneornil(L, after)) bind_read_options(L, after, &options, &sort_class);
  sort(L, t, axis, options.descending);
  return 2;
}

/* t:topk(k [, axis = -1]) -> the k largest, in order, and their indices */
static int tensor_topk(lua_State *L) {
  const pl_tensor *t = bind_check_tensor(L, 1);
  lua_Integer k = luaL_checkinteger(L, 2);
  int axis = lua_isnoneornil(L, 3) ? -1 : bind_check_axis(L, 3);
  luaL_argcheck(L, k >= 1, 2, "k must be 1 or more");
  sort(L, t, axis, true);
  pl_error err;
  int64_t items = pl_tensor_shape(t)->size[axis < 0 ? axis + pl_tensor_shape(t)->axes : axis];
  if (k > items) return luaL_error(L, "topk: the %I largest of %I items", (LUAI_UACINT)k, (LUAI_UACINT)items);
  for (int i = 0; i < 2; i++) {
    const pl_tensor *sorted = bind_check_tensor(L, -2);
    pl_tensor **slot = bind_new_tensor(L);
    bind_tensor_return(L, slot, pl_tensor_slice(sorted, axis, 0, k, &err), &err);
  }
  return 2;
}

const luaL_Reg bind_tensor_index_methods[] = {
  { "index", tensor_pick }, { "gather", tensor_gather }, { "masked_select", tensor_masked_select },
  { "masked_fill", tensor_masked_fill }, { "masked_fill_", tensor_masked_fill_in_place },
  { "sort", tensor_sort }, { "topk", tensor_topk },
  { NULL, NULL },
};
const luaL_Reg bind_tensor_index_functions[] = {
  { "where", where }, { "cat", cat }, { "stack", stack }, { "one_hot", one_hot },
  { NULL, NULL },
};
