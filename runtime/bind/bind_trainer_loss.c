/* A loss that is a function of the script: what a trainer calls after each forward pass. */
#include <math.h>
#include <string.h>
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"
#include "bind/bind_outputs.h"
#include "perilune/train.h"

/* Pushes what the loss is given: the output, or a list of several. */
static void push_outputs(lua_State *L, const pl_host_loss_call *call) {
  pl_shape flat = pl_outputs_flat(&call->outputs);
  bind_push_batch(L, &flat, call->n, call->y);
  if (call->outputs.count == 1) return;
  bind_list_outputs(L, lua_gettop(L), &call->outputs);
  lua_remove(L, -2);
}

/* The gradient that the loss returned, on top: takes it. */
static void take_gradient(lua_State *L, const pl_host_loss_call *call) {
  char want[PL_SHAPE_TEXT], got[PL_SHAPE_TEXT];
  pl_outputs found;
  if (call->outputs.count > 1) {
    if (!lua_istable(L, -1))
      luaL_error(L, "the loss must return its value and a list of its gradients, one for each of the %d outputs",
                 call->outputs.count);
    const pl_tensor *flat = bind_join_outputs(L, lua_gettop(L), &found, "gradient of a loss");
    if (!pl_outputs_equal(&found, &call->outputs) || pl_tensor_shape(flat)->size[0] != (int64_t)call->n)
      luaL_error(L, "the loss must return a list of %d gradients, each of the shape of its output",
                 call->outputs.count);
    memcpy(call->grad, pl_tensor_data(flat), (size_t)pl_tensor_count(flat) * sizeof *call->grad);
    return;
  }
  pl_shape shape = bind_batch_shape(&call->outputs.shape[0], call->n);
  if (!lua_isuserdata(L, -1))
    luaL_error(L, "the loss must return its value and its gradient for the outputs, f32 %s; the second is %s",
               pl_shape_text(want, &shape, false), luaL_typename(L, -1));
  const pl_tensor *grad = bind_check_tensor(L, lua_gettop(L));
  if (pl_tensor_type(grad) != PL_F32 || !pl_shape_equal(pl_tensor_shape(grad), &shape))
    luaL_error(L, "the loss must return its gradient for the outputs, f32 %s, got %s %s",
               pl_shape_text(want, &shape, false),
               pl_dtype_name(pl_tensor_type(grad)), pl_shape_text(got, pl_tensor_shape(grad), false));
  bind_copy_floats(L, grad, call->grad);
}

/* loss(output, target) -> value, gradient. */
static int protected_loss(lua_State *L) {
  pl_host_loss_call *call = lua_touserdata(L, 2);
  lua_pushvalue(L, 1);
  push_outputs(L, call);
  if (call->target.labels != NULL) {
    bind_fill_batch(L, bind_new_tensor(L), PL_I32, &(pl_shape){ 0 }, call->n, call->target.labels);
  } else {
    bind_push_batch(L, &call->outputs.shape[0], call->n, call->target.values);
  }
  lua_call(L, 2, 2);
  if (lua_isuserdata(L, -2) && pl_tensor_count(bind_check_tensor(L, -2)) == 1) {
    lua_pushnumber(L, pl_tensor_get(bind_check_tensor(L, -2), 0));
    lua_replace(L, -3);
  }
  if (lua_type(L, -2) != LUA_TNUMBER)
    return luaL_error(L, "the loss must return its value, a number, and its gradient, got %s", luaL_typename(L, -2));
  call->value = lua_tonumber(L, -2);
  if (isfinite(call->value)) take_gradient(L, call);
  return 0;
}

/* Called while a method of the trainer runs, which has it at index 1. The core must not be jumped over. */
pl_status bind_call_loss(void *context, pl_host_loss_call *call, pl_error *err) {
  lua_State *L = bind_state();
  (void)context;
  if (!lua_checkstack(L, 8)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_pushcfunction(L, protected_loss);
  lua_getiuservalue(L, 1, 2);
  lua_pushlightuserdata(L, call);
  return bind_call_script(L, 2, err);
}
