/* What a model consists of: rows of its operations, sizes, the memory of a batch, parameters and statistics. */
#include "bind/bind_layer.h"
#include "layers/layer.h"

static lua_Integer trained_values(const pl_layer *layer) {
  int64_t count = 0;
  for (int i = 0; i < pl_layer_params(layer); i++) {
    if (pl_layer_param_trained(layer, i)) count += pl_shape_count(pl_layer_param_shape(layer, i));
  }
  return count;
}

/* model:rows([shape]) -> one table an operation, in order: path, label, type, name, output, parameters, work, memory.
   The ends of a Residual are rows of type "Residual" with part = "fork" or "join". */
int bind_model_rows(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  if (!lua_isnoneornil(L, 2)) {
    pl_shape sample = bind_check_shape(L, 2);
    bind_build(L, model, &sample);
  }
  if (!pl_model_is_built(model))
    return luaL_error(L, "the model has not seen the shape of its input; call model:build{...} first");
  lua_newtable(L);
  for (int i = 0; i < pl_model_rows(model); i++) {
    pl_model_row row = pl_model_row_at(model, i);
    char text[PL_PATH_TEXT];
    lua_createtable(L, 0, 8);
    lua_pushstring(L, pl_layer_path(text, row.layer));
    lua_setfield(L, -2, "path");
    lua_pushstring(L, pl_layer_label(text, row.layer));
    lua_setfield(L, -2, "label");
    lua_pushstring(L, pl_layer_type(row.layer));
    lua_setfield(L, -2, "type");
    lua_pushstring(L, pl_layer_name(row.layer));
    lua_setfield(L, -2, "name");
    bind_push_shape(L, &row.output);
    lua_setfield(L, -2, "output");
    lua_pushinteger(L, row.kind != PL_MODEL_BEGIN && !row.again ? trained_values(row.layer) : 0);
    lua_setfield(L, -2, "parameters");
    if (row.again) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, "shared");
    }
    lua_pushnumber(L, row.work);
    lua_setfield(L, -2, "work");
    lua_pushinteger(L, (lua_Integer)row.memory);
    lua_setfield(L, -2, "memory");
    if (row.kind != PL_MODEL_LAYER) {
      lua_pushstring(L, row.kind == PL_MODEL_BEGIN ? "fork" : "join");
      lua_setfield(L, -2, "part");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* model:sizes() -> trained values, shape of the input or nil, shape of the (first) output or nil, has Lua functions,
   shapes of the outputs */
int bind_model_sizes(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  lua_pushinteger(L, (lua_Integer)pl_model_parameters(model));
  pl_outputs outputs = { 0 };
  if (pl_model_is_built(model)) {
    outputs = pl_model_outputs(model);
    bind_push_shape(L, pl_model_input(model));
    bind_push_shape(L, &outputs.shape[0]);
  } else {
    lua_pushnil(L);
    lua_pushnil(L);
  }
  lua_pushboolean(L, pl_model_has_host(model));
  lua_createtable(L, outputs.count, 0);
  for (int i = 0; i < outputs.count; i++) {
    bind_push_shape(L, &outputs.shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 5;
}

static const char *const modes[] = { "infer", "dropout", "capture", "train", NULL };

/* model:arena(batch, "train" | "infer") -> bytes that the activations and workspaces of a batch take */
int bind_model_arena(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  lua_Integer batch = luaL_checkinteger(L, 2);
  luaL_argcheck(L, batch > 0 && batch <= 1 << 20, 2, "batch must be from 1 to 1048576");
  lua_pushinteger(L, (lua_Integer)pl_exec_arena(model, (size_t)batch, (pl_mode)luaL_checkoption(L, 3, "train", modes)));
  return 1;
}

static void push_states(lua_State *L, pl_model *model, const pl_layer *layer) {
  luaL_checkstack(L, 8, NULL);
  char text[PL_PATH_TEXT];
  for (int i = 0; i < pl_layer_params(layer); i++) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, pl_layer_path(text, layer));
    lua_setfield(L, -2, "layer");
    lua_pushstring(L, pl_layer_type(layer));
    lua_setfield(L, -2, "type");
    lua_pushstring(L, pl_layer_param_name(layer, i));
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, pl_layer_param_trained(layer, i));
    lua_setfield(L, -2, "trained");
    bind_push_param(L, model, layer, i, false);
    lua_setfield(L, -2, "tensor");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  for (int i = 0; i < layer->children; i++) if (pl_layer_owns(layer, i)) push_states(L, model, layer->child[i]);
}

/* model:state() -> every parameter and statistic in file order: { layer =, type =, name =, trained =, tensor = } */
int bind_model_state(lua_State *L) {
  pl_model *model = bind_check_model(L, 1);
  if (!pl_model_has_params(model))
    return luaL_error(L, "the shapes of some parameters depend on the input's; call model:build{...} first");
  lua_newtable(L);
  push_states(L, model, pl_model_root(model));
  return 1;
}
