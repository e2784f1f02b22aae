/* Optimizers whose step is a function of the script: called for each parameter with tensors over the optimizer's and
   the model's own memory; what it returns is checked and copied there. */
#include <stdarg.h>
#include <cjson/cJSON.h>
#include "bind/bind_optim.h"

enum { MOST = 17, THREE = 3 };   /* tensors that a step may move: the weights and 16 slots */

/* optim.host({ definition =, options = }, { call =, step =, at = "x.lua:12: " }): see pl_optimizer_new_host */
int bind_optim_host(lua_State *L) {
  pl_error err;
  lua_settop(L, 2);
  pl_optimizer **slot = bind_new_optimizer(L);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 2);
  cJSON *both = bind_to_json(L, 1);
  *slot = pl_optimizer_new_host(cJSON_GetObjectItemCaseSensitive(both, "definition"),
                                cJSON_GetObjectItemCaseSensitive(both, "options"), &err);
  cJSON_Delete(both);
  return *slot ? 1 : bind_raise_options(L, &err);
}

/* optim.step_function(opt) -> the script's, or nil */
int bind_optim_step_function(lua_State *L) {
  bind_check_optimizer(L, 1);
  if (lua_getiuservalue(L, 1, 2) == LUA_TTABLE) lua_getfield(L, -1, "step");
  else lua_pushnil(L);
  return 1;
}

/* opt:clone() -> one with the same options, not bound */
int bind_optim_clone(lua_State *L) {
  pl_error err;
  const pl_optimizer *opt = bind_check_optimizer(L, 1);
  pl_optimizer **slot = bind_new_optimizer(L);
  *slot = pl_optimizer_clone(opt, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  if (lua_getiuservalue(L, 1, 2) == LUA_TTABLE) lua_setiuservalue(L, -2, 2);
  else lua_pop(L, 1);
  return 1;
}

/* ---- the step ---- */

/* Pushes a tensor over the parameter. */
static void push_weights(lua_State *L, pl_model *model, const pl_slice *slice) {
  int i = 0, n = pl_layer_params(slice->layer);
  while (i < n && strcmp(pl_layer_param_name(slice->layer, i), slice->name)) i++;
  if (i == n) luaL_error(L, "%s has no parameter %s any more", slice->path, slice->name);
  bind_push_param(L, model, slice->layer, i, false);
}

/* Pushes the gradient in use, shaped as the parameter. */
static void push_gradient(lua_State *L, const pl_host_step_call *call, const pl_shape *shape) {
  pl_error err;
  pl_tensor **result = bind_new_tensor(L);
  pl_tensor *flat = pl_tensor_slice(call->grad, 0, 0, (int64_t)call->slice->count, &err);
  if (flat != NULL) *result = pl_tensor_reshape(flat, shape, &err);
  pl_tensor_free(flat);
  if (*result == NULL) bind_raise(L, &err);
}

typedef struct move { pl_tensor *to; const pl_tensor *from; } move;

/* An error of the step as a whole: it names the line where the script defines it. */
static int step_error(lua_State *L, const pl_host_step_call *call, const char *format, ...) {
  va_list words;
  lua_getiuservalue(L, 1, 2);
  lua_getfield(L, -1, "at");
  lua_pushfstring(L, "%s: the step of %s.%s ", pl_optimizer_type(bind_check_optimizer(L, 1)), call->slice->path,
                  call->slice->name);
  va_start(words, format);
  lua_pushvfstring(L, format, words);
  va_end(words);
  lua_concat(L, 3);
  return lua_error(L);
}

static const char *first_byte(const pl_tensor *t) { return pl_tensor_data(t); }
static const char *past_last_byte(const pl_tensor *t) {
  const pl_shape *shape = pl_tensor_shape(t);
  int64_t last = 0;
  for (int a = 0; a < shape->axes; a++) last += (shape->size[a] - 1) * pl_tensor_strides(t)[a];
  return first_byte(t) + (last + 1) * (int64_t)pl_dtype_size(pl_tensor_type(t));
}

static bool overlap(const pl_tensor *a, const pl_tensor *b) {
  return pl_tensor_count(a) > 0 && first_byte(a) < past_last_byte(b) && first_byte(b) < past_last_byte(a);
}

static bool is_same(const pl_tensor *a, const pl_tensor *b) {
  return first_byte(a) == first_byte(b) && pl_tensor_contiguous(a) && pl_tensor_contiguous(b);
}

/* The tensor at `index` + 1 is to replace that at `index`. */
static move check_move(lua_State *L, int index, const pl_host_step_call *call, const char *what) {
  char want[PL_SHAPE_TEXT], got[PL_SHAPE_TEXT];
  pl_tensor *to = bind_check_tensor(L, index);
  const pl_shape *shape = pl_tensor_shape(to);
  const pl_tensor *from = bind_test_tensor(L, index + 1);
  if (from == NULL) step_error(L, call, "must give %s as a tensor, got %s", what, luaL_typename(L, index + 1));
  if (pl_tensor_type(from) != PL_F32 || !pl_shape_equal(pl_tensor_shape(from), shape))
    step_error(L, call, "must give %s as f32 %s, got %s %s", what, pl_shape_text(want, shape, false),
               pl_dtype_name(pl_tensor_type(from)), pl_shape_text(got, pl_tensor_shape(from), false));
  return (move){ to, from };
}

/* Slots may have been exchanged: what lies in memory that is written to is copied before anything is. `copies`: the
   index of the first of n empty tensors, THREE apart. */
static void make_moves(lua_State *L, move *moves, int n, int copies) {
  pl_error err;
  for (int i = 0; i < n; i++) {
    bool apart = true;
    for (int k = 0; k < n; k++) apart = apart && !overlap(moves[i].from, moves[k].to);
    if (apart || is_same(moves[i].from, moves[i].to)) continue;
    pl_tensor **copy = lua_touserdata(L, copies + i * THREE);
    moves[i].from = *copy = pl_tensor_clone(moves[i].from, &err);
    if (*copy == NULL) bind_raise(L, &err);
  }
  for (int i = 0; i < n; i++)
    if (!is_same(moves[i].from, moves[i].to) && pl_tensor_copy(moves[i].to, moves[i].from, &err)) bind_raise(L, &err);
}

/* Pushes state[name]; no metamethod runs. */
static void push_field(lua_State *L, int state, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, state);
}

/* (optimizer, call). The script's side is called as
   call(w, g, state, lr, weight_decay, step, epoch, layer, parameter) -> w, and leaves the new state in `state`.
   A finalizer of the script may free tensors where Lua is asked for memory: all is pushed before pointers are taken. */
static int protected_step(lua_State *L) {
  enum { OPTIMIZER = 1, CALL, FUNCTIONS, MODEL, STATE, FIRST };
  pl_host_step_call *call = lua_touserdata(L, CALL);
  const pl_slice *slice = call->slice;
  const pl_optimizer *opt = bind_check_optimizer(L, OPTIMIZER);
  int slots = pl_optimizer_slots(opt), n = slots + 1;
  move moves[MOST];
  luaL_checkstack(L, THREE * MOST + 24, NULL);
  lua_getiuservalue(L, OPTIMIZER, 2);
  lua_getiuservalue(L, OPTIMIZER, 1);
  pl_model *model = bind_check_model(L, MODEL);
  lua_createtable(L, 0, MOST);
  for (int i = 0; i < slots; i++) {
    bind_push_slot(L, pl_optimizer_slot(opt, i), slice);
    lua_setfield(L, STATE, pl_optimizer_slot_name(opt, i));
  }
  for (size_t i = 0; i < call->scalars; i++) {
    lua_pushnumber(L, call->scalar[i]);
    lua_setfield(L, STATE, call->scalar_name[i]);
  }
  push_weights(L, model, slice);
  lua_getfield(L, FUNCTIONS, "call");
  push_weights(L, model, slice);
  push_gradient(L, call, pl_tensor_shape(bind_check_tensor(L, -1)));
  lua_pushvalue(L, STATE);
  lua_pushnumber(L, call->lr);
  lua_pushnumber(L, call->weight_decay);
  lua_pushinteger(L, (lua_Integer)call->step);
  lua_pushinteger(L, (lua_Integer)call->epoch);
  lua_pushstring(L, slice->path);
  lua_pushstring(L, slice->name);
  lua_call(L, 9, 1);
  bind_new_tensor(L);
  for (int i = 0; i < slots; i++) {
    bind_push_slot(L, pl_optimizer_slot(opt, i), slice);
    push_field(L, STATE, pl_optimizer_slot_name(opt, i));
    bind_new_tensor(L);
  }
  moves[0] = check_move(L, FIRST, call, "the new weights");
  for (int i = 1; i < n; i++)
    moves[i] = check_move(L, FIRST + i * THREE, call, pl_optimizer_slot_name(opt, i - 1));
  make_moves(L, moves, n, FIRST + 2);
  for (size_t i = 0; i < call->scalars; i++) {
    push_field(L, STATE, call->scalar_name[i]);
    call->scalar[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return 0;
}

pl_status bind_optim_call_step(lua_State *L, int index, pl_host_step_call *call, pl_error *err) {
  if (!lua_checkstack(L, 8)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_pushvalue(L, index);
  lua_pushcfunction(L, protected_step);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, call);
  return bind_call_script(L, 2, err);
}
