/* The time that each operation of a model takes. */
#include <string.h>
#include "bind/bind_layer.h"
#include "graph/model.h"

/* Moves the times of n operations, of which the profile may have more or fewer, to `copy`. */
static void move_times(pl_profile *p, double *copy, int n) {
  if (p->ops > n) p->ops = n;
  size_t ops = (size_t)p->ops;
  p->forward = memcpy(copy, p->forward, ops * sizeof *copy);
  p->backward = memcpy(copy + ops, p->backward, ops * sizeof *copy);
}

/* model:profile(f, ...) calls f(...) -> one table an operation, as rows, with seconds `forward` and `backward`; the
   list's fields data, loss, update, other have the seconds of these, and `operations` those of each operation of the
   graph, as core.formula.plan counts them */
int bind_model_profile(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  pl_error err;
  /* a finalizer, which runs where Lua is asked for memory, may build the model or profile it: before the start, and
     while the times are put into tables */
  int ops = model->graph != NULL ? model->graph->ops : 0;
  double *copy = lua_newuserdatauv(L, (2 * (size_t)ops + 1) * sizeof *copy, 0);
  lua_insert(L, 2);
  if (pl_model_profile_start(model, &err)) return bind_raise(L, &err);
  int failed = lua_pcall(L, lua_gettop(L) - 3, 0, 0);
  pl_profile p = pl_model_profile_stop(model);
  if (failed) return lua_error(L);
  move_times(&p, copy, ops);
  lua_settop(L, 2);
  lua_pushcfunction(L, bind_model_rows);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  for (int i = 0; i < pl_model_rows(model); i++) {
    int op = pl_model_row_at(model, i).op;
    double forward = 0, backward = 0;
    for (int k = model->graph->row[i].first; op >= 0 && k <= op && k < p.ops; k++) {   /* of a formula, all its own */
      if (k < op && model->graph->op[k].layer != model->graph->row[i].layer) continue;
      forward += p.forward[k];
      backward += p.backward[k];
    }
    lua_rawgeti(L, -1, i + 1);
    lua_pushnumber(L, forward);
    lua_setfield(L, -2, "forward");
    lua_pushnumber(L, backward);
    lua_setfield(L, -2, "backward");
    lua_pop(L, 1);
  }
  lua_createtable(L, p.ops, 0);
  for (int k = 0; k < p.ops; k++) {
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, p.forward[k]);
    lua_setfield(L, -2, "forward");
    lua_pushnumber(L, p.backward[k]);
    lua_setfield(L, -2, "backward");
    lua_rawseti(L, -2, k + 1);
  }
  lua_setfield(L, -2, "operations");
  static const char *const names[PL_STAGES] = { "other", "data", "loss", "update" };
  for (int i = 0; i < PL_STAGES; i++) {
    lua_pushnumber(L, p.stage[i]);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}
