/* What the files of the store binding share. */
#ifndef BIND_STORE_H
#define BIND_STORE_H

#include "bind/bind.h"
#include "perilune/store.h"

/* Memory that Lua frees when an error jumps over its user: bytes appended one after another. */
typedef struct bind_box {
  unsigned char *data;
  size_t size, capacity;
} bind_box;

bind_box *bind_new_box(lua_State *L);
pl_status bind_box_add(bind_box *box, const void *data, size_t size, pl_error *err);   /* data may be NULL: zeros */
void bind_box_clear(bind_box *box);   /* frees at once what the collector would free later */
/* Pushes the texts in the box, each with its zero, as a list, and clears the box. Returns 1. */
int bind_push_texts(lua_State *L, bind_box *box);

extern const luaL_Reg bind_store_writer_functions[], bind_store_reader_functions[], bind_store_file_functions[];
void bind_store_writer_class(lua_State *L);
void bind_store_reader_class(lua_State *L);
void bind_store_lock_class(lua_State *L);

#endif
