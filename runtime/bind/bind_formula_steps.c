/* A recorded formula as a list, for what prints it. */
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "layers/layer.h"

/* steps(layer) -> { { kind =, name =, inputs =, args =, shape =, bytes =, value =, origin = } }, result; or nil */
int bind_formula_steps(lua_State *L) {
  static const char *const kinds[] = { "input", "param", "constant", "op", "layer" };
  const pl_layer *layer = bind_check_layer(L, 1)->layer;
  const pl_program *p = pl_formula_program(layer);
  if (p == NULL) return 0;
  lua_createtable(L, p->steps, 0);
  /* A finalizer may build the model anew, which records the formula again. */
  for (int i = 0; i < (p = pl_formula_program(layer))->steps; i++) {
    const pl_step s = p->step[i];
    bool number = s.kind == PL_STEP_CONSTANT && pl_shape_count(&s.op.out) == 1;
    double value = number ? (double)s.data[0] : 0;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, kinds[s.kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, s.kind == PL_STEP_OP ? s.op.cls->head.type : s.kind == PL_STEP_PARAM ?
                   layer->param[s.index].name : s.kind == PL_STEP_LAYER ? layer->child[s.index]->type : "");
    lua_setfield(L, -2, "name");
    lua_pushstring(L, s.origin);
    lua_setfield(L, -2, "origin");
    char text[PL_SHAPE_TEXT];
    lua_pushstring(L, pl_operation_shape(text, &s.op.out, s.op.out_fixed));
    lua_setfield(L, -2, "shape");
    lua_pushinteger(L, (lua_Integer)pl_shape_count(&s.op.out) * 4);
    lua_setfield(L, -2, "bytes");
    if (number) {
      lua_pushnumber(L, value);
      lua_setfield(L, -2, "value");
    }
    lua_createtable(L, s.op.inputs, 0);
    for (int k = 0; k < s.op.inputs; k++) {
      lua_pushinteger(L, s.in[k] + 1);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "inputs");
    bind_push_integers(L, s.op.args.v, s.op.args.n);
    lua_setfield(L, -2, "args");
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushinteger(L, p->result + 1);
  return 2;
}
