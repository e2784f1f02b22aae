/* Losses that are formulas of the script: nn.define_loss (lua/perilune/nn/define_loss.lua). */
#include <cjson/cJSON.h>
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"

/* In the registry: slot of a loss -> its function, which the loss's user value keeps alive. */
#define RECORD "perilune loss functions"

typedef struct { pl_loss **slot; pl_loss_recording *recording; } recording;

static void push_functions(lua_State *L) {
  if (luaL_getsubtable(L, LUA_REGISTRYINDEX, RECORD)) return;
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

/* record(recorder, shapes of the outputs) */
static int protected_record(lua_State *L) {
  const recording *r = lua_touserdata(L, 1);
  push_functions(L);
  if (lua_rawgetp(L, -1, r->slot) != LUA_TFUNCTION) return luaL_error(L, "this loss has no function to record");
  bind_begin_recording(L, r->recording->program);
  int recorder = lua_gettop(L);
  lua_pushvalue(L, recorder - 1);
  lua_pushvalue(L, recorder);
  const pl_outputs *o = r->recording->outputs;
  lua_createtable(L, o->count, 0);
  for (int i = 0; i < o->count; i++) {
    bind_push_shape(L, &o->shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  bind_end_recording(L, recorder, 2);
  return 0;
}

static pl_status call_record(void *context, pl_loss_recording *given, pl_error *err) {
  lua_State *L = bind_state();
  recording r = { context, given };
  if (!lua_checkstack(L, 8)) return pl_error_set(err, PL_ERROR_MEMORY, "Lua's stack is full");
  lua_pushcfunction(L, protected_record);
  lua_pushlightuserdata(L, &r);
  return bind_call_script(L, 1, err);
}

/* loss(config, record) -> a loss */
static int new_formula(lua_State *L) {
  pl_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  push_functions(L);
  pl_loss **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, BIND_LOSS);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, 3, slot);
  cJSON *config = bind_to_json(L, 1);
  *slot = pl_loss_new_formula(config, call_record, slot, &err);
  cJSON_Delete(config);
  return *slot ? 1 : bind_raise(L, &err);
}

/* check_loss_again(loss): raises if its formula is another one now */
static int check_again(lua_State *L) {
  pl_error err;
  bind_use_state(L);
  return pl_loss_check_again(bind_check_loss(L, 1), &err) ? bind_raise_from_script(L, &err) : 0;
}

/* is_loss(x): whether it is a loss, and a formula */
static int is_loss(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, BIND_LOSS) != NULL && pl_loss_is_formula(bind_check_loss(L, 1)));
  return 1;
}

const luaL_Reg bind_loss_formula_functions[] = { { "loss", new_formula }, { "check_loss_again", check_again },
                                                 { "is_loss", is_loss }, { "verify_loss", bind_loss_verify },
                                                 { NULL, NULL } };
