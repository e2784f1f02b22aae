/* What the files of the tensor binding share. Tables of sizes, indices and tensors are read raw: no metamethod runs
   that could free a tensor while it is in use. */
#ifndef BIND_TENSOR_H
#define BIND_TENSOR_H

#include "bind/bind.h"
#include "perilune/options.h"

/* Puts `result` into the slot on top of the stack and accounts for it, or raises err when it is NULL. Returns 1. */
int bind_tensor_return(lua_State *L, pl_tensor **slot, pl_tensor *result, const pl_error *err);
/* Returns the tensor at index 1 (for in-place methods), or raises when status says so. */
int bind_tensor_self(lua_State *L, pl_status status, const pl_error *err);
/* Axis from Lua (from 1, negative from the end) to C (from 0, negative from the end). */
int bind_check_axis(lua_State *L, int index);
/* A name of an element type at `index`, or `otherwise` when there is none. */
pl_dtype bind_opt_dtype(lua_State *L, int index, pl_dtype otherwise);
/* When the last argument names an element type, takes it from the stack; else `otherwise`. */
pl_dtype bind_take_dtype(lua_State *L, pl_dtype otherwise);

/* Raises where the table at `index` has a key that is no index of a list: what is there would not be seen. advice: what
   to write, a format of lua_pushfstring. */
void bind_check_list(lua_State *L, int index, const char *advice, ...);

/* A tensor or a number at `index`. */
pl_operand bind_check_operand(lua_State *L, int index);
/* Among the arguments is a value of a formula: the operation is recorded, and its result is on top of the stack. */
bool bind_symbolic(lua_State *L, const char *name);
/* Whether it is a value of a formula. */
bool bind_is_symbol(lua_State *L, int index);
#define BIND_JOIN_VALUES "values of formulas are joined with pl.stack, pl.cat or pl.where, so that gradients pass"
/* Fills `config` from the table of options at `index`, or raises. */
void bind_read_options(lua_State *L, int index, void *config, const pl_class *cls);
/* The constructor tensor(nested table | number | tensor [, type]). */
int bind_tensor_from_table(lua_State *L);

/* Methods of the class, and functions of core.tensor: a list a file. */
extern const luaL_Reg bind_tensor_view_methods[];
extern const luaL_Reg bind_tensor_fill_methods[], bind_tensor_fill_functions[];
extern const luaL_Reg bind_tensor_reduce_methods[];
extern const luaL_Reg bind_tensor_index_methods[], bind_tensor_index_functions[];
extern const luaL_Reg bind_tensor_make_functions[];
/* The next two add to the class on top of the stack what the core lists as tables. */
void bind_tensor_add_math(lua_State *L);
void bind_tensor_add_reductions(lua_State *L);

#endif
