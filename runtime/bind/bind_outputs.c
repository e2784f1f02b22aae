/* The outputs of a model: in C one row a sample, in which several lie one after the other; in Lua tensors. */
#include "bind/bind_outputs.h"
#include "bind/bind_tensor.h"

/* As many columns as the narrower has, row by row. */
static void copy_columns(float *out, size_t out_width, const float *in, size_t in_width, size_t rows) {
  size_t width = in_width < out_width ? in_width : out_width;
  for (size_t i = 0; i < rows; i++) memcpy(out + i * out_width, in + i * in_width, width * sizeof *out);
}

int bind_split_outputs(lua_State *L, int index, const pl_outputs *outputs) {
  const pl_tensor *flat = bind_check_tensor(L, index);
  const float *at = pl_tensor_data(flat);
  int64_t n = pl_tensor_shape(flat)->size[0];
  size_t width = (size_t)(pl_tensor_count(flat) / n);
  pl_error err;
  luaL_checkstack(L, outputs->count + 2, NULL);
  for (int i = 0; i < outputs->count; i++) {
    pl_shape shape = bind_batch_shape(&outputs->shape[i], (size_t)n);
    size_t mine = (size_t)pl_shape_count(&outputs->shape[i]);
    pl_tensor **slot = bind_new_tensor(L);
    bind_tensor_return(L, slot, pl_tensor_new(PL_F32, &shape, &err), &err);
    copy_columns(pl_tensor_data(*slot), mine, at, width, (size_t)n);
    at += mine;
  }
  return outputs->count;
}

void bind_list_outputs(lua_State *L, int index, const pl_outputs *outputs) {
  int top = lua_gettop(L);
  lua_createtable(L, outputs->count, 0);
  bind_split_outputs(L, index, outputs);
  for (int i = outputs->count; i >= 1; i--) lua_rawseti(L, top + 1, i);
}

/* The i-th tensor of the list at `index`, as contiguous f32; pushes it. */
static const pl_tensor *push_part(lua_State *L, int index, int i, const char *what) {
  lua_rawgeti(L, index, i);
  if (bind_test_tensor(L, lua_gettop(L)) == NULL)
    luaL_error(L, "the %s of a model of several outputs is a list of tensors, and item %d is a %s", what, i,
               luaL_typename(L, -1));
  const pl_tensor *part = bind_push_as(L, lua_gettop(L), PL_F32);
  lua_remove(L, -2);
  return part;
}

const pl_tensor *bind_join_outputs(lua_State *L, int index, pl_outputs *found, const char *what) {
  int top = lua_gettop(L), count = (int)lua_rawlen(L, index);
  pl_shape flat = { 2, { 0 } };
  pl_error err;
  *found = (pl_outputs){ 0 };
  if (count < 1 || count > PL_MOST_OUTPUTS)
    luaL_error(L, "the %s of a model of several outputs is a list of 1 to %d tensors, got %d", what, PL_MOST_OUTPUTS,
               count);
  luaL_checkstack(L, count + 4, NULL);
  for (int i = 0; i < count; i++) {
    const pl_shape *shape = pl_tensor_shape(push_part(L, index, i + 1, what));
    if (shape->axes < 1 || shape->size[0] < 1 || (i > 0 && shape->size[0] != flat.size[0]))
      luaL_error(L, "the %s is a list of batches [N, ...] of as many samples each", what);
    flat.size[0] = shape->size[0];
    found->shape[i] = bind_sample_shape(shape);
    flat.size[1] += pl_shape_count(&found->shape[i]);
  }
  found->count = count;
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, &flat, &err), &err);
  float *at = pl_tensor_data(*slot);
  for (int i = 0; i < count; i++) {
    size_t mine = (size_t)pl_shape_count(&found->shape[i]);
    copy_columns(at, (size_t)flat.size[1], pl_tensor_data(bind_check_tensor(L, top + 1 + i)), mine,
                 (size_t)flat.size[0]);
    at += mine;
  }
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return *slot;
}
