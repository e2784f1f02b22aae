/* model:graph(): the dataflow of a built model as a table, for what is exported or drawn of it. */
#include <string.h>
#include "bind/bind_layer.h"
#include "bind/bind_tensor.h"
#include "graph/model.h"

#define HELD "perilune.graph"

static void set_layer(lua_State *L, const pl_layer *layer) {
  bind_push_layer(L, layer);
  lua_setfield(L, -2, "layer");
}

static void push_constant(lua_State *L, const pl_value *v) {
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, &v->shape, &err), &err);
  memcpy(pl_tensor_data(*slot), v->data, (size_t)pl_shape_count(&v->shape) * sizeof(float));
}

static void push_value(lua_State *L, const pl_value *v) {
  static const char *const sources[] = { "op", "input", "param", "constant" };
  lua_createtable(L, 0, 5);
  bind_push_shape(L, &v->shape);
  lua_setfield(L, -2, "shape");
  lua_pushboolean(L, v->fixed);
  lua_setfield(L, -2, "fixed");
  lua_pushstring(L, sources[v->source]);
  lua_setfield(L, -2, "source");
  if (v->source == PL_FROM_PARAM) {
    set_layer(L, v->layer);
    lua_pushstring(L, v->layer->param[v->index].name);
    lua_setfield(L, -2, "name");
  } else if (v->source == PL_FROM_CONSTANT) {
    push_constant(L, v);
    lua_setfield(L, -2, "tensor");
  }
}

static void push_op(lua_State *L, const pl_graph *g, const pl_op *op) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, op->cls->head.type);
  lua_setfield(L, -2, "type");
  lua_pushstring(L, op->info != NULL ? "formula" : op->cls->combine != NULL ? "combine" : "layer");
  lua_setfield(L, -2, "kind");
  set_layer(L, op->layer);
  lua_createtable(L, op->inputs, 0);
  for (int k = 0; k < op->inputs; k++) {
    lua_pushinteger(L, pl_op_input(g, op, k) + 1);
    lua_rawseti(L, -2, k + 1);
  }
  lua_setfield(L, -2, "inputs");
  lua_pushinteger(L, op->out + 1);
  lua_setfield(L, -2, "output");
  if (op->info == NULL) return;
  bind_push_integers(L, op->info->args.v, op->info->args.n);
  lua_setfield(L, -2, "args");
}

/* The order of what is shown: operations [first, op], and the value that comes out (of the beginning of a container:
   goes in). */
static void push_row(lua_State *L, const pl_row *row) {
  lua_createtable(L, 0, 4);
  set_layer(L, row->layer);
  lua_pushinteger(L, row->first + 1);
  lua_setfield(L, -2, "first");
  lua_pushinteger(L, row->op + 1);
  lua_setfield(L, -2, "last");
  lua_pushinteger(L, row->value + 1);
  lua_setfield(L, -2, "value");
}

static int release(lua_State *L) {
  pl_graph **held = lua_touserdata(L, 1);
  pl_graph_release(*held);
  *held = NULL;
  return 0;
}

/* model:graph() -> { values = { { shape =, fixed =, source =, layer =, name =, tensor = } },
   ops = { { type =, kind = "layer" | "combine" | "formula", layer =, inputs = { values }, output =, args = } },
   rows = { { layer =, first =, last = (operations; 0: of a beginning), value = } }, as many as model:rows(),
   output = value }. Value 1 is the input. */
int bind_model_graph(lua_State *L) {
  const pl_model *model = bind_check_model(L, 1);
  if (!pl_model_is_built(model))
    return luaL_error(L, "the model has not seen the shape of its input; call model:build{...} first");
  /* A finalizer that runs meanwhile may build the model anew: this graph stays as long as it is read. */
  pl_graph **held = lua_newuserdatauv(L, sizeof *held, 0), *g;
  *held = NULL;
  luaL_setmetatable(L, HELD);
  *held = g = pl_graph_retain(model->written);
  lua_createtable(L, 0, 4);
  lua_createtable(L, g->values, 0);
  for (int i = 0; i < g->values; i++) {
    push_value(L, &g->value[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "values");
  lua_createtable(L, g->ops, 0);
  for (int i = 0; i < g->ops; i++) {
    push_op(L, g, &g->op[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "ops");
  lua_createtable(L, g->rows, 0);
  for (int i = 0; i < g->rows; i++) {
    push_row(L, &g->row[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "rows");
  lua_pushinteger(L, pl_graph_output(g) + 1);
  lua_setfield(L, -2, "output");
  *held = NULL;
  pl_graph_release(g);
  return 1;
}

int bind_open_graph(lua_State *L) {
  if (luaL_newmetatable(L, HELD)) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  return 0;
}
