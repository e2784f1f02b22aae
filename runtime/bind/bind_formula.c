/* core.formula: recorders. Values are numbers from 1; shapes are those of a sample, or of the whole where fixed. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"
#include "bind/bind_tensor.h"
#include "layers/eager.h"
#include "layers/layer.h"

bind_recorder *bind_check_recorder(lua_State *L) {
  bind_recorder *r = luaL_checkudata(L, 1, BIND_RECORDER);
  if (r->program == NULL)
    luaL_error(L, "a value of a formula is used after its forward has ended; what is to be kept is returned");
  return r;
}

static int recorder_gc(lua_State *L) {
  bind_recorder *r = luaL_checkudata(L, 1, BIND_RECORDER);
  pl_program_clear(&r->own);
  r->program = NULL;
  return 0;
}

static bind_recorder *push_recorder(lua_State *L) {
  bind_recorder *r = lua_newuserdatauv(L, sizeof *r, 3);
  *r = (bind_recorder){ .own.result = -1 };
  luaL_setmetatable(L, BIND_RECORDER);
  for (int i = 2; i <= 3; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  return r;
}

/* eager([batch]): a recorder that computes */
static int eager(lua_State *L) {
  lua_Integer batch = luaL_optinteger(L, 1, 1);
  bind_recorder *r = push_recorder(L);
  r->eager = true;
  r->program = &r->own;
  r->batch = (size_t)batch;
  return 1;
}

void bind_begin_recording(lua_State *L, pl_program *program) { push_recorder(L)->program = program; }

void bind_end_recording(lua_State *L, int recorder, int arguments) {
  bind_recorder *r = lua_touserdata(L, recorder);
  const pl_program *program = r->program;
  int result = lua_pcall(L, arguments, 0, 0);
  r->program = NULL;
  if (result != LUA_OK) lua_error(L);
  if (program->result < 0) luaL_error(L, "the formula has no result");
}

void bind_record(lua_State *L, pl_host_call *call) {
  int layer = lua_gettop(L);
  lua_getiuservalue(L, layer, 1);
  if (lua_getfield(L, -1, "record") != LUA_TFUNCTION) luaL_error(L, "this formula has no function to record");
  bind_begin_recording(L, call->program);
  int recorder = lua_gettop(L);
  lua_pushvalue(L, layer);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, recorder - 1);
  lua_pushvalue(L, recorder);
  lua_pushvalue(L, layer);
  bind_end_recording(L, recorder, 2);
}

static size_t value_at(lua_State *L, const bind_recorder *r, int index) {
  lua_Integer v = luaL_checkinteger(L, index);
  luaL_argcheck(L, v >= 1 && v <= r->program->steps, index, "there is no such value");
  return (size_t)v - 1;
}

/* For the steps that are added next; on the stack as long as it is needed. */
static void note_origin(lua_State *L, bind_recorder *r) { r->program->origin = bind_push_origin(L); }

pl_tensor *bind_recorded_tensor(lua_State *L, int step) {
  lua_getiuservalue(L, 1, 2);
  lua_rawgeti(L, -1, step + 1);
  pl_tensor *t = bind_check_tensor(L, lua_gettop(L));
  lua_pop(L, 2);
  return t;
}

/* Keeps the tensor on top, and pops it, as the value of a step. */
static void keep_tensor(lua_State *L, int step) {
  lua_getiuservalue(L, 1, 2);
  lua_insert(L, -2);
  lua_rawseti(L, -2, step + 1);
  lua_pop(L, 1);
}

/* A new tensor for the value of a step, which is kept. */
static pl_tensor *new_value(lua_State *L, const bind_recorder *r, int step) {
  const pl_operation *o = &r->program->step[step].op;
  pl_shape shape = o->out;
  if (!o->out_fixed) {
    memmove(shape.size + 1, shape.size, (size_t)(shape.axes < PL_MAX_AXES ? shape.axes : PL_MAX_AXES - 1) *
            sizeof shape.size[0]);
    shape.size[0] = (int64_t)r->batch;
    shape.axes++;
  }
  if (shape.axes > PL_MAX_AXES) luaL_error(L, "a tensor has at most 6 axes");
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, &shape, &err), &err);
  pl_tensor *t = *slot;
  keep_tensor(L, step);
  return t;
}

static int push_value(lua_State *L, int step) {
  lua_pushinteger(L, step + 1);
  return 1;
}

static void compute(lua_State *L, const bind_recorder *r, int step) {
  const pl_step s = r->program->step[step];
  const float *in[PL_MOST_INPUTS];
  pl_error err;
  for (int k = 0; k < s.op.inputs; k++) in[k] = pl_tensor_data(bind_recorded_tensor(L, s.in[k]));
  pl_tensor *out = new_value(L, r, step);
  if (pl_eager_forward(&s.op, r->batch, in, pl_tensor_data(out), &err)) bind_raise(L, &err);
}

/* recorder:op(name, { whole numbers }, { values }) -> value */
static int recorder_op(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  const char *name = luaL_checkstring(L, 2);
  pl_op_args args = { 0 };
  int in[PL_MOST_INPUTS], out, known = r->program->steps;
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 3), inputs = (lua_Integer)lua_rawlen(L, 4);
  if (n > PL_MOST_ARGS) return luaL_error(L, "%s: too many arguments", name);
  if (inputs > PL_MOST_INPUTS)
    return luaL_error(L, "%s: takes at most %d values, got %d", name, PL_MOST_INPUTS, inputs);
  for (args.n = 0; args.n < (int)n; args.n++) {
    lua_rawgeti(L, 3, args.n + 1);
    args.v[args.n] = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  for (int k = 0; k < (int)inputs; k++) {
    lua_rawgeti(L, 4, k + 1);
    in[k] = (int)value_at(L, r, lua_gettop(L));
    lua_pop(L, 1);
  }
  pl_error err;
  note_origin(L, r);
  pl_status status = pl_program_add_op(r->program, name, &args, in, (int)inputs, &out, &err);
  r->program->origin = NULL;
  if (status) return bind_raise(L, &err);
  if (r->eager && out >= known) compute(L, r, out);
  return push_value(L, out);
}

const pl_tensor *bind_push_plain(lua_State *L, int index) {
  pl_error err;
  pl_tensor **slot;
  if (lua_type(L, index) == LUA_TNUMBER) {
    double number = lua_tonumber(L, index);
    slot = bind_new_tensor(L);
    bind_tensor_return(L, slot, pl_tensor_new(PL_F32, &(pl_shape){ 0 }, &err), &err);
    *(float *)pl_tensor_data(*slot) = (float)number;
    return *slot;
  }
  const pl_tensor *t = bind_check_tensor(L, index);
  slot = bind_new_tensor(L);
  if (pl_tensor_type(t) == PL_F32) bind_tensor_return(L, slot, pl_tensor_clone(t, &err), &err);
  else bind_tensor_return(L, slot, pl_tensor_to(t, PL_F32, &err), &err);
  return *slot;
}

/* recorder:constant(number or tensor) -> value */
static int recorder_constant(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  const pl_tensor *t = bind_push_plain(L, 2);
  int out, known = r->program->steps;
  pl_error err;
  if (!r->eager && pl_tensor_count(t) > PL_MOST_CONSTANT)
    return luaL_error(L, "a tensor that a formula captures is kept in its graph, so it has at most %d elements, got "
                      "%I; make it a parameter with trained = false", PL_MOST_CONSTANT,
                      (LUAI_UACINT)pl_tensor_count(t));
  note_origin(L, r);
  pl_status status = pl_program_add_constant(r->program, pl_tensor_shape(t), pl_tensor_data(t), &out, &err);
  r->program->origin = NULL;
  if (status) return bind_raise(L, &err);
  lua_settop(L, 3);
  if (r->eager && out >= known) keep_tensor(L, out);
  if (r->eager) bind_watch_tensor(L, 2, out);
  return push_value(L, out);
}

/* recorder:input(tensor or number, fixed) -> value, of an eager one; recorder:input([k]): that of the k-th input */
static int recorder_input(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  pl_error err;
  int out;
  if (!r->eager) return push_value(L, (int)luaL_optinteger(L, 2, 1) - 1);
  bool fixed = lua_toboolean(L, 3);
  const pl_tensor *t = bind_push_plain(L, 2);
  pl_shape shape = *pl_tensor_shape(t);
  if (!fixed) {
    luaL_argcheck(L, shape.axes > 0 && shape.size[0] == (int64_t)r->batch, 2, "a batch of other samples");
    memmove(shape.size, shape.size + 1, (size_t)--shape.axes * sizeof shape.size[0]);
  }
  if (pl_program_add_input(r->program, &shape, fixed, &out, &err)) return bind_raise(L, &err);
  keep_tensor(L, out);
  bind_watch_tensor(L, 2, out);
  return push_value(L, out);
}

static pl_layer *layer_of(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return bind_check_layer(L, lua_gettop(L))->layer;
}

/* recorder:param(name) -> value, or nil if there is none of that name */
static int recorder_param(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  const char *name = luaL_checkstring(L, 2);
  const pl_layer *layer = r->eager && lua_getiuservalue(L, 1, 1) == LUA_TNIL ? NULL : layer_of(L);
  pl_error err;
  for (int i = 0; layer != NULL && i < layer->params; i++) {
    int out, known = r->program->steps;
    if (strcmp(layer->param[i].name, name)) continue;
    if (pl_program_add_param(r->program, i, &out, &err)) return bind_raise(L, &err);
    if (r->eager && out >= known) memcpy(pl_tensor_data(new_value(L, r, out)), layer->param[i].value,
                                         (size_t)pl_shape_count(&layer->param[i].shape) * sizeof(float));
    return push_value(L, out);
  }
  lua_pushnil(L);
  return 1;
}

/* recorder:layer(i, value) -> the value of child i, from 1, called on it */
static int recorder_layer(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  int in = (int)value_at(L, r, 3), out;
  pl_error err;
  lua_settop(L, 3);
  bind_use_state(L);
  note_origin(L, r);
  pl_status status = pl_program_add_layer(r->program, (int)i - 1, in, &out, &err);
  r->program->origin = NULL;
  return status ? bind_raise_from_script(L, &err) : push_value(L, out);
}

/* recorder:adopt(layer) -> its number among the children of the layer that is recorded */
static int recorder_adopt(lua_State *L) {
  bind_check_recorder(L);
  lua_settop(L, 2);
  bind_layer *child = bind_check_layer(L, 2);
  lua_getiuservalue(L, 1, 1);
  bind_layer *parent = bind_check_layer(L, 3);
  pl_error err;
  lua_getiuservalue(L, 3, 3);
  if (child->layer->parent != NULL)
    return luaL_error(L, "%s: the layer (%s) already belongs to a %s; make a new one, or a copy with "
                      "layer:clone()", parent->layer->type,
                      child->layer->type, child->layer->parent->type);
  bind_keep_weights(L, bind_family_of(parent), bind_family_of(child));
  if (pl_layer_add(parent->layer, child->layer, &err)) return bind_raise(L, &err);
  bind_take_in(bind_family_of(parent), bind_family_of(child));
  bind_family_of(parent)->roots--;
  lua_pushvalue(L, 2);
  lua_rawseti(L, 4, parent->layer->children);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 2, 2);
  lua_pushinteger(L, parent->layer->children);
  return 1;
}

/* recorder:shape(value) -> { sizes of a sample, or of the whole }, fixed */
static int recorder_shape(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  const pl_operation o = r->program->step[value_at(L, r, 2)].op;
  bind_push_shape(L, &o.out);
  lua_pushboolean(L, o.out_fixed);
  return 2;
}

/* recorder:ask(value [, axis]): the function takes the size of an axis of a sample, from 1; 0: only how many axes there
   are; without: the whole shape */
static int recorder_ask(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  pl_step *s = &r->program->step[value_at(L, r, 2)];
  lua_Integer axis = luaL_optinteger(L, 3, -1);
  luaL_argcheck(L, axis >= -1 && axis <= s->op.out.axes, 3, "there is no such axis");
  s->asked |= axis < 0 ? (2u << s->op.out.axes) - 1 : 1u | 1u << axis;
  return 0;
}

/* recorder:result(value [, { { sizes }, ... }]): the shapes of several outputs, of a sample, that lie in the value */
static int recorder_result(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  pl_outputs *o = &r->program->outputs;
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  lua_Integer n = lua_isnil(L, 3) ? 0 : (lua_Integer)lua_rawlen(L, 3);
  if (n > PL_MOST_OUTPUTS) return luaL_error(L, "a model has at most %d outputs, got %d", PL_MOST_OUTPUTS, (int)n);
  *o = (pl_outputs){ 0 };
  for (; o->count < (int)n; o->count++) {
    luaL_argcheck(L, lua_rawgeti(L, 3, o->count + 1) == LUA_TTABLE, 3, "a list of lists of sizes is expected");
    lua_Integer axes = (lua_Integer)lua_rawlen(L, 4);
    for (int a = 0; a < (int)axes && a < PL_MAX_AXES - 1; a++) {
      lua_rawgeti(L, 4, a + 1);
      o->shape[o->count].size[o->shape[o->count].axes++] = luaL_checkinteger(L, 5);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  r->program->result = (int)value_at(L, r, 2);
  return 0;
}

static int recorder_is_eager(lua_State *L) {
  lua_pushboolean(L, bind_check_recorder(L)->eager);
  return 1;
}

/* recorder:tensor(value) -> its tensor */
static int recorder_tensor(lua_State *L) {
  bind_recorder *r = bind_check_recorder(L);
  int step = (int)value_at(L, r, 2);
  if (!r->eager) return luaL_error(L, "only the shape of this value is known");
  lua_getiuservalue(L, 1, 2);
  lua_rawgeti(L, -1, step + 1);
  return 1;
}

/* origin(layer, "x.lua:12"): where the script made it */
static int origin(lua_State *L) {
  pl_layer_set_origin(bind_check_layer(L, 1)->layer, luaL_checkstring(L, 2));
  lua_settop(L, 1);
  return 1;
}

static bool has_recorded(const pl_layer *layer) {
  bool found = layer->cls == &pl_formula && layer->host != NULL;
  for (int i = 0; i < layer->children && !found; i++) found = has_recorded(layer->child[i]);
  return found;
}

/* is_recorded(model): whether a layer of it is a formula of the script */
static int is_recorded(lua_State *L) {
  lua_pushboolean(L, has_recorded(bind_check_layer(L, 1)->layer));
  return 1;
}

/* check_again(layer): raises if the formula of the layer is another one now */
static int check_again(lua_State *L) {
  pl_error err;
  bind_use_state(L);
  return pl_formula_check_again(bind_check_layer(L, 1)->layer, &err) ? bind_raise(L, &err) : 0;
}

/* operations() -> names */
static int operations(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; pl_operation_registry[i]; i++) {
    lua_pushstring(L, pl_operation_registry[i]->head.type);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

int bind_open_formula(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "__gc", recorder_gc }, { "op", recorder_op }, { "constant", recorder_constant }, { "input", recorder_input },
    { "param", recorder_param }, { "layer", recorder_layer }, { "adopt", recorder_adopt }, { "shape", recorder_shape },
    { "ask", recorder_ask }, { "result", recorder_result }, { "is_eager", recorder_is_eager },
    { "tensor", recorder_tensor }, { "backward", bind_recorder_backward }, { NULL, NULL },
  };
  static const luaL_Reg functions[] = {
    { "eager", eager }, { "steps", bind_formula_steps },
    { "plan", bind_formula_plan }, { "check_again", check_again }, { "origin", origin },
    { "is_recorded", is_recorded }, { "verify", bind_formula_verify }, { "operations", operations }, { NULL, NULL },
  };
  bind_new_class(L, BIND_RECORDER, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  luaL_setfuncs(L, bind_loss_formula_functions, 0);
  lua_pushinteger(L, PL_MOST_OUTPUTS);
  lua_setfield(L, -2, "most_outputs");
  return 1;
}
