/* Constructors of layers, from the arguments of a call and from a model's description; examples of all classes. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind_layer.h"
#include "layers/layer.h"

/* The value on top stands where a layer is expected. */
static void not_a_layer(lua_State *L, const pl_layer_class *cls, int item) {
  const char *type = NULL;
  if (lua_tocfunction(L, -1) == bind_construct_layer && lua_getupvalue(L, -1, 1) != NULL)
    type = ((const pl_layer_class *)lua_touserdata(L, -1))->head.type;
  if (type != NULL)
    luaL_error(L, "%s: item %d is nn.%s itself, not a layer; call it: nn.%s()", cls->head.type, item, type, type);
  luaL_error(L, "%s: item %d is a %s, not a layer", cls->head.type, item, luaL_typename(L, -1));
}

/* Splits the arguments of a constructor at `first`..top: layers go to the list `children`, functions to the table
   `functions` (an initializer leaves "custom" behind), the rest stays as a list `plain` for JSON. */
static void split_arguments(lua_State *L, const pl_layer_class *cls, int first, int top, int children, int functions,
                            int plain) {
  lua_Integer n = 0, count = 0;
  for (int i = first; i <= top; i++) {
    if (bind_test_layer(L, i)) {
      lua_pushvalue(L, i);
      lua_rawseti(L, children, ++n);
      continue;
    }
    if (cls->most_children > 0 && lua_isfunction(L, i)) {
      lua_pushvalue(L, i);
      not_a_layer(L, cls, i - first + 1);
    }
    bool container = lua_istable(L, i) && cls->most_children > 0;
    if (!lua_istable(L, i) || (!container && lua_rawlen(L, i) > 0)) {
      lua_pushvalue(L, i);
      lua_rawseti(L, plain, ++count);
      continue;
    }
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
      if (lua_isinteger(L, -2)) {
        if (!bind_test_layer(L, -1)) not_a_layer(L, cls, (int)lua_tointeger(L, -2));
        continue;
      }
      lua_pushvalue(L, -2);
      if (lua_isfunction(L, -2)) {
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_settable(L, functions);
        if ((cls->flags & PL_HOST) || (cls->flags & PL_RECORDED)) {
          lua_pop(L, 1);
          continue;
        }
        lua_pushliteral(L, "custom");
      } else {
        lua_pushvalue(L, -2);
      }
      lua_settable(L, -5);
    }
    lua_rawseti(L, plain, ++count);
    lua_Integer items = (lua_Integer)lua_rawlen(L, i);
    for (lua_Integer k = 1; container && k <= items; k++) {
      if (lua_rawgeti(L, i, k) == LUA_TNIL)
        luaL_error(L, "%s: item %d is nil, not a layer (is its name spelt right?)", cls->head.type, (int)k);
      lua_rawseti(L, children, ++n);
    }
  }
}

/* Whether the layer is among the children, a list. */
static bool is_listed(lua_State *L, int children, const pl_layer *layer) {
  bool found = false;
  lua_Integer n = (lua_Integer)lua_rawlen(L, children);
  for (lua_Integer i = 1; !found && i <= n; i++) {
    lua_rawgeti(L, children, i);
    found = bind_check_layer(L, -1)->layer == layer;
    lua_pop(L, 1);
  }
  return found;
}

/* A child that is part of another container already is shared. Not with a model that has been used and is not itself
   among the children: its passes and its optimizer rely on parameters that would move into the new model. All children
   are checked before the first is added, so that a constructor that is refused leaves its arguments as they were. */
static void check_child(lua_State *L, const bind_layer *u, const bind_layer *child, int children, int position) {
  pl_error err;
  const bind_family *other = bind_family_of(child);
  if (child->layer->parent != NULL && other->model != NULL && !is_listed(L, children, other->root))
    luaL_error(L, "%s: layer %d (%s) already belongs to a model that has been used; make a new one, or a copy with "
               "layer:clone()", u->layer->cls->head.type, position, child->layer->cls->head.type);
  if (pl_layer_can_add(u->layer, child->layer, position, &err)) bind_raise(L, &err);
}

static void add_child(lua_State *L, const bind_layer *u, const bind_layer *child) {
  pl_error err;
  bind_family *other = bind_family_of(child);
  bool is_root = child->layer->parent == NULL;
  bind_keep_weights(L, u->family, other);
  if (pl_layer_add(u->layer, child->layer, &err)) bind_raise(L, &err);
  if (other != u->family) bind_take_in(u->family, other);
  if (is_root) u->family->roots--;
}

void bind_new_layer(lua_State *L, const pl_layer_class *cls, int first, int top) {
  luaL_checkstack(L, 20, NULL);
  int base = lua_gettop(L);
  lua_newtable(L);
  lua_newtable(L);
  lua_newtable(L);
  split_arguments(L, cls, first, top, base + 1, base + 2, base + 3);
  bind_layer *u = lua_newuserdatauv(L, sizeof *u, 3);
  *u = (bind_layer){ 0 };
  luaL_setmetatable(L, BIND_LAYER);
  pl_error err;
  cJSON *args = bind_to_json(L, base + 3);
  u->layer = pl_layer_new(cls->head.type, cJSON_IsArray(args) ? args : NULL, &err);
  cJSON_Delete(args);
  if (u->layer == NULL) bind_raise_options(L, &err);
  u->family = bind_found_family(L, u->layer);
  const char *origin = bind_push_origin(L);
  if (origin != NULL) pl_layer_set_origin(u->layer, origin);
  lua_pop(L, 1);
  bool recorded = (cls->flags & PL_RECORDED) && lua_getfield(L, base + 2, "record") == LUA_TFUNCTION;
  lua_settop(L, base + 4);
  if ((cls->flags & PL_HOST) || recorded) {
    u->layer->host = bind_call_host;
    u->layer->host_context = u->layer;
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, base + 2, BIND_INPUT);   /* of a training pass: setting it then takes no memory */
  lua_pushvalue(L, base + 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, base + 1);
  lua_setiuservalue(L, -2, 3);
  bind_register_layer(L, u->layer);
  lua_Integer children = (lua_Integer)lua_rawlen(L, base + 1);
  for (lua_Integer i = 1; i <= children; i++) {
    lua_rawgeti(L, base + 1, i);
    check_child(L, u, bind_check_layer(L, -1), base + 1, (int)i);
    lua_pop(L, 1);
  }
  for (lua_Integer i = 1; i <= children; i++) {
    lua_rawgeti(L, base + 1, i);
    add_child(L, u, bind_check_layer(L, -1));
    lua_pushvalue(L, base + 4);
    lua_setiuservalue(L, -2, 2);
    lua_pop(L, 1);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

int bind_construct_layer(lua_State *L) {
  bind_new_layer(L, lua_touserdata(L, lua_upvalueindex(1)), 1, lua_gettop(L));
  return 1;
}

/* The class of a described layer. Raises. */
static const pl_layer_class *described_class(lua_State *L, int config) {
  lua_getfield(L, config, "type");
  const char *type = lua_tostring(L, -1);
  for (int i = 0; type != NULL && pl_layer_registry[i]; i++) {
    const pl_layer_class *c = pl_layer_registry[i];
    if (strcmp(c->head.type, type) != 0 || c->combine != NULL) continue;
    lua_pop(L, 1);
    return c;
  }
  luaL_error(L, "a model's description has a layer of unknown type '%s'", type ? type : "nil");
  return NULL;
}

/* from_config{ type=, config=, layers= } or { shared= }: the layers that model:config() described. `made`, from the
   inside: those so far, by number; false while its own layers are made. */
int bind_layer_from_config(lua_State *L) {
  enum { CONFIG = 1, MADE, LAYERS };
  luaL_checktype(L, CONFIG, LUA_TTABLE);
  luaL_checkstack(L, 20, "model nests too deep");
  lua_settop(L, MADE);
  if (lua_isnil(L, MADE)) {
    lua_newtable(L);
    lua_replace(L, MADE);
  }
  luaL_checktype(L, MADE, LUA_TTABLE);
  if (lua_getfield(L, CONFIG, "shared") != LUA_TNIL) {
    if (lua_gettable(L, MADE) != LUA_TUSERDATA)
      return luaL_error(L, "a model's description shares a layer that is not there before");
    return 1;
  }
  lua_pop(L, 1);
  const pl_layer_class *cls = described_class(L, CONFIG);
  lua_Integer n = 0, number = (lua_Integer)lua_rawlen(L, MADE) + 1;
  lua_pushboolean(L, 0);
  lua_rawseti(L, MADE, number);
  lua_newtable(L);
  if (lua_getfield(L, CONFIG, "layers") == LUA_TTABLE) {
    n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
      lua_pushcfunction(L, bind_layer_from_config);
      lua_rawgeti(L, -2, i);
      lua_pushvalue(L, MADE);
      lua_call(L, 2, 1);
      lua_rawseti(L, LAYERS, i);
    }
  }
  lua_pop(L, 1);
  int first = lua_gettop(L) + 1;
  if (lua_getfield(L, CONFIG, "config") != LUA_TTABLE) lua_pop(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    luaL_checkstack(L, 8, "model has too many layers");
    lua_rawgeti(L, LAYERS, i);
  }
  bind_new_layer(L, cls, first, lua_gettop(L));
  lua_pushvalue(L, -1);
  lua_rawseti(L, MADE, number);
  return 1;
}

/* examples() -> type -> { arguments = {...}, input = shape of a sample }: for tests that try every layer */
int bind_layer_examples(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; pl_layer_type_name(i); i++) {
    const char *text;
    pl_shape input;
    if (!pl_layer_example(pl_layer_type_name(i), &text, &input)) continue;
    lua_createtable(L, 0, 2);
    bind_push_json(L, cJSON_Parse(text), NULL);
    lua_setfield(L, -2, "arguments");
    bind_push_shape(L, &input);
    lua_setfield(L, -2, "input");
    lua_setfield(L, -2, pl_layer_type_name(i));
  }
  return 1;
}
