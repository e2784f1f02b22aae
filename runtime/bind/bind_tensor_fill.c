/* Filling in place and random constructors. A call with { seed = n } always gives the same values; a call without
   takes the next stream of the script: number 1, 2, ... of the seed set by pl.seed, so that a run repeats itself. */
#include <math.h>
#include "bind/bind_tensor.h"

enum { STREAM_OF_TENSORS = 0x7E45 };   /* apart from those of math.random */

/* Of each Lua state its own. */
typedef struct script_stream {
  uint64_t seed, calls;
} script_stream;

static script_stream *stream_of(lua_State *L) {
  static const char key;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
    script_stream *fresh = lua_newuserdatauv(L, sizeof *fresh, 0);
    *fresh = (script_stream){ 0 };
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
    lua_replace(L, -2);
  }
  script_stream *stream = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return stream;
}

typedef struct random_options {
  double seed;
} random_options;

static const pl_option random_option_list[] = {
  { .name = "seed", .kind = PL_OPTION_NUMBER, .offset = offsetof(random_options, seed), .low = 0, .high = 0x1p53 },
  { .name = NULL },
};

/* Takes a table of options from the top of the stack, unless it is a list (a shape). */
static pl_rng take_rng(lua_State *L, const char *what) {
  bool options_given = lua_gettop(L) > 0 && lua_istable(L, -1) && lua_rawlen(L, -1) == 0;
  random_options options = { -1 };
  if (options_given) {
    pl_class cls = { what, sizeof options, &(random_options){ -1 }, random_option_list };
    bind_read_options(L, lua_gettop(L), &options, &cls);
    lua_pop(L, 1);
  }
  if (options.seed < 0) {
    script_stream *stream = stream_of(L);
    return pl_rng_make(stream->seed, PL_FOR_SCRIPT, ++stream->calls, STREAM_OF_TENSORS);
  }
  if (options.seed != floor(options.seed))
    luaL_error(L, "%s: the seed must be a whole number, got %f", what, options.seed);
  return pl_rng_make((uint64_t)options.seed, PL_FOR_USER, 0, 0);
}

typedef pl_status (*filler)(pl_tensor *t, pl_rng rng, double a, double b, pl_error *err);

static pl_status integers(pl_tensor *t, pl_rng rng, double a, double b, pl_error *err) {
  return pl_tensor_fill_integers(t, rng, (int64_t)a, (int64_t)b, err);
}

/* A new tensor whose shape is at `index`..top. */
static int make(lua_State *L, int index, pl_dtype type, filler fill, pl_rng rng, double a, double b) {
  pl_shape shape = bind_check_shape(L, index);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(type, &shape, &err);
  if (*slot == NULL || fill(*slot, rng, a, b, &err)) return bind_raise(L, &err);
  bind_account(L, pl_tensor_footprint(*slot));
  return 1;
}

static int make_rand(lua_State *L) {
  pl_rng rng = take_rng(L, "rand");
  return make(L, 1, PL_F32, pl_tensor_fill_uniform, rng, 0, 1);
}

static int make_randn(lua_State *L) {
  pl_rng rng = take_rng(L, "randn");
  return make(L, 1, PL_F32, pl_tensor_fill_normal, rng, 0, 1);
}

/* randint(low, high, shape...): i32, both ends included as in math.random */
static int make_randint(lua_State *L) {
  double low = (double)luaL_checkinteger(L, 1), high = (double)luaL_checkinteger(L, 2);
  if (low < INT32_MIN || high > INT32_MAX)
    return luaL_error(L, "randint: i32 holds -2147483648 to 2147483647, got %f to %f", low, high);
  pl_rng rng = take_rng(L, "randint");
  return make(L, 3, PL_I32, integers, rng, low, high);
}

/* seed([n]) -> seed, number of streams taken. seed(n, taken) sets both. */
static int seed(lua_State *L) {
  script_stream *stream = stream_of(L);
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer value = luaL_checkinteger(L, 1), taken = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, value >= 0 && value <= (lua_Integer)1 << 53, 1, "a seed is a whole number from 0 to 2^53");
    luaL_argcheck(L, taken >= 0, 2, "the number of streams taken is 0 or more");
    stream->seed = (uint64_t)value;
    stream->calls = (uint64_t)taken;
  }
  lua_pushinteger(L, (lua_Integer)stream->seed);
  lua_pushinteger(L, (lua_Integer)stream->calls);
  return 2;
}

static int tensor_uniform(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  pl_rng rng = take_rng(L, "uniform_");
  double low = luaL_optnumber(L, 2, 0), high = luaL_optnumber(L, 3, 1);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_fill_uniform(t, rng, low, high, &err), &err);
}

static int tensor_normal(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  pl_rng rng = take_rng(L, "normal_");
  double mean = luaL_optnumber(L, 2, 0), std = luaL_optnumber(L, 3, 1);
  luaL_argcheck(L, std >= 0, 3, "the std must not be negative");
  pl_error err;
  return bind_tensor_self(L, pl_tensor_fill_normal(t, rng, mean, std, &err), &err);
}

static int tensor_fill(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  double value = luaL_checknumber(L, 2);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_fill(t, value, &err), &err);
}

static int tensor_zero(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_fill(t, 0, &err), &err);
}

static int tensor_copy(lua_State *L) {
  pl_tensor *t = bind_check_tensor(L, 1);
  const pl_tensor *from = bind_check_tensor(L, 2);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_copy(t, from, &err), &err);
}

const luaL_Reg bind_tensor_fill_methods[] = {
  { "uniform_", tensor_uniform }, { "normal_", tensor_normal },
  { "fill_", tensor_fill }, { "zero_", tensor_zero }, { "copy_", tensor_copy },
  { NULL, NULL },
};
const luaL_Reg bind_tensor_fill_functions[] = {
  { "rand", make_rand }, { "randn", make_randn }, { "randint", make_randint }, { "seed", seed },
  { NULL, NULL },
};
