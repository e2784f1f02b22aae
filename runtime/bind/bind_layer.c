/* core.nn, and what can be asked of a layer. Constructors are in bind_layer_new.c, running a model in bind_model.c. */
#include <string.h>
#include "bind/bind_layer.h"
#include "graph/model.h"
#include "layers/layer.h"

static const char registry_key;   /* registry table: layer pointer -> userdata, weak */

/* Finalizers meet layers that the collector has already taken from the registry. */
void bind_push_layer(lua_State *L, const pl_layer *layer) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  if (lua_rawgetp(L, -1, layer) == LUA_TNIL)
    luaL_error(L, "the functions of a %s are no longer there: its model was collected", layer->cls->head.type);
  lua_remove(L, -2);
}

bind_layer *bind_test_layer(lua_State *L, int index) { return luaL_testudata(L, index, BIND_LAYER); }

bind_layer *bind_check_layer(lua_State *L, int index) {
  bind_layer *u = luaL_checkudata(L, index, BIND_LAYER);
  luaL_argcheck(L, u->layer != NULL, index, "the layer was freed");
  return u;
}

void bind_register_layer(lua_State *L, const pl_layer *layer) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, layer);
  lua_pop(L, 1);
}

/* The userdata of child i, from 1, of the layer at `index`. */
static void push_child(lua_State *L, int index, int i) {
  lua_getiuservalue(L, index, 3);
  lua_rawgeti(L, -1, i);
  lua_remove(L, -2);
}

/* layer[i], layer.weight, layer.bias_grad, layer.grad, layer.name, layer.type, an option, or a method. */
static int layer_index(lua_State *L) {
  bind_layer *u = bind_check_layer(L, 1);
  if (lua_isinteger(L, 2)) {
    lua_Integer i = lua_tointeger(L, 2), n = u->layer->children;
    if (i < 0) i += n + 1;
    if (i < 1 || i > n) lua_pushnil(L);
    else push_child(L, 1, (int)i);
    return 1;
  }
  const char *key = luaL_checkstring(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  if (strcmp(key, "name") == 0) return lua_pushstring(L, u->layer->name), 1;
  if (strcmp(key, "type") == 0) return lua_pushstring(L, u->layer->type), 1;
  size_t length = strlen(key);
  bool gradient = length > 5 && strcmp(key + length - 5, "_grad") == 0, all = strcmp(key, "grad") == 0;
  if (all) lua_newtable(L);
  for (int i = 0; i < u->layer->params; i++) {
    const char *name = u->layer->param[i].name;
    bool same = strcmp(key, name) == 0 ||
                (gradient && strlen(name) == length - 5 && strncmp(key, name, length - 5) == 0);
    if (!same && !all) continue;
    pl_model *model = bind_model_of(L, 1);
    if (!pl_model_has_params(model))
      return luaL_error(L, "%s.%s: its shape depends on the input's; call model:build{...} with the shape of one "
                        "sample first", u->layer->cls->head.type, key);
    bind_push_param(L, model, u->layer, i, all || gradient);
    if (!all) return 1;
    lua_setfield(L, -2, name);
  }
  if (all) return 1;
  bind_push_json(L, pl_layer_config(u->layer), key);
  return lua_isnil(L, -1) ? bind_unknown_name(L) : 1;
}

static int layer_newindex(lua_State *L) {
  bind_layer *u = bind_check_layer(L, 1);
  const char *key = luaL_checkstring(L, 2);
  for (int i = 0; i < u->layer->params; i++) {
    if (strcmp(key, u->layer->param[i].name)) continue;
    if (!pl_model_has_params(bind_model_of(L, 1)))
      return luaL_error(L, "call model:build{...} before setting %s", key);
    bind_set_param(L, u->layer, i, 3);
    pl_model_note_write(bind_model_of(L, 1));
    return 0;
  }
  const char **names = lua_newuserdatauv(L, ((size_t)u->layer->params + 1) * sizeof *names, 0);
  for (int i = 0; i < u->layer->params; i++) names[i] = u->layer->param[i].name;
  names[u->layer->params] = NULL;
  const char *near = pl_nearest_name(key, names);
  const char *hint = near ? lua_pushfstring(L, "did you mean '%s'?", near) : "options are fixed when a layer is made";
  return luaL_error(L, "%s has no parameter '%s' to set; %s", u->layer->cls->head.type, key, hint);
}

static int layer_len(lua_State *L) {
  lua_pushinteger(L, bind_check_layer(L, 1)->layer->children);
  return 1;
}

static int layer_config(lua_State *L) {
  bind_push_json(L, pl_layer_to_json(bind_check_layer(L, 1)->layer), NULL);
  return 1;
}

/* layer:options() -> { { name =, value =, default = (nil: it must be given) }, ... } in the order of declaration */
static int layer_options(lua_State *L) {
  const pl_layer *layer = bind_check_layer(L, 1)->layer;
  const pl_class *head = &layer->cls->head;
  lua_newtable(L);
  if (head->config_size == 0) return 1;
  bind_push_json(L, pl_options_write(head, layer->config), NULL);
  bind_push_json(L, pl_options_write(head, head->defaults), NULL);
  for (int i = 0; head->options[i].name; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, head->options[i].name);
    lua_setfield(L, -2, "name");
    lua_getfield(L, -3, head->options[i].name);
    lua_setfield(L, -2, "value");
    if (!head->options[i].required) {
      lua_getfield(L, -2, head->options[i].name);
      lua_setfield(L, -2, "default");
    }
    lua_rawseti(L, -4, i + 1);
  }
  lua_pop(L, 2);
  return 1;
}

static int layer_path(lua_State *L) {
  char text[PL_PATH_TEXT];
  lua_pushstring(L, pl_layer_path(text, bind_check_layer(L, 1)->layer));
  return 1;
}

static int layer_label(lua_State *L) {
  char text[PL_PATH_TEXT];
  lua_pushstring(L, pl_layer_label(text, bind_check_layer(L, 1)->layer));
  return 1;
}

/* Pushes the first layer with that name from the one at `index` on, or pushes nothing. */
static bool push_named(lua_State *L, int index, const char *name) {
  const pl_layer *layer = bind_check_layer(L, index)->layer;
  luaL_checkstack(L, 4, NULL);
  if (strcmp(layer->name, name) == 0) return lua_pushvalue(L, index), true;
  for (int i = 1; i <= layer->children; i++) {
    push_child(L, index, i);
    if (push_named(L, lua_gettop(L), name)) return lua_remove(L, -2), true;
    lua_pop(L, 1);
  }
  return false;
}

/* find(name): the first layer below with that name, or nil */
static int layer_find(lua_State *L) {
  if (!push_named(L, 1, luaL_checkstring(L, 2))) lua_pushnil(L);
  return 1;
}

/* params() -> list of { name=, trained= } of this layer alone */
static int layer_params(lua_State *L) {
  const pl_layer *layer = bind_check_layer(L, 1)->layer;
  lua_createtable(L, layer->params, 0);
  for (int i = 0; i < layer->params; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, layer->param[i].name);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, layer->param[i].trained);
    lua_setfield(L, -2, "trained");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

int bind_open_nn(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "config", layer_config }, { "options", layer_options }, { "path", layer_path }, { "label", layer_label },
    { "find", layer_find }, { "params", layer_params }, { "clone", bind_layer_clone }, { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = {
    { "__gc", bind_layer_gc }, { "__newindex", layer_newindex }, { "__len", layer_len }, { NULL, NULL },
  };
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);

  lua_newtable(L);                       /* core.nn */
  for (int i = 0; pl_layer_registry[i]; i++) {
    if (pl_layer_registry[i]->combine != NULL) continue;   /* no layer */
    lua_pushlightuserdata(L, (void *)pl_layer_registry[i]);
    lua_pushcclosure(L, bind_construct_layer, 1);
    lua_setfield(L, -2, pl_layer_registry[i]->head.type);
  }
  lua_pushcfunction(L, bind_layer_from_config);
  lua_setfield(L, -2, "from_config");
  lua_pushcfunction(L, bind_layer_examples);
  lua_setfield(L, -2, "examples");
  lua_pushcfunction(L, bind_origin);
  lua_setfield(L, -2, "origin");
  lua_pushcfunction(L, bind_mark_origin);
  lua_setfield(L, -2, "mark_origin");
  luaL_newmetatable(L, BIND_LAYER);
  luaL_setfuncs(L, metamethods, 0);
  bind_hide_metatable(L, BIND_LAYER);
  lua_newtable(L);                       /* methods; lua/perilune/nn/init.lua adds its own */
  luaL_setfuncs(L, methods, 0);
  bind_open_model(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, layer_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 1;
}
