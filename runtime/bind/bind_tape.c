/* Gradients of an eager recorder: its steps backwards. */
#include "bind/bind_formula.h"
#include "bind/bind_tensor.h"
#include "kernels/kernels.h"
#include "layers/eager.h"
#include "layers/layer.h"

void bind_watch_tensor(lua_State *L, int index, int step) {
  const char *writer;
  if (bind_test_tensor(L, index) == NULL) return;
  lua_getiuservalue(L, 1, 3);
  lua_createtable(L, 3, 0);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, 1);
  lua_pushinteger(L, (lua_Integer)pl_tensor_version(bind_check_tensor(L, index), &writer));
  lua_rawseti(L, -2, 2);
  lua_pushinteger(L, step);
  lua_rawseti(L, -2, 3);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* The first operation that took the value; NULL: none. */
static const pl_step *user_of(const pl_program *p, int step) {
  for (int i = 0; i < p->steps; i++)
    for (int k = 0; k < p->step[i].op.inputs; k++) if (p->step[i].in[k] == step) return &p->step[i];
  return NULL;
}

/* A tensor that an operation took is still what it was then. The tape has its values, but a gradient of numbers that
   nobody sees any more would be a riddle. The bits decide: a write elsewhere in the same memory is none of ours. */
static void check_unchanged(lua_State *L, const bind_recorder *r) {
  char shape[PL_SHAPE_TEXT];
  int top = lua_gettop(L);
  lua_getiuservalue(L, 1, 3);
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, top + 1); i++) {
    lua_rawgeti(L, top + 1, i);
    for (int k = 1; k <= 3; k++) lua_rawgeti(L, top + 2, k);
    int step = (int)lua_tointeger(L, top + 5);
    const pl_tensor *was = bind_recorded_tensor(L, step), *now = bind_push_plain(L, top + 3);
    const pl_step *user = user_of(r->program, step);
    bool same = memcmp(pl_tensor_data(was), pl_tensor_data(now), (size_t)pl_tensor_count(was) * sizeof(float)) == 0;
    if (!same && user != NULL) {
      const char *writer = NULL;
      bool noted = pl_tensor_version(bind_check_tensor(L, top + 3), &writer) != (uint64_t)lua_tointeger(L, top + 4);
      luaL_error(L, "%s%s%s%s: the tensor %s that it took was changed in place%s%s%s after that: a gradient would be "
                 "of values that are gone; change a copy, t:clone()", user->op.cls->head.type,
                 user->origin[0] ? " (" : "",
                 user->origin, user->origin[0] ? ")" : "", pl_shape_text(shape, pl_tensor_shape(now), false),
                 noted && writer ? " by " : "", noted && writer ? writer : "", noted && writer ? "," : "");
    }
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
}

/* Gradients of all steps, on the stack from `base` on: tensors, or nil where none has come. */
static float *grad_of(lua_State *L, int grads, int step, const pl_tensor *like, bool *fresh) {
  *fresh = lua_rawgeti(L, grads, step + 1) == LUA_TNIL;
  lua_pop(L, 1);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);     /* a place of its own: it is added to what is there */
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, pl_tensor_shape(like), &err), &err);
  return pl_tensor_data(*slot);
}

static void step_back(lua_State *L, const bind_recorder *r, int grads, int step, const bool *needs_grad) {
  const pl_step s = r->program->step[step];
  const float *in[PL_MOST_INPUTS];
  float *dx[PL_MOST_INPUTS] = { 0 };
  bool fresh[PL_MOST_INPUTS];
  pl_error err;
  int top = lua_gettop(L);
  luaL_checkstack(L, PL_MOST_INPUTS + 8, NULL);
  lua_rawgeti(L, grads, step + 1);
  const float *dy = pl_tensor_data(bind_check_tensor(L, top + 1));
  for (int k = 0; k < s.op.inputs; k++) {
    const pl_tensor *x = bind_recorded_tensor(L, s.in[k]);
    in[k] = pl_tensor_data(x);
    if (needs_grad[s.in[k]]) dx[k] = grad_of(L, grads, s.in[k], x, &fresh[k]);
    else lua_pushnil(L);
  }
  const float *y = pl_tensor_data(bind_recorded_tensor(L, step));
  if (pl_eager_backward(&s.op, r->batch, in, y, dy, dx, &err)) bind_raise(L, &err);
  for (int k = 0; k < s.op.inputs; k++) {
    if (dx[k] == NULL) continue;
    if (lua_rawgeti(L, grads, s.in[k] + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushvalue(L, top + 2 + k);
      lua_rawseti(L, grads, s.in[k] + 1);
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
  luaL_argcheck(L, result >= 0 && result < steps, 2, "there is no such value");
  double seed = luaL_optnumber(L, 3, 1);
  bool sums = !lua_isnoneornil(L, 3);
  check_unchanged(L, r);
  lua_settop(L, 2);
  bool *needs_grad = lua_newuserdatauv(L, (size_t)steps * sizeof *needs_grad, 0);
  lua_newtable(L);
  const int grads = 4;
  for (int i = 0; i < steps; i++) {
    const pl_step *s = &r->program->step[i];
    needs_grad[i] = s->kind == PL_STEP_INPUT;
    for (int k = 0; k < s->op.inputs && !(s->op.cls && s->op.cls->flags & PL_NO_GRAD); k++)
      needs_grad[i] = needs_grad[i] || needs_grad[s->in[k]];
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
    if (there && needs_grad[i] && r->program->step[i].kind == PL_STEP_OP) step_back(L, r, grads, i, needs_grad);
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
