/* What a loss's binding shares: the kinds of outputs. */
#ifndef BIND_LOSS_H
#define BIND_LOSS_H

#include "bind/bind.h"
#include "perilune/loss.h"

/* A kind of outputs by its name at `index`: "logits", ... */
pl_output_kind bind_check_outputs(lua_State *L, int index);
extern const luaL_Reg bind_decision_functions[];
struct pl_host_loss_call;
pl_status bind_call_loss(void *context, struct pl_host_loss_call *call, pl_error *err);   /* bind_trainer_loss.c */
/* verify_loss(loss, output, target): raises unless a formula's values and gradients are, to the last bit, those of its
   operations one by one. */
int bind_loss_verify(lua_State *L);
/* Of losses that are formulas: bind_loss_formula.c */
extern const luaL_Reg bind_loss_formula_functions[];

#endif
