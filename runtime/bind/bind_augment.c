/* core.augment: one constructor a class of augmentation, by its registered name. */
#include <string.h>
#include <cjson/cJSON.h>
#include "bind/bind.h"
#include "perilune/data.h"

BIND_CLOSABLE(augment, BIND_AUGMENT, pl_augment)

pl_augment *bind_test_augment(lua_State *L, int index) {
  pl_augment **slot = luaL_testudata(L, index, BIND_AUGMENT);
  return slot ? *slot : NULL;
}

pl_augment *bind_check_augment(lua_State *L, int index) {
  pl_augment *a = bind_test_augment(L, index);
  if (a == NULL && luaL_testudata(L, index, BIND_AUGMENT)) luaL_argerror(L, index, "this augmentation was closed");
  if (a == NULL) luaL_typeerror(L, index, "an augmentation, such as pl.augment.affine {}");
  return a;
}

/* affine{ rotate = 25 }, ... : upvalue 1 is the type */
static int augment_new(lua_State *L) {
  pl_error err;
  int top = lua_gettop(L);
  pl_augment **slot = augment_slot(L);
  cJSON *args = bind_args_to_json(L, 1, top);
  *slot = pl_augment_new(lua_tostring(L, lua_upvalueindex(1)), args, &err);
  cJSON_Delete(args);
  return *slot ? 1 : bind_raise_options(L, &err);
}

static int augment_config(lua_State *L) {
  bind_push_json(L, pl_augment_config(bind_check_augment(L, 1)), NULL);
  return 1;
}

static int augment_tostring(lua_State *L) {
  cJSON *config = pl_augment_config(bind_check_augment(L, 1));
  cJSON_DeleteItemFromObject(config, "type");
  bind_push_json_text(L, config, NULL, false);
  lua_pushfstring(L, "%s %s", pl_augment_type(bind_check_augment(L, 1)), lua_tostring(L, -1));
  return 1;
}

static int augment_index(lua_State *L) {
  pl_augment *a = bind_check_augment(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "type") == 0) lua_pushstring(L, pl_augment_type(a));
  else if (!bind_push_method(L, key)) return bind_unknown_name(L);
  return 1;
}

typedef struct work {
  const pl_augment *a;
  float *images, *scratch;
  size_t n;
  const int64_t *size;
  pl_rng rng;
} work;

static void apply(const pl_team *team, void *arg) {
  const work *w = arg;
  pl_augment_apply(w->a, team, w->images, w->n, w->size[0], w->size[1], w->size[2], w->rng, w->scratch);
}

static lua_Integer field_integer(lua_State *L, int table, const char *name, lua_Integer absent) {
  lua_Integer value = absent;
  int whole = 1;
  if (lua_istable(L, table)) {
    if (lua_getfield(L, table, name) != LUA_TNIL) value = lua_tointegerx(L, -1, &whole);
    lua_pop(L, 1);
  }
  if (!whole) luaL_error(L, "apply: option '%s' takes a whole number", name);
  return value;
}

static void check_options(lua_State *L, int table) {
  static const char *const names[] = { "seed", "epoch", "index", "position", NULL };
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    if (strcmp(name, "place") == 0) continue;     /* an older name of "position" */
    int i = 0;
    while (names[i] && strcmp(names[i], name)) i++;
    const char *near = names[i] == NULL ? pl_nearest_name(name, names) : NULL;
    if (near != NULL) luaL_error(L, "apply has no option '%s'; did you mean '%s'?", name, near);
    if (names[i] == NULL) luaL_error(L, "apply has no option '%s'; it has: seed, epoch, index, position", name);
  }
}

/* a:apply(images [N, H, W, C] or one [H, W, C] [, { seed=, epoch=, index=, position= }]) -> a new tensor, as batch
   number `index` of that epoch would be altered if the augmentation stood at `position` (from 1) of the list */
static int augment_apply(lua_State *L) {
  pl_error err;
  pl_augment *a = bind_check_augment(L, 1);
  pl_tensor *x = bind_check_tensor(L, 2);
  const pl_shape *shape = pl_tensor_shape(x);
  if (pl_tensor_type(x) != PL_F32)
    return luaL_error(L, "apply takes images as f32, got %s", pl_dtype_name(pl_tensor_type(x)));
  if (shape->axes != 3 && shape->axes != 4) {
    char text[PL_SHAPE_TEXT];
    return luaL_error(L, "apply takes images [N, H, W, C] or one image [H, W, C], got %s",
                      pl_shape_text(text, shape, false));
  }
  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    check_options(L, 3);
  }
  lua_Integer position = field_integer(L, 3, "position", field_integer(L, 3, "place", 1));
  if (position < 1 || position > 255)
    return luaL_error(L, "apply: option 'position' is 1 to 255, got %I", (LUAI_UACINT)position);
  pl_rng rng = pl_augment_rng((uint64_t)field_integer(L, 3, "seed", 0), (uint64_t)field_integer(L, 3, "epoch", 0),
                              (uint64_t)field_integer(L, 3, "index", 0), (int)position - 1);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_tensor_clone(x, &err)) == NULL) return bind_raise(L, &err);
  const int64_t *size = shape->size + (shape->axes - 3);
  int threads = pl_threads_for(32.0 * (double)pl_tensor_count(x));
  size_t floats = pl_augment_scratch(a, size[0], size[1], size[2], threads) + 16;
  float *scratch = lua_newuserdatauv(L, floats * sizeof *scratch, 0);
  work w = { a, pl_tensor_data(*out), scratch, shape->axes == 4 ? (size_t)shape->size[0] : 1, size, rng };
  if (pl_tensor_count(x) > 0) pl_threads_run_on(threads, apply, &w);
  lua_settop(L, -2);
  return 1;
}

static const luaL_Reg methods[] = {
  { "__gc", augment_gc }, { "__close", augment_close }, { "__tostring", augment_tostring },
  { "__index", augment_index },
  { "config", augment_config }, { "apply", augment_apply },
  { NULL, NULL },
};

int bind_open_augment(lua_State *L) {
  bind_new_class(L, BIND_AUGMENT, methods);
  lua_newtable(L);
  for (const char *const *type = pl_augment_types(); *type; type++) {
    lua_pushstring(L, *type);
    lua_pushcclosure(L, augment_new, 1);
    lua_setfield(L, -2, *type);
  }
  return 1;
}
