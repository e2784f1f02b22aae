/* core.trainer: batches of a data set, trained on in C; core.evaluate: one pass over a data set. */
#include <math.h>
#include <string.h>
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"
#include "bind/bind_optim.h"
#include "graph/model.h"
#include "perilune/train.h"

#define BIND_TRAINER "perilune.trainer"

/* User values 1 to 4: model, loss, optimizer and data set. */
typedef struct {
  pl_trainer *trainer;
  const pl_dataset *data;
  uint64_t epoch;
  size_t index;
  bool at_work;   /* a batch is trained on, which functions of the script and finalizers must not load another over */
} bind_trainer;

/* What the trainer borrows must not have been freed: in a finalizer at the program's end it may have been. */
static bind_trainer *check_trainer(lua_State *L) {
  bind_trainer *u = luaL_checkudata(L, 1, BIND_TRAINER);
  luaL_argcheck(L, u->trainer != NULL, 1, "the trainer was not made completely");
  for (int i = 1; i <= 3; i++) lua_getiuservalue(L, 1, i);
  bind_check_model(L, -3);
  if (!lua_isfunction(L, -2)) bind_check_loss(L, -2);
  bind_check_optimizer(L, -1);
  lua_pop(L, 3);
  return u;
}

/* The same, unless it is in the middle of a batch. */
static bind_trainer *check_idle(lua_State *L) {
  bind_trainer *u = check_trainer(L);
  if (u->at_work) luaL_error(L, "the trainer is at work: what it calls may neither run it nor ask it for a batch");
  return u;
}

static int trainer_gc(lua_State *L) {
  bind_trainer *u = luaL_checkudata(L, 1, BIND_TRAINER);
  pl_trainer_free(u->trainer);
  u->trainer = NULL;
  return 0;
}

static lua_Integer integer_field(lua_State *L, const char *name, lua_Integer otherwise) {
  lua_Integer value = otherwise;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    int whole;
    value = lua_tointegerx(L, -1, &whole);
    if (!whole) luaL_error(L, "%s takes a whole number, got %s", name, luaL_tolstring(L, -1, NULL));
  }
  lua_pop(L, 1);
  return value;
}

static bool boolean_field(lua_State *L, const char *name, bool otherwise) {
  bool value = lua_getfield(L, 1, name) == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The step of an optimizer that is the script's. */
static pl_status call_step(void *context, pl_host_step_call *call, pl_error *err) {
  lua_State *L = bind_state();
  (void)context;
  if (!lua_checkstack(L, 2)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_getiuservalue(L, 1, 3);
  pl_status status = bind_optim_call_step(L, lua_gettop(L), call, err);
  lua_pop(L, 1);
  return status;
}

/* new{ model =, loss =, optimizer =, data =, batch_size =, seed =, augment = { .. }, drop_last =, shuffle =, skip = }
   loss may be a function (see bind_trainer_loss.c); outputs = "logits", ... says what the outputs mean where it does
   not */
static int trainer_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  pl_trainer_options o = { .shuffle = boolean_field(L, "shuffle", true),
                           .drop_last = boolean_field(L, "drop_last", false),
                           .skip_nonfinite = boolean_field(L, "skip", false) };
  lua_Integer batch_size = integer_field(L, "batch_size", 32);
  luaL_argcheck(L, batch_size >= 1 && batch_size <= 1 << 24, 1, "batch_size must be from 1 to 16777216");
  o.batch_size = (size_t)batch_size;
  o.seed = (uint64_t)integer_field(L, "seed", 1);
  enum { MODEL = 2, LOSS, OPTIMIZER, DATA, AUGMENT, TRAINER };
  static const char *const names[] = { "model", "loss", "optimizer", "data", "augment" };
  for (int i = MODEL; i <= AUGMENT; i++) lua_getfield(L, 1, names[i - MODEL]);
  bind_check_dataset(L, DATA);
  bind_trainer *u = lua_newuserdatauv(L, sizeof *u, 4);
  *u = (bind_trainer){ 0 };
  luaL_setmetatable(L, BIND_TRAINER);
  for (int i = MODEL; i <= DATA; i++) {
    lua_pushvalue(L, i);
    lua_setiuservalue(L, -2, i - MODEL + 1);
  }
  o.model = bind_check_model(L, MODEL);
  o.augments = lua_istable(L, AUGMENT) ? (size_t)lua_rawlen(L, AUGMENT) : 0;
  luaL_argcheck(L, o.augments < 256, 1, "at most 255 augmentations");
  luaL_checkstack(L, (int)o.augments + 4, NULL);
  const pl_augment **list = lua_newuserdatauv(L, (o.augments + 1) * sizeof *list, 0);
  /* they stay on the stack: the model's shape is asked of functions of the script */
  for (size_t i = 0; i < o.augments; i++) {
    lua_rawgeti(L, AUGMENT, (lua_Integer)i + 1);
    list[i] = bind_check_augment(L, -1);
  }
  o.augment = list;
  pl_error err;
  bind_use_state(L);
  if (lua_isfunction(L, LOSS)) {
    o.host_loss = bind_call_loss;
  } else {
    o.loss = bind_check_loss(L, LOSS);
  }
  if (o.loss == NULL || !pl_loss_knows_outputs(o.loss)) {
    lua_getfield(L, 1, "outputs");
    o.outputs = bind_check_outputs(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  o.optimizer = bind_check_optimizer(L, OPTIMIZER);
  o.host_step = call_step;
  o.data = u->data = bind_check_dataset(L, DATA);
  u->trainer = pl_trainer_new(&o, &err);
  if (u->trainer == NULL) return bind_raise(L, &err);
  lua_settop(L, TRAINER);
  return 1;
}

static int trainer_batches(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)pl_trainer_batches(check_trainer(L)->trainer));
  return 1;
}

/* Pushes { nonfinite =, skipped =, batch =, what =, at = }, or nil when all went well. */
static void push_trouble(lua_State *L, const pl_train_result *r) {
  if (!r->nonfinite && r->skipped == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 5);
  lua_pushboolean(L, r->nonfinite);
  lua_setfield(L, -2, "nonfinite");
  lua_pushinteger(L, (lua_Integer)r->skipped);
  lua_setfield(L, -2, "skipped");
  lua_pushinteger(L, (lua_Integer)r->nonfinite_batch + 1);
  lua_setfield(L, -2, "batch");
  lua_pushstring(L, r->found.what);
  lua_setfield(L, -2, "what");
  lua_pushstring(L, r->found.at);
  lua_setfield(L, -2, "at");
}

/* loss_sum, correct, samples, batches done, trouble, sums of absolute and of squared errors */
static int push_result(lua_State *L, const pl_train_result *r) {
  lua_pushnumber(L, r->loss);
  lua_pushinteger(L, (lua_Integer)r->correct);
  lua_pushinteger(L, (lua_Integer)r->samples);
  lua_pushinteger(L, (lua_Integer)r->batches);
  push_trouble(L, r);
  lua_pushnumber(L, r->errors.absolute);
  lua_pushnumber(L, r->errors.squared);
  return 7;
}

/* loss_sum, absolute and squared at `index`, each 0 when it is not there */
static pl_train_result sums_at(lua_State *L, int index) {
  return (pl_train_result){ .loss = luaL_optnumber(L, index, 0),
                            .errors = { luaL_optnumber(L, index + 1, 0), luaL_optnumber(L, index + 2, 0) } };
}

static size_t count_at(lua_State *L, int index, const char *what) {
  lua_Integer n = luaL_checkinteger(L, index);
  luaL_argcheck(L, n >= 1, index, what);
  return (size_t)n;
}

/* A backward pass by hand is not to follow a forward pass of before. */
static void note_training(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  pl_model_note_write(bind_check_model(L, -1));
  lua_pop(L, 1);
}

/* trainer:run(epoch, first, count [, loss_sum [, absolute, squared]]): trains on batches first .. first+count-1, all
   from 1; the sums go on from those given, so that they do not depend on where an epoch was cut */
static int trainer_run(lua_State *L) {
  bind_trainer *u = check_idle(L);
  size_t epoch = count_at(L, 2, "epochs count from 1"), first = count_at(L, 3, "batches count from 1"),
    count = count_at(L, 4, "at least 1 batch");
  pl_train_result result = sums_at(L, 5);
  note_training(L);
  pl_error err;
  bind_use_state(L);
  u->at_work = true;
  pl_status status = pl_trainer_run(u->trainer, epoch, first - 1, count, &result, &err);
  u->at_work = false;
  return status ? bind_raise_from_script(L, &err) : push_result(L, &result);
}

/* trainer:batch(epoch, i) -> x, y: batch i, augmented; y holds labels (i32 [n]) or targets */
static int trainer_batch(lua_State *L) {
  bind_trainer *u = check_idle(L);
  size_t epoch = count_at(L, 2, "epochs count from 1"), index = count_at(L, 3, "batches count from 1"), n;
  float *x;
  pl_target target;
  pl_error err;
  /* before the batch is there: in a finalizer that runs here, another may be loaded */
  pl_tensor **samples = bind_new_tensor(L), **targets = bind_new_tensor(L);
  if (pl_trainer_load(u->trainer, epoch, index - 1, &n, &x, &target, &err)) return bind_raise(L, &err);
  u->epoch = epoch;
  u->index = index - 1;
  pl_shape sample = pl_dataset_shape(u->data);
  bind_fill_batch(L, samples, PL_F32, &sample, n, x);
  sample = target.labels == NULL ? pl_dataset_target_shape(u->data) : (pl_shape){ 0 };
  if (target.labels == NULL) bind_fill_batch(L, targets, PL_F32, &sample, n, target.values);
  else bind_fill_batch(L, targets, PL_I32, &sample, n, target.labels);
  return 2;
}

static const pl_tensor *contiguous(lua_State *L, int index, pl_dtype type, const char *what) {
  const pl_tensor *t = bind_check_tensor(L, index);
  if (pl_tensor_type(t) != type)
    luaL_error(L, "%s must be %s, got %s", what, pl_dtype_name(type), pl_dtype_name(pl_tensor_type(t)));
  return bind_push_as(L, index, type);
}

/* trainer:step(x, y [, loss_sum [, absolute, squared]]): trains on a batch that trainer:batch gave, as it is now */
static int trainer_step(lua_State *L) {
  bind_trainer *u = check_idle(L);
  lua_settop(L, 6);
  if (u->epoch == 0) return luaL_error(L, "step follows batch(epoch, i)");
  const pl_tensor *x = contiguous(L, 2, PL_F32, "a batch"), *y;
  bool labels = !pl_dataset_has_targets(u->data);
  y = contiguous(L, 3, labels ? PL_I32 : PL_F32, labels ? "labels" : "targets");
  pl_shape sample = pl_dataset_shape(u->data), target = labels ? (pl_shape){ 0 } : pl_dataset_target_shape(u->data);
  int64_t n = pl_tensor_shape(x)->axes ? pl_tensor_shape(x)->size[0] : 0;
  pl_shape batch = bind_batch_shape(&sample, (size_t)n), target_batch = bind_batch_shape(&target, (size_t)n);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT], c[PL_SHAPE_TEXT], d[PL_SHAPE_TEXT];
  if (n < 1 || !pl_shape_equal(pl_tensor_shape(x), &batch) || !pl_shape_equal(pl_tensor_shape(y), &target_batch))
    return luaL_error(L, "a batch has samples %s and %s %s, got %s and %s", pl_shape_text(a, &sample, true),
                      labels ? "labels" : "targets", pl_shape_text(b, &target, true),
                      pl_shape_text(c, pl_tensor_shape(x), false), pl_shape_text(d, pl_tensor_shape(y), false));
  pl_train_result result = sums_at(L, 4);
  note_training(L);
  pl_error err;
  pl_target targets = labels ? (pl_target){ .labels = pl_tensor_data(y) } : (pl_target){ .values = pl_tensor_data(y) };
  bind_use_state(L);
  u->at_work = true;
  pl_status status = pl_trainer_step(u->trainer, u->epoch, u->index, pl_tensor_data(x), targets, (size_t)n, &result,
                                     &err);
  u->at_work = false;
  return status ? bind_raise_from_script(L, &err) : push_result(L, &result);
}

/* Pushes confusion[i][j], and how many of each label were given none of the classes (nil when none were). */
static void push_confusion(lua_State *L, const int64_t *confusion, lua_Integer classes) {
  int64_t outside = 0;
  lua_createtable(L, (int)classes, 0);
  for (lua_Integer i = 0; i < classes; i++) {
    lua_createtable(L, (int)classes, 0);
    for (lua_Integer j = 0; j < classes; j++) {
      lua_pushinteger(L, confusion[i * (classes + 1) + j]);
      lua_rawseti(L, -2, j + 1);
    }
    lua_rawseti(L, -2, i + 1);
    outside += confusion[i * (classes + 1) + classes];
  }
  if (outside == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, (int)classes, 0);
  for (lua_Integer i = 0; i < classes; i++) {
    lua_pushinteger(L, confusion[i * (classes + 1) + classes]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* Pushes new tensors [count] for what is kept of each sample: labels (i32), probabilities (f32). */
static void new_predictions(lua_State *L, pl_predictions *p, const pl_dataset *data) {
  pl_error err;
  pl_shape shape = { 1, { (int64_t)pl_dataset_count(data) } };
  pl_tensor **label = bind_new_tensor(L), **probability = bind_new_tensor(L);
  if ((*label = pl_tensor_new(PL_I32, &shape, &err)) == NULL ||
      (*probability = pl_tensor_new(PL_F32, &shape, &err)) == NULL)
    bind_raise(L, &err);
  p->label = pl_tensor_data(*label);
  p->probability = pl_tensor_data(*probability);
}

/* evaluate(model, data, loss or nil, outputs, "infer" | "dropout", with confusion, with predictions) -> { loss =
   (without one: nil), count =, and correct =, confusion =, outside =, predictions =, probabilities =, or mae =, rmse =,
   r2 = } */
static int evaluate(lua_State *L) {
  static const char *const modes[] = { "infer", "dropout", NULL };
  bind_check_layer(L, 1);
  const pl_dataset *data = bind_check_dataset(L, 2);
  pl_model *model = bind_check_model(L, 1);
  pl_loss *loss = lua_isnoneornil(L, 3) ? NULL : bind_check_loss(L, 3);
  pl_output_kind outputs = bind_check_outputs(L, 4);
  pl_mode mode = luaL_checkoption(L, 5, "infer", modes) ? PL_INFER_DROPOUT : PL_INFER;
  lua_Integer classes = pl_dataset_classes(data);
  int64_t *confusion = NULL;
  if (lua_toboolean(L, 6) && classes > 0) {
    luaL_argcheck(L, classes <= 1 << 14, 2, "too many classes for a table of confusions; evaluate with "
                  "confusion = false");
    size_t bytes = (size_t)(classes * (classes + 1)) * sizeof *confusion;
    confusion = memset(lua_newuserdatauv(L, bytes, 0), 0, bytes);
  }
  pl_evaluation r;
  pl_error err;
  pl_predictions predictions = { 0 }, *filled = lua_toboolean(L, 7) && classes > 0 ? &predictions : NULL;
  int kept = lua_gettop(L) + 1;
  if (filled != NULL) new_predictions(L, filled, data);
  pl_shape sample = pl_dataset_shape(data);
  if (!pl_model_is_built(model)) bind_build(L, model, &sample);
  pl_exec *exec = bind_infer_exec(L, 1, model);   /* last: a finalizer may use it, where Lua is asked for memory */
  bind_use_state(L);
  if (pl_evaluate(exec, loss, outputs, data, mode, &r, confusion, filled, &err)) return bind_raise_from_script(L, &err);
  lua_createtable(L, 0, 8);
  if (loss != NULL) set_number(L, "loss", r.loss);
  lua_pushinteger(L, (lua_Integer)r.count);
  lua_setfield(L, -2, "count");
  if (r.of_values) {
    set_number(L, "mae", r.mae);
    set_number(L, "rmse", r.rmse);
    if (!isnan(r.r2)) set_number(L, "r2", r.r2);
    return 1;
  }
  lua_pushinteger(L, (lua_Integer)r.correct);
  lua_setfield(L, -2, "correct");
  if (filled != NULL) {
    lua_pushvalue(L, kept);
    lua_setfield(L, -2, "predictions");
    lua_pushvalue(L, kept + 1);
    lua_setfield(L, -2, "probabilities");
  }
  if (confusion == NULL) return 1;
  push_confusion(L, confusion, classes);
  lua_setfield(L, -3, "outside");
  lua_setfield(L, -2, "confusion");
  return 1;
}

/* r2(squared, spread, samples) -> number, or nil */
static int r2(lua_State *L) {
  double value = pl_r2(luaL_checknumber(L, 1), luaL_checknumber(L, 2), (size_t)luaL_checkinteger(L, 3));
  if (isnan(value)) lua_pushnil(L);
  else lua_pushnumber(L, value);
  return 1;
}

/* check_batches(model, samples, batch_size, drop_last): raises where there is nothing to train on, or a batch is too
   small */
static int check_batches(lua_State *L) {
  pl_error err;
  lua_Integer samples = luaL_checkinteger(L, 2), size = luaL_checkinteger(L, 3);
  if (pl_check_batches(bind_check_model(L, 1), (size_t)samples, (size_t)size, lua_toboolean(L, 4), &err))
    return bind_raise(L, &err);
  return 0;
}

int bind_open_trainer(lua_State *L);

int bind_open_trainer(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "__gc", trainer_gc }, { "batches", trainer_batches }, { "run", trainer_run }, { "batch", trainer_batch },
    { "step", trainer_step },
    { NULL, NULL },
  };
  bind_new_class(L, BIND_TRAINER, methods);
  lua_pop(L, 1);
  luaL_newlib(L, ((luaL_Reg[]){ { "new", trainer_new }, { "evaluate", evaluate }, { "r2", r2 },
                                { "check_batches", check_batches }, { NULL, NULL } }));
  return 1;
}
