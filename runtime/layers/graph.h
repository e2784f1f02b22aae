/* The dataflow of a model: values, and operations in an order in which they can run. Value 0 is the input; the output
   of the last operation is the output. A value may be used any number of times; the plan adds up its gradients in
   order of use. A graph is built by calling layers on values, and does not change after that. */
#ifndef LAYERS_GRAPH_H
#define LAYERS_GRAPH_H

#include "perilune/layers.h"

struct pl_layer_class;

typedef struct pl_value {
  pl_shape shape;      /* of one sample */
  bool many_zeros;     /* are likely in it: pixels of the data */
} pl_value;

typedef struct pl_op {
  const struct pl_layer_class *cls;
  pl_layer *layer;     /* whose options and parameters it has; of a sum within a container: the container */
  int call;            /* of the layer in this graph, from 0: each has random numbers of its own */
  int input, inputs;   /* its inputs are graph->input[input .. input + inputs) */
  int out;
} pl_op;

/* What is shown of a model, in order: an operation, or where a container begins. */
typedef struct pl_row {
  const pl_layer *layer;
  int op;              /* -1: the beginning of a container */
  int value;           /* its output; of a beginning, the container's input */
} pl_row;

typedef struct pl_graph {
  _Atomic int references;
  pl_value *value;
  pl_op *op;
  int *input;          /* values */
  pl_row *row;
  int values, ops, inputs, rows, room_values, room_ops, room_inputs, room_rows;
  bool shares;         /* some layer is used at several places */
  int calls;           /* of layers and containers since then */
} pl_graph;

/* With value 0 and one reference. NULL and an error when memory is short. */
pl_graph *pl_graph_new(const pl_shape *input, pl_error *err);
pl_graph *pl_graph_retain(pl_graph *graph);
void pl_graph_release(pl_graph *graph);          /* NULL is allowed; layers are not touched */
int pl_graph_output(const pl_graph *graph);      /* the value */

/* Calls `layer` on value `in`: shapes are checked, its operations (a container's are many) are added; *out is the
   result. */
pl_status pl_graph_call(pl_graph *graph, pl_layer *layer, int in, int *out, pl_error *err);
/* Adds an operation without parameters of any number of inputs. `owner`: the layer that is named in messages. */
pl_status pl_graph_combine(pl_graph *graph, const struct pl_layer_class *cls, pl_layer *owner, const int *in,
                           int inputs, int *out, pl_error *err);
/* Notes that a container which is shown with its ends begins here, on value `in`. */
pl_status pl_graph_begin(pl_graph *graph, const pl_layer *container, int in, pl_error *err);

static inline int pl_op_input(const pl_graph *graph, const pl_op *op, int k) { return graph->input[op->input + k]; }

#endif
