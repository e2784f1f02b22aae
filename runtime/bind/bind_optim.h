/* What the files of the optimizers' binding share. */
#ifndef BIND_OPTIM_H
#define BIND_OPTIM_H

#include "bind/bind_layer.h"
#include "perilune/optim.h"

/* An optimizer's userdata. User value 1: the model that it is bound to. User value 2, of one whose step is a function
   of the script: { call = what is called for each parameter, step = the script's function, at = its line }. */
pl_optimizer **bind_new_optimizer(lua_State *L);
/* A tensor over one parameter's part of a slot. */
void bind_push_slot(lua_State *L, const pl_tensor *slot, const pl_slice *slice);

/* optim.host(description, functions), optim.step_function(opt), opt:clone() */
int bind_optim_host(lua_State *L);
int bind_optim_step_function(lua_State *L);
int bind_optim_clone(lua_State *L);
/* The step of one parameter by the script, where the optimizer's userdata is at `index` of the stack. */
pl_status bind_optim_call_step(lua_State *L, int index, pl_host_step_call *call, pl_error *err);

#endif
