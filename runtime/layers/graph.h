/* The dataflow of a model: values, and operations in an order in which they can run. Value 0 is the input; the output
   of the last operation is the output. A value may be used any number of times; the plan adds up its gradients in
   order of use. A graph is built by calling layers on values, and does not change after that. */
#ifndef LAYERS_GRAPH_H
#define LAYERS_GRAPH_H

#include "perilune/layers.h"

struct pl_layer_class;

/* Where a value comes from: an operation, or from outside the graph. From nowhere: it has fallen out of use. */
typedef enum pl_source { PL_FROM_OP, PL_FROM_INPUT, PL_FROM_PARAM, PL_FROM_CONSTANT, PL_FROM_NOWHERE } pl_source;

typedef struct pl_value {
  pl_shape shape;      /* of one sample; of a fixed value the whole */
  bool many_zeros;     /* are likely in it: pixels of the data */
  bool fixed;          /* no batch axis: parameters and constants of formulas, and what is made of these alone */
  pl_source source;
  int index;           /* of the input, or of the layer's parameter */
  pl_layer *layer;     /* whose parameter it is */
  float *data;         /* of a constant; owned */
} pl_value;

typedef struct pl_op {
  const struct pl_layer_class *cls;
  pl_layer *layer;     /* whose options and parameters it has; of a sum within a container: the container */
  int call;            /* of the layer in this graph, from 0: each has random numbers of its own */
  int input, inputs;   /* its inputs are graph->input[input .. input + inputs) */
  int out;
  struct pl_operation *info;   /* owned; NULL: a layer, or a sum of a container's */
} pl_op;

/* What is shown of a model, in order: an operation, or where a container begins. */
typedef struct pl_row {
  const pl_layer *layer;
  int op;              /* -1: the beginning of a container */
  int first;           /* a formula: its operations are [first, op]; else op */
  int value;           /* its output; of a beginning, the container's input */
} pl_row;

typedef struct pl_graph {
  _Atomic int references;
  pl_value *value;
  pl_op *op;
  int *input;          /* values */
  pl_row *row;
  int result;          /* the value that is the output; -1: that of the last operation */
  pl_outputs outputs;  /* several: what lies in it, one after the other; else a count of 0 */
  int values, ops, inputs, rows, room_values, room_ops, room_inputs, room_rows;
  bool shares;         /* some layer is used at several places */
  int calls;           /* of layers and containers since then */
  int traced;          /* operations and calls, with those in graphs that were made to find a shape */
  const struct pl_graph *outer;  /* for whose formula this one finds a shape; NULL: none */
  struct pl_program *recorded;   /* what the formulas called in it were recorded as, the last first; owned */
  struct pl_program *looked_at;  /* and those called to find a shape; owned */
} pl_graph;

/* With value 0 and one reference. NULL and an error when memory is short. */
pl_graph *pl_graph_new(const pl_shape *input, pl_error *err);
pl_graph *pl_graph_retain(pl_graph *graph);
void pl_graph_release(pl_graph *graph);          /* NULL is allowed; layers are not touched */
/* A graph of its own, with one reference. NULL: memory is short. */
pl_graph *pl_graph_copy(const pl_graph *graph, pl_error *err);
int pl_graph_output(const pl_graph *graph);      /* the value */
pl_outputs pl_graph_outputs(const pl_graph *graph);   /* at least one */

/* Calls `layer` on value `in`: shapes are checked, its operations (a container's are many) are added; *out is the
   result. */
pl_status pl_graph_call(pl_graph *graph, pl_layer *layer, int in, int *out, pl_error *err);
/* Adds an operation without parameters of any number of inputs. `owner`: the layer that is named in messages. */
pl_status pl_graph_combine(pl_graph *graph, const struct pl_layer_class *cls, pl_layer *owner, const int *in,
                           int inputs, int *out, pl_error *err);
/* Values from outside: another input of the model, a parameter of a layer (the same value each time), a constant. */
pl_status pl_graph_input(pl_graph *graph, const pl_shape *shape, int *out, pl_error *err);
pl_status pl_graph_param(pl_graph *graph, pl_layer *layer, int index, int *out, pl_error *err);
pl_status pl_graph_constant(pl_graph *graph, const pl_shape *shape, const float *data, int *out, pl_error *err);
/* Adds an operation of a formula, whose shapes have been checked. No row of its own. */
pl_status pl_graph_operate(pl_graph *graph, const struct pl_operation *o, pl_layer *owner, const int *in, int *out,
                           pl_error *err);
/* A formula's row: its operations are among those from `first` on. */
pl_status pl_graph_note_formula(pl_graph *graph, const pl_layer *formula, int first, int value, pl_error *err);
/* Notes that a container which is shown with its ends begins here, on value `in`. */
pl_status pl_graph_begin(pl_graph *graph, const pl_layer *container, int in, pl_error *err);

/* Elements of value v for a batch. */
static inline size_t pl_value_count(const pl_graph *graph, int v, size_t batch) {
  return (graph->value[v].fixed ? 1 : batch) * (size_t)pl_shape_count(&graph->value[v].shape);
}

/* The operation that has the layer's parameter as its own, and may have it in another order: the layer's, or a product
   that a formula writes out. NULL: none. */
const struct pl_layer_class *pl_graph_class_of_param(const pl_graph *graph, const pl_layer *layer, int param);

static inline int pl_op_input(const pl_graph *graph, const pl_op *op, int k) { return graph->input[op->input + k]; }

#endif
