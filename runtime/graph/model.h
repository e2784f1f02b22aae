/* The model's inside, shared by the files of this folder. */
#ifndef GRAPH_MODEL_H
#define GRAPH_MODEL_H

#include "layers/layer.h"
#include "perilune/threads.h"
#include "perilune/model.h"

/* Values, gradients and states in one counted allocation, so that a tensor of weights may outlive its model. */
typedef struct pl_block {
  _Atomic int references;
  _Atomic uint64_t writes;      /* so far, to the values or states by other than a forward pass */
  size_t size, state_size;
  float *values, *grads, *states;
} pl_block;

typedef struct pl_stopwatch {
  bool on;
  int ops;
  double mark;                  /* when the last stage or operation ended */
  double seconds[];             /* by stage, then by operation forward, then backward */
} pl_stopwatch;

struct pl_model {
  pl_layer *root;
  pl_graph *graph;              /* counted; NULL before the first build */
  pl_graph *written;            /* counted; before formulas were recognised (recognize.c) */
  bool has_params, has_host;
  pl_block *block;
  pl_slice *slice;
  size_t slices, parameters;
  uint64_t seed, step;          /* of dropout masks */
  uint64_t drawn;               /* digest of the trained values as they were drawn */
  bool drawing;                 /* since pl_model_initialize, until they are noted as drawn */
  bool replace_grads;           /* the next backward replaces gradients instead of adding to them */
  const void *packed_for;       /* the exec for whose training parameters are in another order; NULL: for none */
  pl_stopwatch *watch;          /* NULL: never started */
  bool calling;                 /* a function of the script runs, in the middle of a pass */
};

/* Values or states of the model's block change, but for statistics in a forward pass; and how often they have. A
   backward pass reads the values that its forward pass read. */
void pl_block_note_write(void *block);
void pl_model_note_write(pl_model *model);
uint64_t pl_model_writes(const pl_model *model);

/* An error while a pass is under way: what the function of a Lambda calls may neither run nor rebuild the model it is
   in. */
pl_status pl_model_idle(const pl_model *model, pl_error *err);
pl_status pl_not_built(pl_error *err);
/* Depth first, parents before children: the order of ids, of slices, and of everything in files. */
void pl_model_walk(pl_layer *layer, void (*visit)(pl_layer *, void *), void *arg);

/* ---- which values are worth keeping: graph/initialize.c ---- */

/* As pl_model_initialize, but parameters that keep the values of an earlier model are left as they are. */
pl_status pl_model_initialize_new(pl_model *model, uint64_t seed, pl_error *err);
/* The values are as they were drawn: nobody would miss them. */
void pl_model_note_drawn(pl_model *model);
/* Whether a trained value has changed since. */
bool pl_model_is_changed(const pl_model *model);
/* A larger model, that the layers become part of, is to have their values. */
void pl_model_keep_values(pl_model *model);

/* A complete graph's operations of formulas become what they write out: graph/recognize.c. */
pl_status pl_graph_recognize(pl_graph *graph, pl_error *err);
/* pl_model_row_at, of any graph of a model. */
pl_model_row pl_graph_row(const pl_graph *graph, int i);

#endif
