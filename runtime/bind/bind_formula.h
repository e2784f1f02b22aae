/* Recorders: what symbols of a formula (lua/perilune/nn/symbol.lua) write their operations to. */
#ifndef BIND_FORMULA_H
#define BIND_FORMULA_H

#include "bind/bind.h"
#include "layers/program.h"

#define BIND_RECORDER "perilune.recorder"

/* Wherever Lua is asked for memory a finalizer may record, too, and the steps of the program move: what is needed of a
   step after that is copied before it.
   User value 1: the layer whose formula is recorded, or nil. User value 2: the values of an eager one, a list. User
   value 3: the tensors of the script that they are copies of: { { tensor, version, step }, ... } (bind_tape.c). */
typedef struct bind_recorder {
  pl_program own, *program;    /* program: NULL when the recording has ended; &own of an eager one */
  bool eager;                  /* computes as it records: the values are there */
  size_t batch;
} bind_recorder;

/* The recorder at index 1, which records. */
bind_recorder *bind_check_recorder(lua_State *L);
/* Pushes the tensor, or number, at `index` as contiguous f32. */
const pl_tensor *bind_push_plain(lua_State *L, int index);
/* Notes that the value of a step is a copy of what is at `index`, if that is a tensor, for the eager recorder at 1. */
void bind_watch_tensor(lua_State *L, int index, int step);
/* The value of a step of an eager one, at index 1. */
pl_tensor *bind_recorded_tensor(lua_State *L, int step);
int bind_recorder_backward(lua_State *L);      /* bind_tape.c */
int bind_formula_steps(lua_State *L);          /* bind_formula_steps.c */
int bind_formula_plan(lua_State *L);           /* bind_formula_plan.c */
int bind_formula_verify(lua_State *L);         /* bind_formula_verify.c */

/* Pushes a recorder that writes to the program. Then calls the function and arguments that have been pushed since, and
   ends the recording. Raises. */
void bind_begin_recording(lua_State *L, pl_program *program);
void bind_end_recording(lua_State *L, int recorder, int arguments);

struct pl_host_call;
/* Calls the function `record` of the layer (userdata on top of the stack) for the host call. Raises. */
void bind_record(lua_State *L, struct pl_host_call *call);
int bind_open_formula(lua_State *L);

#endif
