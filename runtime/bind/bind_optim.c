/* core.optim: one constructor an optimizer, by its registered name. opt:bind(model), then opt:step() after each
   backward. */
#include <math.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_optim.h"
#include "graph/model.h"
#include "perilune/alloc.h"
#include "perilune/train.h"

pl_optimizer *bind_check_optimizer(lua_State *L, int index) {
  pl_optimizer **slot = luaL_testudata(L, index, BIND_OPTIMIZER);
  if (slot != NULL && *slot == NULL) luaL_argerror(L, index, "this optimizer was freed");
  if (slot == NULL)
    luaL_typeerror(L, index, "an optimizer, such as optim.Adam {}");
  return *slot;
}

pl_optimizer **bind_new_optimizer(lua_State *L) {
  pl_optimizer **slot = lua_newuserdatauv(L, sizeof *slot, 2);
  *slot = NULL;
  luaL_setmetatable(L, BIND_OPTIMIZER);
  return slot;
}

/* From the arguments of the call, or with type NULL from the description that is the first. */
static int push_optimizer(lua_State *L, const char *type) {
  pl_error err;
  int top = lua_gettop(L);
  pl_optimizer **slot = bind_new_optimizer(L);
  cJSON *args = type ? bind_args_to_json(L, 1, top) : bind_to_json(L, 1);
  *slot = type ? pl_optimizer_new(type, args, &err) : pl_optimizer_from_json(args, &err);
  cJSON_Delete(args);
  return *slot ? 1 : bind_raise_options(L, &err);
}

/* Adam{ lr = 0.001 }, ... : upvalue 1 is the type */
static int optim_new(lua_State *L) { return push_optimizer(L, lua_tostring(L, lua_upvalueindex(1))); }

/* from_config{ type = "Adam", config = { .. } } */
static int optim_from_config(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  return push_optimizer(L, NULL);
}

static int optim_gc(lua_State *L) {
  pl_optimizer **slot = luaL_checkudata(L, 1, BIND_OPTIMIZER);
  pl_optimizer_free(*slot);
  *slot = NULL;
  return 0;
}

/* ---- training ---- */

/* opt:bind(model) -> opt: allocates its state, zeroed; counters start anew */
static int optim_bind(lua_State *L) {
  pl_error err;
  pl_optimizer *opt = bind_check_optimizer(L, 1);
  pl_model *model = bind_check_model(L, 2);
  const pl_slice *slices;
  if (!pl_model_has_params(model))
    return luaL_error(L, "%s: the model's parameters are not known yet; call model:build{ shape of one sample } first",
                      pl_optimizer_type(opt));
  size_t n = pl_model_slices(model, &slices), before = pl_alloc_live();
  if (pl_optimizer_bind(opt, slices, n, pl_model_size(model), &err)) return bind_raise(L, &err);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, 1);
  size_t after = pl_alloc_live();
  bind_account(L, after > before ? after - before : 0);
  lua_settop(L, 1);
  return 1;
}

/* Pushes the model's userdata; raises unless bound. */
static pl_model *push_model(lua_State *L, const pl_optimizer *opt) {
  if (lua_getiuservalue(L, 1, 1) == LUA_TNIL || pl_optimizer_size(opt) == 0)
    luaL_error(L, "%s: no parameters yet; call optimizer:bind(model) first", pl_optimizer_type(opt));
  return bind_check_model(L, -1);
}

static pl_status call_step(void *context, pl_host_step_call *call, pl_error *err) {
  return bind_optim_call_step(context, 1, call, err);
}

/* opt:step([nonfinite]): moves the weights by the model's gradients. What is not finite is an error; with "ignore"
   nobody is told; with "skip" such a gradient moves nothing: -> true, or false, what and where. */
static int optim_step(lua_State *L) {
  pl_optimizer *opt = bind_check_optimizer(L, 1);
  enum { STOP, SKIP, IGNORE };
  static const char *const choices[] = { "stop", "skip", "ignore", NULL };
  int nonfinite = luaL_checkoption(L, 2, "stop", choices);
  bool taken;
  lua_settop(L, 1);
  pl_model *model = push_model(L, opt);
  pl_nonfinite found;
  pl_error err;
  if (pl_train_update(model, opt, nonfinite == SKIP, call_step, L, &taken, &found, &err))
    return bind_raise_from_script(L, &err);
  if (taken) {
    pl_model_note_write(model);
    bind_note_origin(L, 2, "a training by hand");
  }
  if (taken && found.what != NULL && nonfinite != IGNORE) {
    double lr = pl_optimizer_lr(opt);
    return luaL_error(L, "%s: %s is not a finite number; first seen in %s%s", pl_optimizer_type(opt), found.what,
                      found.at, lr > 0 ? lua_pushfstring(L, "; a smaller learning rate than %f may help", lr) : "");
  }
  if (nonfinite != SKIP) return 0;
  lua_pushboolean(L, taken);
  if (taken) return 1;
  lua_pushstring(L, found.what);
  lua_pushstring(L, found.at);
  return 3;
}

/* opt:epoch(): an epoch begins (Adam's correction = "epoch" counts them) */
static int optim_epoch(lua_State *L) {
  pl_optimizer_epoch(bind_check_optimizer(L, 1));
  return 0;
}

/* ---- state ---- */

/* The shape of a slice's parameter, from the layer that has it. */
static const pl_shape *shape_of(const pl_slice *slice) {
  for (int i = 0; i < pl_layer_params(slice->layer); i++) {
    if (strcmp(pl_layer_param_name(slice->layer, i), slice->name) == 0) return pl_layer_param_shape(slice->layer, i);
  }
  return NULL;
}

void bind_push_slot(lua_State *L, const pl_tensor *slot, const pl_slice *slice) {
  pl_error err;
  const pl_shape *shape = shape_of(slice);
  pl_tensor **result = bind_new_tensor(L);
  pl_tensor *flat = pl_tensor_slice(slot, 0, (int64_t)slice->offset, (int64_t)(slice->offset + slice->count), &err);
  if (flat != NULL) *result = shape ? pl_tensor_reshape(flat, shape, &err) : pl_tensor_view(flat, &err);
  pl_tensor_free(flat);
  if (*result == NULL) bind_raise(L, &err);
}

/* opt:state() -> { { layer = "01_linear", parameter = "weight", slot = "m", name = "weight.m", tensor = }, ... }: the
   tensors are the optimizer's own memory, by slot and then in the order of the parameters */
static int optim_state(lua_State *L) {
  const pl_optimizer *opt = bind_check_optimizer(L, 1);
  const pl_slice *slices;
  push_model(L, opt);
  size_t n = pl_optimizer_slices(opt, &slices);
  lua_Integer entries = 0;
  lua_newtable(L);
  for (int s = 0; s < pl_optimizer_slots(opt); s++) {
    const char *slot = pl_optimizer_slot_name(opt, s);
    for (size_t i = 0; i < n; i++) {
      lua_createtable(L, 0, 5);
      lua_pushstring(L, slices[i].path);
      lua_setfield(L, -2, "layer");
      lua_pushstring(L, slices[i].name);
      lua_setfield(L, -2, "parameter");
      lua_pushstring(L, slot);
      lua_setfield(L, -2, "slot");
      lua_pushfstring(L, "%s.%s", slices[i].name, slot);
      lua_setfield(L, -2, "name");
      bind_push_slot(L, pl_optimizer_slot(opt, s), &slices[i]);
      lua_setfield(L, -2, "tensor");
      lua_rawseti(L, -2, ++entries);
    }
  }
  return 1;
}

/* opt:counters() -> { steps =, epochs =, lr =, ... } */
static int optim_counters(lua_State *L) {
  const pl_optimizer *opt = bind_check_optimizer(L, 1);
  lua_newtable(L);
  for (int i = 0; i < pl_optimizer_counters(opt); i++) {
    lua_pushnumber(L, pl_optimizer_counter(opt, i));
    lua_setfield(L, -2, pl_optimizer_counter_name(opt, i));
  }
  return 1;
}

/* Pushes the counter `name` of the table at 2, and returns it; raises where no optimizer has got there. */
static double check_counter(lua_State *L, const pl_optimizer *opt, const char *name) {
  int is_number;
  bool counts = strcmp(name, "steps") == 0 || strcmp(name, "epochs") == 0, is_lr = strcmp(name, "lr") == 0;
  lua_getfield(L, 2, name);
  double value = lua_tonumberx(L, -1, &is_number);
  if (!is_number) luaL_error(L, "%s: counter '%s' is missing", pl_optimizer_type(opt), name);
  bool whole = value >= 0 && value <= 0x1p53 && value == floor(value);
  if ((counts && !whole) || (is_lr && !(value >= 0 && value <= 1e15)))
    luaL_error(L, "%s: counter '%s' is %s, got %s", pl_optimizer_type(opt), name,
               counts ? "a whole number from 0" : "a number from 0 to 1e15", luaL_tolstring(L, -1, NULL));
  return value;
}

/* opt:set_counters{ steps =, epochs =, lr =, ... }: all of them, or none where one is refused */
static int optim_set_counters(lua_State *L) {
  pl_optimizer *opt = bind_check_optimizer(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  for (int set = 0; set < 2; set++)
    for (int i = 0; i < pl_optimizer_counters(opt); i++) {
      double value = check_counter(L, opt, pl_optimizer_counter_name(opt, i));
      if (set) pl_optimizer_set_counter(opt, i, value);
      lua_pop(L, 1);
    }
  return 0;
}

/* ---- describing ---- */

static int optim_config(lua_State *L) {
  bind_push_json(L, pl_optimizer_to_json(bind_check_optimizer(L, 1)), NULL);
  return 1;
}

static int optim_tostring(lua_State *L) {
  const pl_optimizer *opt = bind_check_optimizer(L, 1);
  bind_push_json_text(L, pl_optimizer_to_json(opt), "config", false);
  lua_pushfstring(L, "%s %s", pl_optimizer_type(opt), lua_tostring(L, -1));
  return 1;
}

/* opt.lr, opt.base_lr (as configured), opt.steps, opt.epochs, opt.type, or a method */
static int optim_index(lua_State *L) {
  const pl_optimizer *opt = bind_check_optimizer(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "type") == 0) lua_pushstring(L, pl_optimizer_type(opt));
  else if (strcmp(key, "lr") == 0) lua_pushnumber(L, pl_optimizer_lr(opt));
  else if (strcmp(key, "base_lr") == 0) lua_pushnumber(L, pl_optimizer_base_lr(opt));
  else if (strcmp(key, "steps") == 0) lua_pushinteger(L, (lua_Integer)pl_optimizer_counter(opt, 0));
  else if (strcmp(key, "epochs") == 0) lua_pushinteger(L, (lua_Integer)pl_optimizer_counter(opt, 1));
  else if (!bind_push_method(L, key)) return bind_unknown_name(L);
  return 1;
}

/* opt.lr = rate */
static int optim_newindex(lua_State *L) {
  pl_optimizer *opt = bind_check_optimizer(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "lr") != 0)
    return luaL_error(L, "%s: only lr can be set, not '%s'; other settings are given to the constructor",
                      pl_optimizer_type(opt), key);
  int is_number;
  double lr = lua_tonumberx(L, 3, &is_number);
  if (!is_number || !(lr >= 0 && lr <= 1e15))
    return luaL_error(L, "%s: lr takes a number from 0 to 1e15, got %s", pl_optimizer_type(opt),
                      luaL_tolstring(L, 3, NULL));
  pl_optimizer_set_lr(opt, lr);
  return 0;
}

static const luaL_Reg methods[] = {
  { "__index", optim_index }, { "__newindex", optim_newindex }, { "__gc", optim_gc }, { "__tostring", optim_tostring },
  { "bind", optim_bind }, { "step", optim_step }, { "epoch", optim_epoch },
  { "state", optim_state }, { "counters", optim_counters }, { "set_counters", optim_set_counters },
  { "config", optim_config }, { "clone", bind_optim_clone },
  { NULL, NULL },
};

int bind_open_optim(lua_State *L) {
  bind_new_class(L, BIND_OPTIMIZER, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  for (int i = 0; pl_optimizer_type_name(i); i++) {
    lua_pushstring(L, pl_optimizer_type_name(i));
    lua_pushcclosure(L, optim_new, 1);
    lua_setfield(L, -2, pl_optimizer_type_name(i));
  }
  lua_pushcfunction(L, optim_from_config);
  lua_setfield(L, -2, "from_config");
  lua_pushcfunction(L, bind_optim_host);
  lua_setfield(L, -2, "host");
  lua_pushcfunction(L, bind_optim_step_function);
  lua_setfield(L, -2, "step_function");
  return 1;
}
