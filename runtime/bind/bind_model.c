/* Running a model from Lua: build, forward, infer, backward, and looking inside. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_layer.h"
#include "bind/bind_outputs.h"
#include "layers/layer.h"

/* The tensor at `index` as contiguous f32 [n, sample...]; pushes it. Whole-number tensors are converted. */
static const pl_tensor *push_input(lua_State *L, int index, size_t *n, pl_shape *sample) {
  const pl_tensor *t = bind_check_tensor(L, index);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  if (pl_tensor_type(t) == PL_F32) {
    *slot = pl_tensor_to_contiguous(t, &err);
  } else {
    pl_tensor *plain = pl_tensor_to_contiguous(t, &err);
    if (plain != NULL) *slot = pl_tensor_new(PL_F32, pl_tensor_shape(t), &err);
    if (*slot != NULL) {
      float *out = pl_tensor_data(*slot);
      for (int64_t i = 0; i < pl_tensor_count(t); i++)
        out[i] = pl_tensor_type(t) == PL_U8 ? ((const uint8_t *)pl_tensor_data(plain))[i] :
          (float)((const int32_t *)pl_tensor_data(plain))[i];
    }
    pl_tensor_free(plain);
  }
  if (*slot == NULL) bind_raise(L, &err);
  const pl_shape *shape = pl_tensor_shape(*slot);
  if (shape->axes < 1 || shape->size[0] < 1) {
    char text[PL_SHAPE_TEXT];
    luaL_error(L, "a model takes a batch [N, ...] of at least one sample, got %s", pl_shape_text(text, shape, false));
  }
  *n = (size_t)shape->size[0];
  *sample = (pl_shape){ .axes = shape->axes - 1 };
  memcpy(sample->size, shape->size + 1, (size_t)sample->axes * sizeof sample->size[0]);
  return *slot;
}

void bind_build(lua_State *L, pl_model *model, const pl_shape *sample) {
  pl_error err;
  bool fresh = !pl_model_has_params(model);
  bind_use_state(L);
  if (pl_model_build(model, sample, &err)) bind_raise_from_script(L, &err);
  if (fresh) bind_initialize(L, model, 1, false);
}

/* The exec for the shapes that the model at `index` is built for. */
static pl_exec *exec_of(lua_State *L, int index, const pl_model *model, bool by_hand) {
  bind_family *f = bind_family_with(L, index, model);
  pl_exec **exec = by_hand ? &f->hand : &f->infer;
  pl_error err;
  if (*exec == NULL && (*exec = pl_exec_new(f->model, &err)) == NULL) bind_raise(L, &err);
  pl_exec_follow(*exec);
  return *exec;
}

pl_exec *bind_infer_exec(lua_State *L, int index, const pl_model *model) { return exec_of(L, index, model, false); }

/* model:build{28, 28, 1}: checks all shapes for one sample of that shape; returns the model */
static int model_build(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  pl_shape sample = bind_check_shape(L, 2);
  bind_build(L, model, &sample);
  lua_settop(L, 1);
  return 1;
}

static const char *const modes[] = { "infer", "dropout", "capture", "train", NULL };

/* Wherever Lua is asked for memory a finalizer may run, and run or rebuild this model, or make it part of another. So
   results get their userdata first; from here on, until they are filled, Lua is asked for nothing. Builds the model for
   `sample`, for that exec. */
static pl_exec *ready(lua_State *L, pl_model *model, const pl_shape *sample, bool by_hand) {
  bind_build(L, model, sample);
  pl_exec *exec = exec_of(L, 1, model, by_hand);
  if (!pl_shape_equal(pl_exec_input(exec), sample))
    luaL_error(L, "the model was built for another shape while it was asked for this one");
  return exec;
}

/* A batch of `sample` for the empty slot; raises. */
static float *fill_slot(lua_State *L, pl_tensor **slot, const pl_shape *sample, size_t n) {
  pl_shape shape = { sample->axes + 1, { (int64_t)n } };
  memcpy(shape.size + 1, sample->size, (size_t)sample->axes * sizeof shape.size[0]);
  pl_error err;
  *slot = pl_tensor_new(PL_F32, &shape, &err);
  if (*slot == NULL) bind_raise(L, &err);
  return pl_tensor_data(*slot);
}

/* The result on top, or the outputs in it, if there are several. */
static int return_outputs(lua_State *L, const pl_outputs *outputs) {
  return outputs->count == 1 ? 1 : bind_split_outputs(L, lua_gettop(L), outputs);
}

/* model:forward(x) -> output, ...: a training pass, which backward follows */
static int model_forward(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  size_t n;
  pl_shape sample;
  const pl_tensor *x = push_input(L, 2, &n, &sample);
  int input = lua_gettop(L);
  const float *y;
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  lua_getiuservalue(L, 1, 1);   /* backward reads the input again */
  pl_exec *exec = ready(L, model, &sample, true);
  if (pl_exec_forward(exec, pl_tensor_data(x), n, PL_TRAIN, &y, &err)) return bind_raise(L, &err);
  lua_pushvalue(L, input);
  lua_setfield(L, -2, "input");
  float *out = fill_slot(L, slot, pl_exec_output(exec), n);
  memcpy(out, y, (size_t)pl_tensor_count(*slot) * sizeof *out);
  pl_outputs outputs = pl_exec_outputs(exec);
  lua_pop(L, 1);
  return return_outputs(L, &outputs);
}

/* model:infer(x [, "infer" | "dropout"]) -> output, ...; keeps nothing. Large inputs are run in chunks of 256
   samples. */
static int model_infer(lua_State *L) {
  enum { CHUNK = 256 };
  pl_model *model = bind_check_model(L, 1);
  const char *name = luaL_optstring(L, 3, "infer");
  bool dropout = strcmp(name, "dropout") == 0 || strcmp(name, "noise") == 0;   /* "noise": an older name */
  luaL_argcheck(L, dropout || strcmp(name, "infer") == 0, 3, "mode is \"infer\" or \"dropout\"");
  pl_mode mode = dropout ? PL_INFER_DROPOUT : PL_INFER;
  size_t n;
  pl_shape sample;
  const pl_tensor *x = push_input(L, 2, &n, &sample);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  pl_exec *exec = ready(L, model, &sample, false);
  size_t in = (size_t)pl_shape_count(&sample), out = (size_t)pl_shape_count(pl_exec_output(exec));
  float *result = fill_slot(L, slot, pl_exec_output(exec), n);
  for (size_t i = 0; i < n; i += CHUNK) {
    const float *y;
    size_t count = n - i < CHUNK ? n - i : CHUNK;
    if (pl_exec_forward(exec, (const float *)pl_tensor_data(x) + i * in, count, mode, &y, &err))
      return bind_raise(L, &err);
    memcpy(result + i * out, y, count * out * sizeof(float));
  }
  pl_outputs outputs = pl_exec_outputs(exec);
  return return_outputs(L, &outputs);
}

/* dy of a model of several outputs, a list; pushes it flat. */
static const pl_tensor *push_gradients(lua_State *L, size_t *n, pl_shape *sample) {
  pl_outputs found, expected = { 0 };
  const pl_tensor *dy = bind_join_outputs(L, 2, &found, "gradient");
  const pl_exec *exec = bind_family_of(bind_check_layer(L, 1))->hand;
  if (exec != NULL) expected = pl_exec_outputs(exec);
  if (exec != NULL && !bind_same_outputs(&found, &expected))
    luaL_error(L, "backward takes the gradients of the %d outputs, each of the shape of its output", expected.count);
  *n = (size_t)pl_tensor_shape(dy)->size[0];
  *sample = found.count == 1 ? found.shape[0] : (pl_shape){ 1, { pl_tensor_shape(dy)->size[1] } };
  return dy;
}

/* model:backward(dy [, want_dx]) -> dx or nothing: adds to the gradients of the parameters; dy: a list of those of
   several outputs */
static int model_backward(lua_State *L) {
  const pl_model *model = bind_check_model(L, 1);
  bool needs_grad = lua_toboolean(L, 3);
  size_t n;
  pl_shape sample;
  const pl_tensor *dy = lua_istable(L, 2) ? push_gradients(L, &n, &sample) : push_input(L, 2, &n, &sample);
  pl_tensor **slot = bind_new_tensor(L);
  pl_exec *exec = bind_family_with(L, 1, model)->hand;
  if (exec == NULL || pl_exec_pending(exec) == 0) return luaL_error(L, "backward follows a forward (a training pass)");
  const pl_shape *out = pl_exec_output(exec);
  if (!pl_shape_equal(&sample, out) || n != pl_exec_pending(exec)) {
    char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
    return luaL_error(L, "backward takes the gradient of the output, %d samples of %s, got %d of %s",
                      (int)pl_exec_pending(exec),
                      pl_shape_text(a, out, false), (int)n, pl_shape_text(b, &sample, false));
  }
  pl_error err;
  float *dx = needs_grad ? fill_slot(L, slot, pl_exec_input(exec), n) : NULL;
  bind_use_state(L);
  if (pl_exec_backward(exec, pl_tensor_data(dy), dx, &err)) return bind_raise(L, &err);
  return needs_grad ? 1 : 0;
}

static int model_zero_grad(lua_State *L) {
  pl_model_zero_grads(bind_check_model(L, 1));
  return 0;
}

/* model:initialize(seed): every parameter from its initializer */
static int model_initialize(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  lua_Integer seed = luaL_checkinteger(L, 2);
  bind_initialize(L, model, (uint64_t)seed, true);
  pl_model_set_random(model, (uint64_t)seed, 0);
  bind_note_origin(L, 1, NULL);
  return 0;
}

/* model:random([seed, step]) -> step: what dropout masks are a function of */
static int model_random(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  if (!lua_isnoneornil(L, 2))
    pl_model_set_random(model, (uint64_t)luaL_checkinteger(L, 2), (uint64_t)luaL_optinteger(L, 3, 0));
  lua_pushinteger(L, (lua_Integer)pl_model_step(model));
  return 1;
}

static void push_shape(lua_State *L, const pl_shape *shape) {
  lua_createtable(L, shape->axes, 0);
  for (int i = 0; i < shape->axes; i++) {
    lua_pushinteger(L, shape->size[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static lua_Integer trained_numbers(const pl_layer *layer) {
  int64_t count = 0;
  for (int i = 0; i < pl_layer_params(layer); i++) {
    if (pl_layer_param_trained(layer, i)) count += pl_shape_count(pl_layer_param_shape(layer, i));
  }
  return count;
}

/* model:rows([shape]) -> one table an operation, in order: path, label, type, name, output, parameters, work, memory.
   The ends of a Residual are rows of type "Residual" with part = "fork" or "join". */
int bind_model_rows(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  if (!lua_isnoneornil(L, 2)) {
    pl_shape sample = bind_check_shape(L, 2);
    bind_build(L, model, &sample);
  }
  if (!pl_model_is_built(model))
    return luaL_error(L, "the model has not seen the shape of its input; call model:build{...} first");
  lua_newtable(L);
  for (int i = 0; i < pl_model_rows(model); i++) {
    pl_model_row row = pl_model_row_at(model, i);
    char text[PL_PATH_TEXT];
    lua_createtable(L, 0, 8);
    lua_pushstring(L, pl_layer_path(text, row.layer));
    lua_setfield(L, -2, "path");
    lua_pushstring(L, pl_layer_label(text, row.layer));
    lua_setfield(L, -2, "label");
    lua_pushstring(L, pl_layer_type(row.layer));
    lua_setfield(L, -2, "type");
    lua_pushstring(L, pl_layer_name(row.layer));
    lua_setfield(L, -2, "name");
    push_shape(L, &row.output);
    lua_setfield(L, -2, "output");
    lua_pushinteger(L, row.kind != PL_MODEL_BEGIN && !row.again ? trained_numbers(row.layer) : 0);
    lua_setfield(L, -2, "parameters");
    if (row.again) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, "shared");
    }
    lua_pushnumber(L, row.work);
    lua_setfield(L, -2, "work");
    lua_pushinteger(L, (lua_Integer)row.memory);
    lua_setfield(L, -2, "memory");
    if (row.kind != PL_MODEL_LAYER) {
      lua_pushstring(L, row.kind == PL_MODEL_BEGIN ? "fork" : "join");
      lua_setfield(L, -2, "part");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* model:activations(x) -> one table an operation, as rows, with its output tensor in the field `output` */
static int model_activations(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  size_t n;
  pl_shape sample;
  const pl_tensor *x = push_input(L, 2, &n, &sample);
  const float *y;
  pl_error err;
  bind_build(L, model, &sample);
  lua_pushcfunction(L, bind_model_rows);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  int rows = pl_model_rows(model);
  pl_tensor ***slots = lua_newuserdatauv(L, ((size_t)rows + 1) * sizeof *slots, 0);
  for (int i = 0; i < rows; i++) {
    lua_rawgeti(L, -2, i + 1);
    slots[i] = bind_new_tensor(L);
    lua_setfield(L, -2, "output");
    lua_pop(L, 1);
  }
  pl_exec *exec = ready(L, model, &sample, false);
  if (pl_model_rows(model) != rows) return luaL_error(L, "the model was built anew while it was looked into");
  if (pl_exec_forward(exec, pl_tensor_data(x), n, PL_CAPTURE, &y, &err)) return bind_raise(L, &err);
  for (int i = 0; i < rows; i++) {
    pl_model_row row = pl_model_row_at(model, i);
    float *out = fill_slot(L, slots[i], &row.output, n);
    memcpy(out, pl_exec_activation(exec, i), (size_t)pl_tensor_count(*slots[i]) * sizeof *out);
  }
  lua_pop(L, 1);
  return 1;
}

/* model:sizes() -> trained values, shape of the input or nil, shape of the (first) output or nil, has Lua functions,
   shapes of the outputs */
static int model_sizes(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  lua_pushinteger(L, (lua_Integer)pl_model_parameters(model));
  pl_outputs outputs = { 0 };
  if (pl_model_is_built(model)) {
    outputs = pl_model_outputs(model);
    push_shape(L, pl_model_input(model));
    push_shape(L, &outputs.shape[0]);
  } else {
    lua_pushnil(L);
    lua_pushnil(L);
  }
  lua_pushboolean(L, pl_model_has_host(model));
  lua_createtable(L, outputs.count, 0);
  for (int i = 0; i < outputs.count; i++) {
    push_shape(L, &outputs.shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 5;
}

/* model:arena(batch, "train" | "infer") -> bytes that the activations and workspaces of a batch take */
static int model_arena(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  lua_Integer batch = luaL_checkinteger(L, 2);
  luaL_argcheck(L, batch > 0 && batch <= 1 << 20, 2, "batch must be from 1 to 1048576");
  lua_pushinteger(L, (lua_Integer)pl_exec_arena(model, (size_t)batch, (pl_mode)luaL_checkoption(L, 3, "train", modes)));
  return 1;
}

static void push_states(lua_State *L, pl_model *model, const pl_layer *layer) {
  luaL_checkstack(L, 8, NULL);
  char text[PL_PATH_TEXT];
  for (int i = 0; i < pl_layer_params(layer); i++) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, pl_layer_path(text, layer));
    lua_setfield(L, -2, "layer");
    lua_pushstring(L, pl_layer_type(layer));
    lua_setfield(L, -2, "type");
    lua_pushstring(L, pl_layer_param_name(layer, i));
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, pl_layer_param_trained(layer, i));
    lua_setfield(L, -2, "trained");
    bind_push_param(L, model, layer, i, false);
    lua_setfield(L, -2, "tensor");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  for (int i = 0; i < layer->children; i++) if (pl_layer_owns(layer, i)) push_states(L, model, layer->child[i]);
}

/* model:state() -> every parameter and statistic in file order: { layer =, type =, name =, trained =, tensor = } */
static int model_state(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  if (!pl_model_has_params(model))
    return luaL_error(L, "the shapes of some parameters depend on the input's; call model:build{...} first");
  lua_newtable(L);
  push_states(L, model, pl_model_root(model));
  return 1;
}

int bind_open_model(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "build", model_build }, { "forward", model_forward }, { "infer", model_infer }, { "backward", model_backward },
    { "zero_grad", model_zero_grad }, { "initialize", model_initialize }, { "random", model_random },
    { "rows", bind_model_rows }, { "activations", model_activations }, { "profile", bind_model_profile },
    { "graph", bind_model_graph },
    { "sizes", model_sizes }, { "arena", model_arena }, { "state", model_state }, { NULL, NULL },
  };
  luaL_setfuncs(L, methods, 0);
  return bind_open_graph(L);
}
