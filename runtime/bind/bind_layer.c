/* core.nn: one constructor a layer class, and what can be asked of a layer. Running a model is in bind_model.c. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_layer.h"
#include "layers/layer.h"
#include "perilune/alloc.h"

static const char registry_key;   /* registry table: layer pointer -> userdata, weak */

/* The userdata of a layer. Finalizers meet some that the collector has already taken from the registry. */
static void push_layer(lua_State *L, const pl_layer *layer) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  if (lua_rawgetp(L, -1, layer) == LUA_TNIL) luaL_error(L, "the functions of a %s are no longer there: its model was collected", layer->cls->head.type);
  lua_remove(L, -2);
}

bind_layer *bind_test_layer(lua_State *L, int index) { return luaL_testudata(L, index, BIND_LAYER); }

bind_layer *bind_check_layer(lua_State *L, int index) {
  bind_layer *u = luaL_checkudata(L, index, BIND_LAYER);
  luaL_argcheck(L, u->layer != NULL, index, "the layer was freed");
  return u;
}

/* ---- families ---- */

bind_family *bind_family_of(const bind_layer *u) {
  bind_family *f = u->family;
  while (f->now != NULL) f = f->now;
  return f;
}

/* A family of one. */
static bind_family *found_family(lua_State *L, pl_layer *layer) {
  pl_error err;
  bind_family *f = pl_alloc(sizeof *f, &err);
  if (f == NULL) bind_raise(L, &err);
  f->members = 1;
  f->root = layer;
  return f;
}

static void take_in(bind_family *f, bind_family *other) {
  bind_family **last = &f->taken_in;
  while (*last != NULL) last = &(*last)->taken_in;
  *last = other;
  f->members += other->members;
  other->members = 0;
  other->now = f;
}

static void leave_family(bind_family *f) {
  if (--f->members > 0) return;
  pl_layer *root = f->root;
  while (f != NULL) {
    bind_family *next = f->taken_in;
    pl_exec_free(f->hand);
    pl_exec_free(f->infer);
    pl_model_free(f->model);
    pl_free(f);
    f = next;
  }
  pl_layer_free_tree(root);
}

static int layer_gc(lua_State *L) {
  bind_layer *u = luaL_checkudata(L, 1, BIND_LAYER);
  if (u->family != NULL) leave_family(bind_family_of(u));
  else pl_layer_free(u->layer);
  *u = (bind_layer){ 0 };
  return 0;
}

pl_model *bind_model_of(lua_State *L, int index) {
  bind_family *f = bind_family_of(bind_check_layer(L, index));
  if (f->model != NULL) return f->model;
  pl_error err;
  f->model = pl_model_new(f->root, &err);
  if (f->model == NULL) bind_raise(L, &err);
  if (pl_model_has_params(f->model)) {
    if (pl_model_initialize(f->model, 1, &err)) bind_raise(L, &err);
    bind_custom_init(L, f->root);
  }
  return f->model;
}

pl_model *bind_check_model(lua_State *L, int index) {
  const pl_layer *layer = bind_check_layer(L, index)->layer;
  if (layer->parent != NULL) {
    char label[PL_PATH_TEXT];
    luaL_error(L, "%s is part of a %s; call this on the whole model", pl_layer_label(label, layer), layer->parent->cls->head.type);
  }
  return bind_model_of(L, index);
}

void bind_push_param(lua_State *L, pl_model *model, const pl_layer *layer, int i, bool gradient) {
  const pl_param *p = &layer->param[i];
  float *data = gradient ? p->grad : p->value;
  if (data == NULL) {
    lua_pushnil(L);
    return;
  }
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  pl_block_retain(pl_model_block(model));
  *slot = pl_tensor_wrap(PL_F32, &p->shape, data, pl_block_release, pl_model_block(model), &err);
  if (*slot == NULL) {
    pl_block_release(pl_model_block(model));
    bind_raise(L, &err);
  }
}

static void copy_into_param(lua_State *L, const pl_layer *layer, int i, int index) {
  const pl_param *p = &layer->param[i];
  const pl_tensor *t = bind_check_tensor(L, index);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  if (pl_tensor_type(t) != PL_F32 || !pl_shape_equal(pl_tensor_shape(t), &p->shape))
    luaL_error(L, "%s.%s takes an f32 tensor of shape %s, got %s %s", layer->cls->head.type, p->name, pl_shape_text(a, &p->shape, false),
               pl_dtype_name(pl_tensor_type(t)), pl_shape_text(b, pl_tensor_shape(t), false));
  pl_error err;
  pl_tensor *c = pl_tensor_to_contiguous(t, &err);
  if (c == NULL) bind_raise(L, &err);
  memmove(p->value, pl_tensor_data(c), (size_t)pl_shape_count(&p->shape) * sizeof(float));
  pl_tensor_free(c);
}

/* A Lua initializer is called with the shape as a table and returns a tensor of that shape. */
void bind_custom_init(lua_State *L, const pl_layer *layer) {
  luaL_checkstack(L, 8, NULL);
  for (int i = 0; i < layer->params; i++) {
    if (layer->param[i].init.kind != PL_INIT_CUSTOM) continue;
    const char *option = strcmp(layer->param[i].name, "bias") == 0 ? "bias_init" : "init";
    push_layer(L, layer);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, option) == LUA_TFUNCTION) {
      lua_createtable(L, layer->param[i].shape.axes, 0);
      for (int k = 0; k < layer->param[i].shape.axes; k++) {
        lua_pushinteger(L, layer->param[i].shape.size[k]);
        lua_rawseti(L, -2, k + 1);
      }
      lua_call(L, 1, 1);
      copy_into_param(L, layer, i, lua_gettop(L));
    }
    lua_pop(L, 3);
  }
  for (int i = 0; i < layer->children; i++) bind_custom_init(L, layer->child[i]);
}

static int construct(lua_State *L);

/* The value on top stands where a layer is expected. */
static void not_a_layer(lua_State *L, const pl_layer_class *cls, int item) {
  const char *type = NULL;
  if (lua_tocfunction(L, -1) == construct && lua_getupvalue(L, -1, 1) != NULL)
    type = ((const pl_layer_class *)lua_touserdata(L, -1))->head.type;
  if (type != NULL) luaL_error(L, "%s: item %d is nn.%s itself, not a layer; call it: nn.%s()", cls->head.type, item, type, type);
  luaL_error(L, "%s: item %d is a %s, not a layer", cls->head.type, item, luaL_typename(L, -1));
}

/* Splits the arguments of a constructor at `first`..top: layers go to the list `children`, functions to the table
   `functions` (an initializer leaves "custom" behind), the rest stays as a list `plain` for JSON. */
static void split_arguments(lua_State *L, const pl_layer_class *cls, int first, int top, int children, int functions, int plain) {
  lua_Integer n = 0, count = 0;
  for (int i = first; i <= top; i++) {
    if (bind_test_layer(L, i)) {
      lua_pushvalue(L, i);
      lua_rawseti(L, children, ++n);
      continue;
    }
    if (cls->most_children > 0 && lua_isfunction(L, i)) {
      lua_pushvalue(L, i);
      not_a_layer(L, cls, i - first + 1);
    }
    bool container = lua_istable(L, i) && cls->most_children > 0;
    if (!lua_istable(L, i) || (!container && lua_rawlen(L, i) > 0)) {
      lua_pushvalue(L, i);
      lua_rawseti(L, plain, ++count);
      continue;
    }
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
      if (lua_isinteger(L, -2)) {
        if (!bind_test_layer(L, -1)) not_a_layer(L, cls, (int)lua_tointeger(L, -2));
        continue;
      }
      lua_pushvalue(L, -2);
      if (lua_isfunction(L, -2)) {
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_settable(L, functions);
        if ((cls->flags & PL_HOST)) {
          lua_pop(L, 1);
          continue;
        }
        lua_pushliteral(L, "custom");
      } else {
        lua_pushvalue(L, -2);
      }
      lua_settable(L, -5);
    }
    lua_rawseti(L, plain, ++count);
    lua_Integer items = (lua_Integer)lua_rawlen(L, i);
    for (lua_Integer k = 1; container && k <= items; k++) {
      if (lua_rawgeti(L, i, k) == LUA_TNIL) luaL_error(L, "%s: item %d is nil, not a layer (is its name spelt right?)", cls->head.type, (int)k);
      lua_rawseti(L, children, ++n);
    }
  }
}

static pl_status call_host(void *context, pl_host_call *call, pl_error *err);

/* A layer of class `cls` with the arguments first..top; pushes the userdata. */
static void new_layer(lua_State *L, const pl_layer_class *cls, int first, int top) {
  luaL_checkstack(L, 20, NULL);
  int base = lua_gettop(L);
  lua_newtable(L);
  lua_newtable(L);
  lua_newtable(L);
  split_arguments(L, cls, first, top, base + 1, base + 2, base + 3);
  bind_layer *u = lua_newuserdatauv(L, sizeof *u, 3);
  *u = (bind_layer){ 0 };
  luaL_setmetatable(L, BIND_LAYER);
  pl_error err;
  cJSON *args = bind_to_json(L, base + 3);
  u->layer = pl_layer_new(cls->head.type, cJSON_IsArray(args) ? args : NULL, &err);
  cJSON_Delete(args);
  if (u->layer == NULL) bind_raise_options(L, &err);
  u->family = found_family(L, u->layer);
  luaL_where(L, 1);
  size_t n = 0;
  const char *where = lua_tolstring(L, -1, &n);
  if (n > 2) {
    lua_pushlstring(L, where, n - 2);
    pl_layer_set_origin(u->layer, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if ((cls->flags & PL_HOST)) {
    u->layer->host = call_host;
    u->layer->host_context = u->layer;
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, base + 2, "input");   /* of a training pass: setting it then takes no memory */
  lua_pushvalue(L, base + 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, base + 1);
  lua_setiuservalue(L, -2, 3);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, u->layer);
  lua_pop(L, 1);
  lua_Integer children = (lua_Integer)lua_rawlen(L, base + 1);
  for (lua_Integer i = 1; i <= children; i++) {
    lua_rawgeti(L, base + 1, i);
    bind_layer *child = bind_check_layer(L, -1);
    if (pl_layer_add(u->layer, child->layer, &err)) bind_raise(L, &err);
    take_in(u->family, bind_family_of(child));
    lua_pushvalue(L, base + 4);
    lua_setiuservalue(L, -2, 2);
    lua_pop(L, 1);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

static const pl_layer_class *class_at(lua_State *L, int index) { return lua_touserdata(L, index); }

static int construct(lua_State *L) {
  new_layer(L, class_at(L, lua_upvalueindex(1)), 1, lua_gettop(L));
  return 1;
}

/* from_config{ type=, config=, layers= }: the layers that model:config() described. */
static int from_config(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 20, "model nests too deep");
  lua_settop(L, 1);
  lua_getfield(L, 1, "type");
  const char *type = lua_tostring(L, 2);
  const pl_layer_class *cls = NULL;
  for (int i = 0; type != NULL && pl_layer_registry[i]; i++) {
    if (strcmp(pl_layer_registry[i]->head.type, type) == 0 && pl_layer_registry[i]->combine == NULL) cls = pl_layer_registry[i];
  }
  if (cls == NULL) return luaL_error(L, "a model's description has a layer of unknown type '%s'", type ? type : "nil");
  lua_Integer n = 0;
  if (lua_getfield(L, 1, "layers") == LUA_TTABLE) {
    n = (lua_Integer)lua_rawlen(L, 3);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= n; i++) {
      lua_pushcfunction(L, from_config);
      lua_rawgeti(L, 3, i);
      lua_call(L, 1, 1);
      lua_rawseti(L, 4, i);
    }
  } else {
    lua_newtable(L);
  }
  int first = lua_gettop(L) + 1;
  if (lua_getfield(L, 1, "config") != LUA_TTABLE) lua_pop(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    luaL_checkstack(L, 8, "model has too many layers");
    lua_rawgeti(L, 4, i);
  }
  new_layer(L, cls, first, lua_gettop(L));
  return 1;
}

/* Pushes the functions of a layer's constructor as a new table. */
static void push_functions(lua_State *L, const pl_layer *layer) {
  lua_newtable(L);
  push_layer(L, layer);
  lua_getiuservalue(L, -1, 1);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_isfunction(L, -1)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_settable(L, -7);
  }
  lua_pop(L, 2);
}

/* Pushes a layer as `layer` is, with copies of its children. Initializers that are functions come later (share_initializers):
   building the copy must not call them. */
static void push_copy(lua_State *L, const pl_layer *layer) {
  luaL_checkstack(L, layer->children + 20, "model nests too deep");
  int first = lua_gettop(L) + 1;
  bind_push_json(L, pl_layer_config(layer), NULL);
  if ((layer->cls->flags & PL_HOST)) {
    push_functions(L, layer);
    for (lua_pushnil(L); lua_next(L, -2);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_settable(L, first);
    }
    lua_pop(L, 1);
  }
  for (int i = 0; i < layer->children; i++) push_copy(L, layer->child[i]);
  new_layer(L, layer->cls, first, lua_gettop(L));
  lua_replace(L, first);
  lua_settop(L, first);
  pl_layer_set_origin(bind_check_layer(L, first)->layer, layer->origin);
}

static void share_initializers(lua_State *L, const pl_layer *from, const pl_layer *to) {
  luaL_checkstack(L, 8, NULL);
  if (!(from->cls->flags & PL_HOST)) {
    push_layer(L, to);
    push_functions(L, from);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
  }
  for (int i = 0; i < from->children; i++) share_initializers(L, from->child[i], to->child[i]);
}

static void copy_floats(float *to, const float *from, size_t n) {
  if (n > 0) memcpy(to, from, n * sizeof *to);
}

/* model:clone() -> the same layers, parameters, gradients and statistics in memory of their own */
static int layer_clone(lua_State *L) {
  pl_error err;
  pl_model *from = bind_check_model(L, 1);
  push_copy(L, bind_check_layer(L, 1)->layer);
  bind_layer *u = bind_check_layer(L, -1);
  pl_model *model = bind_family_of(u)->model = pl_model_new(u->layer, &err);
  if (model == NULL) return bind_raise(L, &err);
  bind_use_state(L);
  if (pl_model_is_built(from) && pl_model_build(model, pl_model_input(from), &err)) return bind_raise(L, &err);
  if (pl_model_has_params(from)) {
    copy_floats(pl_model_values(model), pl_model_values(from), pl_model_size(from));
    copy_floats(pl_model_grads(model), pl_model_grads(from), pl_model_size(from));
    copy_floats(pl_model_states(model), pl_model_states(from), pl_model_states_size(from));
  }
  share_initializers(L, bind_check_layer(L, 1)->layer, u->layer);
  return 1;
}

pl_tensor *bind_push_batch(lua_State *L, const pl_shape *sample, size_t batch, const float *data) {
  pl_shape shape = { sample->axes + 1, { (int64_t)batch } };
  memcpy(shape.size + 1, sample->size, (size_t)sample->axes * sizeof shape.size[0]);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(PL_F32, &shape, &err);
  if (*slot == NULL) bind_raise(L, &err);
  if (data != NULL) memcpy(pl_tensor_data(*slot), data, (size_t)pl_tensor_count(*slot) * sizeof(float));
  return *slot;
}

static void copy_result(lua_State *L, const char *what, const pl_shape *sample, size_t batch, float *out) {
  const pl_tensor *t = bind_check_tensor(L, -1);
  pl_shape want = { sample->axes + 1, { (int64_t)batch } };
  memcpy(want.size + 1, sample->size, (size_t)sample->axes * sizeof want.size[0]);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  if (pl_tensor_type(t) != PL_F32 || !pl_shape_equal(pl_tensor_shape(t), &want))
    luaL_error(L, "Lambda: %s must return an f32 tensor of shape %s, got %s %s", what, pl_shape_text(a, &want, false),
               pl_dtype_name(pl_tensor_type(t)), pl_shape_text(b, pl_tensor_shape(t), false));
  pl_error err;
  pl_tensor *c = pl_tensor_to_contiguous(t, &err);
  if (c == NULL) bind_raise(L, &err);
  memcpy(out, pl_tensor_data(c), (size_t)pl_tensor_count(c) * sizeof(float));
  pl_tensor_free(c);
}

static int protected_host(lua_State *L) {
  pl_host_call *call = lua_touserdata(L, 1);
  push_layer(L, lua_touserdata(L, 2));
  lua_getiuservalue(L, -1, 1);
  if (call->kind == PL_HOST_SHAPE) {
    if (lua_getfield(L, -1, "forward") != LUA_TFUNCTION) luaL_error(L, "Lambda: needs forward = function(x) ... end");
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "shape") != LUA_TFUNCTION) return 0;
    lua_createtable(L, call->in.axes, 0);
    for (int k = 0; k < call->in.axes; k++) {
      lua_pushinteger(L, call->in.size[k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_call(L, 1, 1);
    call->out = bind_check_shape(L, lua_gettop(L));
  } else if (call->kind == PL_HOST_FORWARD) {
    lua_getfield(L, -1, "forward");
    bind_push_batch(L, &call->in, call->batch, call->x);
    lua_pushboolean(L, call->training);
    lua_call(L, 2, 1);
    copy_result(L, "forward", &call->out, call->batch, call->y);
  } else {
    if (lua_getfield(L, -1, "backward") != LUA_TFUNCTION) luaL_error(L, "Lambda: cannot be trained through without backward = function(dy, x, y) ... end");
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
lua_State *bind_state(void) { return calling_state; }

/* The core must not be jumped over: an error in the script's function becomes a status. */
static pl_status call_host(void *context, pl_host_call *call, pl_error *err) {
  lua_State *L = calling_state;
  if (!lua_checkstack(L, 8)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_pushcfunction(L, protected_host);
  lua_pushlightuserdata(L, call);
  lua_pushlightuserdata(L, context);
  int result = lua_pcall(L, 2, 0, 0);
  calling_state = L;   /* the function may have run other models, in coroutines that are gone */
  if (result == LUA_OK) return PL_OK;
  const char *text = lua_tostring(L, -1);
  pl_error_set(err, PL_ERROR_STATE, "%s", text ? text : "error in a function of the script");
  lua_pop(L, 1);
  return PL_ERROR_STATE;
}

/* The userdata of child i, from 1, of the layer at `index`. */
static void push_child(lua_State *L, int index, int i) {
  lua_getiuservalue(L, index, 3);
  lua_rawgeti(L, -1, i);
  lua_remove(L, -2);
}

/* layer[i], layer.weight, layer.bias_grad, layer.grad, layer.name, layer.type, an option, or a method. */
static int layer_index(lua_State *L) {
  bind_layer *u = bind_check_layer(L, 1);
  if (lua_isinteger(L, 2)) {
    lua_Integer i = lua_tointeger(L, 2), n = u->layer->children;
    if (i < 0) i += n + 1;
    if (i < 1 || i > n) lua_pushnil(L);
    else push_child(L, 1, (int)i);
    return 1;
  }
  const char *key = luaL_checkstring(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  if (strcmp(key, "name") == 0) return lua_pushstring(L, u->layer->name), 1;
  if (strcmp(key, "type") == 0) return lua_pushstring(L, u->layer->cls->head.type), 1;
  size_t length = strlen(key);
  bool gradient = length > 5 && strcmp(key + length - 5, "_grad") == 0, all = strcmp(key, "grad") == 0;
  if (all) lua_newtable(L);
  for (int i = 0; i < u->layer->params; i++) {
    const char *name = u->layer->param[i].name;
    bool same = strcmp(key, name) == 0 || (gradient && strlen(name) == length - 5 && strncmp(key, name, length - 5) == 0);
    if (!same && !all) continue;
    pl_model *model = bind_model_of(L, 1);
    if (!pl_model_has_params(model)) return luaL_error(L, "%s.%s: its shape depends on the input's; call model:build{...} with the shape of one sample first", u->layer->cls->head.type, key);
    bind_push_param(L, model, u->layer, i, all || gradient);
    if (!all) return 1;
    lua_setfield(L, -2, name);
  }
  if (all) return 1;
  bind_push_json(L, pl_layer_config(u->layer), key);
  return lua_isnil(L, -1) ? bind_unknown_name(L) : 1;
}

static int layer_newindex(lua_State *L) {
  bind_layer *u = bind_check_layer(L, 1);
  const char *key = luaL_checkstring(L, 2);
  for (int i = 0; i < u->layer->params; i++) {
    if (strcmp(key, u->layer->param[i].name)) continue;
    if (!pl_model_has_params(bind_model_of(L, 1))) return luaL_error(L, "call model:build{...} before setting %s", key);
    copy_into_param(L, u->layer, i, 3);
    return 0;
  }
  const char **names = lua_newuserdatauv(L, ((size_t)u->layer->params + 1) * sizeof *names, 0);
  for (int i = 0; i < u->layer->params; i++) names[i] = u->layer->param[i].name;
  names[u->layer->params] = NULL;
  const char *near = pl_nearest_name(key, names);
  return luaL_error(L, "%s has no parameter '%s' to set; %s%s%s", u->layer->cls->head.type, key, near ? "did you mean '" : "options are fixed when a layer is made",
                    near ? near : "", near ? "'?" : "");
}

static int layer_len(lua_State *L) {
  lua_pushinteger(L, bind_check_layer(L, 1)->layer->children);
  return 1;
}

static int layer_config(lua_State *L) {
  bind_push_json(L, pl_layer_to_json(bind_check_layer(L, 1)->layer), NULL);
  return 1;
}

/* layer:options() -> { { name =, value =, default = (nil: it must be given) }, ... } in the order of declaration */
static int layer_options(lua_State *L) {
  const pl_layer *layer = bind_check_layer(L, 1)->layer;
  const pl_class *head = &layer->cls->head;
  lua_newtable(L);
  if (head->config_size == 0) return 1;
  bind_push_json(L, pl_options_write(head, layer->config), NULL);
  bind_push_json(L, pl_options_write(head, head->defaults), NULL);
  for (int i = 0; head->options[i].name; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, head->options[i].name);
    lua_setfield(L, -2, "name");
    lua_getfield(L, -3, head->options[i].name);
    lua_setfield(L, -2, "value");
    if (!head->options[i].required) {
      lua_getfield(L, -2, head->options[i].name);
      lua_setfield(L, -2, "default");
    }
    lua_rawseti(L, -4, i + 1);
  }
  lua_pop(L, 2);
  return 1;
}

static int layer_path(lua_State *L) {
  char text[PL_PATH_TEXT];
  lua_pushstring(L, pl_layer_path(text, bind_check_layer(L, 1)->layer));
  return 1;
}

static int layer_label(lua_State *L) {
  char text[PL_PATH_TEXT];
  lua_pushstring(L, pl_layer_label(text, bind_check_layer(L, 1)->layer));
  return 1;
}

/* Pushes the first layer with that name from the one at `index` on, or pushes nothing. */
static bool push_named(lua_State *L, int index, const char *name) {
  const pl_layer *layer = bind_check_layer(L, index)->layer;
  luaL_checkstack(L, 4, NULL);
  if (strcmp(layer->name, name) == 0) return lua_pushvalue(L, index), true;
  for (int i = 1; i <= layer->children; i++) {
    push_child(L, index, i);
    if (push_named(L, lua_gettop(L), name)) return lua_remove(L, -2), true;
    lua_pop(L, 1);
  }
  return false;
}

/* find(name): the first layer below with that name, or nil */
static int layer_find(lua_State *L) {
  if (!push_named(L, 1, luaL_checkstring(L, 2))) lua_pushnil(L);
  return 1;
}

/* params() -> list of { name=, trained= } of this layer alone */
static int layer_params(lua_State *L) {
  const pl_layer *layer = bind_check_layer(L, 1)->layer;
  lua_createtable(L, layer->params, 0);
  for (int i = 0; i < layer->params; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, layer->param[i].name);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, layer->param[i].trained);
    lua_setfield(L, -2, "trained");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* examples() -> type -> { arguments = {...}, input = shape of a sample }: for tests that try every layer */
static int nn_examples(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; pl_layer_type_name(i); i++) {
    const char *text;
    pl_shape input;
    if (!pl_layer_example(pl_layer_type_name(i), &text, &input)) continue;
    lua_createtable(L, 0, 2);
    bind_push_json(L, cJSON_Parse(text), NULL);
    lua_setfield(L, -2, "arguments");
    lua_createtable(L, input.axes, 0);
    for (int k = 0; k < input.axes; k++) {
      lua_pushinteger(L, input.size[k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "input");
    lua_setfield(L, -2, pl_layer_type_name(i));
  }
  return 1;
}

int bind_open_model(lua_State *L);   /* adds the methods of bind_model.c to the table on top */

int bind_open_nn(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "config", layer_config }, { "options", layer_options }, { "path", layer_path }, { "label", layer_label }, { "find", layer_find }, { "params", layer_params },
    { "clone", layer_clone }, { NULL, NULL },
  };
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);

  lua_newtable(L);                       /* core.nn */
  for (int i = 0; pl_layer_registry[i]; i++) {
    if (pl_layer_registry[i]->combine != NULL) continue;   /* no layer */
    lua_pushlightuserdata(L, (void *)pl_layer_registry[i]);
    lua_pushcclosure(L, construct, 1);
    lua_setfield(L, -2, pl_layer_registry[i]->head.type);
  }
  lua_pushcfunction(L, from_config);
  lua_setfield(L, -2, "from_config");
  lua_pushcfunction(L, nn_examples);
  lua_setfield(L, -2, "examples");
  luaL_newmetatable(L, BIND_LAYER);
  luaL_setfuncs(L, ((luaL_Reg[]){ { "__gc", layer_gc }, { "__newindex", layer_newindex }, { "__len", layer_len }, { NULL, NULL } }), 0);
  bind_hide_metatable(L, BIND_LAYER);
  lua_newtable(L);                       /* methods; lua/perilune/nn/init.lua adds its own */
  luaL_setfuncs(L, methods, 0);
  bind_open_model(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, layer_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 1;
}
