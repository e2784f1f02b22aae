/* perilune.core: the C side as one table, a field a module. Adding a binding = one line below. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bind/bind.h"
#include "bind/embedded.h"
#include "perilune/cpu.h"

int bind_open_system(lua_State *L);
int bind_open_readline(lua_State *L);
int bind_open_json(lua_State *L);
int bind_open_tensor(lua_State *L);
int bind_open_nn(lua_State *L);
int bind_open_formula(lua_State *L);
int bind_open_trainer(lua_State *L);
int bind_open_loss(lua_State *L);
int bind_open_optim(lua_State *L);
int bind_open_data(lua_State *L);
int bind_open_readers(lua_State *L);
int bind_open_streams(lua_State *L);
int bind_open_augment(lua_State *L);
int bind_open_store(lua_State *L);
int bind_open_process(lua_State *L);
int bind_open_screen(lua_State *L);
int bind_open_bytes(lua_State *L);

static const luaL_Reg modules[] = {
  { "system", bind_open_system },
  { "line", bind_open_readline },
  { "json", bind_open_json },
  { "tensor", bind_open_tensor },
  { "nn", bind_open_nn },
  { "formula", bind_open_formula },
  { "trainer", bind_open_trainer },
  { "loss", bind_open_loss },
  { "optim", bind_open_optim },
  { "data", bind_open_data },
  { "readers", bind_open_readers },
  { "streams", bind_open_streams },
  { "augment", bind_open_augment },
  { "store", bind_open_store },
  { "process", bind_open_process },
  { "screen", bind_open_screen },
  { "bytes", bind_open_bytes },
  { NULL, NULL },
};

PL_API int luaopen_perilune_core(lua_State *L);
PL_API int luaopen_perilune(lua_State *L);

static int is_meta(const char *name) { return strncmp(name, "meta/", 5) == 0; }

/* Memory is taken before the file is opened: an error of Lua would leave it open. */
static int read_file(lua_State *L, const char *path) {
  luaL_Buffer text;
  struct stat s;
  if (stat(path, &s) != 0) return luaL_error(L, "cannot open %s", path);
  char *bytes = luaL_buffinitsize(L, &text, (size_t)s.st_size);
  FILE *file = fopen(path, "rb");
  size_t n = file ? fread(bytes, 1, (size_t)s.st_size, file) : 0;
  if (file == NULL || fclose(file) != 0) return luaL_error(L, "cannot read %s", path);
  luaL_pushresultsize(&text, n);
  return 1;
}

/* core.meta() -> { ["nn.lua"] = text, ... }: the declarations in lua/meta, which help reads. */
static int core_meta(lua_State *L) {
  const char *folder = getenv("PERILUNE_LUA");
  lua_newtable(L);
  for (const struct bind_embedded *e = bind_embedded; e->name; e++) {
    if (!is_meta(e->name)) continue;
    if (folder && *folder) {
      read_file(L, lua_pushfstring(L, "%s/%s", folder, e->name));
      lua_remove(L, -2);
    } else {
      lua_pushlstring(L, e->source, e->size);
    }
    lua_setfield(L, -2, e->name + 5);
  }
  return 1;
}

int luaopen_perilune_core(lua_State *L) {
  pl_error err;
  if (pl_cpu_check(&err)) return bind_raise(L, &err);
  bind_fix_locale(L);
  bind_know_pcall(L);
  lua_settop(L, 0);
  lua_newtable(L);
  for (const luaL_Reg *r = modules; r->name; r++) {
    lua_pushcfunction(L, r->func);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, r->name);
  }
  lua_pushcfunction(L, core_meta);
  lua_setfield(L, -2, "meta");
  return 1;
}

/* Loader of one Lua module: from $PERILUNE_LUA if set (for working on the sources) and there, else from the program
   itself. */
static int load_module(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const struct bind_embedded *e = lua_touserdata(L, lua_upvalueindex(1));
  const char *folder = getenv("PERILUNE_LUA");
  const char *path = folder && *folder ? lua_pushfstring(L, "%s/%s", folder, e->name) : NULL;
  if (path != NULL && access(path, R_OK) == 0) {
    if (luaL_loadfile(L, path)) return lua_error(L);
  } else if (luaL_loadbuffer(L, e->source, e->size, lua_pushfstring(L, "=%s", e->name))) {
    return lua_error(L);
  }
  bind_push_environment(L);
  lua_setupvalue(L, -2, 1);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  return 1;
}

/* "perilune/a/b.lua" is perilune.a.b, "perilune/a/init.lua" perilune.a; but "perilune/init.lua" perilune.init, as
   perilune is what is opened here. */
static void push_module_name(lua_State *L, const char *file) {
  const char *name = luaL_gsub(L, luaL_gsub(L, file, ".lua", ""), "/", ".");
  size_t length = strlen(name), init = strlen(".init"), whole = strlen("perilune.init");
  if (length > whole && strcmp(name + length - init, ".init") == 0) length -= init;
  lua_pushlstring(L, name, length);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

int luaopen_perilune(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_perilune_core);
  lua_setfield(L, -2, "perilune.core");
  for (const struct bind_embedded *e = bind_embedded; e->name; e++) {
    if (is_meta(e->name)) continue;
    push_module_name(L, e->name);
    lua_pushlightuserdata(L, (void *)e);
    lua_pushcclosure(L, load_module, 1);
    lua_settable(L, -3);
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "perilune.init");
  lua_call(L, 1, 1);
  return 1;
}
