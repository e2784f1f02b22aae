/* Layers that are functions of the script: the core calls back into Lua, in the state that began the pass. */
#include <stdarg.h>
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "layers/layer.h"

pl_tensor *bind_push_batch(lua_State *L, const pl_shape *sample, size_t batch, const float *data) {
  pl_tensor **slot = bind_new_tensor(L);
  bind_fill_batch(L, slot, PL_F32, sample, batch, data);
  return *slot;
}

/* Without the script's line, which is added where the pass was begun. */
static void fail(lua_State *L, const char *format, ...) {
  va_list words;
  va_start(words, format);
  lua_pushvfstring(L, format, words);
  va_end(words);
  lua_error(L);
}

static void copy_result(lua_State *L, const char *what, const pl_shape *sample, size_t batch, float *out) {
  const pl_tensor *t = bind_test_tensor(L, -1);
  pl_shape want = bind_batch_shape(sample, batch);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  pl_shape_text(a, &want, false);
  if (t == NULL)
    fail(L, "Lambda: %s must return an f32 tensor of shape %s, got %s", what, a, luaL_typename(L, -1));
  else if (pl_tensor_type(t) != PL_F32 || !pl_shape_equal(pl_tensor_shape(t), &want))
    fail(L, "Lambda: %s must return an f32 tensor of shape %s, got %s %s", what, a,
         pl_dtype_name(pl_tensor_type(t)), pl_shape_text(b, pl_tensor_shape(t), false));
  else
    bind_copy_floats(L, t, out);
}

static int protected_host(lua_State *L) {
  pl_host_call *call = lua_touserdata(L, 1);
  bind_push_layer(L, lua_touserdata(L, 2));
  if (call->kind == PL_HOST_RECORD) return bind_record(L, call), 0;
  lua_getiuservalue(L, -1, 1);
  if (call->kind == PL_HOST_SHAPE) {
    if (lua_getfield(L, -1, "forward") != LUA_TFUNCTION) fail(L, "needs forward = function(x) ... end");
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "shape") != LUA_TFUNCTION) return 0;
    bind_push_shape(L, &call->in);
    lua_call(L, 1, 1);
    call->out = bind_check_shape(L, lua_gettop(L));
  } else if (call->kind == PL_HOST_FORWARD) {
    lua_getfield(L, -1, "forward");
    bind_push_batch(L, &call->in, call->batch, call->x);
    lua_pushboolean(L, call->training);
    lua_call(L, 2, 1);
    copy_result(L, "forward", &call->out, call->batch, call->y);
  } else {
    if (lua_getfield(L, -1, "backward") != LUA_TFUNCTION)
      fail(L, "Lambda: cannot be trained through without backward = function(dy, x, y) ... end");
    bind_push_batch(L, &call->out, call->batch, call->dy);
    bind_push_batch(L, &call->in, call->batch, call->x);
    bind_push_batch(L, &call->out, call->batch, call->y);
    lua_call(L, 3, 1);
    copy_result(L, "backward", &call->in, call->batch, call->dx);
  }
  return 0;
}

static _Thread_local lua_State *calling_state;

void bind_use_state(lua_State *L) { calling_state = L; }

/* The core must not be jumped over: an error in the script's function becomes a status. */
pl_status bind_call_script(lua_State *L, int arguments, pl_error *err) {
  int result = lua_pcall(L, arguments, 0, 0);
  bind_use_state(L);   /* the function may have run other models, in coroutines that are gone */
  if (result == LUA_OK) return PL_OK;
  const char *text = lua_tostring(L, -1);
  pl_error_set(err, PL_ERROR_STATE, "%s", text ? text : "error in a function of the script");
  lua_pop(L, 1);
  return PL_ERROR_STATE;
}

lua_State *bind_state(void) { return calling_state; }

pl_status bind_call_host(void *context, pl_host_call *call, pl_error *err) {
  lua_State *L = calling_state;
  if (!lua_checkstack(L, 8)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_pushcfunction(L, protected_host);
  lua_pushlightuserdata(L, call);
  lua_pushlightuserdata(L, context);
  return bind_call_script(L, 2, err);
}
