/* What a training pass runs: operations that are one, and those by themselves. For what prints a formula. */
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "graph/model.h"
#include "graph/plan.h"
#include "layers/linear.h"
#include "perilune/settings.h"

#define HELD "perilune.plan"

typedef struct { pl_graph *graph; pl_plan plan; } held_plan;

static int release(lua_State *L) {
  held_plan *held = lua_touserdata(L, 1);
  pl_plan_clear(&held->plan);
  pl_graph_release(held->graph);
  held->graph = NULL;
  return 0;
}

/* "matmul + add" of a product that is computed as Linear; a layer's type. */
static const char *name_of(const pl_op *op) {
  if (op->cls != &pl_op_linear) return op->cls->head.type;
  return op->info->args.v[LINEAR_BIAS] < 0 ? "matmul as Linear" : "matmul + add as Linear";
}

static void push_text(lua_State *L, const pl_graph *g, const pl_node *node) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int k = 0; k < node->ops; k++) {
    if (k > 0) luaL_addstring(&text, ", ");
    luaL_addstring(&text, name_of(&g->op[node->op[k]]));
  }
  luaL_pushresult(&text);
}

static void push_node(lua_State *L, const pl_graph *g, const pl_node *node) {
  const pl_op *last = &g->op[node->op[node->ops - 1]];
  char shape[PL_SHAPE_TEXT], path[PL_PATH_TEXT];
  lua_createtable(L, 0, 6);
  lua_pushstring(L, pl_layer_path(path, last->layer));
  lua_setfield(L, -2, "path");
  lua_pushboolean(L, last->layer->cls == &pl_formula);
  lua_setfield(L, -2, "formula");
  push_text(L, g, node);
  lua_setfield(L, -2, "text");
  lua_pushstring(L, node->chain != NULL ? "strips" : node->pattern != NULL ? "pattern" :
                 last->cls == &pl_op_linear ? "linear" : "alone");
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, node->op[0] + 1);
  lua_setfield(L, -2, "op");
  lua_pushstring(L, pl_operation_shape(shape, &g->value[last->out].shape, g->value[last->out].fixed));
  lua_setfield(L, -2, "shape");
}

/* plan(model) -> { { path =, formula = (is it a formula's?), text = "matmul + add as Linear, relu",
   kind = "strips" | "pattern" | "linear" | "alone", op = (the first operation, as profiles count),
   shape = } }, in order; nil: not built */
int bind_formula_plan(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  pl_error err;
  if (!pl_model_is_built(model)) return 0;
  held_plan *held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = (held_plan){ .graph = NULL };
  if (luaL_newmetatable(L, HELD)) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  held->graph = pl_graph_retain(model->graph);
  pl_plan_request request = { .batch = 1, .members = 1, .mode = PL_TRAIN, .fuse = pl_settings_get().fuse };
  if (pl_plan_make(held->graph, &held->plan, &request, &err)) return bind_raise(L, &err);
  lua_createtable(L, held->plan.nodes, 0);
  for (int n = 0; n < held->plan.nodes; n++) {
    const pl_node *node = &held->plan.node[n];
    push_node(L, held->graph, node);
    lua_rawseti(L, -2, n + 1);
  }
  return 1;
}
