/* The dataflow of a tree of layers as a list of operations in execution order. Values are numbered; value 0 is
   the input. The model's plan gives each value a place and runs the list forwards, then backwards. */
#ifndef LAYERS_GRAPH_H
#define LAYERS_GRAPH_H

#include "perilune/layers.h"

typedef enum pl_op_kind {
  PL_OP_LAYER,   /* out[0] = layer(in[0]) */
  PL_OP_ALIAS,   /* out[0] is in[0] under another shape */
  PL_OP_FORK,    /* out[0] and out[1] are in[0]; backward adds their gradients */
  PL_OP_JOIN     /* out[0] = in[0] + in[1]; backward passes the gradient to both */
} pl_op_kind;

typedef struct pl_op {
  pl_op_kind kind;
  pl_layer *layer;
  int in[2], out[2];   /* -1: none */
} pl_op;

typedef struct pl_graph {
  _Atomic int references;
  pl_shape *value;     /* shape of one sample of each value */
  pl_op *op;
  int values, ops, room_values, room_ops;
} pl_graph;

/* With value 0 and one reference; it does not change once it is complete. NULL and an error when memory is short. */
pl_graph *pl_graph_new(const pl_shape *input, pl_error *err);
pl_graph *pl_graph_retain(pl_graph *graph);
void pl_graph_release(pl_graph *graph);          /* NULL is allowed; layers are not touched */
int pl_graph_last_value(const pl_graph *graph);
/* Adds the operations of `layer` on value `in`: its shape is checked; *out is the resulting value. */
pl_status pl_graph_add(pl_graph *graph, pl_layer *layer, int in, int *out, pl_error *err);
pl_status pl_graph_fork(pl_graph *graph, pl_layer *layer, int in, int out[2], pl_error *err);
pl_status pl_graph_join(pl_graph *graph, pl_layer *layer, int a, int b, int *out, pl_error *err);

#endif
