/* A recorded formula: steps in an order in which they can run, each a value. A program is recorded for one shape of its
   inputs (pl_program_add_..: shapes are checked step by step), written to files as data, and applied to a graph, where
   its operations are planned like those of layers. */
#ifndef LAYERS_PROGRAM_H
#define LAYERS_PROGRAM_H

#include "layers/graph.h"
#include "layers/operation.h"

typedef enum pl_step_kind { PL_STEP_INPUT, PL_STEP_PARAM, PL_STEP_CONSTANT, PL_STEP_OP, PL_STEP_LAYER } pl_step_kind;

typedef struct pl_step {
  pl_step_kind kind;
  pl_operation op;             /* of all kinds: out, out_fixed */
  int in[PL_MOST_INPUTS];      /* steps */
  int index;                   /* of the input, of the layer's parameter, or of its child */
  float *data;                 /* of a constant; owned */
  unsigned asked;              /* what the function took of its shape: bit 0 the number of axes, bit 1 + a size a */
  char origin[80];             /* where in the script: "x.lua:12" */
} pl_step;

typedef struct pl_program {
  struct pl_program *next;     /* of a list */
  pl_layer *layer;             /* whose parameters and children it uses; NULL: none (a loss) */
  pl_graph *graph;             /* in which the layer is called, while it is recorded; NULL: none */
  bool shares;                 /* it calls a layer twice */
  pl_step *step;
  int steps, room, result;     /* result: -1 until there is one */
  pl_outputs outputs;          /* several: what lies in the result, one after the other; else a count of 0 */
  const char *origin;          /* of the steps that follow; may be NULL */
} pl_program;

enum { PL_MOST_STEPS = 4096, PL_MOST_CONSTANT = 1 << 16 };   /* of a constant in a file: elements */

void pl_program_clear(pl_program *p);
void pl_program_free_list(pl_program *list);
pl_status pl_program_add_input(pl_program *p, const pl_shape *shape, bool fixed, int *out, pl_error *err);
pl_status pl_program_add_param(pl_program *p, int index, int *out, pl_error *err);
pl_status pl_program_add_constant(pl_program *p, const pl_shape *shape, const float *data, int *out, pl_error *err);
pl_status pl_program_add_op(pl_program *p, const char *name, const pl_op_args *args, const int *in, int inputs,
                            int *out, pl_error *err);
/* A call of the layer's child `index`. */
pl_status pl_program_add_layer(pl_program *p, int index, int in, int *out, pl_error *err);

/* Says in what the second differs from the first: PL_ERROR_STATE. */
pl_status pl_program_compare(const pl_program *first, const pl_program *second, pl_error *err);
/* A comparison that nothing takes was a condition: `if x:gt(0) then`, which Lua takes as true always. An error. */
pl_status pl_program_check_comparisons(const pl_program *p, pl_error *err);
/* Marks the steps that the result is made of: uses[steps]. */
void pl_program_mark_used(const pl_program *p, bool *used);
/* Adds its steps to a graph, of which `inputs` are the values. */
pl_status pl_program_apply(const pl_program *p, pl_graph *graph, const int *inputs, int *out, pl_error *err);

/* { steps = [...], result = n }, and back, for inputs of other shapes too: the inputs have been added. A step has
   asked = [sizes] (-1: any) where the function took some of its shape: the program is then for these alone, and reading
   it for others PL_ERROR_STATE. */
struct cJSON *pl_program_write(const pl_program *p);
pl_status pl_program_read(pl_program *p, const struct cJSON *json, pl_error *err);

#endif
