/* core.loss: one constructor a loss, by its registered name. A loss is called: value, grad = loss(output, target). */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"
#include "bind/bind_outputs.h"
#include "bind/bind_tensor.h"

pl_loss *bind_check_loss(lua_State *L, int index) {
  pl_loss **slot = luaL_testudata(L, index, BIND_LOSS);
  if (slot != NULL && *slot == NULL) luaL_argerror(L, index, "this loss was freed");
  if (slot == NULL)
    luaL_typeerror(L, index, "a loss, such as nn.CrossEntropy()");
  return *slot;
}

/* From the arguments of the call, or with type NULL from the description that is the first. */
static int push_loss(lua_State *L, const char *type) {
  pl_error err;
  int top = lua_gettop(L);
  pl_loss **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, BIND_LOSS);
  cJSON *args = type ? bind_args_to_json(L, 1, top) : bind_to_json(L, 1);
  *slot = type ? pl_loss_new(type, args, &err) : pl_loss_from_json(args, &err);
  cJSON_Delete(args);
  return *slot ? 1 : bind_raise_options(L, &err);
}

/* CrossEntropy{ label_smoothing = 0.1 }, ... : upvalue 1 is the type */
static int loss_new(lua_State *L) { return push_loss(L, lua_tostring(L, lua_upvalueindex(1))); }

/* from_config{ type = "CrossEntropy", config = { .. } } */
static int loss_from_config(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  return push_loss(L, NULL);
}

static int loss_gc(lua_State *L) {
  pl_loss **slot = luaL_checkudata(L, 1, BIND_LOSS);
  pl_loss_free(*slot);
  *slot = NULL;
  return 0;
}

/* ---- calling ---- */

typedef struct {
  pl_loss *loss;
  double *values;
  float *grad;
  const float *output;
  pl_target target;
  size_t rows, width;
} call;

static void member(const pl_team *team, void *arg) {
  const call *c = arg;
  pl_loss_forward(c->loss, team, c->values, c->grad, c->output, c->target, c->rows, c->width);
}

/* The shape of one sample; raises when there is no batch axis. */
static pl_shape sample_of(lua_State *L, const pl_tensor *t, const char *what) {
  const pl_shape *shape = pl_tensor_shape(t);
  char text[PL_SHAPE_TEXT];
  if (shape->axes < 1 || shape->size[0] < 1)
    luaL_error(L, "the %s is a batch [N, ...] of at least one sample, got %s", what, pl_shape_text(text, shape, false));
  return bind_sample_shape(shape);
}

/* loss(output, target), at 1, 2, 3; of several outputs a list. Whole numbers [N] are labels, everything else is target
   values. Leaves what is borrowed on the stack. The last that asks Lua for memory is the check of the shapes: what the
   loss is recorded for may be changed by a finalizer. */
static call prepare(lua_State *L, bool gradient, pl_outputs *outputs) {
  pl_error err;
  call c = { .loss = bind_check_loss(L, 1) };
  lua_settop(L, 3);
  bool labels = pl_tensor_type(bind_check_tensor(L, 3)) != PL_F32 &&
    pl_tensor_shape(bind_check_tensor(L, 3))->axes == 1;
  bool several = lua_istable(L, 2);
  const pl_tensor *output = several ? bind_join_outputs(L, 2, outputs, "output") : bind_push_as(L, 2, PL_F32),
    *target = bind_push_as(L, 3, labels ? PL_I32 : PL_F32);
  pl_shape out = sample_of(L, output, "output"), expected = sample_of(L, target, "target");
  if (!several) *outputs = (pl_outputs){ 1, { out } };
  c.rows = (size_t)pl_tensor_shape(output)->size[0];
  c.width = (size_t)pl_shape_count(&out);
  if (pl_tensor_shape(target)->size[0] != (int64_t)c.rows)
    luaL_error(L, "%s: %d outputs and %d targets; both have one row a sample", pl_loss_type(c.loss), (int)c.rows,
               (int)pl_tensor_shape(target)->size[0]);
  if (labels) c.target.labels = pl_tensor_data(target);
  else c.target.values = pl_tensor_data(target);
  c.output = pl_tensor_data(output);
  c.values = lua_newuserdatauv(L, c.rows * sizeof *c.values, 0);
  if (gradient) {
    pl_tensor **slot = bind_new_tensor(L);
    bind_tensor_return(L, slot, pl_tensor_new(PL_F32, pl_tensor_shape(output), &err), &err);
    c.grad = pl_tensor_data(*slot);
  }
  bind_use_state(L);
  if (pl_loss_check_outputs(c.loss, outputs, &expected, labels, &err)) bind_raise_from_script(L, &err);
  if (labels && outputs->shape[0].axes != 1) return c;
  if (labels ? pl_loss_check_labels(c.target.labels, c.rows, (size_t)pl_shape_count(&outputs->shape[0]), &err)
             : pl_loss_check_values(c.loss, c.target.values, 0, c.rows, c.width, &err)) bind_raise(L, &err);
  return c;
}

static double run(lua_State *L, bool gradient, pl_outputs *outputs) {
  call c = prepare(L, gradient, outputs);
  pl_threads_run_on(pl_threads_for(32.0 * (double)(c.rows * c.width)), member, &c);
  return pl_loss_value(c.loss, c.values, c.rows);
}

int bind_loss_verify(lua_State *L) {
  pl_error err;
  pl_outputs outputs;
  call c = prepare(L, false, &outputs);
  pl_status status = pl_loss_verify(c.loss, c.output, c.target, c.rows, &err);
  return status == PL_OK || status == PL_ERROR_MEMORY ? 0 : bind_raise(L, &err);
}

/* loss(output, target) -> value, gradient of the value for the output, or a list of those for the outputs */
static int loss_call(lua_State *L) {
  pl_outputs outputs;
  double value = run(L, true, &outputs);
  if (lua_istable(L, 2)) bind_list_outputs(L, lua_gettop(L), &outputs);
  lua_pushnumber(L, value);
  lua_insert(L, -2);
  return 2;
}

/* loss:value(output, target) -> value */
static int loss_value(lua_State *L) {
  pl_outputs outputs;
  lua_pushnumber(L, run(L, false, &outputs));
  return 1;
}

/* ---- describing ---- */

static int loss_config(lua_State *L) {
  bind_push_json(L, pl_loss_to_json(bind_check_loss(L, 1)), NULL);
  return 1;
}

static int loss_tostring(lua_State *L) {
  const pl_loss *loss = bind_check_loss(L, 1);
  if (pl_loss_is_formula(loss)) {
    lua_pushfstring(L, "%s, a formula", pl_loss_type(loss));
    return 1;
  }
  bind_push_json_text(L, pl_loss_to_json(loss), "config", false);
  lua_pushfstring(L, "%s %s", pl_loss_type(loss), lua_tostring(L, -1));
  return 1;
}

static int loss_index(lua_State *L) {
  const pl_loss *loss = bind_check_loss(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "type") == 0) lua_pushstring(L, pl_loss_type(loss));
  else if (!bind_push_method(L, key)) return bind_unknown_name(L);
  return 1;
}

/* loss:outputs() -> what the outputs are that it trains: "logits", ... (nil: it does not say); and whether it is made
   for classes */
static int loss_outputs(lua_State *L) {
  const pl_loss *loss = bind_check_loss(L, 1);
  if (pl_loss_knows_outputs(loss)) lua_pushstring(L, pl_output_names()[pl_loss_outputs(loss)]);
  else lua_pushnil(L);
  lua_pushboolean(L, pl_loss_is_for_classes(loss));
  return 2;
}

static const luaL_Reg methods[] = {
  { "__call", loss_call }, { "__index", loss_index }, { "__gc", loss_gc }, { "__tostring", loss_tostring },
  { "value", loss_value }, { "config", loss_config }, { "outputs", loss_outputs },
  { NULL, NULL },
};

int bind_open_loss(lua_State *L) {
  bind_new_class(L, BIND_LOSS, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  for (int i = 0; pl_loss_type_name(i); i++) {
    lua_pushstring(L, pl_loss_type_name(i));
    lua_pushcclosure(L, loss_new, 1);
    lua_setfield(L, -2, pl_loss_type_name(i));
  }
  lua_pushcfunction(L, loss_from_config);
  lua_setfield(L, -2, "from_config");
  lua_newtable(L);
  luaL_setfuncs(L, bind_decision_functions, 0);
  lua_newtable(L);
  for (int i = 0; pl_output_names()[i]; i++) {
    lua_pushstring(L, pl_output_names()[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "names");
  lua_setfield(L, -2, "outputs");
  return 1;
}
