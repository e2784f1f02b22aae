/* The data set of the core, as userdata "core.dataset": what a split (lua/perilune/data/split.lua) has read. Positions
   count from 1 in Lua. */
#include <string.h>
#include "bind/bind_data.h"

BIND_CLOSABLE(dataset, BIND_DATASET, pl_dataset)

pl_dataset **bind_new_dataset(lua_State *L) { return dataset_slot(L); }

static pl_dataset *self(lua_State *L) {
  pl_dataset **slot = luaL_checkudata(L, 1, BIND_DATASET);
  luaL_argcheck(L, *slot != NULL, 1, "this data set was closed");
  return *slot;
}

pl_dataset *bind_check_dataset(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 4, NULL);
  if (lua_istable(L, index)) {
    if (lua_getfield(L, index, "read") == LUA_TFUNCTION) {
      lua_pushvalue(L, index);
      lua_call(L, 1, 1);
      if (luaL_testudata(L, -1, BIND_DATASET) != NULL) lua_copy(L, -1, index);
    }
    lua_pop(L, 1);
  }
  pl_dataset **slot = luaL_testudata(L, index, BIND_DATASET);
  if (slot == NULL) luaL_typeerror(L, index, "a split of a data set, such as set.train");
  else if (*slot == NULL) luaL_argerror(L, index, "this data set was closed");
  return *slot;
}

/* ds:share() -> another handle of the same data set */
static int dataset_share(lua_State *L) {
  pl_dataset **out = bind_new_dataset(L);
  *out = pl_dataset_retain(self(L));
  return 1;
}

void bind_push_array_info(lua_State *L, const pl_array_info *info) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, pl_dtype_name(info->type));
  lua_setfield(L, -2, "type");
  bind_push_shape(L, &info->shape);
  lua_setfield(L, -2, "shape");
  lua_pushboolean(L, info->integers);
  lua_setfield(L, -2, "integers");
}

/* ds:info() -> { count=, shape=, classes=, target=, pixels=, name=, sha256= } */
static int dataset_info(lua_State *L) {
  const pl_dataset *ds = self(L);
  pl_shape shape = pl_dataset_shape(ds);
  lua_newtable(L);
  lua_pushinteger(L, (lua_Integer)pl_dataset_count(ds));
  lua_setfield(L, -2, "count");
  bind_push_shape(L, &shape);
  lua_setfield(L, -2, "shape");
  lua_pushinteger(L, pl_dataset_classes(ds));
  lua_setfield(L, -2, "classes");
  if (pl_dataset_has_targets(ds)) {
    shape = pl_dataset_target_shape(ds);
    bind_push_shape(L, &shape);
    lua_setfield(L, -2, "target");
  }
  lua_pushboolean(L, pl_dataset_has_pixels(ds));
  lua_setfield(L, -2, "pixels");
  lua_pushstring(L, pl_dataset_name(ds));
  lua_setfield(L, -2, "name");
  lua_pushstring(L, pl_dataset_sha256(ds));
  lua_setfield(L, -2, "sha256");
  return 1;
}

/* ds:describe(name, sha256 or nil, label names or nil) */
static int dataset_describe(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  pl_dataset_set_name(ds, luaL_checkstring(L, 2));
  if (!lua_isnoneornil(L, 3)) pl_dataset_set_sha256(ds, luaL_checkstring(L, 3));
  if (lua_isnoneornil(L, 4)) return 0;
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 4);
  const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *names, 0);
  luaL_checkstack(L, (int)n + 2, "too many label names");
  for (lua_Integer k = 0; k < n; k++) {
    lua_rawgeti(L, 4, k + 1);
    names[k] = luaL_checkstring(L, -1);
  }
  if (pl_dataset_set_label_names(ds, names, n, &err)) return bind_raise(L, &err);
  return 0;
}

static int dataset_digest(lua_State *L) {
  char sha256[PL_SHA256_TEXT];
  pl_dataset_digest(sha256, self(L));
  lua_pushstring(L, sha256);
  return 1;
}

typedef struct gathering {
  const pl_dataset *ds;
  const uint32_t *positions;
  size_t n;
  float *x, *targets;
  int32_t *labels;
} gathering;

static void gather(const pl_team *team, void *arg) {
  const gathering *g = arg;
  pl_dataset_gather(g->ds, team, g->positions, g->n, g->x, g->labels, g->targets);
}

/* Pushes x [n, sample...] and the labels [n] or targets [n, ...] (nil if there are none). */
static int push_batch(lua_State *L, const pl_dataset *ds, const uint32_t *positions, size_t n) {
  pl_error err;
  gathering g = { .ds = ds, .positions = positions, .n = n };
  bool labels = pl_dataset_classes(ds) > 0;
  pl_shape sample = pl_dataset_shape(ds);
  pl_tensor **x = bind_new_tensor(L);
  g.x = bind_fill_batch(L, x, PL_F32, &sample, n, NULL);
  if (labels) {
    g.labels = bind_fill_batch(L, bind_new_tensor(L), PL_I32, &(pl_shape){ 0 }, n, NULL);
  } else if (pl_dataset_has_targets(ds)) {
    sample = pl_dataset_target_shape(ds);
    g.targets = bind_fill_batch(L, bind_new_tensor(L), PL_F32, &sample, n, NULL);
  } else lua_pushnil(L);
  pl_threads_run_on(pl_threads_for((double)pl_tensor_count(*x)), gather, &g);
  if (pl_dataset_status(ds, &err)) return bind_raise(L, &err);
  bind_account(L, (size_t)pl_tensor_count(*x) * sizeof(float));
  return 2;
}

/* Positions from a list of integers at `index`, as a userdata on the stack. */
static uint32_t *check_positions(lua_State *L, int index, const pl_dataset *ds, size_t *n) {
  luaL_checktype(L, index, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, index);
  uint32_t *positions = lua_newuserdatauv(L, (*n + 1) * sizeof *positions, 0);
  for (size_t i = 0; i < *n; i++) {
    int whole;
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    lua_Integer p = lua_tointegerx(L, -1, &whole);
    if (!whole || p < 1 || p > (lua_Integer)pl_dataset_count(ds))
      luaL_error(L, "position %s is out of range: the data set has samples 1 to %I", luaL_tolstring(L, -1, NULL),
                 (lua_Integer)pl_dataset_count(ds));
    positions[i] = (uint32_t)(p - 1);
    lua_pop(L, 1);
  }
  return positions;
}

/* ds:gather{ i, j, ... } -> x, y */
static int dataset_gather(lua_State *L) {
  size_t n;
  pl_dataset *ds = self(L);
  uint32_t *positions = check_positions(L, 2, ds, &n);
  if (n == 0) return luaL_error(L, "no positions given: gather takes a list such as { 1, 2, 3 }");
  return push_batch(L, ds, positions, n);
}

/* ds:labels() -> i32 tensor [N] of all labels, or nil */
static int dataset_labels(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  if (pl_dataset_classes(ds) == 0) return 0;
  pl_tensor **y = bind_new_tensor(L);
  if ((*y = pl_tensor_new(PL_I32, &(pl_shape){ 1, { (int64_t)pl_dataset_count(ds) } }, &err)) == NULL)
    return bind_raise(L, &err);
  int32_t *label = pl_tensor_data(*y);
  for (size_t i = 0; i < pl_dataset_count(ds); i++) label[i] = pl_dataset_label(ds, i);
  return 1;
}

/* ds:extent() -> smallest, largest value */
static int dataset_extent(lua_State *L) {
  pl_error err;
  float low, high;
  if (pl_dataset_extent(&low, &high, self(L), &err)) return bind_raise(L, &err);
  lua_pushnumber(L, low);
  lua_pushnumber(L, high);
  return 2;
}

/* ds:range(from, to) -> x, y of positions from..to, inclusive */
static int dataset_range(lua_State *L) {
  pl_dataset *ds = self(L);
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3), count = (lua_Integer)pl_dataset_count(ds);
  if (from < 1 || to > count || from > to)
    return luaL_error(L, "samples %I to %I are out of range: the data set has 1 to %I", from, to, count);
  size_t n = (size_t)(to - from + 1);
  uint32_t *positions = lua_newuserdatauv(L, n * sizeof *positions, 0);
  for (size_t i = 0; i < n; i++) positions[i] = (uint32_t)(from - 1) + (uint32_t)i;
  return push_batch(L, ds, positions, n);
}

/* The iterator of ds:batches: a closure over the data set, the order, the batch size, batches, the next batch. */
static int next_batch(lua_State *L) {
  pl_dataset *ds = *(pl_dataset **)lua_touserdata(L, lua_upvalueindex(1));
  const uint32_t *order = lua_touserdata(L, lua_upvalueindex(2));
  size_t size = (size_t)lua_tointeger(L, lua_upvalueindex(3)), batches = (size_t)lua_tointeger(L, lua_upvalueindex(4));
  size_t i = (size_t)lua_tointeger(L, lua_upvalueindex(5));
  if (ds == NULL) return luaL_error(L, "this data set was closed");
  if (i >= batches) return 0;
  lua_pushinteger(L, (lua_Integer)i + 1);
  lua_replace(L, lua_upvalueindex(5));
  return push_batch(L, ds, order + i * size, pl_batch_length(pl_dataset_count(ds), size, i));
}

/* ds:batches(size, shuffle, seed, epoch, drop_last) -> iterator of x, y */
static int dataset_batches(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  size_t n = pl_dataset_count(ds);
  lua_Integer size = luaL_checkinteger(L, 2);
  bool shuffle = lua_toboolean(L, 3), drop_last = lua_toboolean(L, 6);
  uint64_t seed = (uint64_t)luaL_optinteger(L, 4, 0), epoch = (uint64_t)luaL_optinteger(L, 5, 0);
  if (size < 1) return luaL_error(L, "a batch holds at least 1 sample, got %I", size);
  lua_pushvalue(L, 1);
  uint32_t *order = lua_newuserdatauv(L, n * sizeof *order, 0);
  if (pl_dataset_order(ds, order, seed, epoch, shuffle, &err)) return bind_raise(L, &err);
  lua_pushinteger(L, size);
  lua_pushinteger(L, (lua_Integer)pl_batch_count(n, (size_t)size, drop_last));
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_batch, 5);
  return 1;
}

/* ds:select{ positions... } */
static int dataset_select(lua_State *L) {
  pl_error err;
  size_t n;
  pl_dataset *ds = self(L);
  uint32_t *positions = check_positions(L, 2, ds, &n);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_select(ds, positions, n, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* ds:first(n): the first n samples */
static int dataset_first(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (n < 1 || n > (lua_Integer)pl_dataset_count(ds))
    return luaL_error(L, "the first %I samples are wanted, the data set has %I", n, (lua_Integer)pl_dataset_count(ds));
  uint32_t *positions = lua_newuserdatauv(L, (size_t)n * sizeof *positions, 0);
  pl_epoch_order(positions, (size_t)n, 0, 0, false);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_select(ds, positions, (size_t)n, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* ds:first_per_class(n) */
static int dataset_first_per_class(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_first_per_class(ds, n > 0 ? (size_t)n : 0, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* ds:split(fraction, stratified, seed or nil) -> kept, held */
static int dataset_split(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  pl_split_options how = { luaL_checknumber(L, 2), lua_toboolean(L, 3), !lua_isnoneornil(L, 4),
                           (uint64_t)luaL_optinteger(L, 4, 0) };
  pl_dataset **kept = bind_new_dataset(L), **held = bind_new_dataset(L);
  if (pl_dataset_split(kept, held, ds, &how, &err)) return bind_raise(L, &err);
  return 2;
}

static pl_tensor *optional_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : bind_check_tensor(L, index);
}

/* ds:statistics("all" | "channel" | "pixel", with std) -> mean, std (tensors) */
static int dataset_statistics(lua_State *L) {
  static const char *const names[] = { "all", "channel", "pixel", NULL };
  pl_error err;
  pl_dataset *ds = self(L);
  pl_per per = (pl_per)luaL_checkoption(L, 2, "all", names);
  bool with_std = lua_toboolean(L, 3);
  pl_tensor **mean = bind_new_tensor(L), **std = with_std ? bind_new_tensor(L) : NULL;
  if (pl_dataset_statistics(mean, std, ds, per, &err)) return bind_raise(L, &err);
  return with_std ? 2 : 1;
}

/* ds:standardize(mean or nil, std or nil) */
static int dataset_standardize(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  pl_tensor *mean = optional_tensor(L, 2), *std = optional_tensor(L, 3);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_standardize(ds, mean, std, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* ds:resize(height, width) */
static int dataset_resize(lua_State *L) {
  pl_error err;
  pl_dataset *ds = self(L);
  lua_Integer height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3);
  pl_dataset **out = bind_new_dataset(L);
  if ((*out = pl_dataset_resize(ds, height, width, &err)) == NULL) return bind_raise(L, &err);
  return 1;
}

/* ds:spread() -> sum of (target - mean of its column)^2; 0 without targets */
static int dataset_spread(lua_State *L) {
  pl_error err;
  double spread = 0;
  pl_dataset *ds = self(L);
  if (pl_dataset_has_targets(ds) && pl_dataset_target_spread(&spread, ds, &err)) return bind_raise(L, &err);
  lua_pushnumber(L, spread);
  return 1;
}

const luaL_Reg bind_dataset_methods[] = {
  { "__gc", dataset_gc }, { "__close", dataset_close },
  { "share", dataset_share }, { "info", dataset_info }, { "describe", dataset_describe }, { "digest", dataset_digest },
  { "spread", dataset_spread },
  { "gather", dataset_gather }, { "range", dataset_range }, { "extent", dataset_extent },
  { "all_labels", dataset_labels }, { "batches", dataset_batches },
  { "select", dataset_select }, { "first", dataset_first }, { "first_per_class", dataset_first_per_class },
  { "split", dataset_split }, { "statistics", dataset_statistics }, { "standardize", dataset_standardize },
  { "resize", dataset_resize },
  { NULL, NULL },
};
