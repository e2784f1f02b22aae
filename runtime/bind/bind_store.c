/* core.store: trees in files (bind_store_writer.c, bind_store_reader.c) and plain files (bind_store_files.c). */
#include <string.h>
#include "bind/bind_store.h"
#include "perilune/alloc.h"

#define BOX "box of perilune"   /* not an object that scripts meet */

void bind_box_clear(bind_box *box) {
  pl_free(box->data);
  *box = (bind_box){ 0 };
}

static int box_gc(lua_State *L) {
  bind_box_clear(luaL_checkudata(L, 1, BOX));
  return 0;
}

bind_box *bind_new_box(lua_State *L) {
  bind_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (bind_box){ 0 };
  luaL_setmetatable(L, BOX);
  return box;
}

pl_status bind_box_add(bind_box *box, const void *data, size_t size, pl_error *err) {
  if (size > box->capacity - box->size) {
    size_t capacity = 2 * box->capacity > box->size + size ? 2 * box->capacity : box->size + size;
    unsigned char *grown = pl_alloc(capacity, err);
    if (grown == NULL) return PL_ERROR_MEMORY;
    if (box->size > 0) memcpy(grown, box->data, box->size);
    pl_free(box->data);
    box->data = grown;
    box->capacity = capacity;
  }
  if (data != NULL && size > 0) memcpy(box->data + box->size, data, size);
  box->size += size;
  return PL_OK;
}

int bind_push_texts(lua_State *L, bind_box *box) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (size_t at = 0; at < box->size; at += strlen((char *)box->data + at) + 1) {
    lua_pushstring(L, (char *)box->data + at);
    lua_rawseti(L, -2, ++n);
  }
  bind_box_clear(box);
  return 1;
}

int bind_open_store(lua_State *L);

int bind_open_store(lua_State *L) {
  bind_new_class(L, BOX, (luaL_Reg[]){ { "__gc", box_gc }, { NULL, NULL } });
  lua_pop(L, 1);
  bind_store_writer_class(L);
  bind_store_reader_class(L);
  bind_store_lock_class(L);
  lua_newtable(L);
  luaL_setfuncs(L, bind_store_writer_functions, 0);
  luaL_setfuncs(L, bind_store_reader_functions, 0);
  luaL_setfuncs(L, bind_store_file_functions, 0);
  return 1;
}
