/* An operation of a formula: no layer, no parameters; a class, whole numbers as arguments, and inputs. Its inputs and
   output have a batch axis, or are `fixed`: the same for all samples (parameters, constants, and what is made of these
   alone). Shapes are those of one sample, or of the whole where fixed. */
#ifndef LAYERS_OPERATION_H
#define LAYERS_OPERATION_H

#include "perilune/layers.h"

enum { PL_MOST_INPUTS = 16, PL_MOST_ARGS = 8 };

struct pl_layer_class;

typedef struct pl_op_args {
  int n;
  int64_t v[PL_MOST_ARGS];
} pl_op_args;

typedef struct pl_operation {
  const struct pl_layer_class *cls;
  pl_op_args args;
  int inputs;
  pl_shape in[PL_MOST_INPUTS], out;
  bool fixed[PL_MOST_INPUTS], out_fixed;
} pl_operation;

/* The class of that name, or NULL. */
const struct pl_layer_class *pl_operation_find(const char *name);
/* The nearest name of an operation, or NULL. */
const char *pl_operation_nearest(const char *name);
/* The class, arguments, and shapes of the inputs are there: checks them, and fills the output. The message begins with
   the operation's name. */
pl_status pl_operation_infer(pl_operation *o, pl_error *err);
/* "[N, 2, 3]", or where fixed "[2, 3]" */
const char *pl_operation_shape(char text[PL_SHAPE_TEXT], const pl_shape *shape, bool fixed);
/* The refusal that begins "name: [N, 2] and [3]: " */
pl_status pl_operation_refuse(const pl_operation *o, pl_error *err, const char *format, ...) PL_PRINTF(3, 4);

#endif
