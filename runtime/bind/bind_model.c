/* Running a model from Lua: build, forward, infer, backward, activations. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_layer.h"
#include "bind/bind_outputs.h"
#include "graph/model.h"
#include "layers/layer.h"

/* The tensor at `index` as contiguous f32 [n, sample...]; pushes it. Whole-number tensors are converted. */
static const pl_tensor *push_plain(lua_State *L, int index, size_t *n, pl_shape *sample) {
  const pl_tensor *x = bind_push_as(L, index, PL_F32);
  const pl_shape *shape = pl_tensor_shape(x);
  if (shape->axes < 1 || shape->size[0] < 1) {
    char text[PL_SHAPE_TEXT];
    luaL_error(L, "a model takes a batch [N, ...] of at least one sample, got %s", pl_shape_text(text, shape, false));
  }
  *n = (size_t)shape->size[0];
  *sample = bind_sample_shape(shape);
  return x;
}

/* The same of samples. Bytes are refused: data sets divide them by 255, and a model trained on those would silently be
   given values 255 times as large. */
static const pl_tensor *push_input(lua_State *L, int index, size_t *n, pl_shape *sample) {
  if (pl_tensor_type(bind_check_tensor(L, index)) == PL_U8)
    luaL_error(L, "a model takes f32, got u8: give it x / 255, as data sets have pixels, or x:to \"f32\", the bytes as "
               "they are");
  return push_plain(L, index, n, sample);
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
  const char *writer;
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  lua_getiuservalue(L, 1, 1);   /* backward reads the input again */
  pl_exec *exec = ready(L, model, &sample, true);
  uint64_t version = pl_tensor_version(x, &writer);
  if (pl_exec_forward(exec, pl_tensor_data(x), n, PL_TRAIN, &y, &err)) return bind_raise(L, &err);
  lua_pushvalue(L, input);
  lua_setfield(L, -2, BIND_INPUT);
  bind_family *f = bind_family_of(bind_check_layer(L, 1));
  f->input_version = version;
  f->writes = pl_model_writes(model);
  bind_fill_batch(L, slot, PL_F32, pl_exec_output(exec), n, y);
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
  float *result = bind_fill_batch(L, slot, PL_F32, pl_exec_output(exec), n, NULL);
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
  if (exec != NULL && !pl_outputs_equal(&found, &expected))
    luaL_error(L, "backward takes the gradients of the %d outputs, each of the shape of its output", expected.count);
  *n = (size_t)pl_tensor_shape(dy)->size[0];
  *sample = found.count == 1 ? found.shape[0] : (pl_shape){ 1, { pl_tensor_shape(dy)->size[1] } };
  return dy;
}

/* Backward reads the weights again, and the caller's tensor, unless that had to be converted. */
static void check_unchanged(lua_State *L, const bind_family *f) {
  const char *writer;
  if (pl_model_writes(f->model) != f->writes)
    luaL_error(L, "the weights were changed between forward and backward, which needs those that forward used: call "
               "backward first");
  lua_getiuservalue(L, 1, 1);
  lua_getfield(L, -1, BIND_INPUT);
  if (pl_tensor_version(bind_check_tensor(L, lua_gettop(L)), &writer) != f->input_version)
    luaL_error(L, "the input of forward was changed in place by %s before backward, which needs it: give forward a "
               "copy, x:clone()", writer);
  lua_pop(L, 2);
}

/* model:backward(dy [, want_dx]) -> dx or nothing: adds to the gradients of the parameters; dy: a list of those of
   several outputs */
static int model_backward(lua_State *L) {
  const pl_model *model = bind_check_model(L, 1);
  bool needs_grad = lua_toboolean(L, 3);
  size_t n;
  pl_shape sample;
  const pl_tensor *dy = lua_istable(L, 2) ? push_gradients(L, &n, &sample) : push_plain(L, 2, &n, &sample);
  pl_tensor **slot = bind_new_tensor(L);
  bind_family *f = bind_family_with(L, 1, model);
  pl_exec *exec = f->hand;
  if (exec == NULL || pl_exec_pending(exec) == 0) return luaL_error(L, "backward follows a forward (a training pass)");
  const pl_shape *out = pl_exec_output(exec);
  if (!pl_shape_equal(&sample, out) || n != pl_exec_pending(exec)) {
    char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
    return luaL_error(L, "backward takes the gradient of the output, %d samples of %s, got %d of %s",
                      (int)pl_exec_pending(exec),
                      pl_shape_text(a, out, false), (int)n, pl_shape_text(b, &sample, false));
  }
  pl_error err;
  check_unchanged(L, f);
  float *dx = needs_grad ? bind_fill_batch(L, slot, PL_F32, pl_exec_input(exec), n, NULL) : NULL;
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

/* model:writes() -> how often a script or an optimizer has written to the weights */
static int model_writes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)pl_model_writes(bind_check_model(L, 1)));
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
    bind_fill_batch(L, slots[i], PL_F32, &row.output, n, pl_exec_activation(exec, i));
  }
  lua_pop(L, 1);
  return 1;
}

int bind_open_model(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "build", model_build }, { "forward", model_forward }, { "infer", model_infer }, { "backward", model_backward },
    { "zero_grad", model_zero_grad }, { "initialize", model_initialize }, { "random", model_random },
    { "rows", bind_model_rows }, { "activations", model_activations }, { "profile", bind_model_profile },
    { "graph", bind_model_graph }, { "writes", model_writes },
    { "sizes", bind_model_sizes }, { "arena", bind_model_arena }, { "state", bind_model_state }, { NULL, NULL },
  };
  luaL_setfuncs(L, methods, 0);
  return bind_open_graph(L);
}
