/* layer:clone(): copies of layers, with their parameters, statistics and functions. */
#include <string.h>
#include "bind/bind_layer.h"
#include "layers/layer.h"

/* Pushes the functions of a layer's constructor as a new table. */
static void push_functions(lua_State *L, const pl_layer *layer) {
  lua_newtable(L);
  bind_push_layer(L, layer);
  lua_getiuservalue(L, -1, 1);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_isfunction(L, -1)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_settable(L, -7);
  }
  lua_pop(L, 2);
}

/* Pushes a layer as `layer` is, with copies of its children; `copies`, a table from layers to copies, has those so far.
   Initializers that are functions come later (share_initializers): building the copy must not call them. */
static void push_copy(lua_State *L, const pl_layer *layer, int copies) {
  luaL_checkstack(L, layer->children + 20, "model nests too deep");
  if (lua_rawgetp(L, copies, layer) != LUA_TNIL) return;
  lua_pop(L, 1);
  int first = lua_gettop(L) + 1;
  bind_push_json(L, pl_layer_config(layer), NULL);
  if (layer->cls->flags & (PL_HOST | PL_RECORDED)) {
    push_functions(L, layer);
    for (lua_pushnil(L); lua_next(L, -2);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_settable(L, first);
    }
    lua_pop(L, 1);
  }
  for (int i = 0; i < layer->children; i++) push_copy(L, layer->child[i], copies);
  bind_new_layer(L, layer->cls, first, lua_gettop(L));
  lua_replace(L, first);
  lua_settop(L, first);
  pl_layer_set_origin(bind_check_layer(L, first)->layer, layer->origin);
  lua_pushvalue(L, first);
  lua_rawsetp(L, copies, layer);
}

/* The functions and values of `from`, which `to` is a copy of; a layer of several places once. */
static void share_initializers(lua_State *L, const pl_layer *from, const pl_layer *to) {
  luaL_checkstack(L, 8, NULL);
  if (!(from->cls->flags & (PL_HOST | PL_RECORDED))) {
    bind_push_layer(L, to);
    push_functions(L, from);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
  }
  for (int i = 0; i < to->children; i++) if (pl_layer_owns(to, i)) share_initializers(L, from->child[i], to->child[i]);
}

static void copy_values(const pl_layer *from, const pl_layer *to) {
  for (int i = 0; i < to->params; i++) {
    size_t bytes = (size_t)pl_shape_count(&to->param[i].shape) * sizeof(float);
    memcpy(to->param[i].value, from->param[i].value, bytes);
    if (to->param[i].grad != NULL) memcpy(to->param[i].grad, from->param[i].grad, bytes);
  }
  for (int i = 0; i < to->children; i++) if (pl_layer_owns(to, i)) copy_values(from->child[i], to->child[i]);
}

/* layer:clone() -> the same layers, parameters, gradients and statistics in memory of their own; also of a part of a
   model */
int bind_layer_clone(lua_State *L) {
  pl_error err;
  const bind_layer *from = bind_check_layer(L, 1);
  pl_model *whole = bind_model_of(L, 1);
  lua_newtable(L);
  push_copy(L, from->layer, lua_gettop(L));
  bind_layer *u = bind_check_layer(L, -1);
  pl_model *model = bind_family_of(u)->model = pl_model_new(u->layer, &err);
  if (model == NULL) return bind_raise(L, &err);
  bind_use_state(L);
  if (from->layer->parent == NULL && pl_model_is_built(whole) &&
      pl_model_build(model, pl_model_input(whole), &err)) return bind_raise(L, &err);
  bool known = pl_model_has_params(whole);
  if (known != pl_model_has_params(model) || (!known && bind_family_of(from)->origin != NULL))
    return luaL_error(L, "clone: the shapes of some parameters depend on the input's; %s", known ?
                      "clone the whole model" : "call model:build{...} with the shape of one sample first");
  if (known) copy_values(from->layer, u->layer);
  if (known && pl_model_replaces_grads(whole)) pl_model_replace_grads(model);
  share_initializers(L, from->layer, u->layer);
  return 1;
}
