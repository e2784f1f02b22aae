/* Several Lua states in one process, by turns and in threads of the host: what one computes does not depend on the
   others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <lua.h>
#include <lualib.h>
#include <lauxlib.h>
#include <pthread.h>

int luaopen_perilune(lua_State *L);

/* A training with random numbers of the script, dropout, augmentation and a function of the script in the model, then
   its digest. */
static const char script[] =
  "local pl = require 'perilune'; local nn, core = pl.nn, require 'perilune.core'\n"
  "local step, seed = ...\n"
  "pl.seed(seed)\n"
  "local m = nn.Sequential { nn.Conv2d(1, 8, 3, { padding = 'same' }), nn.ReLU(), nn.Lambda { forward = "
  "function(x) step() return x * 1 end,\n"
  "  backward = function(dy) return dy end }, nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8 * 36, 10) }\n"
  "local d = core.data.new(pl.rand(192, 12, 12, 1), pl.randint(0, 9, 192))\n"
  "m:build { 12, 12, 1 }; m:initialize(seed)\n"
  "local opt = pl.optim.Adam { lr = 0.01 }:bind(m)\n"
  "local t = core.trainer.new { model = m, loss = nn.CrossEntropy(), optimizer = opt, data = d, batch_size = 32, "
  "augment = { pl.augment.noise(0.1) } }\n"
  "for epoch = 1, 3 do t:run(epoch, 1, 6); step() end\n"
  "local plain = nn.Sequential { nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 10) }:build { 12, 12, 1 }\n"
  "t = core.trainer.new { model = plain, loss = nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 "
  "}:bind(plain), data = d, batch_size = 64 }\n"
  "for epoch = 1, 20 do t:run(epoch, 1, 3) end\n"
  "return pl.store.sha256(m[1].weight, m[7].weight, plain[2].weight, pl.randn(3), m:infer(pl.ones(2, 12, 12, 1)))\n";

typedef struct { int seed; char digest[80]; } result;

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "perilune", luaopen_perilune, 0);
  lua_settop(L, 0);
  return L;
}

static void run_in(lua_State *L, lua_CFunction step, void *arg, result *r) {
  if (luaL_loadstring(L, script) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  lua_pushlightuserdata(L, arg);
  lua_pushcclosure(L, step, 1);
  lua_pushinteger(L, r->seed);
  strcpy(r->digest, lua_pcall(L, 2, 1, 0) == LUA_OK && strlen(lua_tostring(L, -1)) < sizeof r->digest
         ? lua_tostring(L, -1) : "failed");
  if (strcmp(r->digest, "failed") == 0) print_message("%s\n", lua_tostring(L, -1));
}

static int nothing(lua_State *L) { return lua_gettop(L) * 0; }

static void *run_alone(void *arg) {
  lua_State *L = open_state();
  run_in(L, nothing, NULL, arg);
  lua_close(L);
  return NULL;
}

/* In the middle of the one's passes a new state opens the library, trains, and ends. */
static int run_another(lua_State *L) {
  result *other = lua_touserdata(L, lua_upvalueindex(1));
  if (other->digest[0] == '\0') run_alone(other);
  return 0;
}

static result first = { .seed = 1 }, second = { .seed = 2 };

static void one_inside_another(void **state) {
  (void)state;
  result outer = { .seed = 1 }, inner = { .seed = 2 };
  lua_State *L = open_state();
  run_in(L, run_another, &inner, &outer);
  lua_close(L);
  assert_string_equal(outer.digest, first.digest);
  assert_string_equal(inner.digest, second.digest);
}

static void one_in_each_thread(void **state) {
  (void)state;
  result a = { .seed = 1 }, b = { .seed = 2 };
  pthread_t other;
  assert_int_equal(pthread_create(&other, NULL, run_alone, &b), 0);
  run_alone(&a);
  pthread_join(other, NULL);
  assert_string_equal(a.digest, first.digest);
  assert_string_equal(b.digest, second.digest);
}

static int set_up(void **state) {
  (void)state;
  run_alone(&first);
  run_alone(&second);
  return strcmp(first.digest, second.digest) == 0 || strcmp(first.digest, "failed") == 0;
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(one_inside_another), cmocka_unit_test(one_in_each_thread) };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
