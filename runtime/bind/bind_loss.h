/* What a loss's binding shares: the kinds of outputs. */
#ifndef BIND_LOSS_H
#define BIND_LOSS_H

#include "bind/bind.h"
#include "perilune/loss.h"

/* A kind of outputs by its name at `index`: "logits", ... */
pl_output_kind bind_check_outputs(lua_State *L, int index);
extern const luaL_Reg bind_decision_functions[];
/* Of losses that are formulas: bind_loss_formula.c */
extern const luaL_Reg bind_loss_formula_functions[];

#endif
