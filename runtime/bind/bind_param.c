/* Parameters as tensors over a model's memory, and their first values, also from functions of the script. */
#include <string.h>
#include "bind/bind_layer.h"
#include "graph/model.h"
#include "layers/layer.h"

void bind_push_param(lua_State *L, pl_model *model, const pl_layer *layer, int i, bool gradient) {
  const pl_param *p = &layer->param[i];
  float *data = gradient ? p->grad : p->value;
  if (data == NULL) {
    lua_pushnil(L);
    return;
  }
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  pl_block_retain(pl_model_block(model));
  *slot = pl_tensor_wrap(PL_F32, &p->shape, data, pl_block_release, pl_model_block(model), &err);
  if (*slot == NULL) {
    pl_block_release(pl_model_block(model));
    bind_raise(L, &err);
  }
  if (!gradient) pl_tensor_on_write(*slot, pl_block_note_write);
}

void bind_set_param(lua_State *L, const pl_layer *layer, int i, int index) {
  const pl_param *p = &layer->param[i];
  const pl_tensor *t = bind_check_tensor(L, index);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  if (pl_tensor_type(t) != PL_F32 || !pl_shape_equal(pl_tensor_shape(t), &p->shape))
    luaL_error(L, "%s.%s takes an f32 tensor of shape %s, got %s %s", pl_layer_type(layer), p->name,
               pl_shape_text(a, &p->shape, false), pl_dtype_name(pl_tensor_type(t)),
               pl_shape_text(b, pl_tensor_shape(t), false));
  bind_copy_floats(L, t, p->value);
}

/* A Lua initializer is called with the shape as a table and returns a tensor of that shape. */
static void custom_init(lua_State *L, const pl_layer *layer) {
  luaL_checkstack(L, 8, NULL);
  for (int i = 0; i < layer->params; i++) {
    if (layer->param[i].init.kind != PL_INIT_CUSTOM || layer->param[i].kept) continue;
    const char *option = strcmp(layer->param[i].name, "bias") == 0 ? "bias_init" : "init";
    if (layer->cls == &pl_formula) option = layer->param[i].name;   /* its own function for each */
    bind_push_layer(L, layer);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, option) == LUA_TFUNCTION) {
      bind_push_shape(L, &layer->param[i].shape);
      lua_call(L, 1, 1);
      if (bind_test_tensor(L, -1) == NULL) {
        char text[PL_SHAPE_TEXT];
        luaL_error(L, "%s: the initializer of '%s' must return a tensor of shape %s, got %s", pl_layer_type(layer),
                   layer->param[i].name, pl_shape_text(text, &layer->param[i].shape, false), luaL_typename(L, -1));
      }
      bind_set_param(L, layer, i, lua_gettop(L));
    }
    lua_pop(L, 3);
  }
  for (int i = 0; i < layer->children; i++) if (pl_layer_owns(layer, i)) custom_init(L, layer->child[i]);
}

void bind_initialize(lua_State *L, pl_model *model, uint64_t seed, bool all) {
  pl_error err;
  if ((all ? pl_model_initialize : pl_model_initialize_new)(model, seed, &err)) bind_raise(L, &err);
  custom_init(L, pl_model_root(model));
  pl_model_note_drawn(model);
}
