/* The outputs of a model of several: a flat tensor [n, width], and the tensors that lie in it one after the other. */
#ifndef BIND_OUTPUTS_H
#define BIND_OUTPUTS_H

#include "bind/bind.h"

/* Pushes the outputs that lie in the flat tensor at `index`, as tensors of their own; how many. Or a list of them. */
int bind_split_outputs(lua_State *L, int index, const pl_outputs *outputs);
void bind_list_outputs(lua_State *L, int index, const pl_outputs *outputs);
/* Pushes the flat tensor of the list of tensors at `index`, and says their shapes; raises. `what`: "gradient", ... */
const pl_tensor *bind_join_outputs(lua_State *L, int index, pl_outputs *found, const char *what);

#endif
