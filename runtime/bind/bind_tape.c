/* Gradients of an eager recorder: its steps backwards. */
#include "bind/bind_formula.h"
#include "bind/bind_tensor.h"
#include "kernels/kernels.h"
#include "layers/eager.h"
#include "layers/layer.h"

/* Gradients of all steps, on the stack from `base` on: tensors, or nil where none has come. */
static float *grad_of(lua_State *L, int grads, int step, const pl_tensor *like, bool *fresh) {
  *fresh = lua_rawgeti(L, grads, step + 1) == LUA_TNIL;
  lua_pop(L, 1);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);     /* a place of its own: it is added to what is there */
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, pl_tensor_shape(like), &err), &err);
  return pl_tensor_data(*slot);
}

static void step_back(lua_State *L, const bind_recorder *r, int grads, int step, const bool *wanted) {
  const pl_step *s = &r->program->step[step];
  const float *in[PL_MOST_INPUTS];
  float *dx[PL_MOST_INPUTS] = { 0 };
  bool fresh[PL_MOST_INPUTS];
  pl_error err;
  int top = lua_gettop(L);
  luaL_checkstack(L, PL_MOST_INPUTS + 8, NULL);
  lua_rawgeti(L, grads, step + 1);
  const float *dy = pl_tensor_data(bind_check_tensor(L, top + 1));
  for (int k = 0; k < s->op.inputs; k++) {
    const pl_tensor *x = bind_recorded_tensor(L, s->in[k]);
    in[k] = pl_tensor_data(x);
    if (wanted[s->in[k]]) dx[k] = grad_of(L, grads, s->in[k], x, &fresh[k]);
    else lua_pushnil(L);
  }
  const float *y = pl_tensor_data(bind_recorded_tensor(L, step));
  if (pl_eager_backward(&s->op, r->batch, in, y, dy, dx, &err)) bind_raise(L, &err);
  for (int k = 0; k < s->op.inputs; k++) {
    if (dx[k] == NULL) continue;
    if (lua_rawgeti(L, grads, s->in[k] + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushvalue(L, top + 2 + k);
      lua_rawseti(L, grads, s->in[k] + 1);
      continue;
    }
    pl_tensor *sum = bind_check_tensor(L, lua_gettop(L));
    pl_kernel.add(pl_tensor_data(sum), pl_tensor_data(sum), dx[k], (size_t)pl_tensor_count(sum));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}

/* recorder:backward(value [, seed]) -> { gradients of the inputs (false: the value does not depend on it) }: of a value
   of one element, or of the sum of all elements times the seed. */
int bind_recorder_backward(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  int result = (int)luaL_checkinteger(L, 2) - 1, steps = r->program->steps;
  if (!r->eager) return luaL_error(L, "only the shape of this value is known");
  double seed = luaL_optnumber(L, 3, 1);
  bool sums = !lua_isnoneornil(L, 3);
  lua_settop(L, 2);
  bool *wanted = lua_newuserdatauv(L, (size_t)steps * sizeof *wanted, 0);
  lua_newtable(L);
  const int grads = 4;
  for (int i = 0; i < steps; i++) {
    const pl_step *s = &r->program->step[i];
    wanted[i] = s->kind == PL_STEP_INPUT;
    for (int k = 0; k < s->op.inputs && !(s->op.cls && s->op.cls->flags & PL_NO_GRAD); k++)
      wanted[i] = wanted[i] || wanted[s->in[k]];
  }
  pl_tensor *y = bind_recorded_tensor(L, result);
  if (pl_tensor_count(y) != 1 && !sums) return luaL_error(L, "a gradient is that of one number");
  bool fresh;
  float *dy = grad_of(L, grads, result, y, &fresh);
  for (int64_t i = 0; i < pl_tensor_count(y); i++) dy[i] = (float)seed;
  lua_rawseti(L, grads, result + 1);
  for (int i = result; i >= 0; i--) {
    bool there = lua_rawgeti(L, grads, i + 1) != LUA_TNIL;
    lua_pop(L, 1);
    if (there && wanted[i] && r->program->step[i].kind == PL_STEP_OP) step_back(L, r, grads, i, wanted);
  }
  lua_newtable(L);
  lua_Integer n = 0;
  for (int i = 0; i < steps; i++) {
    if (r->program->step[i].kind != PL_STEP_INPUT) continue;
    if (lua_rawgeti(L, grads, i + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushboolean(L, false);
    }
    lua_rawseti(L, 5, ++n);
  }
  return 1;
}
