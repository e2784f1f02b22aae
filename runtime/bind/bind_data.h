/* Shared by the two files that bind data sets. */
#ifndef BIND_DATA_H
#define BIND_DATA_H

#include "bind/bind.h"
#include "perilune/data.h"
#include "perilune/readers.h"

/* A data set's slot, pushed empty (already collectable), to be filled by the caller. */
pl_dataset **bind_new_dataset(lua_State *L);
/* Pushes { type =, shape =, integers = } of an array in a file. */
void bind_push_array_info(lua_State *L, const pl_array_info *info);
/* The class of data sets in the core. */
extern const luaL_Reg bind_dataset_methods[];

#endif
